//! Flags of install and upgrade that set up the control plane itself.

use clap::{Args, ValueEnum};
use serde_json::Value;

use crate::install::overrides::Overrides;

/// Flags of every stage.
#[derive(Args, Clone, Debug, Default)]
pub struct StageArgs {
    /// Leave the redirection of traffic to the CNI plugin: pods get no init container with NET_ADMIN
    #[arg(long, help_heading = "Control plane")]
    pub linkerd_cni_enabled: bool,

    /// Take from the dashboard the rights to tap and to check
    #[arg(long, help_heading = "Control plane")]
    pub restrict_dashboard_privileges: bool,

    /// Registry and path of the project's images
    #[arg(long, value_name = "REGISTRY", value_parser = registry, help_heading = "Control plane")]
    pub registry: Option<String>,
}

/// Flags of the control plane's own components.
#[derive(Args, Clone, Debug, Default)]
pub struct ControlArgs {
    /// Replicas of each component [default: 1; 3 with --ha]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000), help_heading = "Control plane")]
    pub controller_replicas: Option<u16>,

    /// Log level of the control plane [default: info]
    #[arg(long, value_name = "LEVEL", help_heading = "Control plane")]
    pub controller_log_level: Option<LogLevel>,

    /// User id of the control plane's processes [default: 2103]
    #[arg(long, value_name = "UID", help_heading = "Control plane")]
    pub controller_uid: Option<u32>,

    /// Group id of the control plane's processes
    #[arg(long, value_name = "GID", help_heading = "Control plane")]
    pub controller_gid: Option<u32>,

    /// Run the components in triplicate with resources, anti-affinity and disruption budgets
    #[arg(long, help_heading = "Control plane")]
    pub ha: bool,

    /// Do not upgrade HTTP/1 between meshed pods to HTTP/2
    #[arg(long, help_heading = "Control plane")]
    pub disable_h2_upgrade: bool,

    /// Install no heartbeat
    #[arg(long, help_heading = "Control plane")]
    pub disable_heartbeat: bool,

    /// Read endpoints from EndpointSlices [default: true]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", require_equals = true, help_heading = "Control plane")]
    pub enable_endpoint_slices: Option<bool>,

    /// Leave `sideEffects` out of the webhook configurations
    #[arg(long, help_heading = "Control plane")]
    pub omit_webhook_side_effects: bool,

    /// Image of the bundled Prometheus
    #[arg(long, value_name = "IMAGE", value_parser = prometheus_image, help_heading = "Control plane")]
    pub prometheus_image: Option<String>,

    /// Send the control plane's own traces to the collector
    #[arg(long, hide = true)]
    pub control_plane_tracing: bool,

    /// Version of the control plane's images
    #[arg(long, value_name = "VERSION", value_parser = version_tag, help_heading = "Control plane")]
    pub control_plane_version: Option<String>,
}

/// Log levels of the control plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[expect(missing_docs, reason = "the names say it")]
pub enum LogLevel {
    Panic,
    Fatal,
    Error,
    Warn,
    Info,
    Debug,
}

impl StageArgs {
    /// Writes the given flags into `overrides`.
    pub fn record(&self, overrides: &mut Overrides) {
        overrides.set_if(self.linkerd_cni_enabled, "global.cniEnabled", true);
        overrides.set_if(self.restrict_dashboard_privileges, "restrictDashboardPrivileges", true);
        overrides.set_some("global.registry", self.registry.clone());
    }
}

impl ControlArgs {
    /// Writes the given flags into `overrides`.
    pub fn record(&self, overrides: &mut Overrides) {
        overrides.set_some("controllerReplicas", self.controller_replicas);
        overrides.set_some("controllerLogLevel", self.controller_log_level.map(LogLevel::value));
        overrides.set_some("controllerUID", self.controller_uid);
        overrides.set_some("controllerGID", self.controller_gid);
        overrides.set_if(self.disable_h2_upgrade, "enableH2Upgrade", false);
        overrides.set_if(self.disable_heartbeat, "disableHeartBeat", true);
        overrides.set_some("enableEndpointSlices", self.enable_endpoint_slices);
        overrides.set_if(self.omit_webhook_side_effects, "omitWebhookSideEffects", true);
        overrides.set_if(self.control_plane_tracing, "global.controlPlaneTracing", true);
        overrides.set_some("global.linkerdVersion", self.control_plane_version.clone());
        if let Some(image) = &self.prometheus_image {
            overrides.set("prometheus.image", image.clone());
        }
    }
}

impl LogLevel {
    fn value(self) -> Value {
        // Linkerd's levels panic and fatal are errors here.
        let name = match self {
            Self::Panic | Self::Fatal | Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
        };
        name.into()
    }
}

/// A registry: `^[\./a-zA-Z0-9-:]+$`, and `_` as in image names.
pub fn registry(text: &str) -> Result<String, String> {
    if image_text(text) { Ok(text.to_owned()) } else { Err(format!("{text} is not a valid registry")) }
}

/// A version tag: `^[\.a-zA-Z0-9-]+$`, and `_` as in image tags.
pub fn version_tag(text: &str) -> Result<String, String> {
    let valid = !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'));
    if valid { Ok(text.to_owned()) } else { Err(format!("{text} is not a valid version")) }
}

fn prometheus_image(text: &str) -> Result<String, String> {
    if image_text(text) {
        Ok(text.to_owned())
    } else {
        Err(format!("{text} is not a valid prometheus image"))
    }
}

fn image_text(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'/' | b'-' | b':' | b'_' | b'@')
        })
}
