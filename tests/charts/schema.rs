//! The schemas of values are made of `values.yaml`: types from the defaults, descriptions from the comments.
//!
//! `UPDATE_SCHEMAS=1 cargo test -p manifests --test charts schema` writes them; without it a schema that is behind its `values.yaml`
//! fails the test.

use std::fs;

use manifests::Chart;
use manifests::schema::{check, reference, schema};
use serde_json::{Map, Value, json};

use crate::helm::{chart_folder, helm};
use crate::variants::variants;

/// Comments of a values file by path.
struct Comments(Map<String, Value>);

impl Comments {
    /// Reads the comment above each key. A key without one shares that of the key before it when no blank line parts them.
    fn read(text: &str) -> Self {
        let mut found = Map::new();
        let mut path: Vec<(usize, String)> = Vec::new();
        let (mut comment, mut shared) = (String::new(), Map::new());
        for line in text.lines() {
            let content = line.trim_start();
            let indent = line.len() - content.len();
            if let Some(words) = content.strip_prefix('#') {
                comment = format!("{comment} {}", words.trim()).trim().to_owned();
                continue;
            }
            if content.is_empty() {
                comment.clear();
                shared.clear();
                continue;
            }
            let Some((key, _)) = content.split_once(':').filter(|_| !content.starts_with('-')) else {
                continue;
            };
            path.retain(|(other, _)| *other < indent);
            path.push((indent, key.trim_matches('"').to_owned()));
            let name = path.iter().map(|(_, key)| key.as_str()).collect::<Vec<_>>().join("/");
            let parent = name.rsplit_once('/').map_or("", |(parent, _)| parent).to_owned();
            let words = match (comment.is_empty(), shared.get(&parent)) {
                (true, Some(words)) => words.clone(),
                (true, None) => continue,
                (false, _) => Value::String(std::mem::take(&mut comment)),
            };
            shared.insert(parent, words.clone());
            found.insert(name, words);
        }
        Self(found)
    }

    fn of(&self, path: &str) -> Option<&str> {
        self.0.get(path).and_then(Value::as_str)
    }
}

/// The schema of a chart's values.
fn generate(chart: Chart) -> Value {
    let text = fs::read_to_string(chart_folder(chart.name()).join("values.yaml")).unwrap();
    let defaults = mesh_yaml::from_str(&text).unwrap();
    let mut made = describe(&Comments::read(&text), &defaults, "");
    let entries = made.as_object_mut().unwrap();
    entries.insert("$schema".to_owned(), json!("http://json-schema.org/draft-07/schema#"));
    entries.insert("title".to_owned(), json!(format!("Values of the chart {}", chart.name())));
    made
}

fn describe(comments: &Comments, default: &Value, path: &str) -> Value {
    let mut schema = if is_resources(path) {
        resources()
    } else {
        match default {
            Value::Object(entries) => {
                let inner =
                    |key: &String| if path.is_empty() { key.clone() } else { format!("{path}/{key}") };
                // Maps whose keys nobody describes are Kubernetes' own: their keys are free.
                if entries.keys().any(|key| comments.of(&inner(key)).is_some()) {
                    let properties: Map<String, Value> = entries
                        .iter()
                        .map(|(key, value)| (key.clone(), describe(comments, value, &inner(key))))
                        .collect();
                    json!({"type": "object", "additionalProperties": false, "properties": properties})
                } else {
                    json!({"type": "object"})
                }
            }
            Value::Array(_) => json!({"type": "array"}),
            Value::Bool(_) => json!({"type": "boolean"}),
            Value::Number(number) if number.is_f64() => json!({"type": "number"}),
            Value::Number(_) => json!({"type": "integer"}),
            Value::String(text) => text_form(text),
            Value::Null => json!({}),
        }
    };
    for (key, value) in rule(path).as_object().unwrap() {
        schema[key] = value.clone();
    }
    let mut result = Map::new();
    if let Some(words) = comments.of(path) {
        result.insert("description".to_owned(), json!(words));
    }
    result.extend(schema.as_object().unwrap().clone());
    Value::Object(result)
}

