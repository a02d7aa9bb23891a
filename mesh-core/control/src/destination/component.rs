//! The component `destination`: discovery and policy of a cluster.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::clusters::Links;
use crate::args::{DestinationArgs, TransportMode};
use crate::config::{Config, DefaultPolicy};
use crate::grpc::{Api, Limits, serve};
use crate::index::shared::Shared;
use crate::record::Kind;
use crate::runtime::lease::{Leadership, Timing};
use crate::runtime::{self, Gate, Registry};
use crate::source::files;
use crate::source::kube::{self, Counters};
use crate::writer::{self, Plan};
use crate::{RunError, Runtime};
use mesh_core::identity::MeshNames;

/// How often it is told what is still missing.
const TELL_EVERY: Duration = Duration::from_millis(500);

/// Serves until the end begins.
///
/// # Errors
/// When an address is taken, an argument cannot be used, or there is no way to the API server or the manifests.
pub async fn run(args: &DestinationArgs, runtime: &Runtime) -> Result<(), RunError> {
    let index = Shared::new(Arc::new(config(args)?));
    register(&index, &runtime.registry);
    tokio::spawn(tell_readiness(index.clone(), runtime.readiness.gate("the state of the cluster")));
    runtime.vital("the computation of answers", index.clone().settle());
    if let Some(folder) = &args.manifests {
        let following = files::run(folder.clone(), Arc::new(index.clone()));
        return tokio::select! {
            ended = serve_all(args, runtime, &index) => ended,
            ended = following => {
                let problem = ended.err().map_or_else(|| "it ended".to_owned(), |error| error.to_string());
                Err(RunError::Argument { flag: "manifests", problem })
            }
        };
    }
    let client = runtime.client().await?;
    let counters = Counters::new(&runtime.registry);
    if args.remote_clusters {
        let (links, client) = (Links::new(index.clone(), counters.clone()), client.clone());
        let namespace = runtime.namespace.clone();
        let following = async move { links.follow(client, &namespace).await };
        runtime.vital("the watch of links to other clusters", following);
    }
    runtime.vital(
        "the watch of the cluster",
        kube::run(client.clone(), Arc::new(index.clone()), counters, None),
    );
    write(runtime, client.clone(), &index);
    serve_all(args, runtime, &index).await
}

/// Says what is still to be listed, so that whoever asks why a replica is not ready finds the kind that is missing.
async fn tell_readiness(index: Shared, gate: Gate) {
    let mut ready = index.ready();
    while !*ready.borrow_and_update() {
        let missing: Vec<&str> = {
            let index = index.lock();
            let config = index.config();
            let needed = Kind::ALL.iter().filter(|kind| config.reads(**kind));
            let unlisted = needed.filter(|kind| !index.store().is_listed(**kind));
            unlisted.map(|kind| kind.watched().plural).collect()
        };
        gate.close(format!("not listed yet: {}", missing.join(", ")));
        let _ = tokio::time::timeout(TELL_EVERY, ready.changed()).await;
    }
    gate.open();
    tracing::info!("the state of the cluster is known");
}

/// Starts what only the holders of leases do. Losing a lease stops writing, never serving.
fn write(runtime: &Runtime, client: ::kube::Client, index: &Shared) {
    let plans: [(&'static str, &'static str, Plan); 2] = [
        ("policy-controller-write", "policy-controller", crate::policy::status::plan),
        ("linkerd-destination-endpoint-write", super::external::MANAGER, super::external::plan),
    ];
    for (lease, manager, plan) in plans {
        // Without slices there is nothing to write for workloads outside the cluster, and no right to.
        if manager == super::external::MANAGER && !index.lock().config().endpoint_slices {
            continue;
        }
        let leadership = Leadership::campaign(runtime, client.clone(), lease, Timing::default());
        let registry = runtime.registry.clone();
        let writing = writer::run(client.clone(), index.clone(), leadership, plan, manager, registry);
        runtime.vital("what the holder of a lease writes", writing);
    }
}

