//! The categories of checks; one file each, named by its id.

pub mod control_plane_version;
pub mod kubernetes_api;
pub mod kubernetes_version;
pub mod linkerd_api;
pub mod linkerd_cni_plugin;
pub mod linkerd_config;
pub mod linkerd_data_plane;
pub mod linkerd_existence;
pub mod linkerd_ha_checks;
pub mod linkerd_identity;
pub mod linkerd_identity_data_plane;
pub mod linkerd_version;
pub mod linkerd_webhooks;
pub mod pre_kubernetes_capability;
pub mod pre_kubernetes_setup;
pub mod pre_linkerd_global_resources;

use crate::check::Category;

/// What `check --pre` asks before the CNI plugin or the init container does the redirection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redirection {
    /// Init containers, which need capabilities.
    Init,
    /// The CNI plugin, which must be there.
    Cni,
}

/// The categories of `check --pre`.
pub fn pre(redirection: Redirection) -> Vec<Category> {
    vec![
        kubernetes_api::category(),
        kubernetes_version::category(),
        pre_kubernetes_setup::category(),
        match redirection {
            Redirection::Init => pre_kubernetes_capability::category(),
            Redirection::Cni => linkerd_cni_plugin::category(),
        },
        linkerd_version::category(),
    ]
}

/// The categories of `check config`.
pub fn config() -> Vec<Category> {
    vec![
        kubernetes_api::category(),
        kubernetes_version::category(),
        linkerd_config::category(),
        linkerd_version::category(),
    ]
}

/// What `install` asks before it renders: the API answers, and no control plane is there yet.
pub fn install() -> Vec<Category> {
    vec![kubernetes_api::category(), pre_linkerd_global_resources::category()]
}

/// What a plain `check` looks at beside the control plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Nothing: `check`.
    ControlPlane,
    /// The proxies of workloads: `check --proxy`.
    DataPlane,
}

/// The categories of `check` and `check --proxy`, in the order in which they are printed.
pub fn installed(scope: Scope) -> Vec<Category> {
    let mut all = vec![
        kubernetes_api::category(),
        kubernetes_version::category(),
        linkerd_existence::category(),
        linkerd_config::category(),
        linkerd_cni_plugin::where_installed(),
        linkerd_identity::category(),
        linkerd_webhooks::category(),
    ];
    if scope == Scope::DataPlane {
        all.push(linkerd_identity_data_plane::category());
    }
    all.extend([linkerd_api::category(), linkerd_version::category()]);
    all.push(match scope {
        Scope::ControlPlane => control_plane_version::category(),
        Scope::DataPlane => linkerd_data_plane::category(),
    });
    all.push(linkerd_ha_checks::category());
    all
}
