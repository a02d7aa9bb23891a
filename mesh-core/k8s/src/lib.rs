//! Everything that speaks to a Kubernetes API server.
//!
//! Reading order: [`client`] (kubeconfig, context and impersonation become a [`Client`]), [`resource`] (the
//! kinds and where the API serves them), [`objects`] (get, list page by page, dry run), [`access`] (may I?),
//! [`error`] (what went wrong, by what the user can do about it).

pub mod access;
pub mod client;
pub mod error;
pub mod objects;
pub mod portforward;
pub mod resource;
pub mod selector;
pub mod stream;
pub mod target;

pub use client::{Client, ClientConfig};
pub use error::Error;
pub use resource::Resource;
