//! Takes the proxy away: the inverse of injection, for what this and the original's command add.

use mesh_core::names::{PREFIX, annotations as names, containers, labels};
use mesh_yaml::view::{Kind as NodeKind, View};
use serde_json::Value;

use crate::{
    Error, Fact, Kind, Op, Outcome, PodTemplate, Pointer, Resource, Skip, Workload,
    fill::{UNDO, Undo},
    items,
    patch::{Steps, under},
};

/// How much is taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strip {
    /// Everything injection adds.
    Everything,
    /// What a new injection adds again: annotations of earlier flags stay, and so does ingress mode.
    Refresh,
}

/// What uninjection makes of a document.
#[derive(Clone, Debug, Default)]
pub struct Uninjected {
    /// The changes, to be made in this order.
    pub ops: Vec<Op>,
    /// What is to be said, one for each object.
    pub facts: Vec<Fact>,
    /// Fields of which it is known how they were written, for whoever edits text: nulls and aliases.
    pub written: Vec<(Pointer, String)>,
}

/// Uninjects a document: one object, or the items of a `kind: List`.
pub fn uninject<'a, V: View<'a>>(root: V, strip: Strip) -> Result<Uninjected, Error> {
    let mut uninjected = Uninjected::default();
    for (base, item) in items(root)? {
        let (ops, fact, written) = object(item, strip).map_err(|error| error.under(&base))?;
        uninjected.ops.extend(ops.into_iter().map(|op| under(op, &base)));
        uninjected.facts.push(fact);
        uninjected.written.extend(written.into_iter().map(|(path, text)| (path.under(&base), text)));
    }
    Ok(uninjected)
}

fn object<'a, V: View<'a>>(root: V, strip: Strip) -> Result<(Vec<Op>, Fact, Written), Error> {
    let Some(workload) = Workload::of(root) else {
        return Ok((Vec::new(), Fact::skipped(None, Skip::MissingKind), Vec::new()));
    };
    let resource = Resource { kind: workload.kind_name.to_lowercase(), name: workload.name.clone() };
    let mut fact = Fact::skipped(Some(resource), Skip::UnsupportedResource);
    let Some(kind) = workload.kind else { return Ok((Vec::new(), fact, Vec::new())) };
    let pod = workload.pod_template()?;
    let owner = pod.as_ref().map_or_else(Pointer::root, |pod| pod.path.clone());
    let undo = Undo::read(root, &owner);
    let mut taking = Taking { root, strip, undo, ops: Vec::new(), removed: false };
    // A Service is only ever given annotations that are noted.
    if kind != Kind::Service || root.str_at(&["metadata", "annotations", UNDO]).is_some() {
        taking.metadata(&Pointer::root());
    }
    if let Some(pod) = &pod {
        if !pod.path.tokens().is_empty() {
            taking.metadata(&pod.path);
        }
        taking.pod(pod);
    }
    fact.outcome = if taking.removed { Outcome::Uninjected } else { Outcome::Skipped(Skip::NothingInjected) };
    if !taking.removed && matches!(kind, Kind::Service) {
        fact.outcome = Outcome::Skipped(Skip::UnsupportedResource);
    }
    let written = if strip == Strip::Everything { taking.undo.written() } else { Vec::new() };
    Ok((taking.ops, fact, written))
}

/// Paths with the texts that stood there.
type Written = Vec<(Pointer, String)>;

/// Collects the changes of one object.
struct Taking<V> {
    root: V,
    strip: Strip,
    undo: Undo,
    ops: Vec<Op>,
    /// Whether a container or an annotation was taken away; labels alone do not count.
    removed: bool,
}

impl<'a, V: View<'a>> Taking<V> {
    /// Takes our keys out of the metadata at `owner`.
    fn metadata(&mut self, owner: &Pointer) {
        let field = owner.below(&["metadata"]);
        let Some(metadata) = self.node(&field).filter(|node| node.kind() == NodeKind::Mapping) else {
            return;
        };
        if metadata.at(&["labels", labels::CONTROL_PLANE_COMPONENT]).is_some() {
            return;
        }
        let annotations =
            self.doomed(metadata.get("annotations"), |taking, name, value| taking.is_ours(name, value));
        let labels = self.doomed(metadata.get("labels"), |_, name, _| name.starts_with(PREFIX));
        self.removed |= !annotations.is_empty();
        let mut ops = Vec::new();
        let mut gone = 0;
        for (key, names) in [("annotations", annotations), ("labels", labels)] {
            let path = field.below(&[key]);
            if names.is_empty() {
                continue;
            }
            let was_empty = self.was_empty(&path);
            if was_empty || names.len() < metadata.get(key).map_or(0, View::count) {
                ops.extend(names.iter().map(|name| Op::Remove { path: path.below(&[name]) }));
                continue;
            }
            gone += usize::from(!self.undo.filled.contains_key(&path.to_string()));
            ops.push(self.emptied(path));
        }
        if gone > 0 && gone == metadata.count() && !self.was_empty(&field) {
            ops = vec![self.emptied(field)];
        }
        self.ops.extend(ops);
    }

