//! Flags of `inject` and the annotations they stand for.

use std::collections::BTreeMap;

use mesh_core::{
    duration::GoDuration,
    names::annotations::{self as names},
    port::{PortError, PortRanges},
    quantity::Quantity,
};

use super::{InjectValue, Settings};

/// The last part of the proxy's image name, put behind a registry.
const PROXY_IMAGE: &str = "proxy";
/// The last part of the init container's image name.
const INIT_IMAGE: &str = "proxy-init";
/// The last part of the debug container's image name.
const DEBUG_IMAGE: &str = "debug";

/// What the user set; what is `None` or empty adds no annotation.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// `--proxy-version`
    pub proxy_version: Option<String>,
    /// `--proxy-image`
    pub proxy_image: Option<String>,
    /// `--init-image`
    pub init_image: Option<String>,
    /// `--init-image-version`
    pub init_image_version: Option<String>,
    /// `--registry`
    pub registry: Option<String>,
    /// `--image-pull-policy`
    pub image_pull_policy: Option<String>,
    /// `--inbound-port`
    pub inbound_port: Option<u16>,
    /// `--outbound-port`
    pub outbound_port: Option<u16>,
    /// `--control-port`
    pub control_port: Option<u16>,
    /// `--admin-port`
    pub admin_port: Option<u16>,
    /// `--skip-inbound-ports`, one item each
    pub skip_inbound_ports: Vec<String>,
    /// `--skip-outbound-ports`, one item each
    pub skip_outbound_ports: Vec<String>,
    /// `--proxy-uid`
    pub proxy_uid: Option<u32>,
    /// `--proxy-gid`
    pub proxy_gid: Option<u32>,
    /// `--proxy-log-level`
    pub proxy_log_level: Option<String>,
    /// `--proxy-cpu-request`
    pub proxy_cpu_request: Option<String>,
    /// `--proxy-cpu-limit`
    pub proxy_cpu_limit: Option<String>,
    /// `--proxy-memory-request`
    pub proxy_memory_request: Option<String>,
    /// `--proxy-memory-limit`
    pub proxy_memory_limit: Option<String>,
    /// `--default-inbound-policy`
    pub default_inbound_policy: Option<String>,
    /// `--enable-external-profiles`
    pub enable_external_profiles: bool,
    /// `--disable-identity`
    pub disable_identity: bool,
    /// `--disable-tap`
    pub disable_tap: bool,
    /// `--require-identity-on-inbound-ports`, one item each
    pub require_identity_on_inbound_ports: Vec<String>,
    /// `--trace-collector`
    pub trace_collector: Option<String>,
    /// `--trace-collector-svc-account`
    pub trace_collector_svc_account: Option<String>,
    /// `--wait-before-exit-seconds`
    pub wait_before_exit_seconds: u64,
    /// `--enable-debug-sidecar`
    pub enable_debug_sidecar: bool,
    /// `--close-wait-timeout`
    pub close_wait_timeout: GoDuration,
    /// `--native-sidecar`
    pub native_sidecar: Option<bool>,
    /// `--opaque-ports`, one item each
    pub opaque_ports: Vec<String>,
    /// `--ingress`
    pub ingress: bool,
}

/// Why a flag cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FlagError {
    /// A port list that is none.
    #[error(transparent)]
    Ports(#[from] PortError),
    /// A quantity that is none.
    #[error("Invalid {resource} {bound} '{value}' for --proxy-{resource}-{bound} flag")]
    Quantity {
        /// `cpu` or `memory`.
        resource: &'static str,
        /// `request` or `limit`.
        bound: &'static str,
        /// What was given.
        value: String,
    },
    /// A limit below its request.
    #[error("The {resource} limit '{limit}' cannot be lower than the {resource} request '{request}'")]
    LimitBelowRequest {
        /// `cpu` or `memory`.
        resource: &'static str,
        /// The limit.
        limit: String,
        /// The request.
        request: String,
    },
    /// An unknown pull policy.
    #[error("--image-pull-policy must be one of: Always, IfNotPresent, Never")]
    PullPolicy,
    /// An unknown policy.
    #[error("--default-inbound-policy must be one of: {0}")]
    InboundPolicy(String),
    /// Text that cannot be a version.
    #[error("{0} is not a valid version")]
    Version(String),
    /// Text that cannot be a registry.
    #[error("{0} is not a valid registry")]
    Registry(String),
    /// A log level that is none.
    #[error("\"{0}\" is not a valid proxy log level")]
    LogLevel(String),
    /// Two flags against each other.
    #[error("Identity must be enabled when  --require-identity-on-inbound-ports is specified")]
    IdentityRequired,
}

