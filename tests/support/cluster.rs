//! A real Kubernetes on this machine, for tests that need one.
//!
//! [`Cluster::start`] brings up a cluster of a [`Level`] and takes it down when the handle is dropped;
//! [`Cluster::shared`] keeps one for all tests of a process. Whatever happens to the process, no part of the cluster
//! outlives it: everything runs in a PID namespace whose first process ends with the test process (its
//! supervisor is a shell that holds a pipe to it). `KUBECONFIG_E2E` names an existing cluster to use instead.
//!
//! ```no_run
//! use mesh_tests::cluster::{Cluster, stdout_of};
//!
//! let cluster = Cluster::shared();
//! cluster.apply("apiVersion: v1\nkind: Namespace\nmetadata:\n  name: demo\n")?;
//! let names = stdout_of(&mut cluster.kubectl(["get", "namespaces", "-o", "name"]))?;
//! assert!(names.contains("namespace/demo"));
//! # Ok::<(), anyhow::Error>(())
//! ```

pub mod build;
mod control_plane;
mod environment;
mod external;
mod forward;
pub mod image;
mod images;
mod launch;
mod leftovers;
mod level;
mod node;
mod outage;
mod packages;
mod pki;
mod ports;
mod run;
mod script;
mod supervisor;

use std::ffi::OsStr;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use build::{Group, Tools};
use external::External;
pub use forward::Forward;
pub use images::TestImage;
use launch::{Fabric, Own};
pub use leftovers::{abandoned, leftovers, remove_abandoned};
pub use level::Level;
pub use node::NODES;
use pki::{User, write_private};
pub use run::{output_of, stdout_of, stdout_with_input};

/// How every folder of a test cluster is named, so that leftovers can be told.
pub const DIR_PREFIX: &str = "linkerd-test-cluster-";

/// How long an API server may take to be ready again.
const API_SERVER_BACK: Duration = Duration::from_secs(60);

/// The administrator's kubeconfig in a cluster's folder.
const ADMIN: &str = "admin.kubeconfig";

/// A Kubernetes cluster that tests may use.
pub struct Cluster {
    /// First, so that it is dropped first: the parts end before anything they use goes away.
    backing: Backing,
    tools: Tools,
    dir: PathBuf,
    server: String,
}

/// From where in a cluster of level `node` something is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The network of the control plane: it has routes to every node and every pod.
    ControlPlane,
    /// The network of a node, counted from 1: it reaches the addresses of Services too.
    Node(u8),
}

/// Where a cluster comes from.
enum Backing {
    /// Started by this process, and taken down when the supervisor is dropped.
    Own(Box<Own>),
    /// There already; the folder only holds what tests need on this side.
    External { external: External, _folder: TempDir },
}

impl Cluster {
    /// Brings up a cluster and waits until it is ready; with `KUBECONFIG_E2E` set, takes the cluster it names.
    ///
    /// The first time on a machine this builds Kubernetes, which takes minutes (`test-cluster build` does it ahead).
    ///
    /// # Errors
    /// When something it needs is not installed (the message says what to install), or when a part of the cluster
    /// does not come up.
    pub fn start(level: Level) -> Result<Self> {
        match environment::external_kubeconfig() {
            Some(kubeconfig) => Self::existing(&kubeconfig),
            None => Self::start_own(level),
        }
    }

    /// A cluster that exists already, through the kubeconfig of an administrator.
    ///
    /// # Errors
    /// When the kubeconfig names no cluster.
    pub fn existing(kubeconfig: &Path) -> Result<Self> {
        let tools = build::tools(Group::Kubernetes, Level::ApiServer)?;
        let folder = new_folder()?;
        let external = External::new(tools.path("kubectl"), kubeconfig.to_owned());
        let server = external.server()?;
        let dir = folder.path().to_owned();
        Ok(Self { backing: Backing::External { external, _folder: folder }, tools, dir, server })
    }

    /// As [`Cluster::start`], but always a cluster of its own.
    ///
    /// # Errors
    /// As [`Cluster::start`].
    pub fn start_own(level: Level) -> Result<Self> {
        packages::require(level)?;
        let tools = build::tools(Group::Kubernetes, level)?;
        let folder = new_folder()?;
        let mut own = Own::launch(folder.path(), level, &tools)?;
        // From here on the supervisor removes the folder.
        let dir = folder.keep();
        own.wait_until_ready(|args| kubectl(&tools, &dir, &dir.join(ADMIN), args))?;
        let server = own.plane.server();
        Ok(Self { backing: Backing::Own(Box::new(own)), tools, dir, server })
    }

