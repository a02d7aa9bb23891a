//! pre-kubernetes-capability: will pods be let in that program the redirection?
//!
//! PodSecurityPolicy ended with Kubernetes 1.25. Where it is not served, nothing of it can stand in the way.

use mesh_k8s::Resource;
use mesh_k8s::resource::Scope;
use serde_json::Value;

use crate::check::{Category, Check, Finding};
use crate::facts::Facts;

const POLICY: Resource = Resource {
    group: "policy",
    version: "v1beta1",
    kind: "PodSecurityPolicy",
    plural: "podsecuritypolicies",
    scope: Scope::Cluster,
};

/// The category.
pub fn category() -> Category {
    let check = |capability: &'static str, anchor| {
        let description = format!("has {capability} capability");
        Check::new(description, anchor, move |facts| async move { allowed(&facts, capability).await })
            .warning()
    };
    let checks =
        vec![check("NET_ADMIN", "pre-k8s-cluster-net-admin"), check("NET_RAW", "pre-k8s-cluster-net-raw")];
    Category { id: "pre-kubernetes-capability", checks }
}

async fn allowed(facts: &Facts, capability: &str) -> Finding {
    let Ok(client) = facts.client() else { return Finding::Skip };
    let selection = mesh_k8s::objects::Selection::default();
    match client.list(&POLICY, selection).await {
        Ok(policies) => judge(&policies, capability),
        Err(error) if error.is_not_found() => Finding::Pass,
        Err(error) => Finding::Unknown(error.to_string()),
    }
}

fn judge(policies: &[Value], capability: &str) -> Finding {
    let provides = |policy: &Value| {
        policy
            .pointer("/spec/allowedCapabilities")
            .and_then(Value::as_array)
            .is_some_and(|allowed| allowed.iter().any(|item| item == capability || item == "*"))
    };
    if policies.is_empty() || policies.iter().any(provides) {
        return Finding::Pass;
    }
    Finding::Fail(format!(
        "found {} PodSecurityPolicies, but none provide {capability}, proxy injection will fail if the PSP admission \
         controller is running",
        policies.len()
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Finding, judge};

    #[test]
    fn one_policy_that_allows_is_enough() {
        let allows = json!({"spec": {"allowedCapabilities": ["NET_ADMIN"]}});
        let star = json!({"spec": {"allowedCapabilities": ["*"]}});
        let none = json!({"spec": {}});
        assert_eq!(judge(&[], "NET_ADMIN"), Finding::Pass);
        assert_eq!(judge(&[none.clone(), allows.clone()], "NET_ADMIN"), Finding::Pass);
        assert_eq!(judge(&[star], "NET_RAW"), Finding::Pass);
        assert!(
            matches!(judge(&[none, allows], "NET_RAW"), Finding::Fail(text) if text.starts_with("found 2"))
        );
    }
}
