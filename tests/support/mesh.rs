//! Pods without Kubernetes: network namespaces with real redirection, real proxies, and a control plane that says what a test wants.
//!
//! ```text
//!  client pod                      server pod
//!  +-----------------+  veth       +------------------+
//!  | client -> proxy |=============| proxy -> server  |
//!  +-----------------+             +------------------+
//!          \ veth                       / veth
//!           +---------------------------+
//!           | control plane, outside    |
//!           +---------------------------+
//! ```
//!
//! A [`Namespace`] has no name and no file: it ends with the thread that made it, and so does every process started in it. A test
//! that panics or is killed leaves nothing behind, and tests run side by side.
//!
//! [`World`] puts the parts together. [`ControlPlane`] serves the published APIs from scripts that a test changes while
//! connections run. [`Proxy`] is any binary that takes `LINKERD2_PROXY_*` variables.

pub mod answers;
mod authority;
mod capture;
mod control_plane;
pub mod http;
mod metrics;
mod namespace;
mod process;
mod proxy;
mod server;
mod spire;
pub mod tcp;
mod world;

pub use anyhow::Result;
pub use authority::{Authority, Leaf};
pub use capture::Capture;
pub use control_plane::{Answer, Call, Certify, ControlPlane, ReceivedSpan, Security};
pub use metrics::{Labels, Metrics};
pub use namespace::{Link, Namespace, check_prerequisites};
pub use process::{Process, Start, User};
pub use proxy::{Proxy, ProxyConfig};
pub use server::App;
pub use spire::SpireAgent;
pub use world::{APP_PORT, CONTROL_NAME, Pod, SERVICE_PORT, WEB, World, addresses};
