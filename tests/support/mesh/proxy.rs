//! A proxy of any make, run from its environment.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::unistd::{Uid, chown};
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};

use super::metrics::Metrics;
use super::namespace::Namespace;
use super::process::{PROXY_UID, Process, Start, User};
use super::tcp;

/// The prefix of every variable.
const PREFIX: &str = "LINKERD2_PROXY_";

/// How long a proxy may take to say that it is ready.
const READY: Duration = Duration::from_secs(15);

/// The port of the admin server.
const ADMIN: u16 = 4191;

/// What a proxy is given.
#[derive(Clone, Debug)]
pub struct ProxyConfig {
    /// The binary.
    pub binary: PathBuf,
    /// Variables without `LINKERD2_PROXY_`.
    pub env: BTreeMap<String, String>,
    /// Further variables, by their whole names.
    pub others: BTreeMap<String, String>,
    /// The cores that it may run on; any when empty.
    pub cores: Vec<usize>,
}

/// A running proxy.
#[derive(Debug)]
pub struct Proxy {
    /// The process.
    pub process: Process,
    namespace: Arc<Namespace>,
}

// === impl ProxyConfig ===

impl ProxyConfig {
    /// What an injected proxy gets, apart from its control plane and its identity.
    #[must_use]
    pub fn new(binary: &Path, workload: &str) -> Self {
        let context = format!("{{\"ns\":\"test\", \"pod\":\"{workload}\"}}");
        let env = [
            ("LOG", "warn,linkerd=info,linkerd2_proxy=info,proxy_net=info"),
            ("LOG_FORMAT", "plain"),
            ("CONTROL_LISTEN_ADDR", "[::]:4190"),
            ("ADMIN_LISTEN_ADDR", "[::]:4191"),
            ("OUTBOUND_LISTEN_ADDRS", "127.0.0.1:4140,[::1]:4140"),
            ("INBOUND_LISTEN_ADDR", "[::]:4143"),
            ("INBOUND_ACCEPT_KEEPALIVE", "10000ms"),
            ("OUTBOUND_CONNECT_KEEPALIVE", "10000ms"),
            ("INBOUND_CONNECT_TIMEOUT", "100ms"),
            ("OUTBOUND_CONNECT_TIMEOUT", "1000ms"),
            ("DESTINATION_PROFILE_SUFFIXES", "svc.cluster.local."),
            ("DESTINATION_PROFILE_NETWORKS", "10.0.0.0/8,198.51.100.0/24,fd00::/8"),
            ("INBOUND_PORTS", "8080"),
            ("INBOUND_DEFAULT_POLICY", "all-unauthenticated"),
            ("INBOUND_PORTS_DISABLE_PROTOCOL_DETECTION", "3306"),
            ("SHUTDOWN_GRACE_PERIOD", "20s"),
            ("CORES", "1"),
            ("DESTINATION_CONTEXT", &context),
            ("POLICY_WORKLOAD", workload),
        ];
        let env = env.map(|(key, value)| (key.to_owned(), value.to_owned()));
        Self { binary: binary.to_owned(), env: env.into(), others: BTreeMap::new(), cores: Vec::new() }
    }

    /// Sets a variable.
    pub fn set(&mut self, key: &str, value: impl ToString) -> &mut Self {
        self.env.insert(key.to_owned(), value.to_string());
        self
    }

    /// Sets the address of the control plane, and the name under which it has to prove itself unless it is on loopback.
    pub fn control_plane(&mut self, address: impl ToString, name: Option<&str>) -> &mut Self {
        for api in ["DESTINATION", "POLICY", "IDENTITY"] {
            self.set(&format!("{api}_SVC_ADDR"), address.to_string());
            if let Some(name) = name {
                self.set(&format!("{api}_SVC_NAME"), name);
            }
        }
        self
    }

