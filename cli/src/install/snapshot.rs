//! The objects of an install, from the cluster or from a file of manifests.

use std::path::Path;

use mesh_k8s::{Client, Error, Resource};
use serde_json::Value;

use crate::error::CommandError;
use crate::install::{existing, sources};

/// Where records are, by name: they may lack our labels when somebody else maintains them.
const RECORDS: [(&Resource, &str); 6] = [
    (&Resource::CONFIG_MAP, "linkerd-config"),
    (&Resource::CONFIG_MAP, "linkerd-identity-trust-roots"),
    (&Resource::CONFIG_MAP, "linkerd-config-addons"),
    (&Resource::SECRET, "linkerd-config-overrides"),
    (&Resource::SECRET, "linkerd-identity-issuer"),
    (&Resource::SECRET, "linkerd-trust-anchor"),
];

/// What the cluster has of the records.
pub async fn records(client: &Client, namespace: &str) -> Result<Vec<Value>, Error> {
    let finds = RECORDS.map(|(resource, name)| client.find(resource, Some(namespace), name));
    let found = futures::future::try_join_all(finds).await?;
    Ok(found.into_iter().flatten().collect())
}

/// Everything of the control plane that the cluster has.
pub async fn all(client: &Client, namespace: &str) -> Result<Vec<Value>, Error> {
    let (mut objects, in_kube_system, own, inside, records) = futures::try_join!(
        existing::cluster_objects(client, namespace),
        existing::kube_system_objects(client, namespace),
        client.find(&Resource::NAMESPACE, None, namespace),
        existing::namespace_objects(client, namespace),
        records(client, namespace),
    )?;
    objects.extend(in_kube_system);
    objects.extend(own);
    objects.extend(inside);
    for record in records {
        let uid = |object: &Value| object.pointer("/metadata/uid").cloned();
        if !objects.iter().any(|object| uid(object) == uid(&record)) {
            objects.push(record);
        }
    }
    Ok(objects)
}

/// Everything in a file, a directory, a URL or (`-`) on stdin. Lists are opened.
pub fn from_manifests(source: &str) -> Result<Vec<Value>, CommandError> {
    let mut objects = Vec::new();
    for (name, text) in sources::read(source)? {
        let documents =
            mesh_yaml::from_stream(&text).map_err(|error| CommandError::usage(format!("{name}: {error}")))?;
        for document in documents {
            open(document, &mut objects);
        }
    }
    Ok(objects)
}

fn open(document: Value, into: &mut Vec<Value>) {
    let is_list = document.get("kind").and_then(Value::as_str).is_some_and(|kind| kind.ends_with("List"));
    match document.get("items") {
        Some(Value::Array(items)) if is_list => items.iter().for_each(|item| open(item.clone(), into)),
        _ => into.push(document),
    }
}

/// A readable form of where manifests came from.
pub fn name_of(source: &str) -> String {
    if source == "-" { "stdin".to_owned() } else { Path::new(source).display().to_string() }
}
