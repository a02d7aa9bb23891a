//! Which other clusters there are: Secrets in the namespace of the control plane, each with a kubeconfig.
//!
//! `linkerd multicluster link` writes them. A credential that changes replaces the connection, and what is known of the
//! cluster stays meanwhile; a Secret that goes takes the cluster along. A kubeconfig may only hold what is needed to
//! connect: one that names files or commands would let its author read the files of this process or start others.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Secret;
use kube::api::Api;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use mesh_core::identity::{MeshNames, TrustDomain};
use tokio::task::JoinHandle;

use crate::config::Config;
use crate::index::clusters::RemoteSink;
use crate::index::shared::Shared;
use crate::record::Text;
use crate::runtime;
use crate::source::kube::{self as source, Counters};

/// Type of the Secrets.
const TYPE: &str = "mirror.linkerd.io/remote-kubeconfig";
/// The label that names the cluster.
const CLUSTER: &str = "multicluster.linkerd.io/cluster-name";
/// Annotations that tell what its names are made of.
const TRUST_DOMAIN: &str = "multicluster.linkerd.io/trust-domain";
const CLUSTER_DOMAIN: &str = "multicluster.linkerd.io/cluster-domain";
/// The key of the kubeconfig.
const KUBECONFIG: &str = "kubeconfig";
/// Clusters that are followed at most; each costs a connection and the records of its Services.
const MOST: usize = 64;

