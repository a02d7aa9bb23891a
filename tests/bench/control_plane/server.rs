//! The process that is measured: the program itself, as the charts start it.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::api_server::ApiServer;

/// CPU time and resident memory of the process.
#[derive(Clone, Copy)]
pub(crate) struct Usage {
    pub(crate) cpu: Duration,
    pub(crate) resident: u64,
}

/// A running component.
pub(crate) struct Component {
    child: Child,
    admin: SocketAddr,
    /// Where it serves; `destination` serves discovery here.
    pub(crate) address: SocketAddr,
    begun: Instant,
}

/// A running `destination`.
pub(crate) struct Server {
    component: Component,
    pub(crate) policy: SocketAddr,
    _folder: tempfile::TempDir,
}

// === impl Component ===

impl Component {
    /// Starts a component; `args` are told the address to serve on.
    pub(crate) fn start(name: &str, kubeconfig: &Path, args: impl FnOnce(SocketAddr) -> Vec<String>) -> Self {
        let [address, admin] = free_addresses();
        let begun = Instant::now();
        // Another build of it can be measured too.
        #[expect(clippy::disallowed_methods, reason = "says which binary is measured")]
        let program = std::env::var_os("LINKERD_CONTROLLER");
        let child = Command::new(program.unwrap_or_else(|| env!("CARGO_BIN_EXE_linkerd-controller").into()))
            .args([name, "--log-level=error"])
            .arg(format!("--kubeconfig={}", kubeconfig.display()))
            .arg(format!("--admin-addr={admin}"))
            .args(args(address))
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, admin, address, begun }
    }

    /// Waits until it says that it is ready; how long that took.
    pub(crate) async fn ready(&self, limit: Duration) -> Duration {
        while !self.is_ready().await {
            assert!(self.begun.elapsed() < limit, "the component is not ready after {limit:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.begun.elapsed()
    }

    async fn is_ready(&self) -> bool {
        let asked = async {
            let mut stream = tokio::net::TcpStream::connect(self.admin).await?;
            stream.write_all(b"GET /ready HTTP/1.1\r\nhost: it\r\nconnection: close\r\n\r\n").await?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.map(|_| answer)
        };
        asked.await.is_ok_and(|answer: String| answer.starts_with("HTTP/1.1 200"))
    }

    pub(crate) fn usage(&self) -> Usage {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
        Usage { cpu: Duration::from_millis(ticks * 10), resident: self.status("VmRSS:") }
    }

    /// A line of `/proc/PID/status`, in bytes.
    fn status(&self, name: &str) -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = text.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    }
}

impl Drop for Component {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

// === impl Server ===

impl Server {
    /// Starts it; it reads the cluster meanwhile.
    pub(crate) fn start(api: &ApiServer) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let kubeconfig = folder.path().join("kubeconfig");
        let text = serde_json::json!({"apiVersion": "v1", "kind": "Config", "current-context": "it",
            "clusters": [{"name": "it", "cluster": {"server": format!("http://{}", api.address)}}],
            "users": [{"name": "it", "user": {}}],
            "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}]});
        std::fs::write(&kubeconfig, text.to_string()).unwrap();
        let [policy, webhook] = free_addresses();
        let component = Component::start("destination", &kubeconfig, |discovery| {
            vec![
                format!("--grpc-addr={discovery}"),
                format!("--policy-grpc-addr={policy}"),
                format!("--webhook-addr={webhook}"),
                "--webhook-config=none".to_owned(),
                "--tls-secret=none".to_owned(),
                "--fill-ca-bundle=false".to_owned(),
            ]
        });
        Self { component, policy, _folder: folder }
    }

    /// Waits until it knows the cluster; how long that took.
    pub(crate) async fn ready(&self, limit: Duration) -> Duration {
        self.component.ready(limit).await
    }

    /// When it was started.
    pub(crate) fn begun(&self) -> Instant {
        self.component.begun
    }

    /// Where it serves discovery.
    pub(crate) fn discovery(&self) -> SocketAddr {
        self.component.address
    }

    pub(crate) fn usage(&self) -> Usage {
        self.component.usage()
    }

    /// The most memory it ever had.
    pub(crate) fn peak(&self) -> u64 {
        self.component.status("VmHWM:")
    }
}

/// Addresses nobody listens on; held until all are found, so that they differ.
fn free_addresses<const N: usize>() -> [SocketAddr; N] {
    let held = [(); N].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
    held.map(|listener| listener.local_addr().unwrap())
}
