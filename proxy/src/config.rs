//! The configuration of the process: the only reader of the environment.
//!
//! [`Config::read`] turns `LINKERD2_PROXY_*` into types. What is wrong with any of them is collected in one
//! [`InvalidConfig`], so that a start that fails tells all there is to mend. The rest of the crate sees types alone.

mod control;
mod env;
mod identity;
mod inbound;
mod names;
mod outbound;
mod parse;
mod process;
mod reference;
mod sockets;
mod trace;

use std::fmt;

use ipnet::IpNet;
use mesh_core::names::env as injected;

pub use self::control::{Control, Destination, Dns, Policy, Service, StreamLimits};
pub use self::env::{Environment, Problem};
pub use self::identity::{Identity, Source, TlsVersion};
pub use self::inbound::{DefaultPolicy, Inbound, InboundTarget};
pub use self::outbound::{Outbound, OutboundTarget};
pub use self::parse::{Host, HostPort, Suffixes};
pub use self::process::{AccessLog, Admin, Log, LogFormat, Process, Tap};
pub use self::reference::page;
pub(crate) use self::sockets::ADAPTIVE_WINDOW;
pub use self::sockets::{Http1Pool, Http2Client, Http2Server, KeepAlive, Listen, Queue, TcpOptions};
pub use self::trace::Trace;

use self::env::Reader;

/// What the process was told.
#[derive(Clone, Debug)]
pub struct Config {
    /// Threads, end of the process.
    pub process: Process,
    /// Logs.
    pub log: Log,
    /// The admin server.
    pub admin: Admin,
    /// The tap server; none where nobody may tap.
    pub tap: Option<Tap>,
    /// Accepting for the application.
    pub inbound: Inbound,
    /// Connecting for the application.
    pub outbound: Outbound,
    /// The proxy's own identity.
    pub identity: Identity,
    /// Where destinations are looked up.
    pub destination: Destination,
    /// Where policies are looked up.
    pub policy: Policy,
    /// How servers of the control plane are spoken to.
    pub control: Control,
    /// Networks that are the cluster's.
    pub cluster_networks: Vec<IpNet>,
    /// Where spans go; none where nothing is traced.
    pub trace: Option<Trace>,
    /// What was given but will not do what its giver may expect; for the log.
    pub warnings: Vec<String>,
}

/// Everything that is wrong with the environment: at least one problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidConfig {
    problems: Vec<Problem>,
}

// === impl Config ===

impl Config {
    /// Reads the environment.
    ///
    /// # Errors
    /// With every variable that is missing or has no value that can be used.
    pub fn read(environment: &Environment) -> Result<Self, InvalidConfig> {
        let reader = Reader::new(environment);
        let config = Self::gather(environment, &reader);
        let problems = reader.into_problems();
        match config {
            Some(config) if problems.is_empty() => Ok(config),
            _ => Err(InvalidConfig { problems }),
        }
    }

    /// Every part is read before any is looked at, so that all problems are found.
    fn gather(environment: &Environment, reader: &Reader<'_>) -> Option<Self> {
        let mut warnings = unknown(environment);
        let cluster_networks = reader
            .parsed(injected::POLICY_CLUSTER_NETWORKS, parse::NETWORKS, parse::networks)
            .unwrap_or_default();
        let process = Process::read(reader);
        let log = Log::read(reader);
        let identity = Identity::read(reader);
        let inbound = Inbound::read(reader, &cluster_networks, &mut warnings);
        let outbound = Outbound::read(reader);
        let admin = Admin::read(reader, &inbound);
        let tap = Tap::read(reader);
        let destination = Destination::read(reader);
        let policy = Policy::read(reader);
        let control = Control::read(reader, &outbound);
        let trace = Trace::read(environment, reader, &mut warnings);
        Some(Self {
            process,
            log,
            admin,
            tap,
            inbound,
            outbound,
            identity: identity?,
            destination: destination?,
            policy: policy?,
            control,
            cluster_networks,
            trace,
            warnings,
        })
    }
}

/// Variables with the proxy's prefix that nobody reads.
fn unknown(environment: &Environment) -> Vec<String> {
    let given: Vec<&str> = environment.names().filter(|name| name.starts_with(injected::PREFIX)).collect();
    if given.is_empty() {
        return Vec::new();
    }
    let known: Vec<String> = (injected::ALL.iter().map(|variable| variable.name))
        .chain(names::ALL.iter().map(|variable| variable.name))
        .chain(names::WITHOUT_EFFECT.iter().copied())
        .map(str::to_owned)
        .chain(reference::server_variables().map(|(name, _)| name))
        .collect();
    let unknown = given.into_iter().filter(|name| !known.iter().any(|known| known == name));
    unknown
        .map(|name| match mesh_core::suggest::nearest(name, known.iter().map(String::as_str)) {
            Some(nearest) => format!("{name} is not a variable of this proxy; did you mean {nearest}?"),
            None => format!("{name} is not a variable of this proxy"),
        })
        .collect()
}

// === impl InvalidConfig ===

impl InvalidConfig {
    /// The problems, in the order they were found.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl fmt::Display for InvalidConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for InvalidConfig {}

#[cfg(test)]
mod tests;