impl Flags {
    /// The settings these flags stand for.
    pub fn settings(&self, created_by: String) -> Result<Settings, FlagError> {
        self.validate()?;
        let mut both = BTreeMap::new();
        self.add_images(&mut both);
        self.add_ports(&mut both)?;
        self.add_proxy(&mut both)?;
        let mut pod_only = BTreeMap::new();
        if self.enable_debug_sidecar {
            pod_only.insert(names::ENABLE_DEBUG_SIDECAR, "true".to_owned());
        }
        if !self.close_wait_timeout.is_zero() {
            pod_only.insert(names::CLOSE_WAIT_TIMEOUT, self.close_wait_timeout.to_string());
        }
        let opaque_ports = self.opaque_ports()?;
        if let Some(ports) = &opaque_ports {
            both.insert(names::OPAQUE_PORTS, ports.clone());
        }
        Ok(Settings {
            inject: if self.ingress { InjectValue::Ingress } else { InjectValue::Enabled },
            annotations: both,
            pod_annotations: pod_only,
            opaque_ports,
            created_by,
            ..Settings::default()
        })
    }

    fn validate(&self) -> Result<(), FlagError> {
        if self.disable_identity && !self.require_identity_on_inbound_ports.is_empty() {
            return Err(FlagError::IdentityRequired);
        }
        for version in [&self.proxy_version, &self.init_image_version].into_iter().flatten() {
            if !version.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte)) {
                return Err(FlagError::Version(version.clone()));
            }
        }
        if let Some(registry) = &self.registry
            && !registry.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"./-:_".contains(&byte))
        {
            return Err(FlagError::Registry(registry.clone()));
        }
        if let Some(policy) = &self.image_pull_policy
            && !policy.is_empty()
            && !["Always", "IfNotPresent", "Never"].contains(&policy.as_str())
        {
            return Err(FlagError::PullPolicy);
        }
        if let Some(policy) = self.default_inbound_policy.as_deref().filter(|policy| !policy.is_empty())
            && let Some(annotation) = names::find(names::DEFAULT_INBOUND_POLICY)
            && let mesh_core::names::ValueType::OneOf(known) = annotation.value
            && !known.contains(&policy)
        {
            return Err(FlagError::InboundPolicy(known.join(", ")));
        }
        if let Some(level) = self.proxy_log_level.as_deref().filter(|level| !level.is_empty())
            && !is_log_level(level)
        {
            return Err(FlagError::LogLevel(level.to_owned()));
        }
        bounds("cpu", self.proxy_cpu_request.as_deref(), self.proxy_cpu_limit.as_deref())?;
        bounds("memory", self.proxy_memory_request.as_deref(), self.proxy_memory_limit.as_deref())
    }

    fn add_images(&self, to: &mut BTreeMap<&'static str, String>) {
        if let Some(registry) = self.registry.as_deref().filter(|registry| !registry.is_empty()) {
            let registry = registry.trim_end_matches('/');
            for (name, image) in [
                (names::PROXY_IMAGE, PROXY_IMAGE),
                (names::INIT_IMAGE, INIT_IMAGE),
                (names::DEBUG_IMAGE, DEBUG_IMAGE),
            ] {
                to.insert(name, format!("{registry}/{image}"));
            }
        }
        let policy = &self.image_pull_policy;
        for (name, value) in [
            (names::PROXY_VERSION, &self.proxy_version),
            (names::PROXY_IMAGE, &self.proxy_image),
            (names::INIT_IMAGE, &self.init_image),
            (names::INIT_IMAGE_VERSION, &self.init_image_version),
            (names::IMAGE_PULL_POLICY, policy),
        ] {
            set(to, name, value.as_deref());
        }
    }

    fn add_ports(&self, to: &mut BTreeMap<&'static str, String>) -> Result<(), FlagError> {
        for (name, port) in [
            (names::INBOUND_PORT, self.inbound_port),
            (names::OUTBOUND_PORT, self.outbound_port),
            (names::CONTROL_PORT, self.control_port),
            (names::ADMIN_PORT, self.admin_port),
        ] {
            set(to, name, port.filter(|port| *port != 0).map(|port| port.to_string()).as_deref());
        }
        for (name, ports) in [
            (names::SKIP_INBOUND_PORTS, &self.skip_inbound_ports),
            (names::SKIP_OUTBOUND_PORTS, &self.skip_outbound_ports),
            (names::PROXY_REQUIRE_IDENTITY_INBOUND_PORTS, &self.require_identity_on_inbound_ports),
        ] {
            let joined = ports.join(",");
            joined.parse::<PortRanges>()?;
            set(to, name, Some(&joined));
        }
        Ok(())
    }

    fn add_proxy(&self, to: &mut BTreeMap<&'static str, String>) -> Result<(), FlagError> {
        for (name, value) in [
            (names::PROXY_LOG_LEVEL, &self.proxy_log_level),
            (names::PROXY_CPU_REQUEST, &self.proxy_cpu_request),
            (names::PROXY_CPU_LIMIT, &self.proxy_cpu_limit),
            (names::PROXY_MEMORY_REQUEST, &self.proxy_memory_request),
            (names::PROXY_MEMORY_LIMIT, &self.proxy_memory_limit),
            (names::DEFAULT_INBOUND_POLICY, &self.default_inbound_policy),
            (names::TRACE_COLLECTOR, &self.trace_collector),
            (names::TRACE_COLLECTOR_SERVICE_ACCOUNT, &self.trace_collector_svc_account),
        ] {
            set(to, name, value.as_deref());
        }
        for (name, id) in [(names::PROXY_UID, self.proxy_uid), (names::PROXY_GID, self.proxy_gid)] {
            set(to, name, id.filter(|id| *id != 0).map(|id| id.to_string()).as_deref());
        }
        for (name, on) in [
            (names::ENABLE_EXTERNAL_PROFILES, self.enable_external_profiles),
            (names::DISABLE_TAP, self.disable_tap),
        ] {
            set(to, name, on.then_some("true"));
        }
        if self.wait_before_exit_seconds > 0 {
            to.insert(names::PROXY_WAIT_BEFORE_EXIT_SECONDS, self.wait_before_exit_seconds.to_string());
        }
        if let Some(native) = self.native_sidecar {
            to.insert(names::PROXY_ENABLE_NATIVE_SIDECAR, native.to_string());
        }
        Ok(())
    }

    /// The opaque ports as one list; names of ports are allowed.
    fn opaque_ports(&self) -> Result<Option<String>, FlagError> {
        let joined = self.opaque_ports.join(",");
        for item in joined.split(',').map(str::trim).filter(|item| !item.is_empty()) {
            if !mesh_core::port::is_port_name(item) {
                item.parse::<PortRanges>()?;
            }
        }
        Ok(Some(joined).filter(|ports| !ports.is_empty()))
    }
}

