//! linkerd-cni-plugin: is the CNI plugin there and ready on every node?

use mesh_k8s::{Client, Resource};
use serde_json::Value;

use crate::check::{Category, Check, Finding};
use crate::facts::Facts;

/// The category.
pub fn category() -> Category {
    let check = |title: &str, anchor, resource: &'static Resource, name: &'static str| {
        let description = format!("cni plugin {title} exists");
        Check::new(description, anchor, move |facts| async move { exists(&facts, resource, name).await })
            .fatal()
    };
    let checks = vec![
        check("ConfigMap", "cni-plugin-cm-exists", &Resource::CONFIG_MAP, "linkerd-cni-config"),
        check("ClusterRole", "cni-plugin-cr-exists", &Resource::CLUSTER_ROLE, "linkerd-cni"),
        check("ClusterRoleBinding", "cni-plugin-crb-exists", &Resource::CLUSTER_ROLE_BINDING, "linkerd-cni"),
        check("ServiceAccount", "cni-plugin-sa-exists", &Resource::SERVICE_ACCOUNT, "linkerd-cni"),
        check("DaemonSet", "cni-plugin-ds-exists", &Resource::DAEMON_SET, "linkerd-cni"),
        Check::new("cni plugin pod is running on all nodes", "cni-plugin-ready", ready).fatal().retried(),
    ];
    Category { id: "linkerd-cni-plugin", checks }
}

/// The category where the control plane was installed for the plugin; elsewhere its checks do not apply.
pub fn where_installed() -> Category {
    let mut category = category();
    for check in &mut category.checks {
        let ask = std::sync::Arc::clone(&check.ask);
        check.ask = std::sync::Arc::new(move |facts: Facts| match facts.known().cni {
            true => ask(facts),
            false => Box::pin(std::future::ready(Finding::Skip)),
        });
    }
    category
}

async fn find(
    client: &Client,
    facts: &Facts,
    resource: &Resource,
    name: &str,
) -> Result<Option<Value>, mesh_k8s::Error> {
    let namespace = match resource.scope {
        mesh_k8s::resource::Scope::Namespace => Some(facts.known().cni_namespace.as_str()),
        mesh_k8s::resource::Scope::Cluster => None,
    };
    client.find(resource, namespace, name).await
}

async fn exists(facts: &Facts, resource: &'static Resource, name: &str) -> Finding {
    let Ok(client) = facts.client() else { return Finding::Skip };
    match find(client, facts, resource, name).await {
        Ok(Some(_)) => Finding::Pass,
        Ok(None) => Finding::Fail(format!("{} \"{name}\" not found", resource.plural)),
        Err(error) => Finding::Unknown(error.to_string()),
    }
}

async fn ready(facts: Facts) -> Finding {
    let Ok(client) = facts.client() else { return Finding::Skip };
    match find(client, &facts, &Resource::DAEMON_SET, "linkerd-cni").await {
        Ok(Some(set)) => judge(&set),
        Ok(None) => Finding::Fail("daemonsets \"linkerd-cni\" not found".into()),
        Err(error) => Finding::Unknown(error.to_string()),
    }
}

fn judge(set: &Value) -> Finding {
    let count = |field: &str| set["status"][field].as_u64().unwrap_or_default();
    let (ready, scheduled) = (count("numberReady"), count("desiredNumberScheduled"));
    if scheduled > 0 && ready >= scheduled {
        return Finding::Pass;
    }
    Finding::Fail(format!("number ready: {ready}, number scheduled: {scheduled}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Finding, judge};

    #[test]
    fn every_scheduled_pod_must_be_ready() {
        let set =
            |ready, scheduled| json!({"status": {"numberReady": ready, "desiredNumberScheduled": scheduled}});
        assert_eq!(judge(&set(3, 3)), Finding::Pass);
        assert_eq!(judge(&set(1, 3)), Finding::Fail("number ready: 1, number scheduled: 3".into()));
        assert!(matches!(judge(&json!({})), Finding::Fail(_)));
    }
}
