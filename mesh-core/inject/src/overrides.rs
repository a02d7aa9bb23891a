//! Annotations `config.linkerd.io/*` of a pod, its namespace and the flags, as overrides of the chart's values.

use std::collections::BTreeMap;

use mesh_core::names::{
    CONFIG_ALPHA_PREFIX, CONFIG_BETA_PREFIX, CONFIG_PREFIX,
    annotations::{self as names, Scope},
};
use mesh_yaml::view::View;
use serde_json::{Map, Value};

use crate::{PodTemplate, Settings, Warning};

mod convert;

pub(crate) use convert::NamedPorts;

/// A value of the chart that an annotation overrides.
#[derive(Clone, Debug, PartialEq)]
pub struct Override {
    /// The annotation.
    pub annotation: &'static str,
    /// Where in the values.
    pub path: &'static [&'static str],
    /// What is put there.
    pub value: Value,
}

/// Everything the annotations of one pod override.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Overrides {
    /// Overrides in the order of the registry.
    pub values: Vec<Override>,
    /// Whether the container with network tools is wanted.
    pub debug: bool,
}

impl Overrides {
    /// What a pod's annotations, its namespace's and the flags' say, and what is odd about the pod's own.
    pub fn of<'a, V: View<'a>>(
        pod: &PodTemplate<V>,
        settings: &Settings,
        ports: &NamedPorts,
    ) -> (Self, Vec<Warning>) {
        let mut warnings = Vec::new();
        let mut effective: BTreeMap<String, String> = settings.namespace_annotations.clone();
        if let Some(own) = pod.root.at(&["metadata", "annotations"]) {
            for (name, value) in own.entries().filter(|(name, _)| names::is_config(name)) {
                let Some(value) = value.as_str() else { continue };
                let explicit_empty = name == names::PROXY_DESTINATION_GET_NETWORKS;
                if !value.is_empty() || explicit_empty {
                    effective.insert(name.into_owned(), value.into_owned());
                }
            }
        }
        let flags = settings.annotations.iter().chain(&settings.pod_annotations);
        effective.extend(flags.map(|(name, value)| ((*name).to_owned(), value.clone())));
        let overrides = Self::read(&effective, ports, &mut warnings);
        (overrides, warnings)
    }

    fn read(effective: &BTreeMap<String, String>, ports: &NamedPorts, warnings: &mut Vec<Warning>) -> Self {
        let mut overrides = Self::default();
        for name in effective.keys().filter(|name| names::is_config(name) && names::find(name).is_none()) {
            warnings.push(unknown(name));
        }
        for annotation in names::ALL {
            let Some(text) = effective.get(annotation.name) else { continue };
            if annotation.name == names::DISABLE_IDENTITY {
                let reason = "every proxy has an identity";
                warnings.push(Warning::NoEffect { name: annotation.name.to_owned(), reason });
                continue;
            }
            let value = match convert::convert(annotation, text, ports) {
                Ok(value) => value,
                Err(reason) => {
                    let (name, value) = (annotation.name.to_owned(), text.clone());
                    warnings.push(Warning::BadValue { name, value, reason });
                    continue;
                }
            };
            if annotation.name == names::ENABLE_DEBUG_SIDECAR {
                overrides.debug = value == Value::Bool(true);
            }
            for path in convert::paths(annotation.name) {
                overrides.values.push(Override { annotation: annotation.name, path, value: value.clone() });
            }
        }
        overrides
    }

    /// The chart's values with the overrides put in.
    pub fn merged(&self, base: &Value) -> Value {
        let mut values = base.clone();
        for Override { path, value, .. } in &self.values {
            put(&mut values, path, value.clone());
        }
        values
    }

    /// A text that is equal for equal overrides.
    pub fn key(&self) -> String {
        let mut key = String::new();
        for Override { path, value, .. } in &self.values {
            key.push_str(&path.join("."));
            key.push('=');
            key.push_str(&value.to_string());
            key.push('\n');
        }
        key
    }

    /// What the overrides, or else the values, say at a path.
    pub(crate) fn value<'v>(&'v self, base: &'v Value, path: &[&str]) -> Option<&'v Value> {
        let own = self.values.iter().rev().find(|over| over.path == path).map(|over| &over.value);
        own.or_else(|| path.iter().try_fold(base, |node, key| node.get(*key)))
    }
}

/// What is odd about the annotations of an object that is only annotated.
pub(crate) fn check<'a, V: View<'a>>(annotations: Option<V>, scope: Scope) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let entries = annotations.map(View::entries).into_iter().flatten();
    for (name, value) in entries.filter(|(name, _)| names::is_config(name)) {
        let Some(annotation) = names::find(&name).filter(|annotation| annotation.counts_on(scope)) else {
            warnings.push(unknown(&name));
            continue;
        };
        let Some(text) = value.as_str().filter(|text| !text.is_empty()) else { continue };
        if let Err(reason) = convert::convert(annotation, &text, &NamedPorts::Any) {
            warnings.push(Warning::BadValue {
                name: annotation.name.to_owned(),
                value: text.into_owned(),
                reason,
            });
        }
    }
    warnings
}

/// A warning about a key with a prefix of ours; compared without the prefix, so that one typo is one typo.
fn unknown(name: &str) -> Warning {
    let short = |name: &'static str| {
        [CONFIG_PREFIX, CONFIG_ALPHA_PREFIX, CONFIG_BETA_PREFIX]
            .iter()
            .find_map(|prefix| name.strip_prefix(prefix))
    };
    let own = name.split_once('/').map_or(name, |(_, own)| own);
    let near = mesh_core::suggest::nearest(own, names::ALL.iter().filter_map(|it| short(it.name)));
    let suggestion =
        near.and_then(|near| names::ALL.iter().map(|it| it.name).find(|name| short(name) == Some(near)));
    Warning::UnknownAnnotation { name: name.to_owned(), suggestion }
}

fn put(node: &mut Value, path: &[&str], value: Value) {
    let Some((first, rest)) = path.split_first() else {
        *node = value;
        return;
    };
    if !node.is_object() {
        *node = Value::Object(Map::new());
    }
    if let Value::Object(map) = node {
        put(map.entry((*first).to_owned()).or_insert(Value::Null), rest, value);
    }
}

#[cfg(test)]
mod tests;
