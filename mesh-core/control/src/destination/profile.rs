//! Profiles: of a Service with its routes, of a workload at an address, of an address nobody knows.

use std::net::SocketAddr;

use linkerd2_proxy_api::destination::{
    DestinationProfile, HttpStatusRange, PathMatch, RequestMatch, ResponseClass, ResponseMatch, RetryBudget,
    Route, WeightedAddr, WeightedDst, request_match, response_match,
};
use linkerd2_proxy_api::{http_types, meta};
use mesh_core::names::annotations;
use mesh_core::profile as model;

use super::workload::{Workload, lists_port};
use crate::config::Config;
use crate::index::snapshot::Content;
use crate::index::store::Holder;
use crate::index::topic::{Client, Target};
use crate::index::{Interest, Outcome, Reads, Refusal, Store, Topic};
use crate::record::{Key, Phase, Pod, Service, ServiceKind, TargetKind, Text};

/// Weight of an address; only the proportion among addresses counts.
const WEIGHT: u32 = 10_000;
/// What retries may add where a profile says nothing: a fifth, and ten a second.
const DEFAULT_RATIO: f32 = 0.2;
const DEFAULT_MIN_RETRIES: u32 = 10;
const DEFAULT_TTL_SECONDS: i64 = 10;

/// Who is behind a target.
enum Found<'a> {
    Service(&'a Service, u16),
    Pod(&'a Pod, SocketAddr),
    External(&'a crate::record::ExternalWorkload, SocketAddr),
    Nobody(SocketAddr),
}

/// The topic of a client.
///
/// # Errors
/// When the name is that of no Service or instance, or several Services claim the address.
pub fn resolve(store: &Store, config: &Config, target: &Target, client: &Client) -> Result<Topic, Refusal> {
    let mut reads = Reads::default();
    let own = match find(target, store, config, &mut reads)? {
        Found::Service(service, _) => {
            let authority = config.authority(&service.key);
            store.profile(&client.namespace, &authority).map(|profile| profile.key.namespace.clone())
        }
        _ => None,
    };
    Ok(Topic::Profile { target: target.clone(), client: own })
}

/// The profile of a target for one class of clients.
pub fn compute(
    target: &Target,
    client: Option<&Text>,
    store: &Store,
    config: &Config,
    reads: &mut Reads,
) -> Outcome {
    let found = match find(target, store, config, reads) {
        Ok(found) => found,
        Err(refusal) => return Outcome::Ended(refusal),
    };
    let profile = match found {
        Found::Service(service, port) => of_service(service, port, client, store, config, reads),
        Found::Pod(pod, address) => of_workload(&Workload::Pod(pod), address, store, config, reads),
        Found::External(external, address) => {
            of_workload(&Workload::External(external), address, store, config, reads)
        }
        Found::Nobody(address) => DestinationProfile {
            opaque_protocol: config.opaque_ports.contains(address.port()),
            retry_budget: Some(default_budget()),
            endpoint: Some(WeightedAddr {
                addr: Some(address.into()),
                weight: WEIGHT,
                ..WeightedAddr::default()
            }),
            ..DestinationProfile::default()
        },
    };
    Outcome::Content(Content::Profile(Box::new(profile)))
}

fn find<'a>(
    target: &Target,
    store: &'a Store,
    config: &Config,
    reads: &mut Reads,
) -> Result<Found<'a>, Refusal> {
    match target {
        Target::Address(address) => find_address(*address, store, reads),
        Target::Service(key, port) => {
            reads.note(Interest::Service(key.clone()));
            let service = store.service(key).ok_or_else(|| {
                Refusal::not_found(format!("no Service {key} is known; names are SERVICE.NAMESPACE"))
            })?;
            if service.kind == ServiceKind::ExternalName {
                return Err(Refusal::invalid(format!(
                    "Service {key} is an ExternalName: ask for the name it stands for"
                )));
            }
            Ok(Found::Service(service, *port))
        }
        Target::Instance(key, instance, port) => find_instance(key, instance, *port, store, config, reads),
    }
}

