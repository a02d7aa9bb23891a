//! What checks ask about. Each kind is listed once, page by page, and shared by all checks.

use std::collections::HashMap;
use std::sync::Arc;

use futures::future::BoxFuture;
use jiff::Timestamp;
use mesh_k8s::objects::Selection;
use mesh_k8s::{Client, Error, Resource};
use serde_json::Value;
use tokio::sync::{Mutex, OnceCell};

/// What the caller knows and the checks may use.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Namespace of the control plane.
    pub namespace: String,
    /// Namespace of the CNI plugin.
    pub cni_namespace: String,
    /// This command's version.
    pub cli_version: String,
    /// The version that everything should have (`--expected-version`).
    pub expected_version: Option<String>,
    /// What an install with these settings would apply, or did.
    pub rendered: Vec<Value>,
    /// What `kubectl` says of its version: `None` if there is none to ask.
    pub kubectl_version: Option<String>,
    /// The namespace whose proxies are looked at; all when there is none.
    pub data_plane_namespace: Option<String>,
    /// The version that the control plane was installed as.
    pub control_plane_version: Option<String>,
    /// Whether the control plane was installed for the CNI plugin.
    pub cni: bool,
    /// Asks the control plane about itself, where its API can be reached.
    pub self_check: Option<SelfCheck>,
    /// This machine's clock.
    pub clock: Clock,
}

/// What the control plane says of one of its dependencies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SelfCheckRow {
    /// `kubernetes`, `prometheus`.
    pub subsystem: String,
    /// What was looked at.
    pub description: String,
    /// What is wrong; none when all is well.
    pub error: Option<String>,
}

type Answer = BoxFuture<'static, Result<Vec<SelfCheckRow>, String>>;

/// A call of the control plane's own check.
#[derive(Clone)]
pub struct SelfCheck(Arc<dyn Fn() -> Answer + Send + Sync>);

impl SelfCheck {
    /// A call by whoever knows how to reach the API.
    pub fn new<F>(call: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Vec<SelfCheckRow>, String>> + Send + 'static,
    {
        Self(Arc::new(move || Box::pin(call())))
    }

    /// Calls.
    pub(crate) fn call(&self) -> Answer {
        (self.0)()
    }
}

impl std::fmt::Debug for SelfCheck {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SelfCheck")
    }
}

/// A clock; the default one stands still at the epoch.
#[derive(Clone, Copy, Debug)]
pub struct Clock(pub fn() -> Timestamp);

impl Default for Clock {
    fn default() -> Self {
        Self(|| Timestamp::UNIX_EPOCH)
    }
}

type Listed = Arc<OnceCell<Result<Arc<Vec<Value>>, String>>>;

/// The facts; cheap to clone.
#[derive(Clone)]
pub struct Facts(Arc<Inner>);

struct Inner {
    client: Result<Client, String>,
    known: Known,
    lists: Mutex<HashMap<(&'static str, Option<String>), Listed>>,
}

impl Facts {
    /// Facts behind a client, or behind the reason why there is none.
    pub fn new(client: Result<Client, Error>, known: Known) -> Self {
        let client = client.map_err(|error| error.to_string());
        Self(Arc::new(Inner { client, known, lists: Mutex::default() }))
    }

    /// The client, or why there is none.
    pub fn client(&self) -> Result<&Client, &str> {
        self.0.client.as_ref().map_err(String::as_str)
    }

    /// What the caller knows.
    pub fn known(&self) -> &Known {
        &self.0.known
    }

    /// Every object of a kind, in one namespace or all. Asked once; later callers share the answer.
    pub async fn list(
        &self,
        resource: &'static Resource,
        namespace: Option<&str>,
    ) -> Result<Arc<Vec<Value>>, String> {
        let key = (resource.plural, namespace.map(str::to_owned));
        let cell = self.0.lists.lock().await.entry(key).or_default().clone();
        let answer = cell.get_or_init(|| async {
            let client = self.client().map_err(str::to_owned)?;
            let objects = client.list(resource, Selection { namespace, labels: None }).await;
            objects.map(Arc::new).map_err(|error| error.to_string())
        });
        answer.await.clone()
    }
}
