//! In which order the command writes what the templates render, and in which stage of an install.

use crate::chart::Chart;

/// The two halves of an install in stages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stage {
    /// What needs the rights of a cluster administrator: namespaces, roles, definitions, webhook configurations.
    Config,
    /// What the owner of the namespace installs: configuration, services, workloads.
    ControlPlane,
}

/// Stem of a template of chart `linkerd2` and its stage, in the order of the output.
const CONTROL: &[(&str, Stage)] = &[
    ("namespace", Stage::Config),
    ("identity-rbac", Stage::Config),
    ("controller-rbac", Stage::Config),
    ("destination-rbac", Stage::Config),
    ("heartbeat-rbac", Stage::Config),
    ("web-rbac", Stage::Config),
    ("prometheus-rbac", Stage::Config),
    ("proxy-injector-rbac", Stage::Config),
    ("sp-validator-rbac", Stage::Config),
    ("tap-rbac", Stage::Config),
    ("tracing-rbac", Stage::Config),
    ("grafana-rbac", Stage::Config),
    ("config", Stage::ControlPlane),
    ("identity", Stage::ControlPlane),
    ("controller", Stage::ControlPlane),
    ("destination", Stage::ControlPlane),
    ("heartbeat", Stage::ControlPlane),
    ("web", Stage::ControlPlane),
    ("prometheus", Stage::ControlPlane),
    ("proxy-injector", Stage::ControlPlane),
    ("sp-validator", Stage::ControlPlane),
    ("tap", Stage::ControlPlane),
    ("config-addons", Stage::ControlPlane),
    ("tracing", Stage::ControlPlane),
    ("grafana-dashboards", Stage::ControlPlane),
    ("grafana", Stage::ControlPlane),
    ("policies", Stage::ControlPlane),
    ("podmonitor", Stage::ControlPlane),
];

/// Rank and stage of a template. Templates that are not in the list come last, by name, with the control plane.
#[must_use]
pub fn place(chart: Chart, template: &str) -> (usize, Stage) {
    let stem = stem(template);
    let list = match chart {
        Chart::Control => CONTROL,
        Chart::Crds | Chart::Cni | Chart::Profiles => return (0, Stage::Config),
    };
    let found = list.iter().position(|(name, _)| *name == stem);
    found.map_or((list.len(), Stage::ControlPlane), |rank| (rank, list[rank].1))
}

/// Whether the order names a template.
#[must_use]
pub fn is_listed(template: &str) -> bool {
    CONTROL.iter().any(|(name, _)| *name == stem(template))
}

/// The path of a template without its folder and its ending.
fn stem(template: &str) -> &str {
    let path = template.strip_prefix("templates/").unwrap_or(template);
    path.rsplit_once('.').map_or(path, |(stem, _)| stem)
}
