//! Tests on nodes where pods really run (level `node`).

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use mesh_tests::cluster::{Cluster, Level, NODES, Place, TestImage, leftovers, stdout_of};

/// How long pods may take to be ready, and an answer to come.
const LIMIT: Duration = Duration::from_secs(90);

/// Four pods over both nodes. The first container asks the sidecar before it listens, so that it fails, and shows up as
/// a restart, unless the sidecar is up before it.
const DEMO: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: demo
spec:
  replicas: 4
  selector:
    matchLabels: {app: demo}
  template:
    metadata:
      labels: {app: demo}
    spec:
      terminationGracePeriodSeconds: 1
      topologySpreadConstraints:
      - maxSkew: 1
        topologyKey: kubernetes.io/hostname
        whenUnsatisfiable: DoNotSchedule
        labelSelector:
          matchLabels: {app: demo}
      initContainers:
      - name: sidecar
        image: IMAGE
        imagePullPolicy: Never
        restartPolicy: Always
        args: ['4000', sidecar]
        startupProbe:
          httpGet: {port: 4000}
          periodSeconds: 1
          failureThreshold: 30
        securityContext: &restricted
          runAsUser: 2102
          runAsNonRoot: true
          readOnlyRootFilesystem: true
          allowPrivilegeEscalation: false
          capabilities: {drop: [ALL]}
          seccompProfile: {type: RuntimeDefault}
        resources:
          limits: {cpu: 100m, memory: 32Mi}
      containers:
      - name: web
        image: IMAGE
        imagePullPolicy: Never
        args: ['8080', web, '127.0.0.1:4000']
        env:
        - name: NODE
          valueFrom:
            fieldRef: {fieldPath: spec.nodeName}
        readinessProbe:
          httpGet: {port: 8080}
          periodSeconds: 1
        securityContext: *restricted
---
apiVersion: v1
kind: Service
metadata:
  name: demo
spec:
  selector: {app: demo}
  ports:
  - {port: 80, targetPort: 8080}
";

/// Held by each test: two clusters with nodes at once would share two processors.
static TURN: Mutex<()> = Mutex::new(());

#[test]
fn a_deployment_with_a_sidecar_answers_on_both_nodes_and_leaves_nothing() {
    let _turn = TURN.lock();
    let cluster = Cluster::start_own(Level::Node).unwrap();
    let dir = cluster.dir().to_owned();
    let namespaces = namespaces_of(&dir);
    assert_eq!(namespaces.len(), 3 + 2 * usize::from(NODES));
    // Nodes have programs in them: each namespace must show up, or the same look at the end would prove nothing.
    assert!(namespaces.is_subset(&namespaces_in_use()));

    cluster.load_image(&TestImage::Web.file().unwrap()).unwrap();
    cluster.apply(&DEMO.replace("IMAGE", TestImage::Web.name())).unwrap();
    let rollout = ["rollout", "status", "deployment/demo", "--timeout=90s"];
    if let Err(error) = stdout_of(&mut cluster.kubectl(rollout)) {
        let pods = stdout_of(&mut cluster.kubectl(["describe", "pods"])).unwrap();
        panic!("{error:#}\n{pods}");
    }
    assert_eq!(restarts(&cluster), ["0"; 8].join(" "), "a container came up before what it needs");

    let address =
        stdout_of(&mut cluster.kubectl(["get", "service", "demo", "-o", "jsonpath={.spec.clusterIP}"]));
    let service: SocketAddr = format!("{}:80", address.unwrap()).parse().unwrap();
    for node in 1..=NODES {
        let forward = cluster.forward(Place::Node(node), service).unwrap();
        let expected =
            BTreeSet::from(["web@node1 via sidecar@", "web@node2 via sidecar@"].map(str::to_owned));
        assert_eq!(answers(forward.local_addr(), expected.len()), expected, "through node {node}");
    }
    let logs = stdout_of(&mut cluster.kubectl(["logs", "deployment/demo", "--container=web"])).unwrap();
    assert!(logs.contains("web listens on 8080"), "{logs}");

    assert!(leftovers(&dir).unwrap().iter().any(|line| line.starts_with("control group")));
    drop(cluster);
    assert_eq!(leftovers(&dir).unwrap(), Vec::<String>::new());
    assert!(namespaces_in_use().is_disjoint(&namespaces), "processes still live in the cluster's namespaces");
}

