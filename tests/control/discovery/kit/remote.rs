//! Another cluster: a directory, or a second real API server that a Secret leads to.

use std::sync::{Arc, OnceLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mesh_control::config::Config;
use mesh_control::destination::clusters::Links;
use mesh_control::index::clusters::RemoteSink;
use mesh_control::runtime::Registry;
use mesh_control::source::files;
use mesh_control::source::kube::Counters;
use mesh_core::identity::MeshNames;
use mesh_tests::cluster::{Cluster, Level, stdout_of};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinHandle;

use super::{Backing, World, api, write};

/// Namespace of the control plane.
const NAMESPACE: &str = "linkerd";

/// Another cluster that has been linked.
pub(crate) struct Remote {
    name: String,
    backing: Other,
    task: JoinHandle<()>,
}

enum Other {
    Files(TempDir),
    ApiServer { here: &'static Cluster, there: &'static Cluster },
}

impl World {
    /// Links another cluster that holds these objects.
    pub(crate) async fn link(&self, name: &str, trust_domain: &str, objects: &[Value]) -> Remote {
        match &self.backing {
            Backing::Files(_) => {
                let folder = tempfile::tempdir().unwrap();
                for object in objects {
                    write(&folder, object);
                }
                let names = MeshNames::new(NAMESPACE, trust_domain.parse().unwrap());
                let config = Config { names, ..Config::default() };
                self.index.link(&name.into(), Arc::new(config));
                let sink = Arc::new(RemoteSink::new(self.index.clone(), name.into()));
                let place = folder.path().to_owned();
                let task = tokio::spawn(async move { files::run(place, sink).await.unwrap() });
                Remote { name: name.to_owned(), backing: Other::Files(folder), task }
            }
            Backing::ApiServer(turn) => {
                let there = tokio::task::spawn_blocking(second).await.unwrap();
                for object in objects {
                    api::apply(there, object);
                }
                let links = Links::new(self.index.clone(), Counters::new(&Registry::default()));
                let client = turn.client().await;
                let task = tokio::spawn(async move { links.follow(client, NAMESPACE).await });
                let here = turn.cluster();
                here.apply(&secret(name, trust_domain, &kubeconfig(there))).unwrap();
                Remote { name: name.to_owned(), backing: Other::ApiServer { here, there }, task }
            }
        }
    }
}

impl Remote {
    /// Creates or replaces an object there.
    pub(crate) fn apply(&self, object: &Value) {
        match &self.backing {
            Other::Files(folder) => write(folder, object),
            Other::ApiServer { there, .. } => api::apply(there, object),
        }
    }

    /// Takes the link away.
    pub(crate) fn unlink(&self, world: &World) {
        match &self.backing {
            Other::Files(_) => world.index.unlink(&self.name.as_str().into()),
            Other::ApiServer { here, .. } => forget(here, &self.name),
        }
    }

    /// Gives the link another kubeconfig.
    pub(crate) fn credentials(&self, trust_domain: &str, kubeconfig: &str) {
        let Other::ApiServer { here, .. } = &self.backing else { panic!("files have no credentials") };
        here.apply(&secret(&self.name, trust_domain, kubeconfig)).unwrap();
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        self.task.abort();
        if let Other::ApiServer { here, there } = &self.backing {
            forget(here, &self.name);
            api::clear(there);
        }
    }
}

/// The second API server of the program.
pub(crate) fn second() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| {
        let cluster = Cluster::start_own(Level::ApiServer).unwrap();
        api::define(&cluster);
        cluster
    })
}

/// What leads to a cluster, without any file.
pub(crate) fn kubeconfig(cluster: &Cluster) -> String {
    stdout_of(&mut cluster.kubectl(["config", "view", "--flatten", "--minify", "--output=json"])).unwrap()
}

fn secret(name: &str, trust_domain: &str, kubeconfig: &str) -> String {
    json!({"apiVersion": "v1", "kind": "Secret", "type": "mirror.linkerd.io/remote-kubeconfig",
        "metadata": {"name": format!("cluster-credentials-{name}"), "namespace": NAMESPACE,
            "labels": {"multicluster.linkerd.io/cluster-name": name},
            "annotations": {"multicluster.linkerd.io/trust-domain": trust_domain,
                "multicluster.linkerd.io/cluster-domain": "cluster.local"}},
        "data": {"kubeconfig": STANDARD.encode(kubeconfig)}})
    .to_string()
}

fn forget(here: &Cluster, name: &str) {
    let secret = format!("cluster-credentials-{name}");
    let namespace = format!("--namespace={NAMESPACE}");
    stdout_of(&mut here.kubectl(["delete", "secret", &secret, &namespace, "--ignore-not-found"])).unwrap();
}
