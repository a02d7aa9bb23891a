//! The process that is measured: the program itself, as the charts start it.

use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::source::Origin;

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
}

// === impl Component ===

impl Component {
    /// Starts a component; `args` are told the address to serve on.
    pub(crate) fn start(name: &str, from: &Origin<'_>, args: impl FnOnce(SocketAddr) -> Vec<String>) -> Self {
        Self::run(Command::new(program()), name, from, args)
    }

    /// As [`Component::start`], on one core.
    pub(crate) fn start_on(
        core: usize,
        name: &str,
        from: &Origin<'_>,
        args: impl FnOnce(SocketAddr) -> Vec<String>,
    ) -> Self {
        // It becomes the program, so the process is the component's.
        let mut command = Command::new("taskset");
        command.arg("--cpu-list").arg(core.to_string()).arg(program());
        Self::run(command, name, from, args)
    }

    fn run(
        mut command: Command,
        name: &str,
        from: &Origin<'_>,
        args: impl FnOnce(SocketAddr) -> Vec<String>,
    ) -> Self {
        let [address, admin] = free_addresses();
        let begun = Instant::now();
        let child = command
            .args([name, "--log-level=error"])
            .arg(from.argument())
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
        self.asked("/ready").await.is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
    }

    /// What the admin port answers.
    async fn asked(&self, path: &str) -> std::io::Result<String> {
        let mut stream = tokio::net::TcpStream::connect(self.admin).await?;
        let request = format!("GET {path} HTTP/1.1\r\nhost: it\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.map(|_| answer)
    }

    /// A figure of its own, by name.
    pub(crate) async fn metric(&self, name: &str) -> Option<f64> {
        let text = self.asked("/metrics").await.ok()?;
        text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
    }

    pub(crate) fn usage(&self) -> Usage {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
        Usage { cpu: Duration::from_millis(ticks * 10), resident: self.status("VmRSS:") }
    }

    /// The most memory it ever had.
    pub(crate) fn peak(&self) -> u64 {
        self.status("VmHWM:")
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
    pub(crate) fn start(from: &Origin<'_>) -> Self {
        let [policy, webhook] = free_addresses();
        let component = Component::start("destination", from, |discovery| {
            vec![
                format!("--grpc-addr={discovery}"),
                format!("--policy-grpc-addr={policy}"),
                format!("--webhook-addr={webhook}"),
                "--webhook-config=none".to_owned(),
                "--tls-secret=none".to_owned(),
                "--fill-ca-bundle=false".to_owned(),
            ]
        });
        Self { component, policy }
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
        self.component.peak()
    }
}

/// What is measured: the program that was built with this one, or another.
fn program() -> OsString {
    #[expect(clippy::disallowed_methods, reason = "says which binary is measured")]
    let named = std::env::var_os("LINKERD_CONTROLLER");
    named.unwrap_or_else(|| env!("CARGO_BIN_EXE_linkerd-controller").into())
}

/// Addresses nobody listens on; held until all are found, so that they differ.
fn free_addresses<const N: usize>() -> [SocketAddr; N] {
    let held = [(); N].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
    held.map(|listener| listener.local_addr().unwrap())
}
