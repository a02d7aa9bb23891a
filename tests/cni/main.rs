//! The CNI plugin and its repairer: a real API server knows the pods, a real network namespace gets the rules.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

use mesh_tests::cluster::{Cluster, stdout_of};
use serde_json::{Value, json};

const BINARY: &str = env!("CARGO_BIN_EXE_linkerd-cni");

/// A network namespace with an address of its own; removed when dropped.
struct Namespace {
    name: String,
    address: String,
}

impl Namespace {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("cni-test-{}-{number}", std::process::id());
        let address = format!("10.77.{}.{}", std::process::id() % 250, number);
        run("ip", &["netns", "add", &name]);
        run("ip", &["-n", &name, "link", "add", "eth0", "type", "veth", "peer", "name", "other"]);
        run("ip", &["-n", &name, "addr", "add", &format!("{address}/24"), "dev", "eth0"]);
        run("ip", &["-n", &name, "link", "set", "eth0", "up"]);
        Self { name, address }
    }

    fn path(&self) -> PathBuf {
        Path::new("/run/netns").join(&self.name)
    }

    /// What the packet filter holds.
    fn rules(&self) -> String {
        run("ip", &["netns", "exec", &self.name, "nft", "list", "ruleset"])
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.name]).status();
    }
}

fn run(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output().unwrap();
    assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The entry as a runtime passes it.
fn entry(kubeconfig: &Path) -> Value {
    json!({
        "cniVersion": "1.0.0", "name": "pods", "type": "linkerd-cni", "log_level": "debug",
        "kubernetes": {"kubeconfig": kubeconfig},
        "linkerd": {
            "incoming-proxy-port": 4143, "outgoing-proxy-port": 4140, "proxy-uid": 2102, "proxy-gid": -1,
            "ports-to-redirect": [], "inbound-ports-to-ignore": ["4190", "4191"],
            "outbound-ports-to-ignore": [], "subnets-to-ignore": [], "iptables-mode": "nft", "ipv6": true
        },
        "prevResult": {"cniVersion": "1.0.0", "ips": [{"address": "10.77.0.1/24"}]},
    })
}

/// Calls the plugin as a runtime does.
fn plugin(command: &str, namespace: &Path, pod: (&str, &str), entry: &Value) -> Output {
    let mut child = Command::new(BINARY)
        .env_clear()
        .env("CNI_COMMAND", command)
        .env("CNI_CONTAINERID", "c0ffee")
        .env("CNI_IFNAME", "eth0")
        .env("CNI_NETNS", namespace)
        .env("CNI_ARGS", format!("IgnoreUnknown=1;K8S_POD_NAMESPACE={};K8S_POD_NAME={}", pod.0, pod.1))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(entry.to_string().as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn answer(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&text)
        .unwrap_or_else(|_| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)))
}

/// A namespace of Kubernetes with a meshed pod, one with an init container of its own, and one without a proxy.
fn pods(cluster: &Cluster, namespace: &str) {
    let pod = |name: &str, containers: &str, annotations: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {name}\n  namespace: {namespace}\n  annotations: {{{annotations}}}\n\
             spec:\n  nodeName: node-of-{namespace}\n  serviceAccountName: default\n  automountServiceAccountToken: false\n{containers}"
        )
    };
    let container = |name: &str| format!("  - {{name: {name}, image: none}}\n");
    let app = container("app");
    let meshed = format!(
        "  initContainers:\n{}{}  containers:\n{app}",
        container("linkerd-network-validator"),
        "  - {name: linkerd-proxy, image: none, restartPolicy: Always}\n"
    );
    let own = format!(
        "  initContainers:\n{}  containers:\n{app}{}",
        container("linkerd-init"),
        container("linkerd-proxy")
    );
    let documents = [
        format!(
            "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {namespace}\n  annotations: {{config.linkerd.io/skip-outbound-ports: '3306'}}\n"
        ),
        format!(
            "apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: default\n  namespace: {namespace}\n"
        ),
        pod("meshed", &meshed, "config.linkerd.io/skip-inbound-ports: '25,5000-5010'"),
        pod("wrong", &meshed, "config.linkerd.io/skip-inbound-ports: all"),
        pod("own", &own, ""),
        pod("plain", &format!("  containers:\n{app}"), ""),
    ];
    for document in documents {
        cluster.apply(&document).unwrap();
    }
}

