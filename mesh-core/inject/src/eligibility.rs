//! Why a pod is not injected.

use std::borrow::Cow;

use mesh_core::names::{
    annotations::{INJECT, INJECT_DISABLED, INJECT_ENABLED, INJECT_INGRESS},
    containers::{FOREIGN_CONTAINERS, FOREIGN_INIT_CONTAINERS, Foreign},
};
use mesh_yaml::view::View;

use crate::PodTemplate;

/// Why an object was left as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Skip {
    /// Its pods use the network of their node, which must not be redirected.
    HostNetwork,
    /// Its pods have a proxy already, ours or another mesh's.
    SidecarExists,
    /// Its kind has no pods.
    UnsupportedResource,
    /// Its pods refuse injection.
    InjectDisabled,
    /// Neither the pod nor its namespace asks for injection.
    InjectAnnotationAbsent,
    /// The namespace's annotation is none of those known.
    InvalidAtNamespace,
    /// The workload's annotation is none of those known.
    InvalidAtWorkload,
    /// The proxy would have no token.
    NoToken,
    /// Its pods run on Windows, where the redirection does not exist.
    Windows,
    /// The document has no `kind`.
    MissingKind,
    /// Nothing was there to be taken away.
    NothingInjected,
}

impl Skip {
    /// The reason as metrics and events carry it.
    pub const fn code(self) -> &'static str {
        match self {
            Self::HostNetwork => "host_network_enabled",
            Self::SidecarExists => "sidecar_already_exists",
            Self::UnsupportedResource => "unsupported_resource",
            Self::InjectDisabled => "injection_disable_annotation_present",
            Self::InjectAnnotationAbsent => "injection_enable_annotation_absent",
            Self::InvalidAtNamespace => "invalid_inject_annotation_at_ns",
            Self::InvalidAtWorkload => "invalid_inject_annotation_at_workload",
            Self::NoToken => "disabled_automount_service_account_token_account",
            Self::Windows => "windows_pod",
            Self::MissingKind => "missing_kind",
            Self::NothingInjected => "nothing_injected",
        }
    }

    /// The reason in words, for events and `--verbose`.
    pub const fn describe(self) -> &'static str {
        match self {
            Self::HostNetwork => "hostNetwork is enabled",
            Self::SidecarExists => "pod has a sidecar injected already",
            Self::UnsupportedResource => "this resource kind is unsupported",
            Self::InjectDisabled => "pod has the annotation \"linkerd.io/inject: disabled\"",
            Self::InjectAnnotationAbsent => {
                "neither the namespace nor the pod have the annotation \"linkerd.io/inject: enabled\""
            }
            Self::InvalidAtNamespace => "invalid value of \"linkerd.io/inject\" at the namespace",
            Self::InvalidAtWorkload => "invalid value of \"linkerd.io/inject\" at the workload",
            Self::NoToken => "automountServiceAccountToken set to \"false\"",
            Self::Windows => "pod runs on Windows",
            Self::MissingKind => "document missing \"kind\" field",
            Self::NothingInjected => "nothing was injected",
        }
    }
}

/// What the pod itself says against injection, whatever its annotations say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refusal {
    /// `hostNetwork: true`.
    pub host_network: bool,
    /// A sidecar of this or another mesh.
    pub sidecar: bool,
    /// A pod for Windows.
    pub windows: bool,
    /// UDP ports: no obstacle, but worth a word.
    pub udp: bool,
}

impl Refusal {
    /// Looks at a pod.
    pub fn of<'a, V: View<'a>>(pod: &PodTemplate<V>) -> Self {
        Self {
            host_network: pod.spec.get("hostNetwork").and_then(View::as_bool) == Some(true),
            sidecar: has(pod, "containers", &FOREIGN_CONTAINERS)
                || has(pod, "initContainers", &FOREIGN_INIT_CONTAINERS),
            windows: runs_on_windows(pod),
            udp: has_udp(pod),
        }
    }

    /// The first obstacle, if there is one.
    pub const fn skip(self) -> Option<Skip> {
        if self.host_network {
            Some(Skip::HostNetwork)
        } else if self.sidecar {
            Some(Skip::SidecarExists)
        } else if self.windows {
            Some(Skip::Windows)
        } else {
            None
        }
    }
}

