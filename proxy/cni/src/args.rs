//! The arguments of what the DaemonSet runs. The plugin itself has none: it is called as the CNI specification says.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand};
use proxy_init::log::{Format, Level, Log};

/// Puts the CNI plugin on a node, and repairs pods that started without it.
///
/// Run by a container runtime with CNI_COMMAND in its environment, it is the plugin.
///
/// Exit codes: 0 done, or in place; 1 not in place, or ended by an error; 64 wrong arguments.
#[derive(Debug, Parser)]
#[command(name = "linkerd-cni", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What the program does.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Installs the plugin, keeps it installed, and takes it out on SIGTERM.
    Install(Install),
    /// Says by its exit code whether the plugin and its entry are in place.
    Status(Node),
    /// Follows the pods of a node and redirects those that lack their rules.
    Repair(Repair),
}

/// Where the node keeps its network configuration.
#[derive(Debug, Args)]
pub struct Node {
    /// The folder of network configurations, as the node names it.
    #[arg(long, env = "DEST_CNI_NET_DIR", value_name = "DIR", default_value = "/etc/cni/net.d")]
    pub net_dir: PathBuf,
    /// The folder of plugins, as the node names it.
    #[arg(long, env = "DEST_CNI_BIN_DIR", value_name = "DIR", default_value = "/opt/cni/bin")]
    pub bin_dir: PathBuf,
    /// Where the node's files are mounted.
    #[arg(long, value_name = "DIR", default_value = "/host")]
    pub host_root: PathBuf,
}

/// Arguments of `install`.
#[derive(Debug, Args)]
pub struct Install {
    /// The node's folders.
    #[command(flatten)]
    pub node: Node,
    /// The plugin's entry, with the words in double underscores to be replaced.
    #[arg(long, env = "CNI_NETWORK_CONFIG", value_name = "JSON", hide_env_values = true)]
    pub network_config: String,
    /// The API server's address.
    #[arg(long, env = "KUBERNETES_SERVICE_HOST", value_name = "HOST")]
    pub kubernetes_host: String,
    /// The API server's port.
    #[arg(long, env = "KUBERNETES_SERVICE_PORT", value_name = "PORT", default_value = "443")]
    pub kubernetes_port: u16,
    /// The folder with this pod's token and the API server's certificate authority.
    #[arg(long, value_name = "DIR", default_value = mesh_core::names::containers::SERVICE_ACCOUNT_MOUNT)]
    pub service_account: PathBuf,
    /// How it speaks.
    #[command(flatten)]
    pub log: LogArgs,
}

/// Arguments of `repair`.
#[derive(Debug, Args)]
pub struct Repair {
    /// The plugin's entry.
    #[arg(long, env = "CNI_NETWORK_CONFIG", value_name = "JSON", hide_env_values = true)]
    pub network_config: String,
    /// The node whose pods are followed.
    #[arg(long, value_name = "NAME")]
    pub node_name: String,
    /// Where the container runtime keeps network namespaces.
    #[arg(long, value_name = "DIR", default_value = "/host/run/netns")]
    pub netns_dir: PathBuf,
    /// Where `/live`, `/ready` and `/metrics` are served.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9990")]
    pub admin_addr: SocketAddr,
    /// A kubeconfig instead of the pod's own account.
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// How it speaks.
    #[command(flatten)]
    pub log: LogArgs,
}

/// How a process speaks.
#[derive(Debug, Args)]
pub struct LogArgs {
    /// How much is said: error, warn, info, debug or trace.
    #[arg(long, default_value = "info")]
    pub log_level: Level,
    /// How it is said: plain or json.
    #[arg(long, default_value = "plain")]
    pub log_format: Format,
}

// === impl LogArgs ===

impl LogArgs {
    /// Where lines go through.
    pub fn open(&self) -> Log {
        Log { level: self.log_level, format: self.log_format }
    }
}
