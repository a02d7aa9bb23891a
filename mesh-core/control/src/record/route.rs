//! Routes of both groups: HTTPRoute, GRPCRoute, TLSRoute, TCPRoute.
//!
//! One record for all of them, since they differ in their matches alone. What a route says is judged here once;
//! whether its parents and backends exist is judged by the answers.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::kind::{Kind, Tagged};
use super::meta::Meta;
use super::{Key, Labels, Text};
use mesh_core::duration::GoDuration;

/// Longest regular expression, in bytes.
const LONGEST_REGEX: usize = 1024;

/// A route.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "Object")]
pub struct Route {
    /// Its place.
    pub key: Key,
    /// What it routes, and its group.
    pub kind: RouteKind,
    /// When it was made, in seconds since 1970.
    pub created: i64,
    /// Counts changes of the spec.
    pub generation: i64,
    /// What it attaches to.
    pub parents: Box<[Parent]>,
    /// Hosts (or SNI names) it is for; all when there are none.
    pub hosts: Box<[Text]>,
    /// What it does.
    pub rules: Box<[Rule]>,
    /// Annotations of the mesh.
    pub annotations: Labels,
    /// The statuses that others and we have written, for the status writer: controller, parent and conditions.
    pub status: Box<[Value]>,
}

/// What a route routes, and its group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RouteKind {
    /// HTTPRoute of `policy.linkerd.io`.
    #[default]
    PolicyHttp,
    /// HTTPRoute of the Gateway API.
    Http,
    /// GRPCRoute.
    Grpc,
    /// TLSRoute.
    Tls,
    /// TCPRoute.
    Tcp,
}

/// What a route attaches to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Parent {
    /// Its kind.
    pub kind: ParentKind,
    /// Its place.
    pub key: Key,
    /// One port alone.
    pub port: Option<u16>,
}

/// Kinds of parents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ParentKind {
    /// A Server: inbound.
    Server,
    /// A Service: outbound.
    Service,
    /// Destinations outside the cluster.
    EgressNetwork,
    /// Somebody else's.
    Other,
}

/// A rule of a route.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rule {
    /// Its name, if it has one.
    pub name: Text,
    /// Conditions, one of which must hold; none means always.
    pub matches: Box<[Match]>,
    /// What is done, in order.
    pub filters: Box<[Filter]>,
    /// Where requests go; to the parent itself when there are none.
    pub backends: Box<[Backend]>,
    /// How long a request may take with its retries.
    pub request_timeout: Option<Duration>,
    /// How long one attempt may take.
    pub backend_timeout: Option<Duration>,
}

/// A condition on requests; all parts must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Match {
    /// The path.
    pub path: Option<PathMatch>,
    /// The method of HTTP.
    pub method: Option<Text>,
    /// Service and method of gRPC.
    pub rpc: Option<(Text, Text)>,
    /// Headers.
    pub headers: Box<[(Text, TextMatch)]>,
    /// Parameters of the query.
    pub query: Box<[(Text, TextMatch)]>,
}

/// A condition on the path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathMatch {
    /// It is this.
    Exact(Text),
    /// It begins so, up to a slash.
    Prefix(Text),
    /// It matches from end to end.
    Regex(Text),
}

/// A condition on a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TextMatch {
    /// It is this.
    Exact(Text),
    /// It matches from end to end.
    Regex(Text),
}

/// What is done to requests or responses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filter {
    /// Changes headers of the request.
    RequestHeaders(HeaderModifier),
    /// Changes headers of the response.
    ResponseHeaders(HeaderModifier),
    /// Sends the client elsewhere.
    Redirect(Redirect),
    /// Something the mesh does not do, by its name.
    Unsupported(Text),
}

/// Changes to headers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderModifier {
    /// Added to those of the same name.
    pub add: Box<[(Text, Text)]>,
    /// In place of those of the same name.
    pub set: Box<[(Text, Text)]>,
    /// Taken away.
    pub remove: Box<[Text]>,
}

/// Where a client is sent; what is not given stays as it was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Redirect {
    /// `http` or `https`.
    pub scheme: Option<Text>,
    /// The host.
    pub host: Option<Text>,
    /// The path.
    pub path: Option<PathModifier>,
    /// The port.
    pub port: Option<u16>,
    /// The status.
    pub status: Option<u16>,
}

/// How a path is replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathModifier {
    /// As a whole.
    Full(Text),
    /// The prefix that matched.
    Prefix(Text),
}

