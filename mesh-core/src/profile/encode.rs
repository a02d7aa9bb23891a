//! A ServiceProfile as the object that is applied.

use serde_json::{Map, Value, json};

use super::{API_VERSION, KIND, PortRange, RequestMatch, ResponseMatch, Route, ServiceProfile, Spec};

/// The object with its keys in alphabetical order, as the API's own libraries write it.
pub(super) fn profile(profile: &ServiceProfile) -> Value {
    let mut metadata = Map::new();
    metadata.insert("creationTimestamp".into(), Value::Null);
    metadata.insert("name".into(), profile.name.as_str().into());
    if let Some(namespace) = &profile.namespace {
        metadata.insert("namespace".into(), namespace.as_str().into());
    }
    json!({"apiVersion": API_VERSION, "kind": KIND, "metadata": metadata, "spec": spec(&profile.spec)})
}

fn spec(spec: &Spec) -> Value {
    let mut out = Map::new();
    if !spec.dst_overrides.is_empty() {
        let overrides = spec.dst_overrides.iter();
        let overrides = overrides
            .map(|one| json!({"authority": one.authority, "weight": quantity(one.weight_milli)}))
            .collect();
        out.insert("dstOverrides".into(), Value::Array(overrides));
    }
    if !spec.opaque_ports.is_empty() {
        out.insert("opaquePorts".into(), spec.opaque_ports.iter().map(ports).collect());
    }
    if let Some(budget) = &spec.retry_budget {
        let budget = json!({
            "minRetriesPerSecond": budget.min_retries_per_second,
            "retryRatio": budget.retry_ratio,
            "ttl": budget.ttl.as_str(),
        });
        out.insert("retryBudget".into(), budget);
    }
    out.insert("routes".into(), spec.routes.iter().map(route).collect());
    Value::Object(out)
}

fn route(route: &Route) -> Value {
    let mut out = Map::new();
    out.insert("condition".into(), request(&route.condition));
    if route.is_retryable {
        out.insert("isRetryable".into(), true.into());
    }
    out.insert("name".into(), route.name.as_str().into());
    if !route.response_classes.is_empty() {
        let classes = route.response_classes.iter().map(|class| {
            let mut out = Map::new();
            out.insert("condition".into(), response(&class.condition));
            if class.is_failure {
                out.insert("isFailure".into(), true.into());
            }
            Value::Object(out)
        });
        out.insert("responseClasses".into(), classes.collect());
    }
    if let Some(timeout) = &route.timeout {
        out.insert("timeout".into(), timeout.as_str().into());
    }
    Value::Object(out)
}

fn request(condition: &RequestMatch) -> Value {
    let mut out = Map::new();
    if !condition.all.is_empty() {
        out.insert("all".into(), condition.all.iter().map(request).collect());
    }
    if !condition.any.is_empty() {
        out.insert("any".into(), condition.any.iter().map(request).collect());
    }
    if let Some(method) = &condition.method {
        out.insert("method".into(), method.as_str().into());
    }
    if let Some(not) = &condition.not {
        out.insert("not".into(), request(not));
    }
    if let Some(regex) = &condition.path_regex {
        out.insert("pathRegex".into(), regex.as_str().into());
    }
    Value::Object(out)
}

fn response(condition: &ResponseMatch) -> Value {
    let mut out = Map::new();
    if !condition.all.is_empty() {
        out.insert("all".into(), condition.all.iter().map(response).collect());
    }
    if !condition.any.is_empty() {
        out.insert("any".into(), condition.any.iter().map(response).collect());
    }
    if let Some(not) = &condition.not {
        out.insert("not".into(), response(not));
    }
    if let Some(status) = &condition.status {
        let mut range = Map::new();
        if let Some(max) = status.max {
            range.insert("max".into(), max.into());
        }
        if let Some(min) = status.min {
            range.insert("min".into(), min.into());
        }
        out.insert("status".into(), Value::Object(range));
    }
    Value::Object(out)
}

fn quantity(milli: u64) -> String {
    if milli.is_multiple_of(1000) { (milli / 1000).to_string() } else { format!("{milli}m") }
}

fn ports(range: &PortRange) -> Value {
    let text = if range.first == range.last {
        range.first.to_string()
    } else {
        format!("{}-{}", range.first, range.last)
    };
    Value::String(text)
}
