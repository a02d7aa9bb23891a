//! What is accepted for the application.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;
use mesh_core::names::env as injected;
use mesh_core::port::{PortRange, PortRanges};
use proxy_net::backoff::Backoff;

use super::env::{Form, Reader};
use super::sockets::{Direction, Http1Pool, Http2Client, Http2Server, Listen, Queue, TcpOptions, duration};
use super::{Suffixes, names, parse};

/// Accepting connections for the application.
#[derive(Clone, Debug)]
pub struct Inbound {
    /// Where redirected connections arrive.
    pub listen: Listen,
    /// Further addresses, each with the application's: nothing has to be redirected for them.
    pub targets: Vec<InboundTarget>,
    /// Options of accepted sockets.
    pub accept: TcpOptions,
    /// Options of sockets to the application.
    pub connect: TcpOptions,
    /// How long connecting to the application may take.
    pub connect_timeout: Duration,
    /// Between attempts to connect.
    pub backoff: Backoff,
    /// How long a client's first octets may take.
    pub detect_timeout: Duration,
    /// Addresses of the pod; connections to others are refused unless it is empty.
    pub allowed_ips: HashSet<IpAddr>,
    /// Ports whose policy is watched from the start; of a gateway the proxy's own among them.
    pub ports: PortRanges,
    /// Ports that are opaque until their policy is known.
    pub opaque_ports: PortRanges,
    /// Ports that accept clients with an identity only until their policy is known.
    pub identity_ports: PortRanges,
    /// The policy of ports until it is known.
    pub default_policy: DefaultPolicy,
    /// How long what was discovered is kept unused.
    pub discovery_idle: Duration,
    /// How long a profile may take before it is done without.
    pub profile_timeout: Duration,
    /// Requests that wait for the application.
    pub queue: Queue,
    /// Requests without a response head at a time.
    pub max_in_flight: usize,
    /// HTTP/1 connections to the application.
    pub pool: Http1Pool,
    /// HTTP/2 of accepted connections.
    pub server: Http2Server,
    /// HTTP/2 of connections to the application.
    pub client: Http2Client,
    /// Names that are forwarded to for other clusters; empty is no gateway.
    pub gateway: Suffixes,
    /// Whether metrics name the authority, which clients choose freely.
    pub authority_labels: bool,
    /// Networks whose connections begin with a PROXY protocol header.
    pub proxy_protocol: Vec<IpNet>,
    /// Networks whose `forwarded` and `x-forwarded-for` are believed.
    pub trusted_forwarders: Vec<IpNet>,
}

/// An address to listen on, for one fixed address of the application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InboundTarget {
    /// Where connections arrive.
    pub listen: SocketAddr,
    /// Where they go.
    pub target: SocketAddr,
}

/// Who may connect while the control plane has not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DefaultPolicy {
    /// Nobody.
    Deny,
    /// Clients with an identity, from everywhere.
    AllAuthenticated,
    /// Everybody.
    AllUnauthenticated,
    /// Clients with an identity, from the cluster's networks.
    ClusterAuthenticated,
    /// Everybody in the cluster's networks.
    ClusterUnauthenticated,
    /// Everybody, but said in the log.
    Audit,
}

const POLICY: Form = Form(
    "deny, audit, all-authenticated, all-unauthenticated, cluster-authenticated or cluster-unauthenticated",
);
const TARGETS: Form = Form("pairs of addresses with commas between, such as 127.0.0.1:9090=127.0.0.1:8080");

// === impl Inbound ===

