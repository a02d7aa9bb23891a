//! The control thread: everything that is not traffic.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;

use super::admin::{Policy, Proxy};
use super::counts::Sources;
use super::publish::{self, Watchers};
use super::shutdown::{self, Signals, Trigger};
use super::workers::{Prepared, Workers};
use super::{Cpus, Failure, Started, time_of_day};
use crate::admin::accept::{Acceptor, bind};
use crate::admin::{Admin, configuration, visible_environment};
use crate::config::{self, Config, Environment, Listen};
use crate::discovery::client::{Client, ClientConfig};
use crate::discovery::connect::ClientAuth;
use crate::discovery::{Clients, Hub, Key};
use crate::dns::Resolver;
use crate::identity::{self, Alpn, Identity};
use crate::inbound;
use crate::logging::Levels;
use crate::logging::output::Output;
use crate::metrics::{ControlCounts, ControlKind, ControlMetrics};
use crate::tap;
use crate::trace::{self, Exporter, Tracer};

/// Connections to the proxy's own servers at a time.
const MAX_ADMIN_CONNECTIONS: usize = 256;
/// How long their clients may take to begin.
const ADMIN_TIMEOUT: Duration = Duration::from_secs(5);

/// What the thread begins with.
pub(super) struct Parts<'e> {
    pub(super) config: Config,
    pub(super) environment: &'e Environment,
    pub(super) started: Started,
    pub(super) output: Output,
    pub(super) levels: Levels,
}

/// Runs the process on this runtime until its end.
pub(super) async fn run(parts: Parts<'_>) -> Result<(), Failure> {
    let Parts { config, environment, started, output, levels } = parts;
    let system = |error: &dyn std::fmt::Display| Failure::System(error.to_string());
    let config = Arc::new(config);
    let mut signals = Signals::new().map_err(|error| system(&error))?;
    let admin_listener = listen(&config.admin.listen)?;
    let mut resolvers = Resolvers::new(&config);
    let metrics = ControlMetrics::default();
    let counted = ControlCounts { metrics: metrics.clone(), clock: time_of_day };
    let identity = identity::start(&config.identity, &config.control, &resolvers.named("identity"), &counted)
        .map_err(|error| Failure::Config(error.to_string()))?;
    let clients = Clients::spawn(&config, |name| resolvers.named(name), &identity.state, &counted)
        .map_err(|error| Failure::Config(error.to_string()))?;

    let count = config.process.workers(Cpus::of_process());
    let prepared = Prepared::new(count);
    let default = inbound::Settings::new(&config, count).default_policy(admin_port(&config));
    let policy = Policy::new(default, metrics.clone());
    let mut delivers = prepared.delivers();
    delivers.push(policy.deliver());
    let hub = Hub::new(&config, clients, delivers);
    hub.discovery(count).watch(Key::Inbound(admin_port(&config)));
    let inspector = hub.inspector();
    let tracer = match &config.trace {
        Some(trace) => Some(export_spans(trace, &config, &identity, &mut resolvers, started, &counted)?),
        None => None,
    };
    let (workers, ended) = prepared
        .start(&config, &output, tracer.as_ref(), |worker| hub.discovery(worker))
        .map_err(|error| system(&error))?;
    tokio::spawn(hub.run());
    tokio::spawn(publish::identity(identity.state.clone(), workers.clone()));
    let taps = match &config.tap {
        Some(tap) => Some(serve_tap(tap, &config, &identity, &workers)?),
        None => None,
    };

    let trigger = Trigger::default();
    let proxy = Proxy {
        identity: identity.state.clone(),
        workers: workers.clone(),
        sources: Sources {
            metrics,
            started,
            clock: time_of_day,
            identity: identity.metrics.clone(),
            inspector: inspector.clone(),
            taps,
            resolvers: resolvers.made,
        },
        inspector,
        retain: config.process.metrics_retain_idle,
        policy,
        trigger: config.process.shutdown_endpoint.then(|| trigger.clone()),
    };
    let admin =
        Admin::new(Arc::new(proxy), Some(levels), visible_environment(environment), configuration(&config));
    tokio::spawn(admin.serve(admin_listener, acceptor(&config, &identity), config.admin.server));
    tracing::info!(
        id = %config.identity.id,
        workers = count,
        inbound = ?config.inbound.listen.addrs,
        outbound = ?config.outbound.listen.addrs,
        admin = ?config.admin.listen.addrs,
        "proxy started"
    );

    let cause = shutdown::begin(&mut signals, &trigger, config.process.shutdown_when_alone).await;
    // Without a certificate nothing of the mesh was ever served, and what waits for one waits in vain.
    let certified = identity.state.borrow().credentials.is_some();
    let grace = if certified { config.process.grace_period } else { Duration::ZERO };
    tracing::info!(cause, ?grace, "shutting down");
    shutdown::drain(&workers, ended, grace, &mut signals).await;
    Ok(())
}

