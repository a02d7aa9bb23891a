//! Settings of the original, in our names.

use serde_json::Value;

use crate::error::CommandError;
use crate::install::overrides::Overrides;
use crate::install::recorded::{Origin, Recorded};

/// Settings that were carried over, and those that were not.
#[derive(Debug, Default)]
pub(super) struct Migrated {
    pub(super) overrides: Overrides,
    pub(super) dropped: Vec<String>,
}

impl Migrated {
    /// Our own records need no translation.
    pub(super) fn as_is(overrides: Value) -> Result<Self, CommandError> {
        let overrides = Overrides::from_value(overrides)
            .map_err(|error| CommandError::failure(format!("cannot read the recorded overrides: {error}")))?;
        Ok(Self { overrides, dropped: Vec::new() })
    }

    fn text(&mut self, document: &Value, pointer: &str, path: &str) {
        if let Some(text) = document.pointer(pointer).and_then(Value::as_str)
            && !text.is_empty()
        {
            self.overrides.set(path, text);
        }
    }

    fn number(&mut self, document: &Value, pointer: &str, path: &str) {
        // The JSON of 2.8 writes 64-bit numbers as strings.
        let number = match document.pointer(pointer) {
            Some(Value::Number(number)) => number.as_u64(),
            Some(Value::String(text)) => text.parse().ok(),
            _ => None,
        };
        if let Some(number) = number.filter(|number| *number > 0) {
            self.overrides.set(path, number);
        }
    }
}

/// The three JSON documents of 2.8: `global`, `proxy`, `install`.
pub(super) fn from_28(config: &Value) -> Result<Migrated, CommandError> {
    let document = |key: &str| {
        let text = config.pointer("/data").and_then(|data| data.get(key)).and_then(Value::as_str);
        serde_json::from_str::<Value>(text.unwrap_or("{}")).map_err(|error| {
            CommandError::failure(format!("cannot read ConfigMap linkerd-config, key {key}: {error}"))
        })
    };
    let (global, proxy, install) = (document("global")?, document("proxy")?, document("install")?);
    let mut migrated = Migrated::default();
    migrated.overrides.set_if(global["cniEnabled"] == true, "global.cniEnabled", true);
    migrated.overrides.set_if(global["omitWebhookSideEffects"] == true, "omitWebhookSideEffects", true);
    migrated.text(&global, "/clusterDomain", "global.clusterDomain");
    migrated.text(&global, "/identityContext/trustDomain", "global.identityTrustDomain");
    migrated.text(&global, "/identityContext/issuanceLifetime", "identity.issuer.issuanceLifetime");
    migrated.text(&global, "/identityContext/clockSkewAllowance", "identity.issuer.clockSkewAllowance");
    migrated.text(&global, "/identityContext/scheme", "identity.issuer.scheme");
    proxy_28(&proxy, &mut migrated);
    flags_28(&install, &mut migrated);
    Ok(migrated)
}

fn proxy_28(proxy: &Value, migrated: &mut Migrated) {
    for (pointer, path) in [
        ("/inboundPort/port", "global.proxy.ports.inbound"),
        ("/outboundPort/port", "global.proxy.ports.outbound"),
        ("/controlPort/port", "global.proxy.ports.control"),
        ("/adminPort/port", "global.proxy.ports.admin"),
        ("/proxyUid", "global.proxy.uid"),
    ] {
        migrated.number(proxy, pointer, path);
    }
    for (pointer, path) in [
        ("/resource/requestCpu", "global.proxy.resources.cpu.request"),
        ("/resource/limitCpu", "global.proxy.resources.cpu.limit"),
        ("/resource/requestMemory", "global.proxy.resources.memory.request"),
        ("/resource/limitMemory", "global.proxy.resources.memory.limit"),
        ("/logLevel/level", "global.proxy.logLevel"),
        ("/destinationGetNetworks", "global.proxy.destinationGetNetworks"),
    ] {
        migrated.text(proxy, pointer, path);
    }
    migrated.overrides.set_if(
        proxy["disableExternalProfiles"] == false,
        "global.proxy.enableExternalProfiles",
        true,
    );
    for (key, path) in [
        ("ignoreInboundPorts", "global.proxyInit.ignoreInboundPorts"),
        ("ignoreOutboundPorts", "global.proxyInit.ignoreOutboundPorts"),
    ] {
        let ports: Vec<String> = proxy[key]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|item| match (&item["portRange"], &item["port"]) {
                (Value::String(range), _) => Some(range.clone()),
                (_, Value::Number(port)) => Some(port.to_string()),
                _ => None,
            })
            .collect();
        if !ports.is_empty() {
            migrated.overrides.set(path, ports.join(","));
        }
    }
}

