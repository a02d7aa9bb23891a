//! Matches, filters and hosts of routes as the APIs have them.

use linkerd2_proxy_api::http_route::{
    self, HeaderMatch, HostMatch, HttpRouteMatch, QueryParamMatch, RequestHeaderModifier, RequestRedirect,
    ResponseHeaderModifier, header_match, host_match, path_match, path_modifier, query_param_match,
};
use linkerd2_proxy_api::{grpc_route, http_types, tls_route};

use crate::record::{HeaderModifier, Match, PathMatch, PathModifier, Redirect, Text, TextMatch};

/// A host, or all below one.
pub fn host(text: &Text) -> HostMatch {
    let r#match = match text.strip_prefix("*.") {
        Some(suffix) => host_match::Match::Suffix(host_match::Suffix { reverse_labels: reversed(suffix) }),
        None => host_match::Match::Exact(text.to_string()),
    };
    HostMatch { r#match: Some(r#match) }
}

/// An SNI name, or all below one.
pub fn sni(text: &Text) -> tls_route::SniMatch {
    use tls_route::sni_match;
    let r#match = match text.strip_prefix("*.") {
        Some(suffix) => sni_match::Match::Suffix(sni_match::Suffix { reverse_labels: reversed(suffix) }),
        None => sni_match::Match::Exact(text.to_string()),
    };
    tls_route::SniMatch { r#match: Some(r#match) }
}

fn reversed(name: &str) -> Vec<String> {
    name.split('.').rev().map(str::to_owned).collect()
}

/// A condition on HTTP requests.
pub fn http_match(written: &Match) -> HttpRouteMatch {
    let path = written.path.as_ref().map(|path| http_route::PathMatch {
        kind: Some(match path {
            PathMatch::Exact(path) => path_match::Kind::Exact(path.to_string()),
            PathMatch::Prefix(path) => path_match::Kind::Prefix(path.to_string()),
            PathMatch::Regex(regex) => path_match::Kind::Regex(regex.to_string()),
        }),
    });
    let query = |(name, value): &(Text, TextMatch)| QueryParamMatch {
        name: name.to_string(),
        value: Some(match value {
            TextMatch::Exact(value) => query_param_match::Value::Exact(value.to_string()),
            TextMatch::Regex(regex) => query_param_match::Value::Regex(regex.to_string()),
        }),
    };
    HttpRouteMatch {
        path,
        headers: headers(&written.headers),
        query_params: written.query.iter().map(query).collect(),
        method: written.method.as_ref().map(|method| match http::Method::from_bytes(method.as_bytes()) {
            Ok(method) => method.into(),
            Err(_) => http_types::HttpMethod {
                r#type: Some(http_types::http_method::Type::Unregistered(method.to_string())),
            },
        }),
    }
}

/// Every request: what a rule without conditions means.
pub fn any_http() -> HttpRouteMatch {
    prefix_or_exact(path_match::Kind::Prefix("/".to_owned()))
}

/// GET of exactly this path.
pub fn get(path: &str) -> HttpRouteMatch {
    HttpRouteMatch {
        method: Some(http::Method::GET.into()),
        ..prefix_or_exact(path_match::Kind::Exact(path.to_owned()))
    }
}

fn prefix_or_exact(kind: path_match::Kind) -> HttpRouteMatch {
    HttpRouteMatch { path: Some(http_route::PathMatch { kind: Some(kind) }), ..HttpRouteMatch::default() }
}

/// A condition on gRPC requests.
pub fn grpc_match(written: &Match) -> grpc_route::GrpcRouteMatch {
    let rpc = written.rpc.as_ref().map(|(service, method)| grpc_route::GrpcRpcMatch {
        service: service.to_string(),
        method: method.to_string(),
    });
    grpc_route::GrpcRouteMatch { rpc, headers: headers(&written.headers) }
}

fn headers(written: &[(Text, TextMatch)]) -> Vec<HeaderMatch> {
    let header = |(name, value): &(Text, TextMatch)| HeaderMatch {
        name: name.to_ascii_lowercase(),
        value: Some(match value {
            TextMatch::Exact(value) => header_match::Value::Exact(value.as_bytes().to_vec()),
            TextMatch::Regex(regex) => header_match::Value::Regex(regex.to_string()),
        }),
    };
    written.iter().map(header).collect()
}

/// Changes to headers of requests.
pub fn request_headers(modifier: &HeaderModifier) -> RequestHeaderModifier {
    RequestHeaderModifier {
        add: Some(header_list(&modifier.add)),
        set: Some(header_list(&modifier.set)),
        remove: modifier.remove.iter().map(ToString::to_string).collect(),
    }
}

/// Changes to headers of responses.
pub fn response_headers(modifier: &HeaderModifier) -> ResponseHeaderModifier {
    ResponseHeaderModifier {
        add: Some(header_list(&modifier.add)),
        set: Some(header_list(&modifier.set)),
        remove: modifier.remove.iter().map(ToString::to_string).collect(),
    }
}

fn header_list(headers: &[(Text, Text)]) -> http_types::Headers {
    let header = |(name, value): &(Text, Text)| http_types::headers::Header {
        name: name.to_string(),
        value: value.as_bytes().to_vec(),
    };
    http_types::Headers { headers: headers.iter().map(header).collect() }
}

/// An answer that sends the client elsewhere.
pub fn redirect(redirect: &Redirect) -> RequestRedirect {
    let path = redirect.path.as_ref().map(|path| http_route::PathModifier {
        replace: Some(match path {
            PathModifier::Full(path) => path_modifier::Replace::Full(path.to_string()),
            PathModifier::Prefix(path) => path_modifier::Replace::Prefix(path.to_string()),
        }),
    });
    RequestRedirect {
        scheme: redirect.scheme.as_ref().map(|scheme| scheme.as_str().into()),
        host: redirect.host.as_ref().map(ToString::to_string).unwrap_or_default(),
        path,
        port: redirect.port.unwrap_or_default().into(),
        status: redirect.status.unwrap_or_default().into(),
    }
}
