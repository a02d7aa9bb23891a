//! gRPC for methods whose answers are shared frames: served on the mesh's own HTTP/2 codec, one task a connection.
//!
//! ```text
//!  accept ──> Connection ──whole request──> Method::read ──> Index::subscribe
//!                 │  ^                                              │
//!                 │  └────── Outbox: streams with news ────── Cell <┘
//!                 └─ shared frame, headers, trailers ──> one write a round
//! ```
//!
//! A generated server keeps a task, a boxed stream and an encoder for each stream, some 8 KiB in all. Here a stream is
//! an entry in its connection: a subscription, and which snapshot was sent last; together with the codec's state some
//! 400 bytes. Buffers belong to the worker thread, so a connection that is quiet holds none.

mod api;
mod connection;
mod outgoing;
mod server;
mod stream;

pub use api::{Answers, Api, Method, decode};
pub use server::{Limits, serve};
