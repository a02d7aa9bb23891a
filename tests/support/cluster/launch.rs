//! Starting a cluster: from an empty folder to parts that answer.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::build::{Group, Tools, tools as built};
use super::control_plane::{Addresses, ControlPlane};
use super::forward::Forward;
use super::images::TestImage;
use super::level::Level;
use super::node::{FABRIC_ADDRESS, NODES, nodes, prepare_fabric};
use super::pki::User;
use super::ports::free_ports;
use super::run::output_of;
use super::script::{InitScript, Part};
use super::supervisor::Supervisor;
use super::{Place, cgroup_name};

/// How long each step of the start may take.
const STEP_LIMIT: Duration = Duration::from_secs(90);

/// A cluster that this process started.
pub(super) struct Own {
    /// Signs for users.
    pub(super) plane: ControlPlane,
    level: Level,
    /// At level `node`: the way into the cluster's namespaces.
    pub(super) fabric: Option<Fabric>,
    supervisor: Supervisor,
}

/// The namespaces of a cluster of level `node`, seen from outside.
pub(super) struct Fabric {
    init_pid: u32,
    _api: Forward,
}

impl Fabric {
    /// The file of a network namespace.
    pub(super) fn network(&self, place: Place) -> PathBuf {
        let process = PathBuf::from(format!("/proc/{}", self.init_pid));
        match place {
            Place::ControlPlane => process.join("ns/net"),
            Place::Node(number) => process.join(format!("root/run/netns/node{number}")),
        }
    }

    /// A program that sees the mounts and the processes of the cluster.
    pub(super) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.init_pid.to_string(), "--mount", "--pid", "--net", "--", program]);
        command
    }
}

impl Own {
    /// Writes all files and starts all parts; they are not ready yet.
    ///
    /// # Errors
    /// When a file cannot be written, an image not built, or the supervisor not started.
    pub(super) fn launch(dir: &Path, level: Level, tools: &Tools) -> Result<Self> {
        if level == Level::Node && !nix::unistd::geteuid().is_root() {
            bail!(
                "a test cluster of level node makes namespaces and control groups\nhint: run the test as root"
            );
        }
        let addresses = addresses(level)?;
        let plane = ControlPlane::prepare(dir, addresses.clone())?;
        write_init_script(dir, level, tools, &plane)?;
        match level {
            Level::Storage | Level::ApiServer => {
                let supervisor = Supervisor::start(dir, None, &private_user_namespace())?;
                Ok(Self { plane, level, fabric: None, supervisor })
            }
            Level::Node => {
                let mut supervisor = Supervisor::start(dir, Some(&cgroup_name(dir)), &["--mount", "--net"])?;
                let init_pid = supervisor.init_pid()?;
                let network = PathBuf::from(format!("/proc/{init_pid}/ns/net"));
                let api = SocketAddr::from((addresses.api, addresses.api_port));
                let api = Forward::start(addresses.test_port, &network, api)?;
                Ok(Self { plane, level, fabric: Some(Fabric { init_pid, _api: api }), supervisor })
            }
        }
    }

    /// Waits until the cluster takes requests and pods, and at level `node` until every node is ready.
    ///
    /// # Errors
    /// When a part ends or takes too long; the error shows the ends of the logs.
    pub(super) fn wait_until_ready(&mut self, kubectl: impl Fn(&[&str]) -> Command) -> Result<()> {
        let api_server = ("a ready API server", ["get", "--raw", "/readyz"].as_slice());
        // Pods are refused until the controller manager has made the namespace's account.
        let account: (_, &[&str]) =
            ("the default ServiceAccount", &["get", "serviceaccount", "default", "--namespace=default"]);
        let account = (self.level >= Level::ApiServer).then_some(account);
        for (what, args) in [api_server].into_iter().chain(account) {
            self.supervisor.wait_for(what, STEP_LIMIT, || {
                Ok(output_of(&mut kubectl(args))?.status.success().then_some(()))
            })?;
        }
        if self.fabric.is_none() {
            return Ok(());
        }
        let query = "jsonpath={.items[*].status.conditions[?(@.type==\"Ready\")].status}";
        self.supervisor.wait_for("ready nodes", STEP_LIMIT, || {
            let output = output_of(&mut kubectl(&["get", "nodes", "-o", query]))?;
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            let ready = text.split_whitespace().filter(|status| *status == "True").count();
            Ok((ready == usize::from(NODES)).then_some(()))
        })
    }
}

fn addresses(level: Level) -> Result<Addresses> {
    Ok(match level {
        Level::Storage | Level::ApiServer => {
            let [api_port, etcd_client_port, etcd_peer_port] = free_ports()?;
            Addresses {
                api: Ipv4Addr::LOCALHOST,
                api_port,
                test_port: api_port,
                etcd_client_port,
                etcd_peer_port,
            }
        }
        // In a network of its own any port is free, but for the one on this side.
        Level::Node => {
            let [test_port] = free_ports()?;
            Addresses {
                api: FABRIC_ADDRESS,
                api_port: 6443,
                test_port,
                etcd_client_port: 2379,
                etcd_peer_port: 2380,
            }
        }
    })
}

fn write_init_script(dir: &Path, level: Level, tools: &Tools, plane: &ControlPlane) -> Result<()> {
    let mut script = InitScript::new(dir);
    let cgroup = cgroup_name(dir);
    if level == Level::Node {
        prepare_fabric(&mut script, &cgroup);
    }
    for part in plane.parts(tools, level) {
        script.start(&part);
    }
    if level == Level::Node {
        script.start(&names(dir, plane)?);
        let pause_image = TestImage::Pause.file()?;
        for node in nodes(dir) {
            node.prepare(plane, &cgroup)?;
            for part in node.parts(tools, &pause_image) {
                script.start(&part);
            }
        }
    }
    fs::write(dir.join("init.sh"), script.finish()).context("cannot write init.sh")
}

/// The server of names: it answers pods from the network of the control plane, and knows Services from the API server.
fn names(dir: &Path, plane: &ControlPlane) -> Result<Part> {
    let program = built(Group::CoreDns, Level::Node)?.path("coredns");
    // Reading everything is what it is there for, and the cluster is a test's own.
    plane.write_kubeconfig("coredns", &User { name: "coredns", groups: &["system:masters"] })?;
    let config = format!(
        "cluster.local in-addr.arpa ip6.arpa {{\n  bind {FABRIC_ADDRESS}\n  errors\n  \
         kubernetes cluster.local in-addr.arpa ip6.arpa {{\n    kubeconfig {}\n    ttl 5\n  }}\n}}\n",
        dir.join("coredns.kubeconfig").display()
    );
    let file = dir.join("Corefile");
    fs::write(&file, config).context("cannot write the configuration of the names")?;
    Ok(Part::new("coredns", &program).flags([("conf", file.display())]))
}

/// The options of `unshare` that let a user other than root make the PID namespace.
fn private_user_namespace() -> Vec<&'static str> {
    if nix::unistd::geteuid().is_root() { Vec::new() } else { vec!["--user", "--map-current-user"] }
}
