//! The whole mesh on nodes where pods run: images from scratch, the control plane as `linkerd install` writes it, workloads that the
//! webhook injects.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod kit;

use std::time::Duration;

use kit::{Mesh, until};

/// A server, and a client that calls it for each request that it gets.
const SHOP: &str = "\
apiVersion: v1
kind: Namespace
metadata:
  name: shop
  annotations: {linkerd.io/inject: enabled}
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
      containers:
      - name: web
        image: WEB
        imagePullPolicy: Never
        args: ['8080', client, 'server.shop.svc.cluster.local:80']
        ports: [{name: http, containerPort: 8080}]
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

#[test]
fn a_mesh_comes_up_encrypts_denies_and_shows_it() {
    let mesh = Mesh::start();
    // Their images are other people's, and no registry is at hand.
    let without = ["install", "--set", "prometheus.enabled=false", "--set", "grafana.enabled=false"];
    mesh.apply(&mesh.linkerd(&without).expect_success());
    mesh.rollout("linkerd", Duration::from_secs(240));
    let check = mesh.linkerd(&["check", "--wait=60s"]);
    assert_eq!(check.code, 0, "{}", check.text);

    mesh.apply(&kit::with_images(SHOP));
    mesh.rollout("shop", Duration::from_secs(120));
    let containers = mesh.kubectl(&[
        "get",
        "pods",
        "-n",
        "shop",
        "-o",
        "jsonpath={.items[*].spec.initContainers[*].name}",
    ]);
    assert_eq!(
        containers.matches("linkerd-proxy").count(),
        3,
        "the webhook injected every pod: {containers}"
    );

    let client = mesh.forward("shop", "client");
    until("the client's answer comes from a server", || {
        let answer = kit::get(client.local_addr());
        answer.starts_with("200 client@").then_some(()).ok_or(answer)
    });
    for _ in 0..50 {
        assert!(kit::get(client.local_addr()).contains(" via server@"));
    }
    encrypted(&mesh);
    seen(&mesh, client.local_addr(), ":status=200");
    denied_and_allowed(&mesh, client.local_addr());
    jobs_end(&mesh);
    let proxies = mesh.linkerd(&["check", "--proxy", "-n", "shop", "--wait=60s"]);
    assert_eq!(proxies.code, 0, "{}", proxies.text);
}

/// The server's proxies know who called them.
fn encrypted(mesh: &Mesh) {
    let metrics = mesh.metrics("shop", "app=server");
    let calls = metrics
        .lines()
        .filter(|line| line.starts_with("request_total{") && line.contains("direction=\"inbound\""));
    let identity = "client_id=\"default.shop.serviceaccount.identity.linkerd.cluster.local\"";
    assert!(calls.clone().any(|line| line.contains(identity) && line.contains("tls=\"true\"")), "{metrics}");
}

/// `stat` counts the client's calls, and `tap` shows them with a status.
fn seen(mesh: &Mesh, client: std::net::SocketAddr, status: &str) {
    until("the traffic is counted and shown", || {
        let shown =
            mesh.linkerd_while(&["tap", "deploy/server", "-n", "shop"], Duration::from_secs(3), || {
                kit::get(client);
            });
        let counted = mesh.linkerd(&["stat", "deploy/server", "-n", "shop"]);
        let row = counted.text.lines().find(|line| line.starts_with("server ")).unwrap_or_default();
        let is_counted = row.contains("2/2") && row.contains("rps");
        let is_shown = shown
            .lines()
            .any(|line| line.starts_with("rsp ") && line.contains("tls=true") && line.contains(status));
        (is_counted && is_shown).then_some(()).ok_or_else(|| format!("{}\n{shown}", counted.text))
    });
}

fn denied_and_allowed(mesh: &Mesh, client: std::net::SocketAddr) {
    mesh.apply(DENY);
    until("the server's proxy denies", || {
        let answer = kit::get(client);
        answer.contains("403").then_some(()).ok_or(answer)
    });
    let metrics = mesh.metrics("shop", "app=server");
    assert!(metrics.contains("inbound_http_authz_deny_total{"), "{metrics}");
    seen(mesh, client, ":status=403");
    mesh.apply(ALLOW);
    until("the client's identity is let in", || {
        let answer = kit::get(client);
        answer.starts_with("200 ").then_some(()).ok_or(answer)
    });
}

fn jobs_end(mesh: &Mesh) {
    mesh.apply(&kit::with_images(JOB));
    let complete = ["wait", "--for=condition=Complete", "job/once", "-n", "shop", "--timeout=60s"];
    mesh.kubectl(&complete);
}
