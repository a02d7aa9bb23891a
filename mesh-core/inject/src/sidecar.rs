//! The containers and volumes that are added to a pod, and where they come from.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use serde_json::Value;

use crate::Overrides;

/// How many different sidecars are kept; a manifest with more is unusual and only slower.
const CACHE_LIMIT: usize = 1024;

/// What is added to a pod, as Kubernetes' JSON.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sidecar {
    /// Init containers, which go before the pod's own.
    pub init_containers: Vec<Value>,
    /// Containers, which go before the pod's own.
    pub containers: Vec<Value>,
    /// The container with network tools, which goes after the pod's own.
    pub debug: Option<Value>,
    /// Volumes the containers mount.
    pub volumes: Vec<Value>,
}

/// What of a pod, beside its overrides, decides what is added.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct PodFacts {
    /// The part of the control plane the pod is, if it is one.
    pub component: Option<String>,
    /// Name of the owner, where spans carry it.
    pub workload: Option<String>,
    /// TCP ports the containers declare, ascending, separated by commas.
    pub inbound_ports: String,
    /// Whether the container with network tools is wanted.
    pub debug: bool,
}

/// Why the containers cannot be rendered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot render the proxy's containers: {0}")]
pub struct SidecarError(pub String);

/// Where the containers come from: the chart's templates, rendered with the values of one pod.
pub trait SidecarSource: Sync {
    /// The configuration of the control plane: the chart's effective values.
    fn values(&self) -> &Value;
    /// Renders what is added to a pod.
    fn sidecar(&self, overrides: &Overrides, pod: &PodFacts) -> Result<Arc<Sidecar>, SidecarError>;
}

/// Keeps what another source rendered, once for each set of overrides and facts.
pub struct Cached<S> {
    source: S,
    kept: Mutex<HashMap<(String, PodFacts), Arc<Sidecar>>>,
}

impl<S: SidecarSource> Cached<S> {
    /// A source that asks `source` once for each set of overrides.
    pub fn new(source: S) -> Self {
        Self { source, kept: Mutex::new(HashMap::new()) }
    }
}

impl<S: SidecarSource> SidecarSource for Cached<S> {
    fn values(&self) -> &Value {
        self.source.values()
    }

    fn sidecar(&self, overrides: &Overrides, pod: &PodFacts) -> Result<Arc<Sidecar>, SidecarError> {
        let key = (overrides.key(), pod.clone());
        if let Some(sidecar) = self.kept.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(Arc::clone(sidecar));
        }
        let sidecar = self.source.sidecar(overrides, pod)?;
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= CACHE_LIMIT {
            kept.clear();
        }
        kept.insert(key, Arc::clone(&sidecar));
        Ok(sidecar)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::Fake;

    #[test]
    fn renders_once_for_equal_overrides() {
        let cached = Cached::new(Fake::default());
        let pod = PodFacts::default();
        cached.sidecar(&Overrides::default(), &pod).unwrap();
        cached.sidecar(&Overrides::default(), &pod).unwrap();
        assert_eq!(cached.source.rendered(), 1);
        cached.sidecar(&Overrides::default(), &PodFacts { debug: true, ..pod }).unwrap();
        assert_eq!(cached.source.rendered(), 2);
    }
}
