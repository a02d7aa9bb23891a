//! The cluster as a directory of manifests: a file for each slice, with the pods behind it.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Mutex;

use crate::content::{self, Cluster, LARGE, Size};

/// A directory that `destination` follows.
pub(crate) struct Files {
    folder: tempfile::TempDir,
    state: Mutex<Cluster>,
}

// === impl Files ===

impl Files {
    pub(crate) fn start(size: &Size) -> Self {
        let cluster = Cluster::new(size.clone());
        let slices = cluster.slices();
        let files = Self { folder: tempfile::tempdir().unwrap(), state: Mutex::new(cluster) };
        let mut nodes = List::default();
        (0..content::NODES)
            .for_each(|number| nodes.add("v1", "Node", |out| content::write_node(number, out)));
        files.put("nodes", nodes);
        slices.for_each(|(service, slice)| files.write(service, slice));
        files
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Makes the last endpoint of a Service ready, or not.
    pub(crate) fn toggle(&self, service: usize) {
        let slice = self.state.lock().unwrap().toggle(service);
        self.write(service, slice);
    }

    /// Replaces a pod of the large Service.
    pub(crate) fn replace(&self, at: usize) {
        self.state.lock().unwrap().replace(at);
        self.write(LARGE, Cluster::slice_with(at));
    }

    /// Writes a slice and its pods; the first of a Service has the Service and the owner of the pods too.
    fn write(&self, service: usize, slice: usize) {
        let state = self.state.lock().unwrap();
        let mut list = List::default();
        if slice == 0 {
            list.add("v1", "Service", |out| content::service(service, out));
            list.add("apps/v1", "ReplicaSet", |out| content::replica_set(service, out));
        }
        list.add("discovery.k8s.io/v1", "EndpointSlice", |out| state.slice(service, slice, 1, out));
        for at in state.endpoints_in(service, slice) {
            list.add("v1", "Pod", |out| state.pod_now(service, at, out));
        }
        self.put(&content::slice_name(service, slice), list);
    }

    /// The file comes whole: it is renamed into place.
    fn put(&self, name: &str, list: List) {
        let place = |name: &str| self.folder.path().join(name);
        let hidden = place(".next");
        std::fs::write(&hidden, list.finish()).unwrap();
        std::fs::rename(hidden, place(&format!("{name}.json"))).unwrap();
    }
}

/// Objects of one file.
#[derive(Default)]
struct List(String);

// === impl List ===

impl List {
    /// Adds an object, which does not say itself of what kind it is.
    fn add(&mut self, version: &str, kind: &str, write: impl FnOnce(&mut String)) {
        let mut object = String::new();
        write(&mut object);
        let comma = if self.0.is_empty() { "" } else { "," };
        let rest = object.strip_prefix('{').unwrap();
        let _ = write!(self.0, r#"{comma}{{"apiVersion":"{version}","kind":"{kind}",{rest}"#);
    }

    fn finish(self) -> String {
        format!(r#"{{"apiVersion":"v1","kind":"List","items":[{}]}}"#, self.0)
    }
}
