//! linkerd-data-plane: do the proxies of workloads run, and which version?

use mesh_core::version;
use mesh_k8s::{Resource, objects::Selection};
use serde_json::Value;

use crate::check::{Category, Check, Finding};
use crate::facts::Facts;
use crate::pods;

/// The category.
pub fn category() -> Category {
    let check = |description: &str, anchor, judge: fn(&Facts, &[Value]) -> Finding| {
        Check::new(description, anchor, move |facts| async move {
            match pods_of(&facts).await {
                Ok(pods) => judge(&facts, &pods),
                Err(error) => Finding::Unknown(error),
            }
        })
    };
    let checks = vec![
        Check::new("data plane namespace exists", "l5d-data-plane-exists", namespace).fatal(),
        check("data plane proxies are ready", "l5d-data-plane-ready", |facts, pods| {
            ready(pods, facts.known().data_plane_namespace.as_deref())
        })
        .fatal()
        .retried(),
        check("data plane is up-to-date", "l5d-data-plane-version", |facts, pods| {
            let known = facts.known();
            match &known.expected_version {
                Some(expected) => current(pods, expected, known.data_plane_namespace.as_deref()),
                None => Finding::Unknown(super::linkerd_version::NOT_NAMED.into()),
            }
        })
        .warning(),
        check("data plane and cli versions match", "l5d-data-plane-cli-version", |facts, pods| {
            same(pods, &facts.known().cli_version)
        })
        .warning(),
    ];
    Category { id: "linkerd-data-plane", checks }
}

/// The meshed pods of workloads in the chosen namespace, or in all.
///
/// # Errors
/// In words, when the API says no.
pub(super) async fn pods_of(facts: &Facts) -> Result<Vec<Value>, String> {
    let client = facts.client().map_err(str::to_owned)?;
    let known = facts.known();
    let labels =
        format!("linkerd.io/control-plane-ns={},!linkerd.io/control-plane-component", known.namespace);
    let selection = Selection { namespace: known.data_plane_namespace.as_deref(), labels: Some(&labels) };
    let pods = client.list(&Resource::POD, selection).await.map_err(|error| error.to_string())?;
    Ok(pods.into_iter().filter(|pod| !pods::is_over(pod)).collect())
}

async fn namespace(facts: Facts) -> Finding {
    let (Ok(client), Some(namespace)) = (facts.client(), &facts.known().data_plane_namespace) else {
        return Finding::Pass;
    };
    match client.find(&Resource::NAMESPACE, None, namespace).await {
        Ok(Some(_)) => Finding::Pass,
        Ok(None) => Finding::Fail(format!("The \"{namespace}\" namespace does not exist")),
        Err(error) => Finding::Unknown(error.to_string()),
    }
}

fn ready(all: &[Value], namespace: Option<&str>) -> Finding {
    if all.is_empty() {
        let place = namespace.map(|name| format!(" in the \"{name}\" namespace")).unwrap_or_default();
        return Finding::Fail(format!("No \"linkerd-proxy\" containers found{place}"));
    }
    for pod in all {
        let name = pods::name(pod);
        if pods::phase(pod) != "Running" {
            return Finding::Fail(format!("The \"{name}\" pod is not running"));
        }
        if pods::proxy_status(pod).is_none_or(|status| status["ready"] != true) {
            return Finding::Fail(format!(
                "The \"linkerd-proxy\" container in the \"{name}\" pod is not ready"
            ));
        }
    }
    Finding::Pass
}

fn current(all: &[Value], expected: &str, namespace: Option<&str>) -> Finding {
    let old = all.iter().filter_map(|pod| {
        let running = pods::proxy_version(pod)?;
        version::compare(running, expected).err()?;
        Some(format!("\n\t* {} ({running})", pods::qualified(pod, namespace)))
    });
    let old: String = old.collect();
    if old.is_empty() {
        return Finding::Pass;
    }
    Finding::Fail(format!("Some data plane pods are not running the current version:{old}"))
}

fn same(all: &[Value], cli: &str) -> Finding {
    let other = all.iter().find_map(|pod| {
        let running = pods::proxy_version(pod).filter(|running| *running != cli)?;
        Some(format!("{} running {running} but cli running {cli}", pods::name(pod)))
    });
    other.map_or(Finding::Pass, Finding::Fail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pods::tests::meshed;

    #[test]
    fn the_first_pod_that_is_not_ready_is_named() {
        assert_eq!(ready(&[meshed("a", true)], None), Finding::Pass);
        let expected = "The \"linkerd-proxy\" container in the \"b\" pod is not ready";
        assert_eq!(ready(&[meshed("a", true), meshed("b", false)], None), Finding::Fail(expected.into()));
        let mut pending = meshed("c", true);
        pending["status"]["phase"] = "Pending".into();
        assert_eq!(ready(&[pending], None), Finding::Fail("The \"c\" pod is not running".into()));
        let none = "No \"linkerd-proxy\" containers found in the \"shop\" namespace";
        assert_eq!(ready(&[], Some("shop")), Finding::Fail(none.into()));
    }

    #[test]
    fn another_version_is_told() {
        assert_eq!(same(&[meshed("a", true)], "v1"), Finding::Pass);
        assert_eq!(same(&[meshed("a", true)], "v2"), Finding::Fail("a running v1 but cli running v2".into()));
    }
}
