//! From messages to policies. Backends that several rules name become one.

use std::sync::Arc;

use linkerd2_proxy_api::outbound as api;
use linkerd2_proxy_api::outbound::proxy_protocol as api_protocol;

use super::backend::{Backend, FailureAccrual};
use super::{
    Distribution, GrpcRoutes, HttpRoutes, OutboundPolicy, Protocol, Retry, RuleBackend, RulePolicy,
    RuleTimeouts, StreamFilter, StreamRule, TlsRoute,
};
use crate::model::error::{InvalidMessage, Problem, Within, each, required};
use crate::model::meta::Meta;
use crate::model::route::{
    FailureInjector, Filter, GrpcMatch, HeaderModifier, HostMatch, HttpMatch, Redirect, Route, Rule,
};
use crate::model::{limit, required_duration};

/// Most different backends of one policy.
const BACKENDS_MAX: usize = 1024;

/// The backends found so far.
#[derive(Default)]
struct Backends(Vec<Arc<Backend>>);

/// The four kinds of routes have messages of their own for the same distribution.
macro_rules! distribution {
    ($backends:expr, $message:expr, $module:ident, $filter:expr) => {{
        use api::$module::distribution::Kind;
        let one = |backends: &mut Backends, message: api::$module::RouteBackend, weight: u32| {
            Ok(RuleBackend {
                backend: backends.index(message.backend)?,
                weight,
                filters: each(message.filters, "filters", $filter)?,
            })
        };
        match required($message.and_then(|it| it.kind), "backends")? {
            Kind::Empty(_) => Ok(Distribution::Empty),
            Kind::FirstAvailable(list) => {
                let convert = |item| one($backends, item, 1);
                Ok(Distribution::First(each(list.backends, "first_available", convert)?))
            }
            Kind::RandomAvailable(list) => {
                let weighted = list.backends.into_iter().filter(|item| item.weight > 0).collect();
                let convert = |item: api::$module::WeightedRouteBackend| {
                    one($backends, required(item.backend, "backend")?, item.weight)
                };
                Ok(Distribution::Random(each(weighted, "random_available", convert)?))
            }
        }
    }};
}

/// Rules of HTTP and gRPC routes differ in the types of their messages alone.
macro_rules! route {
    ($backends:expr, $message:expr, $module:ident, $matches:ident, $filter:expr, $retry:path) => {{
        let message = $message;
        let convert = |rule: api::$module::Rule| {
            let distribution: Result<_, InvalidMessage> =
                distribution!($backends, rule.backends, $module, $filter);
            let mut timeouts = timeouts(rule.timeouts)?;
            #[allow(deprecated, reason = "control planes that know only the older field still send it")]
            let older = limit(rule.request_timeout, "request_timeout")?;
            timeouts.request = timeouts.request.or(older);
            Ok(Rule {
                matches: each(rule.matches, "matches", $matches::try_from)?,
                policy: RulePolicy {
                    filters: each(rule.filters, "filters", $filter)?,
                    backends: distribution?,
                    timeouts,
                    retry: $retry(rule.retry)?,
                    allow_headers: rule.allow_l5d_request_headers,
                },
            })
        };
        Ok(Route {
            hosts: each(message.hosts, "hosts", HostMatch::try_from)?,
            rules: some(each(message.rules, "rules", convert)?, "rules")?,
            meta: Meta::outbound(message.metadata)?,
        })
    }};
}

/// The same for opaque and TLS routes, which have exactly one rule.
macro_rules! stream_rule {
    ($backends:expr, $message:expr, $module:ident) => {{
        let meta = Meta::outbound($message.metadata)?;
        let rule = one($message.rules, "rules")?;
        let filter = |filter: api::$module::Filter| match required(filter.kind, "kind")? {
            api::$module::filter::Kind::Forbidden(_) => Ok(StreamFilter::Forbidden),
            api::$module::filter::Kind::Invalid(_) => Ok(StreamFilter::Invalid),
        };
        let distribution: Result<_, InvalidMessage> =
            distribution!($backends, rule.backends, $module, filter);
        StreamRule {
            meta,
            filters: each(rule.filters, "filters", filter)?,
            backends: distribution.within("rules[0]")?,
        }
    }};
}

// === impl OutboundPolicy ===

impl TryFrom<api::OutboundPolicy> for OutboundPolicy {
    type Error = InvalidMessage;

    fn try_from(message: api::OutboundPolicy) -> Result<Self, InvalidMessage> {
        let mut backends = Backends::default();
        let kind = required(message.protocol.and_then(|protocol| protocol.kind), "protocol")?;
        let protocol = protocol(&mut backends, kind).within("protocol")?;
        Ok(Self { parent: Meta::outbound(message.metadata)?, protocol, backends: backends.0 })
    }
}

