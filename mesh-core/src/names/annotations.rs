//! Annotations the mesh reads and writes.

use super::ValueType;

/// An annotation: what it is called, what it takes, where it counts.
#[derive(Clone, Copy, Debug)]
pub struct Annotation {
    /// The whole key.
    pub name: &'static str,
    /// One line for the reference page, without a full stop.
    pub doc: &'static str,
    /// What the value looks like.
    pub value: ValueType,
    /// Where it counts; a pod's own wins over its namespace's.
    pub scopes: &'static [Scope],
    /// The release of Linkerd that brought it.
    pub since: &'static str,
}

impl Annotation {
    /// Whether the annotation counts on objects of this scope.
    pub fn counts_on(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }
}

/// Where an annotation counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Scope {
    /// On a pod or a workload's pod template.
    Pod,
    /// On a namespace, for all pods in it.
    Namespace,
    /// On a Service.
    Service,
    /// Written by the mesh, read by nobody but people and `check`.
    Written,
}

/// Whether pods get a proxy; `ingress` also makes it route by the request's name.
pub const INJECT: &str = "linkerd.io/inject";
/// What wrote the object: the command, Helm or the injector, with its version.
pub const CREATED_BY: &str = "linkerd.io/created-by";
/// Version of the injected proxy.
pub const PROXY_VERSION_SET: &str = "linkerd.io/proxy-version";
/// Whether the injected proxy has an identity.
pub const IDENTITY_MODE: &str = "linkerd.io/identity-mode";
/// SHA-256 of the trust anchors the injected proxy was given.
pub const TRUST_ROOT_SHA256: &str = "linkerd.io/trust-root-sha256";
/// End of the issuer certificate's validity, on its Secret.
pub const IDENTITY_ISSUER_EXPIRY: &str = "linkerd.io/identity-issuer-expiry";
/// Revision of the Helm release, so that an upgrade restarts what reads the configuration.
pub const HELM_RELEASE_VERSION: &str = "linkerd.io/helm-release-version";
/// Image of the proxy.
pub const PROXY_IMAGE: &str = "config.linkerd.io/proxy-image";
/// Pull policy of the proxy's and the init container's image.
pub const IMAGE_PULL_POLICY: &str = "config.linkerd.io/image-pull-policy";
/// Image of the init container.
pub const INIT_IMAGE: &str = "config.linkerd.io/init-image";
/// Tag of the init container's image.
pub const INIT_IMAGE_VERSION: &str = "config.linkerd.io/init-image-version";
/// Image of the debug container.
pub const DEBUG_IMAGE: &str = "config.linkerd.io/debug-image";
/// Tag of the debug container's image.
pub const DEBUG_IMAGE_VERSION: &str = "config.linkerd.io/debug-image-version";
/// Pull policy of the debug container's image.
pub const DEBUG_IMAGE_PULL_POLICY: &str = "config.linkerd.io/debug-image-pull-policy";
/// Port of tap in the proxy.
pub const CONTROL_PORT: &str = "config.linkerd.io/control-port";
/// Incoming ports that bypass the proxy.
pub const SKIP_INBOUND_PORTS: &str = "config.linkerd.io/skip-inbound-ports";
/// Outgoing ports that bypass the proxy.
pub const SKIP_OUTBOUND_PORTS: &str = "config.linkerd.io/skip-outbound-ports";
/// Networks whose incoming connections bypass the proxy.
pub const SKIP_SUBNETS: &str = "config.linkerd.io/skip-subnets";
/// Port that redirected incoming connections arrive at.
pub const INBOUND_PORT: &str = "config.linkerd.io/inbound-port";
/// Port that redirected outgoing connections arrive at.
pub const OUTBOUND_PORT: &str = "config.linkerd.io/outbound-port";
/// Port of the proxy's metrics and probes.
pub const ADMIN_PORT: &str = "config.linkerd.io/admin-port";
/// Ports the pod listens on, when its containers do not declare them.
pub const POD_INBOUND_PORTS: &str = "config.linkerd.io/pod-inbound-ports";
/// CPU time reserved for the proxy.
pub const PROXY_CPU_REQUEST: &str = "config.linkerd.io/proxy-cpu-request";
/// Most CPU time the proxy may use; also bounds its worker threads.
pub const PROXY_CPU_LIMIT: &str = "config.linkerd.io/proxy-cpu-limit";
/// Most worker threads of the proxy as a share of the node's CPUs.
pub const PROXY_CPU_RATIO_LIMIT: &str = "config.linkerd.io/proxy-cpu-ratio-limit";
/// Memory reserved for the proxy.
pub const PROXY_MEMORY_REQUEST: &str = "config.linkerd.io/proxy-memory-request";
/// Most memory the proxy may use.
pub const PROXY_MEMORY_LIMIT: &str = "config.linkerd.io/proxy-memory-limit";
/// Scratch space reserved for the proxy.
pub const PROXY_EPHEMERAL_STORAGE_REQUEST: &str = "config.linkerd.io/proxy-ephemeral-storage-request";
/// Most scratch space the proxy may use.
pub const PROXY_EPHEMERAL_STORAGE_LIMIT: &str = "config.linkerd.io/proxy-ephemeral-storage-limit";
/// User id of the proxy.
pub const PROXY_UID: &str = "config.linkerd.io/proxy-uid";
/// Group id of the proxy.
pub const PROXY_GID: &str = "config.linkerd.io/proxy-gid";
/// Log level of the proxy.
pub const PROXY_LOG_LEVEL: &str = "config.linkerd.io/proxy-log-level";
/// Log format of the proxy.
pub const PROXY_LOG_FORMAT: &str = "config.linkerd.io/proxy-log-format";
/// Whether HTTP headers are logged at debug level.
pub const PROXY_LOG_HTTP_HEADERS: &str = "config.linkerd.io/proxy-log-http-headers";
/// Format of the proxy's access log.
pub const ACCESS_LOG: &str = "config.linkerd.io/access-log";
/// Whether profiles of names outside the cluster are looked up.
pub const ENABLE_EXTERNAL_PROFILES: &str = "config.linkerd.io/enable-external-profiles";
/// Tag of the proxy's image.
pub const PROXY_VERSION: &str = "config.linkerd.io/proxy-version";
/// Incoming ports that accept clients with an identity only.
pub const PROXY_REQUIRE_IDENTITY_INBOUND_PORTS: &str =
    "config.linkerd.io/proxy-require-identity-inbound-ports";
