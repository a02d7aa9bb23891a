//! What a pod gets when it joins the mesh, rendered from the same partial templates as the control plane's own pods.
//!
//! A [`Renderer`] holds the values of a control plane in the form templates use; one pod then costs its overrides, the partials and
//! the reading of their output.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::chart::{Chart, Package};
use crate::render::RenderError;
use crate::render::data::{Data, Dict};

/// What is added to a pod, as Kubernetes' JSON.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sidecar {
    /// Init containers, in their order; the native sidecar is the last of them.
    pub init_containers: Vec<Value>,
    /// Ordinary containers, which go before the pod's own; none with a native sidecar.
    pub containers: Vec<Value>,
    /// Volumes the containers mount.
    pub volumes: Vec<Value>,
}

/// Renders sidecars for one control plane.
#[derive(Clone, Debug)]
pub struct Renderer {
    package: &'static Package,
    values: Data,
}

impl Renderer {
    /// Prepares the effective values of a control plane.
    ///
    /// # Errors
    ///
    /// The embedded chart does not compile, which its tests exclude.
    pub fn new(values: &Value) -> Result<Self, RenderError> {
        Ok(Self { package: Chart::Control.package()?, values: Data::from(values) })
    }

    /// Renders what is added to one pod. `overrides` is laid over the values (maps merge, null removes a key, anything else replaces);
    /// `pod` is the dict `Pod` that the partials describe, its keys absent where nothing is known.
    ///
    /// # Errors
    ///
    /// A value the partials need is missing or of the wrong type.
    pub fn render(&self, overrides: &Value, pod: &Value) -> Result<Sidecar, RenderError> {
        let dot = self.dot(overrides, pod);
        Ok(Sidecar {
            init_containers: self.list("partials.initContainers", &dot)?,
            containers: self.list("partials.containers", &dot)?,
            volumes: self.list("partials.volumes", &dot)?,
        })
    }

    /// Renders the container with network tools.
    ///
    /// # Errors
    ///
    /// As [`Renderer::render`].
    pub fn debug_container(&self, overrides: &Value) -> Result<Value, RenderError> {
        self.value("partials.debug", &self.dot(overrides, &Value::Object(Map::new())))
    }

    fn dot(&self, overrides: &Value, pod: &Value) -> Data {
        let mut values = self.values.clone();
        lay_over(&mut values, overrides);
        Data::map(Dict::from([("Values".into(), values), ("Pod".into(), Data::from(pod))]))
    }

    fn list(&self, partial: &str, dot: &Data) -> Result<Vec<Value>, RenderError> {
        match self.value(partial, dot)? {
            Value::Array(items) => Ok(items),
            Value::Null => Ok(Vec::new()),
            _ => Err(self.package.fault(partial, "the partial did not render a list".to_owned())),
        }
    }

    fn value(&self, partial: &str, dot: &Data) -> Result<Value, RenderError> {
        let text = self.package.render_named(partial, dot)?;
        mesh_yaml::from_str(&text)
            .map_err(|error| self.package.fault(partial, format!("the partial did not render YAML: {error}")))
    }
}

/// Renders what is added to one pod, from values that already carry the pod's overrides.
///
/// # Errors
///
/// As [`Renderer::render`].
pub fn render(values: &Value, pod: &Value) -> Result<Sidecar, RenderError> {
    Renderer::new(values)?.render(&Value::Null, pod)
}

/// Lays JSON over data, copying only the maps on the way to what changes.
fn lay_over(target: &mut Data, source: &Value) {
    let Value::Object(entries) = source else { return };
    if !matches!(target, Data::Map(_)) {
        *target = Data::map(Dict::new());
    }
    let Data::Map(target) = target else { return };
    let target = Arc::make_mut(target);
    for (key, value) in entries {
        match value {
            Value::Null => drop(target.remove(key.as_str())),
            Value::Object(_) => lay_over(target.entry(Arc::from(key.as_str())).or_insert(Data::Nil), value),
            other => drop(target.insert(Arc::from(key.as_str()), Data::from(other))),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn renderer() -> Renderer {
        Renderer::new(Chart::Control.defaults().unwrap()).unwrap()
    }

    #[test]
    fn renders_what_a_pod_gets() {
        let pod = json!({"workload": "web", "inboundPorts": "80,8080"});
        let sidecar = renderer().render(&Value::Null, &pod).unwrap();
        let names: Vec<_> =
            sidecar.init_containers.iter().map(|container| container["name"].clone()).collect();
        assert_eq!(names, ["linkerd-init", "linkerd-proxy"]);
        assert_eq!(sidecar.init_containers[1]["restartPolicy"], "Always");
        assert!(sidecar.containers.is_empty());
        assert_eq!(sidecar.volumes[0]["name"], "linkerd-identity-end-entity");
        let env = sidecar.init_containers[1]["env"].as_array().unwrap();
        let ports = env.iter().find(|entry| entry["name"] == "LINKERD2_PROXY_INBOUND_PORTS").unwrap();
        assert_eq!(ports["value"], "80,8080");
    }

    #[test]
    fn overrides_touch_one_pod_alone() {
        let renderer = renderer();
        let before = renderer.render(&Value::Null, &json!({})).unwrap();
        let overrides = json!({"global": {"cniEnabled": true, "proxy": {"nativeSidecar": false, "uid": 7}}});
        let sidecar = renderer.render(&overrides, &json!({})).unwrap();
        assert_eq!(sidecar.init_containers[0]["name"], "linkerd-network-validator");
        assert_eq!(sidecar.containers[0]["securityContext"]["runAsUser"], 7);
        assert_eq!(renderer.render(&Value::Null, &json!({})).unwrap(), before);
    }

    #[test]
    fn missing_values_name_the_partial() {
        let error = render(&json!({"global": {}}), &json!({})).unwrap_err();
        assert!(error.template.contains("partials/"), "{error}");
        assert!(error.cause.contains("nil pointer"), "{error}");
    }

    #[test]
    fn renders_the_debug_container() {
        assert_eq!(renderer().debug_container(&Value::Null).unwrap()["name"], "linkerd-debug");
    }
}
