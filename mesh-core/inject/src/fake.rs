//! A small source of sidecars for tests.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use serde_json::{Value, json};

use crate::{Overrides, PodFacts, Sidecar, SidecarError, SidecarSource};

/// Renders containers that show what they were made from.
pub(crate) struct Fake {
    values: Value,
    rendered: AtomicUsize,
}

impl Default for Fake {
    fn default() -> Self {
        let values = json!({"global": {
            "namespace": "linkerd", "linkerdVersion": "stable-9", "identityTrustAnchorsPEM": "PEM",
            "proxy": {"nativeSidecar": true, "opaquePorts": "25,3306", "trace": {"collectorSvcAddr": ""}}
        }});
        Self { values, rendered: AtomicUsize::new(0) }
    }
}

impl Fake {
    pub(crate) fn rendered(&self) -> usize {
        self.rendered.load(Ordering::Relaxed)
    }
}

impl SidecarSource for Fake {
    fn values(&self) -> &Value {
        &self.values
    }

    fn sidecar(&self, overrides: &Overrides, pod: &PodFacts) -> Result<Arc<Sidecar>, SidecarError> {
        self.rendered.fetch_add(1, Ordering::Relaxed);
        let values = overrides.merged(&self.values);
        let native = values["global"]["proxy"]["nativeSidecar"] == json!(true);
        let mut proxy = json!({"name": "linkerd-proxy", "image": "proxy:1",
            "env": [{"name": "LINKERD2_PROXY_IDENTITY_TRUST_ANCHORS", "value": "-----BEGIN\nabc\n-----END\n"},
                {"name": "LINKERD2_PROXY_INBOUND_PORTS", "value": pod.inbound_ports}]});
        let mut init = vec![json!({"name": "linkerd-init", "image": "init:1", "args": ["--proxy-uid=2102"]})];
        let mut containers = Vec::new();
        if native {
            proxy["restartPolicy"] = "Always".into();
            init.push(proxy);
        } else {
            containers.push(proxy);
        }
        Ok(Arc::new(Sidecar {
            init_containers: init,
            containers,
            debug: pod.debug.then(|| json!({"name": "linkerd-debug", "image": "debug:1"})),
            volumes: vec![json!({"name": "linkerd-identity-end-entity", "emptyDir": {"medium": "Memory"}})],
        }))
    }
}
