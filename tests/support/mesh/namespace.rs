//! Network namespaces that end with a thread.

use std::future::Future;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result, bail};
use nix::sched::CloneFlags;
use nix::unistd::{geteuid, gettid};
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// Programs that the kit calls, and the Debian packages that bring them.
const TOOLS: [(&str, &str); 4] =
    [("ip", "iproute2"), ("nft", "nftables"), ("setpriv", "util-linux"), ("tcpdump", "tcpdump")];

/// A network namespace with a thread and an event loop inside.
///
/// Everything that [`run`](Self::run) and [`spawn`](Self::spawn) open is inside. Dropping it ends its tasks and its processes.
#[derive(Debug)]
pub struct Namespace {
    name: String,
    thread_id: i32,
    handle: Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// One end of a cable between two namespaces.
#[derive(Clone, Copy, Debug)]
pub struct Link<'a> {
    /// The namespace.
    pub namespace: &'a Namespace,
    /// The name of the interface there.
    pub interface: &'a str,
    /// Its addresses, with the length of the network's prefix.
    pub addresses: &'a [(IpAddr, u8)],
}

/// Refuses with what to do about it unless this process may make namespaces and has the tools.
///
/// # Errors
/// When the process is not root, or a tool is missing.
pub fn check_prerequisites() -> Result<()> {
    if !geteuid().is_root() {
        bail!("network namespaces are needed: run this as root");
    }
    for (program, package) in TOOLS {
        let found = Command::new(program).arg("--version").output();
        if found.is_err() {
            bail!("{program} is missing: install the Debian package {package}");
        }
    }
    Ok(())
}

// === impl Namespace ===

impl Namespace {
    /// Makes one. The name is for people.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn new(name: &str) -> Result<Self> {
        let (started, start) = mpsc::sync_channel(1);
        let (stop, stopped) = oneshot::channel();
        let thread = thread::Builder::new()
            .name(format!("ns-{name}"))
            .spawn(move || live(&started, stopped))
            .context("cannot start a thread")?;
        let (thread_id, handle) = start
            .recv()
            .context("the thread of a namespace has ended")?
            .with_context(|| format!("cannot make the network namespace {name}"))?;
        let namespace =
            Self { name: name.to_owned(), thread_id, handle, stop: Some(stop), thread: Some(thread) };
        namespace.ip("link set lo up")?;
        // Every test opens connections by the thousand; none waits for a port that is only resting.
        namespace.sysctl("net/ipv4/ip_local_port_range", "1024 65535")?;
        namespace.sysctl("net/ipv4/tcp_tw_reuse", "1")?;
        Ok(namespace)
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file that stands for it; `nsenter --net=FILE` looks inside.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/task/{}/ns/net", std::process::id(), self.thread_id))
    }

    /// Does something inside and waits for it; a panic there is a panic here.
    pub fn run<F>(&self, future: F) -> F::Output
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let (done, result) = mpsc::sync_channel(1);
        let task = self.handle.spawn(future);
        self.handle.spawn(async move {
            // Without a receiver nobody waits any more.
            let _ = done.send(task.await);
        });
        match result.recv() {
            Ok(Ok(output)) => output,
            Ok(Err(error)) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            _ => panic!("the namespace {} has ended", self.name),
        }
    }

    /// Starts something inside.
    pub fn spawn<F>(&self, future: F) -> tokio::task::JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.handle.spawn(future)
    }

    /// Does something quick on the thread inside.
    pub fn call<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        self.run(async move { work() })
    }

    /// Runs a program inside to its end.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn output(&self, mut command: Command) -> Result<Output> {
        let program = command.get_program().to_string_lossy().into_owned();
        self.call(move || command.output()).with_context(|| format!("cannot run {program}"))
    }

    /// Runs `ip` with words without blanks.
    ///
    /// # Errors
    /// When it fails; with what it said.
    pub fn ip(&self, line: &str) -> Result<()> {
        let mut command = Command::new("ip");
        command.args(line.split(' '));
        let output = self.output(command)?;
        if !output.status.success() {
            bail!("ip {line}: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(())
    }

    /// Sets a value below `/proc/sys`.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn sysctl(&self, key: &str, value: &str) -> Result<()> {
        let path = format!("/proc/sys/{key}");
        let text = value.to_owned();
        let target = path.clone();
        self.call(move || std::fs::write(target, text)).with_context(|| format!("cannot write {path}"))
    }

    /// Lays a cable between two namespaces.
    ///
    /// # Errors
    /// When `ip` refuses.
    pub fn connect(a: Link<'_>, b: Link<'_>) -> Result<()> {
        a.namespace.ip(&format!(
            "link add {} type veth peer name {} netns {}",
            a.interface,
            b.interface,
            b.namespace.path().display()
        ))?;
        for end in [a, b] {
            for (address, prefix) in end.addresses {
                end.namespace.address(*address, *prefix, end.interface)?;
            }
            end.namespace.ip(&format!("link set {} up", end.interface))?;
        }
        Ok(())
    }

    /// Gives an interface one more address.
    ///
    /// # Errors
    /// When `ip` refuses.
    pub fn address(&self, address: IpAddr, prefix: u8, interface: &str) -> Result<()> {
        let nodad = if address.is_ipv6() { " nodad" } else { "" };
        self.ip(&format!("addr add {address}/{prefix} dev {interface}{nodad}"))
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It has no result; a panic of a task stays in the task.
            let _ = thread.join();
        }
    }
}

type Started = Result<(i32, Handle)>;

/// The life of a namespace's thread.
fn live(started: &mpsc::SyncSender<Started>, stopped: oneshot::Receiver<()>) {
    let runtime = nix::sched::unshare(CloneFlags::CLONE_NEWNET)
        .context("unshare")
        .and_then(|()| Builder::new_current_thread().enable_all().build().context("event loop"));
    match runtime {
        Ok(runtime) => {
            if started.send(Ok((gettid().as_raw(), runtime.handle().clone()))).is_ok() {
                // The sender is dropped, never used.
                let _ = runtime.block_on(stopped);
            }
            runtime.shutdown_background();
        }
        Err(error) => drop(started.send(Err(error))),
    }
}
