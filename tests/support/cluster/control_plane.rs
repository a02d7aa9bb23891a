//! etcd, kube-apiserver and kube-controller-manager: certificates, files and flags.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::build::Tools;
use super::level::Level;
use super::pki::{Authority, User, bare_key, kubeconfig, write_private};
use super::script::Part;

/// The addresses that Services get.
pub(super) const SERVICE_RANGE: &str = "10.96.0.0/16";

/// What later versions of Kubernetes have without being asked: `trafficDistribution: PreferSameNode`.
const FEATURES: &str = "PreferSameTrafficDistribution=true";

/// The first of them, by which pods reach the API server.
const API_SERVICE_ADDRESS: &str = "10.96.0.1";

/// Where the control plane listens.
#[derive(Clone, Debug)]
pub(super) struct Addresses {
    /// The address the API server binds and tells clients.
    pub(super) api: Ipv4Addr,
    /// Its port.
    pub(super) api_port: u16,
    /// The port on this machine's loopback by which tests reach the API server.
    pub(super) test_port: u16,
    /// The port of etcd for clients, on loopback.
    pub(super) etcd_client_port: u16,
    /// The port of etcd for its peers (it has none), on loopback.
    pub(super) etcd_peer_port: u16,
}

/// The control plane's files, and the authority behind them.
pub(super) struct ControlPlane {
    /// Signs every certificate of the cluster.
    pub(super) authority: Authority,
    dir: PathBuf,
    addresses: Addresses,
}

impl ControlPlane {
    /// Makes the authority and writes all certificates and kubeconfigs below `dir`.
    ///
    /// # Errors
    /// When a certificate cannot be made or a file cannot be written.
    pub(super) fn prepare(dir: &Path, addresses: Addresses) -> Result<Self> {
        let authority = Authority::new("test-cluster")?;
        let plane = Self { authority, dir: dir.to_owned(), addresses };
        plane.write_certificates()?;
        let admin = User { name: "admin", groups: &["system:masters"] };
        write_private(&dir.join("admin.kubeconfig"), &plane.kubeconfig(&plane.server(), &admin)?)?;
        for (file, name) in
            [("controller-manager", "system:kube-controller-manager"), ("scheduler", "system:kube-scheduler")]
        {
            plane.write_kubeconfig(file, &User { name, groups: &[] })?;
        }
        Ok(plane)
    }

    /// The URL of the API server for tests.
    pub(super) fn server(&self) -> String {
        format!("https://127.0.0.1:{}", self.addresses.test_port)
    }

    /// The URL of the API server for the parts of the cluster.
    fn inner_server(&self) -> String {
        format!("https://{}:{}", self.addresses.api, self.addresses.api_port)
    }

    /// Writes `FILE.kubeconfig` for a user who reaches the API server directly.
    ///
    /// # Errors
    /// When the certificate cannot be made or the file cannot be written.
    pub(super) fn write_kubeconfig(&self, file: &str, user: &User<'_>) -> Result<()> {
        let text = self.kubeconfig(&self.inner_server(), user)?;
        write_private(&self.dir.join(format!("{file}.kubeconfig")), &text)
    }

    /// A kubeconfig for a user who reaches the API server at `server`.
    ///
    /// # Errors
    /// When the certificate cannot be made.
    pub(super) fn kubeconfig(&self, server: &str, user: &User<'_>) -> Result<String> {
        let pair = self.authority.client(user)?;
        Ok(kubeconfig(server, self.authority.certificate_pem(), user.name, &pair))
    }

    /// The file with the authority's certificate.
    pub(super) fn authority_file(&self) -> String {
        self.file("ca.crt")
    }

    /// The programs of the control plane in the order of their start.
    pub(super) fn parts(&self, tools: &Tools, level: Level) -> Vec<Part> {
        let mut parts = vec![self.etcd(), self.api_server(tools)];
        if level >= Level::ApiServer {
            parts.push(self.controller_manager(tools, level));
        }
        if level == Level::Node {
            parts.push(self.scheduler(tools));
        }
        parts
    }

    fn write_certificates(&self) -> Result<()> {
        let address = self.addresses.api.to_string();
        let names = [
            "kubernetes",
            "kubernetes.default",
            "kubernetes.default.svc",
            "kubernetes.default.svc.cluster.local",
            "localhost",
            "127.0.0.1",
            API_SERVICE_ADDRESS,
            &address,
        ];
        self.authority.server("kube-apiserver", &names)?.write(&self.dir, "apiserver")?;
        self.authority.pair().write(&self.dir, "ca")?;
        let kubelet_client = User { name: "kube-apiserver-kubelet-client", groups: &["system:masters"] };
        self.authority.client(&kubelet_client)?.write(&self.dir, "apiserver-kubelet-client")?;
        // The front proxy has an authority of its own, as in a default cluster: a client certificate of the cluster
        // must not be able to speak for others through the aggregation headers.
        let front_proxy = Authority::new("front-proxy")?;
        front_proxy
            .client(&User { name: "front-proxy-client", groups: &[] })?
            .write(&self.dir, "front-proxy-client")?;
        write_private(&self.dir.join("front-proxy-ca.crt"), front_proxy.certificate_pem())?;
        let service_accounts = bare_key()?;
        write_private(&self.dir.join("service-accounts.key"), &service_accounts.private)?;
        write_private(&self.dir.join("service-accounts.pub"), &service_accounts.public)
    }

