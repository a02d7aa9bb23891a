//! Watches on a real API server: it goes away, forgets versions, gets definitions late, and holds what cannot be read.

use std::net::SocketAddr;
use std::time::Duration;

use mesh_control::index::shared::Shared;
use mesh_control::record::Kind;
use mesh_tests::cluster::{Cluster, Level, stdout_of};
use serde_json::{Value, json};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::kit::followed::Followed;
use crate::kit::{SOON, api, server, service};

/// A way to the API server that can be cut.
struct Way {
    address: SocketAddr,
    open: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Way {
    async fn to(server: &str) -> Self {
        let target = server.trim_start_matches("https://").trim_end_matches('/').to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (open, is_open) = watch::channel(true);
        let task = tokio::spawn(async move {
            loop {
                let (mut here, _) = listener.accept().await.unwrap();
                let (target, mut is_open) = (target.clone(), is_open.clone());
                tokio::spawn(async move {
                    if !*is_open.borrow() {
                        return;
                    }
                    let mut there = TcpStream::connect(&target).await.unwrap();
                    tokio::select! {
                        _ = copy_bidirectional(&mut here, &mut there) => {}
                        () = async { let _ = is_open.wait_for(|open| !open).await; } => {}
                    }
                });
            }
        });
        Self { address, open, task }
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// An index that follows a cluster through a way that can be cut, and has listed everything.
async fn follow(cluster: &Cluster) -> Followed<Way> {
    let way = Way::to(cluster.server()).await;
    let text = std::fs::read_to_string(cluster.kubeconfig_path()).unwrap();
    let server = cluster.server().trim_end_matches('/');
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kubeconfig");
    std::fs::write(&path, text.replace(server, &format!("https://{}", way.address))).unwrap();
    let client = api::client(&path).await;
    Followed::over(way, client).ready(SOON).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_api_server_that_goes_away_takes_nothing_along_and_is_caught_up_with() {
    let cluster = tokio::task::spawn_blocking(|| {
        let cluster = Cluster::start_own(Level::ApiServer).unwrap();
        api::prepare(&cluster, "shop");
        api::apply(&cluster, &service("stays", "10.0.0.21"));
        api::apply(&cluster, &service("goes", "10.0.0.22"));
        cluster
    })
    .await
    .unwrap();
    let followed = follow(&cluster).await;
    assert!(followed.has_service("shop", "stays") && followed.has_service("shop", "goes"));

    followed.way.open.send(false).unwrap();
    stdout_of(&mut cluster.kubectl(["delete", "service", "goes", "--namespace=shop"])).unwrap();
    api::apply(&cluster, &service("comes", "10.0.0.23"));
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(
        followed.has_service("shop", "stays") && followed.has_service("shop", "goes"),
        "what is known stays"
    );

    // Whether the watches go on from where they were or everything is listed again, the state is right in the end.
    followed.way.open.send(true).unwrap();
    followed
        .until("caught up", Duration::from_secs(60), |it| {
            it.has_service("shop", "comes") && !it.has_service("shop", "goes")
        })
        .await;
    assert!(followed.has_service("shop", "stays"));
    assert!(
        followed.registry.text().contains("kube_failures_total{kind=\"services\"}"),
        "failures are counted"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn definitions_that_come_later_need_no_restart_and_bad_objects_cost_themselves_alone() {
    // Flaws they answer: definitions were looked for at the start alone; one unknown value restarted a watch for ever.
    let cluster = tokio::task::spawn_blocking(|| {
        let cluster = Cluster::start_own(Level::ApiServer).unwrap();
        api::prepare(&cluster, "shop");
        cluster
    })
    .await
    .unwrap();
    let followed = follow(&cluster).await;
    assert!(followed.index.lock().store().is_listed(Kind::Server), "absent kinds do not hold up the start");

    // A definition without a schema lets anything in.
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "servers.policy.linkerd.io"},
        "spec": {"group": "policy.linkerd.io", "scope": "Namespaced",
            "names": {"kind": "Server", "listKind": "ServerList", "plural": "servers", "singular": "server"},
            "versions": [{"name": "v1beta3", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}]},
    });
    cluster.apply(&definition.to_string()).unwrap();
    cluster.wait_for_definitions().unwrap();
    let count = |index: &Shared| index.lock().store().count(Kind::Server);
    cluster.apply(&server("shop", "bad", "morse").to_string()).unwrap();
    cluster.apply(&server("shop", "good", "opaque").to_string()).unwrap();
    followed.until("the good one is known", Duration::from_secs(30), |it| count(&it.index) == 1).await;

    // Now by the watch: a good one turns bad and keeps its last good version, others come and go.
    cluster.apply(&server("shop", "good", "semaphore").to_string()).unwrap();
    cluster.apply(&server("shop", "third", "HTTP/2").to_string()).unwrap();
    followed.until("the third is known", SOON, |it| count(&it.index) == 2).await;
    stdout_of(&mut cluster.kubectl(["delete", "server", "good", "--namespace=shop"])).unwrap();
    followed.until("the deleted one is gone", SOON, |it| count(&it.index) == 1).await;
    let text = followed.registry.text();
    assert!(text.contains("kube_skipped_objects_total{kind=\"servers\"}"), "{text}");

    // The definition goes, and the objects with it.
    stdout_of(&mut cluster.kubectl(["delete", "crd", "servers.policy.linkerd.io"])).unwrap();
    followed.until("all are gone", Duration::from_secs(30), |it| count(&it.index) == 0).await;
}

/// A definition that lets anything in.
fn open_definition(kind: Kind) -> Value {
    let watched = kind.watched();
    let (group, plural) = (watched.group, watched.plural);
    let mut definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.{group}"),
            "annotations": {"api-approved.kubernetes.io": "https://example.org/a-test"}},
        "spec": {"group": group, "scope": "Namespaced",
            "names": {"kind": watched.kind, "plural": plural, "singular": watched.kind.to_lowercase()},
            "versions": [{"name": watched.version, "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}]},
    });
    definition["spec"]["names"]["listKind"] = json!(format!("{}List", watched.kind));
    definition
}

/// What makes a good object of a kind.
fn good_spec(kind: Kind) -> Value {
    let server = json!({"group": "policy.linkerd.io", "kind": "Server", "name": "web"});
    let to_web = json!([{"group": "", "kind": "Service", "name": "web", "port": 80}]);
    match kind {
        Kind::ServiceProfile => json!({"routes": []}),
        Kind::TrafficSplit => json!({"service": "web", "backends": []}),
        Kind::ExternalWorkload => json!({"meshTLS": {"identity": "spiffe://vm", "serverName": "vm.example"},
            "workloadIPs": [{"ip": "192.0.2.1"}], "ports": [{"name": "http", "port": 80}]}),
        Kind::Server => json!({"podSelector": {}, "port": 80}),
        Kind::ServerAuthorization => json!({"server": {"name": "web"}, "client": {"unauthenticated": true}}),
        Kind::AuthorizationPolicy => json!({"targetRef": server, "requiredAuthenticationRefs": []}),
        Kind::MeshTlsAuthentication => json!({"identities": ["*"]}),
        Kind::NetworkAuthentication => json!({"networks": [{"cidr": "10.0.0.0/8"}]}),
        Kind::RateLimit => json!({"targetRef": server, "total": {"requestsPerSecond": 1}}),
        Kind::EgressNetwork => json!({"trafficPolicy": "Allow"}),
        Kind::Fault => {
            json!({"targetRef": {"group": "core", "kind": "Service", "name": "web"}, "percentage": 1,
            "reset": true, "expires": "2035-01-01T00:00:00Z"})
        }
        _ => json!({"parentRefs": to_web, "rules": [{}]}),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_of_every_definition_may_be_malformed() {
    // Flaw it answers: an object that a definition let in and the program could not read stopped all others of its kind.
    let kinds: Vec<Kind> = Kind::ALL.iter().copied().filter(|kind| kind.watched().optional).collect();
    let object = |kind: Kind, name: &str, spec: Value| {
        let watched = kind.watched();
        json!({"apiVersion": format!("{}/{}", watched.group, watched.version), "kind": watched.kind,
            "metadata": {"name": name, "namespace": "shop"}, "spec": spec})
    };
    let malformed = [
        json!("none"),
        json!({"port": {}, "targetRef": 1, "server": 1, "routes": "none", "rules": 1,
        "parentRefs": 3, "networks": {}, "identities": 5, "service": {}, "backends": 1, "workloadIPs": "x",
        "trafficPolicy": 9}),
    ];
    let define = kinds.clone();
    let cluster = tokio::task::spawn_blocking(move || {
        let cluster = Cluster::start_own(Level::ApiServer).unwrap();
        api::prepare(&cluster, "shop");
        let definitions: Vec<Value> = define.iter().map(|kind| open_definition(*kind)).collect();
        api::apply_all(&cluster, &definitions);
        cluster.wait_for_definitions().unwrap();
        cluster
    })
    .await
    .unwrap();
    for kind in &kinds {
        api::apply(&cluster, &object(*kind, "good", good_spec(*kind)));
        api::apply(&cluster, &object(*kind, "bad", malformed[1].clone()));
    }
    // By the list…
    let followed = follow(&cluster).await;
    let count = |index: &Shared, kind: Kind| index.lock().store().count(kind);
    for kind in &kinds {
        followed.until(kind.watched().plural, SOON, |it| count(&it.index, *kind) == 1).await;
    }
    // …and by the watch: the good one turns bad and stays as it was, another one comes.
    for kind in &kinds {
        api::apply(&cluster, &object(*kind, "good", malformed[0].clone()));
        api::apply(&cluster, &object(*kind, "later", good_spec(*kind)));
    }
    for kind in &kinds {
        followed.until(kind.watched().plural, SOON, |it| count(&it.index, *kind) == 2).await;
    }
    let text = followed.registry.text();
    for kind in &kinds {
        let plural = kind.watched().plural;
        assert!(
            text.contains(&format!("kube_skipped_objects_total{{kind=\"{plural}\"}}")),
            "{plural}: {text}"
        );
    }
}
