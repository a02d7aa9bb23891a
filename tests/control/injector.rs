//! Injection as the API server asks for it.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::kit::{ADDRESS, Gate, Lab, Mount, NAMESPACE, Process, eventually, free_port, lab};

/// The component with its mounts, behind its Service.
pub(crate) struct Injector {
    pub(crate) process: Process,
    pub(crate) port: u16,
    pub(crate) _config: Mount,
    pub(crate) _anchors: Mount,
}

impl Injector {
    /// Starts one that nobody is led to yet.
    pub(crate) fn start(lab: &Lab, pod: &str) -> Self {
        Self::start_at(lab, lab.cluster.server(), pod)
    }

    /// The same, reaching the API server at `server`.
    pub(crate) fn start_at(lab: &Lab, server: &str, pod: &str) -> Self {
        let values = lab.live(NAMESPACE, "configmap", "linkerd-config")["data"]["values"].clone();
        let config = Mount::new(&[("values", values.as_str().unwrap())]);
        let anchors = Mount::new(&[("ca-bundle.crt", &lab.identity.bundle().to_pem())]);
        let port = free_port();
        let args = [
            format!("--webhook-addr={ADDRESS}:{port}"),
            format!("--config-dir={}", config.path().display()),
            format!("--trust-roots={}", anchors.path().join("ca-bundle.crt").display()),
            "--tls-secret=linkerd-proxy-injector-tls".to_owned(),
            "--issue-tls=true".to_owned(),
            "--webhook-config=linkerd-proxy-injector-webhook-config".to_owned(),
            "--fill-ca-bundle=true".to_owned(),
        ];
        let process = Process::start_at(lab, server, "proxy-injector", "linkerd-proxy-injector", pod, &args);
        Self { process, port, _config: config, _anchors: anchors }
    }

    pub(crate) fn ready(mut self) -> Self {
        self.process = self.process.ready();
        self
    }
}

/// The one that all tests share, led to by its Service. Tests of it must not make it worse.
pub(crate) fn injector(lab: &Lab) -> &'static Injector {
    use std::sync::OnceLock;
    static INJECTOR: OnceLock<Injector> = OnceLock::new();
    INJECTOR.get_or_init(|| {
        let injector = Injector::start(lab, "linkerd-proxy-injector-0").ready();
        lab.serve("linkerd-proxy-injector", injector.port);
        // The API server hears of the endpoints in its own time.
        let probe = lab.namespace("probe");
        lab.kubectl(&["annotate", "namespace", &probe, "config.linkerd.io/opaque-ports=1"]);
        eventually("the API server to reach the webhook", || {
            let args =
                ["create", "service", "clusterip", "a", "--tcp=1", "--dry-run=server", "-o", "json", "-n"];
            let text = lab.kubectl(&[&args[..], &[&probe]].concat());
            text.contains("opaque-ports").then_some(())
        });
        injector
    })
}

fn pod(name: &str, namespace: &str, annotations: &Value, spec: &Value) -> Value {
    let mut pod = json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "annotations": annotations},
        "spec": {"containers": [{"name": "app", "image": "app", "ports": [{"containerPort": 8080}]}]}});
    for (key, value) in spec.as_object().unwrap() {
        pod["spec"][key] = value.clone();
    }
    pod
}

fn has_proxy(pod: &Value) -> bool {
    let init = pod["spec"]["initContainers"].as_array();
    init.is_some_and(|init| {
        init.iter().any(|it| it["name"] == "linkerd-proxy" && it["restartPolicy"] == "Always")
    })
}

#[test]
fn pods_of_an_annotated_namespace_get_the_proxy_and_their_owner_is_told() {
    let lab = lab();
    injector(lab);
    let namespace = lab.namespace("inject");
    lab.kubectl(&[
        "annotate",
        "namespace",
        &namespace,
        "linkerd.io/inject=enabled",
        "config.linkerd.io/proxy-uid=7777",
        "config.linkerd.io/opaque-ports=5000",
    ]);
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": namespace},
        "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "app", "image": "app", "ports": [{"containerPort": 8080}]}]}}}});
    lab.apply(&deployment.to_string());
    let pods = eventually("two pods", || {
        let text = lab.kubectl(&["get", "pods", "--namespace", &namespace, "-o", "json"]);
        let list: Value = serde_json::from_str(&text).unwrap();
        (list["items"].as_array().unwrap().len() == 2).then(|| list["items"].as_array().unwrap().clone())
    });
    for pod in &pods {
        assert!(has_proxy(pod), "{pod}");
        let labels = &pod["metadata"]["labels"];
        assert_eq!(labels["linkerd.io/proxy-deployment"], "web");
        assert_eq!(labels["linkerd.io/control-plane-ns"], NAMESPACE);
        assert_eq!(labels["linkerd.io/workload-ns"], namespace);
        let annotations = &pod["metadata"]["annotations"];
        assert!(
            annotations["linkerd.io/created-by"].as_str().unwrap().starts_with("linkerd/proxy-injector ")
        );
        assert_eq!(annotations["config.linkerd.io/opaque-ports"], "5000");
        assert!(annotations["linkerd.io/trust-root-sha256"].as_str().unwrap().len() == 64);
        let init = pod["spec"]["initContainers"].as_array().unwrap();
        let proxy = init.iter().find(|it| it["name"] == "linkerd-proxy").unwrap();
        assert_eq!(proxy["securityContext"]["runAsUser"], 7777);
    }
    eventually("the event", || {
        lab.event_reasons(&namespace, "web").contains(&"Injected".to_owned()).then_some(())
    });
}

