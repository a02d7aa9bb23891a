//! Discovery and policy as the chart starts them, with the rights that the chart gives: proxies are answered, bad objects
//! refused, statuses and slices written by the holder of the lease, and nothing of it lost when a replica ends.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};

use linkerd2_proxy_api::destination::destination_client::DestinationClient;
use linkerd2_proxy_api::destination::{self, GetDestination, update::Update};
use linkerd2_proxy_api::inbound::inbound_server_policies_client::InboundServerPoliciesClient;
use linkerd2_proxy_api::inbound::{PortSpec, proxy_protocol::Kind};
use linkerd2_proxy_api::net::TcpAddress;
use serde_json::{Value, json};
use tonic::transport::Channel;

use crate::kit::{ADDRESS, Lab, Process, eventually, free_port, lab, run};

/// A replica and where its APIs are.
pub(crate) struct Replica {
    pub(crate) process: Process,
    pub(crate) discovery: SocketAddr,
    pub(crate) policy: SocketAddr,
    pub(crate) webhook: u16,
}

/// Whose turn it is: of several replicas at once, one would have the leases that another waits for. Those of a replica
/// that was killed are taken away.
pub(crate) fn turn(lab: &Lab) -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    let turn = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let leases = ["policy-controller-write", "linkerd-destination-endpoint-write"];
    lab.kubectl(&["delete", "lease", leases[0], leases[1], "--namespace=linkerd", "--ignore-not-found"]);
    turn
}

impl Replica {
    pub(crate) fn start(lab: &Lab, pod: &str) -> Self {
        Self::start_with(lab, pod, &[])
    }

    /// One that reaches the API server at `server`, and need not be ready.
    pub(crate) fn start_at(lab: &Lab, server: &str, pod: &str) -> Self {
        Self::launch(lab, server, pod, &[])
    }

    /// As [`Replica::start`], with more arguments.
    pub(crate) fn start_with(lab: &Lab, pod: &str, more: &[String]) -> Self {
        Self::launch(lab, lab.cluster.server(), pod, more).ready()
    }

    pub(crate) fn ready(mut self) -> Self {
        self.process = self.process.ready();
        self
    }

    fn launch(lab: &Lab, server: &str, pod: &str, more: &[String]) -> Self {
        let address = || SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), free_port());
        let (discovery, policy, webhook) = (address(), address(), free_port());
        let mut args = vec![
            format!("--grpc-addr={discovery}"),
            format!("--policy-grpc-addr={policy}"),
            format!("--webhook-addr={ADDRESS}:{webhook}"),
            "--cluster-domain=cluster.local".to_owned(),
            "--identity-trust-domain=cluster.local".to_owned(),
            "--default-inbound-policy=all-unauthenticated".to_owned(),
            "--outbound-transport-mode=transport-header".to_owned(),
            "--tls-secret=linkerd-policy-validator-tls".to_owned(),
            "--webhook-config=linkerd-policy-validator-webhook-config".to_owned(),
        ];
        args.extend_from_slice(more);
        let process = Process::start_at(lab, server, "destination", "linkerd-destination", pod, &args);
        Self { process, discovery, policy, webhook }
    }
}

pub(crate) async fn channel(address: SocketAddr) -> Channel {
    Channel::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap()
}

/// Addresses that a Get begins with.
pub(crate) fn addresses(replica: &Replica, path: &str) -> Option<Vec<String>> {
    run(async {
        let mut client = DestinationClient::new(channel(replica.discovery).await);
        let request = GetDestination { path: path.to_owned(), ..GetDestination::default() };
        let mut stream = client.get(request).await.ok()?.into_inner();
        match stream.message().await.unwrap()?.update? {
            Update::Add(set) => Some(set.addrs.into_iter().map(|it| text(it.addr.unwrap())).collect()),
            _ => Some(Vec::new()),
        }
    })
}

