//! Faults that somebody asked for: requests that are held up or broken off on purpose. From our own extension API; the published
//! one can only answer them with a status.

use std::time::Duration;

use mesh_api::faults as api;
use proxy_net::headers::HeaderList;

use super::error::{InvalidMessage, Problem, Within, each, required};
use super::meta::Meta;

/// The longest delay. Whoever wants more has made a mistake.
const DELAY_MAX: Duration = Duration::from_secs(600);
/// Most faults, and most headers of one.
const COUNT_MAX: usize = 1024;
/// Longest name or value.
const TEXT_MAX: usize = 8192;
/// The denominator of shares.
const MILLION: u32 = 1_000_000;

/// Name and value of a header field.
type Field = (Box<[u8]>, Box<[u8]>);

/// All faults in force, in the order in which they are tried.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FaultSet {
    faults: Vec<Fault>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Fault {
    /// Who asks for it, for people.
    source: Box<str>,
    target: Target,
    headers: Vec<Field>,
    per_million: u32,
    action: Action,
    /// Seconds since 1970.
    expires: i64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Target {
    Service { namespace: Box<str>, name: Box<str> },
    Route { group: Box<str>, kind: Box<str>, namespace: Box<str>, name: Box<str> },
}

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It is sent on so much later.
    Delay(Duration),
    /// It is broken off.
    Reset,
}

// === impl FaultSet ===

impl FaultSet {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.faults.is_empty()
    }

    /// The first fault that a request meets, and who asked for it. `parent` is the service, `route` the route, `now` seconds since 1970.
    pub fn draw(
        &self,
        parent: &Meta,
        route: Option<&Meta>,
        head: &HeaderList,
        now: i64,
        mut random: impl FnMut() -> u64,
    ) -> Option<(Action, &str)> {
        let met = |fault: &&Fault| {
            fault.expires > now
                && fault.target.matches(parent, route)
                && fault.headers.iter().all(|(name, value)| head.values(name).any(|is| is == &**value))
                && ((random() >> 32) * u64::from(MILLION)) >> 32 < u64::from(fault.per_million)
        };
        let fault = self.faults.iter().find(met)?;
        Some((fault.action, &fault.source))
    }
}

impl TryFrom<api::FaultSet> for FaultSet {
    type Error = InvalidMessage;

    fn try_from(message: api::FaultSet) -> Result<Self, InvalidMessage> {
        if message.faults.len() > COUNT_MAX {
            return Err(InvalidMessage::with_value("faults", Problem::TooLarge, message.faults.len()));
        }
        Ok(Self { faults: each(message.faults, "faults", Fault::try_from)? })
    }
}

// === impl Fault ===

impl TryFrom<api::Fault> for Fault {
    type Error = InvalidMessage;

    fn try_from(message: api::Fault) -> Result<Self, InvalidMessage> {
        let action = match required(message.action, "action")? {
            api::fault::Action::Reset(_) => Action::Reset,
            api::fault::Action::DelayMs(milliseconds) => {
                let delay = Duration::from_millis(milliseconds);
                if delay.is_zero() || delay > DELAY_MAX {
                    return Err(InvalidMessage::with_value("delay_ms", Problem::Range, milliseconds));
                }
                Action::Delay(delay)
            }
        };
        if message.per_million > MILLION {
            return Err(InvalidMessage::with_value("per_million", Problem::Range, message.per_million));
        }
        if message.headers.len() > COUNT_MAX {
            return Err(InvalidMessage::with_value("headers", Problem::TooLarge, message.headers.len()));
        }
        Ok(Self {
            source: text(format!("{}/{}", message.namespace, message.name), "name")?,
            target: required(message.target, "target").and_then(Target::try_from)?,
            headers: each(message.headers, "headers", header)?,
            per_million: message.per_million,
            action,
            expires: message.expires,
        })
    }
}

// === impl Target ===

impl Target {
    fn matches(&self, parent: &Meta, route: Option<&Meta>) -> bool {
        match self {
            Self::Service { namespace, name } => {
                (parent.kind(), parent.namespace(), parent.name()) == ("Service", &**namespace, &**name)
            }
            Self::Route { group, kind, namespace, name } => route.is_some_and(|route| {
                (route.group(), route.kind(), route.namespace(), route.name())
                    == (&**group, &**kind, &**namespace, &**name)
            }),
        }
    }
}

impl TryFrom<api::fault::Target> for Target {
    type Error = InvalidMessage;

    fn try_from(message: api::fault::Target) -> Result<Self, InvalidMessage> {
        match message {
            api::fault::Target::Service(it) => Ok(Self::Service {
                namespace: text(it.namespace, "namespace")?,
                name: text(it.name, "name")?,
            }),
            api::fault::Target::Route(it) => Ok(Self::Route {
                group: text(it.group, "group")?,
                kind: text(it.kind, "kind")?,
                namespace: text(it.namespace, "namespace")?,
                name: text(it.name, "name")?,
            }),
        }
        .within("target")
    }
}

