//! Objects of the cluster that have traffic: workloads, pods, services, namespaces. Listed when somebody asks.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ApiResource, DynamicObject, ListParams};
use kube::core::GroupVersionKind;
use mesh_core::names::{containers, labels};
use serde_json::{Value, json};

use crate::runtime::CALL_LIMIT;

/// Objects a page.
const PAGE: u32 = 500;
/// Most objects that are looked at for one answer.
const MAX_OBJECTS: usize = 100_000;

/// A kind that traffic is told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// In singular, as requests name it.
    pub name: &'static str,
    /// The label of metrics.
    pub label: &'static str,
    /// The label of metrics for the other end.
    pub dst_label: &'static str,
    /// Where the API serves it; `None` for authorities, which are no objects.
    served: Option<(&'static str, &'static str, &'static str)>,
}

macro_rules! kinds {
    ($($name:literal $label:literal $dst:literal $served:expr;)*) => {
        /// Every kind.
        pub const KINDS: &[Kind] = &[$(Kind { name: $name, label: $label, dst_label: $dst, served: $served }),*];
    };
}

kinds! {
    "authority" "authority" "authority" None;
    "cronjob" "cronjob" "dst_cronjob" Some(("batch", "CronJob", "cronjobs"));
    "daemonset" "daemonset" "dst_daemonset" Some(("apps", "DaemonSet", "daemonsets"));
    "deployment" "deployment" "dst_deployment" Some(("apps", "Deployment", "deployments"));
    "job" "k8s_job" "dst_k8s_job" Some(("batch", "Job", "jobs"));
    "namespace" "namespace" "dst_namespace" Some(("", "Namespace", "namespaces"));
    "pod" "pod" "dst_pod" Some(("", "Pod", "pods"));
    "replicationcontroller" "replicationcontroller" "dst_replicationcontroller"
        Some(("", "ReplicationController", "replicationcontrollers"));
    "replicaset" "replicaset" "dst_replicaset" Some(("apps", "ReplicaSet", "replicasets"));
    "service" "service" "dst_service" Some(("", "Service", "services"));
    "statefulset" "statefulset" "dst_statefulset" Some(("apps", "StatefulSet", "statefulsets"));
}

/// An object, as far as traffic goes.
#[derive(Clone, Debug)]
pub struct Object {
    /// Empty for a namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Which pods it has; `None` for none.
    selector: Option<Value>,
}

/// A pod, as far as traffic goes.
#[derive(Clone, Debug)]
pub struct PodFacts {
    /// Where.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its phase, or why its container waits.
    pub status: String,
    /// Its address.
    pub ip: String,
    /// Whether it has a proxy of this control plane.
    pub is_meshed: bool,
    /// Whether its proxy is ready.
    pub is_proxy_ready: bool,
    /// The tag of its proxy's image.
    pub proxy_version: String,
    /// Its workload, by the injector's label or its owner.
    pub owner: String,
    labels: Value,
}

/// How many pods an object has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// With a proxy of ours.
    pub meshed: u64,
    /// That have not failed.
    pub running: u64,
    /// That have failed.
    pub failed: u64,
}

/// Lists objects.
#[derive(Clone)]
pub struct Objects {
    client: kube::Client,
    namespace: Arc<str>,
}

// === impl Kind ===

impl Kind {
    /// The kind of a name.
    pub fn of(name: &str) -> Option<&'static Self> {
        KINDS.iter().find(|kind| kind.name == name)
    }

    /// Whether it is namespaces.
    pub fn is_namespace(&self) -> bool {
        self.name == "namespace"
    }
}

// === impl Objects ===

impl Objects {
    /// Lists through `client` what a control plane in `namespace` sees.
    pub fn new(client: kube::Client, namespace: &str) -> Self {
        Self { client, namespace: namespace.into() }
    }

    /// Objects of a kind, by namespace, name and labels where these are not empty.
    ///
    /// # Errors
    /// What the API server says.
    pub async fn list(
        &self,
        kind: &Kind,
        namespace: &str,
        name: &str,
        selector: &str,
    ) -> Result<Vec<Object>, String> {
        let Some((group, kind_name, plural)) = kind.served else { return Ok(Vec::new()) };
        let gvk = GroupVersionKind::gvk(group, "v1", kind_name);
        let resource = ApiResource::from_gvk_with_plural(&gvk, plural);
        let api: Api<DynamicObject> = match namespace.is_empty() || kind.is_namespace() {
            true => Api::all_with(self.client.clone(), &resource),
            false => Api::namespaced_with(self.client.clone(), namespace, &resource),
        };
        let mut params = ListParams::default();
        if !name.is_empty() {
            params = params.fields(&format!("metadata.name={name}"));
        }
        if !selector.is_empty() {
            params = params.labels(selector);
        }
        let found = pages(&api, params, plural).await?;
        Ok(found.into_iter().map(|object| Object::of(kind, object)).collect())
    }

    /// Pods, of all namespaces where `namespace` is empty. Pods that are done are left out.
    ///
    /// # Errors
    /// What the API server says.
    pub async fn pods(&self, namespace: &str, selector: &str) -> Result<Vec<PodFacts>, String> {
        let api: Api<Pod> = match namespace.is_empty() {
            true => Api::all(self.client.clone()),
            false => Api::namespaced(self.client.clone(), namespace),
        };
        let mut params = ListParams::default();
        if !selector.is_empty() {
            params = params.labels(selector);
        }
        let found = pages(&api, params, "pods").await?;
        let facts = found.into_iter().map(|pod| PodFacts::of(&pod, &self.namespace));
        Ok(facts.filter(|pod| pod.status != "Succeeded").collect())
    }

