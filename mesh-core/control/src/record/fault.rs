//! Faults that somebody asked for: delays and resets.

use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;

use super::meta::Meta;
use super::{Key, RouteKind, Text};
use mesh_core::duration::GoDuration;

/// Longest delay.
const LONGEST: Duration = Duration::from_secs(3600);

/// A delay or reset that clients meet on purpose.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "Object")]
pub struct Fault {
    /// Its place.
    pub key: Key,
    /// When it was made, in seconds since 1970.
    pub created: i64,
    /// Whose requests.
    pub target: FaultTarget,
    /// Headers that the requests have, names in lower case.
    pub headers: Box<[(Text, Text)]>,
    /// How many of a hundred such requests.
    pub percentage: u8,
    /// How long they wait; none when they are reset.
    pub delay: Option<Duration>,
    /// When it is over, in seconds since 1970.
    pub expires: i64,
}

/// Whose requests meet a fault; the target is in the fault's namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FaultTarget {
    /// Those to a Service.
    Service(Text),
    /// Those of a route.
    Route(RouteKind, Text),
}

#[derive(Deserialize)]
struct Object {
    metadata: Meta,
    spec: Spec,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    target_ref: Reference,
    #[serde(default)]
    headers: Vec<Header>,
    percentage: u8,
    #[serde(default)]
    delay: Option<String>,
    #[serde(default)]
    reset: bool,
    expires: String,
}

#[derive(Deserialize)]
struct Reference {
    #[serde(default)]
    group: String,
    kind: String,
    name: Text,
}

#[derive(Deserialize)]
struct Header {
    name: String,
    value: Text,
}

impl TryFrom<Object> for Fault {
    type Error = String;

    fn try_from(Object { metadata, spec }: Object) -> Result<Self, String> {
        let Reference { group, kind, name } = spec.target_ref;
        let target = match (group.as_str(), kind.as_str()) {
            ("" | "core", "Service") => FaultTarget::Service(name),
            ("policy.linkerd.io", "HTTPRoute") => FaultTarget::Route(RouteKind::PolicyHttp, name),
            ("gateway.networking.k8s.io", "HTTPRoute") => FaultTarget::Route(RouteKind::Http, name),
            ("gateway.networking.k8s.io", "GRPCRoute") => FaultTarget::Route(RouteKind::Grpc, name),
            _ => {
                return Err(format!(
                    "spec.targetRef: {kind} of group {group:?} cannot be a target; use Service, HTTPRoute or GRPCRoute"
                ));
            }
        };
        if spec.percentage > 100 {
            return Err(format!("spec.percentage: {} is above 100", spec.percentage));
        }
        let delay = match (spec.delay, spec.reset) {
            (Some(text), false) => Some(delay(&text)?),
            (None, true) => None,
            _ => return Err("spec: exactly one of delay and reset is required".to_owned()),
        };
        let expires: Timestamp =
            spec.expires.parse().map_err(|_| format!("spec.expires: {:?} is no time", spec.expires))?;
        let header = |Header { name, value }: Header| {
            let name = name.to_ascii_lowercase();
            http::HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| format!("spec.headers: {name:?} is no name of a header"))?;
            Ok((Text::from(name), value))
        };
        let headers: Result<_, String> = spec.headers.into_iter().map(header).collect();
        Ok(Self {
            key: metadata.key(),
            created: metadata.created(),
            target,
            headers: headers?,
            percentage: spec.percentage,
            delay,
            expires: expires.as_second(),
        })
    }
}

fn delay(text: &str) -> Result<Duration, String> {
    let duration: GoDuration = text.parse().map_err(|error| format!("spec.delay: {error}"))?;
    let duration = duration.to_std().filter(|delay| *delay <= LONGEST);
    duration.ok_or_else(|| format!("spec.delay: {text} is not between 0 and an hour"))
}
