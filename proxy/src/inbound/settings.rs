//! What the inbound side was configured with, in the form in which it is used.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use mesh_core::port::PortRanges;
use proxy_net::backoff::Backoff;
use proxy_net::engine::{EndpointQueue, EndpointSpec, Prefaces, ServeHttp};
use proxy_net::h2::connection::Config as H2Config;

use crate::config::{self, Config, DefaultPolicy, Suffixes};
use crate::model::inbound::{DefaultAllow, InboundPolicy, Protocol};

/// How long an authorized client may be silent before the application is dialled to see whether it talks first.
const SILENCE: Duration = Duration::from_millis(100);

/// What the inbound side goes by. Shared by nobody: one a worker.
#[derive(Debug)]
pub struct Settings {
    /// The port where redirected connections arrive; who dials it itself speaks a transport header.
    pub(crate) port: u16,
    /// Addresses of the pod; empty is any.
    pub(crate) allowed_ips: HashSet<IpAddr>,
    /// The name that clients of the mesh ask for in TLS.
    pub(crate) server_name: String,
    /// How long connections wait for the first certificate.
    pub(crate) certificate_wait: Duration,
    /// How long a client's first octets may take.
    pub(crate) detect_timeout: Duration,
    /// How long a silent client is waited for before its server may talk.
    pub(crate) silence: Duration,
    /// Networks whose connections begin with a PROXY header.
    pub(crate) proxy_protocol: Vec<IpNet>,
    /// Networks whose `forwarded` and `x-forwarded-for` are believed.
    pub(crate) forwarders: Vec<IpNet>,
    /// Ports whose policy is watched from the start.
    pub(crate) pinned: PortRanges,
    /// How HTTP is served.
    pub(crate) serve: ServeHttp,
    /// Requests without a response head at a time.
    pub(crate) max_in_flight: usize,
    /// How long what was looked up is kept unused.
    pub(crate) idle: Duration,
    /// Names that are served as a gateway.
    pub(crate) gateway: Suffixes,
    /// Names whose profiles are looked up.
    pub(crate) profiles: Suffixes,
    /// Whether metrics name the authority.
    pub(crate) authority_labels: bool,
    opaque_ports: PortRanges,
    identity_ports: PortRanges,
    /// What holds for ports until their policy is known.
    ordinary: Defaults,
    /// The same for those that need an identity.
    strict: Defaults,
    app: App,
}

/// What holds for a port until its policy is known.
#[derive(Debug)]
struct Defaults {
    detect: Arc<InboundPolicy>,
    opaque: Arc<InboundPolicy>,
}

/// How the application is connected to.
#[derive(Debug)]
struct App {
    connect_timeout: Duration,
    backoff: Backoff,
    keep_alive: Option<Duration>,
    user_timeout: Option<Duration>,
    queue: EndpointQueue,
    h2: H2Config,
    pool: config::Http1Pool,
}

// === impl Settings ===

impl Settings {
    /// The settings of this configuration for one of so many workers.
    #[must_use]
    pub fn new(config: &Config, workers: usize) -> Self {
        let inbound = &config.inbound;
        let cluster = &config.cluster_networks;
        let defaults = |policy| Defaults {
            detect: Arc::new(default_policy(policy, cluster, Protocol::detect(inbound.detect_timeout))),
            opaque: Arc::new(default_policy(policy, cluster, Protocol::Opaque)),
        };
        Self {
            port: inbound.listen.addrs.first().map_or(4143, SocketAddr::port),
            allowed_ips: inbound.allowed_ips.clone(),
            server_name: config.identity.server_name.clone(),
            certificate_wait: config.identity.initial_timeout,
            detect_timeout: inbound.detect_timeout,
            silence: SILENCE,
            proxy_protocol: inbound.proxy_protocol.clone(),
            forwarders: inbound.trusted_forwarders.clone(),
            pinned: inbound.ports.clone(),
            serve: ServeHttp { h2: inbound.server.engine() },
            max_in_flight: (inbound.max_in_flight / workers.max(1)).max(1),
            idle: inbound.discovery_idle,
            gateway: inbound.gateway.clone(),
            profiles: config.destination.profile_suffixes.clone(),
            authority_labels: inbound.authority_labels,
            opaque_ports: inbound.opaque_ports.clone(),
            identity_ports: inbound.identity_ports.clone(),
            ordinary: defaults(inbound.default_policy),
            strict: defaults(inbound.default_policy.with_identity()),
            app: App {
                connect_timeout: inbound.connect_timeout,
                backoff: inbound.backoff,
                keep_alive: inbound.connect.keep_alive,
                user_timeout: inbound.connect.user_timeout,
                queue: EndpointQueue {
                    capacity: (inbound.queue.capacity / workers.max(1)).max(1),
                    wait: inbound.queue.failfast,
                },
                h2: h2_client(inbound.client),
                pool: inbound.pool,
            },
        }
    }

