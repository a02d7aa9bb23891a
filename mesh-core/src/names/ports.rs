//! Well-known ports.

/// Redirected outgoing connections.
pub const PROXY_OUTBOUND: u16 = 4140;
/// Redirected incoming connections.
pub const PROXY_INBOUND: u16 = 4143;
/// Tap.
pub const PROXY_CONTROL: u16 = 4190;
/// Metrics, probes and shutdown of the proxy.
pub const PROXY_ADMIN: u16 = 4191;
/// The identity service.
pub const IDENTITY: u16 = 8080;
/// The destination service.
pub const DESTINATION: u16 = 8086;
/// The policy service.
pub const POLICY: u16 = 8090;
/// The public API.
pub const PUBLIC_API: u16 = 8085;
/// The dashboard.
pub const WEB: u16 = 8084;
/// Webhooks' serving port behind their Service's 443.
pub const WEBHOOK: u16 = 8443;
/// Tap's gRPC port.
pub const TAP: u16 = 8088;
/// Tap's aggregated API.
pub const TAP_APISERVER: u16 = 8089;
/// Probes of multicluster gateways.
pub const GATEWAY_PROBE: u16 = 4181;

/// Ports that are opaque unless said otherwise: SMTP, MySQL, Galera, PostgreSQL, Redis, Elasticsearch, memcached.
pub const DEFAULT_OPAQUE: &[u16] = &[25, 587, 3306, 4444, 5432, 6379, 9300, 11211];
/// Ports that are not redirected unless said otherwise: Galera's own replication.
pub const DEFAULT_SKIPPED: &[u16] = &[4567, 4568];

/// Name of the proxy's inbound port in its container.
pub const PROXY_PORT_NAME: &str = "linkerd-proxy";
/// Name of the proxy's admin port in its container.
pub const ADMIN_PORT_NAME: &str = "linkerd-admin";
