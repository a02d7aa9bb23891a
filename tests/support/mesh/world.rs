//! Two pods, a control plane, and what is around them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use linkerd2_proxy_api::destination::WeightedAddr;
use nix::sys::signal::Signal;
use tempfile::TempDir;

use super::answers::{self, Endpoint as _, outbound};
use super::authority::Authority;
use super::control_plane::{Answer, ControlPlane, Security};
use super::namespace::{Link, Namespace, check_prerequisites};
use super::proxy::{Proxy, ProxyConfig};
use super::server::App;

/// Addresses of the world.
pub mod addresses {
    use std::net::Ipv4Addr;

    /// The client pod.
    pub const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 7, 1, 2);
    /// The server pod; more of its addresses follow in the last octet.
    pub const SERVER: Ipv4Addr = Ipv4Addr::new(10, 7, 1, 3);
    /// The control plane.
    pub const CONTROL: Ipv4Addr = Ipv4Addr::new(10, 7, 9, 1);
    /// Somewhere outside, without a proxy.
    pub const OUTSIDE: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 7);
    /// The service that the server pod is behind.
    pub const SERVICE: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 10);
}

/// A pod: a namespace with redirection, and its proxy when it has one.
#[derive(Debug)]
pub struct Pod {
    /// What the proxy is started with.
    pub config: ProxyConfig,
    /// The proxy, once it is started.
    pub proxy: Option<Proxy>,
    /// The namespace.
    pub namespace: Arc<Namespace>,
    /// The proxy's identity.
    pub identity: String,
    folder: PathBuf,
}

/// Two pods, a control plane and the outside.
#[derive(Debug)]
pub struct World {
    /// Whoever calls.
    pub client: Pod,
    /// Whoever is called; an [`App`] listens on port 8080.
    pub server: Pod,
    /// The control plane's namespace, which is also the outside.
    pub control: Namespace,
    /// What the control plane says.
    pub plane: ControlPlane,
    /// The application of the server pod.
    pub app: App,
    folder: TempDir,
}

/// The name under which the control plane proves itself.
pub const CONTROL_NAME: &str = "control.linkerd.serviceaccount.identity.linkerd.cluster.local";

/// The name of the service that the server pod is behind.
pub const WEB: &str = "web.test.svc.cluster.local";

/// The port of the server pod's application.
pub const APP_PORT: u16 = 8080;

/// The port of the service.
pub const SERVICE_PORT: u16 = 80;

const CONTROL_PORT: u16 = 8086;

// === impl World ===

impl World {
    /// Makes everything but the proxies: namespaces, cables, redirection by `init` (a `linkerd-init`), control plane, application.
    ///
    /// # Errors
    /// When the machine lacks something; the error says what.
    pub fn new(proxy: &Path, init: &Path) -> Result<Self> {
        check_prerequisites()?;
        let folder = tempfile::tempdir().context("no folder for files")?;
        let authority = Arc::new(Authority::new("root.linkerd.cluster.local")?);
        let plane = ControlPlane::new(authority);
        let control = Namespace::new("control")?;
        let client = Pod::new("client", proxy, &plane, folder.path())?;
        let server = Pod::new("server", proxy, &plane, folder.path())?;
        lay_cables(&client.namespace, &server.namespace, &control)?;
        for pod in [&client, &server] {
            pod.redirect(init)?;
        }
        let address = SocketAddr::from((addresses::CONTROL, CONTROL_PORT));
        plane.serve(&control, address, &Security::Mesh(vec![CONTROL_NAME.to_owned()]))?;
        let everywhere = SocketAddr::from(([0, 0, 0, 0], APP_PORT));
        let app = App::start(&server.namespace, everywhere, "web")?;
        let world = Self { client, server, control, plane, app, folder };
        world.script_web(vec![world.endpoint()]);
        Ok(world)
    }

    /// Starts both proxies and waits until they are ready.
    ///
    /// # Errors
    /// When one does not get ready.
    pub fn start_proxies(&mut self) -> Result<()> {
        for pod in [&mut self.client, &mut self.server] {
            pod.start_proxy()?;
        }
        for pod in [&mut self.client, &mut self.server] {
            pod.proxy_mut()?.wait_ready()?;
        }
        Ok(())
    }

