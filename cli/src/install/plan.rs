//! From overrides and an identity to the manifests.

use manifests::{Chart, Object, Release, Stage};
use mesh_core::identity::{MeshNames, TrustDomain};
use mesh_k8s::access::ServerVersion;
use serde_json::Value;
use std::fmt::Write as _;

use crate::args::identity::Material;
use crate::context::Context;
use crate::error::CommandError;
use crate::install::overrides::Overrides;
use crate::install::recorded::migrate::HA;
use crate::install::secrets;
use crate::output::manifest::{self, ManifestFormat};

/// The version of Kubernetes that templates are told; none of them asks.
pub const KUBE_VERSION: &str = "v1.33.0";

/// Which parts of an install are rendered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parts {
    /// The custom resource definitions.
    pub crds: bool,
    /// What needs the rights of a cluster administrator.
    pub config: bool,
    /// Configuration, services, workloads.
    pub control_plane: bool,
}

impl Parts {
    /// Everything.
    pub const ALL: Self = Self { crds: true, config: true, control_plane: true };
    /// `--crds`.
    pub const CRDS: Self = Self { crds: true, config: false, control_plane: false };
    /// Stage `config`.
    pub const CONFIG: Self = Self { crds: true, config: true, control_plane: false };
    /// Stage `control-plane`.
    pub const CONTROL_PLANE: Self = Self { crds: false, config: false, control_plane: true };

    fn has(self, stage: Stage) -> bool {
        match stage {
            Stage::Config => self.config,
            Stage::ControlPlane => self.control_plane,
        }
    }
}

/// Whether the cluster runs init containers with `restartPolicy: Always`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NativeSidecars {
    /// It does, or nobody asked it.
    Supported,
    /// It is too old.
    Unsupported,
}

impl NativeSidecars {
    /// Kubernetes has them switched on since 1.29.
    const SINCE: (u32, u32) = (1, 29);

    /// What a cluster of this version does; one that hides its version counts as current.
    pub fn of(version: &ServerVersion) -> Self {
        match version.major_minor() {
            Some(found) if found < Self::SINCE => Self::Unsupported,
            _ => Self::Supported,
        }
    }
}

/// Everything a rendering depends on.
pub struct Plan {
    /// What the user set; recorded.
    pub overrides: Overrides,
    /// Who signs the certificates of workloads; kept in objects of its own.
    pub material: Material,
    /// Whether proxies can be native sidecars, unless the user says.
    pub native_sidecars: NativeSidecars,
    namespace: String,
    version: String,
}

impl Plan {
    /// A plan for the control plane that the global flags name.
    pub fn new(context: &Context<'_>, overrides: Overrides, material: Material) -> Self {
        Self {
            overrides,
            material,
            native_sidecars: NativeSidecars::Supported,
            namespace: context.global.linkerd_namespace.clone(),
            version: context.settings.version.clone(),
        }
    }

    /// The effective values of the chart `linkerd2`.
    pub fn values(&self) -> Result<Value, CommandError> {
        let mut recorded = self.overrides.clone();
        let mut set = match recorded.remove(HA) {
            Some(Value::Bool(true)) => high_availability()?,
            _ => Overrides::default(),
        };
        set.set("global.linkerdVersion", self.version.clone());
        if self.native_sidecars == NativeSidecars::Unsupported {
            // Not recorded: the next upgrade asks the cluster again.
            set.set("global.proxy.nativeSidecar", false);
        }
        set.set("heartbeatSchedule", heartbeat_schedule(&self.material.anchors.to_pem()));
        set.merge(recorded);
        set.set("global.namespace", self.namespace.clone());
        set.set("global.cliVersion", self.version.clone());
        let public = secrets::without_keys(&self.overrides);
        if !public.is_empty() {
            set.set("configOverrides", mesh_yaml::to_string(&public.into_value())?);
        }
        self.material.record(&mut set);
        effective(Chart::Control, set)
    }

    /// The objects, in the order of installation.
    pub fn render(&self, parts: Parts) -> Result<Vec<Object>, CommandError> {
        let release = Release { name: "linkerd", namespace: &self.namespace, kube_version: KUBE_VERSION };
        let failed = |error: manifests::RenderError| CommandError::failure(format!("cannot render: {error}"));
        let mut objects = Vec::new();
        if parts.crds {
            let mut values = Overrides::default();
            values.set("global.namespace", self.namespace.clone());
            values.set("global.cliVersion", self.version.clone());
            let values = effective(Chart::Crds, values)?;
            objects.extend(manifests::render(Chart::Crds, &values, &release).map_err(failed)?);
        }
        if parts.config || parts.control_plane {
            let rendered = manifests::render(Chart::Control, &self.values()?, &release).map_err(failed)?;
            objects.extend(rendered.into_iter().filter(|object| parts.has(object.stage)));
        }
        Ok(objects)
    }
}

