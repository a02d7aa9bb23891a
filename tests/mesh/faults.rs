//! The control plane loses its parts, one after the other; traffic goes on.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use mesh_tests::cluster::TestImage;

use crate::kit::{self, Mesh};

/// The label of a pod of the control plane.
const COMPONENT: &str = "linkerd.io/control-plane-component";

/// Calls the client again and again; no call may fail.
struct Traffic {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    failed: JoinHandle<Vec<String>>,
}

impl Traffic {
    fn begin(client: SocketAddr) -> Self {
        let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (stopping, counting) = (Arc::clone(&stop), Arc::clone(&answered));
        let failed = thread::spawn(move || {
            let mut failed = Vec::new();
            while !stopping.load(Ordering::Relaxed) {
                let answer = kit::get(client, "/");
                if answer.starts_with("200 ") && answer.contains(" via server@") {
                    counting.fetch_add(1, Ordering::Relaxed);
                } else {
                    failed.push(answer);
                }
                thread::sleep(Duration::from_millis(20));
            }
            failed
        });
        Self { stop, answered, failed }
    }

    fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        assert_eq!(self.failed.join().unwrap(), Vec::<String>::new(), "calls failed");
        let answered = self.answered.load(Ordering::Relaxed);
        assert!(answered > 100, "only {answered} calls were made, so this proves little");
    }
}

/// Every component is killed in turn, and then all of them at once.
pub(crate) fn components_are_killed(mesh: &Mesh, client: SocketAddr) {
    let traffic = Traffic::begin(client);
    let names = ["get", "deployments", "-n", "linkerd", "-o", "jsonpath={.items[*].metadata.name}"];
    let names = mesh.kubectl(&names);
    assert!(names.split_whitespace().count() >= 5, "{names}");
    let kill = |which: &str| {
        let killed = ["delete", "pod", "-n", "linkerd", "-l", which, "--grace-period=1"];
        assert!(mesh.kubectl(&killed).contains("deleted"), "{which} names no pod");
    };
    for name in names.split_whitespace() {
        kill(&format!("{COMPONENT}={}", name.trim_start_matches("linkerd-")));
        let deployment = format!("deployment/{name}");
        mesh.kubectl(&["rollout", "status", &deployment, "-n", "linkerd", "--timeout=120s"]);
    }
    kill(COMPONENT);
    mesh.linkerd(&["check", "--wait=120s"]).expect_success();
    mesh.rollout("linkerd", Duration::from_secs(120));
    traffic.end();
}

/// Takes all pods of a component away, and waits until they are gone.
fn stop(mesh: &Mesh, component: &str) {
    scale(mesh, component, 0);
    let pods = ["wait", "--for=delete", "pod", "-n", "linkerd", "--timeout=60s", "-l"];
    mesh.kubectl(&[&pods[..], &[&format!("{COMPONENT}={component}")]].concat());
}

fn scale(mesh: &Mesh, component: &str, replicas: u32) {
    let (deployment, replicas) =
        (format!("deployment/linkerd-{component}"), format!("--replicas={replicas}"));
    mesh.kubectl(&["scale", &deployment, "-n", "linkerd", &replicas]);
}

/// Proxies keep the certificates that they have; `check` says what is missing, and is content again afterwards.
pub(crate) fn identity_is_gone(mesh: &Mesh, client: SocketAddr) {
    let traffic = Traffic::begin(client);
    stop(mesh, "identity");
    let check = mesh.linkerd(&["check", "--wait=5s"]);
    assert_eq!(check.code, 1, "{}", check.text);
    assert!(check.text.contains("linkerd-identity"), "{}", check.text);
    thread::sleep(Duration::from_secs(5));
    scale(mesh, "identity", 1);
    mesh.linkerd(&["check", "--wait=120s"]).expect_success();
    traffic.end();
}

/// Whoever taps is told at once that nobody answers.
pub(crate) fn tap_is_gone(mesh: &Mesh) {
    stop(mesh, "tap");
    let begin = Instant::now();
    let tap = mesh.linkerd(&["tap", "deploy/server", "-n", "shop"]);
    assert!(tap.code != 0 && tap.text.contains("linkerd check"), "{}", tap.text);
    assert!(begin.elapsed() < Duration::from_secs(10), "after {:?}: {}", begin.elapsed(), tap.text);
    scale(mesh, "tap", 1);
}

