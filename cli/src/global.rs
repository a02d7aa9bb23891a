//! The flags that every command takes.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use mesh_k8s::ClientConfig;

/// Flags of every command.
#[derive(Args, Clone, Debug)]
pub struct GlobalArgs {
    /// Namespace of the control plane
    #[arg(
        short = 'L', long, global = true, value_name = "NAMESPACE", default_value = "linkerd",
        env = "LINKERD_NAMESPACE", hide_env_values = true, value_parser = namespace,
        help_heading = "Global options"
    )]
    pub linkerd_namespace: String,

    /// Namespace of the CNI plugin
    #[arg(
        long, global = true, value_name = "NAMESPACE", default_value = "linkerd-cni",
        env = "LINKERD_CNI_NAMESPACE", hide_env_values = true, value_parser = namespace,
        help_heading = "Global options"
    )]
    pub cni_namespace: String,

    /// Path to the kubeconfig file (else $KUBECONFIG, then ~/.kube/config, then the pod's own account)
    #[arg(long, global = true, value_name = "FILE", help_heading = "Global options")]
    pub kubeconfig: Option<PathBuf>,

    /// Context of the kubeconfig to use
    #[arg(long, global = true, value_name = "NAME", help_heading = "Global options")]
    pub context: Option<String>,

    /// User to impersonate
    #[arg(long = "as", global = true, value_name = "USER", help_heading = "Global options")]
    pub impersonate: Option<String>,

    /// Group to impersonate; may be repeated
    #[arg(long = "as-group", global = true, value_name = "GROUP", help_heading = "Global options")]
    pub impersonate_group: Vec<String>,

    /// Address (host:port) of the control plane's API, instead of a port-forward to it
    #[arg(long, global = true, value_name = "ADDR", help_heading = "Global options")]
    pub api_addr: Option<String>,

    /// Print more of what happens, on stderr
    #[arg(long, global = true, help_heading = "Global options")]
    pub verbose: bool,

    /// When to colour the output
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        hide_possible_values = true,
        help_heading = "Global options"
    )]
    pub color: Color,
}

/// When to colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// If the stream is a terminal and neither `NO_COLOR` nor `TERM=dumb` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl GlobalArgs {
    /// How to reach the cluster.
    pub fn client_config(&self) -> ClientConfig {
        ClientConfig {
            kubeconfig: self.kubeconfig.clone(),
            context: self.context.clone(),
            impersonate_user: self.impersonate.clone(),
            impersonate_groups: self.impersonate_group.clone(),
        }
    }
}

/// A namespace as Linkerd accepts it: `^[a-zA-Z0-9-]+$`.
pub fn namespace(text: &str) -> Result<String, String> {
    let valid = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if valid { Ok(text.to_owned()) } else { Err(format!("{text} is not a valid namespace")) }
}
