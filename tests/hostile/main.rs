//! Input that means harm, given to the command as it is run: it ends in an error, in bounded memory and time, and
//! nothing of it reaches stdout.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod manifests;
mod profiles;
mod run;
mod streams;