/// Takes what a message says into what was known before it.
pub(crate) fn take(known: &mut BTreeSet<String>, message: destination::Update) {
    match message.update.unwrap() {
        Update::Add(set) => known.extend(set.addrs.into_iter().map(|it| text(it.addr.unwrap()))),
        Update::Remove(set) => known.retain(|known| !set.addrs.iter().any(|gone| text(*gone) == *known)),
        Update::NoEndpoints(_) => known.clear(),
    }
}

/// An address as people write it.
pub(crate) fn text(address: TcpAddress) -> String {
    SocketAddr::try_from(address).unwrap().to_string()
}

/// A Service `web` and a pod behind it. The slice controller makes the slice of the two; nothing here does.
pub(crate) fn web(lab: &Lab, namespace: &str) {
    let web = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": namespace},
        "spec": {"selector": {"app": "web"}, "ports": [{"name": "http", "port": 80, "targetPort": 8080}]}});
    lab.apply(&web.to_string());
    // The slice controller leaves out pods whose node is not there.
    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "discovery-node"}});
    lab.apply(&node.to_string());
    pod_of_web(lab, namespace, "web-0", Ipv4Addr::new(10, 200, 0, 1));
}

/// A pod behind the Service `web`.
pub(crate) fn pod_of_web(lab: &Lab, namespace: &str, name: &str, ip: Ipv4Addr) {
    let labels = json!({"app": "web", "linkerd.io/control-plane-ns": "linkerd"});
    lab.pod_on(namespace, name, "discovery-node", &labels, ip);
}

fn server(namespace: &str) -> Value {
    json!({"apiVersion": "policy.linkerd.io/v1beta3", "kind": "Server",
        "metadata": {"name": "web", "namespace": namespace},
        "spec": {"podSelector": {"matchLabels": {"app": "web"}}, "port": 8080, "proxyProtocol": "HTTP/2"}})
}

#[test]
fn proxies_are_answered_from_a_real_cluster_and_users_told() {
    let lab = lab();
    let _turn = turn(lab);
    let replica = Replica::start(lab, "linkerd-destination-a");
    lab.serve("linkerd-policy-validator", replica.webhook);
    let namespace = lab.namespace("discovery");

    web(lab, &namespace);
    let path = format!("web.{namespace}.svc.cluster.local:80");
    eventually("the address of the pod", || {
        addresses(&replica, &path).filter(|found| found == &["10.200.0.1:8080"])
    });

    lab.apply(&server(&namespace).to_string());
    eventually("the Server's protocol at the pod's port", || {
        run(async {
            let mut client = InboundServerPoliciesClient::new(channel(replica.policy).await);
            let spec = PortSpec { workload: format!("{namespace}:web-0"), port: 8080 };
            let server = client.get_port(spec).await.ok()?.into_inner();
            matches!(server.protocol?.kind?, Kind::Http2(_)).then_some(())
        })
    });

    // What could not be followed is refused with the reason, though its schema lets it pass.
    let overlapping = json!({"apiVersion": "policy.linkerd.io/v1alpha1", "kind": "NetworkAuthentication",
        "metadata": {"name": "nobody", "namespace": namespace},
        "spec": {"networks": [{"cidr": "10.0.0.0/8", "except": ["10.0.0.0/8"]}]}});
    let said = eventually("the webhook to be asked", || lab.try_create(&overlapping.to_string()).err());
    assert!(said.contains("leaves nothing of 10.0.0.0/8"), "{said}");

    // The holder of the lease writes the status of a route…
    let route = json!({"apiVersion": "policy.linkerd.io/v1beta3", "kind": "HTTPRoute",
        "metadata": {"name": "reads", "namespace": namespace},
        "spec": {"parentRefs": [{"group": "policy.linkerd.io", "kind": "Server", "name": "web"}],
            "rules": [{"matches": [{"path": {"value": "/"}}]}]}});
    lab.apply(&route.to_string());
    let condition = eventually("the status of the route", || {
        let route = lab.live(&namespace, "httproutes.policy.linkerd.io", "reads");
        route.pointer("/status/parents/0/conditions/0").cloned()
    });
    assert_eq!((&condition["type"], &condition["status"]), (&json!("Accepted"), &json!("True")));

    // …and the slices of workloads outside the cluster, which are then endpoints like any other.
    let vm = json!({"apiVersion": "workload.linkerd.io/v1beta1", "kind": "ExternalWorkload",
        "metadata": {"name": "vm", "namespace": namespace, "labels": {"app": "web"}},
        "spec": {"meshTLS": {"identity": "spiffe://example.org/vm", "serverName": "vm.example.org"},
            "workloadIPs": [{"ip": "192.168.9.9"}], "ports": [{"name": "http", "port": 8080}]}});
    lab.apply(&vm.to_string());
    let status = json!({"conditions": [{"type": "Ready", "status": "True", "lastProbeTime": "2030-01-01T00:00:00Z",
        "lastTransitionTime": "2030-01-01T00:00:00Z", "reason": "Test", "message": "up"}]});
    lab.patch_status(&namespace, "externalworkload", "vm", &status);
    eventually("the address of the workload outside", || {
        let found = addresses(&replica, &path)?;
        found.contains(&"192.168.9.9:8080".to_owned()).then_some(())
    });
    assert!(replica.process.metric("lease_held{lease=\"policy-controller-write\"}").unwrap() >= 1.0);
    assert!(replica.process.metric("discovery_records{group=\"\",kind=\"pods\"}").unwrap() >= 1.0);

    // A replica that ends ends well, and the next one knows the same.
    assert_eq!(replica.process.terminate(), Some(0));
    let next = Replica::start(lab, "linkerd-destination-b");
    assert_eq!(addresses(&next, &path).unwrap().len(), 2);
}