fn set(to: &mut BTreeMap<&'static str, String>, name: &'static str, value: Option<&str>) {
    if let Some(value) = value.filter(|value| !value.is_empty()) {
        to.insert(name, value.to_owned());
    }
}

fn bounds(resource: &'static str, request: Option<&str>, limit: Option<&str>) -> Result<(), FlagError> {
    let read = |bound, text: Option<&str>| {
        let text = text.filter(|text| !text.is_empty());
        text.map(|text| {
            let wrong = || FlagError::Quantity { resource, bound, value: text.to_owned() };
            text.parse::<Quantity>().map_err(|_| wrong())
        })
        .transpose()
    };
    match (read("request", request)?, read("limit", limit)?) {
        (Some(request), Some(limit)) if limit < request => Err(FlagError::LimitBelowRequest {
            resource,
            limit: limit.to_string(),
            request: request.to_string(),
        }),
        _ => Ok(()),
    }
}

/// Whether a text is a comma list of `level`, `module` and `module=level`; filters in brackets pass unread.
pub(crate) fn is_log_level(text: &str) -> bool {
    const LEVELS: [&str; 6] = ["off", "trace", "debug", "warn", "info", "error"];
    let is_module = |module: &str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_:-.".contains(&byte);
        !module.is_empty() && (module.contains('[') || module.bytes().all(plain))
    };
    text.split(',').map(str::trim).all(|item| match item.split_once('=') {
        Some((module, level)) => is_module(module) && LEVELS.contains(&level.to_ascii_lowercase().as_str()),
        None => is_module(item),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(flags: Flags) -> String {
        flags.settings(String::new()).unwrap_err().to_string()
    }

    #[test]
    fn nothing_set_adds_nothing() {
        let settings = Flags::default().settings("linkerd/cli x".to_owned()).unwrap();
        assert!(settings.annotations.is_empty() && settings.pod_annotations.is_empty());
        assert_eq!(settings.opaque_ports, None);
    }

    #[test]
    fn flags_become_annotations() {
        let flags = Flags {
            registry: Some("ghcr.io/acme/".to_owned()),
            proxy_image: Some("acme/my-proxy".to_owned()),
            skip_inbound_ports: vec!["25".to_owned(), "3000-3010".to_owned()],
            wait_before_exit_seconds: 30,
            enable_debug_sidecar: true,
            close_wait_timeout: GoDuration::from_secs(60),
            opaque_ports: vec!["3306,mysql".to_owned()],
            proxy_cpu_limit: Some("1".to_owned()),
            proxy_cpu_request: Some("100m".to_owned()),
            ..Flags::default()
        };
        let settings = flags.settings(String::new()).unwrap();
        let found: Vec<(&str, &str)> =
            settings.annotations.iter().map(|(name, value)| (*name, value.as_str())).collect();
        assert_eq!(
            found,
            [
                ("config.alpha.linkerd.io/proxy-wait-before-exit-seconds", "30"),
                ("config.linkerd.io/debug-image", "ghcr.io/acme/debug"),
                ("config.linkerd.io/init-image", "ghcr.io/acme/proxy-init"),
                ("config.linkerd.io/opaque-ports", "3306,mysql"),
                ("config.linkerd.io/proxy-cpu-limit", "1"),
                ("config.linkerd.io/proxy-cpu-request", "100m"),
                ("config.linkerd.io/proxy-image", "acme/my-proxy"),
                ("config.linkerd.io/skip-inbound-ports", "25,3000-3010"),
            ]
        );
        assert_eq!(settings.pod_annotations["config.linkerd.io/close-wait-timeout"], "1m0s");
    }

    #[test]
    fn names_the_flag_that_is_wrong() {
        let flags = || Flags::default();
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(
            error(Flags { proxy_cpu_request: text("x"), ..flags() }),
            "Invalid cpu request 'x' for --proxy-cpu-request flag"
        );
        assert_eq!(
            error(Flags { proxy_memory_limit: text("1Mi"), proxy_memory_request: text("1Gi"), ..flags() }),
            "The memory limit '1Mi' cannot be lower than the memory request '1Gi'"
        );
        assert_eq!(
            error(Flags { skip_outbound_ports: vec!["9-8".to_owned()], ..flags() }),
            "\"9-8\": upper-bound must be greater than or equal to lower-bound"
        );
        assert_eq!(
            error(Flags { image_pull_policy: text("Sometimes"), ..flags() }),
            "--image-pull-policy must be one of: Always, IfNotPresent, Never"
        );
        assert_eq!(
            error(Flags {
                disable_identity: true,
                require_identity_on_inbound_ports: vec!["80".to_owned()],
                ..flags()
            }),
            "Identity must be enabled when  --require-identity-on-inbound-ports is specified"
        );
        assert_eq!(
            error(Flags { proxy_log_level: text("warn,linkerd=loud"), ..flags() }),
            "\"warn,linkerd=loud\" is not a valid proxy log level"
        );
        assert_eq!(error(Flags { proxy_version: text("a b"), ..flags() }), "a b is not a valid version");
        assert!(error(Flags { default_inbound_policy: text("open"), ..flags() }).contains("deny"));
        assert!(
            Flags { proxy_log_level: text("warn,linkerd=info"), ..flags() }.settings(String::new()).is_ok()
        );
    }
}
