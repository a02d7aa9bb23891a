//! Pairs of proxies in namespaces of their own, started when they are first needed.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use mesh_tests::mesh::answers::{self, Endpoint as _, outbound};
use mesh_tests::mesh::{
    Answer, Authority, ControlPlane, Link, Namespace, Process, ProxyConfig, Security, Start, addresses,
};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::client::{self, Run};
use crate::peers::{Files, Side};
use crate::server::{self, HTTP_PORT, TCP_PORT};
use crate::system::{self, System};
use crate::workload::{Mode, Workload};

/// All pairs.
pub(crate) struct Pairs {
    seconds: u64,
    init: PathBuf,
    folder: TempDir,
    pairs: BTreeMap<(System, Mode), Pair>,
}

/// Two namespaces, two proxies and a server.
struct Pair {
    proxies: Vec<Process>,
    /// Resident octets of both before any load.
    resident_idle: f64,
    target: SocketAddr,
    folder: PathBuf,
    client: Arc<Namespace>,
    _server: Process,
    _server_namespace: Arc<Namespace>,
}

const IDENTITY: &str = "server.test.serviceaccount.identity.linkerd.cluster.local";

// === impl Pairs ===

impl Pairs {
    pub(crate) fn new(seconds: u64) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        // Proxies of another user read files there.
        std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
        Ok(Self { seconds, init: system::init()?, folder, pairs: BTreeMap::new() })
    }

    /// Runs a workload through a system.
    pub(crate) fn measure(&mut self, system: &System, workload: Workload) -> Result<Run> {
        let key = (system.clone(), workload.mode());
        if workload == Workload::Idle {
            // What earlier load has left in pools would hide what a connection takes.
            self.pairs.remove(&key);
        }
        if !self.pairs.contains_key(&key) {
            let folder = self.folder.path().join(format!("{}-{:?}", system.name(), workload.mode()));
            let pair = Pair::start(system, workload.mode(), &self.init, folder)?;
            self.pairs.insert(key.clone(), pair);
        }
        let pair = self.pairs.get_mut(&key).context("no pair")?;
        let run = pair.run(workload, self.seconds);
        if run.is_err() {
            // It may have ended; the next round gets a new one.
            if let Some(pair) = self.pairs.remove(&key) {
                let logs: Vec<String> = pair.proxies.iter().map(Process::log).collect();
                return run.with_context(|| logs.join("\n"));
            }
        }
        run
    }
}

// === impl Pair ===

impl Pair {
    fn start(system: &System, mode: Mode, init: &std::path::Path, folder: PathBuf) -> Result<Self> {
        std::fs::create_dir_all(&folder)?;
        let client = Arc::new(Namespace::new("bench-client")?);
        let server = Arc::new(Namespace::new("bench-server")?);
        let at = |address: Ipv4Addr| [(IpAddr::from(address), 24)];
        Namespace::connect(
            Link { namespace: &client, interface: "eth0", addresses: &at(addresses::CLIENT) },
            Link { namespace: &server, interface: "eth0", addresses: &at(addresses::SERVER) },
        )?;
        client.ip(&format!("route add default via {}", addresses::SERVER))?;
        server.sysctl("net/core/somaxconn", "8192")?;
        client.sysctl("net/core/somaxconn", "8192")?;
        let this = std::env::current_exe()?;
        let serve = Start::new(this).args([server::COMMAND]).cores(&[0]);
        let app = Process::start(&server, "server", &folder, serve)?;
        wait("the server", || app.log().contains("ready"))?;
        let port = if mode == Mode::Tcp { TCP_PORT } else { HTTP_PORT };
        let mut target = SocketAddr::from((addresses::SERVICE, port));
        let mut proxies = Vec::new();
        if *system == System::Direct {
            target = SocketAddr::from((addresses::SERVER, port));
        } else {
            redirect(&client, init)?;
            redirect(&server, init)?;
            proxies = start_proxies(system, mode, &client, &server, &folder, target)?;
        }
        std::thread::sleep(Duration::from_millis(1500));
        let resident_idle = client::resident_of(&family(&proxies))?;
        Ok(Self { proxies, resident_idle, target, folder, client, _server: app, _server_namespace: server })
    }

    fn run(&mut self, workload: Workload, seconds: u64) -> Result<Run> {
        let pids: Vec<String> = family(&self.proxies).iter().map(ToString::to_string).collect();
        let start = Start::new(std::env::current_exe()?)
            .args([client::COMMAND, workload.name(), &self.target.to_string(), &seconds.to_string()])
            .args([pids.join(",")])
            .cores(&[0]);
        let mut load = Process::start(&self.client, "client", &self.folder, start)?;
        load.wait(Duration::from_secs(seconds + 30))?;
        let log = load.log();
        let line = log.lines().find(|line| line.starts_with('{'));
        let line = line.with_context(|| format!("the client gave nothing: {log}"))?;
        let mut run: Run = serde_json::from_str(line).context("the client's result")?;
        run.resident_idle = self.resident_idle;
        if workload != Workload::Idle && run.requests + run.octets == 0 {
            bail!("nothing was answered; {} errors", run.errors);
        }
        Ok(run)
    }
}