#[test]
fn other_clusters_are_followed_with_the_rights_that_the_chart_gives() {
    let lab = lab();
    let _turn = turn(lab);
    let replica =
        Replica::start_with(lab, "linkerd-destination-linked", &["--remote-clusters=true".to_owned()]);
    let namespace = lab.namespace("linked");
    // The other cluster is this one: what counts is that it is reached by the Secret alone.
    let slice = json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": {"name": "web", "namespace": namespace, "labels": {"kubernetes.io/service-name": "web"}},
        "ports": [{"name": "http", "port": 8080}], "endpoints": [{"addresses": ["10.200.0.9"]}]});
    let service = |name: &str, labels: Value| {
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": namespace, "labels": labels},
            "spec": {"ports": [{"name": "http", "port": 80}]}})
    };
    let copy = service(
        "web-east",
        json!({"multicluster.linkerd.io/remote-discovery": "east",
        "multicluster.linkerd.io/remote-service": "web"}),
    );
    for object in [slice, service("web", json!({})), copy] {
        lab.apply(&object.to_string());
    }
    let path = format!("web-east.{namespace}.svc.cluster.local:80");
    assert_eq!(addresses(&replica, &path), None, "nobody linked the cluster");
    let kubeconfig = lab.kubectl(&["config", "view", "--flatten", "--minify", "--output=json"]);
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "type": "mirror.linkerd.io/remote-kubeconfig",
        "metadata": {"name": "cluster-credentials-east", "namespace": "linkerd",
            "labels": {"multicluster.linkerd.io/cluster-name": "east"},
            "annotations": {"multicluster.linkerd.io/trust-domain": "east.example",
                "multicluster.linkerd.io/cluster-domain": "cluster.local"}},
        "stringData": {"kubeconfig": kubeconfig}});
    lab.apply(&secret.to_string());
    eventually("the endpoints of the other cluster", || {
        addresses(&replica, &path).filter(|found| found == &["10.200.0.9:8080"])
    });
    assert_eq!(replica.process.metric("discovery_clusters"), Some(1.0));
    lab.kubectl(&["delete", "secret", "cluster-credentials-east", "--namespace", "linkerd"]);
    eventually("the end of the link", || addresses(&replica, &path).is_none().then_some(()));
}
