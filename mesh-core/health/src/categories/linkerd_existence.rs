//! linkerd-existence: is a control plane there, and do its pods come up?

use mesh_k8s::{Resource, objects::Selection};
use serde_json::Value;

use crate::check::{Category, Check, Finding};
use crate::facts::Facts;
use crate::pods;

/// The category.
pub fn category() -> Category {
    let checks = vec![
        Check::new("'linkerd-config' config map exists", "l5d-existence-linkerd-config", recorded).fatal(),
        Check::new("heartbeat ServiceAccount exist", "l5d-existence-sa", heartbeat).fatal(),
        Check::new("control plane replica sets are ready", "l5d-existence-replicasets", replica_sets)
            .fatal()
            .retried(),
        Check::new("no unschedulable pods", "l5d-existence-unschedulable-pods", unschedulable)
            .fatal()
            .retried(),
        Check::new("controller pod is running", "l5d-existence-controller", controller).fatal().retried(),
    ];
    Category { id: "linkerd-existence", checks }
}

async fn recorded(facts: Facts) -> Finding {
    exists(&facts, &Resource::CONFIG_MAP, "linkerd-config").await
}

async fn heartbeat(facts: Facts) -> Finding {
    let rendered = facts.known().rendered.iter();
    let wanted = rendered
        .filter(|object| object["kind"] == "ServiceAccount")
        .any(|object| pods::name(object) == "linkerd-heartbeat");
    if !wanted {
        return Finding::Skip;
    }
    exists(&facts, &Resource::SERVICE_ACCOUNT, "linkerd-heartbeat").await
}

async fn exists(facts: &Facts, resource: &'static Resource, name: &str) -> Finding {
    let Ok(client) = facts.client() else { return Finding::Skip };
    match client.find(resource, Some(&facts.known().namespace), name).await {
        Ok(Some(_)) => Finding::Pass,
        Ok(None) => Finding::Fail(format!("{} \"{name}\" not found", resource.plural)),
        Err(error) => Finding::Unknown(error.to_string()),
    }
}

async fn replica_sets(facts: Facts) -> Finding {
    judged(&facts, &Resource::REPLICA_SET, failed_replica_sets).await
}

async fn unschedulable(facts: Facts) -> Finding {
    judged(&facts, &Resource::POD, unschedulable_pods).await
}

async fn controller(facts: Facts) -> Finding {
    judged(&facts, &Resource::POD, controller_runs).await
}

/// Asks anew each time: what is retried must not see an old answer.
async fn judged(facts: &Facts, resource: &'static Resource, judge: impl Fn(&[Value]) -> Finding) -> Finding {
    let Ok(client) = facts.client() else { return Finding::Skip };
    let selection = Selection {
        namespace: Some(&facts.known().namespace),
        labels: Some("linkerd.io/control-plane-component"),
    };
    match client.list(resource, selection).await {
        Ok(objects) => judge(&objects),
        Err(error) => Finding::Unknown(error.to_string()),
    }
}

fn failed_replica_sets(sets: &[Value]) -> Finding {
    let conditions = sets.iter().flat_map(|set| set.pointer("/status/conditions").and_then(Value::as_array));
    let failures: Vec<String> = conditions
        .flatten()
        .filter(|condition| condition["type"] == "ReplicaFailure" && condition["status"] == "True")
        .map(|condition| {
            format!("{}: {}", pods::text(condition, "/reason"), pods::text(condition, "/message"))
        })
        .collect();
    if failures.is_empty() { Finding::Pass } else { Finding::Fail(failures.join("\n    ")) }
}

fn unschedulable_pods(all: &[Value]) -> Finding {
    let reasons: Vec<String> = all
        .iter()
        .filter_map(|pod| {
            let conditions = pod.pointer("/status/conditions")?.as_array()?;
            let stuck =
                conditions.iter().find(|it| it["reason"] == "Unschedulable" && it["status"] == "False")?;
            Some(format!("{}: {}", pods::name(pod), pods::text(stuck, "/message")))
        })
        .collect();
    if reasons.is_empty() { Finding::Pass } else { Finding::Fail(reasons.join("\n    ")) }
}

fn controller_runs(all: &[Value]) -> Finding {
    let own: Vec<&Value> = all.iter().filter(|pod| pods::component(pod) == Some("controller")).collect();
    if own.iter().any(|pod| pods::phase(pod) == "Running") {
        return Finding::Pass;
    }
    match own.first() {
        Some(pod) => Finding::Fail(format!("{} status is {}", pods::name(pod), pods::phase(pod))),
        None => Finding::Fail("No running pods for \"controller\"".into()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn failures_are_told_in_the_clusters_words() {
        let set = json!({"status": {"conditions": [
            {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "quota"}]}});
        assert_eq!(failed_replica_sets(&[set]), Finding::Fail("FailedCreate: quota".into()));
        assert_eq!(failed_replica_sets(&[json!({})]), Finding::Pass);
        let pod = json!({"metadata": {"name": "p"}, "status": {"conditions": [
            {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "no node"}]}});
        assert_eq!(unschedulable_pods(&[pod]), Finding::Fail("p: no node".into()));
    }

    #[test]
    fn one_running_controller_is_enough() {
        let pod = |phase: &str| {
            json!({"metadata": {"name": "c", "labels": {"linkerd.io/control-plane-component": "controller"}},
                "status": {"phase": phase}})
        };
        assert_eq!(controller_runs(&[pod("Pending"), pod("Running")]), Finding::Pass);
        assert_eq!(controller_runs(&[pod("Pending")]), Finding::Fail("c status is Pending".into()));
        assert_eq!(controller_runs(&[]), Finding::Fail("No running pods for \"controller\"".into()));
    }
}
