//! The arguments of every component, as the charts pass them (`docs/components.md` is the contract).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use clap::builder::ArgPredicate;
use clap::{Arg, Args, Parser, Subcommand, ValueEnum};
use ipnet::IpNet;
use mesh_core::duration::GoDuration;
use mesh_core::identity::TrustDomain;
use mesh_core::port::PortRanges;
use mesh_core::quantity::Quantity;

/// The control plane of the mesh: one component per process.
#[derive(Clone, Debug, Parser)]
#[command(name = "linkerd-controller", version, arg_required_else_help = true)]
pub struct Cli {
    /// Which one to be.
    #[command(subcommand)]
    pub component: Component,
}

/// The components.
#[derive(Clone, Debug, Subcommand)]
pub enum Component {
    /// Tell proxies where services are and who may talk to whom
    Destination(Box<DestinationArgs>),
    /// Sign the certificates of workloads
    Identity(IdentityArgs),
    /// Add the proxy to pods as they are created
    ProxyInjector(ProxyInjectorArgs),
    /// Refuse ServiceProfiles that proxies could not follow
    SpValidator(SpValidatorArgs),
    /// Show users the requests of workloads as they happen
    Tap(TapArgs),
    /// Answer the command and the dashboard
    PublicApi(PublicApiArgs),
    /// Answer where the dashboard will be
    Web(WebArgs),
    /// Compose a report about this install, and send it where that is configured
    Heartbeat(HeartbeatArgs),
}

/// What all components share.
#[derive(Clone, Debug, Args)]
pub struct CommonArgs {
    /// Namespace of the control plane
    #[arg(long, value_name = "NS", default_value = "linkerd")]
    pub controller_namespace: String,
    /// How much is logged
    #[arg(long, value_name = "LEVEL", value_enum, default_value_t = LogLevel::Info)]
    pub log_level: LogLevel,
    /// How log lines look
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = LogFormat::Plain)]
    pub log_format: LogFormat,
    /// Where spans go, as OTLP over gRPC
    #[arg(long, value_name = "HOST:PORT")]
    pub trace_collector: Option<String>,
    /// Name of the pod: the holder of leases and the reporter of events
    #[arg(long, value_name = "NAME", env = "POD_NAME", default_value = "linkerd-controller")]
    pub pod_name: String,
    /// Reach the API server through this file instead of the pod's own account
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Address of the admin port: /live, /ready, /metrics
    #[arg(long, value_name = "ADDR", default_value = ":9990")]
    pub admin_addr: ListenAddr,
}

/// How much is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "lower")]
pub enum LogLevel {
    /// What keeps the component from its work.
    #[value(aliases = ["panic", "fatal"])]
    Error,
    /// What is wrong but was got around.
    #[value(alias = "warning")]
    Warn,
    /// What an operator wants to know.
    Info,
    /// What a developer wants to know.
    Debug,
    /// Everything.
    Trace,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Plain,
    /// One JSON object a line.
    Json,
}

/// An address to listen on. `:8080` is that port on every address, IPv6 included where there is any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListenAddr {
    /// None for every address.
    ip: Option<IpAddr>,
    port: u16,
}

/// Why a text is no address to listen on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no address to listen on: write `:8080`, `127.0.0.1:8080` or `[::1]:8080`")]
pub struct InvalidListenAddr {
    text: String,
}

/// Arguments of `identity`.
#[derive(Clone, Debug, Args)]
pub struct IdentityArgs {
    /// What all components share.
    #[command(flatten)]
    pub common: CommonArgs,
    /// Where the identity API is served
    #[arg(long, value_name = "ADDR", default_value = ":8080")]
    pub grpc_addr: ListenAddr,
    /// The suffix of every identity
    #[arg(long, value_name = "DOMAIN", default_value = "cluster.local")]
    pub identity_trust_domain: TrustDomain,
    /// Names of the files of the issuer
    #[arg(long, value_name = "SCHEME", value_enum, default_value_t = IssuerScheme::Linkerd)]
    pub identity_scheme: IssuerScheme,
    /// How long a certificate of a workload lasts
    #[arg(long, value_name = "DURATION", default_value = "24h0m0s")]
    pub identity_issuance_lifetime: GoDuration,
    /// By how much clocks may differ
    #[arg(long, value_name = "DURATION", default_value = "20s")]
    pub identity_clock_skew_allowance: GoDuration,
    /// Requests a second to the API server
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub kube_apiclient_qps: u32,
    /// Requests to the API server that may come at once
    #[arg(long, value_name = "N", default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub kube_apiclient_burst: u32,
    /// Directory with the issuer's certificate and key
    #[arg(long, value_name = "DIR", default_value = "/var/run/linkerd/identity/issuer")]
    pub issuer_dir: PathBuf,
    /// Directory with the trust anchors
    #[arg(long, value_name = "DIR", default_value = "/var/run/linkerd/identity/trust-roots")]
    pub trust_roots_dir: PathBuf,
}

