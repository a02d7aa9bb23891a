//! Services that stand for others: one of another cluster, or several of several clusters together.
//!
//! Filters of locality count for members in this cluster alone: nodes and zones of another one mean nothing here. A
//! member that stands for others itself has no addresses, so that nothing goes in circles.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use super::encode::Labels;
use super::endpoints::{Class, addresses, whole};
use crate::config::Config;
use crate::index::{Interest, Outcome, Reads, Refusal, Store};
use crate::record::{Hint, Key, Mirror, Service, ServiceKind, Text};

/// Addresses and their encoded messages.
type Addresses = Vec<(SocketAddr, Vec<u8>)>;

/// Whether only endpoints on the client's node may be used.
pub(super) fn is_local_only(service: &Service, store: &Store) -> bool {
    in_this_cluster(service, store).is_some_and(|member| member.local_only)
}

/// Whether clients on this node have an answer of their own. Where that is for the sake of hints, only nodes that some
/// endpoint is meant for have one: those of the others share theirs, however many nodes there are.
pub(super) fn is_by_node(service: &Service, store: &Store, node: &Text) -> bool {
    in_this_cluster(service, store).is_some_and(|member| {
        member.local_only || hints(member, store).any(|hint| matches!(hint, Hint::Node(it) if it == node))
    })
}

/// The nodes that endpoints are meant for.
pub(super) fn hinted_nodes<'a>(service: &'a Service, store: &'a Store) -> BTreeSet<&'a Text> {
    let all = in_this_cluster(service, store).into_iter().flat_map(|member| hints(member, store));
    all.filter_map(|hint| match hint {
        Hint::Node(node) => Some(node),
        Hint::Zone(_) => None,
    })
    .collect()
}

/// The Service, or the one it stands for, whose endpoints are in this cluster.
fn in_this_cluster<'a>(service: &'a Service, store: &'a Store) -> Option<&'a Service> {
    match service.mirror.as_deref() {
        None => Some(service),
        Some(Mirror::Remote { .. }) => None,
        Some(Mirror::Federated { local, .. }) => {
            store.service(&beside(&service.key, local.as_ref()?)).map(|member| &**member)
        }
    }
}

fn hints<'a>(service: &Service, store: &'a Store) -> impl Iterator<Item = &'a Hint> {
    store.slices(&service.key).flat_map(|slice| slice.endpoints.iter()).flat_map(|it| it.hints.iter())
}

/// Whether answers differ by the zone of the client.
pub(super) fn is_zonal(service: &Service) -> bool {
    !matches!(service.mirror.as_deref(), Some(Mirror::Remote { .. }))
}

/// The addresses of a Service that stands for others.
pub(super) fn compute(
    mirror: &Mirror,
    class: Class<'_>,
    store: &Store,
    config: &Config,
    reads: &mut Reads,
) -> Outcome {
    let mut labels = Labels::new();
    let found = match mirror {
        Mirror::Remote { cluster, service } => {
            let member = service.as_ref().ok_or_else(|| no_name(class.service));
            match member.and_then(|member| copy(cluster, member, class, store, reads)) {
                Ok(found) => {
                    if let Some(member) = service {
                        labels = target(cluster, &class.service.namespace, member);
                    }
                    found
                }
                Err(refusal) => return Outcome::Ended(refusal),
            }
        }
        Mirror::Federated { local, remote } => {
            let mut found = local
                .as_ref()
                .map(|member| of_member(class, member, store, config, &Labels::new(), reads))
                .unwrap_or_default();
            for (member, cluster) in remote {
                // One that is not linked, or not known yet, is missing until it is; the others serve.
                let own = target(cluster, &class.service.namespace, member);
                found.extend(of_cluster(cluster, member, class, store, &own, reads).unwrap_or_default());
            }
            found
        }
    };
    whole(class.service, labels, found)
}

/// The addresses of the one Service that is meant.
fn copy(
    cluster: &Text,
    member: &Text,
    class: Class<'_>,
    store: &Store,
    reads: &mut Reads,
) -> Result<Addresses, Refusal> {
    of_cluster(cluster, member, class, store, &Labels::new(), reads).map_err(|state| match state {
        State::Unlinked => Refusal::not_found(format!(
            "Service {} is that of cluster {cluster}, which is not linked: is its Secret in the control plane's namespace?",
            class.service
        )),
        State::Unread => Refusal::unavailable(format!("cluster {cluster} has not been read yet: ask again")),
    })
}

/// Why a cluster has nothing to say.
enum State {
    Unlinked,
    Unread,
}

fn of_cluster(
    cluster: &Text,
    member: &Text,
    class: Class<'_>,
    store: &Store,
    labels: &Labels,
    reads: &mut Reads,
) -> Result<Addresses, State> {
    reads.note(Interest::Cluster(cluster.clone()));
    let other = store.cluster(cluster).ok_or(State::Unlinked)?;
    if !other.is_known() {
        return Err(State::Unread);
    }
    let class = Class { zone: None, node: None, ..class };
    Ok(reads.within(cluster, |reads| of_member(class, member, other.store(), other.config(), labels, reads)))
}

/// The addresses of a Service in the same namespace as the one that stands for it.
fn of_member(
    class: Class<'_>,
    member: &Text,
    store: &Store,
    config: &Config,
    labels: &Labels,
    reads: &mut Reads,
) -> Addresses {
    let key = beside(class.service, member);
    reads.note(Interest::Service(key.clone()));
    match store.service(&key) {
        Some(service) if service.kind != ServiceKind::ExternalName && service.mirror.is_none() => {
            addresses(Class { service: &key, ..class }, service, store, config, labels, reads)
        }
        _ => Addresses::new(),
    }
}

/// The place of a Service in the same namespace as another.
fn beside(service: &Key, name: &Text) -> Key {
    Key { namespace: service.namespace.clone(), name: name.clone() }
}

fn no_name(service: &Key) -> Refusal {
    Refusal::precondition(format!(
        "Service {service} stands for one of another cluster, and no label multicluster.linkerd.io/remote-service says which"
    ))
}

/// The labels that say what is behind.
pub(super) fn target(cluster: &str, namespace: &str, service: &str) -> Labels {
    vec![
        ("target_cluster", cluster.to_owned()),
        ("target_service", service.to_owned()),
        ("target_service_namespace", namespace.to_owned()),
    ]
}
