//! What policy says about a request: which route, and what the route does to it.

use std::sync::LazyLock;

use proxy_net::headers::HeaderList;

use super::refusal::Refusal;
use crate::metrics::RouteKind;
use crate::model::Meta;
use crate::model::inbound::{Filters, InboundPolicy, Protocol, Routes};
use crate::model::route::{Failure, Filter, HttpMatch, Match, Parts, find};

/// A route and rule that a request matches.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Matched<'a> {
    /// Of which kind.
    pub(crate) kind: RouteKind,
    /// The place of the route among those of the server.
    pub(crate) route: usize,
    /// What it is called.
    pub(crate) meta: &'a Meta,
    filters: &'a Filters,
    /// How many octets of the path a prefix has matched.
    prefix: Option<usize>,
}

/// For HTTP on a port that is called opaque: a peer said in its transport header that it is HTTP, so its profile of the port is
/// newer or older than our policy.
static ANY: LazyLock<Routes<HttpMatch>> = LazyLock::new(Routes::default);

// === impl Matched ===

impl<'a> Matched<'a> {
    /// The route of a request.
    pub(crate) fn of(policy: &'a InboundPolicy, head: &HeaderList) -> Option<Self> {
        let parts = Parts::of(head);
        match &policy.protocol {
            Protocol::Detect { http, .. } | Protocol::Http1(http) | Protocol::Http2(http) => {
                Self::among(RouteKind::Http, &http.routes, &parts)
            }
            Protocol::Grpc(routes) => Self::among(RouteKind::Grpc, routes, &parts),
            Protocol::Opaque | Protocol::Tls => Self::among(RouteKind::Http, &ANY, &parts),
        }
    }

    fn among<M: Match>(kind: RouteKind, routes: &'a Routes<M>, parts: &Parts<'_>) -> Option<Self> {
        let found = find(&routes.routes, parts)?;
        let route = routes.routes.get(found.route)?;
        let filters = &route.rules.get(found.rule)?.policy;
        Some(Self { kind, route: found.route, meta: &route.meta, filters, prefix: found.prefix })
    }

    /// Does what the rule says to a request's head.
    pub(crate) fn apply(&self, head: &mut HeaderList, random: impl FnMut() -> u64) -> Result<(), Refusal> {
        match self.filters {
            Filters::Known(filters) => apply(filters, head, self.prefix, random),
            Filters::Unknown => Err(Refusal::Filter),
        }
    }
}

fn apply(
    filters: &[Filter],
    head: &mut HeaderList,
    prefix: Option<usize>,
    mut random: impl FnMut() -> u64,
) -> Result<(), Refusal> {
    for filter in filters {
        match filter {
            Filter::Request(modifier) => modifier.apply(head),
            Filter::Fail(injector) if injector.ratio.hits(random()) => {
                return Err(match &injector.failure {
                    Failure::Http(status, message) => Refusal::Injected(*status, message.clone()),
                    Failure::Grpc(code, message) => Refusal::InjectedGrpc(*code, message.clone()),
                });
            }
            Filter::Redirect(redirect) => match redirect.location(&Parts::of(head), prefix) {
                Ok(Some(location)) => return Err(Refusal::Redirected(redirect.status, location)),
                Ok(None) => {}
                Err(_) => return Err(Refusal::Filter),
            },
            Filter::Fail(_) | Filter::Response(_) => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