/// Flags that 2.8 recorded and that are in none of its other documents.
fn flags_28(install: &Value, migrated: &mut Migrated) {
    for flag in install["flags"].as_array().into_iter().flatten() {
        let (Some(name), value) = (flag["name"].as_str(), flag["value"].as_str().unwrap_or_default()) else {
            continue;
        };
        let on = value == "true";
        let overrides = &mut migrated.overrides;
        match name {
            "ha" => overrides.set_if(on, HA, true),
            "controller-replicas" => overrides.set_some("controllerReplicas", value.parse::<u16>().ok()),
            "controller-uid" => overrides.set_some("controllerUID", value.parse::<u32>().ok()),
            "controller-log-level" => overrides.set("controllerLogLevel", value),
            "disable-h2-upgrade" => overrides.set_if(on, "enableH2Upgrade", false),
            "disable-heartbeat" => overrides.set_if(on, "disableHeartBeat", true),
            "restrict-dashboard-privileges" => overrides.set_if(on, "restrictDashboardPrivileges", true),
            "control-plane-tracing" => overrides.set_if(on, "global.controlPlaneTracing", true),
            // In the documents above.
            "linkerd-cni-enabled" | "omit-webhook-side-effects" | "enable-external-profiles" => {}
            _ if name.starts_with("proxy-") && !name.ends_with("image") => {}
            "inbound-port"
            | "outbound-port"
            | "control-port"
            | "admin-port"
            | "skip-inbound-ports"
            | "skip-outbound-ports"
            | "identity-issuance-lifetime"
            | "identity-clock-skew-allowance" => {}
            _ => migrated.dropped.push(format!("flag --{name}")),
        }
    }
}

/// Where the choice of `--ha` is recorded: not a chart value, but an overlay of values.
pub const HA: &str = "highAvailability";

/// Keys of today's chart that have another place here. Longest first where one is the start of another.
const RENAMED: &[(&str, &str)] = &[
    ("proxyInit", "global.proxyInit"),
    ("proxy", "global.proxy"),
    ("debugContainer", "global.debugContainer"),
    ("networkValidator", "global.networkValidator"),
    ("clusterDomain", "global.clusterDomain"),
    ("clusterNetworks", "global.clusterNetworks"),
    ("cniEnabled", "global.cniEnabled"),
    ("identityTrustDomain", "global.identityTrustDomain"),
    ("imagePullPolicy", "global.imagePullPolicy"),
    ("imagePullSecrets", "global.imagePullSecrets"),
    ("prometheusUrl", "global.prometheusUrl"),
    ("grafanaUrl", "global.grafanaUrl"),
    ("disableIPv6", "global.enableIPv6"),
    ("enableHA", HA),
    ("highAvailability", HA),
    ("controllerGID", "controllerGID"),
    ("policyController.probeNetworks", "policyController.probeNetworks"),
];

/// What no migration may carry over: images and versions of the original, and identity material, which is read
/// from where it is in force.
const NEVER: &[&str] = &[
    "cliVersion",
    "linkerdVersion",
    "controllerImage",
    "controllerImageVersion",
    "identityTrustAnchorsPEM",
    "identity.issuer.tls",
    "identity.issuer.crtExpiry",
    "proxy.image",
    "proxyInit.image",
    "debugContainer.image",
    "policyController.image",
    "namespace",
];

/// The overrides of 2.9 (keys below `global`) and later (without it).
pub(super) fn from_values(values: &Value) -> Result<Migrated, CommandError> {
    let mut flat = values.as_object().cloned().unwrap_or_default();
    // 2.9 keeps below `global` what later charts have at the top.
    if let Some(Value::Object(global)) = flat.shift_remove("global") {
        for (key, value) in global {
            flat.insert(key, value);
        }
    }
    let mut flat = Overrides::from_value(Value::Object(flat)).unwrap_or_default();
    for path in NEVER {
        flat.remove(path);
    }
    let mut migrated = Migrated::default();
    for (old, new) in RENAMED {
        if let Some(value) = flat.remove(old) {
            let value = match (*old, value) {
                ("disableIPv6", Value::Bool(disabled)) => Value::Bool(!disabled),
                (_, value) => value,
            };
            let mut moved = Overrides::default();
            moved.set(new, value);
            migrated.overrides.merge(moved);
        }
    }
    migrated.overrides.merge(flat);
    Ok(migrated)
}

/// Takes out what the chart does not accept: another's settings may have other names and types. Our own records
/// stay as they are, so that a problem with them is not hidden. Returns the paths taken out.
pub fn keep_accepted(recorded: &mut Recorded) -> Result<Vec<String>, CommandError> {
    if matches!(recorded.origin, Origin::Ours | Origin::OurHelm) {
        return Ok(Vec::new());
    }
    let mut values = recorded.overrides.clone();
    values.remove(HA);
    let problems = manifests::schema::check(manifests::Chart::Control, &values.into_value())
        .map_err(CommandError::failure)?;
    let mut paths: Vec<String> = problems.into_iter().map(|problem| whole_key(&problem.path)).collect();
    paths.dedup();
    for path in &paths {
        recorded.overrides.remove(path);
    }
    Ok(paths)
}

/// A list is kept or dropped as a whole: `tolerations[0].x` → `tolerations`.
fn whole_key(path: &str) -> String {
    path.split('[').next().unwrap_or(path).to_owned()
}
