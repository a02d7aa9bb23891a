//! Gateway API routes for a Service: HTTPRoutes and GRPCRoutes.
//!
//! A Service with routes answers nothing that no route matches, so the last rule takes everything else; without it
//! a health check that the source does not mention would fail. Objects keep to the limits of the API: 16 rules each,
//! 64 matches a rule, 128 matches in all. Rules name no backend: they send to the Service itself.
//!
//! Timeouts are the API's own (`rules[].timeouts`). Its field for retries is not in the standard channel, where the
//! API server refuses it; retries are asked for by Linkerd's annotations instead, on objects of their own.

use mesh_core::duration::GatewayDuration;
use mesh_core::profile::WrittenDuration;
use serde_json::{Map, Value, json};

use crate::error::Error;
use crate::operation::Operation;
use crate::{PathPattern, Target};

/// Most rules of a route.
pub const RULES: usize = 16;
/// Most matches of a rule.
pub const MATCHES: usize = 64;
/// Most matches of all rules of a route.
pub const ALL_MATCHES: usize = 128;
/// Most characters of a path in a match.
pub const PATH_LENGTH: usize = 1024;

const API_VERSION: &str = "gateway.networking.k8s.io/v1";

/// Matches that are handled in one way.
struct Rule {
    matches: Vec<Value>,
    timeout: Option<String>,
    retryable: bool,
}

/// Rules that fit into one object.
#[derive(Default)]
struct Batch {
    rules: Vec<Rule>,
    matches: usize,
}

/// HTTPRoutes of the operations. Those of one path that are handled alike share a rule.
///
/// # Errors
/// A path or a timeout that a route cannot hold.
pub fn http_routes(target: &Target, operations: &[Operation]) -> Result<Vec<Value>, Error> {
    let mut rules: Vec<Rule> = Vec::new();
    let mut last: Option<&PathPattern> = None;
    for operation in operations {
        let timeout = operation.timeout.as_ref().map(gateway_duration).transpose()?;
        let found = json!({"method": operation.method, "path": path_match(&operation.path)?});
        match rules.last_mut() {
            Some(rule)
                if last == Some(&operation.path)
                    && rule.timeout == timeout
                    && rule.retryable == operation.retryable
                    && rule.matches.len() < MATCHES =>
            {
                rule.matches.push(found);
            }
            _ => rules.push(Rule { matches: vec![found], timeout, retryable: operation.retryable }),
        }
        last = Some(&operation.path);
    }
    let rest = Rule {
        matches: vec![json!({"path": {"type": "PathPrefix", "value": "/"}})],
        timeout: None,
        retryable: false,
    };
    Ok(objects(target, "HTTPRoute", "retry.linkerd.io/http", "5xx", rules, rest))
}

/// GRPCRoutes of the operations: a rule for each service.
///
/// # Errors
/// Operations that are not gRPC methods.
pub fn grpc_routes(target: &Target, operations: &[Operation]) -> Result<Vec<Value>, Error> {
    let mut rules: Vec<(&str, Rule)> = Vec::new();
    for operation in operations {
        let Some(rpc) = &operation.rpc else {
            return Err(Error::Unfit("a GRPCRoute needs gRPC methods, which only --proto has"));
        };
        let found = json!({"method": {"method": rpc.method, "service": rpc.service, "type": "Exact"}});
        let fits = |(service, rule): &&mut (&str, Rule)| {
            *service == rpc.service && rule.retryable == operation.retryable && rule.matches.len() < MATCHES
        };
        match rules.iter_mut().rev().find(fits) {
            Some((_, rule)) => rule.matches.push(found),
            None => {
                let rule = Rule { matches: vec![found], timeout: None, retryable: operation.retryable };
                rules.push((&rpc.service, rule));
            }
        }
    }
    let rules = rules.into_iter().map(|(_, rule)| rule).collect();
    // A rule without matches takes every method.
    let rest = Rule { matches: Vec::new(), timeout: None, retryable: false };
    Ok(objects(target, "GRPCRoute", "retry.linkerd.io/grpc", "unavailable", rules, rest))
}

