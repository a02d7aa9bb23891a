//! Routes: which rule a request matches, and what a rule does to it.
//!
//! Matching is a pure function of the slices of a head. It allocates nothing (but for a percent-encoded query parameter that
//! a rule looks at) and answers with the places of route and rule in their lists.

mod fault;
mod filter;
mod grpc;
mod header;
mod host;
mod http;
mod method;
mod modifier;
mod parts;
mod path;
mod pattern;
mod query;
mod redirect;

pub use fault::{Failure, FailureInjector, Ratio};
pub use filter::Filter;
pub use grpc::GrpcMatch;
pub use header::HeaderMatch;
pub use host::{HostMatch, HostScore};
pub use http::HttpMatch;
pub use method::Method;
pub use modifier::HeaderModifier;
pub use parts::Parts;
pub use path::{PathMatch, PathScore};
pub use pattern::Pattern;
pub use query::QueryMatch;
pub use redirect::{Redirect, RedirectError};

use super::meta::Meta;

/// Something that a request matches more or less closely.
pub trait Match {
    /// How closely; greater is closer.
    type Score: Ord + Copy + HasPrefix;

    /// How closely the request matches; none if it does not.
    fn score(&self, parts: &Parts<'_>) -> Option<Self::Score>;

    /// How closely a rule that says nothing matches.
    fn unconditional() -> Self::Score;
}

/// What a score tells about the path.
pub trait HasPrefix {
    /// How many octets of the path a prefix has matched, if a prefix it was.
    fn prefix(&self) -> Option<usize>;
}

/// A route: for which hosts it is, and its rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route<M, P> {
    /// Where the user wrote it.
    pub meta: Meta,
    /// Hosts; none is any.
    pub hosts: Vec<HostMatch>,
    /// Rules, at least one.
    pub rules: Vec<Rule<M, P>>,
}

/// A rule: matches, any of which suffices, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule<M, P> {
    /// Matches; none is any request.
    pub matches: Vec<M>,
    /// What to do.
    pub policy: P,
}

/// The places of a matching route and of its rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Index of the route.
    pub route: usize,
    /// Index of the rule within it.
    pub rule: usize,
    /// How many octets of the path a prefix has matched, for redirects.
    pub prefix: Option<usize>,
}

/// The closest match among all rules of all routes; of equal ones the first.
///
/// The host decides first, then what [`Match::Score`] says.
#[must_use]
pub fn find<M: Match, P>(routes: &[Route<M, P>], parts: &Parts<'_>) -> Option<Found> {
    let mut best: Option<(Option<HostScore>, M::Score, Found)> = None;
    for (route_index, route) in routes.iter().enumerate() {
        let Some(host) = host_score(&route.hosts, parts.host) else {
            continue;
        };
        for (rule_index, rule) in route.rules.iter().enumerate() {
            let Some(score) = rule_score(rule, parts) else {
                continue;
            };
            if best
                .as_ref()
                .is_none_or(|(best_host, best_score, _)| (&host, &score) > (best_host, best_score))
            {
                let found = Found { route: route_index, rule: rule_index, prefix: score.prefix() };
                best = Some((host, score, found));
            }
        }
    }
    best.map(|(_, _, found)| found)
}

/// `Some(None)` where any host will do.
fn host_score(hosts: &[HostMatch], host: &[u8]) -> Option<Option<HostScore>> {
    if hosts.is_empty() {
        return Some(None);
    }
    hosts.iter().filter_map(|candidate| candidate.score(host)).max().map(Some)
}

fn rule_score<M: Match, P>(rule: &Rule<M, P>, parts: &Parts<'_>) -> Option<M::Score> {
    if rule.matches.is_empty() {
        return Some(M::unconditional());
    }
    rule.matches.iter().filter_map(|candidate| candidate.score(parts)).max()
}

#[cfg(test)]
mod tests;