/// Without the webhook pods start as they are, unless the webhook is configured to forbid that.
pub(crate) fn injector_is_gone(mesh: &Mesh) {
    const CONFIG: &str = "mutatingwebhookconfiguration/linkerd-proxy-injector-webhook-config";
    let policy = |value: &str| {
        let patch =
            format!(r#"[{{"op": "replace", "path": "/webhooks/0/failurePolicy", "value": "{value}"}}]"#);
        mesh.kubectl(&["patch", CONFIG, "--type=json", "-p", &patch]);
    };
    let image = format!("--image={}", TestImage::Pause.name());
    let run = |name: &str| {
        mesh.try_kubectl(&["run", name, "-n", "shop", &image, "--image-pull-policy=Never", "--restart=Never"])
    };
    let containers = |name: &str| mesh.containers("shop", &format!("run={name}"));

    stop(mesh, "proxy-injector");
    run("open").unwrap();
    assert_eq!(containers("open"), "", "nobody could add a proxy");
    policy("Fail");
    let refused = run("closed").unwrap_err();
    assert!(refused.contains("linkerd-proxy-injector"), "{refused}");
    policy("Ignore");
    scale(mesh, "proxy-injector", 1);
    mesh.linkerd(&["check", "--wait=120s"]).expect_success();
    run("meshed").unwrap();
    assert!(containers("meshed").contains("linkerd-proxy"));
    mesh.kubectl(&["delete", "pod", "open", "meshed", "-n", "shop", "--grace-period=1"]);
}

/// An issuer of other anchors is put where the issuer was: the good one signs on, an event says why, and `check` fails.
pub(crate) fn issuer_is_of_somebody_else(mesh: &Mesh, client: SocketAddr) {
    let secret = ["secret", "linkerd-identity-issuer", "-n", "linkerd"];
    let good = mesh.kubectl(&[&["get"], &secret[..], &["-o", "jsonpath={.data}"]].concat());
    let elsewhere = mesh.linkerd(&["install", "--ignore-cluster"]).expect_success();
    let issuer = elsewhere.split("\n---\n").find(|document| {
        document.contains("kind: Secret") && document.contains("name: linkerd-identity-issuer")
    });
    mesh.apply(issuer.unwrap());
    kit::until("the event of an issuer that was passed over", || {
        let events = mesh.kubectl(&["get", "events", "-n", "linkerd", "-o", "jsonpath={.items[*].reason}"]);
        events.contains("IssuerUpdateSkipped").then_some(()).ok_or(events)
    });
    let checked = mesh.linkerd(&["check", "--wait=5s"]);
    assert_ne!(checked.code, 0, "{}", checked.text);
    assert!(checked.text.contains("× issuer cert is issued by the trust anchor"), "{}", checked.text);
    // Whoever starts now gets a certificate that all others trust.
    mesh.kubectl(&["rollout", "restart", "deployment/client", "-n", "shop"]);
    mesh.rollout("shop", Duration::from_secs(60));
    kit::until("a new client is served", || {
        let answer = kit::get(client, "/");
        answer.starts_with("200 ").then_some(()).ok_or(answer)
    });
    let patch = format!("{{\"data\":{good}}}");
    mesh.kubectl(&[&["patch"], &secret[..], &["-p", &patch]].concat());
    mesh.linkerd(&["check", "--wait=60s"]).expect_success();
}

/// Without the API server everybody goes on with what is known. Once it is back, whoever comes is injected and certified.
pub(crate) fn api_server_is_gone(mesh: &Mesh, client: SocketAddr) {
    let traffic = Traffic::begin(client);
    mesh.without_api_server(Duration::from_secs(10));
    let image = format!("--image={}", TestImage::Pause.name());
    mesh.kubectl(&["run", "late", "-n", "shop", &image, "--image-pull-policy=Never", "--restart=Never"]);
    assert!(mesh.containers("shop", "run=late").contains("linkerd-proxy"));
    // A proxy is ready once it has its certificate.
    mesh.kubectl(&["wait", "--for=condition=Ready", "pod/late", "-n", "shop", "--timeout=60s"]);
    mesh.linkerd(&["check", "--wait=60s"]).expect_success();
    traffic.end();
    mesh.kubectl(&["delete", "pod", "late", "-n", "shop", "--grace-period=1"]);
}
