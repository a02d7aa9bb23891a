//! linkerd-identity-data-plane: do proxies trust the anchors of now?

use serde_json::Value;

use super::linkerd_identity::anchors_pem;
use crate::check::{Category, Check, Finding};
use crate::pods;

const ANCHORS: &str = "LINKERD2_PROXY_IDENTITY_TRUST_ANCHORS";

/// The category.
pub fn category() -> Category {
    let same = Check::new(
        "data plane proxies certificate match CA",
        "l5d-identity-data-plane-proxies-certs-match-ca",
        |facts| async move {
            match (anchors_pem(&facts).await, super::linkerd_data_plane::pods_of(&facts).await) {
                (Ok(pem), Ok(pods)) => {
                    judge(&pods, pem.trim(), facts.known().data_plane_namespace.as_deref())
                }
                (Err(error), _) | (_, Err(error)) => Finding::Unknown(error),
            }
        },
    );
    Category { id: "linkerd-identity-data-plane", checks: vec![same.warning()] }
}

fn judge(all: &[Value], pem: &str, namespace: Option<&str>) -> Finding {
    let stale = |pod: &&Value| {
        // Without a value the proxy reads the anchors of now when it starts.
        let value = pods::proxy_variable(pod, ANCHORS).and_then(|variable| variable["value"].as_str());
        value.is_some_and(|value| value.trim() != pem)
    };
    let names: String =
        all.iter().filter(stale).map(|pod| format!("\n\t* {}", pods::qualified(pod, namespace))).collect();
    if names.is_empty() {
        return Finding::Pass;
    }
    Finding::Fail(format!("Some pods do not have the current trust bundle and must be restarted:{names}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn pods_with_other_anchors_are_listed() {
        let pod = |name: &str, pem: &str| {
            json!({"metadata": {"name": name, "namespace": "shop"},
                "spec": {"containers": [{"name": "linkerd-proxy", "env": [{"name": ANCHORS, "value": pem}]}]}})
        };
        let pods = [pod("a", "one\n"), pod("b", "two")];
        assert_eq!(judge(&pods[..1], "one", None), Finding::Pass);
        let Finding::Fail(text) = judge(&pods, "one", None) else { panic!("b is stale") };
        assert!(text.ends_with("must be restarted:\n\t* shop/b"), "{text}");
        let Finding::Fail(text) = judge(&pods, "one", Some("shop")) else { panic!("b is stale") };
        assert!(text.ends_with("\n\t* b"), "{text}");
    }
}