#[test]
fn opt_outs_are_kept_and_told() {
    let lab = lab();
    let injector = injector(lab);
    let namespace = lab.namespace("optout");
    lab.kubectl(&["annotate", "namespace", &namespace, "linkerd.io/inject=enabled"]);
    for (name, annotations, spec) in [
        ("off", json!({"linkerd.io/inject": "disabled"}), json!({})),
        ("host", json!({}), json!({"hostNetwork": true})),
        ("typo", json!({"linkerd.io/inject": "yes"}), json!({})),
    ] {
        lab.apply(&pod(name, &namespace, &annotations, &spec).to_string());
        let live = lab.live(&namespace, "pod", name);
        assert!(!has_proxy(&live), "{name}");
        assert!(live["metadata"]["labels"]["linkerd.io/control-plane-ns"].is_null(), "{name}");
        eventually("the event", || {
            lab.event_reasons(&namespace, name).contains(&"InjectionSkipped".to_owned()).then_some(())
        });
    }
    lab.apply(
        &pod("on", &namespace, &json!({}), &json!({"automountServiceAccountToken": false})).to_string(),
    );
    assert!(has_proxy(&lab.live(&namespace, "pod", "on")));
    let skipped =
        "admission_reviews_total{kind=\"Pod\",operation=\"CREATE\",outcome=\"host_network_enabled\"}";
    assert!(injector.process.metric(skipped).unwrap() >= 1.0);
    // The cluster's own parts and the mesh's never wait for a proxy, whatever they ask for.
    for reserved in ["kube-system", NAMESPACE] {
        let asks = json!({"linkerd.io/inject": "enabled"});
        lab.apply(&pod("reserved", reserved, &asks, &json!({})).to_string());
        let live = lab.live(reserved, "pod", "reserved");
        lab.kubectl(&["delete", "pod", "reserved", "--namespace", reserved, "--wait=false"]);
        assert!(!has_proxy(&live), "{reserved}");
    }
    // Where nobody asks, nothing is changed and nothing is told.
    let quiet = lab.namespace("quiet");
    lab.apply(&pod("plain", &quiet, &json!({}), &json!({})).to_string());
    assert!(!has_proxy(&lab.live(&quiet, "pod", "plain")));
    assert!(lab.event_reasons(&quiet, "plain").is_empty());
}

#[test]
fn services_and_plain_pods_get_the_opaque_ports_of_their_namespace() {
    let lab = lab();
    injector(lab);
    let namespace = lab.namespace("opaque");
    lab.kubectl(&["annotate", "namespace", &namespace, "config.linkerd.io/opaque-ports=3306,9000-9010"]);
    let service = |name: &str, annotations: Value| {
        let service = json!({"apiVersion": "v1", "kind": "Service",
            "metadata": {"name": name, "namespace": namespace, "annotations": annotations},
            "spec": {"ports": [{"port": 3306}]}});
        lab.apply(&service.to_string());
        lab.live(&namespace, "service", name)["metadata"]["annotations"]["config.linkerd.io/opaque-ports"]
            .clone()
    };
    assert_eq!(service("db", json!({})), "3306,9000-9010");
    assert_eq!(service("own", json!({"config.linkerd.io/opaque-ports": "1"})), "1");
    lab.apply(&pod("plain", &namespace, &json!({}), &json!({})).to_string());
    let live = lab.live(&namespace, "pod", "plain");
    assert!(!has_proxy(&live));
    assert_eq!(live["metadata"]["annotations"]["config.linkerd.io/opaque-ports"], "3306,9000-9010");
}

#[test]
fn odd_annotations_are_shown_to_whoever_applies_them() {
    let lab = lab();
    injector(lab);
    let namespace = lab.namespace("odd");
    let annotations = json!({"linkerd.io/inject": "enabled", "config.linkerd.io/proxy-cpu-limit": "many"});
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), pod("odd", &namespace, &annotations, &json!({})).to_string()).unwrap();
    let path = file.path().display().to_string();
    let output = lab.cluster.kubectl(["create", "-f", &path]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("Warning: annotation \"config.linkerd.io/proxy-cpu-limit\" is ignored"), "{said}");
}