fn protocol(backends: &mut Backends, kind: api_protocol::Kind) -> Result<Protocol, InvalidMessage> {
    Ok(match kind {
        api_protocol::Kind::Detect(detect) => {
            let timeout = required_duration(detect.timeout, "timeout")?;
            let http1 = required(detect.http1, "http1")?;
            let http2 = required(detect.http2, "http2")?;
            Protocol::Detect {
                timeout,
                http1: http(backends, http1.routes, http1.failure_accrual).within("http1")?,
                http2: http(backends, http2.routes, http2.failure_accrual).within("http2")?,
                opaque: opaque(backends, required(detect.opaque, "opaque")?).within("opaque")?,
            }
        }
        api_protocol::Kind::Http1(it) => {
            Protocol::Http1(http(backends, it.routes, it.failure_accrual).within("http1")?)
        }
        api_protocol::Kind::Http2(it) => {
            Protocol::Http2(http(backends, it.routes, it.failure_accrual).within("http2")?)
        }
        api_protocol::Kind::Grpc(it) => Protocol::Grpc(grpc(backends, it).within("grpc")?),
        api_protocol::Kind::Opaque(it) => Protocol::Opaque(opaque(backends, it).within("opaque")?),
        api_protocol::Kind::Tls(it) => {
            Protocol::Tls(each(it.routes, "routes", |route| tls_route(backends, route)).within("tls")?)
        }
    })
}

fn http(
    backends: &mut Backends,
    routes: Vec<api::HttpRoute>,
    accrual: Option<api::FailureAccrual>,
) -> Result<HttpRoutes, InvalidMessage> {
    let routes = each(routes, "routes", |message| {
        route!(backends, message, http_route, HttpMatch, http_filter, Retry::http)
    })?;
    Ok(HttpRoutes { routes, accrual: FailureAccrual::convert(accrual).within("failure_accrual")? })
}

fn grpc(backends: &mut Backends, message: api_protocol::Grpc) -> Result<GrpcRoutes, InvalidMessage> {
    let routes = each(message.routes, "routes", |message| {
        route!(backends, message, grpc_route, GrpcMatch, grpc_filter, Retry::grpc)
    })?;
    Ok(GrpcRoutes {
        routes,
        accrual: FailureAccrual::convert(message.failure_accrual).within("failure_accrual")?,
    })
}

fn opaque(backends: &mut Backends, message: api_protocol::Opaque) -> Result<StreamRule, InvalidMessage> {
    let route = one(message.routes, "routes")?;
    let convert = || Ok(stream_rule!(backends, route, opaque_route));
    convert().within("routes[0]")
}

fn tls_route(backends: &mut Backends, message: api::TlsRoute) -> Result<TlsRoute, InvalidMessage> {
    let snis = each(message.snis, "snis", HostMatch::try_from)?;
    Ok(TlsRoute { snis, rule: stream_rule!(backends, message, tls_route) })
}

// === impl Backends ===

impl Backends {
    fn index(&mut self, message: Option<api::Backend>) -> Result<usize, InvalidMessage> {
        let backend = required(message, "backend").and_then(|it| Backend::try_from(it).within("backend"))?;
        if let Some(index) = self.0.iter().position(|known| **known == backend) {
            return Ok(index);
        }
        if self.0.len() == BACKENDS_MAX {
            return Err(InvalidMessage::with_value("backend", Problem::TooLarge, BACKENDS_MAX));
        }
        self.0.push(Arc::new(backend));
        Ok(self.0.len() - 1)
    }
}

// === helpers ===

fn http_filter(message: api::http_route::Filter) -> Result<Filter, InvalidMessage> {
    use api::http_route::filter::Kind;
    match required(message.kind, "kind")? {
        Kind::FailureInjector(it) => FailureInjector::try_from(it).map(Filter::Fail),
        Kind::Redirect(it) => Redirect::try_from(it).map(Filter::Redirect),
        Kind::RequestHeaderModifier(it) => HeaderModifier::try_from(it).map(Filter::Request),
        Kind::ResponseHeaderModifier(it) => HeaderModifier::try_from(it).map(Filter::Response),
    }
}

fn grpc_filter(message: api::grpc_route::Filter) -> Result<Filter, InvalidMessage> {
    use api::grpc_route::filter::Kind;
    match required(message.kind, "kind")? {
        Kind::FailureInjector(it) => FailureInjector::try_from(it).map(Filter::Fail),
        Kind::RequestHeaderModifier(it) => HeaderModifier::try_from(it).map(Filter::Request),
    }
}

fn timeouts(
    message: Option<linkerd2_proxy_api::http_route::Timeouts>,
) -> Result<RuleTimeouts, InvalidMessage> {
    let Some(message) = message else { return Ok(RuleTimeouts::default()) };
    Ok(RuleTimeouts {
        request: limit(message.request, "timeouts.request")?,
        response: limit(message.response, "timeouts.response")?,
        idle: limit(message.idle, "timeouts.idle")?,
    })
}

/// The only item of a list.
fn one<T>(items: Vec<T>, field: &'static str) -> Result<T, InvalidMessage> {
    let count = items.len();
    match <[T; 1]>::try_from(items) {
        Ok([item]) => Ok(item),
        Err(_) => Err(InvalidMessage::with_value(field, Problem::Count, count)),
    }
}

/// A list that has to have an item.
fn some<T>(items: Vec<T>, field: &'static str) -> Result<Vec<T>, InvalidMessage> {
    if items.is_empty() { Err(InvalidMessage::new(field, Problem::Missing)) } else { Ok(items) }
}
