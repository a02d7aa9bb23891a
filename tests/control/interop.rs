//! Real proxies in two pods (network namespaces) against this control plane and a real API server: certificates, discovery, policy,
//! retries and a split, seen from outside.
//!
//! `LINKERD_PROXY_UNDER_TEST` names another binary that takes `LINKERD2_PROXY_*` variables.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::MutexGuard;

use mesh_tests::artifact::{self, Profile};
use mesh_tests::cluster::Forward;
use mesh_tests::mesh::{App, Pod, World, addresses, http};
use serde_json::{Value, json};

use crate::destination::{Replica, turn};
use crate::identity::{AUDIENCE, Identity, name_of};
use crate::kit::{Lab, NAMESPACE, eventually, lab};

/// The variable that names another binary.
const OTHER: &str = "LINKERD_PROXY_UNDER_TEST";

/// Two pods whose proxies have only this control plane.
pub(crate) struct Pair {
    pub(crate) world: World,
    /// Another application of the server pod, for a split.
    _second: App,
    pub(crate) lab: &'static Lab,
    pub(crate) namespace: String,
    pub(crate) programs: Programs,
    service: SocketAddr,
    identity: Identity,
    replica: Replica,
    _turn: MutexGuard<'static, ()>,
    _led: Vec<Led>,
}

/// What pods are made of.
pub(crate) struct Programs {
    pub(crate) proxy: PathBuf,
    pub(crate) init: PathBuf,
}

/// What a pod needs to be led to the control plane; dropping it ends that.
pub(crate) struct Led {
    _ways: Vec<Forward>,
    _folder: tempfile::TempDir,
}

impl Pair {
    pub(crate) fn start(lab: &'static Lab) -> Self {
        let turn = turn(lab);
        let proxy = named(OTHER)
            .unwrap_or_else(|| artifact::build("linkerd2-proxy", "linkerd2-proxy", Profile::Dev).unwrap());
        let init = artifact::build("proxy-init", "linkerd-init", Profile::Dev).unwrap();
        let (identity, replica) =
            (Identity::start(lab, &[]).ready(), Replica::start(lab, "linkerd-destination-i"));
        lab.serve("linkerd-policy-validator", replica.webhook);
        let namespace = lab.namespace("interop");
        lab.apply(&json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "nowhere"}}).to_string());
        for (name, port) in [("web", 8080), ("second", 8081)] {
            lab.apply(&service(&namespace, name, port).to_string());
        }
        lab.pod(&namespace, "client", &json!({"app": "client"}), addresses::CLIENT);
        lab.pod(&namespace, "server", &json!({"app": "server"}), addresses::SERVER);
        let ip = lab.live(&namespace, "service", "web")["spec"]["clusterIP"].as_str().unwrap().to_owned();

        let world = World::new(&proxy, &init).unwrap();
        let everywhere = SocketAddr::from(([0, 0, 0, 0], 8081));
        let second = App::start(&world.server.namespace, everywhere, "second").unwrap();
        let service = SocketAddr::from((ip.parse::<Ipv4Addr>().unwrap(), 80));
        let mut pair = Self {
            world,
            _second: second,
            lab,
            namespace,
            programs: Programs { proxy, init },
            service,
            identity,
            replica,
            _turn: turn,
            _led: Vec::new(),
        };
        let components = pair.components();
        for (pod, name) in [(&mut pair.world.client, "client"), (&mut pair.world.server, "server")] {
            pair._led.push(lead(lab, pod, components, (&pair.namespace, name, "default")));
        }
        pair.world.start_proxies().unwrap();
        pair
    }

    /// Where the parts of the control plane are, in the lab's network.
    pub(crate) fn components(&self) -> [(&'static str, SocketAddr); 3] {
        [
            ("DESTINATION", self.replica.discovery),
            ("POLICY", self.replica.policy),
            ("IDENTITY", self.identity.addr),
        ]
    }

    /// Status and body of a call from the client to the Service.
    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        let authority = format!("web.{}.svc.cluster.local", self.namespace);
        let request = http::get(::http::Version::HTTP_11, &authority, path).unwrap();
        let service = self.service;
        let fetch = async move { http::fetch(service, ::http::Version::HTTP_11, request).await };
        match self.world.client.namespace.run(fetch) {
            Ok(reply) => (reply.status.as_u16(), reply.text()),
            Err(error) => (0, error.to_string()),
        }
    }

    fn apply(&self, kind: (&str, &str), name: &str, spec: &Value) {
        let object = json!({"apiVersion": kind.0, "kind": kind.1,
            "metadata": {"name": name, "namespace": self.namespace}, "spec": spec});
        self.lab.apply(&object.to_string());
    }

    /// A sum over a family of the server's proxy.
    fn server_metric(&self, family: &str, labels: &[(&str, &str)]) -> f64 {
        self.world.server.proxy().unwrap().metrics().unwrap().sum(family, labels)
    }
}