/// Serves nobody before the state of the cluster is known: half of it would look like the whole.
async fn serve_all(args: &DestinationArgs, runtime: &Runtime, index: &Shared) -> Result<(), RunError> {
    let discovery = runtime::listen(args.grpc_addr).await?;
    let policy = runtime::listen(args.policy_grpc_addr).await?;
    let mut ready = index.ready();
    tokio::select! {
        _ = ready.wait_for(|ready| *ready) => {}
        () = runtime.shutdown.signaled() => return Ok(()),
    }
    tracing::info!(addr = %runtime::address(&discovery), "destination API open");
    tracing::info!(addr = %runtime::address(&policy), "policy API open");
    let (end, down) = watch::channel(false);
    let (signaled, ending) = (runtime.shutdown.signaled(), index.clone());
    tokio::spawn(async move {
        signaled.await;
        // Streams end well first; clients go elsewhere while the listener still answers those that are late.
        ending.close();
        let _ = end.send(true);
    });
    let limits = Limits { drain: runtime::DRAIN_LIMIT, ..Limits::default() };
    let judging = async {
        if args.manifests.is_none() {
            return crate::policy::webhook::run(&args.webhook, runtime).await;
        }
        // No API server asks.
        runtime.shutdown.signaled().await;
        Ok(())
    };
    let (webhook, (), ()) = tokio::join!(
        judging,
        serve(discovery, Arc::new(Api::new(index.clone(), super::server::METHODS)), limits, down.clone()),
        serve(policy, Arc::new(Api::new(index.clone(), crate::policy::server::METHODS)), limits, down),
    );
    webhook
}

/// The settings that answers depend on.
///
/// # Errors
/// When an argument is none of the words it may be.
pub fn config(args: &DestinationArgs) -> Result<Config, RunError> {
    let policy: DefaultPolicy =
        args.default_inbound_policy.parse().map_err(|error: crate::config::UnknownPolicy| {
            RunError::Argument { flag: "default-inbound-policy", problem: error.to_string() }
        })?;
    let detect = args.protocol_detect_timeout.to_std().ok_or_else(|| RunError::Argument {
        flag: "protocol-detect-timeout",
        problem: "must not be negative".to_owned(),
    })?;
    let namespace = args.common.controller_namespace.clone();
    Ok(Config {
        names: MeshNames::new(namespace.clone(), args.identity_trust_domain.clone()),
        namespace,
        cluster_domain: args.cluster_domain.clone(),
        h2_upgrade: args.enable_h2_upgrade,
        transport_header: args.outbound_transport_mode == TransportMode::TransportHeader,
        endpoint_slices: args.enable_endpoint_slices,
        zone_weights: args.ext_endpoint_zone_weights,
        ipv6: args.enable_ipv6,
        inbound_port: args.inbound_port,
        opaque_ports: args.default_opaque_ports.clone(),
        cluster_networks: args.cluster_networks.clone(),
        probe_networks: args.probe_networks.clone(),
        default_inbound_policy: policy,
        detect_timeout: detect,
        egress_namespace: args.global_egress_network_namespace.clone(),
        ..Config::default()
    })
}

/// Figures of the index: bounded, whatever clients ask for.
fn register(index: &Shared, registry: &Registry) {
    let index = index.clone();
    registry.collector(move |text| {
        use std::fmt::Write as _;
        let index = index.lock();
        let figures = index.figures();
        let _ =
            writeln!(text, "# HELP discovery_topics Answers that are kept because somebody listens to them.");
        let _ = writeln!(text, "# TYPE discovery_topics gauge\ndiscovery_topics {}", figures.topics);
        let _ = writeln!(text, "# HELP discovery_subscribers Streams of proxies.");
        let _ = writeln!(
            text,
            "# TYPE discovery_subscribers gauge\ndiscovery_subscribers {}",
            figures.subscribers
        );
        let _ = writeln!(text, "# HELP discovery_clusters Other clusters that are followed.");
        let _ = writeln!(
            text,
            "# TYPE discovery_clusters gauge\ndiscovery_clusters {}",
            index.store().clusters()
        );
        let _ = writeln!(text, "# HELP discovery_records Objects of the cluster that are known, by kind.");
        let _ = writeln!(text, "# TYPE discovery_records gauge");
        for kind in Kind::ALL {
            let plural = kind.watched().plural;
            let group = kind.watched().group;
            let _ = writeln!(
                text,
                "discovery_records{{group=\"{group}\",kind=\"{plural}\"}} {}",
                index.store().count(*kind)
            );
        }
    });
}