/// Networks whose addresses are looked up at the destination service; empty for none.
pub const PROXY_DESTINATION_GET_NETWORKS: &str = "config.linkerd.io/proxy-destination-get-networks";
/// Whether the proxy forwards for linked clusters.
pub const ENABLE_GATEWAY: &str = "config.linkerd.io/enable-gateway";
/// No longer has an effect: every proxy has an identity.
pub const DISABLE_IDENTITY: &str = "config.linkerd.io/disable-identity";
/// Whether tap is refused.
pub const DISABLE_TAP: &str = "config.linkerd.io/disable-tap";
/// Collector that spans are sent to.
pub const TRACE_COLLECTOR: &str = "config.linkerd.io/trace-collector";
/// Whether a container with network tools is added.
pub const ENABLE_DEBUG_SIDECAR: &str = "config.linkerd.io/enable-debug-sidecar";
/// How long a half-closed connection stays in the kernel's table.
pub const CLOSE_WAIT_TIMEOUT: &str = "config.linkerd.io/close-wait-timeout";
/// Ports whose protocol is not looked at.
pub const OPAQUE_PORTS: &str = "config.linkerd.io/opaque-ports";
/// How long a connection to the application may take to open.
pub const PROXY_INBOUND_CONNECT_TIMEOUT: &str = "config.linkerd.io/proxy-inbound-connect-timeout";
/// How long a connection to a peer may take to open.
pub const PROXY_OUTBOUND_CONNECT_TIMEOUT: &str = "config.linkerd.io/proxy-outbound-connect-timeout";
/// Whether the application's containers wait for the proxy (without a native sidecar).
pub const PROXY_AWAIT: &str = "config.linkerd.io/proxy-await";
/// Policy of ports that no Server selects.
pub const DEFAULT_INBOUND_POLICY: &str = "config.linkerd.io/default-inbound-policy";
/// How long open connections may take to end once the proxy is told to stop.
pub const SHUTDOWN_GRACE_PERIOD: &str = "config.linkerd.io/shutdown-grace-period";
/// Environment variables added to the proxy.
pub const PROXY_ADDITIONAL_ENV: &str = "config.linkerd.io/proxy-additional-env";
/// Whether the proxy is an init container that keeps running.
pub const PROXY_ENABLE_NATIVE_SIDECAR: &str = "config.linkerd.io/proxy-enable-native-sidecar";
/// Whether POST /shutdown is served on the admin port.
pub const PROXY_ADMIN_SHUTDOWN: &str = "config.linkerd.io/proxy-admin-shutdown";
/// Whether the first bytes of an incoming connection are waited for as long as it takes.
pub const PROXY_DISABLE_INBOUND_PROTOCOL_DETECT_TIMEOUT: &str =
    "config.linkerd.io/proxy-disable-inbound-protocol-detect-timeout";
