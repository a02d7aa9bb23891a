//! kubernetes-api: is there an API server that answers?

use crate::check::{Category, Check, Finding};

/// The category.
pub fn category() -> Category {
    let client = Check::new("can initialize the client", "k8s-api", |facts| async move {
        Finding::from_result(facts.client().map(drop))
    });
    let query = Check::new("can query the Kubernetes API", "k8s-api", |facts| async move {
        match facts.client() {
            Ok(client) => Finding::from_result(client.server_version().await.map(drop)),
            Err(error) => Finding::Fail(error.to_owned()),
        }
    });
    Category { id: "kubernetes-api", checks: vec![client.fatal(), query.fatal()] }
}