#[test]
fn a_meshed_pod_is_redirected_with_its_annotations_and_others_are_left_alone() {
    let cluster = Cluster::shared();
    pods(cluster, "cni-add");
    let entry = entry(&cluster.kubeconfig_path());
    let namespace = Namespace::new();

    for name in ["own", "plain"] {
        let output = plugin("ADD", &namespace.path(), ("cni-add", name), &entry);
        assert_eq!(answer(&output), entry["prevResult"], "the result of the plugins before is passed on");
        assert_eq!(namespace.rules(), "", "{name}");
    }

    let checked = plugin("CHECK", &namespace.path(), ("cni-add", "meshed"), &entry);
    assert_eq!(answer(&checked)["code"], 100, "nothing is redirected yet");
    for _ in 0..2 {
        let output = plugin("ADD", &namespace.path(), ("cni-add", "meshed"), &entry);
        assert!(output.status.success(), "{}", answer(&output));
        assert_eq!(answer(&output), entry["prevResult"]);
        let rules = namespace.rules();
        for part in [
            "table ip linkerd",
            "table ip6 linkerd",
            "tcp dport 25 ",
            "tcp dport 5000-5010 ",
            "tcp dport 3306 ",
            "2102",
        ] {
            assert!(rules.contains(part), "{part}: {rules}");
        }
    }
    let checked = plugin("CHECK", &namespace.path(), ("cni-add", "meshed"), &entry);
    assert!(
        checked.status.success() && checked.stdout.is_empty(),
        "{}",
        String::from_utf8_lossy(&checked.stdout)
    );
    let deleted = plugin("DEL", &namespace.path(), ("cni-add", "meshed"), &entry);
    assert!(deleted.status.success() && deleted.stdout.is_empty());
}

#[test]
fn a_pod_that_cannot_be_judged_is_not_started() {
    let cluster = Cluster::shared();
    pods(cluster, "cni-refuse");
    let good = entry(&cluster.kubeconfig_path());
    let namespace = Namespace::new();
    let refused = |name: &str, entry: &Value, path: &Path| {
        let output = plugin("ADD", path, ("cni-refuse", name), entry);
        assert_eq!(output.status.code(), Some(1));
        answer(&output)
    };

    let unknown = refused("nobody", &good, &namespace.path());
    assert_eq!(unknown["code"], 11, "the runtime is to try again: {unknown}");
    assert!(unknown["msg"].as_str().unwrap().contains("cni-refuse/nobody"), "{unknown}");

    let annotation = refused("wrong", &good, &namespace.path());
    assert!(
        annotation["msg"].as_str().unwrap().contains("config.linkerd.io/skip-inbound-ports"),
        "{annotation}"
    );

    let gone = refused("meshed", &good, Path::new("/run/netns/no-such-namespace"));
    assert!(gone["details"].as_str().unwrap().contains("no-such-namespace"), "{gone}");

    let mut first = good.clone();
    first.as_object_mut().unwrap().remove("prevResult");
    assert_eq!(refused("meshed", &first, &namespace.path())["code"], 7);

    let away = entry(Path::new("/none/kubeconfig"));
    assert_eq!(refused("meshed", &away, &namespace.path())["code"], 11);
    assert_eq!(namespace.rules(), "");
}

/// The repairer as a process; ended when dropped.
struct Repairer(Child);

impl Drop for Repairer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_pod_without_rules_is_repaired_where_it_runs() {
    let cluster = Cluster::shared();
    pods(cluster, "cni-repair");
    let (bystander, namespace) = (Namespace::new(), Namespace::new());
    let folder = tempfile::tempdir().unwrap();
    for one in [&bystander, &namespace] {
        symlink(one.path(), folder.path().join(&one.name)).unwrap();
    }
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let admin = format!("127.0.0.1:{port}");
    let _repairer = Repairer(
        Command::new(BINARY)
            .args(["repair", "--node-name=node-of-cni-repair", "--admin-addr", &admin, "--netns-dir"])
            .arg(folder.path())
            .arg("--kubeconfig")
            .arg(cluster.kubeconfig_path())
            .env("CNI_NETWORK_CONFIG", entry(Path::new("/unused")).to_string())
            .spawn()
            .unwrap(),
    );
    until("the repairer is ready", || get(&admin, "/ready").contains("200 OK"));

    let status = json!({"status": {
        "podIP": namespace.address, "podIPs": [{"ip": namespace.address}],
        "initContainerStatuses": [{
            "name": "linkerd-network-validator", "image": "none", "imageID": "", "ready": false, "restartCount": 1,
            "state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": {"terminated": {"exitCode": 95}}}],
    }});
    let patch = status.to_string();
    let mut patched = cluster.kubectl([
        "patch",
        "pod",
        "meshed",
        "-n",
        "cni-repair",
        "--subresource=status",
        "--type=merge",
        "-p",
        &patch,
    ]);
    stdout_of(&mut patched).unwrap();
    until("the pod is redirected", || namespace.rules().contains("tcp dport 5000-5010"));
    assert_eq!(bystander.rules(), "", "another pod's namespace was touched");
    until("an event tells of it", || {
        let mut events =
            cluster.kubectl(["get", "events", "-n", "cni-repair", "-o", "jsonpath={.items[*].reason}"]);
        stdout_of(&mut events).unwrap().contains("LinkerdCniRepaired")
    });
    assert!(get(&admin, "/metrics").contains("linkerd_cni_repair_repaired_total 1\n"));
    let mut alive = cluster.kubectl(["get", "pod", "meshed", "-n", "cni-repair", "-o", "name"]);
    assert_eq!(stdout_of(&mut alive).unwrap().trim(), "pod/meshed", "no pod is deleted");
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < deadline, "in vain: {what}");
        thread::sleep(Duration::from_millis(100));
    }
}

fn get(address: &str, path: &str) -> String {
    let mut text = String::new();
    if let Ok(mut stream) = TcpStream::connect(address) {
        let _ = write!(stream, "GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n");
        let _ = stream.read_to_string(&mut text);
    }
    text
}