/// One resolver for each client, so that its questions are counted apart.
struct Resolvers {
    first: Resolver,
    made: Vec<(&'static str, Arc<Resolver>)>,
}

// === impl Resolvers ===

impl Resolvers {
    fn new(config: &Config) -> Self {
        Self { first: Resolver::new(config.control.dns), made: Vec::new() }
    }

    fn named(&mut self, client: &'static str) -> Arc<Resolver> {
        let resolver = Arc::new(self.first.sibling());
        self.made.push((client, resolver.clone()));
        resolver
    }
}

/// The export of spans, if there is a collector: what workers open them with.
fn export_spans(
    trace: &config::Trace,
    all: &Config,
    identity: &Identity,
    resolvers: &mut Resolvers,
    started: Started,
    counts: &ControlCounts,
) -> Result<Tracer, Failure> {
    let (auth, kind) = (ClientAuth::Required, ControlKind::OpenTelemetry);
    let client = ClientConfig::new(&trace.collector, &all.control, &identity.state, auth, kind, counts)
        .map_err(|error| Failure::Config(error.to_string()))?;
    let client = Client::spawn(client, resolvers.named("opentelemetry"));
    let exporter = Exporter::new(trace::resource(trace, started.wall), time_of_day);
    let tracer = exporter.tracer();
    tokio::spawn(exporter.run(client, counts.metrics.clone()));
    Ok(tracer)
}

/// The tap server, if somebody may tap: the list of those who watch.
fn serve_tap(
    config: &config::Tap,
    all: &Config,
    identity: &Identity,
    workers: &Workers,
) -> Result<tap::Registry, Failure> {
    let listener = listen(&Listen { addrs: vec![config.listen], backlog: all.inbound.listen.backlog })?;
    let (publish, taps) = watch::channel(Watchers::default());
    tokio::spawn(publish::watchers(taps, workers.clone()));
    let registry = tap::Registry::new(move |taps| drop(publish.send_replace(taps)));
    let acceptor = acceptor(all, identity);
    tokio::spawn(tap::serve(registry.clone(), listener, acceptor, config.allowed.clone()));
    Ok(registry)
}

/// The socket of one of the proxy's own servers.
fn listen(listen: &Listen) -> Result<TcpListener, Failure> {
    let failed = |addr, error| Failure::System(format!("cannot listen on {addr}: {error}"));
    let addr = listen.addrs.first().copied();
    let addr = addr.ok_or_else(|| Failure::System("there is no address to listen on".to_owned()))?;
    match bind(addr, listen) {
        Ok(listener) => Ok(listener),
        // Where the kernel has no IPv6, the address of everything is that of IPv4.
        Err(error) if addr.is_ipv6() && addr.ip().is_unspecified() => {
            let v4 = SocketAddr::from((Ipv4Addr::UNSPECIFIED, addr.port()));
            bind(v4, listen).map_err(|_| failed(addr, error))
        }
        Err(error) => Err(failed(addr, error)),
    }
}

fn admin_port(config: &Config) -> u16 {
    config.admin.listen.addrs.first().map_or(0, SocketAddr::port)
}

/// How the proxy's own servers accept: in plaintext, or by the mesh's TLS.
fn acceptor(config: &Config, identity: &Identity) -> Acceptor {
    let state = identity.state.clone();
    Acceptor {
        tls: Arc::new(move || {
            let state = state.borrow();
            state.credentials.as_ref().map(|credentials| credentials.server_config(Alpn::None))
        }),
        clock: time_of_day,
        timeout: ADMIN_TIMEOUT,
        connections: MAX_ADMIN_CONNECTIONS,
        options: config.admin.accept,
    }
}
