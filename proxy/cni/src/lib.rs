//! The CNI plugin: redirects a pod's traffic when its network is made, so that no pod needs an init container with rights.
//!
//! Three roles in one program. [`plugin`] is run by the container runtime for each pod of its node: [`config`] is what it reads,
//! [`pod`] decides what a pod wants, [`redirect`] puts it in force. [`install`] puts the plugin on the node and keeps it there.
//! [`repair`] finds pods that started without redirection, and redirects them where they run.

pub mod args;
pub mod config;
pub mod install;
pub mod plugin;
pub mod pod;
pub mod redirect;
pub mod repair;