    fn file(&self, name: &str) -> String {
        self.dir.join(name).display().to_string()
    }

    fn etcd(&self) -> Part {
        let Addresses { etcd_client_port, etcd_peer_port, .. } = self.addresses;
        let client = format!("http://127.0.0.1:{etcd_client_port}");
        let peer = format!("http://127.0.0.1:{etcd_peer_port}");
        Part::new("etcd", Path::new("etcd")).arg("--unsafe-no-fsync").flags([
            ("name", "test".to_owned()),
            ("data-dir", self.file("etcd")),
            ("listen-client-urls", client.clone()),
            ("advertise-client-urls", client),
            ("listen-peer-urls", peer.clone()),
            ("initial-advertise-peer-urls", peer.clone()),
            ("initial-cluster", format!("test={peer}")),
            // Four times the default: a test may write a large cluster.
            ("quota-backend-bytes", (8_u64 << 30).to_string()),
            ("log-level", "warn".to_owned()),
            ("logger", "zap".to_owned()),
            ("log-outputs", "stderr".to_owned()),
        ])
    }

    fn api_server(&self, tools: &Tools) -> Part {
        let address = self.addresses.api;
        // The address that Endpoints of the Service `kubernetes` carry may not be loopback.
        let advertised = if address.is_loopback() { Ipv4Addr::new(192, 0, 2, 1) } else { address };
        Part::new("kube-apiserver", &tools.path("kube-apiserver"))
            .flags([
                ("etcd-servers", format!("http://127.0.0.1:{}", self.addresses.etcd_client_port)),
                ("bind-address", address.to_string()),
                ("secure-port", self.addresses.api_port.to_string()),
                ("advertise-address", advertised.to_string()),
                ("service-cluster-ip-range", SERVICE_RANGE.to_owned()),
                ("authorization-mode", "Node,RBAC".to_owned()),
                ("enable-admission-plugins", "NodeRestriction".to_owned()),
                ("allow-privileged", "true".to_owned()),
                ("kubelet-preferred-address-types", "InternalIP".to_owned()),
                ("feature-gates", FEATURES.to_owned()),
            ])
            .flags([
                ("tls-cert-file", self.file("apiserver.crt")),
                ("tls-private-key-file", self.file("apiserver.key")),
                ("client-ca-file", self.file("ca.crt")),
                ("kubelet-certificate-authority", self.file("ca.crt")),
                ("kubelet-client-certificate", self.file("apiserver-kubelet-client.crt")),
                ("kubelet-client-key", self.file("apiserver-kubelet-client.key")),
                ("service-account-issuer", "https://kubernetes.default.svc.cluster.local".to_owned()),
                ("service-account-key-file", self.file("service-accounts.pub")),
                ("service-account-signing-key-file", self.file("service-accounts.key")),
            ])
            .flags([
                ("enable-aggregator-routing", "true".to_owned()),
                ("requestheader-client-ca-file", self.file("front-proxy-ca.crt")),
                ("requestheader-allowed-names", "front-proxy-client".to_owned()),
                ("requestheader-username-headers", "X-Remote-User".to_owned()),
                ("requestheader-group-headers", "X-Remote-Group".to_owned()),
                ("requestheader-extra-headers-prefix", "X-Remote-Extra-".to_owned()),
                ("proxy-client-cert-file", self.file("front-proxy-client.crt")),
                ("proxy-client-key-file", self.file("front-proxy-client.key")),
            ])
    }

    fn controller_manager(&self, tools: &Tools, level: Level) -> Part {
        // Without nodes, pods bound to a made-up node name must stay: tests write such pods themselves.
        let controllers = match level {
            Level::Storage | Level::ApiServer => {
                "*,-pod-garbage-collector-controller,-node-lifecycle-controller"
            }
            Level::Node => "*",
        };
        Part::new("kube-controller-manager", &tools.path("kube-controller-manager")).flags([
            ("kubeconfig", self.file("controller-manager.kubeconfig")),
            ("secure-port", "0".to_owned()),
            ("leader-elect", "false".to_owned()),
            ("controllers", controllers.to_owned()),
            ("feature-gates", FEATURES.to_owned()),
            ("use-service-account-credentials", "true".to_owned()),
            // With the default of 20 requests a second, starting all controllers takes four seconds.
            ("kube-api-qps", "500".to_owned()),
            ("kube-api-burst", "1000".to_owned()),
            ("service-account-private-key-file", self.file("service-accounts.key")),
            ("root-ca-file", self.file("ca.crt")),
            ("cluster-signing-cert-file", self.file("ca.crt")),
            ("cluster-signing-key-file", self.file("ca.key")),
        ])
    }

    fn scheduler(&self, tools: &Tools) -> Part {
        Part::new("kube-scheduler", &tools.path("kube-scheduler")).flags([
            ("kubeconfig", self.file("scheduler.kubeconfig")),
            ("secure-port", "0".to_owned()),
            ("leader-elect", "false".to_owned()),
        ])
    }
}
