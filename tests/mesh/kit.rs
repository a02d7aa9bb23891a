//! A cluster with our images, and how to speak to it.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{LazyLock, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use mesh_tests::cluster::{Cluster, Forward, Level, Place, TestImage, stdout_of, stdout_with_input};

/// How long anything may take to come true.
const LIMIT: Duration = Duration::from_secs(60);

/// Held by each test: two clusters with nodes at once would share two processors.
static TURN: Mutex<()> = Mutex::new(());

/// A cluster with nodes whose containerd holds the images.
pub(crate) struct Mesh {
    /// First, so that it is down before the turn passes on.
    cluster: Cluster,
    _turn: MutexGuard<'static, ()>,
}

/// How a run of the command ended.
pub(crate) struct Ran {
    pub(crate) code: i32,
    /// Standard output, then standard error.
    pub(crate) text: String,
    out: String,
}

impl Ran {
    pub(crate) fn expect_success(self) -> String {
        assert_eq!(self.code, 0, "{}", self.text);
        self.out
    }
}

impl Mesh {
    /// Builds the images, starts the nodes and loads the images into them.
    pub(crate) fn start() -> Self {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let cluster = Cluster::start_own(Level::Node).unwrap();
        for image in images() {
            cluster.load_image(image).unwrap();
        }
        cluster.load_image(&TestImage::Web.file().unwrap()).unwrap();
        Self { cluster, _turn: turn }
    }

    /// A kubeconfig of somebody with the rights of these groups.
    pub(crate) fn user(&self, name: &str, groups: &[&str]) -> PathBuf {
        self.cluster.kubeconfig_for_user(name, groups).unwrap()
    }

    /// Runs the command under test as the administrator.
    pub(crate) fn linkerd(&self, args: &[&str]) -> Ran {
        self.linkerd_as(&self.cluster.kubeconfig_path(), args)
    }

    /// Runs the command under test as the user of a kubeconfig.
    pub(crate) fn linkerd_as(&self, kubeconfig: &Path, args: &[&str]) -> Ran {
        let output = Command::new(env!("CARGO_BIN_EXE_linkerd"))
            .args(args)
            .env("KUBECONFIG", kubeconfig)
            .output()
            .unwrap();
        let out = String::from_utf8_lossy(&output.stdout).into_owned();
        let text = format!("{out}{}", String::from_utf8_lossy(&output.stderr));
        Ran { code: output.status.code().unwrap_or(-1), text, out }
    }

    /// Runs the command under test for a while, and something else again and again meanwhile; returns what it printed.
    pub(crate) fn linkerd_while(&self, args: &[&str], time: Duration, work: impl FnMut()) -> String {
        self.linkerd_while_as(&self.cluster.kubeconfig_path(), args, time, work)
    }

    /// The same as the user of a kubeconfig.
    pub(crate) fn linkerd_while_as(
        &self,
        kubeconfig: &Path,
        args: &[&str],
        time: Duration,
        mut work: impl FnMut(),
    ) -> String {
        let mut child = Command::new(env!("CARGO_BIN_EXE_linkerd"))
            .args(args)
            .env("KUBECONFIG", kubeconfig)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let end = Instant::now() + time;
        while Instant::now() < end {
            work();
            thread::sleep(Duration::from_millis(50));
        }
        child.kill().unwrap();
        String::from_utf8_lossy(&child.wait_with_output().unwrap().stdout).into_owned()
    }

    pub(crate) fn apply(&self, manifests: &str) {
        self.cluster.apply(manifests).unwrap();
    }

    pub(crate) fn kubectl(&self, args: &[&str]) -> String {
        stdout_of(&mut self.cluster.kubectl(args))
            .unwrap_or_else(|error| panic!("{error:#}\n{}", self.state()))
    }

    /// What kubectl prints, or why it fails.
    pub(crate) fn try_kubectl(&self, args: &[&str]) -> Result<String, String> {
        stdout_of(&mut self.cluster.kubectl(args)).map_err(|error| format!("{error:#}"))
    }

    /// Waits until every Deployment of a namespace is rolled out.
    pub(crate) fn rollout(&self, namespace: &str, limit: Duration) {
        let deadline = Instant::now() + limit;
        let names = self.kubectl(&[
            "get",
            "deployments",
            "-n",
            namespace,
            "-o",
            "jsonpath={.items[*].metadata.name}",
        ]);
        for name in names.split_whitespace() {
            let left = deadline.saturating_duration_since(Instant::now()).as_secs().max(1);
            let (timeout, name) = (format!("--timeout={left}s"), format!("deployment/{name}"));
            self.kubectl(&["rollout", "status", &name, "-n", namespace, &timeout]);
        }
    }

    /// Deletes what manifests name.
    pub(crate) fn delete(&self, manifests: &str) {
        let mut delete = self.cluster.kubectl(["delete", "--timeout=120s", "-f", "-"]);
        stdout_with_input(&mut delete, manifests).unwrap();
    }

