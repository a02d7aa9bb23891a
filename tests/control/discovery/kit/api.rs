//! A real API server as the cluster: one for all tests of the program, taken turn by turn and cleared after each.

use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use manifests::{Chart, Release};
use mesh_tests::cluster::{Cluster, Level, output_of, stdout_of, stdout_with_input};
use serde_json::{Value, json};
use tokio::sync::{Mutex, MutexGuard};

use super::Place;

/// Namespaces that tests use.
const NAMESPACES: [&str; 6] = ["shop", "client", "other", "evil", "linkerd", "linkerd-egress"];
/// Virtual addresses of the tests, and where they are in a real cluster's range.
const TEST_RANGE: &str = "10.0.0.";
const REAL_RANGE: &str = "10.96.77.";
/// Everything a test may leave.
const KINDS: &str = "pods,services,endpoints,endpointslices,serviceprofiles,trafficsplits,externalworkloads,servers,serverauthorizations,authorizationpolicies,meshtlsauthentications,networkauthentications,httplocalratelimitpolicies,egressnetworks,httproutes,httpfaults";

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
    stdout_of(&mut cluster.kubectl(["wait", "--for=condition=Established", "crd", "--all"])).unwrap();
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
    for object in objects {
        cluster.apply(&object.to_string()).unwrap();
    }
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

    /// As a user would, selector included: the controllers make the endpoints.
    pub(crate) fn apply_whole(&self, object: &Value) {
        self.cluster.apply(&address(&object.to_string())).unwrap();
    }

    pub(crate) fn delete(&self, object: &Value) {
        let text = |pointer| object.pointer(pointer).and_then(Value::as_str).unwrap_or("default");
        let kind = match text("/apiVersion").split_once('/') {
            Some((group, _)) => format!("{}.{group}", text("/kind")),
            None => text("/kind").to_owned(),
        };
        let namespace = format!("--namespace={}", text("/metadata/namespace"));
        let name = text("/metadata/name");
        stdout_of(&mut self.cluster.kubectl([
            "delete",
            &kind,
            name,
            &namespace,
            "--force",
            "--grace-period=0",
            "--wait=false",
        ]))
        .unwrap();
    }
}

/// Creates or replaces an object as a user and the controllers together would.
pub(crate) fn apply(cluster: &Cluster, object: &Value) {
    let mut object: Value = serde_json::from_str(&address(&object.to_string())).unwrap();
    if object["kind"] == "Service" {
        // Slices come from the tests, not from the controller.
        object["spec"].as_object_mut().unwrap().remove("selector");
    }
    // The server counts versions itself.
    object["metadata"].as_object_mut().unwrap().remove("resourceVersion");
    let status = object.as_object_mut().unwrap().remove("status");
    let text = object.to_string();
    if stdout_with_input(&mut cluster.kubectl(["apply", "-f", "-"]), &text).is_err() {
        // What is immutable is made again, as its owner would do.
        let delete =
            ["delete", "--ignore-not-found", "--force", "--grace-period=0", "--timeout=20s", "-f", "-"];
        stdout_with_input(&mut cluster.kubectl(delete), &text).unwrap();
        stdout_with_input(&mut cluster.kubectl(["apply", "-f", "-"]), &text).unwrap();
    }
    if let Some(status) = status {
        let kind = object["kind"].as_str().unwrap();
        let namespace = format!("--namespace={}", object["metadata"]["namespace"].as_str().unwrap());
        let name = object["metadata"]["name"].as_str().unwrap();
        let patch = json!({"status": status}).to_string();
        stdout_of(&mut cluster.kubectl([
            "patch",
            kind,
            name,
            &namespace,
            "--subresource=status",
            "--type=merge",
            "--patch",
            &patch,
        ]))
        .unwrap();
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        clear(self.cluster);
    }
}

/// Takes away what a test left. Best effort: it also runs when a test fails.
pub(crate) fn clear(cluster: &Cluster) {
    for namespace in NAMESPACES {
        let namespace = format!("--namespace={namespace}");
        let _ = output_of(&mut cluster.kubectl([
            "delete",
            KINDS,
            "--all",
            &namespace,
            "--force",
            "--grace-period=0",
            "--wait=true",
        ]));
    }
    let _ = output_of(&mut cluster.kubectl(["delete", "nodes", "--all", "--wait=true"]));
}