/// Text whose default is a duration has to be one.
fn text_form(default: &str) -> Value {
    const DURATION: &str = "^([0-9]+(\\.[0-9]+)?(ms|s|m|h|d|w|y))+$";
    if regex::Regex::new(DURATION).unwrap().is_match(default) {
        return json!({"type": "string", "pattern": DURATION, "x-form": "a duration such as 10s or 1m30s"});
    }
    json!({"type": "string"})
}

fn is_resources(path: &str) -> bool {
    path.ends_with("Resources") || path.ends_with("/resources") || path == "resources"
}

/// Requests and limits of a container.
fn resources() -> Value {
    let amount = |words: &str| json!({"description": words, "type": ["string", "number"]});
    let amounts = |words: &str| {
        json!({"description": words, "type": "object", "additionalProperties": false,
            "properties": {"limit": amount("Upper bound."), "request": amount("Reserved amount.")}})
    };
    json!({"type": "object", "additionalProperties": false, "properties": {
        "cpu": amounts("CPU time."), "memory": amounts("Memory."), "ephemeral-storage": amounts("Scratch space."),
    }})
}

/// What the default cannot tell.
fn rule(path: &str) -> Value {
    let last = path.rsplit('/').next().unwrap_or(path);
    let port = json!({"minimum": 1, "maximum": 65_535});
    match last {
        "webhookFailurePolicy" => json!({"enum": ["Ignore", "Fail"]}),
        "imagePullPolicy" | "cniPluginPullPolicy" => json!({"enum": ["Always", "IfNotPresent", "Never"]}),
        "pullPolicy" => json!({"enum": ["", "Always", "IfNotPresent", "Never"]}),
        "controllerLogLevel" => {
            json!({"enum": ["panic", "fatal", "error", "warn", "info", "debug", "trace"]})
        }
        "logFormat" | "controllerLogFormat" => json!({"enum": ["plain", "json"]}),
        "logHTTPHeaders" => json!({"enum": ["off", "insecure"]}),
        "accessLog" => json!({"enum": ["", "apache", "json"]}),
        "defaultInboundPolicy" => json!({"enum": [
            "all-unauthenticated", "all-authenticated", "cluster-unauthenticated", "cluster-authenticated", "deny", "audit",
        ]}),
        "outboundTransportMode" => json!({"enum": ["transport-header", "transparent"]}),
        "iptablesMode" => json!({"enum": ["nft", "legacy", "plain"]}),
        "scheme" => json!({"enum": ["linkerd.io/tls", "kubernetes.io/tls"]}),
        "namespace" => json!({
            "minLength": 1, "maxLength": 63, "pattern": "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$", "x-form": "the name of a namespace",
        }),
        "maximumRatio" => json!({"type": ["string", "number"]}),
        "admin" | "control" | "inbound" | "outbound" if path.contains("/ports/") => port,
        other if other.ends_with("Port") => port,
        "controllerReplicas" | "replicas" => json!({"minimum": 0}),
        other if other.ends_with("Seconds") || other.ends_with("Secs") => json!({"minimum": 0}),
        _ => json!({}),
    }
}