    /// Takes the API server away for a while, and waits until it is back.
    pub(crate) fn without_api_server(&self, time: Duration) {
        self.cluster.without_api_server(|| thread::sleep(time)).unwrap();
    }

    /// A loopback address that leads to an address inside as `place` sees it.
    pub(crate) fn forward(&self, place: Place, target: SocketAddr) -> Forward {
        self.cluster.forward(place, target).unwrap()
    }

    /// A program in the network of `place`.
    pub(crate) fn command_at(&self, place: Place, program: &str) -> Command {
        self.cluster.command_at(place, program).unwrap()
    }

    /// What the container runtime of a node does to the network of a pod.
    pub(crate) fn network_config(&self, node: &str) -> String {
        let folder = self.cluster.dir().join(node).join("etc/cni/net.d");
        let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|it| it.unwrap().path()).collect();
        files.retain(|file| file.extension().is_some_and(|it| it == "conflist"));
        files.iter().map(|file| fs::read_to_string(file).unwrap()).collect()
    }

    /// The addresses of some pods.
    pub(crate) fn addresses(&self, namespace: &str, selector: &str) -> Vec<String> {
        let query =
            ["get", "pods", "-n", namespace, "-l", selector, "-o", "jsonpath={.items[*].status.podIP}"];
        self.kubectl(&query).split_whitespace().map(str::to_owned).collect()
    }

    /// The names of the init containers of some pods; native sidecars are among them.
    pub(crate) fn containers(&self, namespace: &str, selector: &str) -> String {
        let names = "jsonpath={.items[*].spec.initContainers[*].name}";
        self.kubectl(&["get", "pods", "-n", namespace, "-l", selector, "-o", names])
    }

    /// What the proxies of some pods expose.
    pub(crate) fn metrics(&self, namespace: &str, selector: &str) -> String {
        let one = |ip: &str| {
            let target: SocketAddr = format!("{ip}:4191").parse().unwrap();
            let forward = self.cluster.forward(Place::ControlPlane, target).unwrap();
            fetch(forward.local_addr(), "/metrics").unwrap_or_else(|error| panic!("{ip}: {error}"))
        };
        self.addresses(namespace, selector).iter().map(|ip| one(ip)).collect()
    }

    /// What one needs to see when something does not come up.
    fn state(&self) -> String {
        let run = |args: &[&str]| {
            stdout_of(&mut self.cluster.kubectl(args)).unwrap_or_else(|error| format!("{error:#}"))
        };
        let pods = run(&[
            "get",
            "pods",
            "-A",
            "-o",
            "jsonpath={range .items[*]}{.metadata.namespace} {.metadata.name}\n{end}",
        ]);
        let logs = pods.lines().filter_map(|line| {
            let (namespace, name) = line.split_once(' ')?;
            let logs = run(&["logs", "-n", namespace, name, "--all-containers", "--prefix", "--tail=12"]);
            Some(format!("== {line}\n{logs}"))
        });
        let warnings = ["get", "events", "-A", "--field-selector=type=Warning"];
        let mut text = [run(&["get", "pods", "-A", "-o", "wide"]), run(&warnings)].concat();
        text.extend(logs);
        text
    }
}

/// The images, built once by the script that users run, in a profile that builds quickly.
fn images() -> &'static [PathBuf] {
    static IMAGES: LazyLock<Vec<PathBuf>> = LazyLock::new(build_images);
    &IMAGES
}

fn build_images() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let out = root.join("target/images-for-tests");
    let tag = env!("CARGO_PKG_VERSION");
    let status = Command::new("bash")
        .arg(root.join("manifests/images/build"))
        .args(["--profile", "image", "--tag", &format!("stable-{tag}"), "--out"])
        .arg(&out)
        .status()
        .unwrap();
    assert!(status.success(), "the images were not built; the output is above");
    ["controller", "proxy", "proxy-init", "cni-plugin"].map(|name| out.join(format!("{name}.tar"))).into()
}

/// Manifests with the name of the test image in place.
pub(crate) fn with_images(manifests: &str) -> String {
    manifests.replace("WEB", TestImage::Web.name())
}

/// Asks until it holds; the last reason is told when it never does.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> Result<(), String>) {
    let deadline = Instant::now() + LIMIT;
    while let Err(reason) = holds() {
        assert!(Instant::now() < deadline, "in vain: {what}: {reason}");
        thread::sleep(Duration::from_millis(200));
    }
}

/// Status and body of the answer, or the error as a text.
pub(crate) fn get(address: SocketAddr, path: &str) -> String {
    fetch(address, path).unwrap_or_else(|error| error.to_string())
}

fn fetch(address: SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    Ok(format!("{} {body}", head.split(' ').nth(1).unwrap_or("-")))
}