/// The names that identities and certificates of a mesh have.
pub fn mesh_names(namespace: &str, overrides: &Overrides) -> Result<MeshNames, CommandError> {
    let text = |path: &str| overrides.get(path).and_then(Value::as_str).filter(|text| !text.is_empty());
    let domain =
        text("global.identityTrustDomain").or(text("global.clusterDomain")).unwrap_or("cluster.local");
    let domain: TrustDomain = domain.parse().map_err(CommandError::usage)?;
    Ok(MeshNames::new(namespace, domain))
}

/// Objects as a stream for `kubectl apply`.
pub fn text(objects: &[Object], format: ManifestFormat) -> Result<String, CommandError> {
    match format {
        ManifestFormat::Yaml => Ok(yaml(objects)),
        ManifestFormat::Json => {
            let values: Vec<Value> = objects.iter().map(|object| object.value.clone()).collect();
            manifest::stream(&values, format)
        }
    }
}

/// The objects as rendered, with a banner wherever another template begins.
fn yaml(objects: &[Object]) -> String {
    let mut text = String::with_capacity(objects.iter().map(|object| object.text.len() + 64).sum());
    let mut template = "";
    for object in objects {
        text.push_str("---\n");
        if object.template != template {
            template = &object.template;
            let _ = write!(text, "###\n### {}\n###\n", title(template));
        }
        text.push_str(object.text.trim_end());
        text.push('\n');
    }
    text
}

/// `templates/proxy-injector-rbac.yaml` → `Proxy injector rbac`.
fn title(template: &str) -> String {
    let file = template.rsplit('/').next().unwrap_or(template);
    let words = file.split('.').next().unwrap_or(file).replace('-', " ");
    let words = words.replace(" rbac", " RBAC").replace(" crd", " CRD");
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// What was set, over the chart's defaults.
fn effective(chart: Chart, set: Overrides) -> Result<Value, CommandError> {
    let defaults = chart.defaults().map_err(CommandError::failure)?;
    Ok(manifests::values::coalesce(defaults, &set.into_value()))
}

fn high_availability() -> Result<Overrides, CommandError> {
    let text = Chart::Control.file("values-ha.yaml").unwrap_or_default();
    Overrides::from_value(mesh_yaml::from_str(&text)?).map_err(CommandError::failure)
}

/// A time of day that differs between meshes, so that they do not all report at once, but never for one mesh.
fn heartbeat_schedule(anchors: &str) -> String {
    // FNV-1a: spread is all that is asked of it.
    let hash = anchors
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    format!("{} {} * * *", hash % 60, (hash / 60) % 24)
}

#[cfg(test)]
mod tests {
    use super::{NativeSidecars, ServerVersion, heartbeat_schedule, title};

    #[test]
    fn titles_read_like_words() {
        assert_eq!(title("templates/proxy-injector-rbac.yaml"), "Proxy injector RBAC");
        assert_eq!(title("templates/namespace.yaml"), "Namespace");
    }

    #[test]
    fn old_clusters_have_no_native_sidecars() {
        let of = |text: &str| NativeSidecars::of(&ServerVersion { git_version: text.into() });
        assert_eq!(of("v1.28.15"), NativeSidecars::Unsupported);
        assert_eq!(of("v1.29.0"), NativeSidecars::Supported);
        assert_eq!(of("v2.0.0"), NativeSidecars::Supported);
        assert_eq!(of("hidden"), NativeSidecars::Supported);
    }

    #[test]
    fn the_heartbeat_is_stable_and_spread() {
        assert_eq!(heartbeat_schedule("a"), heartbeat_schedule("a"));
        assert_ne!(heartbeat_schedule("a"), heartbeat_schedule("b"));
        let fields: Vec<String> = heartbeat_schedule("x").split(' ').map(str::to_owned).collect();
        assert!(fields[0].parse::<u8>().unwrap() < 60 && fields[1].parse::<u8>().unwrap() < 24);
    }
}