fn find_address<'a>(address: SocketAddr, store: &'a Store, reads: &mut Reads) -> Result<Found<'a>, Refusal> {
    let ip = address.ip();
    reads.note(Interest::Address(ip));
    let holders = store.holders(&ip);
    let mut services = holders.iter().filter_map(|holder| match holder {
        Holder::Service(key) => store.service(key),
        _ => None,
    });
    match (services.next(), services.next()) {
        (Some(service), None) => return Ok(Found::Service(service, address.port())),
        // Names, not objects: an error has to fit into headers.
        (Some(one), Some(other)) => {
            return Err(Refusal::precondition(format!(
                "address {ip} is claimed by the Services {} and {}",
                one.key, other.key
            )));
        }
        _ => {}
    }
    let mut pods = Vec::new();
    let mut on_host = Vec::new();
    let mut external = Vec::new();
    for holder in holders {
        match holder {
            Holder::Pod(key) => pods.extend(store.pod(key)),
            Holder::HostOf(key) => on_host.extend(store.pod(key)),
            Holder::External(key) => external.extend(store.external(key)),
            Holder::Service(_) => {}
        }
    }
    // While an address passes from one pod to the next, both may be known; the one that runs has it.
    // Always the same one, whichever was heard of first: replicas must not contradict each other.
    let rank = |pod: &&std::sync::Arc<Pod>| (pod.deleting, pod.phase != Phase::Running, pod.key.clone());
    pods.sort_by_key(rank);
    on_host.sort_by_key(rank);
    if let Some(pod) = pods.first() {
        return Ok(Found::Pod(pod, address));
    }
    let at_port = |pod: &&&std::sync::Arc<Pod>| {
        pod.phase != Phase::Ended && pod.ports.iter().any(|it| it.host_port == Some(address.port()))
    };
    if let Some(pod) = on_host.iter().find(at_port) {
        return Ok(Found::Pod(pod, address));
    }
    match external.as_slice() {
        [] => Ok(Found::Nobody(address)),
        [only] => Ok(Found::External(only, address)),
        [one, other, ..] => Err(Refusal::precondition(format!(
            "address {ip} is claimed by the external workloads {} and {}",
            one.key, other.key
        ))),
    }
}

fn find_instance<'a>(
    key: &Key,
    instance: &Text,
    port: u16,
    store: &'a Store,
    config: &Config,
    reads: &mut Reads,
) -> Result<Found<'a>, Refusal> {
    reads.note(Interest::Service(key.clone()));
    let name = store.service(key).and_then(|service| service.port(port)).map(|port| &port.name);
    for slice in store.slices(key) {
        let number = name
            .and_then(|name| slice.ports.iter().find(|(known, _)| known == name))
            .map_or(port, |(_, number)| *number);
        let endpoint = slice
            .endpoints
            .iter()
            .find(|it| it.hostname.as_ref() == Some(instance) && (config.ipv6 || it.ip.is_ipv4()));
        let Some(endpoint) = endpoint else { continue };
        let address = SocketAddr::new(endpoint.ip, number);
        match &endpoint.target {
            Some((TargetKind::Pod, pod)) => {
                if let Some(pod) = store.pod(pod) {
                    return Ok(Found::Pod(pod, address));
                }
            }
            Some((TargetKind::ExternalWorkload, external)) => {
                if let Some(external) = store.external(external) {
                    return Ok(Found::External(external, address));
                }
            }
            None => return Ok(Found::Nobody(address)),
        }
    }
    Err(Refusal::not_found(format!("Service {key} has no instance {instance}")))
}

