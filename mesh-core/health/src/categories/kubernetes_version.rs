//! kubernetes-version: is the server, and kubectl, new enough?

use mesh_core::version::MINIMUM_KUBERNETES;
use mesh_k8s::access::ServerVersion;

use crate::check::{Category, Check, Finding};

/// The category.
pub fn category() -> Category {
    let server =
        Check::new("is running the minimum Kubernetes API version", "k8s-version", |facts| async move {
            let version = match facts.client() {
                Ok(client) => client.server_version().await.map_err(|error| error.to_string()),
                Err(error) => Err(error.to_owned()),
            };
            match version {
                Ok(version) => new_enough("Kubernetes", &version),
                Err(error) => Finding::Unknown(error),
            }
        });
    let kubectl =
        Check::new("is running the minimum kubectl version", "kubectl-version", |facts| async move {
            match &facts.known().kubectl_version {
                Some(version) => new_enough("kubectl", &ServerVersion { git_version: version.clone() }),
                None => Finding::Unknown(
                    "no kubectl was found on the PATH, or it does not tell its version".into(),
                ),
            }
        });
    Category { id: "kubernetes-version", checks: vec![server, kubectl] }
}

fn new_enough(what: &str, version: &ServerVersion) -> Finding {
    let (major, minor) = MINIMUM_KUBERNETES;
    match version.major_minor() {
        Some(found) if found >= MINIMUM_KUBERNETES => Finding::Pass,
        Some(_) => Finding::Fail(format!(
            "{what} is on version [{}], but version [{major}.{minor}.0] or more recent is required",
            version.git_version.trim_start_matches('v')
        )),
        None => Finding::Unknown(format!(
            "{what} reports version {:?}, which has no known shape",
            version.git_version
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_servers_fail_and_strange_ones_are_unknown() {
        let of = |text: &str| new_enough("Kubernetes", &ServerVersion { git_version: text.into() });
        assert_eq!(of("v1.33.13"), Finding::Pass);
        assert!(matches!(of("v1.13.0"), Finding::Fail(text) if text.contains("[1.13.0]")));
        assert!(matches!(of("next"), Finding::Unknown(_)));
    }
}