    /// The cluster that all tests of this process share, at level [`Level::ApiServer`]; the first caller starts it.
    ///
    /// # Panics
    /// When it cannot be started: no test that asks for it can go on.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Result<Cluster, String>> = OnceLock::new();
        match SHARED.get_or_init(|| Self::start(Level::ApiServer).map_err(|error| format!("{error:#}"))) {
            Ok(cluster) => cluster,
            Err(error) => panic!("no test cluster: {error}"),
        }
    }

    /// The kubeconfig of an administrator.
    pub fn kubeconfig_path(&self) -> PathBuf {
        match &self.backing {
            Backing::Own(_) => self.dir.join(ADMIN),
            Backing::External { external, .. } => external.kubeconfig().to_owned(),
        }
    }

    /// Writes a kubeconfig for any other user, who starts with no rights but those of every authenticated user.
    ///
    /// The file lives as long as the cluster's handle.
    ///
    /// # Errors
    /// For more than two groups, when the file cannot be written, and when a cluster not started here does not
    /// certify users.
    pub fn kubeconfig_for_user(&self, name: &str, groups: &[&str]) -> Result<PathBuf> {
        let user = User { name, groups };
        let text = match &self.backing {
            Backing::Own(own) => own.plane.kubeconfig(&self.server, &user)?,
            Backing::External { external, .. } => external.kubeconfig_for(&user)?,
        };
        let file = tempfile::Builder::new().prefix("user-").suffix(".kubeconfig").tempfile_in(&self.dir);
        let (_, path) =
            file.context("cannot create a kubeconfig")?.keep().context("cannot keep a kubeconfig")?;
        write_private(&path, &text)?;
        Ok(path)
    }

    /// `kubectl` with these arguments, as the administrator.
    pub fn kubectl<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(&self, args: I) -> Command {
        self.kubectl_as(&self.kubeconfig_path(), args)
    }

    /// `kubectl` with these arguments, as the user of a kubeconfig.
    pub fn kubectl_as<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(
        &self,
        kubeconfig: &Path,
        args: I,
    ) -> Command {
        kubectl(&self.tools, &self.dir, kubeconfig, args)
    }

    /// Applies YAML as the administrator and returns what kubectl says about each object.
    ///
    /// # Errors
    /// When the cluster refuses a document.
    pub fn apply(&self, yaml: &str) -> Result<String> {
        stdout_with_input(&mut self.kubectl(["apply", "-f", "-"]), yaml)
    }

    /// Waits until every definition of resources that the cluster knows is served.
    ///
    /// # Errors
    /// When one is not within 30 seconds.
    pub fn wait_for_definitions(&self) -> Result<()> {
        let start = Instant::now();
        loop {
            let wait = ["wait", "--for=condition=Established", "crd", "--all", "--timeout=30s"];
            match stdout_of(&mut self.kubectl(wait)) {
                Ok(_) => return Ok(()),
                // `kubectl wait` gives up at once on a definition that has no status yet.
                Err(_) if start.elapsed() < Duration::from_secs(30) => {
                    sleep(Duration::from_millis(200));
                }
                Err(error) => return Err(error.context("not every definition is served")),
            }
        }
    }

    /// Loads an image (see [`image::Image::write`] and [`TestImage::file`]) into every node.
    ///
    /// # Errors
    /// When the cluster is not one of level `node` started here, or a node refuses the image.
    pub fn load_image(&self, file: &Path) -> Result<()> {
        let fabric = self.fabric()?;
        for node in node::nodes(&self.dir) {
            let mut ctr = fabric.command("ctr");
            ctr.arg("--address").arg(node.containerd_socket());
            ctr.args(["--namespace", "k8s.io", "images", "import"]).arg(file);
            stdout_of(&mut ctr)
                .with_context(|| format!("{} refuses image {}", node.name(), file.display()))?;
        }
        Ok(())
    }

    /// A port on this machine's loopback that leads to an address inside the cluster, as `place` sees it.
    ///
    /// # Errors
    /// When the cluster is not one of level `node` started here.
    pub fn forward(&self, place: Place, target: SocketAddr) -> Result<Forward> {
        let fabric = self.fabric()?;
        Forward::start(0, &fabric.network(place), target)
    }

    /// A program that runs in the network that `place` sees.
    ///
    /// # Errors
    /// When the cluster is not one of level `node` started here.
    pub fn command_at(&self, place: Place, program: &str) -> Result<Command> {
        let network = self.fabric()?.network(place);
        let mut command = Command::new("nsenter");
        command.arg(format!("--net={}", network.display())).args(["--", program]);
        Ok(command)
    }

    /// Ends the API server as a crash does, keeps it away while `meanwhile` runs, and then waits until it is ready again.
    ///
    /// # Errors
    /// When the cluster was not started here, or the API server does not come back.
    pub fn without_api_server<T>(&self, meanwhile: impl FnOnce() -> T) -> Result<T> {
        let Backing::Own(_) = &self.backing else {
            bail!("the API server of a cluster that was not started here stays as it is");
        };
        let result = outage::without(&self.dir, "kube-apiserver", meanwhile)?;
        let begin = Instant::now();
        while !output_of(&mut self.kubectl(["get", "--raw", "/readyz"]))?.status.success() {
            if begin.elapsed() > API_SERVER_BACK {
                bail!(
                    "the API server is not ready {API_SERVER_BACK:?} after its start; its log is in {}",
                    self.dir.display()
                );
            }
            sleep(Duration::from_millis(100));
        }
        Ok(result)
    }

    fn fabric(&self) -> Result<&Fabric> {
        match &self.backing {
            Backing::Own(own) => own.fabric.as_ref(),
            Backing::External { .. } => None,
        }
        .context("this works only on a cluster of level node that the test started itself")
    }

    /// The URL of the API server.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// The folder with the cluster's files: kubeconfigs, `init.sh` (every flag of every part) and `logs/`.
    pub fn dir(&self) -> &Path {
        &self.dir
    }
}

/// The control group of the pods of the cluster in `dir`.
fn cgroup_name(dir: &Path) -> String {
    dir.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

fn kubectl<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(
    tools: &Tools,
    dir: &Path,
    kubeconfig: &Path,
    args: I,
) -> Command {
    let mut command = Command::new(tools.path("kubectl"));
    command
        .env("KUBECONFIG", kubeconfig)
        // Ports are used again by other clusters, and the cache of discovery goes by address.
        .env("KUBECACHEDIR", dir.join("kubectl-cache"))
        .stdin(Stdio::null())
        .args(args);
    command
}

fn new_folder() -> Result<TempDir> {
    let folder = tempfile::Builder::new().prefix(DIR_PREFIX).tempdir().context("cannot create a folder")?;
    fs::create_dir(folder.path().join("logs")).context("cannot create the folder of the logs")?;
    Ok(folder)
}
