//! The inbound side through the real engine: sockets on loopback, policies of the test's own.

mod gateway;
mod http1;
mod http2;
mod kit;
mod mesh;
mod policy;
mod smuggling;
mod tcp;