fn family(proxies: &[Process]) -> Vec<u32> {
    proxies.iter().flat_map(Process::family).collect()
}

fn redirect(namespace: &Namespace, init: &std::path::Path) -> Result<()> {
    let mut command = Command::new(init);
    command.args(["--proxy-uid=2102", "--inbound-ports-to-ignore=4190,4191"]);
    let output = namespace.output(command)?;
    if !output.status.success() {
        bail!("linkerd-init: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}

fn start_proxies(
    system: &System,
    mode: Mode,
    client: &Arc<Namespace>,
    server: &Arc<Namespace>,
    folder: &std::path::Path,
    service: SocketAddr,
) -> Result<Vec<Process>> {
    let core = std::thread::available_parallelism()?.get() - 1;
    let mut proxies = Vec::new();
    if let System::Mesh { binary, workers, .. } = system {
        let plane = script(client, server, service, mode)?;
        for (namespace, identity) in [(client, "client"), (server, "server")] {
            let home = folder.join(identity);
            std::fs::create_dir_all(&home)?;
            let mut config = ProxyConfig::new(binary, identity);
            config.control_plane("localhost.:8086", None);
            let name = format!("{identity}.test.serviceaccount.identity.linkerd.cluster.local");
            config.identity(&name, plane.authority().pem(), "token", &home)?;
            config.set("INBOUND_PORTS", format!("{HTTP_PORT},{TCP_PORT}"));
            config.set("LOG", "error");
            config.set("CORES", workers);
            // A proxy has no more workers than cores, so it gets its one core when it has begun.
            config.cores = if *workers > 1 { (0..=core).collect() } else { vec![core] };
            let start = config.start();
            proxies.push(Process::start(namespace, identity, folder, start)?);
        }
    } else {
        let files = Files::new(folder)?;
        for (namespace, side, name) in [(client, Side::Outbound, "out"), (server, Side::Inbound, "in")] {
            let start = files.start(system, mode, side)?.cores(&[core]);
            proxies.push(Process::start(namespace, name, folder, start)?);
        }
    }
    for (namespace, address) in [
        (client, SocketAddr::from(([127, 0, 0, 1], 4140))),
        (server, SocketAddr::from((addresses::SERVER, 4143))),
    ] {
        // The proxy's own port, from loopback, is not redirected.
        let listens = || namespace.run(async move { tokio::net::TcpStream::connect(address).await.is_ok() });
        let logs = || proxies.iter().map(Process::log).collect::<Vec<_>>().join("\n");
        wait(system.name(), listens).with_context(logs)?;
    }
    if matches!(system, System::Mesh { .. }) {
        for namespace in [client, server] {
            wait("readiness", || namespace.run(is_ready()))?;
        }
        for pid in family(&proxies) {
            pin(pid, core)?;
        }
    }
    Ok(proxies)
}

/// Binds all threads of a process to a core.
fn pin(pid: u32, core: usize) -> Result<()> {
    let mut cores = CpuSet::new();
    cores.set(core).context("no such core")?;
    for task in std::fs::read_dir(format!("/proc/{pid}/task")).context("a proxy has ended")? {
        let id = task?.file_name().to_string_lossy().parse().context("no number of a thread")?;
        sched_setaffinity(Pid::from_raw(id), &cores).context("a thread cannot be bound to a core")?;
    }
    Ok(())
}

async fn is_ready() -> bool {
    let address = SocketAddr::from(([127, 0, 0, 1], 4191));
    let request = b"GET /ready HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n".to_vec();
    let answer = mesh_tests::mesh::tcp::ask(address, request).await;
    answer.is_ok_and(|answer| answer.starts_with(b"HTTP/1.1 200"))
}

/// The control plane of a pair, on both pods' loopback.
fn script(client: &Namespace, server: &Namespace, service: SocketAddr, mode: Mode) -> Result<ControlPlane> {
    let plane = ControlPlane::new(Arc::new(Authority::new("root.linkerd.cluster.local")?));
    let name = "web.test.svc.cluster.local";
    let port = service.port();
    let policy =
        if mode == Mode::Tcp { outbound::opaque_service(name, port) } else { outbound::service(name, port) };
    plane.set_profile(service, Answer::Value(answers::profile(name)));
    plane.set_outbound(service, Answer::Value(policy));
    let endpoint = answers::endpoint(SocketAddr::from((addresses::SERVER, port)));
    let endpoint = endpoint.meshed(IDENTITY).transport_header(4143);
    let endpoint = if mode == Mode::Tcp { endpoint.opaque() } else { endpoint.h2() };
    plane.set_endpoints(&format!("{name}:{port}"), vec![endpoint]);
    for namespace in [client, server] {
        plane.serve(namespace, SocketAddr::from(([127, 0, 0, 1], 8086)), &Security::Plain)?;
    }
    Ok(plane)
}

fn wait(what: &str, ready: impl Fn() -> bool) -> Result<()> {
    let start = Instant::now();
    while !ready() {
        if start.elapsed() > Duration::from_secs(20) {
            bail!("{what} does not come up");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}