/// How the keys of the issuer's Secret are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum IssuerScheme {
    /// `crt.pem` and `key.pem`: made by `install`, renewed by the leader.
    #[value(name = "linkerd.io/tls")]
    Linkerd,
    /// `tls.crt` and `tls.key`: maintained by somebody else, such as cert-manager.
    #[value(name = "kubernetes.io/tls")]
    Kubernetes,
}

/// Arguments of `destination`: discovery and policy.
#[derive(Clone, Debug, Args)]
#[command(mut_args(unless_manifests))]
pub struct DestinationArgs {
    /// What all components share.
    #[command(flatten)]
    pub common: CommonArgs,
    /// Read this directory of manifests instead of an API server: answers alone, nothing is written or judged
    #[arg(long, value_name = "DIR")]
    pub manifests: Option<PathBuf>,
    /// Where the destination API is served
    #[arg(long, value_name = "ADDR", default_value = ":8086")]
    pub grpc_addr: ListenAddr,
    /// Where the policy API is served
    #[arg(long, value_name = "ADDR", default_value = ":8090")]
    pub policy_grpc_addr: ListenAddr,
    /// The DNS domain of the cluster
    #[arg(long, value_name = "DOMAIN", default_value = "cluster.local")]
    pub cluster_domain: String,
    /// Networks of the cluster: what lies outside is egress
    #[arg(
        long,
        value_name = "CIDR,…",
        value_delimiter = ',',
        default_value = "10.0.0.0/8,100.64.0.0/10,172.16.0.0/12,192.168.0.0/16,fd00::/8"
    )]
    pub cluster_networks: Vec<IpNet>,
    /// The suffix of every identity
    #[arg(long, value_name = "DOMAIN", default_value = "cluster.local")]
    pub identity_trust_domain: TrustDomain,
    /// Speak HTTP/2 between proxies
    #[arg(long, value_name = "BOOL", action = clap::ArgAction::Set, default_value_t = true)]
    pub enable_h2_upgrade: bool,
    /// Read EndpointSlices, and not the older Endpoints
    #[arg(long, value_name = "BOOL", action = clap::ArgAction::Set, default_value_t = true)]
    pub enable_endpoint_slices: bool,
    /// Give endpoints in the zone of the client ten times their weight
    #[arg(long, value_name = "BOOL", action = clap::ArgAction::Set, default_value_t = false)]
    pub ext_endpoint_zone_weights: bool,
    /// Follow the clusters that Secrets in the own namespace lead to
    #[arg(long, value_name = "BOOL", action = clap::ArgAction::Set, default_value_t = false)]
    pub remote_clusters: bool,
    /// Prefer IPv6 addresses of endpoints that have both
    #[arg(long, value_name = "BOOL", action = clap::ArgAction::Set, default_value_t = false)]
    pub enable_ipv6: bool,
    /// How one proxy tells the other the port that is meant
    #[arg(long, value_name = "MODE", value_enum, default_value_t = TransportMode::TransportHeader)]
    pub outbound_transport_mode: TransportMode,
    /// The inbound port of proxies that name none
    #[arg(long, value_name = "PORT", default_value_t = mesh_core::names::ports::PROXY_INBOUND)]
    pub inbound_port: u16,
    /// Ports that are opaque unless said otherwise
    #[arg(long, value_name = "PORTS", default_value = "25,587,3306,4444,5432,6379,9300,11211")]
    pub default_opaque_ports: PortRanges,
    /// Who may reach a port that no Server selects
    #[arg(long, value_name = "POLICY", default_value = "all-unauthenticated")]
    pub default_inbound_policy: String,
    /// Networks from which probes come
    #[arg(long, value_name = "CIDR,…", value_delimiter = ',', default_value = "0.0.0.0/0,::/0")]
    pub probe_networks: Vec<IpNet>,
    /// How long a proxy waits for the first bytes that tell the protocol
    #[arg(long, value_name = "DURATION", default_value = "10s")]
    pub protocol_detect_timeout: GoDuration,
    /// Namespace whose EgressNetworks hold for every other
    #[arg(long, value_name = "NS", default_value = "linkerd-egress")]
    pub global_egress_network_namespace: String,
    /// The admission webhook of policies.
    #[command(flatten)]
    pub webhook: WebhookArgs,
}

