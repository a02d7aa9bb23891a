//! ServiceProfiles and TrafficSplits.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use super::meta::Meta;
use super::{Key, Text};
use mesh_core::profile::Spec;
use mesh_core::quantity::Quantity;

/// A ServiceProfile, judged by the rules of the command and the webhook.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "ProfileObject")]
pub struct Profile {
    /// Its place; the name is that of the authority.
    pub key: Key,
    /// What it asks of the proxies.
    pub spec: Arc<Spec>,
}

/// How the traffic of a Service is divided among others of its namespace.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "SplitObject")]
pub struct TrafficSplit {
    /// Its place.
    pub key: Key,
    /// When it was made, in seconds since 1970.
    pub created: i64,
    /// The Service that clients address.
    pub service: Text,
    /// Services and their shares in thousandths.
    pub backends: Box<[(Text, u64)]>,
}

#[derive(Deserialize)]
struct ProfileObject {
    metadata: Meta,
    #[serde(default)]
    spec: Value,
}

#[derive(Deserialize)]
struct SplitObject {
    metadata: Meta,
    spec: SplitSpec,
}

#[derive(Deserialize)]
struct SplitSpec {
    service: Text,
    #[serde(default)]
    backends: Vec<SplitBackend>,
}

#[derive(Deserialize)]
struct SplitBackend {
    service: Text,
    #[serde(default)]
    weight: Option<Value>,
}

impl TryFrom<ProfileObject> for Profile {
    type Error = String;

    fn try_from(ProfileObject { metadata, spec }: ProfileObject) -> Result<Self, String> {
        let spec = Spec::from_value(&spec).map_err(|error| error.to_string())?;
        Ok(Self { key: metadata.key(), spec: Arc::new(spec) })
    }
}

impl TryFrom<SplitObject> for TrafficSplit {
    type Error = String;

    fn try_from(SplitObject { metadata, spec }: SplitObject) -> Result<Self, String> {
        let mut backends = Vec::with_capacity(spec.backends.len());
        for SplitBackend { service, weight } in spec.backends {
            let text = match weight {
                None | Some(Value::Null) => "0".to_owned(),
                Some(Value::String(text)) => text,
                Some(Value::Number(number)) => number.to_string(),
                Some(other) => return Err(format!("spec.backends: weight {other} is not a quantity")),
            };
            let weight: Quantity = text.parse().map_err(|error| format!("spec.backends: weight: {error}"))?;
            if weight.is_negative() {
                return Err(format!("spec.backends: weight {text} is negative"));
            }
            let milli = u64::try_from(weight.nanos() / 1_000_000).unwrap_or(u64::MAX);
            backends.push((service, milli));
        }
        Ok(Self {
            key: metadata.key(),
            created: metadata.created(),
            service: spec.service,
            backends: backends.into(),
        })
    }
}