// === helpers ===

fn header(message: api::fault::Header) -> Result<Field, InvalidMessage> {
    if http::HeaderName::from_lowercase(message.name.as_bytes()).is_err() || message.value.len() > TEXT_MAX {
        return Err(InvalidMessage::with_value("name", Problem::Header, message.name));
    }
    // The list has the host as a pseudo-header.
    let name = if message.name == "host" { ":authority".to_owned() } else { message.name };
    Ok((name.into_bytes().into(), message.value.to_vec().into()))
}

fn text(text: String, field: &'static str) -> Result<Box<str>, InvalidMessage> {
    if text.len() > TEXT_MAX {
        return Err(InvalidMessage::with_value(field, Problem::TooLarge, text));
    }
    Ok(text.into())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::model::meta::tests::resource;

    /// A fault of all requests to `Service/ns/NAME`, for ever.
    pub(crate) fn fault(name: &str, action: api::fault::Action) -> api::Fault {
        let service = api::fault::Service { namespace: "ns".into(), name: name.into() };
        api::Fault {
            namespace: "ns".into(),
            name: "fault".into(),
            target: Some(api::fault::Target::Service(service)),
            headers: Vec::new(),
            per_million: MILLION,
            action: Some(action),
            expires: i64::MAX,
        }
    }

    fn convert(faults: Vec<api::Fault>) -> Result<FaultSet, InvalidMessage> {
        FaultSet::try_from(api::FaultSet { faults })
    }

    fn delay() -> api::Fault {
        fault("web", api::fault::Action::DelayMs(20))
    }

    fn web() -> Meta {
        Meta::outbound(Some(resource("Service", "web"))).unwrap()
    }

    #[test]
    fn the_first_that_is_met_decides() {
        let header = api::fault::Header { name: "x".into(), value: b"1"[..].into() };
        let reset = fault("web", api::fault::Action::Reset(api::fault::Reset {}));
        let set = convert(vec![
            fault("other", api::fault::Action::DelayMs(1)),
            api::Fault { headers: vec![header], ..reset },
            delay(),
        ])
        .unwrap();
        let with: HeaderList = [(&b"x"[..], &b"1"[..])].into_iter().collect();
        let drawn = |head: &HeaderList| set.draw(&web(), None, head, 0, || 0).map(|(action, _)| action);
        assert_eq!(drawn(&with), Some(Action::Reset));
        assert_eq!(drawn(&HeaderList::new()), Some(Action::Delay(Duration::from_millis(20))));
    }

    #[test]
    fn shares_and_ends_are_kept() {
        let half = convert(vec![api::Fault { per_million: 500_000, expires: 10, ..delay() }]).unwrap();
        let drawn = |now, random| half.draw(&web(), None, &HeaderList::new(), now, || random).is_some();
        assert!(drawn(9, 0) && !drawn(9, u64::MAX) && !drawn(10, 0));
    }

    #[test]
    fn routes_are_known_by_all_their_names() {
        let route = api::fault::Route {
            group: "core".into(),
            kind: "HTTPRoute".into(),
            namespace: "ns".into(),
            name: "r".into(),
        };
        let set =
            convert(vec![api::Fault { target: Some(api::fault::Target::Route(route)), ..delay() }]).unwrap();
        let named = |name| Meta::outbound(Some(resource("HTTPRoute", name))).unwrap();
        let drawn = |route: Option<&Meta>| set.draw(&web(), route, &HeaderList::new(), 0, || 0).is_some();
        assert!(drawn(Some(&named("r"))) && !drawn(Some(&named("s"))) && !drawn(None));
    }

    #[test]
    fn wrong_faults_are_refused() {
        let problem = |fault| convert(vec![fault]).unwrap_err().problem();
        assert_eq!(problem(api::Fault { action: None, ..delay() }), Problem::Missing);
        assert_eq!(problem(api::Fault { target: None, ..delay() }), Problem::Missing);
        assert_eq!(problem(fault("web", api::fault::Action::DelayMs(0))), Problem::Range);
        assert_eq!(problem(fault("web", api::fault::Action::DelayMs(u64::MAX))), Problem::Range);
        assert_eq!(problem(api::Fault { per_million: MILLION + 1, ..delay() }), Problem::Range);
        assert_eq!(problem(api::Fault { name: "x".repeat(1 << 20), ..delay() }), Problem::TooLarge);
        let header = api::fault::Header { name: "Not A Name".into(), value: bytes::Bytes::new() };
        assert_eq!(problem(api::Fault { headers: vec![header], ..delay() }), Problem::Header);
    }
}