/// How one proxy tells the other the port that is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TransportMode {
    /// A header in front of the bytes, sent to the inbound port of the proxy.
    TransportHeader,
    /// Connect to the port itself; the redirection does the rest.
    Transparent,
}

/// What the webhook needs is required where there is an API server that asks.
fn unless_manifests(arg: Arg) -> Arg {
    if !["webhook_config", "tls_secret"].contains(&arg.get_id().as_str()) {
        return arg;
    }
    let arg = arg.required(false).required_unless_present("manifests");
    arg.default_value_if("manifests", ArgPredicate::IsPresent, "none")
}

/// What a webhook needs to know of its own certificate.
#[derive(Clone, Debug, Args)]
pub struct WebhookArgs {
    /// Where admission requests are served
    #[arg(long, value_name = "ADDR", default_value = ":8443")]
    pub webhook_addr: ListenAddr,
    /// The webhook configuration whose `caBundle` belongs to the certificate
    #[arg(long, value_name = "NAME")]
    pub webhook_config: String,
    /// The certificate.
    #[command(flatten)]
    pub tls: TlsArgs,
}

/// Arguments of `proxy-injector`.
#[derive(Clone, Debug, Args)]
pub struct ProxyInjectorArgs {
    /// What all components share.
    #[command(flatten)]
    pub common: CommonArgs,
    /// Folder with the control plane's values (file `values`)
    #[arg(long, value_name = "DIR", default_value = "/var/run/linkerd/config")]
    pub config_dir: PathBuf,
    /// File with the trust anchors
    #[arg(long, value_name = "FILE", default_value = "/var/run/linkerd/identity/trust-roots/ca-bundle.crt")]
    pub trust_roots: PathBuf,
    /// The webhook.
    #[command(flatten)]
    pub webhook: WebhookArgs,
}

/// Arguments of `sp-validator`.
#[derive(Clone, Debug, Args)]
pub struct SpValidatorArgs {
    /// What all components share.
    #[command(flatten)]
    pub common: CommonArgs,
    /// The webhook.
    #[command(flatten)]
    pub webhook: WebhookArgs,
}

/// Arguments of `tap`.
#[derive(Clone, Debug, Args)]
pub struct TapArgs {
    /// What all components share.
    #[command(flatten)]
    pub common: CommonArgs,
    /// Reserved for clients within the mesh
    #[arg(long, value_name = "ADDR", default_value = ":8088")]
    pub grpc_addr: ListenAddr,
    /// Where the API server passes requests on to
    #[arg(long, value_name = "ADDR", default_value = ":8089")]
    pub apiserver_addr: ListenAddr,
    /// The DNS domain of the cluster
    #[arg(long, value_name = "DOMAIN", default_value = "cluster.local")]
    pub cluster_domain: String,
    /// The suffix of every identity
    #[arg(long, value_name = "DOMAIN", default_value = "cluster.local")]
    pub identity_trust_domain: TrustDomain,
    /// Port on which proxies are tapped
    #[arg(long, value_name = "PORT", default_value_t = mesh_core::names::ports::PROXY_CONTROL)]
    pub proxy_control_port: u16,
    /// Header fields that are never shown
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    pub ignore_headers: Vec<String>,
    /// The APIService whose `caBundle` belongs to the certificate
    #[arg(long, value_name = "NAME", default_value = "v1alpha1.tap.linkerd.io")]
    pub api_service: String,
    /// The certificate.
    #[command(flatten)]
    pub tls: TlsArgs,
}