/// Whether the first bytes of an outgoing connection are waited for as long as it takes.
pub const PROXY_DISABLE_OUTBOUND_PROTOCOL_DETECT_TIMEOUT: &str =
    "config.linkerd.io/proxy-disable-outbound-protocol-detect-timeout";
/// How long what was discovered about an incoming port is kept unused.
pub const PROXY_INBOUND_DISCOVERY_CACHE_UNUSED_TIMEOUT: &str =
    "config.linkerd.io/proxy-inbound-discovery-cache-unused-timeout";
/// How long what was discovered about a destination is kept unused.
pub const PROXY_OUTBOUND_DISCOVERY_CACHE_UNUSED_TIMEOUT: &str =
    "config.linkerd.io/proxy-outbound-discovery-cache-unused-timeout";
/// Whether metrics of outgoing traffic carry the name the application asked for.
pub const PROXY_METRICS_HOSTNAME_LABELS: &str = "config.linkerd.io/proxy-metrics-hostname-labels";
/// Seconds the proxy stays before it is told to stop.
pub const PROXY_WAIT_BEFORE_EXIT_SECONDS: &str = "config.alpha.linkerd.io/proxy-wait-before-exit-seconds";
/// ServiceAccount of the collector that spans are sent to.
pub const TRACE_COLLECTOR_SERVICE_ACCOUNT: &str = "config.alpha.linkerd.io/trace-collector-service-account";
/// Older name of config.linkerd.io/proxy-enable-native-sidecar.
pub const PROXY_ENABLE_NATIVE_SIDECAR_ALPHA: &str = "config.alpha.linkerd.io/proxy-enable-native-sidecar";
/// Older name of config.linkerd.io/proxy-enable-native-sidecar.
pub const PROXY_ENABLE_NATIVE_SIDECAR_BETA: &str = "config.beta.linkerd.io/proxy-enable-native-sidecar";
/// Later name of config.linkerd.io/disable-tap.
pub const VIZ_DISABLE_TAP: &str = "viz.linkerd.io/disable-tap";

/// What `uninject` cannot tell by itself: empty fields that were filled and annotations that flags added.
pub const INJECT_UNDO: &str = "linkerd.io/inject-undo";

/// Value of [`INJECT`] that asks for a proxy.
pub const INJECT_ENABLED: &str = "enabled";
/// Value of [`INJECT`] that asks for a proxy in ingress mode.
pub const INJECT_INGRESS: &str = "ingress";
/// Value of [`INJECT`] that refuses a proxy.
pub const INJECT_DISABLED: &str = "disabled";

/// The annotation of this name, if there is one.
pub fn find(name: &str) -> Option<&'static Annotation> {
    ALL.iter().find(|annotation| annotation.name == name)
}

/// Whether a key configures a proxy: it has one of the `config` prefixes.
pub fn is_config(name: &str) -> bool {
    [super::CONFIG_PREFIX, super::CONFIG_ALPHA_PREFIX, super::CONFIG_BETA_PREFIX]
        .iter()
        .any(|prefix| name.starts_with(prefix))
}

const fn annotation(
    name: &'static str,
    since: &'static str,
    value: ValueType,
    scopes: &'static [Scope],
    doc: &'static str,
) -> Annotation {
    Annotation { name, doc, value, scopes, since }
}

