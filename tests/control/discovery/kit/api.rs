//! A real API server as the cluster: one for all tests of the program, taken turn by turn and cleared after each.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _};
use kube::Api;
use kube::api::{ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::core::GroupVersionKind;
use manifests::{Chart, Release};
use mesh_control::record::Kind;
use mesh_tests::cluster::{Cluster, Level, stdout_of};
use mesh_tests::gateway_api;
use serde_json::{Value, json};
use tokio::sync::{Mutex, MutexGuard};

use super::Place;

/// Namespaces that tests use.
const NAMESPACES: [&str; 6] = ["shop", "client", "other", "evil", "linkerd", "linkerd-egress"];
/// Virtual addresses of the tests, and where they are in a real cluster's range.
const TEST_RANGE: &str = "10.0.0.";
const REAL_RANGE: &str = "10.96.77.";

/// The cluster, held by one test at a time.
pub(crate) struct Turn {
    cluster: &'static Cluster,
    _held: MutexGuard<'static, ()>,
}

/// The cluster with the project's definitions.
pub(crate) fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| {
        let cluster = Cluster::start_own(Level::ApiServer).unwrap();
        define(&cluster);
        cluster
    })
}

/// Gives a cluster the project's definitions and the namespaces of the tests.
pub(crate) fn define(cluster: &Cluster) {
    cluster.apply(&definitions()).unwrap();
    for file in ["grpcroutes", "httproutes", "tcproutes", "tlsroutes"] {
        let file = gateway_api::definition(gateway_api::Channel::Experimental, file).unwrap();
        let file = file.to_str().unwrap();
        stdout_of(&mut cluster.kubectl(["apply", "--server-side", "-f", file])).unwrap();
    }
    cluster.wait_for_definitions().unwrap();
    for namespace in NAMESPACES {
        prepare(cluster, namespace);
    }
}

/// The definitions of the chart, as the command renders them.
pub(crate) fn definitions() -> String {
    let release = Release { name: "linkerd-crds", namespace: "linkerd", kube_version: "v1.33.0" };
    let mut values = Chart::Crds.defaults().unwrap().clone();
    values["installTrafficSplit"] = json!(true);
    let objects = manifests::render(Chart::Crds, &values, &release).unwrap();
    objects.iter().map(|object| format!("---\n{}\n", object.value)).collect()
}

/// A namespace with the accounts that pods of tests run as.
pub(crate) fn prepare(cluster: &Cluster, namespace: &str) {
    let account = |name: &str| json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": namespace}});
    let objects = [
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}),
        account("web"),
        account("default"),
    ];
    objects.iter().for_each(|object| apply(cluster, object));
}

/// A client of an API server.
pub(crate) async fn client(kubeconfig: &Path) -> kube::Client {
    // The first use of TLS in the process picks a provider; two are compiled in.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let file = kube::config::Kubeconfig::read_from(kubeconfig).unwrap();
    let mut config = kube::Config::from_custom_kubeconfig(file, &Default::default()).await.unwrap();
    config.read_timeout = None;
    config.connect_timeout = Some(Duration::from_secs(2));
    kube::Client::try_from(config).unwrap()
}

/// The address as it is where the tests run.
pub(crate) fn address(path: &str) -> String {
    match crate::PLACE {
        Place::Files => path.to_owned(),
        Place::ApiServer => path.replace(TEST_RANGE, REAL_RANGE),
    }
}

impl Turn {
    pub(crate) async fn take() -> Self {
        static ONE: Mutex<()> = Mutex::const_new(());
        let held = ONE.lock().await;
        let cluster = tokio::task::spawn_blocking(cluster).await.unwrap();
        Self { cluster, _held: held }
    }

    pub(crate) async fn client(&self) -> kube::Client {
        client(&self.cluster.kubeconfig_path()).await
    }

