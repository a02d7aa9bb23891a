//! Two workloads that talk: a server on both nodes, and a client that calls it for each request that it gets.

use std::net::SocketAddr;
use std::time::Duration;

use mesh_tests::cluster::{Forward, Place};

use crate::kit::{self, Mesh, until};
use crate::wire::SECRET;

/// The namespace and its workloads, not meshed.
const SHOP: &str = "\
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: server, namespace: shop}
spec:
  replicas: 2
  selector: {matchLabels: {app: server}}
  template:
    metadata: {labels: {app: server}}
    spec:
      terminationGracePeriodSeconds: 1
      topologySpreadConstraints:
      - maxSkew: 1
        topologyKey: kubernetes.io/hostname
        whenUnsatisfiable: DoNotSchedule
        labelSelector: {matchLabels: {app: server}}
        matchLabelKeys: [pod-template-hash]
      containers:
      - name: web
        image: WEB
        imagePullPolicy: Never
        args: ['8080', server]
        ports: [{name: http, containerPort: 8080}]
        readinessProbe: {httpGet: {port: 8080, path: /ready}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: server, namespace: shop}
spec:
  selector: {app: server}
  ports: [{name: http, port: 80, targetPort: 8080}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: client, namespace: shop}
spec:
  selector: {matchLabels: {app: client}}
  template:
    metadata: {labels: {app: client}}
    spec:
      terminationGracePeriodSeconds: 1
      nodeSelector: {kubernetes.io/hostname: node2}
      containers:
      - name: web
        image: WEB
        imagePullPolicy: Never
        args: ['8080', client, 'server.shop.svc.cluster.local:80']
        ports: [{name: http, containerPort: 8080}]
        readinessProbe: {tcpSocket: {port: 8080}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: client, namespace: shop}
spec:
  selector: {app: client}
  ports: [{name: http, port: 80, targetPort: 8080}]
";

/// Nobody may call the server.
const DENY: &str = "\
apiVersion: policy.linkerd.io/v1beta3
kind: Server
metadata: {name: server-http, namespace: shop}
spec:
  podSelector: {matchLabels: {app: server}}
  port: http
  proxyProtocol: HTTP/1
";

/// The client's account may.
const ALLOW: &str = "\
apiVersion: policy.linkerd.io/v1alpha1
kind: MeshTLSAuthentication
metadata: {name: clients, namespace: shop}
spec:
  identityRefs: [{kind: ServiceAccount, name: default}]
---
apiVersion: policy.linkerd.io/v1alpha1
kind: AuthorizationPolicy
metadata: {name: server-http, namespace: shop}
spec:
  targetRef: {group: policy.linkerd.io, kind: Server, name: server-http}
  requiredAuthenticationRefs: [{group: policy.linkerd.io, kind: MeshTLSAuthentication, name: clients}]
";

/// A Job whose pod gets a proxy.
const JOB: &str = "\
apiVersion: batch/v1
kind: Job
metadata: {name: once, namespace: shop}
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      containers:
      - name: web
        image: WEB
        imagePullPolicy: Never
        args: ['fetch', 'server.shop.svc.cluster.local:80']
";

/// The workloads while they run.
pub(crate) struct Shop<'a> {
    mesh: &'a Mesh,
    client: Forward,
}

impl<'a> Shop<'a> {
    /// Opens it as it was before there was a mesh.
    pub(crate) fn open(mesh: &'a Mesh) -> Self {
        mesh.apply(&kit::with_images(SHOP));
        mesh.rollout("shop", Duration::from_secs(120));
        assert_eq!(mesh.containers("shop", "").matches("linkerd-").count(), 0, "nobody asked for a proxy");
        let ip =
            mesh.kubectl(&["get", "service", "client", "-n", "shop", "-o", "jsonpath={.spec.clusterIP}"]);
        let client = mesh.forward(Place::Node(1), format!("{ip}:80").parse().unwrap());
        Self { mesh, client }
    }

    /// The client as node 1 sees it.
    pub(crate) fn client(&self) -> SocketAddr {
        self.client.local_addr()
    }

