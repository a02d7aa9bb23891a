//! ServiceProfiles: the type and the validation shared by the command and the admission webhook.
//!
//! [`ServiceProfile::from_value`] is what the webhook asks: every field known, every value sensible, and all
//! problems at once, each with the path of its field. [`Spec::from_value`] decodes a spec under the same rules
//! but accepts one without routes, for readers of objects that are already in a cluster.

mod decode;
mod duration;
mod encode;
mod problem;
#[cfg(test)]
mod tests;

use serde_json::Value;

pub use duration::{InvalidDuration, WrittenDuration};
pub use problem::{Cause, Invalid, Problem};

/// The API version that is written; `linkerd.io/v1alpha1` is read as well.
pub const API_VERSION: &str = "linkerd.io/v1alpha2";
/// The kind of the object.
pub const KIND: &str = "ServiceProfile";

/// Routes and their handling for one authority, whose name is that of the object.
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceProfile {
    /// `<service>.<namespace>.svc.<cluster domain>`, or any other DNS name that clients ask for.
    pub name: String,
    /// Where the object lives: the namespace of the service, or of the clients it is meant for.
    pub namespace: Option<String>,
    /// What is asked of the proxies.
    pub spec: Spec,
}

/// The body of a [`ServiceProfile`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Spec {
    /// Tried in order; the first whose condition holds is the route of a request.
    pub routes: Vec<Route>,
    /// How many retries all routes together may add; none means the default of the control plane.
    pub retry_budget: Option<RetryBudget>,
    /// Where requests go instead of the service itself, by weight.
    pub dst_overrides: Vec<WeightedDestination>,
    /// Ports without protocol detection.
    pub opaque_ports: Vec<PortRange>,
}

/// One class of requests, with metrics of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// The label of the metrics.
    pub name: String,
    /// Which requests it is about.
    pub condition: RequestMatch,
    /// Tried in order; the first that holds says whether a response is a failure.
    pub response_classes: Vec<ResponseClass>,
    /// Whether a failed request may be sent once more.
    pub is_retryable: bool,
    /// How long a request may take, retries included.
    pub timeout: Option<WrittenDuration>,
}

/// A condition on requests. All fields that are given must hold; at least one is given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestMatch {
    /// All of these hold.
    pub all: Vec<RequestMatch>,
    /// One of these holds.
    pub any: Vec<RequestMatch>,
    /// This does not hold.
    pub not: Option<Box<RequestMatch>>,
    /// The path, without the query, matches from end to end.
    pub path_regex: Option<String>,
    /// The method is this, letter by letter.
    pub method: Option<String>,
}

/// Whether the responses that meet a condition count as failures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseClass {
    /// Which responses.
    pub condition: ResponseMatch,
    /// Whether they are failures.
    pub is_failure: bool,
}

/// A condition on responses. All fields that are given must hold; at least one is given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResponseMatch {
    /// All of these hold.
    pub all: Vec<ResponseMatch>,
    /// One of these holds.
    pub any: Vec<ResponseMatch>,
    /// This does not hold.
    pub not: Option<Box<ResponseMatch>>,
    /// The status lies in this range.
    pub status: Option<StatusRange>,
}

/// HTTP statuses from 100 to 599, both ends included; an end that is not given is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StatusRange {
    /// The lowest status.
    pub min: Option<u16>,
    /// The highest status.
    pub max: Option<u16>,
}

/// How many retries a client may add to what it sends.
#[derive(Clone, Debug, PartialEq)]
pub struct RetryBudget {
    /// Retries for each original request, 0 or more; 0.2 lets a fifth be added.
    pub retry_ratio: f64,
    /// Retries a second that are allowed whatever the ratio.
    pub min_retries_per_second: u32,
    /// How long requests count towards the ratio.
    pub ttl: WrittenDuration,
}

/// A destination with its share of the requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeightedDestination {
    /// `host` or `host:port`.
    pub authority: String,
    /// The share in thousandths: a Kubernetes quantity of `1` is 1000, `500m` is 500.
    pub weight_milli: u64,
}

/// Ports from `first` to `last`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortRange {
    /// The lowest port.
    pub first: u16,
    /// The highest port.
    pub last: u16,
}

// === impl ServiceProfile ===

impl ServiceProfile {
    /// Reads and validates an object as the admission webhook does.
    ///
    /// # Errors
    /// Every problem found (at most [`Invalid::MOST`]), with the name of the object where it has one.
    pub fn from_value(object: &Value) -> Result<Self, Invalid> {
        decode::profile(object)
    }

    /// The object to apply, keys in alphabetical order.
    pub fn to_value(&self) -> Value {
        encode::profile(self)
    }
}

// === impl Spec ===

impl Spec {
    /// Reads a spec, one without routes included.
    ///
    /// # Errors
    /// Every problem found (at most [`Invalid::MOST`]).
    pub fn from_value(spec: &Value) -> Result<Self, Invalid> {
        decode::spec(spec)
    }
}

// === impl RequestMatch ===

impl RequestMatch {
    /// The condition of generated routes: this method on paths of this form.
    pub fn method_and_path(method: &str, path_regex: String) -> Self {
        Self { method: Some(method.to_owned()), path_regex: Some(path_regex), ..Self::default() }
    }
}

// === impl StatusRange ===

impl StatusRange {
    /// From `min` to `max`.
    pub const fn new(min: u16, max: u16) -> Self {
        Self { min: Some(min), max: Some(max) }
    }
}