/// Leaves of a schema and of the defaults, as paths.
fn leaves(
    value: &Value,
    children: &dyn Fn(&Value) -> Option<Map<String, Value>>,
    path: &str,
    found: &mut Vec<String>,
) {
    match children(value) {
        Some(entries) => {
            for (key, inner) in &entries {
                leaves(inner, children, &format!("{path}/{key}"), found);
            }
        }
        None => found.push(path.to_owned()),
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the switch between writing and checking")]
fn schemas_are_those_of_the_values() {
    for chart in Chart::ALL {
        let file = chart_folder(chart.name()).join("values.schema.json");
        let text = serde_json::to_string_pretty(&generate(chart)).unwrap() + "\n";
        if std::env::var_os("UPDATE_SCHEMAS").is_some() {
            fs::write(&file, &text).unwrap();
        }
        let stored = fs::read_to_string(&file).unwrap_or_default();
        assert!(
            stored == text,
            "{} is behind values.yaml: run the test with UPDATE_SCHEMAS=1",
            file.display()
        );
    }
}

#[test]
fn every_value_is_described() {
    for chart in Chart::ALL {
        let mut missing = Vec::new();
        undescribed(schema(chart).unwrap(), "", &mut missing);
        assert!(missing.is_empty(), "{}: values.yaml has no comment above {missing:?}", chart.name());
    }
}

fn undescribed(schema: &Value, path: &str, found: &mut Vec<String>) {
    for (key, inner) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let path = format!("{path}/{key}");
        if inner.get("description").is_none() {
            found.push(path.clone());
        }
        undescribed(inner, &path, found);
    }
}

#[test]
fn schema_and_values_have_the_same_keys() {
    for chart in Chart::ALL {
        let (mut described, mut given) = (Vec::new(), Vec::new());
        let properties = |schema: &Value| schema.get("properties").and_then(Value::as_object).cloned();
        leaves(schema(chart).unwrap(), &properties, "", &mut described);
        let text = chart.file("values.yaml").unwrap();
        let comments = Comments::read(&text);
        let entries = |value: &Value| value.as_object().filter(|entries| !entries.is_empty()).cloned();
        leaves(chart.defaults().unwrap(), &entries, "", &mut given);
        let known = |path: &String| {
            described.iter().any(|leaf| {
                path == leaf || path.starts_with(&format!("{leaf}/")) || leaf.starts_with(&format!("{path}/"))
            })
        };
        let unknown: Vec<_> = given.iter().filter(|path| !known(path)).collect();
        assert!(unknown.is_empty(), "{}: not in the schema: {unknown:?}", chart.name());
        let gone: Vec<_> =
            described.iter().filter(|leaf| !is_amount(leaf) && comments.of(&leaf[1..]).is_none()).collect();
        assert!(gone.is_empty(), "{}: not in values.yaml: {gone:?}", chart.name());
    }
}

/// Whether a leaf lies within requests and limits, whose shape is the same everywhere.
fn is_amount(leaf: &str) -> bool {
    let parts: Vec<&str> = leaf.rsplitn(3, '/').collect();
    matches!(parts[0], "limit" | "request")
        && parts.len() == 3
        && is_resources(parts[2].trim_start_matches('/'))
}

#[test]
fn both_take_every_variant_and_refuse_the_same_mistakes() {
    for chart in Chart::ALL {
        for variant in variants(chart) {
            let problems = check(chart, &variant.set).unwrap();
            assert!(problems.is_empty(), "{} ({}): {problems:?}", chart.name(), variant.name);
        }
        assert_eq!(check(chart, chart.defaults().unwrap()).unwrap(), [], "{}", chart.name());
    }
    let identity = &variants(Chart::Control)[0].set;
    let mistakes = [
        json!({"global": {"proxyy": {}}}),
        json!({"controllerReplicas": "three"}),
        json!({"controllerReplicas": 1.5}),
        json!({"webhookFailurePolicy": "ignore"}),
        json!({"global": {"proxy": {"ports": {"admin": 0}}}}),
        json!({"identity": {"issuer": {"issuanceLifetime": "a day"}}}),
        json!({"global": {"namespace": "Linkerd"}}),
        json!({"tolerations": {}}),
        json!({"identityResources": {"cpu": {"limits": "1"}}}),
    ];
    for mistake in mistakes {
        assert_eq!(check(Chart::Control, &mistake).unwrap().len(), 1, "{mistake}");
        let values = manifests::values::coalesce(identity, &mistake);
        let refused = helm().render(&chart_folder("linkerd2"), &values);
        assert!(refused.is_err_and(|error| error.contains("schema")), "Helm takes {mistake}");
    }
}

#[test]
fn the_reference_names_every_value() {
    let page = reference().unwrap();
    for chart in Chart::ALL {
        assert!(page.contains(&format!("## Chart `{}`", chart.name())));
    }
    for line in [
        "| `controllerReplicas` | a whole number | `1` |",
        "| `global.proxy.ports.admin` | a whole number | `4191` |",
    ] {
        assert!(page.contains(line), "{line}");
    }
    assert!(!page.lines().any(|line| line.ends_with("|  |")), "a value without a meaning");
}
