//! Flags about the proxy, shared by install, upgrade and inject. Not given means: the chart's default for install,
//! the mesh's setting for inject.

use clap::{Args, ValueEnum};
use mesh_core::port::PortRanges;
use mesh_core::quantity::Quantity;

use crate::args::control::{registry, version_tag};
use crate::error::CommandError;
use crate::install::overrides::Overrides;

/// Flags about the proxy.
#[derive(Args, Clone, Debug, Default)]
pub struct ProxyArgs {
    /// Version of the proxy's image
    #[arg(short = 'v', long, value_name = "VERSION", value_parser = version_tag, help_heading = "Proxy")]
    pub proxy_version: Option<String>,

    /// Name of the proxy's image
    #[arg(long, value_name = "IMAGE", value_parser = registry, help_heading = "Proxy")]
    pub proxy_image: Option<String>,

    /// Name of the init container's image
    #[arg(long, value_name = "IMAGE", value_parser = registry, help_heading = "Proxy")]
    pub init_image: Option<String>,

    /// Version of the init container's image
    #[arg(long, value_name = "VERSION", value_parser = version_tag, help_heading = "Proxy")]
    pub init_image_version: Option<String>,

    /// When to pull the images
    #[arg(long, value_name = "POLICY", ignore_case = false, help_heading = "Proxy")]
    pub image_pull_policy: Option<PullPolicy>,

    /// Port of redirected incoming traffic [default: 4143]
    #[arg(long, value_name = "PORT", value_parser = port(), help_heading = "Proxy")]
    pub inbound_port: Option<u16>,

    /// Port of redirected outgoing traffic [default: 4140]
    #[arg(long, value_name = "PORT", value_parser = port(), help_heading = "Proxy")]
    pub outbound_port: Option<u16>,

    /// Incoming ports and ranges that bypass the proxy: 22,6000-6100
    #[arg(long, value_name = "PORTS", value_delimiter = ',', value_parser = ranges, help_heading = "Proxy")]
    pub skip_inbound_ports: Vec<PortRanges>,

    /// Outgoing ports and ranges that bypass the proxy
    #[arg(long, value_name = "PORTS", value_delimiter = ',', value_parser = ranges, help_heading = "Proxy")]
    pub skip_outbound_ports: Vec<PortRanges>,

    /// Ports whose protocol the proxy does not look at
    #[arg(long, value_name = "PORTS", value_delimiter = ',', value_parser = ranges, help_heading = "Proxy")]
    pub opaque_ports: Vec<PortRanges>,

    /// User id of the proxy [default: 2102]
    #[arg(long, value_name = "UID", value_parser = clap::value_parser!(u32).range(1..), help_heading = "Proxy")]
    pub proxy_uid: Option<u32>,

    /// Group id of the proxy
    #[arg(long, value_name = "GID", value_parser = clap::value_parser!(u32).range(1..), help_heading = "Proxy")]
    pub proxy_gid: Option<u32>,

    /// Log level of the proxy: comma list of `level`, `module` or `module=level`
    #[arg(long, value_name = "LEVEL", value_parser = log_level, help_heading = "Proxy")]
    pub proxy_log_level: Option<String>,

    /// Port of the proxy's tap server [default: 4190]
    #[arg(long, value_name = "PORT", value_parser = port(), help_heading = "Proxy")]
    pub control_port: Option<u16>,

    /// Port of the proxy's metrics and probes [default: 4191]
    #[arg(long, value_name = "PORT", value_parser = port(), help_heading = "Proxy")]
    pub admin_port: Option<u16>,

    /// CPU reserved for the proxy
    #[arg(long, alias = "proxy-cpu", value_name = "QUANTITY", help_heading = "Proxy")]
    pub proxy_cpu_request: Option<String>,

    /// Most CPU the proxy may use
    #[arg(long, value_name = "QUANTITY", help_heading = "Proxy")]
    pub proxy_cpu_limit: Option<String>,