fn of_service(
    service: &Service,
    port: u16,
    client: Option<&Text>,
    store: &Store,
    config: &Config,
    reads: &mut Reads,
) -> DestinationProfile {
    reads.note(Interest::Service(service.key.clone()));
    let authority = config.authority(&service.key);
    reads.basis(store.profile_namespaces(&authority));
    let Some(record) = service.port(port) else {
        // An empty profile sends the proxy to the outbound policy, which forbids ports that are not there.
        return DestinationProfile::default();
    };
    // The client's own profile counts alone: nothing of the service's is mixed in.
    let profile = client
        .and_then(|namespace| store.profile(namespace, &authority))
        .or_else(|| store.profile(&service.key.namespace, &authority));
    let opaque = match service.annotation(annotations::OPAQUE_PORTS) {
        Some(list) => lists_port(list, port, |name| {
            service.ports.iter().find(|known| known.name == *name).map(|known| known.port)
        }),
        None => config.opaque_ports.contains(port),
    };
    let empty = model::Spec::default();
    let spec = profile.map_or(&empty, |profile| &profile.spec);
    DestinationProfile {
        fully_qualified_name: authority,
        opaque_protocol: opaque,
        routes: spec.routes.iter().map(route).collect(),
        retry_budget: Some(spec.retry_budget.as_ref().map_or_else(default_budget, budget)),
        dst_overrides: overrides(service, record.port, spec, store, config),
        endpoint: None,
        parent_ref: Some(reference("core", "Service", &service.key, port)),
        profile_ref: profile.map(|profile| reference("linkerd.io", "ServiceProfile", &profile.key, 0)),
    }
}

/// Where requests go instead: what a split of the Service says, else what the profile says. A split takes the place of
/// the profile's overrides as a whole, since shares of two lists add up to nothing anybody asked for; routes and
/// retries stay the profile's. A share of zero is not handed out: it would be none.
fn overrides(
    service: &Service,
    port: u16,
    spec: &model::Spec,
    store: &Store,
    config: &Config,
) -> Vec<WeightedDst> {
    let Some(split) = store.split(&service.key) else {
        let weighted = |it: &model::WeightedDestination| WeightedDst {
            authority: match it.authority.rsplit_once(':') {
                Some((_, digits)) if digits.parse::<u16>().is_ok() => it.authority.clone(),
                _ => format!("{}:{port}", it.authority),
            },
            weight: weight(it.weight_milli),
            backend_ref: None,
        };
        return spec.dst_overrides.iter().map(weighted).filter(|it| it.weight > 0).collect();
    };
    // Backends that do not exist are handed out too: the proxy fails their share, which is what the user will see.
    let weighted = |(name, milli): &(Text, u64)| {
        let key = Key { namespace: split.key.namespace.clone(), name: name.clone() };
        WeightedDst {
            authority: format!("{}:{port}", config.authority(&key)),
            weight: weight(*milli),
            backend_ref: Some(reference("core", "Service", &key, port)),
        }
    };
    split.backends.iter().map(weighted).filter(|it| it.weight > 0).collect()
}

/// A weight of 1 is 10 000 on the wire.
fn weight(milli: u64) -> u32 {
    u32::try_from(milli.saturating_mul(10)).unwrap_or(u32::MAX)
}

fn of_workload(
    workload: &Workload<'_>,
    address: SocketAddr,
    store: &Store,
    config: &Config,
    reads: &mut Reads,
) -> DestinationProfile {
    let kind = match workload {
        Workload::Pod(_) => TargetKind::Pod,
        Workload::External(_) => TargetKind::ExternalWorkload,
    };
    reads.note(Interest::Workload(kind, workload.key().clone()));
    // A port of the node leads to a port of the pod, which is what annotations and Servers are about.
    let port = match workload {
        Workload::Pod(pod) if !pod.ips.contains(&address.ip()) => {
            let mapped = pod.ports.iter().find(|it| it.host_port == Some(address.port()));
            mapped.map_or(address.port(), |it| it.port)
        }
        _ => address.port(),
    };
    let at_port = SocketAddr::new(address.ip(), port);
    let mut endpoint = workload.address(at_port, store, config, reads);
    endpoint.addr = Some(address.into());
    endpoint.metric_labels = workload
        .labels(store, reads)
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .chain([("namespace".to_owned(), workload.key().namespace.to_string())])
        .collect();
    DestinationProfile {
        opaque_protocol: workload.is_opaque(port, store, config, reads),
        retry_budget: Some(default_budget()),
        endpoint: Some(endpoint),
        ..DestinationProfile::default()
    }
}

