//! Tap: watching requests as they pass.
//!
//! A watcher's [`Filter`] is converted once and given to every worker by message; a worker holds a list of taps, and with
//! nobody watching a request costs one comparison with zero. Events go through a bounded queue to the watcher; what finds no room
//! is dropped and counted, never waited for.
//!
//! # What a worker calls
//!
//! ```text
//! request():   the endpoint is chosen        let tapped = taps.request(now, &observed, head);   // None: not watched
//! response():  the head that the client gets if let Some(tapped) = &mut tapped { tapped.response(now, head) }
//! trailers():  those of the response         if let Some(tapped) = &mut tapped { tapped.trailers(trailers) }
//! finished():                                if let Some(tapped) = tapped { tapped.end(summary) }
//! ```
//!
//! # Filters that need the end
//!
//! The published API filters by what is known when a request begins. Three reserved keys of a `route_label` match add what is known
//! later: [`STATUS_LABEL`] (`404`, `5xx`), [`LATENCY_LABEL`] (`>=250ms`, `<10ms`) and [`GRPC_LABEL`] (`14`). The events of a request are then
//! held until it is known whether it matches. A proxy that does not know these keys finds no such label, and shows nothing.

mod event;
mod filter;
mod server;
mod watch;

pub use filter::{Filter, GRPC_LABEL, InvalidFilter, LATENCY_LABEL, Observed, STATUS_LABEL};
pub use server::{Registry, serve};
pub use watch::{Tap, Tapped, Taps};

#[cfg(test)]
mod tests;