    /// Memory reserved for the proxy
    #[arg(long, alias = "proxy-memory", value_name = "QUANTITY", help_heading = "Proxy")]
    pub proxy_memory_request: Option<String>,

    /// Most memory the proxy may use
    #[arg(long, value_name = "QUANTITY", help_heading = "Proxy")]
    pub proxy_memory_limit: Option<String>,

    /// Ask for profiles of names outside the cluster, too
    #[arg(long, help_heading = "Proxy")]
    pub enable_external_profiles: bool,

    /// What may reach ports without a policy of their own
    #[arg(long, value_name = "POLICY", help_heading = "Proxy")]
    pub default_inbound_policy: Option<InboundPolicy>,

    /// Run the proxy as a native sidecar (an init container that keeps running)
    #[arg(
        long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", require_equals = true,
        help_heading = "Proxy"
    )]
    pub native_sidecar: Option<bool>,
}

/// `imagePullPolicy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "Kubernetes' own names")]
pub enum PullPolicy {
    Always,
    IfNotPresent,
    Never,
}

/// What applies to a port without policy resources.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[expect(missing_docs, reason = "Linkerd's own names")]
pub enum InboundPolicy {
    AllUnauthenticated,
    AllAuthenticated,
    ClusterUnauthenticated,
    ClusterAuthenticated,
    Deny,
    Audit,
}

/// The name of a value, as typed.
pub fn name_of(value: impl ValueEnum) -> String {
    value.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

/// Port lists joined as annotations and values write them.
pub fn joined(lists: &[PortRanges]) -> Option<String> {
    (!lists.is_empty()).then(|| lists.iter().map(ToString::to_string).collect::<Vec<_>>().join(","))
}

impl ProxyArgs {
    /// Resources must be quantities, and limits no lower than requests.
    pub fn validate(&self) -> Result<(), CommandError> {
        pair("cpu", &self.proxy_cpu_request, &self.proxy_cpu_limit)?;
        pair("memory", &self.proxy_memory_request, &self.proxy_memory_limit)
    }

    /// Writes the given flags into chart values.
    pub fn record(&self, overrides: &mut Overrides) -> Result<(), CommandError> {
        self.validate()?;
        overrides.set_some("global.proxy.image.version", self.proxy_version.clone());
        overrides.set_some("global.proxy.image.name", self.proxy_image.clone());
        overrides.set_some("global.proxyInit.image.name", self.init_image.clone());
        overrides.set_some("global.proxyInit.image.version", self.init_image_version.clone());
        overrides.set_some("global.imagePullPolicy", self.image_pull_policy.map(name_of));
        overrides.set_some("global.proxy.ports.inbound", self.inbound_port);
        overrides.set_some("global.proxy.ports.outbound", self.outbound_port);
        overrides.set_some("global.proxy.ports.control", self.control_port);
        overrides.set_some("global.proxy.ports.admin", self.admin_port);
        overrides.set_some("global.proxyInit.ignoreInboundPorts", joined(&self.skip_inbound_ports));
        overrides.set_some("global.proxyInit.ignoreOutboundPorts", joined(&self.skip_outbound_ports));
        overrides.set_some("global.proxy.opaquePorts", joined(&self.opaque_ports));
        overrides.set_some("global.proxy.uid", self.proxy_uid);
        overrides.set_some("global.proxy.gid", self.proxy_gid);
        overrides.set_some("global.proxy.logLevel", self.proxy_log_level.clone());
        overrides.set_some("global.proxy.resources.cpu.request", self.proxy_cpu_request.clone());
        overrides.set_some("global.proxy.resources.cpu.limit", self.proxy_cpu_limit.clone());
        overrides.set_some("global.proxy.resources.memory.request", self.proxy_memory_request.clone());
        overrides.set_some("global.proxy.resources.memory.limit", self.proxy_memory_limit.clone());
        overrides.set_if(self.enable_external_profiles, "global.proxy.enableExternalProfiles", true);
        overrides.set_some("global.proxy.defaultInboundPolicy", self.default_inbound_policy.map(name_of));
        overrides.set_some("global.proxy.nativeSidecar", self.native_sidecar);
        Ok(())
    }
}

fn pair(what: &str, request: &Option<String>, limit: &Option<String>) -> Result<(), CommandError> {
    let parse = |text: &Option<String>, which: &str| -> Result<Option<Quantity>, CommandError> {
        let Some(text) = text else { return Ok(None) };
        text.parse().map(Some).map_err(|error| {
            CommandError::usage(format!(
                "Invalid {what} {which} '{text}' for --proxy-{what}-{which} flag: {error}"
            ))
        })
    };
    let (low, high) = (parse(request, "request")?, parse(limit, "limit")?);
    match (low, high) {
        (Some(low), Some(high)) if high.nanos() < low.nanos() => Err(CommandError::usage(format!(
            "The {what} limit '{}' cannot be lower than the {what} request '{}'",
            high.as_str(),
            low.as_str()
        ))),
        _ => Ok(()),
    }
}

fn port() -> clap::builder::RangedI64ValueParser<u16> {
    clap::value_parser!(u16).range(1..)
}

fn ranges(text: &str) -> Result<PortRanges, String> {
    text.parse().map_err(|error: mesh_core::port::PortError| error.to_string())
}

/// A comma list of `level`, `module` or `module=level`.
fn log_level(text: &str) -> Result<String, String> {
    const LEVELS: [&str; 6] = ["trace", "debug", "warn", "info", "error", "off"];
    let module = |name: &str| {
        !name.is_empty()
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':' | b'-'))
    };
    if text.is_empty() {
        return Err("--proxy-log-level must not be empty".into());
    }
    let valid = text.split(',').all(|item| match item.split_once('=') {
        Some((name, level)) => module(name) && LEVELS.contains(&level),
        None => module(item),
    });
    if valid { Ok(text.to_owned()) } else { Err(format!("\"{text}\" is not a valid proxy log level")) }
}

