//! Puts annotations, labels and list items into an object, and notes what could not be told later.
//!
//! Taking the proxy away has to give back the very text that was there. What was added is known by its name, and a
//! mapping or list that holds nothing else was not there before. Two things cannot be told: an empty or null field that
//! was filled, and an annotation `config.linkerd.io/*` that a flag added. They are noted in one annotation, [`UNDO`].

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use mesh_core::names::annotations as names;
use mesh_yaml::{
    Op, Pointer,
    view::{Kind, View},
};
use serde_json::{Map, Value, json};

use crate::{Error, patch::Steps, settings::Record};

/// The annotation that notes what could not be told later.
pub(crate) const UNDO: &str = names::INJECT_UNDO;

/// Annotations and labels an object is to have.
#[derive(Clone, Debug, Default)]
pub(crate) struct Metadata {
    annotations: BTreeMap<String, String>,
    derived: Vec<String>,
    labels: BTreeMap<String, String>,
}

impl Metadata {
    pub(crate) fn annotate(&mut self, name: &str, value: impl Into<String>) {
        self.annotations.insert(name.to_owned(), value.into());
    }

    /// An annotation that follows from the pod's own fields, so that a new injection writes it anew.
    pub(crate) fn derive(&mut self, name: &str, value: impl Into<String>) {
        self.annotate(name, value);
        self.derived.push(name.to_owned());
    }

    pub(crate) fn label(&mut self, name: &str, value: impl Into<String>) {
        self.labels.insert(name.to_owned(), value.into());
    }
}

/// What has to be put back or taken away, beside what its name tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Undo {
    /// Annotations with a `config` prefix that were added.
    pub(crate) added: Vec<String>,
    /// Annotations with a `config` prefix that followed from the pod's own fields.
    pub(crate) derived: Vec<String>,
    /// Fields that were there without content of their own, by pointer from the object's root, as they were written:
    /// `{}`, `[]`, a null, or an alias.
    pub(crate) filled: BTreeMap<String, String>,
}

impl Undo {
    /// What an earlier injection noted on an object with its pod at `pod`.
    pub(crate) fn read<'a, V: View<'a>>(root: V, pod: &Pointer) -> Self {
        let noted = root.at(&pod.keys()).and_then(|node| node.str_at(&["metadata", "annotations", UNDO]));
        noted.map(|text| Self::parse(&text)).unwrap_or_default()
    }

    fn parse(text: &str) -> Self {
        let value: Value = serde_json::from_str(text).unwrap_or_default();
        let names = |key: &str| {
            let names = value[key].as_array().into_iter().flatten();
            names.filter_map(Value::as_str).map(str::to_owned).collect()
        };
        let filled = value["filled"].as_object().into_iter().flatten();
        Self {
            added: names("added"),
            derived: names("derived"),
            filled: filled.filter_map(|(path, how)| Some((path.clone(), how.as_str()?.to_owned()))).collect(),
        }
    }

    /// Fields that need more than their value to be what they were: nulls that are not `null`, and aliases.
    pub(crate) fn written(&self) -> Vec<(Pointer, String)> {
        let is_alias = |text: &str| {
            let name = text.strip_prefix('*').unwrap_or_default();
            !name.is_empty()
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
        };
        let is_null = |text: &str| {
            let (null, comment) = text.split_at(text.find([' ', '\t', '#']).unwrap_or(text.len()));
            ["~", "null", "Null", "NULL"].contains(&null)
                && (comment.is_empty() || comment.trim_start().starts_with('#'))
                && !comment.contains(['\n', '\r'])
                && text != "null"
        };
        let known = self.filled.iter().filter(|(_, text)| is_alias(text) || is_null(text));
        known.filter_map(|(path, text)| Some((path.parse().ok()?, text.clone()))).collect()
    }

    fn is_empty(&self) -> bool {
        self.added.is_empty() && self.derived.is_empty() && self.filled.is_empty()
    }

    fn to_text(&self) -> String {
        let mut object = Map::new();
        if !self.added.is_empty() {
            object.insert("added".to_owned(), json!(self.added));
        }
        if !self.derived.is_empty() {
            object.insert("derived".to_owned(), json!(self.derived));
        }
        if !self.filled.is_empty() {
            object.insert("filled".to_owned(), json!(self.filled));
        }
        Value::Object(object).to_string()
    }
}

/// Collects the changes of one object.
pub(crate) struct Filler<V> {
    root: V,
    record: Record,
    ops: Vec<Op>,
    undo: Undo,
    metadata: Option<(Pointer, Metadata)>,
    /// Lists that had no item before ours.
    created: BTreeSet<String>,
}

impl<'a, V: View<'a>> Filler<V> {
    pub(crate) fn new(root: V, record: Record) -> Self {
        Self {
            root,
            record,
            ops: Vec::new(),
            undo: Undo::default(),
            metadata: None,
            created: BTreeSet::new(),
        }
    }

    /// Annotations and labels of the metadata at `owner`; they come first in the list of changes.
    pub(crate) fn metadata(&mut self, owner: &Pointer, metadata: Metadata) -> Result<(), Error> {
        let field = owner.below(&["metadata"]);
        for path in [field.clone(), field.below(&["annotations"]), field.below(&["labels"])] {
            if self.node(&path).is_some_and(|node| !matches!(node.kind(), Kind::Mapping | Kind::Null)) {
                return Err(Error::Field { field: path.dotted(), expected: "a mapping" });
            }
        }
        self.undo = Undo::read(self.root, owner);
        self.undo.derived.clear();
        self.metadata = Some((owner.clone(), metadata));
        Ok(())
    }