    /// Whether the field was there and empty: then its content goes piece by piece, so that its brackets stay.
    fn was_empty(&self, path: &Pointer) -> bool {
        self.undo.filled.get(&path.to_string()).is_some_and(|how| ["{}", "[]"].contains(&how.as_str()))
    }

    /// What becomes of a field that holds nothing else: it goes, or is null as it was.
    fn emptied(&self, path: Pointer) -> Op {
        if self.undo.filled.get(&path.to_string()).is_some_and(|how| !how.starts_with('*')) {
            return Op::Replace { path, value: Value::Null };
        }
        Op::Remove { path }
    }

    /// Takes our containers and volumes out of a pod.
    fn pod(&mut self, pod: &PodTemplate<V>) {
        let podinfo = podinfo_is_ours(pod);
        for key in ["initContainers", "containers"] {
            let doomed = named(pod, key, |name| containers::INJECTED.contains(&name));
            self.removed |= !doomed.is_empty();
            self.take_items(pod, key, doomed);
        }
        let doomed = named(pod, "volumes", |name| {
            containers::INJECTED_VOLUMES.contains(&name) && (name != containers::PODINFO_VOLUME || podinfo)
        });
        self.take_items(pod, "volumes", doomed);
    }

    fn take_items(&mut self, pod: &PodTemplate<V>, key: &str, doomed: Vec<usize>) {
        if doomed.is_empty() {
            return;
        }
        let path = pod.path.below(&["spec", key]);
        let all = pod.spec.get(key).map_or(0, View::count);
        // A pod without containers is none, but the field cannot go.
        if doomed.len() < all || key == "containers" || self.was_empty(&path) {
            // From the end, so that the indices before stay what they are.
            let removals =
                doomed.iter().rev().map(|index| Op::Remove { path: path.below(&[&index.to_string()]) });
            self.ops.extend(removals);
            return;
        }
        let op = self.emptied(path);
        self.ops.push(op);
    }

    fn is_ours(&self, name: &str, value: &str) -> bool {
        let has = |names: &[String]| names.iter().any(|known| known == name);
        let (added, derived) = (has(&self.undo.added), has(&self.undo.derived));
        match self.strip {
            Strip::Everything => {
                let is_refusal = name == names::INJECT && value == names::INJECT_DISABLED;
                added || derived || (name.starts_with(PREFIX) && !is_refusal)
            }
            Strip::Refresh => {
                let stays =
                    name == names::INJECT && [names::INJECT_DISABLED, names::INJECT_INGRESS].contains(&value);
                derived || (name.starts_with(PREFIX) && name != UNDO && !stays)
            }
        }
    }

    fn doomed(&self, map: Option<V>, is_ours: impl Fn(&Self, &str, &str) -> bool) -> Vec<String> {
        let entries = map.map(View::entries).into_iter().flatten();
        entries
            .filter(|(name, value)| is_ours(self, name, value.as_str().as_deref().unwrap_or_default()))
            .map(|(name, _)| name.into_owned())
            .collect()
    }

    fn node(&self, path: &Pointer) -> Option<V> {
        self.root.at(&path.keys())
    }
}

/// Indices of the items of a pod's list whose name is ours.
fn named<'a, V: View<'a>>(pod: &PodTemplate<V>, key: &str, is_ours: impl Fn(&str) -> bool) -> Vec<usize> {
    let items = pod.containers(key).enumerate();
    items
        .filter(|(_, item)| item.str_at(&["name"]).is_some_and(|name| is_ours(&name)))
        .map(|(index, _)| index)
        .collect()
}

/// `podinfo` is a name others use too: it is ours if our proxy mounts it and nobody else does.
fn podinfo_is_ours<'a, V: View<'a>>(pod: &PodTemplate<V>) -> bool {
    let mut ours = false;
    for container in pod.containers("initContainers").chain(pod.containers("containers")) {
        let mounts = container.get("volumeMounts").map(View::items).into_iter().flatten();
        let mounted = mounts
            .into_iter()
            .any(|mount| mount.str_at(&["name"]).as_deref() == Some(containers::PODINFO_VOLUME));
        let is_proxy = container.str_at(&["name"]).as_deref() == Some(containers::PROXY);
        match (mounted, is_proxy) {
            (true, true) => ours = true,
            (true, false) => return false,
            (false, _) => {}
        }
    }
    ours
}