    /// One more pod, on cables of its own to both others. `ip` is its address towards the server pod; towards the client
    /// pod it has that of the next network.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn pod(&self, name: &str, proxy: &Path, init: &Path, ip: Ipv4Addr) -> Result<Pod> {
        let pod = Pod::new(name, proxy, &self.plane, self.folder.path())?;
        let [a, b, c, d] = ip.octets();
        for (at, (other, address)) in
            [(&self.server, addresses::SERVER), (&self.client, addresses::CLIENT)].into_iter().enumerate()
        {
            let (network, interface) = (if at == 0 { c } else { c + 1 }, format!("eth{at}"));
            let gateway = Ipv4Addr::new(a, b, network, 1);
            let own = [(IpAddr::from(Ipv4Addr::new(a, b, network, d)), 24)];
            let beside = [(IpAddr::from(gateway), 24)];
            Namespace::connect(
                Link { namespace: &pod.namespace, interface: &interface, addresses: &own },
                Link { namespace: &other.namespace, interface: name, addresses: &beside },
            )?;
            pod.namespace.ip(&format!("route add {address}/32 via {gateway}"))?;
        }
        pod.redirect(init)?;
        Ok(pod)
    }

    /// The endpoint that is the server pod's application, as the control plane describes meshed endpoints.
    #[must_use]
    pub fn endpoint(&self) -> WeightedAddr {
        answers::endpoint(SocketAddr::from((addresses::SERVER, APP_PORT)))
            .meshed(&self.server.identity)
            .h2()
            .transport_header(4143)
            .label("pod", "server")
    }

    /// Lets the control plane say that the service has these endpoints.
    pub fn script_web(&self, endpoints: Vec<WeightedAddr>) {
        self.plane.set_profile(self.service(), Answer::Value(answers::profile(WEB)));
        self.plane.set_outbound(self.service(), Answer::Value(outbound::service(WEB, SERVICE_PORT)));
        self.plane.set_endpoints(&format!("{WEB}:{SERVICE_PORT}"), endpoints);
    }

    /// The address of the service.
    #[must_use]
    pub fn service(&self) -> SocketAddr {
        SocketAddr::from((addresses::SERVICE, SERVICE_PORT))
    }

    /// A folder for files, removed with the world.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

// === impl Pod ===

impl Pod {
    fn new(name: &str, proxy: &Path, plane: &ControlPlane, folder: &Path) -> Result<Self> {
        let identity = format!("{name}.test.serviceaccount.identity.linkerd.cluster.local");
        let folder = folder.join(name);
        std::fs::create_dir(&folder).context("cannot make a folder")?;
        let mut config = ProxyConfig::new(proxy, name);
        let token = format!("the token of {name}");
        plane.set_token(&identity, &token);
        config.identity(&identity, plane.authority().pem(), &token, &folder)?;
        let control = SocketAddr::from((addresses::CONTROL, CONTROL_PORT));
        config.control_plane(control, Some(CONTROL_NAME));
        let namespace = Arc::new(Namespace::new(name)?);
        Ok(Self { config, proxy: None, namespace, identity, folder })
    }

    /// Starts the proxy and does not wait for it.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start_proxy(&mut self) -> Result<&mut Proxy> {
        let proxy = Proxy::start(&self.namespace, &self.folder, &self.config)?;
        Ok(self.proxy.insert(proxy))
    }

    /// The proxy.
    ///
    /// # Errors
    /// When it was not started.
    pub fn proxy(&self) -> Result<&Proxy> {
        self.proxy.as_ref().context("the proxy was not started")
    }

    /// The proxy.
    ///
    /// # Errors
    /// When it was not started.
    pub fn proxy_mut(&mut self) -> Result<&mut Proxy> {
        self.proxy.as_mut().context("the proxy was not started")
    }

    /// Tells the proxy to end, and waits for that.
    ///
    /// # Errors
    /// When it does not end in time.
    pub fn stop_proxy(&mut self, limit: Duration) -> Result<std::process::ExitStatus> {
        let proxy = self.proxy_mut()?;
        proxy.process.signal(Signal::SIGTERM)?;
        proxy.process.wait(limit)
    }

    fn redirect(&self, init: &Path) -> Result<()> {
        let mut command = Command::new(init);
        command.args([
            "--incoming-proxy-port=4143",
            "--outgoing-proxy-port=4140",
            "--proxy-uid=2102",
            "--inbound-ports-to-ignore=4190,4191,4567,4568",
            "--outbound-ports-to-ignore=4567,4568",
        ]);
        let output = self.namespace.output(command)?;
        if !output.status.success() {
            bail!("linkerd-init: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(())
    }
}

fn lay_cables(client: &Namespace, server: &Namespace, control: &Namespace) -> Result<()> {
    let v4 = |a, b, c, d| (IpAddr::from(Ipv4Addr::new(a, b, c, d)), 24);
    let v6 = |text: &str| text.parse::<IpAddr>().map(|ip| (ip, 64)).context("an address");
    let connect = |a: (&Namespace, &str, &[(IpAddr, u8)]), b: (&Namespace, &str, &[(IpAddr, u8)])| {
        let link = |(namespace, interface, addresses)| Link { namespace, interface, addresses };
        Namespace::connect(link(a), link(b))
    };
    connect(
        (client, "eth0", &[v4(10, 7, 1, 2), v6("fd07:1::2")?]),
        (
            server,
            "eth0",
            &[v4(10, 7, 1, 3), v4(10, 7, 1, 4), v4(10, 7, 1, 5), v4(10, 7, 1, 6), v6("fd07:1::3")?],
        ),
    )?;
    connect(
        (client, "eth1", &[v4(10, 7, 2, 2), v6("fd07:2::2")?]),
        (control, "client", &[v4(10, 7, 2, 1), v6("fd07:2::1")?]),
    )?;
    connect((server, "eth1", &[v4(10, 7, 3, 3)]), (control, "server", &[v4(10, 7, 3, 1)]))?;
    for address in [addresses::CONTROL, addresses::OUTSIDE] {
        control.address(address.into(), 32, "lo")?;
    }
    client.ip("route add default via 10.7.2.1")?;
    client.ip("-6 route add default via fd07:2::1")?;
    server.ip("route add default via 10.7.3.1")
}
