//! Services that stand for Services of other clusters: whose endpoints they have.

use super::meta::Meta;
use super::{Key, Text};

/// Names the other cluster, as a label; the members of a federated Service, as an annotation.
const REMOTE_DISCOVERY: &str = "multicluster.linkerd.io/remote-discovery";
/// The label that names the Service in the other cluster.
const REMOTE_SERVICE: &str = "multicluster.linkerd.io/remote-service";
/// The annotation that names the member of a federated Service that is in this cluster.
const LOCAL_DISCOVERY: &str = "multicluster.linkerd.io/local-discovery";
/// Members of a federated Service that are read at most.
const MOST_MEMBERS: usize = 100;

/// Where the endpoints of a Service are, when not behind its own slices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mirror {
    /// Those of one Service of another cluster.
    Remote {
        /// The other cluster.
        cluster: Text,
        /// The Service there, in the namespace of the same name; none when the label is missing.
        service: Option<Text>,
    },
    /// Those of several Services together.
    Federated {
        /// The member in this cluster, in the same namespace.
        local: Option<Text>,
        /// Members in other clusters: the Service and the cluster.
        remote: Box<[(Text, Text)]>,
    },
}

// === impl Mirror ===

impl Mirror {
    /// What the metadata of a Service says.
    pub(super) fn of(metadata: &Meta) -> Option<Box<Self>> {
        let (remote, local) = (metadata.annotation(REMOTE_DISCOVERY), metadata.annotation(LOCAL_DISCOVERY));
        if remote.is_some() || local.is_some() {
            let remote = remote.map_or_else(Box::default, |list| members(list, &metadata.key()));
            let local = local.filter(|name| !name.trim().is_empty()).map(|name| name.trim().into());
            return Some(Box::new(Self::Federated { local, remote }));
        }
        let cluster = metadata.labels.value(REMOTE_DISCOVERY)?.clone();
        let service = metadata.labels.value(REMOTE_SERVICE).filter(|name| !name.is_empty()).cloned();
        Some(Box::new(Self::Remote { cluster, service }))
    }
}

/// `service@cluster,…`. An item that is none is passed over, so that the others still count.
fn members(list: &str, of: &Key) -> Box<[(Text, Text)]> {
    let mut found: Vec<(Text, Text)> = Vec::new();
    for item in list.split(',').map(str::trim).filter(|item| !item.is_empty()).take(MOST_MEMBERS) {
        match item.split_once('@') {
            Some((service, cluster)) if !service.is_empty() && !cluster.is_empty() => {
                found.push((service.into(), cluster.into()));
            }
            _ => {
                let item: String = item.chars().take(64).collect();
                tracing::warn!(service = %of, item, "annotation {REMOTE_DISCOVERY}: this is no SERVICE@CLUSTER; it is passed over");
            }
        }
    }
    found.sort();
    found.dedup();
    found.into()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn of(metadata: Value) -> Option<Mirror> {
        let metadata: Meta = serde_json::from_value(metadata).unwrap();
        Mirror::of(&metadata).map(|mirror| *mirror)
    }

    #[test]
    fn annotations_make_a_union_and_labels_a_copy() {
        assert_eq!(of(json!({"name": "web"})), None);
        let labels = json!({REMOTE_DISCOVERY: "east", REMOTE_SERVICE: "web"});
        let remote = Mirror::Remote { cluster: "east".into(), service: Some("web".into()) };
        assert_eq!(of(json!({"labels": labels})), Some(remote));
        assert!(matches!(
            of(json!({"labels": {REMOTE_DISCOVERY: "east"}})),
            Some(Mirror::Remote { service: None, .. })
        ));
        let annotations =
            json!({REMOTE_DISCOVERY: "web@west, web@east,web,@x,web@west", LOCAL_DISCOVERY: "web"});
        let Some(Mirror::Federated { local, remote }) =
            of(json!({"labels": labels, "annotations": annotations}))
        else {
            panic!("annotations come first")
        };
        assert_eq!(local.as_deref(), Some("web"));
        assert_eq!(remote.as_ref(), [("web".into(), "east".into()), ("web".into(), "west".into())]);
    }
}
