//! linkerd-ha-checks: does a control plane of several replicas have them, and can the cluster's own pods start without it?

use mesh_k8s::{Resource, objects::Selection};
use serde_json::Value;

use crate::check::{Category, Check, Finding};
use crate::facts::Facts;
use crate::pods;

/// The category; it applies where install rendered several replicas.
pub fn category() -> Category {
    let checks = vec![
        Check::new("pod injection disabled on kube-system", "l5d-injection-disabled", injection).warning(),
        Check::new("multiple replicas of control plane pods", "l5d-control-plane-replicas", replicas)
            .warning()
            .retried(),
    ];
    Category { id: "linkerd-ha-checks", checks }
}

/// The Deployments that have more than one replica by the manifests.
fn replicated(rendered: &[Value]) -> Vec<&str> {
    let deployments = rendered.iter().filter(|object| object["kind"] == "Deployment");
    deployments
        .filter(|object| object.pointer("/spec/replicas").and_then(Value::as_u64).unwrap_or(1) > 1)
        .map(pods::name)
        .collect()
}

async fn injection(facts: Facts) -> Finding {
    let Ok(client) = facts.client() else { return Finding::Skip };
    if replicated(&facts.known().rendered).is_empty() {
        return Finding::Skip;
    }
    match client.get(&Resource::NAMESPACE, None, "kube-system").await {
        Ok(namespace) => exempt(&namespace),
        Err(error) => Finding::Unknown(error.to_string()),
    }
}

fn exempt(namespace: &Value) -> Finding {
    let labels = namespace.pointer("/metadata/labels");
    let label = labels.and_then(|all| all.get(mesh_core::names::labels::ADMISSION_WEBHOOKS)?.as_str());
    if label == Some("disabled") {
        return Finding::Pass;
    }
    Finding::Fail("kube-system namespace needs to have the label config.linkerd.io/admission-webhooks: disabled if injector webhook failure policy is Fail".into())
}

async fn replicas(facts: Facts) -> Finding {
    let Ok(client) = facts.client() else { return Finding::Skip };
    let wanted = replicated(&facts.known().rendered);
    if wanted.is_empty() {
        return Finding::Skip;
    }
    let selection = Selection { namespace: Some(&facts.known().namespace), labels: None };
    match client.list(&Resource::DEPLOYMENT, selection).await {
        Ok(found) => judge(&wanted, &found),
        Err(error) => Finding::Unknown(error.to_string()),
    }
}

fn judge(wanted: &[&str], found: &[Value]) -> Finding {
    let available = |name: &&&str| {
        let deployment = found.iter().find(|object| pods::name(object) == **name);
        let count = deployment.and_then(|object| object.pointer("/status/availableReplicas")?.as_u64());
        count.unwrap_or_default() > 1
    };
    let short: Vec<&str> = wanted.iter().filter(|name| !available(name)).copied().collect();
    if short.is_empty() {
        return Finding::Pass;
    }
    Finding::Fail(format!("not enough replicas available for [{}]", short.join(" ")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn one_replica_is_not_enough_where_more_were_rendered() {
        let rendered = [
            json!({"kind": "Deployment", "metadata": {"name": "a"}, "spec": {"replicas": 3}}),
            json!({"kind": "Deployment", "metadata": {"name": "b"}, "spec": {"replicas": 1}}),
        ];
        let wanted = replicated(&rendered);
        assert_eq!(wanted, ["a"]);
        let found = |count: u64| [json!({"metadata": {"name": "a"}, "status": {"availableReplicas": count}})];
        assert_eq!(judge(&wanted, &found(2)), Finding::Pass);
        assert_eq!(judge(&wanted, &found(1)), Finding::Fail("not enough replicas available for [a]".into()));
        assert!(matches!(exempt(&json!({})), Finding::Fail(_)));
    }
}