/// Gives the proxy of a pod (its namespace, name and account) an identity of its own and the way to the control plane.
pub(crate) fn lead(
    lab: &Lab,
    pod: &mut Pod,
    components: [(&'static str, SocketAddr); 3],
    (namespace, name, account): (&str, &str, &str),
) -> Led {
    let folder = tempfile::tempdir().unwrap();
    let (anchors, token) = (lab.identity.bundle().to_pem(), lab.token(namespace, account, &[AUDIENCE]));
    pod.config.identity(&name_of(account, namespace), &anchors, &token, folder.path()).unwrap();
    pod.config
        .set("DESTINATION_CONTEXT", json!({"ns": namespace, "pod": name}))
        .set("POLICY_WORKLOAD", json!({"ns": namespace, "pod": name}))
        .set("TAP_SVC_NAME", name_of("linkerd-tap", NAMESPACE));
    let mut ways = Vec::new();
    for (component, target) in components {
        // The control plane's ports are where its own proxy would be: on the pod's loopback.
        let (network, port) = (lab.network_path(), target.port());
        let way = pod.namespace.call(move || Forward::start(port, &network, target)).unwrap();
        pod.config.set(&format!("{component}_SVC_ADDR"), way.local_addr());
        pod.config.env.remove(&format!("{component}_SVC_NAME"));
        ways.push(way);
    }
    Led { _ways: ways, _folder: folder }
}

fn service(namespace: &str, name: &str, port: u16) -> Value {
    json!({"apiVersion": "v1", "kind": "Service",
        "metadata": {"name": name, "namespace": namespace, "annotations": {"retry.linkerd.io/http": "5xx"}},
        "spec": {"selector": {"app": "server"}, "ports": [{"name": "http", "port": 80, "targetPort": port}]}})
}

fn named(variable: &str) -> Option<PathBuf> {
    #[expect(clippy::disallowed_methods, reason = "says which binary is tested")]
    std::env::var_os(variable).map(Into::into)
}

#[test]
fn proxies_are_certified_told_where_to_go_and_whom_to_let_in() {
    let pair = Pair::start(lab());
    eventually("the client reaches the server by the Service", || {
        (pair.get("/name") == (200, "web".to_owned())).then_some(())
    });
    let client = name_of("default", &pair.namespace);
    let mutual = [("direction", "inbound"), ("tls", "true"), ("client_id", client.as_str())];
    eventually("mutual TLS in the server's metrics", || {
        (pair.server_metric("request_total", &mutual) > 0.0).then_some(())
    });

    // One failure is retried, and the application sees both attempts.
    let before = pair.world.app.requests();
    pair.world.app.fail_next(1);
    assert_eq!(pair.get("/name"), (200, "web".to_owned()));
    assert_eq!(pair.world.app.requests(), before + 2);

    let policy = "policy.linkerd.io/v1beta3";
    let select =
        json!({"podSelector": {"matchLabels": {"app": "server"}}, "port": 8080, "proxyProtocol": "HTTP/1"});
    pair.apply((policy, "Server"), "web", &select);
    eventually("the Server lets nobody in", || (pair.get("/name").0 == 403).then_some(()));
    assert!(pair.server_metric("inbound_http_authz_deny_total", &[("srv_name", "web")]) > 0.0);
    let account = json!({"identityRefs": [{"kind": "ServiceAccount", "name": "default"}]});
    pair.apply(("policy.linkerd.io/v1alpha1", "MeshTLSAuthentication"), "clients", &account);
    let allow = json!({
        "targetRef": {"group": "policy.linkerd.io", "kind": "Server", "name": "web"},
        "requiredAuthenticationRefs": [{"group": "policy.linkerd.io", "kind": "MeshTLSAuthentication", "name": "clients"}],
    });
    pair.apply(("policy.linkerd.io/v1alpha1", "AuthorizationPolicy"), "clients", &allow);
    eventually("the client's account is let in", || (pair.get("/name").0 == 200).then_some(()));

    let backend = |name: &str| json!({"name": name, "port": 80, "weight": 1});
    let split = json!({
        "parentRefs": [{"kind": "Service", "group": "core", "name": "web", "port": 80}],
        "rules": [{"backendRefs": [backend("web"), backend("second")]}],
    });
    pair.apply((policy, "HTTPRoute"), "split", &split);
    eventually("some calls go to the other backend", || {
        (pair.get("/name") == (200, "second".to_owned())).then_some(())
    });
    let names: Vec<String> = (0..60).map(|_| pair.get("/name").1).collect();
    let seconds = names.iter().filter(|name| *name == "second").count();
    assert!((10..=50).contains(&seconds) && names.iter().any(|name| name == "web"), "{names:?}");
}
