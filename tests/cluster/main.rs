//! Tests of the test clusters themselves, at level `apiserver`.

use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use mesh_tests::cluster::build::{Group, tools};
use mesh_tests::cluster::{Cluster, Level, leftovers, output_of, stdout_of};

/// How long a start may take once everything is built.
const START_LIMIT: Duration = Duration::from_secs(15);

/// Held while a cluster starts: two starts at once would share the processors, and one of them is timed.
static STARTING: Mutex<()> = Mutex::new(());

fn shared() -> &'static Cluster {
    let _turn = STARTING.lock();
    Cluster::shared()
}

#[test]
fn starts_in_time_and_leaves_nothing_behind() {
    // The programs are built, if need be, before the clock runs.
    tools(Group::Kubernetes, Level::ApiServer).unwrap();
    let turn = STARTING.lock();
    let begin = Instant::now();
    let cluster = Cluster::start_own(Level::ApiServer).unwrap();
    let took = begin.elapsed();
    drop(turn);
    let dir = cluster.dir().to_owned();
    assert!(!leftovers(&dir).unwrap().is_empty(), "a running cluster must be seen");
    drop(cluster);
    assert_eq!(leftovers(&dir).unwrap(), Vec::<String>::new());
    assert!(took < START_LIMIT, "the start took {took:?}");
}

#[test]
fn client_and_server_are_of_the_pinned_version() {
    let text = stdout_of(&mut shared().kubectl(["version", "-o", "json"])).unwrap();
    let version: serde_json::Value = serde_json::from_str(&text).unwrap();
    let client = &version["clientVersion"]["gitVersion"];
    assert_eq!(client, &version["serverVersion"]["gitVersion"]);
    assert_ne!(client, "v0.0.0-master+$Format:%H$", "the version was not linked in");
    assert_eq!(version["serverVersion"]["major"], "1");
}

#[test]
fn rbac_denies_a_weak_user_until_a_group_is_bound() {
    let cluster = shared();
    let weak = cluster.kubeconfig_for_user("weak", &["weak-readers", "others"]).unwrap();
    let mut list = cluster.kubectl_as(&weak, ["get", "secrets", "--namespace=kube-system"]);
    let refused = output_of(&mut list).unwrap();
    assert!(!refused.status.success());
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains("Forbidden") && said.contains("User \"weak\""), "{said}");

    let binding = "\
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  name: weak-readers
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: ClusterRole
  name: cluster-admin
subjects:
- apiGroup: rbac.authorization.k8s.io
  kind: Group
  name: weak-readers
";
    assert!(cluster.apply(binding).unwrap().contains("created"));
    // The authorizer learns of the binding through a watch.
    let allowed = (0..50).any(|_| {
        std::thread::sleep(Duration::from_millis(100));
        output_of(&mut list).unwrap().status.success()
    });
    assert!(allowed, "the group of the certificate was not seen");
}

#[test]
fn an_existing_cluster_certifies_users_itself() {
    let own = shared();
    let existing = Cluster::existing(&own.kubeconfig_path()).unwrap();
    assert_eq!(existing.server(), own.server());
    let user = existing.kubeconfig_for_user("visitor", &["guests"]).unwrap();
    let who = stdout_of(&mut existing.kubectl_as(&user, ["auth", "whoami", "-o", "json"])).unwrap();
    let who: serde_json::Value = serde_json::from_str(&who).unwrap();
    assert_eq!(who["status"]["userInfo"]["username"], "visitor");
    assert_eq!(who["status"]["userInfo"]["groups"], serde_json::json!(["guests", "system:authenticated"]));
}

#[test]
fn a_namespace_with_objects_terminates() {
    let cluster = shared();
    let yaml = "\
apiVersion: v1
kind: Namespace
metadata:
  name: short-lived
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: content
  namespace: short-lived
data:
  key: value
";
    cluster.apply(yaml).unwrap();
    let begin = Instant::now();
    stdout_of(&mut cluster.kubectl(["delete", "namespace", "short-lived", "--wait", "--timeout=60s"]))
        .unwrap();
    assert!(begin.elapsed() < Duration::from_secs(60));
    let gone = output_of(&mut cluster.kubectl(["get", "namespace", "short-lived"])).unwrap();
    assert!(String::from_utf8_lossy(&gone.stderr).contains("NotFound"));
}

#[test]
fn a_pod_that_breaks_its_namespaces_security_level_is_refused() {
    let cluster = shared();
    let namespace = "\
apiVersion: v1
kind: Namespace
metadata:
  name: restricted
  labels:
    pod-security.kubernetes.io/enforce: restricted
";
    cluster.apply(namespace).unwrap();
    let pod = "\
apiVersion: v1
kind: Pod
metadata:
  name: root
  namespace: restricted
spec:
  containers:
  - name: root
    image: none
";
    let error = cluster.apply(pod).unwrap_err().to_string();
    assert!(error.contains("violates PodSecurity"), "{error}");
}

#[test]
fn an_unusable_document_is_an_error_that_says_why() {
    let error = shared().apply("apiVersion: v1\nkind: Nonsense\nmetadata:\n  name: x\n").unwrap_err();
    assert!(error.to_string().contains("Nonsense"), "{error}");
}

#[test]
fn the_api_server_goes_away_and_comes_back_with_all_it_knew() {
    let turn = STARTING.lock();
    let cluster = Cluster::start_own(Level::ApiServer).unwrap();
    drop(turn);
    let reaches =
        || output_of(&mut cluster.kubectl(["get", "configmap", "kept", "--request-timeout=2s"])).unwrap();
    stdout_of(&mut cluster.kubectl(["create", "configmap", "kept"])).unwrap();
    assert!(reaches().status.success());
    for _ in 0..2 {
        let meanwhile = cluster.without_api_server(reaches).unwrap();
        assert!(!meanwhile.status.success(), "the API server answered while it was away");
        assert!(reaches().status.success());
    }
    assert!(!cluster.dir().join("ended").exists(), "that is not the end of a part");
}

#[test]
fn nothing_outlives_a_killed_process() {
    let _turn = STARTING.lock();
    let mut child = Command::new(env!("CARGO_BIN_EXE_test-cluster"))
        .args(["up", "--level", "apiserver"])
        .env_remove("KUBECONFIG_E2E")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let dir = lines
        .by_ref()
        .map_while(Result::ok)
        .find_map(|line| exported_dir(&line))
        .expect("the kubeconfig's path");
    assert!(!leftovers(&dir).unwrap().is_empty(), "a running cluster must be seen");

    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(9), "the process must have had no chance to clean up");
    let deadline = Instant::now() + Duration::from_secs(10);
    while Instant::now() < deadline && !leftovers(&dir).unwrap().is_empty() {
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(leftovers(&dir).unwrap(), Vec::<String>::new());
}

fn exported_dir(line: &str) -> Option<PathBuf> {
    let kubeconfig = line.strip_prefix("export KUBECONFIG=")?;
    Path::new(kubeconfig).parent().map(Path::to_owned)
}