    /// Items before those of the list `key` of the pod's spec.
    pub(crate) fn prepend(&mut self, pod: &Pointer, key: &str, items: &[Value]) {
        if !self.create(pod, key, items) {
            let list = pod.below(&["spec", key]);
            // Each goes before the first: the last one first.
            for item in items.iter().rev() {
                self.ops.push(Op::Add { path: list.below(&["0"]), value: item.clone() });
            }
        }
    }

    /// Items after those of the list `key` of the pod's spec.
    pub(crate) fn append(&mut self, pod: &Pointer, key: &str, items: &[Value]) {
        if !self.create(pod, key, items) {
            let list = pod.below(&["spec", key]);
            for item in items {
                self.ops.push(Op::Add { path: list.below(&["-"]), value: item.clone() });
            }
        }
    }

    /// The changes, those of the metadata first.
    pub(crate) fn finish(mut self) -> Vec<Op> {
        let rest = std::mem::take(&mut self.ops);
        if let Some((owner, metadata)) = self.metadata.take() {
            self.add_metadata(&owner, metadata);
        }
        self.ops.extend(rest);
        self.ops
    }

    /// Makes the list with these items where there is none, or an empty one; `false` if it has items of its own.
    fn create(&mut self, pod: &Pointer, key: &str, items: &[Value]) -> bool {
        if items.is_empty() {
            return true;
        }
        let path = pod.below(&["spec", key]);
        if self.created.contains(&path.to_string()) {
            return false;
        }
        let present = self.node(&path);
        if present.is_some_and(|list| list.count() > 0) {
            self.note_alias(&path);
            return false;
        }
        self.created.insert(path.to_string());
        self.note_empty(&path, present);
        match present.filter(|list| !list.is_null()) {
            // Into the brackets that are there.
            Some(_) => self
                .ops
                .extend(items.iter().map(|item| Op::Add { path: path.below(&["-"]), value: item.clone() })),
            None => self.put(path, present, Value::Array(items.to_vec())),
        }
        true
    }

    fn add_metadata(&mut self, owner: &Pointer, mut metadata: Metadata) {
        let field = owner.below(&["metadata"]);
        let present = self.node(&field);
        let own = |key: &str| present.and_then(|metadata| metadata.get(key));
        let (annotations, labels) = (own("annotations"), own("labels"));
        self.note(&field, present, &metadata, annotations, labels);
        if self.record == Record::Keep && !self.undo.is_empty() {
            metadata.annotate(UNDO, self.undo.to_text());
        }
        if present.is_none_or(View::is_null) {
            let mut map = Map::new();
            for (key, entries) in [("annotations", metadata.annotations), ("labels", metadata.labels)] {
                if !entries.is_empty() {
                    map.insert(key.to_owned(), strings(entries));
                }
            }
            if !map.is_empty() {
                self.put(field, present, Value::Object(map));
            }
            return;
        }
        self.add_entries(&field.below(&["annotations"]), annotations, metadata.annotations);
        self.add_entries(&field.below(&["labels"]), labels, metadata.labels);
    }

    fn note(
        &mut self,
        field: &Pointer,
        present: Option<V>,
        wanted: &Metadata,
        annotations: Option<V>,
        labels: Option<V>,
    ) {
        for name in wanted.annotations.keys().filter(|name| names::is_config(name)) {
            let is_new = annotations.is_none_or(|map| map.get(name).is_none());
            if is_new && wanted.derived.contains(name) {
                self.undo.derived.push(name.clone());
            } else if is_new && !self.undo.added.contains(name) {
                self.undo.added.push(name.clone());
            }
        }
        self.note_empty(field, present);
        self.note_empty(&field.below(&["annotations"]), annotations);
        if !wanted.labels.is_empty() {
            self.note_empty(&field.below(&["labels"]), labels);
        }
    }

    fn note_empty(&mut self, path: &Pointer, present: Option<V>) {
        let how = match present.map(|node| (node.kind(), node.count())) {
            Some((Kind::Null, _)) => present.and_then(View::written).unwrap_or(Cow::Borrowed("null")),
            Some((Kind::Mapping, 0)) => Cow::Borrowed("{}"),
            Some((Kind::Sequence, 0)) => Cow::Borrowed("[]"),
            _ => return self.note_alias(path),
        };
        self.undo.filled.entry(path.to_string()).or_insert_with(|| how.into_owned());
    }

    /// What an alias stands for is copied before it is changed; the first alias on the way is noted.
    fn note_alias(&mut self, path: &Pointer) {
        let keys = path.keys();
        for end in 1..=keys.len() {
            let Some(alias) = self.root.at(&keys[..end]).and_then(View::written) else { continue };
            if alias.starts_with('*') {
                let path = Pointer::new(keys[..end].iter().copied());
                self.undo.filled.entry(path.to_string()).or_insert_with(|| alias.into_owned());
            }
            return;
        }
    }

    fn add_entries(&mut self, path: &Pointer, present: Option<V>, entries: BTreeMap<String, String>) {
        if entries.is_empty() {
            return;
        }
        if present.is_none_or(View::is_null) {
            self.put(path.clone(), present, strings(entries));
            return;
        }
        for (name, value) in entries {
            let old = present.and_then(|map| map.get(&name));
            if old.and_then(View::as_str).as_deref() != Some(value.as_str()) {
                self.put(path.below(&[&name]), old, value.into());
            }
        }
    }

    fn put(&mut self, path: Pointer, present: Option<V>, value: Value) {
        self.ops.push(if present.is_some() { Op::Replace { path, value } } else { Op::Add { path, value } });
    }

    fn node(&self, path: &Pointer) -> Option<V> {
        self.root.at(&path.keys())
    }
}

fn strings(entries: BTreeMap<String, String>) -> Value {
    Value::Object(entries.into_iter().map(|(name, value)| (name, Value::String(value))).collect())
}