/// The objects: those without retries first, the rule for everything else last of these.
fn objects(
    target: &Target,
    kind: &str,
    annotation: &str,
    retried: &str,
    rules: Vec<Rule>,
    rest: Rule,
) -> Vec<Value> {
    let (retryable, mut plain): (Vec<Rule>, Vec<Rule>) = rules.into_iter().partition(|rule| rule.retryable);
    plain.push(rest);
    let mut objects = Vec::new();
    for (rules, suffix, annotations) in
        [(plain, "", None), (retryable, "-retryable", Some(json!({annotation: retried})))]
    {
        for (index, batch) in batches(rules).into_iter().enumerate() {
            let number = if index == 0 { String::new() } else { format!("-{}", index + 1) };
            let name = format!("{}{suffix}{number}", target.service);
            objects.push(object(target, kind, &name, annotations.clone(), batch));
        }
    }
    objects
}

fn batches(rules: Vec<Rule>) -> Vec<Batch> {
    let mut batches: Vec<Batch> = Vec::new();
    for rule in rules {
        // A rule without matches counts as one: the API fills one in.
        let matches = rule.matches.len().max(1);
        match batches.last_mut() {
            Some(batch) if batch.rules.len() < RULES && batch.matches + matches <= ALL_MATCHES => {
                batch.rules.push(rule);
                batch.matches += matches;
            }
            _ => batches.push(Batch { rules: vec![rule], matches }),
        }
    }
    batches
}

fn object(target: &Target, kind: &str, name: &str, annotations: Option<Value>, batch: Batch) -> Value {
    let mut metadata = Map::new();
    if let Some(annotations) = annotations {
        metadata.insert("annotations".into(), annotations);
    }
    metadata.insert("name".into(), name.into());
    metadata.insert("namespace".into(), target.namespace.as_str().into());
    let rules: Vec<Value> = batch.rules.into_iter().map(rule).collect();
    json!({
        "apiVersion": API_VERSION,
        "kind": kind,
        "metadata": metadata,
        "spec": {
            "parentRefs": [{"group": "", "kind": "Service", "name": target.service.as_str()}],
            "rules": rules,
        },
    })
}

fn rule(rule: Rule) -> Value {
    let mut out = Map::new();
    if !rule.matches.is_empty() {
        out.insert("matches".into(), rule.matches.into());
    }
    if let Some(timeout) = rule.timeout {
        out.insert("timeouts".into(), json!({"request": timeout}));
    }
    Value::Object(out)
}

fn path_match(path: &PathPattern) -> Result<Value, Error> {
    let (kind, value) = match path.exact().filter(|path| is_plain(path)) {
        Some(path) => ("Exact", path.to_owned()),
        None => ("RegularExpression", path.regex()),
    };
    if value.len() > PATH_LENGTH {
        return Err(Error::Unfit("a path is longer than the 1024 characters that an HTTPRoute can hold"));
    }
    Ok(json!({"type": kind, "value": value}))
}

/// Whether the API takes a path as it stands; others go as regular expressions.
fn is_plain(path: &str) -> bool {
    let lower = path.to_ascii_lowercase();
    let refused = ["//", "/./", "/../", "%2f"];
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-/._~!$&'()*+,;=:@".contains(&byte);
    let escaped = |part: &[u8]| part.len() >= 2 && part[..2].iter().all(u8::is_ascii_hexdigit);
    let characters = path
        .bytes()
        .enumerate()
        .all(|(at, byte)| allowed(byte) || byte == b'%' && escaped(&path.as_bytes()[at + 1..]));
    path.starts_with('/')
        && characters
        && !refused.iter().any(|part| lower.contains(part))
        && !path.ends_with("/.")
        && !path.ends_with("/..")
}

/// Parts of a millisecond round up, so that a timeout never becomes none.
fn gateway_duration(duration: &WrittenDuration) -> Result<String, Error> {
    let fits = GatewayDuration::new(duration.length());
    let fits =
        fits.ok_or(Error::Unfit("a timeout is longer than the 99999 hours that an HTTPRoute can hold"))?;
    Ok(fits.to_string())
}
