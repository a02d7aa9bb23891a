//! Nodes, namespaces and the objects between a pod and its workload: metadata alone.

use serde::Deserialize;

use super::meta::Meta;
use super::{Key, Text};
use mesh_core::names::annotations;

/// The label that says in which zone a node is.
const ZONE: &str = "topology.kubernetes.io/zone";

/// A node.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(from = "Object")]
pub struct Node {
    /// Its name.
    pub key: Key,
    /// Its zone, when it is labelled with one.
    pub zone: Option<Text>,
}

/// A namespace.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(from = "Object")]
pub struct Namespace {
    /// Its name.
    pub key: Key,
    /// What its pods allow when they say nothing themselves.
    pub default_inbound_policy: Option<Text>,
}

/// What an object belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Owner {
    /// The kind, as in manifests.
    pub kind: Text,
    /// The name, in the namespace of the object.
    pub name: Text,
}

/// A ReplicaSet or Job: its name and its owner.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(from = "Object")]
pub struct Owned {
    /// Its name.
    pub key: Key,
    /// Whom it belongs to, when that is exactly one.
    pub owner: Option<Owner>,
}

#[derive(Deserialize)]
struct Object {
    metadata: Meta,
}

impl From<Object> for Node {
    fn from(Object { metadata }: Object) -> Self {
        let zone = metadata.labels.value(ZONE).filter(|zone| !zone.is_empty()).cloned();
        Self { key: Key::new("", &metadata.name), zone }
    }
}

impl From<Object> for Namespace {
    fn from(Object { metadata }: Object) -> Self {
        let policy = metadata.annotation(annotations::DEFAULT_INBOUND_POLICY).cloned();
        Self { key: Key::new("", &metadata.name), default_inbound_policy: policy }
    }
}

impl Owner {
    /// The only owner; with several nobody can say which one counts.
    pub(super) fn of(metadata: &Meta) -> Option<Self> {
        match metadata.owner_references.as_slice() {
            [only] => Some(Self { kind: only.kind.clone(), name: only.name.clone() }),
            _ => None,
        }
    }
}

impl From<Object> for Owned {
    fn from(Object { metadata }: Object) -> Self {
        Self { key: metadata.key(), owner: Owner::of(&metadata) }
    }
}