impl Inbound {
    pub(super) fn read(reader: &Reader<'_>, cluster: &[IpNet], warnings: &mut Vec<String>) -> Self {
        let direction = Direction::Inbound;
        let listen = reader
            .parsed(injected::INBOUND_LISTEN_ADDR, parse::SOCKET, parse::socket)
            .unwrap_or_else(|| SocketAddr::from(([0, 0, 0, 0], 4143)));
        let networks = |name: &str| reader.parsed(name, parse::NETWORKS, parse::networks).unwrap_or_default();
        let ports = |name: &str| reader.parsed(name, parse::PORTS, parse::ports).unwrap_or_default();
        let allowed = reader.parsed(injected::INBOUND_IPS, parse::ADDRESSES, parse::addresses);
        let gateway = reader
            .parsed(injected::INBOUND_GATEWAY_SUFFIXES, parse::SUFFIXES, parse::suffixes)
            .unwrap_or_default();
        // Whom a gateway lets in is known before the first comes.
        let own = (!gateway.is_empty()).then(|| PortRange::single(listen.port()));
        let watched = ports(injected::INBOUND_PORTS).as_slice().iter().copied().chain(own).collect();
        let (identity, tls) =
            (ports(injected::INBOUND_PORTS_REQUIRE_IDENTITY), ports(names::INBOUND_PORTS_REQUIRE_TLS));
        Self {
            listen: Listen { addrs: vec![listen], backlog: direction.backlog(reader) },
            targets: reader.parsed(names::INBOUND_TARGETS, TARGETS, targets).unwrap_or_default(),
            accept: direction.tcp(reader, "ACCEPT"),
            connect: direction.tcp(reader, "CONNECT"),
            connect_timeout: direction.duration(reader, "CONNECT_TIMEOUT", Duration::from_millis(300)),
            backoff: direction.backoff(reader, Duration::from_secs(10)),
            detect_timeout: direction.duration(reader, "DETECT_TIMEOUT", Duration::from_secs(10)),
            allowed_ips: allowed.unwrap_or_default().into_iter().collect(),
            ports: watched,
            opaque_ports: ports(injected::INBOUND_PORTS_DISABLE_PROTOCOL_DETECTION),
            identity_ports: identity.as_slice().iter().chain(tls.as_slice()).copied().collect(),
            default_policy: DefaultPolicy::read(reader, cluster, warnings),
            discovery_idle: direction.duration(reader, "DISCOVERY_IDLE_TIMEOUT", Duration::from_secs(90)),
            profile_timeout: duration(reader, injected::DESTINATION_PROFILE_INITIAL_TIMEOUT)
                .unwrap_or(Duration::from_millis(500)),
            queue: Queue {
                capacity: direction.count(reader, "HTTP_QUEUE_CAPACITY", 10_000),
                failfast: direction.duration(reader, "HTTP_FAILFAST_TIMEOUT", Duration::from_secs(1)),
            },
            max_in_flight: direction.count(reader, "MAX_IN_FLIGHT", 100_000),
            pool: direction.pool(reader, names::MAX_IDLE_CONNS_PER_ENDPOINT),
            server: direction.http2(reader),
            client: Http2Client::read(reader),
            gateway,
            authority_labels: authority_labels(reader),
            proxy_protocol: networks(names::INBOUND_PROXY_PROTOCOL_NETWORKS),
            trusted_forwarders: networks(names::INBOUND_TRUSTED_FORWARDERS),
        }
    }
}

// === impl DefaultPolicy ===

impl DefaultPolicy {
    fn read(reader: &Reader<'_>, cluster: &[IpNet], warnings: &mut Vec<String>) -> Self {
        let name = injected::INBOUND_DEFAULT_POLICY;
        let parsed = reader.parsed(name, POLICY, |text| match text {
            "deny" => Ok(Self::Deny),
            "all-authenticated" => Ok(Self::AllAuthenticated),
            "all-unauthenticated" => Ok(Self::AllUnauthenticated),
            "cluster-authenticated" => Ok(Self::ClusterAuthenticated),
            "cluster-unauthenticated" => Ok(Self::ClusterUnauthenticated),
            "audit" => Ok(Self::Audit),
            _ => Err("is no policy"),
        });
        let Some(policy) = parsed else {
            if reader.text(name).is_none() {
                warnings.push(format!("{name} is not set: all-unauthenticated is in force"));
            }
            return Self::AllUnauthenticated;
        };
        let of_cluster = matches!(policy, Self::ClusterAuthenticated | Self::ClusterUnauthenticated);
        if of_cluster && cluster.is_empty() {
            let cause = format!("needs {}, which names no network", injected::POLICY_CLUSTER_NETWORKS);
            reader.refuse(name, reader.text(name), cause, POLICY);
        }
        policy
    }

    /// The same for clients with an identity alone.
    pub fn with_identity(self) -> Self {
        match self {
            Self::Deny => Self::Deny,
            Self::ClusterAuthenticated | Self::ClusterUnauthenticated => Self::ClusterAuthenticated,
            Self::AllAuthenticated | Self::AllUnauthenticated | Self::Audit => Self::AllAuthenticated,
        }
    }
}

/// The value says that its giver knows what such labels cost.
fn authority_labels(reader: &Reader<'_>) -> bool {
    let form = Form("unsafe, or nothing");
    reader
        .parsed(names::INBOUND_METRICS_AUTHORITY_LABELS, form, |text| match text {
            "unsafe" => Ok(true),
            _ => Err("is neither"),
        })
        .unwrap_or(false)
}

fn targets(text: &str) -> Result<Vec<InboundTarget>, String> {
    parse::items(text)
        .map(|item| {
            let pair = item.split_once('=').and_then(|(listen, target)| {
                Some(InboundTarget {
                    listen: listen.trim().parse().ok()?,
                    target: target.trim().parse().ok()?,
                })
            });
            pair.ok_or_else(|| format!("has an item {item:?} that is no such pair"))
        })
        .collect()
}
