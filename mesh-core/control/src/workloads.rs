//! A pod and its workload by the labels that metrics and events carry.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use mesh_core::names::labels;

/// The labels of a pod on everything that its proxy tells: namespace, pod and workload.
///
/// The workload is the one that the injector found and wrote down as a label.
pub fn labels_of(metadata: &ObjectMeta) -> Vec<(&'static str, String)> {
    let own = metadata.labels.iter().flatten();
    let workload = own.filter_map(|(label, value)| Some((workload_key(label)?, value.clone())));
    let mut out: Vec<(&'static str, String)> = workload.collect();
    out.extend(metadata.namespace.clone().map(|namespace| ("namespace", namespace)));
    out.extend(metadata.name.clone().map(|name| ("pod", name)));
    out.sort_unstable();
    out
}

/// The key under which a label of the injector appears.
fn workload_key(label: &str) -> Option<&'static str> {
    Some(match label {
        labels::PROXY_DEPLOYMENT => "deployment",
        labels::PROXY_REPLICA_SET => "replicaset",
        labels::PROXY_STATEFUL_SET => "statefulset",
        labels::PROXY_DAEMON_SET => "daemonset",
        labels::PROXY_REPLICATION_CONTROLLER => "replicationcontroller",
        labels::PROXY_JOB => "k8s_job",
        labels::PROXY_CRON_JOB => "cronjob",
        labels::CONTROL_PLANE_NS => "control_plane_ns",
        _ => return None,
    })
}