/// Names a resource of the cluster, as answers do.
pub fn reference(group: &str, kind: &str, key: &Key, port: u16) -> meta::Metadata {
    meta::Metadata {
        kind: Some(meta::metadata::Kind::Resource(meta::Resource {
            group: group.to_owned(),
            kind: kind.to_owned(),
            name: key.name.to_string(),
            namespace: key.namespace.to_string(),
            section: String::new(),
            port: port.into(),
        })),
    }
}

fn default_budget() -> RetryBudget {
    RetryBudget {
        retry_ratio: DEFAULT_RATIO,
        min_retries_per_second: DEFAULT_MIN_RETRIES,
        ttl: Some(prost_types::Duration { seconds: DEFAULT_TTL_SECONDS, nanos: 0 }),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the wire has 32 bits for the ratio")]
fn budget(budget: &model::RetryBudget) -> RetryBudget {
    RetryBudget {
        retry_ratio: budget.retry_ratio as f32,
        min_retries_per_second: budget.min_retries_per_second,
        ttl: prost_types::Duration::try_from(budget.ttl.length()).ok(),
    }
}

fn route(route: &model::Route) -> Route {
    let class = |class: &model::ResponseClass| ResponseClass {
        condition: Some(response_match(&class.condition)),
        is_failure: class.is_failure,
    };
    Route {
        condition: Some(request_match(&route.condition)),
        response_classes: route.response_classes.iter().map(class).collect(),
        metrics_labels: [("route".to_owned(), route.name.clone())].into(),
        is_retryable: route.is_retryable,
        timeout: route.timeout.as_ref().and_then(|it| prost_types::Duration::try_from(it.length()).ok()),
    }
}

/// All fields that are given must hold.
fn request_match(written: &model::RequestMatch) -> RequestMatch {
    use request_match::{Match, Seq};
    let mut all = Vec::new();
    let seq = |matches: &[model::RequestMatch]| Seq { matches: matches.iter().map(request_match).collect() };
    if !written.all.is_empty() {
        all.push(Match::All(seq(&written.all)));
    }
    if !written.any.is_empty() {
        all.push(Match::Any(seq(&written.any)));
    }
    if let Some(not) = &written.not {
        all.push(Match::Not(Box::new(request_match(not))));
    }
    if let Some(regex) = &written.path_regex {
        all.push(Match::Path(PathMatch { regex: regex.clone() }));
    }
    if let Some(method) = &written.method {
        let method = match http::Method::from_bytes(method.as_bytes()) {
            Ok(method) => method.into(),
            Err(_) => http_types::HttpMethod {
                r#type: Some(http_types::http_method::Type::Unregistered(method.clone())),
            },
        };
        all.push(Match::Method(method));
    }
    if all.len() == 1 {
        return RequestMatch { r#match: all.pop() };
    }
    let matches = all.into_iter().map(|one| RequestMatch { r#match: Some(one) }).collect();
    RequestMatch { r#match: Some(Match::All(Seq { matches })) }
}

fn response_match(written: &model::ResponseMatch) -> ResponseMatch {
    use response_match::{Match, Seq};
    let mut all = Vec::new();
    let seq =
        |matches: &[model::ResponseMatch]| Seq { matches: matches.iter().map(response_match).collect() };
    if !written.all.is_empty() {
        all.push(Match::All(seq(&written.all)));
    }
    if !written.any.is_empty() {
        all.push(Match::Any(seq(&written.any)));
    }
    if let Some(not) = &written.not {
        all.push(Match::Not(Box::new(response_match(not))));
    }
    if let Some(status) = &written.status {
        let range =
            HttpStatusRange { min: status.min.unwrap_or(100).into(), max: status.max.unwrap_or(599).into() };
        all.push(Match::Status(range));
    }
    if all.len() == 1 {
        return ResponseMatch { r#match: all.pop() };
    }
    let matches = all.into_iter().map(|one| ResponseMatch { r#match: Some(one) }).collect();
    ResponseMatch { r#match: Some(Match::All(Seq { matches })) }
}
