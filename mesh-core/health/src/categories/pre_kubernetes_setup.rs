//! pre-kubernetes-setup: may this user install, and is the place free?

use jiff::SignedDuration;
use mesh_k8s::access::Access;
use mesh_k8s::resource::Scope;
use mesh_k8s::{Client, Resource};
use serde_json::Value;

use crate::check::{Category, Check, Finding};
use crate::facts::Facts;

/// Clocks that differ by more than this make certificates look not yet valid or expired too early: the
/// allowance that identity makes by default.
const SKEW: SignedDuration = SignedDuration::from_secs(20);

/// The category.
pub fn category() -> Category {
    let creatable: [&'static Resource; 6] = [
        &Resource::SERVICE_ACCOUNT,
        &Resource::SERVICE,
        &Resource::DEPLOYMENT,
        &Resource::CRON_JOB,
        &Resource::CONFIG_MAP,
        &Resource::SECRET,
    ];
    let mut checks = vec![
        Check::new("control plane namespace does not already exist", "pre-ns", namespace_is_free),
        Check::new("can create non-namespaced resources", "pre-k8s-cluster-k8s", can_create_cluster_objects),
    ];
    checks.extend(creatable.map(|resource| {
        let description = format!("can create {}s", resource.kind);
        Check::new(description, "pre-k8s", move |facts| async move { may(&facts, "create", resource).await })
    }));
    checks.push(Check::new("can read Secrets", "pre-k8s", |facts| async move {
        may(&facts, "get", &Resource::SECRET).await
    }));
    let authentication = "can read extension-apiserver-authentication configmap";
    checks.push(Check::new(authentication, "pre-k8s", can_read_authentication));
    checks.push(Check::new("no clock skew detected", "pre-k8s-clock-skew", no_clock_skew).warning());
    Category { id: "pre-kubernetes-setup", checks }
}

async fn namespace_is_free(facts: Facts) -> Finding {
    let Ok(client) = facts.client() else { return Finding::Skip };
    let namespace = &facts.known().namespace;
    match client.find(&Resource::NAMESPACE, None, namespace).await {
        Ok(None) => Finding::Pass,
        Ok(Some(_)) => Finding::Fail(format!("The \"{namespace}\" namespace already exists")),
        Err(error) => Finding::Unknown(error.to_string()),
    }
}

async fn can_create_cluster_objects(facts: Facts) -> Finding {
    let Ok(client) = facts.client() else { return Finding::Skip };
    let objects = facts.known().rendered.iter().filter(|object| is_cluster_scoped(object));
    let tries = objects.map(|object| try_create(client, object));
    let errors: Vec<String> = futures::future::join_all(tries).await.into_iter().flatten().collect();
    if errors.is_empty() { Finding::Pass } else { Finding::Fail(errors.join("\n    ")) }
}

fn is_cluster_scoped(object: &Value) -> bool {
    let kind = object.get("kind").and_then(Value::as_str).unwrap_or_default();
    Resource::of_kind(kind).is_some_and(|resource| resource.scope == Scope::Cluster)
}

/// Definitions are shared by all control planes and `install --crds` puts them there first: those that exist need
/// only be applicable.
async fn try_create(client: &Client, object: &Value) -> Option<String> {
    let error = match client.dry_run_create(object).await {
        Err(mesh_k8s::Error::Refused { code: 409, .. }) if object["kind"] == "CustomResourceDefinition" => {
            client.dry_run_apply(object).await.err()
        }
        tried => tried.err(),
    };
    error.map(|error| error.to_string())
}

async fn may(facts: &Facts, verb: &str, resource: &'static Resource) -> Finding {
    let Ok(client) = facts.client() else { return Finding::Skip };
    match client.may(verb, resource, Some(&facts.known().namespace)).await {
        Ok(Access::Allowed) => Finding::Pass,
        Ok(Access::Refused(reason)) => {
            let name = match resource.group {
                "" => resource.plural.to_owned(),
                group => format!("{}.{group}", resource.plural),
            };
            let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
            Finding::Fail(format!("not authorized to access {name}{reason}"))
        }
        Err(error) => Finding::Unknown(error.to_string()),
    }
}

async fn can_read_authentication(facts: Facts) -> Finding {
    let Ok(client) = facts.client() else { return Finding::Skip };
    let name = "extension-apiserver-authentication";
    match client.get(&Resource::CONFIG_MAP, Some("kube-system"), name).await {
        Ok(map) => match map.pointer("/data/requestheader-client-ca-file").and_then(Value::as_str) {
            Some(pem) if !pem.trim().is_empty() => Finding::Pass,
            _ => Finding::Fail("--requestheader-client-ca-file is not configured".into()),
        },
        Err(error) => Finding::Fail(error.to_string()),
    }
}

async fn no_clock_skew(facts: Facts) -> Finding {
    let Ok(client) = facts.client() else { return Finding::Skip };
    let read_clock = facts.known().clock.0;
    let before = read_clock();
    match client.server_time().await {
        Ok(Some(server)) => {
            let after = read_clock();
            skew(before, server, after)
        }
        Ok(None) => Finding::Unknown("the API server sends no Date header".into()),
        Err(error) => Finding::Unknown(error.to_string()),
    }
}

/// The server read its clock somewhere between `before` and `after`, in whole seconds.
fn skew(before: jiff::Timestamp, server: jiff::Timestamp, after: jiff::Timestamp) -> Finding {
    let second = SignedDuration::from_secs(1);
    let ahead = before.duration_since(server) - second;
    let behind = server.duration_since(after);
    let (by, word) = if ahead > behind { (ahead, "ahead of") } else { (behind, "behind") };
    if by <= SKEW {
        return Finding::Pass;
    }
    Finding::Fail(format!(
        "clock skew detected: this machine's clock is {}s {word} the API server's",
        by.as_secs()
    ))
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};

    use super::{Finding, skew};

    #[test]
    fn skew_is_told_with_number_and_direction() {
        let at = |seconds: i64| Timestamp::UNIX_EPOCH + SignedDuration::from_secs(1_000_000 + seconds);
        assert_eq!(skew(at(0), at(0), at(1)), Finding::Pass);
        assert_eq!(skew(at(21), at(0), at(22)), Finding::Pass);
        let text = |finding| match finding {
            Finding::Fail(text) => text,
            other => panic!("{other:?}"),
        };
        assert!(text(skew(at(100), at(0), at(101))).ends_with("99s ahead of the API server's"));
        assert!(text(skew(at(0), at(100), at(1))).ends_with("99s behind the API server's"));
    }
}
