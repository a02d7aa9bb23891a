//! What checks ask of pods and of the objects that make them; pure.

use mesh_core::names::{annotations, containers, labels};
use serde_json::Value;

/// A text of an object.
pub(crate) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// An object's name.
pub(crate) fn name(object: &Value) -> &str {
    text(object, "/metadata/name")
}

/// `namespace/name`, or the bare name when all are of one namespace.
pub(crate) fn qualified(object: &Value, namespace: Option<&str>) -> String {
    match namespace {
        Some(_) => name(object).to_owned(),
        None => format!("{}/{}", text(object, "/metadata/namespace"), name(object)),
    }
}

/// The part of the control plane that a pod belongs to.
pub(crate) fn component(pod: &Value) -> Option<&str> {
    pod.pointer("/metadata/labels")?.get(labels::CONTROL_PLANE_COMPONENT)?.as_str()
}

/// Where the pod is in its life.
pub(crate) fn phase(pod: &Value) -> &str {
    text(pod, "/status/phase")
}

/// Whether the pod has ended by itself, as a Job's does.
pub(crate) fn is_over(pod: &Value) -> bool {
    matches!(phase(pod), "Succeeded" | "Failed") || pod.pointer("/metadata/deletionTimestamp").is_some()
}

/// The status of the proxy's container, wherever it runs.
pub(crate) fn proxy_status(pod: &Value) -> Option<&Value> {
    ["/status/containerStatuses", "/status/initContainerStatuses"]
        .into_iter()
        .filter_map(|list| pod.pointer(list)?.as_array())
        .flatten()
        .find(|status| status["name"] == containers::PROXY)
}

/// The proxy's container, wherever it is declared.
pub(crate) fn proxy(pod: &Value) -> Option<&Value> {
    ["/spec/containers", "/spec/initContainers"]
        .into_iter()
        .filter_map(|list| pod.pointer(list)?.as_array())
        .flatten()
        .find(|container| container["name"] == containers::PROXY)
}

/// The version of a pod's proxy: what the injector noted, else the image's tag.
pub(crate) fn proxy_version(pod: &Value) -> Option<&str> {
    let noted = pod.pointer("/metadata/annotations").and_then(|all| all.get(annotations::PROXY_VERSION_SET));
    if let Some(version) = noted.and_then(Value::as_str).filter(|version| !version.is_empty()) {
        return Some(version);
    }
    let (_, tag) = proxy(pod)?.get("image")?.as_str()?.rsplit_once(':')?;
    Some(tag).filter(|tag| !tag.contains('/'))
}

/// The value of a variable of the proxy.
pub(crate) fn proxy_variable<'a>(pod: &'a Value, variable: &str) -> Option<&'a Value> {
    let variables = proxy(pod)?.get("env")?.as_array()?;
    variables.iter().find(|candidate| candidate["name"] == variable)
}

/// Why a pod is not ready: its container's name, or none when it is ready.
pub(crate) fn unready_container(pod: &Value) -> Option<&str> {
    let regular = pod.pointer("/status/containerStatuses").and_then(Value::as_array);
    let sidecars = pod.pointer("/spec/initContainers").and_then(Value::as_array).into_iter().flatten();
    let restarted: Vec<&str> =
        sidecars.filter(|it| it["restartPolicy"] == "Always").filter_map(|it| it["name"].as_str()).collect();
    let init = pod.pointer("/status/initContainerStatuses").and_then(Value::as_array).into_iter().flatten();
    let init = init.filter(|status| status["name"].as_str().is_some_and(|name| restarted.contains(&name)));
    let mut all = regular.into_iter().flatten().chain(init);
    all.find(|status| status["ready"] != true).and_then(|status| status["name"].as_str())
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::json;

    use super::*;

    /// A meshed pod whose proxy is ready or not.
    pub(crate) fn meshed(name: &str, ready: bool) -> Value {
        json!({
            "metadata": {"name": name, "namespace": "shop", "labels": {"linkerd.io/control-plane-ns": "linkerd"}},
            "spec": {
                "containers": [{"name": "app"}],
                "initContainers": [{"name": "linkerd-proxy", "image": "localhost/linkerd/proxy:v1", "restartPolicy": "Always"}]},
            "status": {
                "phase": "Running",
                "containerStatuses": [{"name": "app", "ready": true}],
                "initContainerStatuses": [{"name": "linkerd-proxy", "ready": ready}, {"name": "linkerd-init", "ready": false}]},
        })
    }

    #[test]
    fn a_sidecar_counts_and_a_finished_init_container_does_not() {
        assert_eq!(unready_container(&meshed("web", true)), None);
        assert_eq!(unready_container(&meshed("web", false)), Some("linkerd-proxy"));
    }

    #[test]
    fn the_noted_version_wins_over_the_tag() {
        let mut pod = meshed("web", true);
        assert_eq!(proxy_version(&pod), Some("v1"));
        pod["metadata"]["annotations"] = json!({"linkerd.io/proxy-version": "v2"});
        assert_eq!(proxy_version(&pod), Some("v2"));
    }
}
