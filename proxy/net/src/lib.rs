//! The data path of a proxy, without a word of any mesh: codecs, and the engine that moves octets.
//!
//! The codecs (HPACK, HTTP/2, HTTP/1) are pure functions and state machines on slices: they read no socket, clock or
//! environment. Input is a slice that the caller has read; output is appended to a `Vec<u8>` of the caller's. Nothing is allocated
//! for a frame or a header once buffers have grown to their working size. [`engine`] owns the sockets of a worker thread, and asks
//! a [`engine::Handler`] where things go.

pub mod backoff;
pub mod balance;
pub mod breaker;
pub mod budget;
pub mod engine;
pub mod h2;
pub mod headers;
pub mod hpack;
pub mod http1;
pub mod proxy_header;
pub mod rate_limit;
pub mod transport;
pub mod transport_header;
mod window;
