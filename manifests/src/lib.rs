//! The charts, embedded, and the Helm-compatible renderer of them.
//!
//! [`render`] turns a [`Chart`], its effective values and a [`Release`] into [`Object`]s. The templates are those `helm install` uses;
//! the text of each object is what Helm would write.

pub mod chart;
pub mod object;
pub mod order;
mod render;
pub mod schema;
pub mod sidecar;
pub mod values;

pub use chart::{Chart, Package, Release};
pub use object::{Object, render};
pub use order::Stage;
pub use render::RenderError;
