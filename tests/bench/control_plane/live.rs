//! The cluster on a real API server with its etcd: every object is written through it, validated and stored.
//!
//! No controller runs beside it, so slices and pods are what this program wrote. What controllers and kubelets would
//! have done is done here: accounts of namespaces, slices, the status of pods.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use futures::StreamExt as _;
use http::{Method, Request};
use kube::Client;
use kube::config::{Config, KubeConfigOptions, Kubeconfig};
use manifests::Chart;
use mesh_tests::cluster::{Cluster as Kit, Level};
use serde_json::{Value, json};

use crate::components::install;
use crate::content::{self, Cluster, LARGE, Size};

/// Requests on their way at once.
const WRITERS: usize = 48;

/// A running API server with the cluster.
pub(crate) struct Live {
    client: Client,
    kubeconfig: PathBuf,
    state: Mutex<Cluster>,
    _kit: Kit,
}

// === impl Live ===

impl Live {
    /// Starts it and writes everything, kind by kind: what an object needs is there before it.
    pub(crate) async fn start(size: &Size) -> Self {
        let kit = tokio::task::spawn_blocking(|| {
            let kit = Kit::start_own(Level::Storage).unwrap();
            install(&kit, Chart::Crds, Chart::Crds.defaults().unwrap());
            kit
        });
        let kit = kit.await.unwrap();
        let kubeconfig = kit.kubeconfig_path();
        let read = Kubeconfig::read_from(&kubeconfig).unwrap();
        let config = Config::from_custom_kubeconfig(read, &KubeConfigOptions::default()).await.unwrap();
        let client = Client::try_from(config).unwrap();
        let live = Self { client, kubeconfig, state: Mutex::new(Cluster::new(size.clone())), _kit: kit };
        live.fill(size).await;
        live
    }

    pub(crate) fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    async fn fill(&self, size: &Size) {
        let named = |name: &str| json!({"metadata": {"name": name}});
        let namespaces = || content::namespaces().chain(["linkerd".to_owned()]);
        let create = |(at, object): (String, Value)| self.create(at, object);
        let all = namespaces().map(|name| ("/api/v1/namespaces".to_owned(), named(&name)));
        futures::stream::iter(all).for_each_concurrent(WRITERS, create).await;
        // Pods are refused where the account of the namespace is missing.
        let all =
            namespaces()
                .map(|name| (format!("/api/v1/namespaces/{name}/serviceaccounts"), named("default")))
                .chain([("/api/v1/namespaces/linkerd/secrets".to_owned(), named("none"))])
                .chain((0..content::NODES).map(|number| {
                    ("/api/v1/nodes".to_owned(), object(|out| content::write_node(number, out)))
                }));
        futures::stream::iter(all).for_each_concurrent(WRITERS, create).await;
        let all = (0..size.services).flat_map(|service| {
            let namespace = content::namespace(service);
            [
                (
                    format!("/api/v1/namespaces/{namespace}/services"),
                    object(|out| content::service(service, out)),
                ),
                (format!("/apis/apps/v1/namespaces/{namespace}/replicasets"), replica_set(service)),
            ]
        });
        futures::stream::iter(all).for_each_concurrent(WRITERS, create).await;
        let (slices, pods): (Vec<_>, Vec<_>) = {
            let state = self.state.lock().unwrap();
            (state.slices().collect(), state.pods().collect())
        };
        let all = slices.into_iter().map(|(service, slice)| (slices_of(service), self.slice(service, slice)));
        futures::stream::iter(all).for_each_concurrent(WRITERS, create).await;
        let create = |(service, at)| self.create_pod(service, at);
        futures::stream::iter(pods).for_each_concurrent(WRITERS, create).await;
    }

    /// Makes the last endpoint of a Service ready, or not.
    pub(crate) async fn toggle(&self, service: usize) {
        let slice = self.state.lock().unwrap().toggle(service);
        self.update_slice(service, slice).await;
    }

    /// Replaces a pod of the large Service: the new one comes, the slice names it instead, the old one goes.
    pub(crate) async fn replace(&self, at: usize) {
        let old = self.state.lock().unwrap().replace(at);
        self.create_pod(LARGE, at).await;
        self.update_slice(LARGE, Cluster::slice_with(at)).await;
        let path = format!("{}/{}", pods_of(LARGE), content::pod_name(LARGE, at, old));
        // There is no kubelet that would end it.
        self.send(Method::DELETE, path, &json!({"gracePeriodSeconds": 0})).await;
    }

    /// Writes a pod, and what its kubelet would say of it.
    async fn create_pod(&self, service: usize, at: usize) {
        let (name, pod) = {
            let state = self.state.lock().unwrap();
            let name = content::pod_name(service, at, state.generation(service, at));
            (name, small(object(|out| state.pod_now(service, at, out))))
        };
        let status = json!({"status": pod["status"]});
        self.create(pods_of(service), pod).await;
        self.send(Method::PATCH, format!("{}/{name}/status", pods_of(service)), &status).await;
    }

    fn slice(&self, service: usize, slice: usize) -> Value {
        let state = self.state.lock().unwrap();
        object(|out| state.slice(service, slice, 1, out))
    }

    async fn update_slice(&self, service: usize, slice: usize) {
        let path = format!("{}/{}", slices_of(service), content::slice_name(service, slice));
        let endpoints = json!({"endpoints": self.slice(service, slice)["endpoints"]});
        self.send(Method::PATCH, path, &endpoints).await;
    }

    async fn create(&self, folder: String, mut object: Value) {
        if let Some(metadata) = object["metadata"].as_object_mut() {
            // The API server gives these.
            metadata.retain(|name, _| !["uid", "resourceVersion", "managedFields"].contains(&name.as_str()));
        }
        self.send(Method::POST, folder, &object).await;
    }

    async fn send(&self, method: Method, path: String, body: &Value) {
        let kind = if method == Method::PATCH { "application/merge-patch+json" } else { "application/json" };
        let request = Request::builder().method(&method).uri(&path).header("content-type", kind);
        let request = request.body(serde_json::to_vec(body).unwrap()).unwrap();
        let answered = self.client.request_text(request).await;
        assert!(answered.is_ok(), "{method} {path}: {answered:?}");
    }
}

fn object(write: impl FnOnce(&mut String)) -> Value {
    let mut text = String::new();
    write(&mut text);
    serde_json::from_str(&text).unwrap()
}

/// Without what the control plane skips: the API server takes its time for each field.
fn small(mut pod: Value) -> Value {
    let spec = &mut pod["spec"];
    for container in ["initContainers", "containers"] {
        let container = spec[container][0].as_object_mut().unwrap();
        container.remove("volumeMounts");
        if let Some(env) = container.get_mut("env").and_then(Value::as_array_mut) {
            env.drain(..env.len() - 1);
        }
    }
    spec["volumes"].take();
    // Otherwise the API server adds the volume of the account's token.
    spec["automountServiceAccountToken"] = json!(false);
    pod
}

/// With the least that the API server asks of it; the control plane reads its metadata alone.
fn replica_set(service: usize) -> Value {
    let mut it = object(|out| content::replica_set(service, out));
    let labels = json!({"app": format!("svc-{service}")});
    it["spec"] = json!({"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels},
        "spec": {"containers": [{"name": "app", "image": "app:1"}]}}});
    it
}

fn pods_of(service: usize) -> String {
    format!("/api/v1/namespaces/{}/pods", content::namespace(service))
}

fn slices_of(service: usize) -> String {
    format!("/apis/discovery.k8s.io/v1/namespaces/{}/endpointslices", content::namespace(service))
}