/// Why a Secret leads nowhere.
#[derive(Debug, thiserror::Error)]
enum Unusable {
    #[error("it has no {0}")]
    Missing(&'static str),
    #[error("{name} is {value:?}, which is no domain: {cause}")]
    Domain { name: &'static str, value: String, cause: String },
    #[error("its kubeconfig cannot be read: {0}")]
    Unreadable(String),
    #[error("its kubeconfig has {0}, which is not taken from a Secret: put what is needed into it")]
    Refused(&'static str),
    #[error("{MOST} clusters are followed already: remove one")]
    Many,
}

/// A cluster as a Secret describes it.
#[derive(PartialEq)]
struct Link {
    cluster: String,
    trust_domain: String,
    cluster_domain: String,
    kubeconfig: Vec<u8>,
}

/// A cluster that is followed.
struct Followed {
    link: Link,
    task: JoinHandle<()>,
}

/// Follows the Secrets, and the clusters they lead to, until the task is dropped.
pub struct Links {
    index: Shared,
    counters: Counters,
    /// By name of the Secret.
    followed: BTreeMap<String, Followed>,
}

// === impl Links ===

impl Links {
    /// Nothing is followed yet.
    pub fn new(index: Shared, counters: Counters) -> Self {
        Self { index, counters, followed: BTreeMap::new() }
    }

    /// Follows the Secrets of a namespace.
    pub async fn follow(mut self, client: kube::Client, namespace: &str) {
        let api: Api<Secret> = Api::namespaced(client, namespace);
        let config = watcher::Config::default().fields(&format!("type={TYPE}"));
        let mut changes = pin!(watcher(api, config).default_backoff());
        let mut listed: Vec<String> = Vec::new();
        while let Some(change) = changes.next().await {
            match change {
                Ok(Event::Init) => listed.clear(),
                Ok(Event::InitApply(secret)) => {
                    listed.push(name(&secret));
                    self.take(&secret).await;
                }
                Ok(Event::InitDone) => {
                    let gone: Vec<String> =
                        self.followed.keys().filter(|name| !listed.contains(name)).cloned().collect();
                    gone.iter().for_each(|name| self.drop_link(name));
                }
                Ok(Event::Apply(secret)) => self.take(&secret).await,
                Ok(Event::Delete(secret)) => self.drop_link(&name(&secret)),
                Err(error) => {
                    tracing::warn!(%error, "the watch of links to other clusters; what is known stays")
                }
            }
        }
    }

    /// Takes a Secret that is there. One that cannot be used leaves in force what it said before.
    async fn take(&mut self, secret: &Secret) {
        let name = name(secret);
        if let Err(cause) = self.connect(&name, secret).await {
            tracing::error!(secret = name, %cause, "this link to another cluster cannot be used");
        }
    }

    async fn connect(&mut self, name: &str, secret: &Secret) -> Result<(), Unusable> {
        let link = Link::of(secret)?;
        if self.followed.get(name).is_some_and(|known| known.link == link) {
            return Ok(());
        }
        if !self.followed.contains_key(name) && self.followed.len() >= MOST {
            return Err(Unusable::Many);
        }
        let client = client(&link.kubeconfig).await?;
        let config = link.config(self.index.lock().config())?;
        // A Secret that names another cluster than before leaves the first.
        if self.followed.get(name).is_some_and(|known| known.link.cluster != link.cluster) {
            self.drop_link(name);
        }
        if let Some(before) = self.followed.remove(name) {
            before.task.abort();
        }
        let cluster = Text::from(link.cluster.as_str());
        tracing::info!(secret = name, %cluster, "following another cluster");
        self.index.link(&cluster, Arc::new(config));
        let sink = Arc::new(RemoteSink::new(self.index.clone(), cluster));
        let task = tokio::spawn(source::run(client, sink, self.counters.clone(), None));
        self.followed.insert(name.to_owned(), Followed { link, task });
        Ok(())
    }

    fn drop_link(&mut self, name: &str) {
        let Some(gone) = self.followed.remove(name) else { return };
        gone.task.abort();
        // Another Secret may name the same cluster.
        if !self.followed.values().any(|other| other.link.cluster == gone.link.cluster) {
            tracing::info!(secret = name, cluster = gone.link.cluster, "no longer following another cluster");
            self.index.unlink(&gone.link.cluster.as_str().into());
        }
    }
}

impl Drop for Links {
    fn drop(&mut self) {
        self.followed.values().for_each(|followed| followed.task.abort());
    }
}

// === impl Link ===

impl Link {
    fn of(secret: &Secret) -> Result<Self, Unusable> {
        let annotation = |name: &'static str| {
            let annotations = secret.metadata.annotations.as_ref();
            let value = annotations.and_then(|all| all.get(name)).filter(|value| !value.is_empty());
            value.cloned().ok_or(Unusable::Missing(name))
        };
        let labels = secret.metadata.labels.as_ref();
        let cluster = labels.and_then(|all| all.get(CLUSTER)).filter(|value| !value.is_empty());
        let data = secret.data.as_ref().and_then(|data| data.get(KUBECONFIG));
        Ok(Self {
            cluster: cluster.cloned().ok_or(Unusable::Missing(CLUSTER))?,
            trust_domain: annotation(TRUST_DOMAIN)?,
            cluster_domain: annotation(CLUSTER_DOMAIN)?,
            kubeconfig: data.ok_or(Unusable::Missing(KUBECONFIG))?.0.clone(),
        })
    }

    /// The settings here, with the names of the other mesh.
    fn config(&self, here: &Config) -> Result<Config, Unusable> {
        let domain: TrustDomain = self.trust_domain.parse().map_err(|error| Unusable::Domain {
            name: TRUST_DOMAIN,
            value: self.trust_domain.clone(),
            cause: format!("{error}"),
        })?;
        Ok(Config {
            names: MeshNames::new(here.namespace.clone(), domain),
            cluster_domain: self.cluster_domain.clone(),
            ..here.clone()
        })
    }
}

fn name(secret: &Secret) -> String {
    secret.metadata.name.clone().unwrap_or_default()
}

/// A client by a kubeconfig that holds everything it needs.
async fn client(kubeconfig: &[u8]) -> Result<kube::Client, Unusable> {
    let file = parsed(kubeconfig)?;
    let options = KubeConfigOptions::default();
    let config = kube::Config::from_custom_kubeconfig(file, &options).await;
    let config = config.map_err(|error| Unusable::Unreadable(error.to_string()))?;
    runtime::api::with(&config).map_err(|error| Unusable::Unreadable(error.to_string()))
}

fn parsed(kubeconfig: &[u8]) -> Result<Kubeconfig, Unusable> {
    let text = std::str::from_utf8(kubeconfig).map_err(|error| Unusable::Unreadable(error.to_string()))?;
    let objects = mesh_yaml::from_stream(text).map_err(|error| Unusable::Unreadable(error.to_string()))?;
    let object = objects.into_iter().next().ok_or_else(|| Unusable::Unreadable("it is empty".to_owned()))?;
    // The cause may quote what is in the file, and that is secret.
    let file: Kubeconfig = serde_json::from_value(object)
        .map_err(|error| Unusable::Unreadable(format!("{:?}", error.classify())))?;
    for cluster in file.clusters.iter().filter_map(|named| named.cluster.as_ref()) {
        if cluster.certificate_authority.is_some() {
            return Err(Unusable::Refused("the path of a certificate"));
        }
        if cluster.insecure_skip_tls_verify == Some(true) {
            return Err(Unusable::Refused("insecure-skip-tls-verify"));
        }
        if cluster.server.as_deref().is_some_and(|server| !server.starts_with("https://")) {
            return Err(Unusable::Refused("a server without TLS"));
        }
    }
    for user in file.auth_infos.iter().filter_map(|named| named.auth_info.as_ref()) {
        let paths = [&user.token_file, &user.client_certificate, &user.client_key];
        if paths.iter().any(|path| path.is_some()) {
            return Err(Unusable::Refused("the path of a credential"));
        }
        if user.exec.is_some() || user.auth_provider.is_some() {
            return Err(Unusable::Refused("a command to run"));
        }
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_kubeconfig_from_a_secret_names_no_files_and_runs_nothing() {
        let kubeconfig = |cluster: serde_json::Value, user: serde_json::Value| {
            json!({"apiVersion": "v1", "kind": "Config", "current-context": "it",
                "clusters": [{"name": "it", "cluster": cluster}], "users": [{"name": "it", "user": user}],
                "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}]})
            .to_string()
        };
        let server = json!({"server": "https://10.0.0.1:6443", "certificate-authority-data": "YQ=="});
        assert!(parsed(kubeconfig(server.clone(), json!({"token": "a"})).as_bytes()).is_ok());
        for user in [
            json!({"exec": {"command": "/bin/sh", "apiVersion": "client.authentication.k8s.io/v1"}}),
            json!({"tokenFile": "/var/run/secrets/kubernetes.io/serviceaccount/token"}),
            json!({"client-certificate": "/etc/passwd"}),
            json!({"client-key": "/etc/shadow"}),
            json!({"auth-provider": {"name": "gcp", "config": {}}}),
        ] {
            let error = parsed(kubeconfig(server.clone(), user.clone()).as_bytes()).unwrap_err().to_string();
            assert!(error.contains("not taken from a Secret"), "{user}: {error}");
        }
        for (cluster, cause) in [
            (json!({"server": "https://a", "insecure-skip-tls-verify": true}), "insecure-skip-tls-verify"),
            (json!({"server": "http://a"}), "a server without TLS"),
            (
                json!({"server": "https://a", "certificate-authority": "/etc/shadow"}),
                "the path of a certificate",
            ),
        ] {
            let error = parsed(kubeconfig(cluster, json!({})).as_bytes()).unwrap_err().to_string();
            assert!(error.contains(cause), "{cause}: {error}");
        }
        let secret = json!({"users": [{"name": 7, "user": "swordfish"}]}).to_string();
        let error = parsed(secret.as_bytes()).unwrap_err().to_string();
        assert!(!error.contains("swordfish"), "{error}");
    }

    #[test]
    fn a_secret_says_what_it_lacks() {
        let mut secret: Secret =
            serde_json::from_value(json!({"metadata": {"name": "cluster-credentials-east"}})).unwrap();
        let missing = |secret: &Secret| Link::of(secret).err().unwrap().to_string();
        assert!(missing(&secret).contains(CLUSTER));
        secret.metadata.labels = Some([(CLUSTER.to_owned(), "east".to_owned())].into());
        assert!(missing(&secret).contains(TRUST_DOMAIN));
        secret.metadata.annotations = Some(
            [TRUST_DOMAIN, CLUSTER_DOMAIN].map(|name| (name.to_owned(), "east.example".to_owned())).into(),
        );
        assert!(missing(&secret).contains(KUBECONFIG));
    }
}
