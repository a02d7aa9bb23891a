//! Traffic of an object by the routes of ServiceProfiles.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kube::api::{Api, ApiResource, DynamicObject};
use kube::core::GroupVersionKind;
use mesh_api::public::{RequestStats, Resource, RouteRow, RoutesRequest, RoutesResponse};

use super::Refusal;
use super::objects::{Kind, Objects};
use super::query::{Answer, Is, Metric, Query, Source};
use super::stat::{kind_of, whole, window};
use crate::runtime::CALL_LIMIT;

/// Answers. `domain` is the DNS domain of the cluster.
pub(super) async fn routes(
    source: &dyn Source,
    objects: &Objects,
    client: &kube::Client,
    domain: &str,
    request: &RoutesRequest,
) -> Result<RoutesResponse, Refusal> {
    let target = request.target.as_ref().ok_or_else(|| Refusal::invalid("no target is named"))?;
    let kind = kind_of(target)?;
    if kind.name == "authority" {
        return Err(Refusal::invalid(
            "Authority cannot be the target of a routes query; try using an authority in the --to flag instead",
        ));
    }
    if kind.name == "service" && request.to.is_some() {
        return Err(Refusal::invalid("The service resource type is not supported with 'to' queries"));
    }
    let window = window(request.window_seconds)?;
    let profiles = hosts(objects, domain, request.to.as_ref().unwrap_or(target)).await?;
    let mut labels = vec![("dst", Is::HostOf(profiles.iter().cloned().collect()))];
    let direction = if request.to.is_some() { "outbound" } else { "inbound" };
    labels.push(("direction", Is::Equal(direction.to_owned())));
    // A Service has no proxy: its routes are what the pods behind it receive.
    if kind.name != "service" {
        let place = if kind.is_namespace() { "" } else { target.namespace.as_str() };
        for (key, value) in [(kind.label, target.name.as_str()), ("namespace", place)] {
            if !value.is_empty() {
                labels.push((key, Is::Equal(value.to_owned())));
            }
        }
    }
    let mut rows = numbers(source, &labels, window, request.to.is_some()).await?;
    for host in &profiles {
        for route in routes_of(client, host).await? {
            rows.entry((host.clone(), route)).or_default();
        }
        rows.entry((host.clone(), String::new())).or_default();
    }
    let rows =
        rows.into_iter().map(|((authority, route), row)| RouteRow { route, authority, ..row }).collect();
    Ok(RoutesResponse { rows, source: source.name().to_owned() })
}

/// Names of the Services of a resource, as profiles and proxies spell them.
async fn hosts(objects: &Objects, domain: &str, resource: &Resource) -> Result<BTreeSet<String>, Refusal> {
    let kind = kind_of(resource)?;
    if kind.name == "authority" {
        return Ok([without_port(&resource.name).to_owned()].into());
    }
    let service = Kind::of("service").ok_or_else(|| Refusal::invalid("services are not known"))?;
    let name = if kind.name == "service" { resource.name.as_str() } else { "" };
    let services =
        objects.list(service, &resource.namespace, name, "").await.map_err(Refusal::unavailable)?;
    let mut hosts = BTreeSet::new();
    let pods = objects.pods(&resource.namespace, "").await.map_err(Refusal::unavailable)?;
    let own =
        objects.list(kind, &resource.namespace, &resource.name, "").await.map_err(Refusal::unavailable)?;
    for found in &services {
        let behind: Vec<_> = pods
            .iter()
            .filter(|pod| found.count(service, std::slice::from_ref(*pod)).running > 0)
            .cloned()
            .collect();
        let is_its = kind.name == "service"
            || kind.is_namespace()
            || own.iter().any(|object| object.count(kind, &behind).running > 0);
        if is_its {
            hosts.insert(format!("{}.{}.svc.{domain}", found.name, found.namespace));
        }
    }
    match hosts.is_empty() {
        true => Err(Refusal::missing("No Service Profiles found for selected resources")),
        false => Ok(hosts),
    }
}

async fn numbers(
    source: &dyn Source,
    labels: &[(&'static str, Is)],
    window: Duration,
    with_actual: bool,
) -> Result<BTreeMap<(String, String), RouteRow>, Refusal> {
    let query =
        |metric, by: &[&'static str]| Query { metric, labels: labels.to_vec(), by: by.to_vec(), window };
    let responses = query(Metric::RouteResponses, &["rt_route", "dst", "classification"]);
    let actual = query(Metric::RouteActualResponses, &["rt_route", "dst", "classification"]);
    let latency = query(Metric::RouteLatency, &["rt_route", "dst"]);
    let (responses, actual, p50, p95, p99) = futures::try_join!(
        source.increase(&responses),
        source.increase(&actual),
        source.quantile(&latency, 0.5),
        source.quantile(&latency, 0.95),
        source.quantile(&latency, 0.99),
    )
    .map_err(|error| Refusal::unavailable(error.to_string()))?;
    let mut rows: BTreeMap<(String, String), RouteRow> = BTreeMap::new();
    let key =
        |group: &super::query::Group| (without_port(&group["dst"]).to_owned(), group["rt_route"].clone());
    let is_success = |group: &super::query::Group| group["classification"] == "success";
    for (group, value) in responses.iter().filter(|(_, value)| *value > 0.0) {
        let stats = rows.entry(key(group)).or_default().requests.get_or_insert_default();
        *(if is_success(group) { &mut stats.success } else { &mut stats.failure }) += whole(*value);
    }
    for (group, value) in actual.iter().filter(|_| with_actual) {
        let row = rows.entry(key(group)).or_default();
        *(if is_success(group) { &mut row.actual_success } else { &mut row.actual_failure }) += whole(*value);
    }
    let mut latencies = |answer: &Answer, set: fn(&mut RequestStats, u64)| {
        for (group, value) in answer {
            if let Some(stats) = rows.get_mut(&key(group)).and_then(|row| row.requests.as_mut()) {
                set(stats, whole(*value));
            }
        }
    };
    latencies(&p50, |stats, value| stats.latency_ms_p50 = value);
    latencies(&p95, |stats, value| stats.latency_ms_p95 = value);
    latencies(&p99, |stats, value| stats.latency_ms_p99 = value);
    Ok(rows)
}

/// Names of the routes of a profile, wherever it lives that has this name; none where there is no profile.
async fn routes_of(client: &kube::Client, host: &str) -> Result<Vec<String>, Refusal> {
    let namespace = host.split('.').nth(1).unwrap_or_default();
    let gvk = GroupVersionKind::gvk("linkerd.io", "v1alpha2", "ServiceProfile");
    let resource = ApiResource::from_gvk_with_plural(&gvk, "serviceprofiles");
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource);
    let only = kube::api::ListParams::default().fields(&format!("metadata.name={host}"));
    let found = match tokio::time::timeout(CALL_LIMIT, api.list(&only)).await {
        Ok(Ok(found)) => found.items,
        // Without the definition there are no profiles.
        Ok(Err(kube::Error::Api(status))) if status.code == 404 => Vec::new(),
        Ok(Err(error)) => {
            return Err(Refusal::unavailable(format!("serviceprofiles cannot be listed: {error}")));
        }
        Err(_) => return Err(Refusal::unavailable("serviceprofiles cannot be listed in time")),
    };
    let routes =
        found.iter().flat_map(|profile| profile.data["spec"]["routes"].as_array().into_iter().flatten());
    Ok(routes.filter_map(|route| route["name"].as_str().map(str::to_owned)).collect())
}

fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}
