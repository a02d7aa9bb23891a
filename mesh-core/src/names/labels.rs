//! Labels the mesh puts on objects and reads from them.

/// A label: its name and what it says.
#[derive(Clone, Copy, Debug)]
pub struct Label {
    /// The whole key.
    pub name: &'static str,
    /// One line for the reference page, without a full stop.
    pub doc: &'static str,
}

/// Namespace of the control plane an object belongs to.
pub const CONTROL_PLANE_NS: &str = "linkerd.io/control-plane-ns";
/// Which part of the control plane an object belongs to.
pub const CONTROL_PLANE_COMPONENT: &str = "linkerd.io/control-plane-component";
/// Namespace of a meshed workload.
pub const WORKLOAD_NS: &str = "linkerd.io/workload-ns";
/// Marks the control plane's own namespace.
pub const IS_CONTROL_PLANE: &str = "linkerd.io/is-control-plane";
/// Marks objects of the CNI plugin.
pub const CNI_RESOURCE: &str = "linkerd.io/cni-resource";
/// Marks namespaces of an extension.
pub const EXTENSION: &str = "linkerd.io/extension";
/// `disabled` on a namespace exempts it from the webhooks.
pub const ADMISSION_WEBHOOKS: &str = "config.linkerd.io/admission-webhooks";
/// Name of the Deployment that owns a meshed pod.
pub const PROXY_DEPLOYMENT: &str = "linkerd.io/proxy-deployment";
/// Name of the ReplicationController that owns a meshed pod.
pub const PROXY_REPLICATION_CONTROLLER: &str = "linkerd.io/proxy-replicationcontroller";
/// Name of the ReplicaSet that owns a meshed pod.
pub const PROXY_REPLICA_SET: &str = "linkerd.io/proxy-replicaset";
/// Name of the Job that owns a meshed pod.
pub const PROXY_JOB: &str = "linkerd.io/proxy-job";
/// Name of the DaemonSet that owns a meshed pod.
pub const PROXY_DAEMON_SET: &str = "linkerd.io/proxy-daemonset";
/// Name of the StatefulSet that owns a meshed pod.
pub const PROXY_STATEFUL_SET: &str = "linkerd.io/proxy-statefulset";
/// Name of the CronJob that owns a meshed pod.
pub const PROXY_CRON_JOB: &str = "linkerd.io/proxy-cronjob";
/// Marks a Service as exported to other clusters.
pub const EXPORTED: &str = "mirror.linkerd.io/exported";

/// Every label of the mesh.
pub const ALL: &[Label] = &[
    label(CONTROL_PLANE_NS, "Namespace of the control plane an object or a meshed pod belongs to"),
    label(CONTROL_PLANE_COMPONENT, "Part of the control plane an object belongs to"),
    label(WORKLOAD_NS, "Namespace of a meshed pod, as a label so that metrics carry it"),
    label(IS_CONTROL_PLANE, "`true` on the control plane's namespace"),
    label(CNI_RESOURCE, "`true` on every object of the CNI plugin"),
    label(EXTENSION, "Name of the extension a namespace belongs to"),
    label(ADMISSION_WEBHOOKS, "`disabled` on a namespace exempts it from the webhooks"),
    label(PROXY_DEPLOYMENT, "Deployment that owns a meshed pod"),
    label(PROXY_REPLICATION_CONTROLLER, "ReplicationController that owns a meshed pod"),
    label(PROXY_REPLICA_SET, "ReplicaSet that owns a meshed pod"),
    label(PROXY_JOB, "Job that owns a meshed pod"),
    label(PROXY_DAEMON_SET, "DaemonSet that owns a meshed pod"),
    label(PROXY_STATEFUL_SET, "StatefulSet that owns a meshed pod"),
    label(PROXY_CRON_JOB, "CronJob that owns a meshed pod"),
    label(EXPORTED, "Marks a Service as exported to linked clusters"),
];

const fn label(name: &'static str, doc: &'static str) -> Label {
    Label { name, doc }
}
