//! The clusters, the command under test, and kubectl.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use mesh_tests::cluster::build::{Group, tools};
use mesh_tests::cluster::{Cluster, Level, output_of, stdout_of};
use serde_json::Value;

/// Kinds of a control plane that live outside its namespace, but for the definitions.
const CLUSTER_WIDE: &str =
    "apiservice,mutatingwebhookconfiguration,validatingwebhookconfiguration,clusterrole,clusterrolebinding";

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    /// The output of a run that must have succeeded.
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        assert_eq!(self.code, 0, "stderr: {}\nstdout: {}", self.err, self.out);
        self.out
    }

    /// What a run said that must have failed with 1 and printed nothing on stdout.
    #[track_caller]
    pub(crate) fn refused(self) -> String {
        assert_eq!((self.code, self.out.as_str()), (1, ""), "stderr: {}", self.err);
        self.err
    }
}

/// The cluster for everything but control planes; it has the project's definitions.
pub(crate) fn workloads() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| {
        let cluster = Cluster::start_own(Level::ApiServer).unwrap();
        let definitions = linkerd(&cluster, ["install", "--crds", "--ignore-cluster"]).ok();
        cluster.apply(&definitions).unwrap();
        cluster.wait_for_definitions().unwrap();
        cluster
    })
}

/// The cluster for control planes, held by one test at a time and cleared of cluster-wide objects at the end.
pub(crate) struct Turn {
    pub(crate) cluster: &'static Cluster,
    /// None for a cluster that only this test has.
    _held: Option<MutexGuard<'static, ()>>,
}

impl Turn {
    pub(crate) fn take() -> Self {
        static ONE: Mutex<()> = Mutex::new(());
        let held = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        Self { cluster: Cluster::shared(), _held: Some(held) }
    }

    /// A cluster that no other test uses, for the one that takes as long as all others together.
    pub(crate) fn alone() -> Self {
        static CLUSTER: OnceLock<Cluster> = OnceLock::new();
        let cluster = CLUSTER.get_or_init(|| Cluster::start_own(Level::ApiServer).unwrap());
        Self { cluster, _held: None }
    }

    /// Removes what would be in the way of the next control plane. Namespaces end in their own time.
    pub(crate) fn clear(&self) {
        let label = "linkerd.io/control-plane-ns";
        for args in [
            &["delete", CLUSTER_WIDE, "--selector", label, "--wait=false"][..],
            &["delete", "rolebinding", "--namespace=kube-system", "--selector", label],
            &["delete", "namespace", "--selector=linkerd.io/is-control-plane", "--wait=false"],
        ] {
            // Best effort: it also runs when a test fails.
            let _ = output_of(&mut self.cluster.kubectl(args));
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.clear();
    }
}

/// Runs the command as the cluster's administrator.
pub(crate) fn linkerd<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(cluster: &Cluster, args: I) -> Ran {
    linkerd_as(&cluster.kubeconfig_path(), args)
}

/// Runs the command with a kubeconfig.
pub(crate) fn linkerd_as<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(kubeconfig: &Path, args: I) -> Ran {
    finish(command(kubeconfig).args(args), b"")
}

/// Runs the command on the standard input `input`.
pub(crate) fn linkerd_on<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(
    cluster: &Cluster,
    args: I,
    input: &str,
) -> Ran {
    finish(command(&cluster.kubeconfig_path()).args(args), input.as_bytes())
}

/// The command in an environment of its own.
pub(crate) fn command(kubeconfig: &Path) -> Command {
    let kubectl = tools(Group::Kubernetes, Level::ApiServer).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_linkerd"));
    command
        .env_clear()
        .env("KUBECONFIG", kubeconfig)
        .env("LC_ALL", "C.UTF-8")
        .env("PATH", format!("{}:/usr/bin:/bin", kubectl.dir().display()));
    command
}

/// Runs a command to its end on the standard input `input`.
pub(crate) fn finish(command: &mut Command, input: &[u8]) -> Ran {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || {
        // A command that refuses its input early may not read it all.
        let _ = stdin.write_all(&input);
    });
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
}

/// Runs kubectl on the standard input `input` and returns how it ended.
pub(crate) fn kubectl_on(cluster: &Cluster, args: &[&str], input: &str) -> Ran {
    finish(&mut cluster.kubectl(args), input.as_bytes())
}

/// Applies manifests; returns kubectl's lines.
#[track_caller]
pub(crate) fn apply(cluster: &Cluster, manifests: &str) -> String {
    kubectl_on(cluster, &["apply", "-f", "-"], manifests).ok()
}

/// The documents of a rendering, YAML or JSON objects one after another.
pub(crate) fn documents(text: &str) -> Vec<Value> {
    if text.starts_with('{') {
        return serde_json::Deserializer::from_str(text).into_iter().collect::<Result<_, _>>().unwrap();
    }
    mesh_yaml::from_stream(text).unwrap()
}

/// The live object, or null.
pub(crate) fn live(cluster: &Cluster, namespace: &str, kind: &str, name: &str) -> Value {
    let mut get =
        cluster.kubectl(["get", kind, name, "--namespace", namespace, "--ignore-not-found", "-o", "json"]);
    let text = stdout_of(&mut get).unwrap();
    if text.trim().is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() }
}

/// Makes a namespace and waits until pods can be made in it.
pub(crate) fn namespace(cluster: &Cluster, name: &str) {
    stdout_of(&mut cluster.kubectl(["create", "namespace", name])).unwrap();
    for _ in 0..100 {
        if !live(cluster, name, "serviceaccount", "default").is_null() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    panic!("namespace {name} got no service account");
}

/// A file of the tiers beside this one.
pub(crate) fn tests_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests")
}

/// The text of an entry of a Secret's `data`.
pub(crate) fn decoded(entry: &Value) -> String {
    use base64::Engine;
    let bytes = base64::engine::general_purpose::STANDARD.decode(entry.as_str().unwrap()).unwrap();
    String::from_utf8(bytes).unwrap()
}
