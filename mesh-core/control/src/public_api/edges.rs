//! Who talks to whom, and whether that is secured: what callers say, joined with what the called say of their callers.

use std::collections::BTreeMap;

use mesh_api::public::{Edge, EdgesRequest, EdgesResponse, Resource};

use super::Refusal;
use super::query::{Group, Is, Metric, Query, Source};
use super::stat::{MIN_WINDOW, kind_of};

/// Answers.
pub(super) async fn edges(source: &dyn Source, request: &EdgesRequest) -> Result<EdgesResponse, Refusal> {
    let asked = Resource {
        namespace: request.namespace.clone(),
        r#type: request.r#type.clone(),
        name: String::new(),
    };
    let kind = kind_of(&asked)?;
    if matches!(kind.name, "authority" | "service" | "namespace") {
        return Err(Refusal::invalid(format!("Resource type is not supported: {}", kind.name)));
    }
    let query = |direction: &str, by: &[&'static str]| Query {
        metric: Metric::Responses,
        labels: vec![(kind.label, Is::Present), ("direction", Is::Equal(direction.to_owned()))],
        by: by.to_vec(),
        window: MIN_WINDOW,
    };
    let inbound = query("inbound", &[kind.label, "namespace", "client_id"]);
    let outbound = query(
        "outbound",
        &[kind.label, "namespace", kind.dst_label, "dst_namespace", "server_id", "no_tls_reason"],
    );
    let (inbound, outbound) = futures::try_join!(source.count(&inbound), source.count(&outbound))
        .map_err(|error| Refusal::unavailable(error.to_string()))?;
    // Of the called: whose callers in which namespace carry which identity.
    let mut callers: BTreeMap<(&str, &str, &str), &str> = BTreeMap::new();
    for (group, _) in &inbound {
        let client = group["client_id"].as_str();
        if let Some(namespace) = client.split('.').nth(1) {
            callers.insert((&group["namespace"], &group[kind.label], namespace), client);
        }
    }
    let in_scope = |group: &Group| {
        let wanted = request.namespace.as_str();
        wanted.is_empty() || group["namespace"] == wanted || group["dst_namespace"] == wanted
    };
    let resource = |namespace: &str, name: &str| {
        Some(Resource {
            namespace: namespace.to_owned(),
            r#type: kind.name.to_owned(),
            name: name.to_owned(),
        })
    };
    let mut edges: Vec<Edge> = outbound
        .iter()
        .filter(|(group, _)| !group[kind.dst_label].is_empty() && in_scope(group))
        .map(|(group, _)| {
            let to = (group["dst_namespace"].as_str(), group[kind.dst_label].as_str());
            let client = callers.get(&(to.0, to.1, group["namespace"].as_str()));
            let server_id = group["server_id"].clone();
            let reason = match (server_id.is_empty(), group["no_tls_reason"].as_str()) {
                (false, _) => "",
                (true, "") => "not_provided_by_service_discovery",
                (true, reason) => reason,
            };
            Edge {
                from: resource(&group["namespace"], &group[kind.label]),
                to: resource(to.0, to.1),
                client_id: if reason.is_empty() { client.unwrap_or(&"").to_string() } else { String::new() },
                server_id,
                no_tls_reason: reason.to_owned(),
            }
        })
        .collect();
    edges.sort_by_cached_key(|edge| {
        let key = |it: &Option<Resource>| it.clone().unwrap_or_default();
        let (from, to) = (key(&edge.from), key(&edge.to));
        (from.namespace, to.namespace, from.name, to.name)
    });
    edges.dedup();
    Ok(EdgesResponse { edges, source: source.name().to_owned() })
}