#[cfg(test)]
mod tests {
    use super::{ProxyArgs, log_level};
    use crate::install::overrides::Overrides;

    #[test]
    fn limits_below_requests_and_bad_quantities_are_named() {
        let args = |request: &str, limit: &str| ProxyArgs {
            proxy_cpu_request: Some(request.into()),
            proxy_cpu_limit: Some(limit.into()),
            ..ProxyArgs::default()
        };
        assert!(args("100m", "1").validate().is_ok());
        assert_eq!(
            args("2", "100m").validate().unwrap_err().to_string(),
            "The cpu limit '100m' cannot be lower than the cpu request '2'"
        );
        let text = args("x", "1").validate().unwrap_err().to_string();
        assert!(text.starts_with("Invalid cpu request 'x' for --proxy-cpu-request flag"), "{text}");
    }

    #[test]
    fn only_given_flags_are_recorded() {
        let mut overrides = Overrides::default();
        ProxyArgs::default().record(&mut overrides).unwrap();
        assert!(overrides.is_empty());
        let args = ProxyArgs {
            skip_inbound_ports: vec!["22".parse().unwrap(), "6000-6100".parse().unwrap()],
            ..ProxyArgs::default()
        };
        args.record(&mut overrides).unwrap();
        let ports = overrides.get("global.proxyInit.ignoreInboundPorts").unwrap();
        assert_eq!(ports, "22,6000-6100");
    }

    #[test]
    fn log_levels_have_a_shape() {
        for good in ["warn,linkerd=info", "linkerd2_proxy::app=trace", "debug"] {
            assert!(log_level(good).is_ok(), "{good}");
        }
        for bad in ["", "linkerd=loud", "a b", "=info", "x=,y"] {
            assert!(log_level(bad).is_err(), "{bad}");
        }
    }
}