/// What the injector decides about a pod from the annotations of the pod and its namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Inject.
    Inject,
    /// Inject, in ingress mode.
    Ingress,
    /// Leave alone.
    Skip(Skip),
}

impl Admission {
    /// The decision: the pod's word counts, the namespace's where the pod says nothing.
    pub fn decide(namespace: Option<&str>, pod: Option<&str>) -> Self {
        let namespace = namespace.filter(|value| !value.is_empty());
        let pod = pod.filter(|value| !value.is_empty());
        let known = [INJECT_ENABLED, INJECT_INGRESS, INJECT_DISABLED];
        if namespace.is_some_and(|value| !known.contains(&value)) {
            return Self::Skip(Skip::InvalidAtNamespace);
        }
        match pod.or(namespace) {
            Some(INJECT_ENABLED) => Self::Inject,
            Some(INJECT_INGRESS) => Self::Ingress,
            Some(INJECT_DISABLED) if pod.is_some() => Self::Skip(Skip::InjectDisabled),
            None | Some(INJECT_DISABLED) => Self::Skip(Skip::InjectAnnotationAbsent),
            Some(_) => Self::Skip(Skip::InvalidAtWorkload),
        }
    }
}

/// Whether the pod refuses injection.
pub(crate) fn is_disabled<'a, V: View<'a>>(pod: &PodTemplate<V>) -> bool {
    pod.annotation(INJECT).as_deref() == Some(INJECT_DISABLED)
}

/// Whether the pod refuses a token of its ServiceAccount.
pub(crate) fn refuses_token<'a, V: View<'a>>(pod: &PodTemplate<V>) -> bool {
    pod.spec.get("automountServiceAccountToken").and_then(View::as_bool) == Some(false)
}

fn has<'a, V: View<'a>>(pod: &PodTemplate<V>, key: &str, foreign: &Foreign) -> bool {
    pod.containers(key).any(|container| {
        let text = |field: &str| container.get(field).and_then(View::as_str).unwrap_or(Cow::Borrowed(""));
        foreign.matches(&text("name"), &text("image"))
    })
}

fn has_udp<'a, V: View<'a>>(pod: &PodTemplate<V>) -> bool {
    pod.containers("containers").any(|container| {
        let ports = container.get("ports").map(View::items).into_iter().flatten();
        ports.into_iter().any(|port| port.str_at(&["protocol"]).as_deref() == Some("UDP"))
    })
}

fn runs_on_windows<'a, V: View<'a>>(pod: &PodTemplate<V>) -> bool {
    let is_windows = |keys: &[&str]| pod.spec.str_at(keys).as_deref() == Some("windows");
    is_windows(&["os", "name"])
        || is_windows(&["nodeSelector", "kubernetes.io/os"])
        || is_windows(&["nodeSelector", "beta.kubernetes.io/os"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decides_as_the_table_says() {
        use Admission::{Ingress, Inject};
        let skip = Admission::Skip;
        for (namespace, pod, decision) in [
            (Some("enabled"), None, Inject),
            (Some("enabled"), Some(""), Inject),
            (Some("enabled"), Some("enabled"), Inject),
            (Some("enabled"), Some("disabled"), skip(Skip::InjectDisabled)),
            (Some("disabled"), Some("enabled"), Inject),
            (Some("ingress"), None, Ingress),
            (None, Some("ingress"), Ingress),
            (None, Some("enabled"), Inject),
            (None, None, skip(Skip::InjectAnnotationAbsent)),
            (Some(""), None, skip(Skip::InjectAnnotationAbsent)),
            (Some("disabled"), None, skip(Skip::InjectAnnotationAbsent)),
            (Some("yes"), Some("enabled"), skip(Skip::InvalidAtNamespace)),
            (None, Some("true"), skip(Skip::InvalidAtWorkload)),
        ] {
            assert_eq!(Admission::decide(namespace, pod), decision, "{namespace:?} {pod:?}");
        }
    }
}