    /// Whether the API server answers.
    ///
    /// # Errors
    /// What it says, or that it says nothing.
    pub async fn probe(&self) -> Result<(), String> {
        match tokio::time::timeout(CALL_LIMIT, self.client.apiserver_version()).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("no answer within {CALL_LIMIT:?}")),
        }
    }
}

async fn pages<K>(api: &Api<K>, mut params: ListParams, plural: &str) -> Result<Vec<K>, String>
where
    K: Clone + serde::de::DeserializeOwned + std::fmt::Debug,
{
    params = params.limit(PAGE);
    let mut found = Vec::new();
    loop {
        let page = match tokio::time::timeout(CALL_LIMIT, api.list(&params)).await {
            Ok(Ok(page)) => page,
            Ok(Err(error)) => return Err(format!("{plural} cannot be listed: {error}")),
            Err(_) => return Err(format!("{plural}: no answer within {CALL_LIMIT:?}")),
        };
        found.extend(page.items);
        if found.len() > MAX_OBJECTS {
            return Err(format!("there are more than {MAX_OBJECTS} {plural}; name a namespace"));
        }
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params.continue_token = Some(token),
            None => return Ok(found),
        }
    }
}

// === impl Object ===

impl Object {
    fn of(kind: &Kind, object: DynamicObject) -> Self {
        let namespace = object.metadata.namespace.unwrap_or_default();
        let name = object.metadata.name.unwrap_or_default();
        let selector = match kind.name {
            "namespace" => Some(json!({})),
            "pod" => None,
            "cronjob" => {
                let labels = object.data.pointer("/spec/jobTemplate/spec/template/metadata/labels");
                labels.map(|labels| json!({"matchLabels": labels}))
            }
            _ => match object.data.pointer("/spec/selector") {
                Some(selector)
                    if selector.get("matchLabels").or(selector.get("matchExpressions")).is_some() =>
                {
                    Some(selector.clone())
                }
                // Services and ReplicationControllers have the bare map; an empty one selects nothing.
                Some(Value::Object(bare)) if !bare.is_empty() => Some(json!({"matchLabels": bare})),
                _ => None,
            },
        };
        Self { namespace, name, selector }
    }

    /// How many of `pods` are its own.
    pub fn count(&self, kind: &Kind, pods: &[PodFacts]) -> Count {
        let own = |pod: &&PodFacts| match kind.name {
            "namespace" => pod.namespace == self.name,
            "pod" => pod.namespace == self.namespace && pod.name == self.name,
            _ => {
                pod.namespace == self.namespace
                    && self
                        .selector
                        .as_ref()
                        .is_some_and(|selector| mesh_k8s::selector::selects(selector, Some(&pod.labels)))
            }
        };
        let mut count = Count::default();
        for pod in pods.iter().filter(own) {
            match pod.status.as_str() {
                "Failed" => count.failed += 1,
                _ => {
                    count.running += 1;
                    count.meshed += u64::from(pod.is_meshed);
                }
            }
        }
        count
    }
}

// === impl PodFacts ===

impl PodFacts {
    fn of(pod: &Pod, control_plane: &str) -> Self {
        let metadata = &pod.metadata;
        let empty = BTreeMap::new();
        let own = metadata.labels.as_ref().unwrap_or(&empty);
        let spec = pod.spec.as_ref();
        let all = spec
            .into_iter()
            .flat_map(|spec| spec.containers.iter().chain(spec.init_containers.iter().flatten()));
        let proxy = all.into_iter().find(|container| container.name == containers::PROXY);
        let is_ours = own.get(labels::CONTROL_PLANE_NS).is_some_and(|namespace| namespace == control_plane);
        let status = pod.status.as_ref();
        let statuses = status.into_iter().flat_map(|status| {
            let init = status.init_container_statuses.iter().flatten();
            status.container_statuses.iter().flatten().chain(init)
        });
        let is_proxy_ready = statuses.into_iter().any(|it| it.name == containers::PROXY && it.ready);
        let image = proxy.and_then(|proxy| proxy.image.as_deref()).unwrap_or_default();
        Self {
            namespace: metadata.namespace.clone().unwrap_or_default(),
            name: metadata.name.clone().unwrap_or_default(),
            status: status.and_then(|status| status.phase.clone()).unwrap_or_default(),
            ip: status.and_then(|status| status.pod_ip.clone()).unwrap_or_default(),
            is_meshed: is_ours && proxy.is_some(),
            is_proxy_ready,
            proxy_version: image.rsplit_once(':').map(|(_, tag)| tag.to_owned()).unwrap_or_default(),
            owner: owner(pod),
            labels: json!(own),
        }
    }
}

fn owner(pod: &Pod) -> String {
    let known = crate::workloads::labels_of(&pod.metadata);
    let own = known.iter().find(|(key, _)| !matches!(*key, "pod" | "namespace" | "control_plane_ns"));
    if let Some((kind, name)) = own {
        return format!("{}/{name}", kind.trim_start_matches("k8s_"));
    }
    let owners = pod.metadata.owner_references.iter().flatten();
    let controller = owners.into_iter().find(|owner| owner.controller == Some(true));
    controller.map(|owner| format!("{}/{}", owner.kind.to_lowercase(), owner.name)).unwrap_or_default()
}