/// Arguments of `public-api`.
#[derive(Clone, Debug, Args)]
pub struct PublicApiArgs {
    /// What all components share.
    #[command(flatten)]
    pub common: CommonArgs,
    /// Where questions are answered
    #[arg(long, value_name = "ADDR", default_value = ":8085")]
    pub grpc_addr: ListenAddr,
    /// The DNS domain of the cluster
    #[arg(long, value_name = "DOMAIN", default_value = "cluster.local")]
    pub cluster_domain: String,
    /// The suffix of every identity
    #[arg(long, value_name = "DOMAIN", default_value = "cluster.local")]
    pub identity_trust_domain: TrustDomain,
    /// The destination API, for those who ask what it knows
    #[arg(long, value_name = "HOST:PORT")]
    pub destination_addr: Option<String>,
    /// A Prometheus that scrapes the proxies
    #[arg(long, value_name = "URL")]
    pub prometheus_url: Option<String>,
    /// Scrape the proxies and keep a short window; asked where there is no Prometheus
    #[arg(long, value_name = "BOOL", action = clap::ArgAction::Set, default_value_t = true)]
    pub direct: bool,
    /// Time between two scrapes of one proxy
    #[arg(long, value_name = "DURATION", default_value = "10s")]
    pub direct_scrape_interval: GoDuration,
    /// How far back the window goes
    #[arg(long, value_name = "DURATION", default_value = "1h0m0s")]
    pub direct_window: GoDuration,
    /// How much memory the window may take
    #[arg(long, value_name = "QUANTITY", default_value = "64Mi")]
    pub direct_memory_limit: Quantity,
}

/// Arguments of `web`. Those that a dashboard needs are taken, and used by none yet.
#[derive(Clone, Debug, Args)]
pub struct WebArgs {
    /// What all components share.
    #[command(flatten)]
    pub common: CommonArgs,
    /// Where browsers are answered
    #[arg(long, value_name = "ADDR", default_value = ":8084")]
    pub http_addr: ListenAddr,
    /// The DNS domain of the cluster
    #[arg(long, value_name = "DOMAIN", default_value = "cluster.local")]
    pub cluster_domain: String,
    /// The public API
    #[arg(long, value_name = "HOST:PORT")]
    pub api_addr: Option<String>,
    /// A Grafana to link to
    #[arg(long, value_name = "ADDR")]
    pub grafana_addr: Option<String>,
    /// A Jaeger to link to
    #[arg(long, value_name = "HOST:PORT")]
    pub jaeger_addr: Option<String>,
    /// What the header `host` must match; anything unless given
    #[arg(long, value_name = "REGEX")]
    pub enforced_host: Option<regex::Regex>,
    /// Whether the dashboard may not tap
    #[arg(long, value_name = "BOOL", action = clap::ArgAction::Set, default_value_t = false)]
    pub restrict_privileges: bool,
}

/// Arguments of `heartbeat`.
#[derive(Clone, Debug, Args)]
pub struct HeartbeatArgs {
    /// What all components share.
    #[command(flatten)]
    pub common: CommonArgs,
    /// A Prometheus that knows how much there is to do
    #[arg(long, value_name = "URL")]
    pub prometheus_url: Option<String>,
    /// Where the report is sent; nowhere unless given
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// Print the report, and send nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// Where a serving certificate is kept and who maintains it.
#[derive(Clone, Debug, Args)]
pub struct TlsArgs {
    /// Secret in the own namespace with tls.crt, tls.key and ca.crt
    #[arg(long, value_name = "NAME")]
    pub tls_secret: String,
    /// Make and renew that certificate
    #[arg(long, value_name = "BOOL", action = clap::ArgAction::Set, default_value_t = true)]
    pub issue_tls: bool,
    /// Keep the caBundle in step with it
    #[arg(long, value_name = "BOOL", action = clap::ArgAction::Set, default_value_t = true)]
    pub fill_ca_bundle: bool,
}

// === impl Component ===

impl Component {
    /// The name by which it is started.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Destination(_) => "destination",
            Self::Identity(_) => "identity",
            Self::ProxyInjector(_) => "proxy-injector",
            Self::SpValidator(_) => "sp-validator",
            Self::Tap(_) => "tap",
            Self::PublicApi(_) => "public-api",
            Self::Web(_) => "web",
            Self::Heartbeat(_) => "heartbeat",
        }
    }

    /// The arguments that all components share.
    pub fn common(&self) -> &CommonArgs {
        match self {
            Self::Destination(args) => &args.common,
            Self::Identity(args) => &args.common,
            Self::ProxyInjector(args) => &args.common,
            Self::SpValidator(args) => &args.common,
            Self::Tap(args) => &args.common,
            Self::PublicApi(args) => &args.common,
            Self::Web(args) => &args.common,
            Self::Heartbeat(args) => &args.common,
        }
    }

    /// Whether the component serves an admin port; one that runs once does not.
    pub fn is_server(&self) -> bool {
        !matches!(self, Self::Heartbeat(_))
    }
}