    /// Annotates the namespace and restarts what is in it, as the guide says. Returns the names of all init containers.
    pub(crate) fn join_the_mesh(&self) -> String {
        self.mesh.kubectl(&["annotate", "namespace", "shop", "linkerd.io/inject=enabled"]);
        self.mesh.kubectl(&["rollout", "restart", "deployment", "-n", "shop"]);
        self.mesh.rollout("shop", Duration::from_secs(120));
        let gone = "the pods without a proxy are gone";
        until(gone, || {
            let pods = self.mesh.addresses("shop", "app").len();
            (pods == 3).then_some(()).ok_or_else(|| format!("{pods} pods"))
        });
        let containers = self.mesh.containers("shop", "");
        assert_eq!(containers.matches("linkerd-proxy").count(), 3, "{containers}");
        containers
    }

    /// The client's calls arrive.
    pub(crate) fn trades(&self) {
        until("the client's answer comes from a server", || {
            let answer = kit::get(self.client(), SECRET);
            answer.starts_with("200 client@").then_some(()).ok_or(answer)
        });
        for _ in 0..50 {
            let answer = kit::get(self.client(), SECRET);
            assert!(answer.contains(" via server@"), "{answer}");
        }
    }

    /// The servers' proxies know who called them.
    pub(crate) fn is_encrypted(&self) {
        let metrics = self.mesh.metrics("shop", "app=server");
        let calls = metrics
            .lines()
            .filter(|line| line.starts_with("request_total{") && line.contains("direction=\"inbound\""));
        let identity = "client_id=\"default.shop.serviceaccount.identity.linkerd.cluster.local\"";
        assert!(
            calls.clone().any(|line| line.contains(identity) && line.contains("tls=\"true\"")),
            "{metrics}"
        );
    }

    /// `stat` counts the client's calls in a row with `counted`, and `tap` shows them with `shown`.
    pub(crate) fn is_seen(&self, counted: &str, shown: &str) {
        until("the traffic is counted and shown", || {
            let tap = ["tap", "deploy/server", "-n", "shop"];
            let tapped = self.mesh.linkerd_while(&tap, Duration::from_secs(3), || {
                kit::get(self.client(), "/");
            });
            let stat = self.mesh.linkerd(&["stat", "deploy/server", "-n", "shop"]);
            let row = stat.text.lines().find(|line| line.starts_with("server ")).unwrap_or_default();
            let is_counted = row.contains("2/2") && row.contains("rps") && stat.text.contains(counted);
            let is_shown = tapped
                .lines()
                .any(|line| line.starts_with("rsp ") && line.contains("tls=true") && line.contains(shown));
            (is_counted && is_shown).then_some(()).ok_or_else(|| format!("{}\n{tapped}", stat.text))
        });
    }

    /// Policy denies, tells why, and lets in again.
    pub(crate) fn is_guarded(&self) {
        self.mesh.apply(DENY);
        until("the server's proxy denies", || {
            let answer = kit::get(self.client(), "/");
            answer.contains("403").then_some(()).ok_or(answer)
        });
        let metrics = self.mesh.metrics("shop", "app=server");
        assert!(metrics.contains("inbound_http_authz_deny_total{"), "{metrics}");
        let reason = "error=\"the client is not authorized by policy (server server-http)\"";
        self.is_seen("UNAUTHORIZED", reason);
        let json = self.mesh.linkerd(&["stat", "deploy/server", "-n", "shop", "-o", "json"]).expect_success();
        assert!(json.contains("\"unauthorized_rps\""), "{json}");
        self.mesh.apply(ALLOW);
        until("the client's identity is let in", || {
            let answer = kit::get(self.client(), "/");
            answer.starts_with("200 ").then_some(()).ok_or(answer)
        });
    }

    /// A Job ends although its pod has a proxy.
    pub(crate) fn jobs_end(&self) {
        self.mesh.apply(&kit::with_images(JOB));
        let complete = ["wait", "--for=condition=Complete", "job/once", "-n", "shop", "--timeout=60s"];
        self.mesh.kubectl(&complete);
    }
}