/// Where requests go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backend {
    /// Its kind.
    pub kind: BackendKind,
    /// Its place.
    pub key: Key,
    /// Its port.
    pub port: Option<u16>,
    /// Its share among the backends of the rule.
    pub weight: u32,
    /// What is done to requests that go there.
    pub filters: Box<[Filter]>,
}

/// Kinds of backends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BackendKind {
    /// A Service.
    Service,
    /// Destinations outside the cluster.
    EgressNetwork,
    /// Something requests cannot be sent to, by its name.
    Other(Text),
}

#[derive(Deserialize)]
struct Object {
    metadata: Meta,
    spec: Spec,
    #[serde(default)]
    status: Status,
}

#[derive(Default, Deserialize)]
struct Status {
    #[serde(default)]
    parents: Vec<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    #[serde(default)]
    parent_refs: Vec<ParentRef>,
    #[serde(default)]
    hostnames: Vec<Text>,
    #[serde(default)]
    rules: Option<Vec<WrittenRule>>,
}

/// A reference to a parent, as routes and their statuses have it.
#[derive(Deserialize)]
pub struct ParentRef {
    #[serde(default)]
    group: Option<String>,
    #[serde(default)]
    kind: Option<String>,
    #[serde(default)]
    namespace: Option<Text>,
    name: Text,
    #[serde(default)]
    port: Option<u16>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrittenRule {
    #[serde(default)]
    name: Text,
    #[serde(default)]
    matches: Vec<WrittenMatch>,
    #[serde(default)]
    filters: Vec<WrittenFilter>,
    #[serde(default)]
    backend_refs: Vec<BackendRef>,
    #[serde(default)]
    timeouts: Option<Timeouts>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Timeouts {
    #[serde(default)]
    request: Option<String>,
    #[serde(default)]
    backend_request: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrittenMatch {
    #[serde(default)]
    path: Option<Typed>,
    /// A word for HTTP, a mapping for gRPC.
    #[serde(default)]
    method: Option<Method>,
    #[serde(default)]
    headers: Vec<Named>,
    #[serde(default)]
    query_params: Vec<Named>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Method {
    Http(Text),
    Grpc {
        #[serde(default, rename = "type")]
        kind: Option<String>,
        #[serde(default)]
        service: Text,
        #[serde(default)]
        method: Text,
    },
}

#[derive(Deserialize)]
struct Typed {
    #[serde(default, rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    value: Option<Text>,
}

#[derive(Deserialize)]
struct Named {
    #[serde(default, rename = "type")]
    kind: Option<String>,
    name: Text,
    value: Text,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrittenFilter {
    #[serde(rename = "type")]
    kind: Text,
    #[serde(default)]
    request_header_modifier: Option<WrittenModifier>,
    #[serde(default)]
    response_header_modifier: Option<WrittenModifier>,
    #[serde(default)]
    request_redirect: Option<WrittenRedirect>,
}

#[derive(Default, Deserialize)]
struct WrittenModifier {
    #[serde(default)]
    add: Vec<Header>,
    #[serde(default)]
    set: Vec<Header>,
    #[serde(default)]
    remove: Vec<Text>,
}

#[derive(Deserialize)]
struct Header {
    name: Text,
    value: Text,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrittenRedirect {
    #[serde(default)]
    scheme: Option<Text>,
    #[serde(default)]
    hostname: Option<Text>,
    #[serde(default)]
    path: Option<WrittenPath>,
    #[serde(default)]
    port: Option<u16>,
    #[serde(default)]
    status_code: Option<u16>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrittenPath {
    #[serde(default)]
    replace_full_path: Option<Text>,
    #[serde(default)]
    replace_prefix_match: Option<Text>,
}

#[derive(Deserialize)]
struct BackendRef {
    #[serde(default)]
    group: Option<String>,
    #[serde(default)]
    kind: Option<Text>,
    #[serde(default)]
    namespace: Option<Text>,
    name: Text,
    #[serde(default)]
    port: Option<u16>,
    #[serde(default)]
    weight: Option<u32>,
    #[serde(default)]
    filters: Vec<WrittenFilter>,
}

// === impl Route ===

impl Route {
    /// Whether it routes HTTP.
    pub fn is_http(&self) -> bool {
        matches!(self.kind, RouteKind::Http | RouteKind::PolicyHttp)
    }

    /// An annotation of the mesh.
    pub fn annotation(&self, name: &str) -> Option<&Text> {
        self.annotations.value(name)
    }
}

impl Tagged for Route {
    fn tag(&mut self, kind: Kind) {
        self.kind = match kind {
            Kind::HttpRoute => RouteKind::Http,
            Kind::GrpcRoute => RouteKind::Grpc,
            Kind::TlsRoute => RouteKind::Tls,
            Kind::TcpRoute => RouteKind::Tcp,
            _ => RouteKind::PolicyHttp,
        };
    }
}

impl TryFrom<Object> for Route {
    type Error = String;

    fn try_from(Object { metadata, spec, status }: Object) -> Result<Self, String> {
        let rules: Result<Box<[Rule]>, String> = spec
            .rules
            .unwrap_or_else(|| vec![WrittenRule::empty()])
            .into_iter()
            .enumerate()
            .map(|(at, rule)| {
                rule.judged(&metadata.namespace).map_err(|error| format!("spec.rules[{at}]: {error}"))
            })
            .collect();
        Ok(Self {
            key: metadata.key(),
            kind: RouteKind::default(),
            created: metadata.created(),
            generation: metadata.generation,
            parents: spec
                .parent_refs
                .into_iter()
                .map(|parent| parent.resolved(&metadata.namespace))
                .collect(),
            hosts: spec.hostnames.into(),
            rules: rules?,
            annotations: metadata.annotations.filtered(super::service::is_ours),
            status: status.parents.into(),
        })
    }
}

impl ParentRef {
    /// The parent as seen from a namespace.
    pub fn resolved(self, namespace: &Text) -> Parent {
        let kind = match (self.group.as_deref(), self.kind.as_deref()) {
            (Some("policy.linkerd.io"), Some("Server")) => ParentKind::Server,
            (Some("policy.linkerd.io"), Some("EgressNetwork")) => ParentKind::EgressNetwork,
            (Some("" | "core"), Some("Service")) => ParentKind::Service,
            _ => ParentKind::Other,
        };
        let namespace = self.namespace.unwrap_or_else(|| namespace.clone());
        Parent { kind, key: Key { namespace, name: self.name }, port: self.port }
    }
}

impl WrittenRule {
    fn empty() -> Self {
        Self {
            name: Text::default(),
            matches: Vec::new(),
            filters: Vec::new(),
            backend_refs: Vec::new(),
            timeouts: None,
        }
    }

    fn judged(self, namespace: &Text) -> Result<Rule, String> {
        let matches: Result<_, String> = self.matches.into_iter().map(WrittenMatch::judged).collect();
        let filters: Result<_, String> = self.filters.into_iter().map(WrittenFilter::judged).collect();
        let backends: Result<_, String> =
            self.backend_refs.into_iter().map(|it| it.judged(namespace)).collect();
        let timeouts = self.timeouts.unwrap_or(Timeouts { request: None, backend_request: None });
        Ok(Rule {
            name: self.name,
            matches: matches?,
            filters: filters?,
            backends: backends?,
            request_timeout: timeout(timeouts.request.as_deref())?,
            backend_timeout: timeout(timeouts.backend_request.as_deref())?,
        })
    }
}

/// Nothing and 0 mean no limit.
fn timeout(text: Option<&str>) -> Result<Option<Duration>, String> {
    let Some(text) = text else { return Ok(None) };
    let duration: GoDuration = text.parse().map_err(|error| format!("timeouts: {error}"))?;
    let duration = duration.to_std().ok_or_else(|| format!("timeouts: {text} is negative"))?;
    Ok((!duration.is_zero()).then_some(duration))
}

impl WrittenMatch {
    fn judged(self) -> Result<Match, String> {
        let path = match self.path {
            None => None,
            Some(Typed { kind, value }) => {
                let value = value.unwrap_or_else(|| "/".into());
                let absolute = |path: Text| {
                    if path.starts_with('/') {
                        Ok(path)
                    } else {
                        Err(format!("matches: path {path:?} does not begin with /"))
                    }
                };
                Some(match kind.as_deref() {
                    None | Some("PathPrefix") => PathMatch::Prefix(absolute(value)?),
                    Some("Exact") => PathMatch::Exact(absolute(value)?),
                    Some("RegularExpression") => PathMatch::Regex(regex(value)?),
                    Some(other) => return Err(format!("matches: a path cannot be matched by {other:?}")),
                })
            }
        };
        let (method, rpc) = match self.method {
            None => (None, None),
            Some(Method::Http(method)) => (Some(method), None),
            Some(Method::Grpc { kind, service, method }) => {
                if !matches!(kind.as_deref(), None | Some("Exact")) {
                    return Err("matches: a gRPC method can be matched exactly only".to_owned());
                }
                (None, Some((service, method)))
            }
        };
        let named = |list: Vec<Named>| -> Result<Box<[(Text, TextMatch)]>, String> {
            list.into_iter()
                .map(|Named { kind, name, value }| match kind.as_deref() {
                    None | Some("Exact") => Ok((name, TextMatch::Exact(value))),
                    Some("RegularExpression") => Ok((name, TextMatch::Regex(regex(value)?))),
                    Some(other) => Err(format!("matches: {name} cannot be matched by {other:?}")),
                })
                .collect()
        };
        Ok(Match { path, method, rpc, headers: named(self.headers)?, query: named(self.query_params)? })
    }
}

/// An expression every proxy can compile.
fn regex(text: Text) -> Result<Text, String> {
    if text.len() > LONGEST_REGEX {
        return Err(format!("matches: an expression of {} bytes is too long", text.len()));
    }
    match regex::Regex::new(&text) {
        Ok(_) => Ok(text),
        Err(error) => Err(format!("matches: {text:?} is no regular expression: {error}")),
    }
}

impl WrittenFilter {
    fn judged(self) -> Result<Filter, String> {
        let needs = |field: &str| format!("filters: a filter of type {} needs the field {field}", self.kind);
        match self.kind.as_str() {
            "RequestHeaderModifier" => match self.request_header_modifier {
                Some(modifier) => modifier.judged().map(Filter::RequestHeaders),
                None => Err(needs("requestHeaderModifier")),
            },
            "ResponseHeaderModifier" => match self.response_header_modifier {
                Some(modifier) => modifier.judged().map(Filter::ResponseHeaders),
                None => Err(needs("responseHeaderModifier")),
            },
            "RequestRedirect" => match self.request_redirect {
                Some(redirect) => redirect.judged().map(Filter::Redirect),
                None => Err(needs("requestRedirect")),
            },
            _ => Ok(Filter::Unsupported(self.kind)),
        }
    }
}

impl WrittenModifier {
    fn judged(self) -> Result<HeaderModifier, String> {
        let pair = |Header { name, value }: Header| {
            http::HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| format!("filters: {name:?} is no name of a header"))?;
            http::HeaderValue::from_str(&value)
                .map_err(|_| format!("filters: {value:?} is no value of a header"))?;
            Ok((name, value))
        };
        let add: Result<Box<[_]>, String> = self.add.into_iter().map(pair).collect();
        let set: Result<Box<[_]>, String> = self.set.into_iter().map(pair).collect();
        Ok(HeaderModifier { add: add?, set: set?, remove: self.remove.into() })
    }
}

impl WrittenRedirect {
    fn judged(self) -> Result<Redirect, String> {
        let path = match self.path {
            None => None,
            Some(WrittenPath { replace_full_path: Some(full), .. }) if full.starts_with('/') => {
                Some(PathModifier::Full(full))
            }
            Some(WrittenPath { replace_prefix_match: Some(prefix), .. }) if prefix.starts_with('/') => {
                Some(PathModifier::Prefix(prefix))
            }
            Some(_) => return Err("filters: the path of a redirect must begin with /".to_owned()),
        };
        if let Some(status) = self.status_code
            && !(300..400).contains(&status)
        {
            return Err(format!("filters: {status} is no status of a redirect"));
        }
        Ok(Redirect {
            scheme: self.scheme,
            host: self.hostname,
            path,
            port: self.port,
            status: self.status_code,
        })
    }
}

impl BackendRef {
    fn judged(self, namespace: &Text) -> Result<Backend, String> {
        let kind = match (self.group.as_deref().unwrap_or(""), self.kind.as_deref().unwrap_or("Service")) {
            ("" | "core", "Service") => BackendKind::Service,
            ("policy.linkerd.io", "EgressNetwork") => BackendKind::EgressNetwork,
            (_, other) => BackendKind::Other(other.into()),
        };
        let filters: Result<_, String> = self.filters.into_iter().map(WrittenFilter::judged).collect();
        Ok(Backend {
            kind,
            key: Key { namespace: self.namespace.unwrap_or_else(|| namespace.clone()), name: self.name },
            port: self.port,
            weight: self.weight.unwrap_or(1),
            filters: filters?,
        })
    }
}
