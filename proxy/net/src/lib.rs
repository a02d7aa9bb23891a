//! Codecs of a proxy's data path: HPACK, HTTP/2 and HTTP/1, as pure functions and state machines on slices.
//!
//! Nothing here reads a socket, a clock or the environment. Input is a slice that the caller has read; output is appended to
//! a `Vec<u8>` of the caller's, which seals and writes it once at the end of a poll round. Nothing is allocated for a frame
//! or a header once buffers have grown to their working size.

pub mod backoff;
pub mod balance;
pub mod breaker;
pub mod budget;
#[allow(dead_code, reason = "the seam comes before what calls it")]
pub mod engine;
pub mod h2;
pub mod headers;
pub mod hpack;
pub mod http1;
pub mod proxy_header;
pub mod rate_limit;
pub mod transport_header;
mod window;