    pub(crate) fn cluster(&self) -> &'static Cluster {
        self.cluster
    }

    pub(crate) fn apply(&self, object: &Value) {
        apply(self.cluster, object);
    }

    pub(crate) fn apply_all(&self, objects: &[Value]) {
        apply_all(self.cluster, objects);
    }

    /// As a user would, selector included: the controllers make the endpoints.
    pub(crate) fn apply_whole(&self, object: &Value) {
        self.cluster.apply(&address(&object.to_string())).unwrap();
    }

    pub(crate) fn delete(&self, object: &Value) {
        delete(self.cluster, object);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        clear(self.cluster);
    }
}

/// Takes away what a test left. Best effort: it also runs when a test fails.
pub(crate) fn clear(cluster: &Cluster) {
    aside(cluster, |client| async move {
        let namespaced = Kind::ALL.iter().filter(|kind| !matches!(kind, Kind::Node | Kind::Namespace));
        let all = namespaced.flat_map(|kind| NAMESPACES.map(|namespace| (*kind, Some(namespace))));
        let all = all.chain([(Kind::Node, None)]);
        futures::stream::iter(all)
            .for_each_concurrent(8, |(kind, namespace)| clear_kind(client.clone(), kind, namespace))
            .await;
    });
}

/// Deletes what there is of a kind, and waits until it is gone. A version that is not served has no objects.
async fn clear_kind(client: kube::Client, kind: Kind, namespace: Option<&str>) {
    let watched = kind.watched();
    let at_once = DeleteParams { grace_period_seconds: Some(0), ..DeleteParams::default() };
    for version in std::iter::once(&watched.version).chain(watched.also) {
        let gvk = GroupVersionKind::gvk(watched.group, version, watched.kind);
        let resource = ApiResource::from_gvk_with_plural(&gvk, watched.plural);
        let api: Api<DynamicObject> = match namespace {
            Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
            None => Api::all_with(client.clone(), &resource),
        };
        for _ in 0..100 {
            match api.list(&ListParams::default()).await {
                Ok(list) if !list.items.is_empty() => {
                    drop(api.delete_collection(&at_once, &ListParams::default()).await);
                }
                _ => break,
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// Runs something with a client of the administrator, and waits for it, whatever runs the caller.
fn aside<T, F>(cluster: &Cluster, work: impl FnOnce(kube::Client) -> F) -> T
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    static ASIDE: OnceLock<tokio::runtime::Runtime> = OnceLock::new();
    static CLIENTS: std::sync::Mutex<Vec<(std::path::PathBuf, kube::Client)>> =
        std::sync::Mutex::new(Vec::new());
    let aside = ASIDE.get_or_init(|| {
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
    });
    let path = cluster.kubeconfig_path();
    let known =
        CLIENTS.lock().unwrap().iter().find(|(known, _)| *known == path).map(|(_, client)| client.clone());
    let client = known.unwrap_or_else(|| {
        let (sender, receiver) = std::sync::mpsc::channel();
        let kubeconfig = path.clone();
        aside.spawn(async move { sender.send(client(&kubeconfig).await) });
        let client = receiver.recv().expect("a client of the test's cluster");
        CLIENTS.lock().unwrap().push((path, client.clone()));
        client
    });
    let (sender, receiver) = std::sync::mpsc::channel();
    let work = work(client);
    aside.spawn(async move { sender.send(work.await) });
    receiver.recv().expect("the work on the cluster panicked; its message is above")
}

/// Creates or replaces an object as a user and the controllers together would.
#[track_caller]
pub(crate) fn apply(cluster: &Cluster, object: &Value) {
    apply_all(cluster, std::slice::from_ref(object));
}

/// As [`apply`], several at once.
#[track_caller]
pub(crate) fn apply_all(cluster: &Cluster, objects: &[Value]) {
    let objects = objects.to_vec();
    let done: Result<(), kube::Error> = aside(cluster, |client| async move {
        let applying = objects.into_iter().map(|object| put(client.clone(), object));
        futures::stream::iter(applying).buffer_unordered(16).try_collect().await
    });
    done.unwrap();
}

/// Deletes an object, without waiting.
#[track_caller]
pub(crate) fn delete(cluster: &Cluster, object: &Value) {
    let object = object.clone();
    let done: Result<(), kube::Error> = aside(cluster, |client| async move {
        let at_once = DeleteParams { grace_period_seconds: Some(0), ..DeleteParams::default() };
        api_of(client, &object).delete(name_of(&object), &at_once).await.map(drop)
    });
    done.unwrap();
}

/// Lets etcd forget every version but the newest, as it does by itself every five minutes.
pub(crate) fn compact(cluster: &Cluster) {
    let script = std::fs::read_to_string(cluster.dir().join("init.sh")).unwrap();
    let (_, server) = script.split_once("--etcd-servers=http://").expect("the flags of the API server");
    let address: String =
        server.chars().take_while(|it| it.is_ascii_digit() || matches!(it, '.' | ':')).collect();
    let ask = |path: &str, body: &Value| -> Value {
        let mut stream = TcpStream::connect(&address).unwrap();
        let body = body.to_string();
        let length = body.len();
        write!(stream, "POST {path} HTTP/1.0\r\nhost: etcd\r\ncontent-length: {length}\r\n\r\n{body}")
            .unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(" 200 "), "{text}");
        serde_json::from_str(body).unwrap()
    };
    let found = ask("/v3/kv/range", &json!({"key": "AA=="}));
    let revision = &found["header"]["revision"];
    assert!(revision.is_string(), "{found}");
    ask("/v3/kv/compaction", &json!({"revision": revision, "physical": true}));
}

fn name_of(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap()
}

fn api_of(client: kube::Client, object: &Value) -> Api<DynamicObject> {
    let version = object["apiVersion"].as_str().unwrap();
    let (group, version) = version.split_once('/').unwrap_or(("", version));
    let gvk = GroupVersionKind::gvk(group, version, object["kind"].as_str().unwrap());
    let resource = ApiResource::from_gvk(&gvk);
    match object.pointer("/metadata/namespace").and_then(Value::as_str) {
        Some(namespace) => Api::namespaced_with(client, namespace, &resource),
        None => Api::all_with(client, &resource),
    }
}

async fn put(client: kube::Client, object: Value) -> Result<(), kube::Error> {
    let mut object: Value = serde_json::from_str(&address(&object.to_string())).unwrap();
    if object["kind"] == "Service" {
        // Slices come from the tests, not from the controller.
        object["spec"].as_object_mut().unwrap().remove("selector");
    }
    // The server counts versions itself.
    object["metadata"].as_object_mut().unwrap().remove("resourceVersion");
    let status = object.as_object_mut().unwrap().remove("status");
    name_owners(client.clone(), &mut object).await?;
    let (api, name) = (api_of(client, &object), name_of(&object));
    let params = PatchParams::apply("test").force();
    match api.patch(name, &params, &Patch::Apply(&object)).await {
        // What is immutable is made again, as its owner would do.
        Err(kube::Error::Api(status)) if status.code == 422 => {
            let at_once = DeleteParams { grace_period_seconds: Some(0), ..DeleteParams::default() };
            drop(api.delete(name, &at_once).await);
            while api.get_metadata_opt(name).await?.is_some() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            let new = serde_json::from_value(object.clone()).unwrap();
            api.create(&PostParams::default(), &new).await?;
        }
        other => drop(other?),
    }
    if let Some(status) = status {
        let patch = Patch::Merge(json!({"status": status}));
        api.patch_status(name, &PatchParams::default(), &patch).await?;
    }
    Ok(())
}

/// Owners are named by their identities, which tests do not know.
async fn name_owners(client: kube::Client, object: &mut Value) -> Result<(), kube::Error> {
    let namespace = object["metadata"]["namespace"].clone();
    let owners = object["metadata"]["ownerReferences"].as_array_mut();
    for owner in owners.into_iter().flatten() {
        let mut named = owner.clone();
        named["metadata"] = json!({"name": owner["name"], "namespace": namespace});
        let found = api_of(client.clone(), &named).get_metadata(name_of(&named)).await?;
        owner["uid"] = json!(found.metadata.uid);
    }
    Ok(())
}