    /// Those of a test: a pod at 10.0.0.2, that is `web.ns`, with the default policy `all-unauthenticated`.
    #[cfg(test)]
    pub(crate) fn of_test() -> Self {
        let allow = |protocol| {
            Arc::new(InboundPolicy::new_default(
                "all-unauthenticated",
                DefaultAllow::Everybody,
                &[],
                protocol,
            ))
        };
        let defaults = || Defaults {
            detect: allow(Protocol::detect(Duration::from_secs(10))),
            opaque: allow(Protocol::Opaque),
        };
        Self {
            port: 4143,
            allowed_ips: HashSet::new(),
            server_name: "web.ns".to_owned(),
            certificate_wait: Duration::from_secs(3),
            detect_timeout: Duration::from_secs(10),
            silence: SILENCE,
            proxy_protocol: Vec::new(),
            forwarders: Vec::new(),
            pinned: PortRanges::default(),
            serve: ServeHttp {
                h2: proxy_net::engine::H2Server {
                    config: H2Config::default(),
                    keep_alive: None,
                    send_buffer: None,
                },
            },
            max_in_flight: 1000,
            idle: Duration::from_secs(90),
            gateway: Suffixes::default(),
            profiles: Suffixes::default(),
            authority_labels: false,
            opaque_ports: PortRanges::default(),
            identity_ports: PortRanges::default(),
            ordinary: defaults(),
            strict: defaults(),
            app: App {
                connect_timeout: Duration::from_millis(300),
                backoff: Backoff::default(),
                keep_alive: None,
                user_timeout: None,
                queue: EndpointQueue { capacity: 1000, wait: Duration::from_secs(1) },
                h2: H2Config::default(),
                pool: config::Http1Pool { max_idle: 100, idle_timeout: Duration::from_secs(3) },
            },
        }
    }

    /// Has every port speak HTTP/1.
    #[cfg(test)]
    pub(crate) fn use_http1(&mut self) {
        let http = crate::model::inbound::Http { routes: Default::default(), limit: None };
        let protocol = Protocol::Http1(http);
        let policy = InboundPolicy::new_default("x", DefaultAllow::Everybody, &[], protocol);
        self.ordinary.detect = Arc::new(policy);
    }

    /// What holds for a port until its policy is known.
    pub(crate) fn default_policy(&self, port: u16) -> Arc<InboundPolicy> {
        let defaults = if self.identity_ports.contains(port) { &self.strict } else { &self.ordinary };
        if self.opaque_ports.contains(port) { defaults.opaque.clone() } else { defaults.detect.clone() }
    }

    /// How long an application may be away before requests to it fail at once.
    pub(crate) fn failfast(&self) -> Duration {
        self.app.queue.wait
    }

    /// The application at this address.
    pub(crate) fn app(&self, addr: SocketAddr) -> EndpointSpec {
        EndpointSpec {
            addr,
            tls: None,
            preface: Prefaces::default(),
            connect_timeout: self.app.connect_timeout,
            queue: self.app.queue,
            backoff: self.app.backoff,
            keep_alive: self.app.keep_alive,
            user_timeout: self.app.user_timeout,
            h2: self.app.h2,
            h2_keep_alive: None,
            http1_idle: self.app.pool.idle_timeout,
            http1_max_idle: self.app.pool.max_idle,
            eager: None,
        }
    }
}

// === helpers ===

fn default_policy(policy: DefaultPolicy, cluster: &[IpNet], protocol: Protocol) -> InboundPolicy {
    let (name, allow, networks) = match policy {
        DefaultPolicy::Deny => ("deny", DefaultAllow::Nobody, &[][..]),
        DefaultPolicy::AllAuthenticated => ("all-authenticated", DefaultAllow::Authenticated, &[][..]),
        DefaultPolicy::AllUnauthenticated => ("all-unauthenticated", DefaultAllow::Everybody, &[][..]),
        DefaultPolicy::ClusterAuthenticated => {
            ("cluster-authenticated", DefaultAllow::Authenticated, cluster)
        }
        DefaultPolicy::ClusterUnauthenticated => {
            ("cluster-unauthenticated", DefaultAllow::Everybody, cluster)
        }
        DefaultPolicy::Audit => ("audit", DefaultAllow::Audited, &[][..]),
    };
    InboundPolicy::new_default(name, allow, networks, protocol)
}

fn h2_client(client: config::Http2Client) -> H2Config {
    let mut config = H2Config::default();
    config.settings.initial_window_size = client.stream_window;
    config.connection_window = client.connection_window.max(65_535);
    config
}
