//! Adds the proxy to a manifest and takes it away: one list of patches for the command and the webhook.
//!
//! [`inject()`] and [`uninject()`] look at a document through a [`mesh_yaml::view::View`] and answer with a list of
//! [`Op`]s and a [`Fact`]. The same list edits the text of a manifest (the command) and becomes the JSON patch of an
//! admission response (the webhook). Nothing here prints, reads the environment or talks to a cluster.

mod chart;
mod digest;
mod eligibility;
#[cfg(test)]
mod fake;
mod fill;
mod inject;
mod overrides;
mod patch;
mod pod_template;
mod report;
mod settings;
mod sidecar;
mod spool;
mod stream;
mod uninject;

pub use chart::ChartSource;
pub use eligibility::{Admission, Refusal, Skip};
pub use inject::{Injected, inject};
pub use mesh_yaml::{Op, Pointer};
pub use overrides::{Override, Overrides};
pub use pod_template::{Kind, PodTemplate, Workload, items};
pub use report::{Fact, Outcome, Resource, Warning};
pub use settings::{FlagError, Flags, InjectValue, Mode, Record, Settings, Token};
pub use sidecar::{Cached, PodFacts, Sidecar, SidecarError, SidecarSource};
pub use spool::Spool;
pub use stream::{Cause, Format, Notice, Pipeline, StreamError, Task, run_text};
pub use uninject::{Strip, Uninjected, uninject};

/// Why a document cannot be injected or uninjected; nothing of its input may be written then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A part of the control plane is only injected with `--manual`.
    #[error("--manual must be set when injecting control plane components")]
    ControlPlaneComponent,
    /// The proxy would have no token to show to the identity service.
    #[error("cannot enable mTLS when automountServiceAccountToken set to \"false\"")]
    NoToken,
    /// A field is not what Kubernetes takes there.
    #[error("{field}: expected {expected}")]
    Field {
        /// Where it is, dotted: `spec.template.spec.containers`.
        field: String,
        /// What should be there.
        expected: &'static str,
    },
    /// The containers to add cannot be rendered.
    #[error(transparent)]
    Sidecar(#[from] SidecarError),
    /// Lists in lists, deeper than any manifest.
    #[error("lists are nested deeper than {0} levels")]
    ListDepth(usize),
}

impl Error {
    /// The error as it is named from the root of a document in which the object is at `base`.
    fn under(self, base: &Pointer) -> Self {
        match self {
            Self::Field { field, expected } if !base.tokens().is_empty() => {
                Self::Field { field: format!("{}.{field}", base.tokens().join(".")), expected }
            }
            other => other,
        }
    }
}
