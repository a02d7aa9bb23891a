//! Profiles: the routes of a ServiceProfile, and what an address is.

use std::sync::Arc;
use std::time::Duration;

use linkerd2_proxy_api::destination as api;

use super::endpoint::Endpoint;
use super::error::{InvalidMessage, Problem, Within, each, required};
use super::labels::Labels;
use super::limit;
use super::meta::Meta;
use super::name::{DnsName, NameAddr};
use super::route::{Method, Parts, Pattern};

/// What is known of an address or name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Profile {
    /// Its full name, if it has one.
    pub name: Option<DnsName>,
    /// Whether its connections are octets whatever they look like.
    pub opaque: bool,
    /// Routes; the first that matches counts.
    pub routes: Vec<ProfileRoute>,
    /// How many retries there may be; none is no retries.
    pub budget: Option<RetryBudget>,
    /// Where requests go instead, those of weight 0 left out; empty is to the name itself.
    pub targets: Vec<ProfileTarget>,
    /// The endpoint that the address is, if it is one.
    pub endpoint: Option<Arc<Endpoint>>,
    /// The object behind the address, mostly a Service.
    pub parent: Option<Meta>,
}

/// A route of a profile.
#[derive(Clone, Debug, PartialEq)]
pub struct ProfileRoute {
    condition: RequestMatch,
    classes: Vec<ResponseClass>,
    /// Labels for metrics, without the prefix `rt_`.
    pub labels: Labels,
    /// Whether failures may be tried again.
    pub is_retryable: bool,
    /// Until the response head, all attempts together.
    pub timeout: Option<Duration>,
}

/// One share of a traffic split.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ProfileTarget {
    /// Where its endpoints are looked up.
    pub addr: NameAddr,
    /// Its share, not 0.
    pub weight: u32,
    /// The object behind it.
    pub meta: Option<Meta>,
}

/// How many retries there may be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RetryBudget {
    /// Retries per request.
    pub ratio: f32,
    /// Retries per second that are always allowed.
    pub min_per_second: u32,
    /// How long a request counts.
    pub ttl: Duration,
}

