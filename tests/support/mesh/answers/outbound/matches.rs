//! What HTTP requests are matched by.

use linkerd2_proxy_api::http_route::{
    HeaderMatch, HostMatch, HttpRouteMatch, PathMatch, QueryParamMatch, header_match, host_match, path_match,
    query_param_match,
};
use linkerd2_proxy_api::http_types::{HttpMethod, http_method};

/// A match of paths that begin so.
#[must_use]
pub fn prefix(path: &str) -> HttpRouteMatch {
    of_path(path_match::Kind::Prefix(path.to_owned()))
}

/// A match of one path.
#[must_use]
pub fn exact(path: &str) -> HttpRouteMatch {
    of_path(path_match::Kind::Exact(path.to_owned()))
}

/// A match of paths by a regular expression.
#[must_use]
pub fn regex(path: &str) -> HttpRouteMatch {
    of_path(path_match::Kind::Regex(path.to_owned()))
}

/// A match of a method.
#[must_use]
pub fn method(name: &str) -> HttpRouteMatch {
    use http_method::{Registered, Type};
    let registered = match name {
        "GET" => Type::Registered(Registered::Get.into()),
        "POST" => Type::Registered(Registered::Post.into()),
        "PUT" => Type::Registered(Registered::Put.into()),
        other => Type::Unregistered(other.to_owned()),
    };
    HttpRouteMatch { method: Some(HttpMethod { r#type: Some(registered) }), ..Default::default() }
}

/// A match of a query parameter by its value.
#[must_use]
pub fn query(name: &str, value: &str) -> HttpRouteMatch {
    of_query(name, query_param_match::Value::Exact(value.to_owned()))
}

/// A match of a query parameter by a regular expression.
#[must_use]
pub fn query_regex(name: &str, value: &str) -> HttpRouteMatch {
    of_query(name, query_param_match::Value::Regex(value.to_owned()))
}

/// A match of a header field by its value, for HTTP and gRPC.
#[must_use]
pub fn header(name: &str, value: &str) -> HeaderMatch {
    let value = Some(header_match::Value::Exact(value.as_bytes().to_vec()));
    HeaderMatch { name: name.to_owned(), value }
}

/// A match of a host by its name.
#[must_use]
pub fn host(name: &str) -> HostMatch {
    HostMatch { r#match: Some(host_match::Match::Exact(name.to_owned())) }
}

fn of_path(kind: path_match::Kind) -> HttpRouteMatch {
    HttpRouteMatch { path: Some(PathMatch { kind: Some(kind) }), ..Default::default() }
}

fn of_query(name: &str, value: query_param_match::Value) -> HttpRouteMatch {
    let parameter = QueryParamMatch { name: name.to_owned(), value: Some(value) };
    HttpRouteMatch { query_params: vec![parameter], ..Default::default() }
}