// === impl ListenAddr ===

impl ListenAddr {
    /// The port; 0 lets the system choose.
    pub fn port(self) -> u16 {
        self.port
    }

    /// What to try to bind, in this order: every IPv6 address takes IPv4 with it, where there is IPv6 at all.
    pub fn candidates(self) -> Vec<SocketAddr> {
        match self.ip {
            Some(ip) => vec![SocketAddr::new(ip, self.port)],
            None => vec![
                SocketAddr::from((Ipv6Addr::UNSPECIFIED, self.port)),
                SocketAddr::from((Ipv4Addr::UNSPECIFIED, self.port)),
            ],
        }
    }
}

impl FromStr for ListenAddr {
    type Err = InvalidListenAddr;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let port = |digits: &str| mesh_core::port::parse_port(digits).ok();
        let parsed = match text.strip_prefix(':') {
            Some(digits) => port(digits).map(|port| Self { ip: None, port }),
            None => text.parse().ok().map(|addr: SocketAddr| Self { ip: Some(addr.ip()), port: addr.port() }),
        };
        parsed.ok_or_else(|| InvalidListenAddr { text: text.chars().take(64).collect() })
    }
}

impl fmt::Display for ListenAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ip {
            Some(ip) => write!(f, "{}", SocketAddr::new(ip, self.port)),
            None => write!(f, ":{}", self.port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_shown() {
        for text in [":8080", "127.0.0.1:0", "[::1]:99"] {
            assert_eq!(text.parse::<ListenAddr>().unwrap().to_string(), text);
        }
        assert_eq!(":1".parse::<ListenAddr>().unwrap().candidates().len(), 2);
        for text in ["", ":", "8080", ":x", ":65536", "localhost:80", "::1:80x"] {
            assert!(text.parse::<ListenAddr>().is_err(), "{text}");
        }
    }

    #[test]
    fn destination_needs_a_certificate_unless_nobody_asks_for_it() {
        let parse = |more: &[&str]| {
            Cli::try_parse_from(["linkerd-controller", "destination"].iter().chain(more).copied())
        };
        let error = parse(&[]).unwrap_err().to_string();
        assert!(error.contains("--webhook-config") && error.contains("--tls-secret"), "{error}");
        assert!(parse(&["--webhook-config=a", "--tls-secret=b"]).is_ok());
        let cli = parse(&["--manifests=/some/where"]).unwrap();
        let Component::Destination(args) = cli.component else { panic!("another component") };
        assert_eq!(args.manifests, Some(PathBuf::from("/some/where")));
    }

    #[test]
    fn identity_is_started_as_the_chart_does() {
        let cli = Cli::try_parse_from([
            "linkerd-controller",
            "identity",
            "--controller-namespace=mesh",
            "--log-level=fatal",
            "--log-format=json",
            "--grpc-addr=:8080",
            "--admin-addr=:9990",
            "--identity-trust-domain=cluster.local",
            "--identity-scheme=linkerd.io/tls",
            "--identity-issuance-lifetime=24h0m0s",
            "--identity-clock-skew-allowance=20s",
            "--kube-apiclient-qps=100",
            "--kube-apiclient-burst=200",
        ]);
        let Component::Identity(args) = cli.unwrap().component else { panic!("another component") };
        assert_eq!(args.common.controller_namespace, "mesh");
        assert_eq!(args.common.log_level, LogLevel::Error);
        assert_eq!(args.identity_scheme, IssuerScheme::Linkerd);
        assert_eq!(args.identity_issuance_lifetime, GoDuration::from_secs(86_400));
    }
}