#[derive(Clone, Debug, PartialEq)]
enum RequestMatch {
    All(Vec<RequestMatch>),
    Any(Vec<RequestMatch>),
    Not(Box<RequestMatch>),
    Path(Pattern),
    Method(Method),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct ResponseClass {
    condition: ResponseMatch,
    is_failure: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum ResponseMatch {
    All(Vec<ResponseMatch>),
    Any(Vec<ResponseMatch>),
    Not(Box<ResponseMatch>),
    Status { min: u16, max: u16 },
}

// === impl Profile ===

impl Profile {
    /// The place of the first route that a request matches.
    #[must_use]
    pub fn find(&self, parts: &Parts<'_>) -> Option<usize> {
        self.routes.iter().position(|route| route.condition.matches(parts))
    }

    /// Whether it says how requests are routed; a policy does not then.
    #[must_use]
    pub fn has_routes(&self) -> bool {
        !self.routes.is_empty() || !self.targets.is_empty()
    }
}

impl TryFrom<api::DestinationProfile> for Profile {
    type Error = InvalidMessage;

    fn try_from(message: api::DestinationProfile) -> Result<Self, InvalidMessage> {
        let name = message.fully_qualified_name;
        let wrong = |_| InvalidMessage::with_value("fully_qualified_name", Problem::Name, &name);
        let weighted = |target: &api::WeightedDst| target.weight > 0;
        let targets = message.dst_overrides.into_iter().filter(weighted).collect();
        Ok(Self {
            name: if name.is_empty() { None } else { Some(name.parse().map_err(wrong)?) },
            opaque: message.opaque_protocol,
            routes: each(message.routes, "routes", ProfileRoute::try_from)?,
            budget: message.retry_budget.and_then(RetryBudget::of),
            targets: each(targets, "dst_overrides", ProfileTarget::try_from)?,
            endpoint: message.endpoint.map(Endpoint::try_from).transpose().within("endpoint")?.map(Arc::new),
            // For people to read only.
            parent: message.parent_ref.and_then(|meta| Meta::try_from(meta).ok()),
        })
    }
}

// === impl ProfileRoute ===

impl ProfileRoute {
    /// Whether a response with this status is a failure, if a class of the route says so.
    #[must_use]
    pub fn is_failure(&self, status: u16) -> Option<bool> {
        self.classes.iter().find(|class| class.condition.matches(status)).map(|class| class.is_failure)
    }
}

impl TryFrom<api::Route> for ProfileRoute {
    type Error = InvalidMessage;

    fn try_from(message: api::Route) -> Result<Self, InvalidMessage> {
        Ok(Self {
            condition: RequestMatch::convert(message.condition).within("condition")?,
            classes: each(message.response_classes, "response_classes", ResponseClass::try_from)?,
            labels: Labels::new(message.metrics_labels)?,
            is_retryable: message.is_retryable,
            timeout: limit(message.timeout, "timeout")?,
        })
    }
}

// === impl ProfileTarget ===

impl TryFrom<api::WeightedDst> for ProfileTarget {
    type Error = InvalidMessage;

    fn try_from(message: api::WeightedDst) -> Result<Self, InvalidMessage> {
        let wrong = |_| InvalidMessage::with_value("authority", Problem::Name, &message.authority);
        Ok(Self {
            addr: message.authority.parse().map_err(wrong)?,
            weight: message.weight,
            meta: message.backend_ref.and_then(|meta| Meta::try_from(meta).ok()),
        })
    }
}

// === impl RetryBudget ===

impl RetryBudget {
    /// A budget out of range is none: then there are no retries, which is the safe side.
    fn of(message: api::RetryBudget) -> Option<Self> {
        let ttl = limit(message.ttl, "ttl").ok().flatten()?;
        let in_range = (0.0..=1000.0).contains(&message.retry_ratio)
            && (Duration::from_secs(1)..=Duration::from_secs(60)).contains(&ttl);
        in_range.then_some(Self {
            ratio: message.retry_ratio,
            min_per_second: message.min_retries_per_second,
            ttl,
        })
    }
}

// === impl RequestMatch ===

impl RequestMatch {
    fn matches(&self, parts: &Parts<'_>) -> bool {
        match self {
            Self::All(all) => all.iter().all(|condition| condition.matches(parts)),
            Self::Any(any) => any.iter().any(|condition| condition.matches(parts)),
            Self::Not(condition) => !condition.matches(parts),
            Self::Path(pattern) => pattern.matches(parts.path),
            Self::Method(method) => method.matches(parts.method),
        }
    }

    fn convert(message: Option<api::RequestMatch>) -> Result<Self, InvalidMessage> {
        use api::request_match::Match;
        let message = message.and_then(|message| message.r#match);
        let some =
            |seq: api::request_match::Seq| each(seq.matches, "matches", |item| Self::convert(Some(item)));
        Ok(match required(message, "match")? {
            Match::All(seq) => Self::All(some(seq).within("all")?),
            Match::Any(seq) => Self::Any(some(seq).within("any")?),
            Match::Not(not) => Self::Not(Box::new(Self::convert(Some(*not)).within("not")?)),
            Match::Path(path) => Self::Path(Pattern::new(&path.regex).within("path")?),
            Match::Method(method) => Self::Method(Method::try_from(method)?),
        })
    }
}

// === impl ResponseClass ===

impl TryFrom<api::ResponseClass> for ResponseClass {
    type Error = InvalidMessage;

    fn try_from(message: api::ResponseClass) -> Result<Self, InvalidMessage> {
        let condition = ResponseMatch::convert(message.condition).within("condition")?;
        Ok(Self { condition, is_failure: message.is_failure })
    }
}

// === impl ResponseMatch ===

impl ResponseMatch {
    fn matches(&self, status: u16) -> bool {
        match self {
            Self::All(all) => all.iter().all(|condition| condition.matches(status)),
            Self::Any(any) => any.iter().any(|condition| condition.matches(status)),
            Self::Not(condition) => !condition.matches(status),
            Self::Status { min, max } => (min..=max).contains(&&status),
        }
    }

    fn convert(message: Option<api::ResponseMatch>) -> Result<Self, InvalidMessage> {
        use api::response_match::Match;
        let message = message.and_then(|message| message.r#match);
        let some =
            |seq: api::response_match::Seq| each(seq.matches, "matches", |item| Self::convert(Some(item)));
        Ok(match required(message, "match")? {
            Match::All(seq) => Self::All(some(seq).within("all")?),
            Match::Any(seq) => Self::Any(some(seq).within("any")?),
            Match::Not(not) => Self::Not(Box::new(Self::convert(Some(*not)).within("not")?)),
            Match::Status(range) => Self::status(range)?,
        })
    }

    /// One bound alone is a single status.
    fn status(range: api::HttpStatusRange) -> Result<Self, InvalidMessage> {
        let (min, max) = match (range.min, range.max) {
            (0, max) => (max, max),
            (min, 0) => (min, min),
            both => both,
        };
        let valid = |status: u32| u16::try_from(status).ok().filter(|status| (100..=599).contains(status));
        match (valid(min), valid(max)) {
            (Some(min), Some(max)) if min <= max => Ok(Self::Status { min, max }),
            _ => Err(InvalidMessage::with_value("status", Problem::Range, format_args!("{min}-{max}"))),
        }
    }
}

#[cfg(test)]
mod tests;
