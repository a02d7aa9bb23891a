//! What is connected to for the application.

use std::net::SocketAddr;
use std::time::Duration;

use mesh_core::names::env as injected;
use proxy_net::backoff::Backoff;

use super::env::{Form, Reader};
use super::sockets::{Direction, Http1Pool, Http2Client, Http2Server, Listen, Queue, TcpOptions, flag};
use super::{HostPort, names, parse};

/// Connecting for the application.
#[derive(Clone, Debug)]
pub struct Outbound {
    /// Where redirected connections arrive.
    pub listen: Listen,
    /// Further addresses, each with one destination: nothing has to be redirected for them.
    pub targets: Vec<OutboundTarget>,
    /// Options of accepted sockets.
    pub accept: TcpOptions,
    /// Options of sockets to peers.
    pub connect: TcpOptions,
    /// How long connecting may take: TCP, TLS and transport header together.
    pub connect_timeout: Duration,
    /// Between attempts to connect.
    pub backoff: Backoff,
    /// How long the application's first octets may take.
    pub detect_timeout: Duration,
    /// How long what was discovered is kept unused.
    pub discovery_idle: Duration,
    /// Destinations that a worker holds at a time; beyond it those go that have been idle the longest, never one in use.
    pub capacity: usize,
    /// Connections that wait for a backend.
    pub tcp_queue: Queue,
    /// Requests that wait for a backend.
    pub http_queue: Queue,
    /// Requests without a response head at a time.
    pub max_in_flight: usize,
    /// HTTP/1 connections to peers.
    pub pool: Http1Pool,
    /// HTTP/2 of the application's connections.
    pub server: Http2Server,
    /// HTTP/2 of connections to peers.
    pub client: Http2Client,
    /// Whether requests are routed by their name (`l5d-dst-override`).
    pub ingress: bool,
    /// Whether `l5d-proxy-error` and its like reach the application.
    pub informational_headers: bool,
    /// Whether endpoints on loopback are connected to: only where nothing is redirected.
    pub allow_loopback: bool,
    /// Whether metrics carry the name that the application asked for.
    pub hostname_labels: bool,
}

/// An address to listen on, for one fixed destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboundTarget {
    /// Where the application connects to.
    pub listen: SocketAddr,
    /// Where that goes.
    pub target: HostPort,
}

const TARGETS: Form = Form(
    "pairs of an address and a destination with commas between, such as 127.0.0.1:9000=web.prod.svc.cluster.local:80",
);

// === impl Outbound ===

impl Outbound {
    pub(super) fn read(reader: &Reader<'_>) -> Self {
        let direction = Direction::Outbound;
        let ingress = flag(reader, injected::INGRESS_MODE).unwrap_or(false);
        let silent = flag(reader, names::OUTBOUND_DISABLE_INFORMATIONAL_HEADERS).unwrap_or(ingress);
        let queue = |kind: &str| Queue {
            capacity: direction.count(reader, &format!("{kind}_QUEUE_CAPACITY"), 10_000),
            failfast: direction.duration(reader, &format!("{kind}_FAILFAST_TIMEOUT"), Duration::from_secs(3)),
        };
        let targets = reader.parsed(names::OUTBOUND_TARGETS, TARGETS, targets).unwrap_or_default();
        // Where destinations are named one by one nothing is redirected, so there is no loop to guard against.
        let explicit = !targets.is_empty();
        Self {
            listen: Listen { addrs: listen(reader), backlog: direction.backlog(reader) },
            targets,
            accept: direction.tcp(reader, "ACCEPT"),
            connect: direction.tcp(reader, "CONNECT"),
            connect_timeout: direction.duration(reader, "CONNECT_TIMEOUT", Duration::from_secs(1)),
            backoff: direction.backoff(reader, Duration::from_secs(60)),
            detect_timeout: direction.duration(reader, "DETECT_TIMEOUT", Duration::from_secs(10)),
            discovery_idle: direction.duration(reader, "DISCOVERY_IDLE_TIMEOUT", Duration::from_secs(5)),
            capacity: direction.count(reader, "ROUTER_CAPACITY", 10_000),
            tcp_queue: queue("TCP"),
            http_queue: queue("HTTP"),
            max_in_flight: direction.count(reader, "MAX_IN_FLIGHT", 100_000),
            pool: direction.pool(reader, names::OUTBOUND_MAX_IDLE_CONNS_PER_ENDPOINT),
            server: direction.http2(reader),
            client: Http2Client::read(reader),
            ingress,
            informational_headers: !silent,
            allow_loopback: flag(reader, names::OUTBOUND_ALLOW_LOOPBACK).unwrap_or(explicit),
            hostname_labels: flag(reader, injected::OUTBOUND_METRICS_HOSTNAME_LABELS).unwrap_or(false),
        }
    }
}

/// The list of addresses, or the older variable with one.
fn listen(reader: &Reader<'_>) -> Vec<SocketAddr> {
    let one = reader.parsed(injected::OUTBOUND_LISTEN_ADDR, parse::SOCKET, parse::socket);
    let list = reader.parsed(injected::OUTBOUND_LISTEN_ADDRS, parse::SOCKETS, parse::sockets);
    list.unwrap_or_else(|| vec![one.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 4140)))])
}

fn targets(text: &str) -> Result<Vec<OutboundTarget>, String> {
    parse::items(text)
        .map(|item| {
            let pair = item.split_once('=').and_then(|(listen, target)| {
                let target = parse::host_port(target.trim()).ok()?;
                Some(OutboundTarget { listen: listen.trim().parse().ok()?, target })
            });
            pair.ok_or_else(|| format!("has an item {item:?} that is no such pair"))
        })
        .collect()
}