#[test]
fn nothing_outlives_a_killed_process_whose_pods_run() {
    let _turn = TURN.lock();
    let mut child = Command::new(env!("CARGO_BIN_EXE_test-cluster"))
        .args(["up", "--level", "node"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    // By reference: the pipe has to stay open, for the program goes on writing to it.
    let kubeconfig = lines
        .by_ref()
        .map_while(Result::ok)
        .find_map(|line| line.strip_prefix("export KUBECONFIG=").map(PathBuf::from))
        .expect("the kubeconfig's path");
    let dir = kubeconfig.parent().unwrap().to_owned();
    let namespaces = namespaces_of(&dir);
    let cluster = Cluster::existing(&kubeconfig).unwrap();
    let run = ["run", "idle", "--image-pull-policy=Never", "--image", TestImage::Pause.name()];
    stdout_of(&mut cluster.kubectl(run)).unwrap();
    stdout_of(&mut cluster.kubectl(["wait", "--for=condition=Ready", "pod/idle", "--timeout=90s"])).unwrap();

    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(9), "the process must have had no chance to clean up");
    let deadline = Instant::now() + Duration::from_secs(15);
    while Instant::now() < deadline && !leftovers(&dir).unwrap().is_empty() {
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(leftovers(&dir).unwrap(), Vec::<String>::new());
    assert!(namespaces_in_use().is_disjoint(&namespaces), "processes still live in the cluster's namespaces");
}

/// How often each container of the demo was started again, those of the sidecar last.
fn restarts(cluster: &Cluster) -> String {
    let query = "jsonpath={.items[*].status.containerStatuses[*].restartCount} \
                 {.items[*].status.initContainerStatuses[*].restartCount}";
    stdout_of(&mut cluster.kubectl(["get", "pods", "-l", "app=demo", "-o", query])).unwrap()
}

/// What the Service answers, until `wanted` different answers were seen.
fn answers(service: SocketAddr, wanted: usize) -> BTreeSet<String> {
    let deadline = Instant::now() + LIMIT;
    let mut seen = BTreeSet::new();
    while seen.len() < wanted && Instant::now() < deadline {
        // Until kube-proxy has written its rules, nothing answers.
        match get(service) {
            Ok(answer) => seen.extend(answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned())),
            Err(_) => std::thread::sleep(Duration::from_millis(100)),
        }
    }
    seen
}

fn get(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: demo\r\nConnection: close\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}

/// The namespaces that a cluster made, by their inodes: PID, mounts, the fabric's network, network and mounts of each node.
fn namespaces_of(dir: &Path) -> BTreeSet<u64> {
    let pid = fs::read_to_string(dir.join("init.pid")).unwrap();
    let process = Path::new("/proc").join(pid.trim());
    let own = ["pid", "mnt", "net"].map(|kind| process.join("ns").join(kind));
    let root = process.join("root");
    let of_node = |node| {
        // A link to the process that holds them, as it is numbered inside.
        let mounts = fs::read_link(root.join(format!("run/mounts/node{node}"))).unwrap();
        [root.join(format!("run/netns/node{node}")), root.join(mounts.strip_prefix("/").unwrap())]
    };
    let nodes = (1..=NODES).flat_map(of_node);
    own.into_iter().chain(nodes).map(|path| fs::metadata(path).unwrap().ino()).collect()
}

fn namespaces_in_use() -> BTreeSet<u64> {
    let processes = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path().join("ns"));
    let kinds = processes.flat_map(|namespaces| ["pid", "mnt", "net"].map(|kind| namespaces.join(kind)));
    kinds.filter_map(|path| fs::metadata(path).ok()).map(|metadata| metadata.ino()).collect()
}
