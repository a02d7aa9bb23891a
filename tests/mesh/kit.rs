//! A cluster with our images, and how to speak to it.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use mesh_tests::cluster::{Cluster, Forward, Level, Place, TestImage, stdout_of};

/// How long anything may take to come true.
const LIMIT: Duration = Duration::from_secs(60);

/// A cluster with nodes whose containerd holds the images.
pub(crate) struct Mesh {
    cluster: Cluster,
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
        let images = images();
        let cluster = Cluster::start_own(Level::Node).unwrap();
        for image in images {
            cluster.load_image(&image).unwrap();
        }
        cluster.load_image(&TestImage::Web.file().unwrap()).unwrap();
        Self { cluster }
    }

    /// Runs the command under test.
    pub(crate) fn linkerd(&self, args: &[&str]) -> Ran {
        let output = Command::new(env!("CARGO_BIN_EXE_linkerd"))
            .args(args)
            .env("KUBECONFIG", self.cluster.kubeconfig_path())
            .output()
            .unwrap();
        let out = String::from_utf8_lossy(&output.stdout).into_owned();
        let text = format!("{out}{}", String::from_utf8_lossy(&output.stderr));
        Ran { code: output.status.code().unwrap_or(-1), text, out }
    }

    /// Runs the command under test for a while, and something else again and again meanwhile; returns what it printed.
    pub(crate) fn linkerd_while(&self, args: &[&str], time: Duration, mut work: impl FnMut()) -> String {
        let mut child = Command::new(env!("CARGO_BIN_EXE_linkerd"))
            .args(args)
            .env("KUBECONFIG", self.cluster.kubeconfig_path())
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

    /// A loopback address that leads to a Service as a node sees it.
    pub(crate) fn forward(&self, namespace: &str, service: &str) -> Forward {
        let ip =
            self.kubectl(&["get", "service", service, "-n", namespace, "-o", "jsonpath={.spec.clusterIP}"]);
        let target: SocketAddr = format!("{ip}:80").parse().unwrap();
        self.cluster.forward(Place::Node(1), target).unwrap()
    }

    /// What the proxies of some pods expose.
    pub(crate) fn metrics(&self, namespace: &str, selector: &str) -> String {
        let query =
            ["get", "pods", "-n", namespace, "-l", selector, "-o", "jsonpath={.items[*].status.podIP}"];
        let addresses = self.kubectl(&query);
        let one = |ip: &str| {
            let target: SocketAddr = format!("{ip}:4191").parse().unwrap();
            let forward = self.cluster.forward(Place::ControlPlane, target).unwrap();
            fetch(forward.local_addr(), "/metrics").unwrap_or_else(|error| panic!("{ip}: {error}"))
        };
        addresses.split_whitespace().map(one).collect()
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

/// The images, built by the script that users run, in a profile that builds quickly.
fn images() -> Vec<PathBuf> {
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
    ["controller", "proxy", "proxy-init"].map(|name| out.join(format!("{name}.tar"))).into()
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
pub(crate) fn get(address: SocketAddr) -> String {
    fetch(address, "/").unwrap_or_else(|error| error.to_string())
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
