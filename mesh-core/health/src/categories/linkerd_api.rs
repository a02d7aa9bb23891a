//! linkerd-api: do the parts of the control plane work, and does it say so itself?

use std::collections::BTreeSet;

use mesh_k8s::{Resource, objects::Selection};
use serde_json::Value;

use crate::check::{Category, Check, Finding};
use crate::facts::Facts;
use crate::pods;

/// The category.
pub fn category() -> Category {
    let checks = vec![
        Check::new("control plane pods are ready", "l5d-api-control-ready", ready).fatal().retried(),
        Check::new("control plane self-check", "l5d-api-control-api", self_check).fatal().retried(),
        Check::new("tap api service is running", "l5d-tap-api", tap).warning().retried(),
    ];
    Category { id: "linkerd-api", checks }
}

/// The Deployments that install renders, by the component they are labelled with.
fn components(rendered: &[Value]) -> BTreeSet<&str> {
    let deployments = rendered.iter().filter(|object| object["kind"] == "Deployment");
    deployments.filter_map(|object| pods::component(&object["spec"]["template"])).collect()
}

async fn ready(facts: Facts) -> Finding {
    let Ok(client) = facts.client() else { return Finding::Skip };
    let selection = Selection {
        namespace: Some(&facts.known().namespace),
        labels: Some("linkerd.io/control-plane-component"),
    };
    match client.list(&Resource::POD, selection).await {
        Ok(pods) => judge(&components(&facts.known().rendered), &pods),
        Err(error) => Finding::Unknown(error.to_string()),
    }
}

fn judge(components: &BTreeSet<&str>, all: &[Value]) -> Finding {
    for component in components {
        let running: Vec<&Value> = all
            .iter()
            .filter(|pod| pods::component(pod) == Some(component) && pods::phase(pod) == "Running")
            .collect();
        if running.iter().any(|pod| pods::unready_container(pod).is_none()) {
            continue;
        }
        return Finding::Fail(match running.first() {
            None => format!("No running pods for \"linkerd-{component}\""),
            Some(pod) => {
                let container = pods::unready_container(pod).unwrap_or_default();
                format!("pod/{} container {container} is not ready", pods::name(pod))
            }
        });
    }
    Finding::Pass
}

async fn self_check(facts: Facts) -> Finding {
    let Some(ask) = &facts.known().self_check else { return Finding::Skip };
    match ask.call().await {
        Err(error) => Finding::Fail(format!("the control plane's API does not answer: {error}")),
        Ok(rows) => {
            let failed =
                rows.iter().filter_map(|row| Some(format!("[{}] {}", row.subsystem, row.error.as_ref()?)));
            let failed: Vec<String> = failed.collect();
            if failed.is_empty() { Finding::Pass } else { Finding::Fail(failed.join("\n    ")) }
        }
    }
}

async fn tap(facts: Facts) -> Finding {
    let Ok(client) = facts.client() else { return Finding::Skip };
    let wanted = facts.known().rendered.iter().any(|object| object["kind"] == "APIService");
    if !wanted {
        return Finding::Skip;
    }
    match client.find(&Resource::API_SERVICE, None, "v1alpha1.tap.linkerd.io").await {
        Ok(Some(service)) => available(&service),
        Ok(None) => Finding::Fail("apiservices \"v1alpha1.tap.linkerd.io\" not found".into()),
        Err(error) => Finding::Unknown(error.to_string()),
    }
}

fn available(service: &Value) -> Finding {
    let conditions = service.pointer("/status/conditions").and_then(Value::as_array);
    match conditions.into_iter().flatten().find(|condition| condition["type"] == "Available") {
        Some(condition) if condition["status"] == "True" => Finding::Pass,
        Some(condition) => Finding::Fail(format!(
            "{}: {}",
            pods::text(condition, "/reason"),
            pods::text(condition, "/message")
        )),
        None => Finding::Fail("tap.linkerd.io service not available".into()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(component: &str, phase: &str, ready: bool) -> Value {
        json!({"metadata": {"name": format!("{component}-1"), "labels": {"linkerd.io/control-plane-component": component}},
            "status": {"phase": phase, "containerStatuses": [{"name": "linkerd-proxy", "ready": ready}]}})
    }

    #[test]
    fn every_component_needs_one_ready_pod() {
        let wanted = BTreeSet::from(["identity", "tap"]);
        let all = [
            pod("identity", "Running", true),
            pod("identity", "Running", false),
            pod("tap", "Running", true),
        ];
        assert_eq!(judge(&wanted, &all), Finding::Pass);
        assert_eq!(judge(&wanted, &all[..2]), Finding::Fail("No running pods for \"linkerd-tap\"".into()));
        let unready = [pod("identity", "Running", true), pod("tap", "Running", false)];
        let expected = Finding::Fail("pod/tap-1 container linkerd-proxy is not ready".into());
        assert_eq!(judge(&wanted, &unready), expected);
    }

    #[test]
    fn the_aggregated_api_tells_why_it_is_away() {
        let service = |status: &str| {
            json!({"status": {"conditions": [
                {"type": "Available", "status": status, "reason": "MissingEndpoints", "message": "none"}]}})
        };
        assert_eq!(available(&service("True")), Finding::Pass);
        assert_eq!(available(&service("False")), Finding::Fail("MissingEndpoints: none".into()));
    }
}
