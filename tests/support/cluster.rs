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
mod level;
mod packages;
mod pki;
mod ports;
mod run;
mod script;
mod supervisor;

use std::ffi::OsStr;
use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context, Result};

use build::{Group, Tools};
use control_plane::{Addresses, ControlPlane};
pub use level::Level;
use pki::{User, kubeconfig, write_private};
pub use run::{output_of, stdout_of, stdout_with_input};
use script::InitScript;
use supervisor::Supervisor;

/// How every folder of a test cluster is named, so that leftovers can be told.
pub const DIR_PREFIX: &str = "linkerd-test-cluster-";

/// A Kubernetes cluster that tests may use.
pub struct Cluster {
    /// First, so that it is dropped first: the parts end before anything they use goes away.
    supervisor: Option<Supervisor>,
    plane: ControlPlane,
    tools: Tools,
    dir: PathBuf,
    server: String,
}

impl Cluster {
    /// Brings up a cluster and waits until it is ready.
    ///
    /// The first time on a machine this builds Kubernetes, which takes minutes (`test-cluster build` does it ahead).
    ///
    /// # Errors
    /// When something it needs is not installed (the message says what to install), or when a part of the cluster
    /// does not come up.
    pub fn start(level: Level) -> Result<Self> {
        packages::require(level)?;
        let tools = build::tools(Group::Kubernetes, level)?;
        let folder =
            tempfile::Builder::new().prefix(DIR_PREFIX).tempdir().context("cannot create a folder")?;
        let dir = folder.path().to_owned();
        fs::create_dir(dir.join("logs")).context("cannot create the folder of the logs")?;
        let [api_port, etcd_client_port, etcd_peer_port] = ports::free_ports()?;
        let addresses = Addresses { api: Ipv4Addr::LOCALHOST, api_port, etcd_client_port, etcd_peer_port };
        let plane = ControlPlane::prepare(&dir, addresses)?;
        let mut script = InitScript::new(&dir);
        for part in plane.parts(&tools, level) {
            script.start(&part);
        }
        fs::write(dir.join("init.sh"), script.finish()).context("cannot write init.sh")?;
        let server = plane.server();
        let supervisor = Supervisor::start(&dir, None, &private_user_namespace())?;
        // From here on the supervisor removes the folder.
        let dir = folder.keep();
        let mut cluster = Self { supervisor: Some(supervisor), plane, tools, dir, server };
        cluster.wait_until_ready(api_port)?;
        Ok(cluster)
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
        self.dir.join("admin.kubeconfig")
    }

    /// Writes a kubeconfig for any other user, who starts with no rights but those of every authenticated user.
    ///
    /// # Errors
    /// For more than two groups, and when the file cannot be written.
    pub fn kubeconfig_for_user(&self, name: &str, groups: &[&str]) -> Result<PathBuf> {
        let pair = self.plane.authority.client(&User { name, groups })?;
        let path = tempfile::Builder::new()
            .prefix("user-")
            .suffix(".kubeconfig")
            .tempfile_in(&self.dir)
            .context("cannot create a kubeconfig")?
            .into_temp_path()
            .keep()
            .context("cannot keep a kubeconfig")?;
        let text = kubeconfig(&self.server, self.plane.authority.certificate_pem(), name, &pair);
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
        let mut command = Command::new(self.tools.path("kubectl"));
        command
            .env("KUBECONFIG", kubeconfig)
            // Ports are used again by other clusters, and the cache of discovery goes by address.
            .env("KUBECACHEDIR", self.dir.join("kubectl-cache"))
            .stdin(Stdio::null())
            .args(args);
        command
    }

    /// Applies YAML as the administrator and returns what kubectl says about each object.
    ///
    /// # Errors
    /// When the cluster refuses a document.
    pub fn apply(&self, yaml: &str) -> Result<String> {
        stdout_with_input(&mut self.kubectl(["apply", "-f", "-"]), yaml)
    }

    /// The URL of the API server.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// The folder with the cluster's files: kubeconfigs, `init.sh` (every flag of every part) and `logs/`.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    fn wait_until_ready(&mut self, api_port: u16) -> Result<()> {
        let limit = Duration::from_secs(60);
        let mut supervisor = self.supervisor.take().context("the cluster has no supervisor")?;
        supervisor.wait_for("the API server's port", limit, || {
            Ok(TcpStream::connect((Ipv4Addr::LOCALHOST, api_port)).ok())
        })?;
        // Pods are refused until the controller manager has made the namespace's account.
        for (what, args) in [
            ("a ready API server", ["get", "--raw", "/readyz"].as_slice()),
            ("the default ServiceAccount", &["get", "serviceaccount", "default", "--namespace=default"]),
        ] {
            supervisor.wait_for(what, limit, || {
                Ok(output_of(&mut self.kubectl(args))?.status.success().then_some(()))
            })?;
        }
        self.supervisor = Some(supervisor);
        Ok(())
    }
}

/// The option of `unshare` that lets a user other than root make the other namespaces.
fn private_user_namespace() -> Vec<&'static str> {
    if nix::unistd::geteuid().is_root() { Vec::new() } else { vec!["--user", "--map-current-user"] }
}
