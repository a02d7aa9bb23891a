//! The arguments. The manifests give them, see `docs/components.md`.

use std::{
    net::{IpAddr, SocketAddr},
    num::NonZeroU16,
    path::PathBuf,
    time::Duration,
};

use clap::{ArgAction, Args, Parser, Subcommand};
use ipnet::IpNet;
use mesh_core::{duration::GoDuration, port::PortRanges};
use proxy_init::{
    apply::Mode,
    log::{Format, Level, Log},
    rules::{Capture, Settings},
    validate::Validation,
};

/// The highest number of a user or group.
const LAST_ID: i64 = 4_294_967_294;

/// Redirects the TCP connections of a pod to its proxy.
///
/// Exit codes: 0 everything is in force; 1 the packet filter refused the rules or holds others; 64 wrong arguments;
/// 69 a tool, a capability or a namespace is missing; 95 the network validator did not hear itself.
#[derive(Debug, Parser)]
#[command(name = "linkerd-init", version, args_conflicts_with_subcommands = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) apply: Apply,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Removes the redirection, whichever tool programmed it.
    Cleanup(Cleanup),
    /// Proves that outbound connections arrive at the proxy's port; exits with 95 if they do not.
    ValidateNetwork(Validate),
}

#[derive(Debug, Args)]
pub(crate) struct LogArgs {
    /// How much is said: error, warn, info, debug or trace.
    #[arg(long, default_value = "info")]
    log_level: Level,
    /// How it is said: plain or json.
    #[arg(long, default_value = "plain")]
    log_format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct Apply {
    /// Where the proxy listens for inbound connections.
    #[arg(short = 'p', long, value_name = "PORT", default_value = "4143")]
    incoming_proxy_port: NonZeroU16,
    /// Where the proxy listens for outbound connections.
    #[arg(short = 'o', long, value_name = "PORT", default_value = "4140")]
    outgoing_proxy_port: NonZeroU16,
    /// The proxy's user, whose connections are left alone; none if not above 0.
    #[arg(short = 'u', long, value_name = "UID", allow_negative_numbers = true, value_parser = clap::value_parser!(i64).range(-1..=LAST_ID))]
    proxy_uid: Option<i64>,
    /// The proxy's group, whose connections are left alone; none if not above 0.
    #[arg(short = 'g', long, value_name = "GID", allow_negative_numbers = true, value_parser = clap::value_parser!(i64).range(-1..=LAST_ID))]
    proxy_gid: Option<i64>,
    /// Redirect inbound connections to these ports only.
    #[arg(short = 'r', long, value_name = "PORTS", default_value = "")]
    ports_to_redirect: PortRanges,
    /// Ports whose inbound connections are left alone.
    #[arg(long, value_name = "PORTS", default_value = "")]
    inbound_ports_to_ignore: PortRanges,
    /// Ports to which outbound connections are left alone.
    #[arg(long, value_name = "PORTS", default_value = "")]
    outbound_ports_to_ignore: PortRanges,
    /// Networks from which inbound connections are left alone.
    #[arg(long, value_name = "CIDR", value_delimiter = ',', value_parser = network)]
    subnets_to_ignore: Vec<IpNet>,
    /// The preferred tool: nft, legacy or plain.
    #[arg(long, value_name = "MODE", default_value = "nft")]
    pub(crate) iptables_mode: Mode,
    /// Redirect IPv6 too.
    #[arg(long, action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_value_t = true, default_missing_value = "true")]
    pub(crate) ipv6: bool,
    /// Forget connections that one side has closed after so many seconds; 0 leaves the kernel's setting.
    #[arg(long, value_name = "SECONDS")]
    pub(crate) timeout_close_wait_secs: Option<u32>,
    /// The network namespace to program, as a file.
    #[arg(long, value_name = "PATH")]
    pub(crate) netns: Option<PathBuf>,
    /// Print what would be programmed, and program nothing.
    #[arg(long)]
    pub(crate) simulate: bool,
    #[command(flatten)]
    pub(crate) log: LogArgs,
}

#[derive(Debug, Args)]
pub(crate) struct Cleanup {
    /// The network namespace to clean up, as a file.
    #[arg(long, value_name = "PATH")]
    pub(crate) netns: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) log: LogArgs,
}

#[derive(Debug, Args)]
pub(crate) struct Validate {
    /// Where the proxy will listen for outbound connections.
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:4140")]
    listen_addr: SocketAddr,
    /// Addresses that nobody has; one per family.
    #[arg(long, value_name = "ADDRESS", value_delimiter = ',', default_value = "192.0.2.2:1404")]
    connect_addr: Vec<SocketAddr>,
    /// How long it may take, such as 10s.
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    timeout: Duration,
    #[command(flatten)]
    pub(crate) log: LogArgs,
}

impl Apply {
    /// What is asked for, without the how.
    pub(crate) fn settings(&self) -> Settings {
        let id = |id: Option<i64>| id.and_then(|id| u32::try_from(id).ok()).filter(|id| *id > 0);
        Settings {
            inbound_port: self.incoming_proxy_port,
            outbound_port: self.outgoing_proxy_port,
            proxy_uid: id(self.proxy_uid),
            proxy_gid: id(self.proxy_gid),
            capture: match &self.ports_to_redirect {
                ports if ports.is_empty() => Capture::All,
                ports => Capture::Ports(ports.clone()),
            },
            skip_inbound: self.inbound_ports_to_ignore.clone(),
            skip_outbound: self.outbound_ports_to_ignore.clone(),
            skip_sources: self.subnets_to_ignore.clone(),
        }
    }
}

impl Validate {
    pub(crate) fn validation(&self) -> Validation {
        Validation { listen: self.listen_addr, connect: self.connect_addr.clone(), timeout: self.timeout }
    }
}

impl LogArgs {
    pub(crate) fn open(&self) -> Log {
        Log { level: self.log_level, format: self.log_format }
    }
}

fn network(text: &str) -> Result<IpNet, String> {
    let text = text.trim();
    let alone = || text.parse::<IpAddr>().ok().map(IpNet::from);
    text.parse().ok().or_else(alone).ok_or_else(|| "it is not a network such as 10.0.0.0/8".to_owned())
}

fn duration(text: &str) -> Result<Duration, String> {
    let duration: GoDuration =
        text.parse().map_err(|error: mesh_core::duration::DurationError| error.to_string())?;
    duration.to_std().filter(|time| !time.is_zero()).ok_or_else(|| "it is not above zero".to_owned())
}