/// Counts of the API server about its calls of the webhook: how many came back within each of these seconds, and the sum of all.
#[derive(Clone, Copy, Debug, Default)]
struct Calls {
    all: f64,
    within_100ms: f64,
    seconds: f64,
}

impl Calls {
    fn read(lab: &Lab) -> Self {
        const NAME: &str = "apiserver_admission_webhook_admission_duration_seconds_";
        let text = lab.kubectl(&["get", "--raw", "/metrics"]);
        let mut calls = Self::default();
        let lines = text.lines().filter_map(|line| line.strip_prefix(NAME));
        for line in lines.filter(|line| line.contains("linkerd-proxy-injector") && line.contains("CREATE")) {
            let value: f64 = line.rsplit(' ').next().unwrap().parse().unwrap();
            if line.starts_with("count") {
                calls.all += value;
            } else if line.starts_with("sum") {
                calls.seconds += value;
            } else if line.contains("le=\"0.1\"") {
                calls.within_100ms += value;
            }
        }
        calls
    }
}

/// Two thousand pods a minute are 30 ms for each: that is what one webhook may take on average if nothing is done at once.
#[test]
fn a_large_rollout_is_injected_without_waiting() {
    const PODS: usize = 400;
    const CLIENTS: usize = 4;
    let lab = lab();
    injector(lab);
    let namespace = lab.namespace("rollout");
    lab.kubectl(&["annotate", "namespace", &namespace, "linkerd.io/inject=enabled"]);
    let folder = tempfile::tempdir().unwrap();
    // Scheduled by nobody, so that all that happens is their creation.
    let spec = json!({"schedulerName": "nobody"});
    let create = |client: usize| {
        let items = (client..PODS).step_by(CLIENTS);
        let items: Vec<Value> =
            items.map(|n| pod(&format!("pod-{n}"), &namespace, &json!({}), &spec)).collect();
        let file = folder.path().join(client.to_string());
        fs::write(&file, json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string()).unwrap();
        let mut kubectl: Command = lab.cluster.kubectl(["create", "-f"]);
        kubectl.arg(file).stdout(Stdio::null()).spawn().unwrap()
    };
    let (before, begin) = (Calls::read(lab), Instant::now());
    let clients: Vec<_> = (0..CLIENTS).map(create).collect();
    for mut client in clients {
        assert!(client.wait().unwrap().success());
    }
    let (took, after) = (begin.elapsed(), Calls::read(lab));

    let text = lab.kubectl(&["get", "pods", "--namespace", &namespace, "-o", "json"]);
    let list: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(list["items"].as_array().unwrap().iter().filter(|pod| has_proxy(pod)).count(), PODS);
    let calls = after.all - before.all;
    let (mean, quick) =
        ((after.seconds - before.seconds) / calls, (after.within_100ms - before.within_100ms) / calls);
    println!(
        "{PODS} pods in {took:?}; webhook: mean {:.1} ms, {:.1}% within 100 ms",
        mean * 1e3,
        quick * 1e2
    );
    assert!(mean < 0.03, "a webhook call takes {:.1} ms on average", mean * 1e3);
    // Others work on the same cores, as do the API server and the clients; what an injection takes of them is bounded by
    // `injector_cost`.
    assert!(quick >= 0.95, "only {:.1}% of the calls came back within 100 ms", quick * 1e2);
}

/// It is asked by an API server that it cannot reach itself, and answers from what it knows.
#[test]
fn cut_off_from_the_api_server_it_goes_on_with_what_it_knows() {
    let lab = Lab::set_up(Timestamp::now(), &json!({}));
    let gate = Gate::to(&lab);
    let injector = Injector::start_at(&lab, &gate.server(), "linkerd-proxy-injector-0").ready();
    lab.serve("linkerd-proxy-injector", injector.port);
    let namespace = lab.namespace("known");
    lab.kubectl(&["annotate", "namespace", &namespace, "linkerd.io/inject=enabled"]);
    let is_injected = |name: &str| {
        lab.apply(&pod(name, &namespace, &json!({}), &json!({})).to_string());
        let live = lab.live(&namespace, "pod", name);
        lab.kubectl(&["delete", "pod", name, "-n", &namespace, "--grace-period=0", "--force"]);
        has_proxy(&live)
    };
    eventually("the first pod with a proxy", || is_injected("first").then_some(()));

    gate.cut();
    std::thread::sleep(Duration::from_secs(2));
    let begin = Instant::now();
    assert!(is_injected("cut-off"));
    assert!(begin.elapsed() < Duration::from_secs(5), "it waited for the API server: {:?}", begin.elapsed());
    assert_eq!(injector.process.admin("/live").0, 200);
    gate.mend();
    assert!(is_injected("mended"));
}
