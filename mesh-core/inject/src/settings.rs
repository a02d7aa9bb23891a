//! What a run of injection is asked for: its mode and the annotations its flags stand for.

mod flags;

pub(crate) use flags::is_log_level;
pub use flags::{FlagError, Flags};

use std::collections::BTreeMap;

use crate::SidecarSource;
use mesh_core::names::annotations::{INJECT_ENABLED, INJECT_INGRESS};

/// Whether the proxy is added here or left to the injector.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum Mode<'s> {
    /// Pods are annotated; the injector adds the proxy when they are created.
    Annotate,
    /// The proxy's containers are written into the pods.
    Manual {
        /// Where the containers come from.
        source: &'s dyn SidecarSource,
    },
}

/// What `linkerd.io/inject` is set to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InjectValue {
    /// An ordinary proxy.
    #[default]
    Enabled,
    /// A proxy that routes by the request's name.
    Ingress,
}

impl InjectValue {
    /// The annotation's value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enabled => INJECT_ENABLED,
            Self::Ingress => INJECT_INGRESS,
        }
    }
}

/// Where the proxy's token comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Token {
    /// A projected volume of its own: pods may refuse the token of their ServiceAccount.
    #[default]
    Projected,
    /// The token Kubernetes mounts into every pod that does not refuse it.
    Automounted,
}

/// Whether what injection fills and adds is noted in the object, so that it can be taken back exactly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Record {
    /// Noted in an annotation where it could not be told later.
    #[default]
    Keep,
    /// Not noted: the object is on its way into the cluster.
    Omit,
}

/// What a run of injection is asked for.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// What `linkerd.io/inject` is set to.
    pub inject: InjectValue,
    /// Annotations set on pod templates and namespaces, by key.
    pub annotations: BTreeMap<&'static str, String>,
    /// Annotations set on pod templates only, by key.
    pub pod_annotations: BTreeMap<&'static str, String>,
    /// Opaque ports, also set on Services.
    pub opaque_ports: Option<String>,
    /// Annotations of the namespace, which count where the pod's own say nothing.
    pub namespace_annotations: BTreeMap<String, String>,
    /// What `linkerd.io/created-by` is set to.
    pub created_by: String,
    /// Where the proxy's token comes from.
    pub token: Token,
    /// Whether changes that could not be told later are noted.
    pub record: Record,
}