const BOTH: &[Scope] = &[Scope::Pod, Scope::Namespace];
const WRITTEN: &[Scope] = &[Scope::Pod, Scope::Written];

/// Every annotation of the mesh.
pub const ALL: &[Annotation] = &[
    annotation(
        INJECT,
        "1.0",
        ValueType::OneOf(&["enabled", "ingress", "disabled"]),
        BOTH,
        "Whether pods get a proxy; `ingress` also makes it route by the request's name",
    ),
    annotation(
        CREATED_BY,
        "1.0",
        ValueType::Text,
        WRITTEN,
        "What wrote the object: the command, Helm or the injector, with its version",
    ),
    annotation(PROXY_VERSION_SET, "1.0", ValueType::ImageVersion, WRITTEN, "Version of the injected proxy"),
    annotation(
        IDENTITY_MODE,
        "2.1",
        ValueType::OneOf(&["default", "disabled"]),
        WRITTEN,
        "Whether the injected proxy has an identity",
    ),
    annotation(
        TRUST_ROOT_SHA256,
        "2.13",
        ValueType::Text,
        WRITTEN,
        "SHA-256 of the trust anchors the injected proxy was given",
    ),
    annotation(
        IDENTITY_ISSUER_EXPIRY,
        "2.4",
        ValueType::Time,
        &[Scope::Written],
        "End of the issuer certificate's validity, on its Secret",
    ),
    annotation(
        HELM_RELEASE_VERSION,
        "2.8",
        ValueType::Integer,
        &[Scope::Written],
        "Revision of the Helm release, so that an upgrade restarts what reads the configuration",
    ),
    annotation(PROXY_IMAGE, "2.4", ValueType::Image, BOTH, "Image of the proxy"),
    annotation(
        IMAGE_PULL_POLICY,
        "2.4",
        ValueType::OneOf(&["Always", "IfNotPresent", "Never"]),
        BOTH,
        "Pull policy of the proxy's and the init container's image",
    ),
    annotation(INIT_IMAGE, "2.4", ValueType::Image, BOTH, "Image of the init container"),
    annotation(INIT_IMAGE_VERSION, "2.5", ValueType::ImageVersion, BOTH, "Tag of the init container's image"),
    annotation(DEBUG_IMAGE, "2.8", ValueType::Image, BOTH, "Image of the debug container"),
    annotation(
        DEBUG_IMAGE_VERSION,
        "2.8",
        ValueType::ImageVersion,
        BOTH,
        "Tag of the debug container's image",
    ),
    annotation(
        DEBUG_IMAGE_PULL_POLICY,
        "2.8",
        ValueType::OneOf(&["Always", "IfNotPresent", "Never"]),
        BOTH,
        "Pull policy of the debug container's image",
    ),
    annotation(CONTROL_PORT, "2.4", ValueType::Port, BOTH, "Port of tap in the proxy"),
    annotation(
        SKIP_INBOUND_PORTS,
        "2.4",
        ValueType::PortRanges,
        BOTH,
        "Incoming ports that bypass the proxy",
    ),
    annotation(
        SKIP_OUTBOUND_PORTS,
        "2.4",
        ValueType::PortRanges,
        BOTH,
        "Outgoing ports that bypass the proxy",
    ),
    annotation(
        SKIP_SUBNETS,
        "2.12",
        ValueType::Networks,
        BOTH,
        "Networks whose incoming connections bypass the proxy",
    ),
    annotation(
        INBOUND_PORT,
        "2.4",
        ValueType::Port,
        BOTH,
        "Port that redirected incoming connections arrive at",
    ),
    annotation(
        OUTBOUND_PORT,
        "2.4",
        ValueType::Port,
        BOTH,
        "Port that redirected outgoing connections arrive at",
    ),
    annotation(ADMIN_PORT, "2.4", ValueType::Port, BOTH, "Port of the proxy's metrics and probes"),
    annotation(
        POD_INBOUND_PORTS,
        "2.11",
        ValueType::PortRanges,
        BOTH,
        "Ports the pod listens on, when its containers do not declare them",
    ),
    annotation(PROXY_CPU_REQUEST, "2.4", ValueType::Quantity, BOTH, "CPU time reserved for the proxy"),
    annotation(
        PROXY_CPU_LIMIT,
        "2.4",
        ValueType::Quantity,
        BOTH,
        "Most CPU time the proxy may use; also bounds its worker threads",
    ),
    annotation(
        PROXY_CPU_RATIO_LIMIT,
        "2.18",
        ValueType::Ratio,
        BOTH,
        "Most worker threads of the proxy as a share of the node's CPUs",
    ),
    annotation(PROXY_MEMORY_REQUEST, "2.4", ValueType::Quantity, BOTH, "Memory reserved for the proxy"),
    annotation(PROXY_MEMORY_LIMIT, "2.4", ValueType::Quantity, BOTH, "Most memory the proxy may use"),
    annotation(
        PROXY_EPHEMERAL_STORAGE_REQUEST,
        "2.12",
        ValueType::Quantity,
        BOTH,
        "Scratch space reserved for the proxy",
    ),
    annotation(
        PROXY_EPHEMERAL_STORAGE_LIMIT,
        "2.12",
        ValueType::Quantity,
        BOTH,
        "Most scratch space the proxy may use",
    ),
    annotation(PROXY_UID, "2.4", ValueType::Integer, BOTH, "User id of the proxy"),
    annotation(PROXY_GID, "2.17", ValueType::Integer, BOTH, "Group id of the proxy"),
    annotation(PROXY_LOG_LEVEL, "2.4", ValueType::LogLevel, BOTH, "Log level of the proxy"),
    annotation(
        PROXY_LOG_FORMAT,
        "2.9",
        ValueType::OneOf(&["plain", "json"]),
        BOTH,
        "Log format of the proxy",
    ),
    annotation(
        PROXY_LOG_HTTP_HEADERS,
        "2.15",
        ValueType::OneOf(&["off", "insecure"]),
        BOTH,
        "Whether HTTP headers are logged at debug level",
    ),
    annotation(
        ACCESS_LOG,
        "2.12",
        ValueType::OneOf(&["apache", "json", "none"]),
        BOTH,
        "Format of the proxy's access log",
    ),
    annotation(
        ENABLE_EXTERNAL_PROFILES,
        "2.4",
        ValueType::Boolean,
        BOTH,
        "Whether profiles of names outside the cluster are looked up",
    ),
    annotation(PROXY_VERSION, "2.5", ValueType::ImageVersion, BOTH, "Tag of the proxy's image"),
    annotation(
        PROXY_REQUIRE_IDENTITY_INBOUND_PORTS,
        "2.8",
        ValueType::PortRanges,
        BOTH,
        "Incoming ports that accept clients with an identity only",
    ),
    annotation(
        PROXY_DESTINATION_GET_NETWORKS,
        "2.8",
        ValueType::Networks,
        BOTH,
        "Networks whose addresses are looked up at the destination service; empty for none",
    ),
    annotation(
        ENABLE_GATEWAY,
        "2.8",
        ValueType::Boolean,
        BOTH,
        "Whether the proxy forwards for linked clusters",
    ),
    annotation(
        DISABLE_IDENTITY,
        "2.4",
        ValueType::Boolean,
        BOTH,
        "No longer has an effect: every proxy has an identity",
    ),
    annotation(DISABLE_TAP, "2.7", ValueType::Boolean, BOTH, "Whether tap is refused"),
    annotation(TRACE_COLLECTOR, "2.6", ValueType::Address, BOTH, "Collector that spans are sent to"),
    annotation(
        ENABLE_DEBUG_SIDECAR,
        "2.5",
        ValueType::Boolean,
        BOTH,
        "Whether a container with network tools is added",
    ),
    annotation(
        CLOSE_WAIT_TIMEOUT,
        "2.9",
        ValueType::Duration,
        &[Scope::Pod],
        "How long a half-closed connection stays in the kernel's table",
    ),
    annotation(
        OPAQUE_PORTS,
        "2.9",
        ValueType::NamedPortRanges,
        &[Scope::Pod, Scope::Namespace, Scope::Service],
        "Ports whose protocol is not looked at",
    ),
    annotation(
        PROXY_INBOUND_CONNECT_TIMEOUT,
        "2.9",
        ValueType::Duration,
        BOTH,
        "How long a connection to the application may take to open",
    ),
    annotation(
        PROXY_OUTBOUND_CONNECT_TIMEOUT,
        "2.9",
        ValueType::Duration,
        BOTH,
        "How long a connection to a peer may take to open",
    ),
    annotation(
        PROXY_AWAIT,
        "2.11",
        ValueType::OneOf(&["enabled", "disabled"]),
        BOTH,
        "Whether the application's containers wait for the proxy (without a native sidecar)",
    ),
    annotation(
        DEFAULT_INBOUND_POLICY,
        "2.11",
        ValueType::OneOf(&[
            "all-unauthenticated",
            "all-authenticated",
            "cluster-unauthenticated",
            "cluster-authenticated",
            "deny",
            "audit",
        ]),
        BOTH,
        "Policy of ports that no Server selects",
    ),
    annotation(
        SHUTDOWN_GRACE_PERIOD,
        "2.12",
        ValueType::Duration,
        BOTH,
        "How long open connections may take to end once the proxy is told to stop",
    ),
    annotation(
        PROXY_ADDITIONAL_ENV,
        "2.18",
        ValueType::EnvJson,
        BOTH,
        "Environment variables added to the proxy",
    ),
    annotation(
        PROXY_ENABLE_NATIVE_SIDECAR,
        "2.18",
        ValueType::Boolean,
        BOTH,
        "Whether the proxy is an init container that keeps running",
    ),
    annotation(
        PROXY_ADMIN_SHUTDOWN,
        "2.15",
        ValueType::OneOf(&["enabled", "disabled"]),
        BOTH,
        "Whether POST /shutdown is served on the admin port",
    ),
    annotation(
        PROXY_DISABLE_INBOUND_PROTOCOL_DETECT_TIMEOUT,
        "2.14",
        ValueType::Boolean,
        BOTH,
        "Whether the first bytes of an incoming connection are waited for as long as it takes",
    ),
    annotation(
        PROXY_DISABLE_OUTBOUND_PROTOCOL_DETECT_TIMEOUT,
        "2.14",
        ValueType::Boolean,
        BOTH,
        "Whether the first bytes of an outgoing connection are waited for as long as it takes",
    ),
    annotation(
        PROXY_INBOUND_DISCOVERY_CACHE_UNUSED_TIMEOUT,
        "2.14",
        ValueType::Duration,
        BOTH,
        "How long what was discovered about an incoming port is kept unused",
    ),
    annotation(
        PROXY_OUTBOUND_DISCOVERY_CACHE_UNUSED_TIMEOUT,
        "2.14",
        ValueType::Duration,
        BOTH,
        "How long what was discovered about a destination is kept unused",
    ),
    annotation(
        PROXY_METRICS_HOSTNAME_LABELS,
        "2.18",
        ValueType::Boolean,
        BOTH,
        "Whether metrics of outgoing traffic carry the name the application asked for",
    ),
    annotation(
        PROXY_WAIT_BEFORE_EXIT_SECONDS,
        "2.7",
        ValueType::Integer,
        BOTH,
        "Seconds the proxy stays before it is told to stop",
    ),
    annotation(
        TRACE_COLLECTOR_SERVICE_ACCOUNT,
        "2.6",
        ValueType::Text,
        BOTH,
        "ServiceAccount of the collector that spans are sent to",
    ),
    annotation(
        PROXY_ENABLE_NATIVE_SIDECAR_ALPHA,
        "2.15",
        ValueType::Boolean,
        BOTH,
        "Older name of config.linkerd.io/proxy-enable-native-sidecar",
    ),
    annotation(
        PROXY_ENABLE_NATIVE_SIDECAR_BETA,
        "2.16",
        ValueType::Boolean,
        BOTH,
        "Older name of config.linkerd.io/proxy-enable-native-sidecar",
    ),
    annotation(
        VIZ_DISABLE_TAP,
        "2.10",
        ValueType::Boolean,
        BOTH,
        "Later name of config.linkerd.io/disable-tap",
    ),
];