    /// Gives it an identity: trust anchors (PEM), a token, and a folder of its own below `folder`.
    ///
    /// The folder holds a key and a signing request as well, which proxies expect that do not make their own.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn identity(&mut self, name: &str, anchors: &str, token: &str, folder: &Path) -> Result<&mut Self> {
        let home = folder.join("identity");
        fs::create_dir_all(&home).context("cannot make a folder")?;
        let key = KeyPair::generate().context("cannot make a key")?;
        let mut params = CertificateParams::new([name.to_owned()]).context("an unusable identity")?;
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        let request = params.serialize_request(&key).context("cannot sign a request")?;
        for (file, content) in [
            ("key.p8", key.serialize_der()),
            ("csr.der", request.der().to_vec()),
            ("token", token.as_bytes().to_vec()),
        ] {
            let path = home.join(file);
            fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
            chown(&path, Some(Uid::from_raw(PROXY_UID)), None)?;
        }
        chown(&home, Some(Uid::from_raw(PROXY_UID)), None)?;
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755))?;
        self.set("IDENTITY_DIR", home.display());
        self.set("IDENTITY_TOKEN_FILE", home.join("token").display());
        self.set("IDENTITY_TRUST_ANCHORS", anchors);
        Ok(self.set("IDENTITY_LOCAL_NAME", name))
    }

    /// The process that this describes.
    #[must_use]
    pub fn start(&self) -> Start {
        let mut start = Start::new(&self.binary).user(User::Proxy).cores(&self.cores);
        start.env = self.env.iter().map(|(key, value)| (format!("{PREFIX}{key}"), value.clone())).collect();
        start.env.extend(self.others.clone());
        start
    }
}

// === impl Proxy ===

impl Proxy {
    /// Starts a proxy and does not wait for it.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(namespace: &Arc<Namespace>, folder: &Path, config: &ProxyConfig) -> Result<Self> {
        let name = format!("proxy-{}", namespace.name());
        let process = Process::start(namespace, &name, folder, config.start())?;
        Ok(Self { process, namespace: namespace.clone() })
    }

    /// Waits until it says that it is ready.
    ///
    /// # Errors
    /// When it ends, or does not get ready in time.
    pub fn wait_ready(&mut self) -> Result<()> {
        let start = Instant::now();
        loop {
            if !self.process.is_running()? {
                let status = self.process.wait(Duration::ZERO)?;
                bail!("the proxy ended with {status}:\n{}", self.process.log());
            }
            match self.admin("GET", "/ready") {
                Ok((200, _)) => return Ok(()),
                _ if start.elapsed() < READY => std::thread::sleep(Duration::from_millis(20)),
                Ok((status, body)) => {
                    bail!("not ready after {READY:?}: {status} {body}\n{}", self.process.log())
                }
                Err(error) => return Err(error.context(self.process.log())),
            }
        }
    }

    /// Asks the admin server from inside the pod: status and body.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn admin(&self, method: &str, path: &str) -> Result<(u16, String)> {
        self.admin_with(method, path, "")
    }

    /// As [`admin`](Self::admin), with a body.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn admin_with(&self, method: &str, path: &str, body: &str) -> Result<(u16, String)> {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost:{ADMIN}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let address = std::net::SocketAddr::from(([127, 0, 0, 1], ADMIN));
        let answer = self.namespace.run(async move {
            let limit = Duration::from_secs(5);
            tokio::time::timeout(limit, tcp::ask(address, request.into_bytes())).await
        });
        let answer = answer.context("the admin server does not answer")??;
        tcp::split_response(&answer)
    }

    /// The metrics now.
    ///
    /// # Errors
    /// When they cannot be had or are malformed.
    pub fn metrics(&self) -> Result<Metrics> {
        let (status, body) = self.admin("GET", "/metrics")?;
        if status != 200 {
            bail!("/metrics: {status} {body}");
        }
        body.parse()
    }

    /// Waits until the metrics are as expected.
    ///
    /// # Errors
    /// When that does not happen in time; with what they were.
    pub fn wait_for_metrics(&self, what: &str, expected: impl Fn(&Metrics) -> bool) -> Result<Metrics> {
        let start = Instant::now();
        loop {
            let metrics = self.metrics()?;
            if expected(&metrics) {
                return Ok(metrics);
            }
            if start.elapsed() > Duration::from_secs(5) {
                bail!("no {what} in the metrics:\n{metrics}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
