//! Sidecars from the chart's own partial templates: what `install` writes into the control plane's pods.

use std::sync::Arc;

use manifests::sidecar::Renderer;
use serde_json::{Map, Value, json};

use crate::{Overrides, PodFacts, Sidecar, SidecarError, SidecarSource};

/// Renders sidecars with the values of one control plane.
pub struct ChartSource {
    values: Value,
    renderer: Renderer,
}

impl ChartSource {
    /// A source for the effective values of a control plane: those of ConfigMap `linkerd-config`, or the chart's defaults.
    pub fn new(values: Value) -> Result<Self, SidecarError> {
        let renderer = Renderer::new(&values).map_err(|error| SidecarError(error.to_string()))?;
        Ok(Self { values, renderer })
    }
}

impl SidecarSource for ChartSource {
    fn values(&self) -> &Value {
        &self.values
    }

    fn sidecar(&self, overrides: &Overrides, pod: &PodFacts) -> Result<Arc<Sidecar>, SidecarError> {
        let failed = |error: manifests::RenderError| SidecarError(error.to_string());
        let laid_over = overrides.merged(&Value::Object(Map::new()));
        let rendered = self.renderer.render(&laid_over, &dict(pod)).map_err(failed)?;
        let debug =
            if pod.debug { Some(self.renderer.debug_container(&laid_over).map_err(failed)?) } else { None };
        Ok(Arc::new(Sidecar {
            init_containers: rendered.init_containers,
            containers: rendered.containers,
            debug,
            volumes: rendered.volumes,
        }))
    }
}

/// What the partials are told of the pod; they describe the keys.
fn dict(pod: &PodFacts) -> Value {
    let mut dict = Map::new();
    for (key, value) in [("component", &pod.component), ("workload", &pod.workload)] {
        if let Some(value) = value {
            dict.insert(key.to_owned(), json!(value));
        }
    }
    if !pod.inbound_ports.is_empty() {
        dict.insert("inboundPorts".to_owned(), json!(pod.inbound_ports));
    }
    Value::Object(dict)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Cached, Mode, inject};

    fn values() -> Value {
        let text = manifests::Chart::Control.file("values.yaml").unwrap();
        mesh_yaml::from_str(&text).unwrap()
    }

    fn spec(annotations: Value) -> Value {
        let document = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "annotations": annotations},
            "spec": {"containers": [{"name": "a", "image": "b", "ports": [{"containerPort": 80}]}]}});
        let source = Cached::new(ChartSource::new(values()).unwrap());
        let settings = crate::Flags::default().settings("linkerd/cli test".to_owned()).unwrap();
        let result = inject(&document, &settings, Mode::Manual { source: &source }).unwrap();
        let mut document = document;
        mesh_yaml::apply_to_value(&mut document, &result.ops).unwrap();
        document["spec"].clone()
    }

    #[test]
    fn annotations_reach_the_rendered_containers() {
        let spec = spec(json!({
            "config.linkerd.io/proxy-uid": "1234",
            "config.linkerd.io/proxy-cpu-limit": "500m",
            "config.linkerd.io/skip-outbound-ports": "3306",
            "config.linkerd.io/enable-debug-sidecar": "true",
            "config.alpha.linkerd.io/proxy-wait-before-exit-seconds": "5",
            "config.linkerd.io/trace-collector": "collector.tracing:4317",
        }));
        let proxy = &spec["initContainers"][1];
        assert_eq!(proxy["name"], "linkerd-proxy");
        assert_eq!(proxy["restartPolicy"], "Always");
        assert_eq!(proxy["securityContext"]["runAsUser"], 1234);
        assert_eq!(proxy["resources"]["limits"]["cpu"], "500m");
        assert_eq!(proxy["lifecycle"]["preStop"]["sleep"]["seconds"], 5);
        let env = |name: &str| {
            let found = proxy["env"].as_array().unwrap().iter().find(|it| it["name"] == name);
            found.unwrap_or_else(|| panic!("no {name}"))["value"].clone()
        };
        assert_eq!(env("LINKERD2_PROXY_INBOUND_PORTS"), "80");
        assert_eq!(env("LINKERD2_PROXY_TRACE_SERVICE_NAME"), "p");
        let args = spec["initContainers"][0]["args"].as_array().unwrap();
        assert!(args.contains(&json!("--outbound-ports-to-ignore=3306")), "{args:?}");
        assert_eq!(spec["containers"][1]["name"], "linkerd-debug");
    }

    #[test]
    fn every_variable_of_the_sidecar_is_in_the_registry() {
        let spec = spec(json!({"config.linkerd.io/trace-collector": "collector.tracing:4317",
            "config.linkerd.io/access-log": "json", "config.linkerd.io/enable-gateway": "true",
            "config.linkerd.io/shutdown-grace-period": "1m", "config.linkerd.io/proxy-cpu-ratio-limit": "0.5",
            "config.linkerd.io/proxy-require-identity-inbound-ports": "80", "linkerd.io/inject": "ingress"}));
        for variable in spec["initContainers"][1]["env"].as_array().unwrap() {
            let name = variable["name"].as_str().unwrap();
            assert!(mesh_core::names::env::ALL.iter().any(|known| known.name == name), "{name}");
        }
    }
}
