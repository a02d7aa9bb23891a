//! The engine between real sockets: engines on threads, hyper's clients and servers around them.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod accept;
mod chain;
mod drain;
mod endpoints;
mod http1;
mod kit;
mod peers;
mod raw;
