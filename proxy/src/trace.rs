//! Tracing: the context of a trace goes from hop to hop, and a span of each hop to a collector.
//!
//! It is active only where a collector is configured. A request with a context ([`context`] knows the formats) gets a new one: the
//! same trace, and as its parent the proxy's own client span. If the trace is sampled, two spans are sent for each request: what
//! the proxy did as a server, and within it what it did as a client. No trace is begun here.
//!
//! # What a worker calls
//!
//! ```text
//! request():   before it is sent on     let traced = tracer.request(random, now, &hop, head);   // rewrites the header
//! response():  the head of the client   if let Some(traced) = traced { tracer.response(traced, now, status) }
//! finished():  without a response head  if let Some(traced) = traced { tracer.failed(traced, now, "reset") }
//! ```

pub mod context;
mod export;
mod span;

use mesh_api::otlp;

pub use export::{Exporter, Resource, resource};
pub use span::{Hop, Traced, Tracer};
