//! Label selectors, as objects carry them.

use serde_json::Value;

/// Whether `labels` (a map of texts, or nothing) satisfy `selector` (`matchLabels`, `matchExpressions`).
/// An empty selector selects everything; an unknown operator nothing.
pub fn selects(selector: &Value, labels: Option<&Value>) -> bool {
    let label = |key: &str| labels.and_then(|labels| labels.get(key)).and_then(Value::as_str);
    let equal = selector.get("matchLabels").and_then(Value::as_object).into_iter().flatten();
    let expressions = selector.get("matchExpressions").and_then(Value::as_array).into_iter().flatten();
    equal.into_iter().all(|(key, value)| label(key) == value.as_str())
        && expressions.into_iter().all(|expression| {
            let key = expression["key"].as_str().unwrap_or_default();
            holds(expression, label(key))
        })
}

fn holds(expression: &Value, label: Option<&str>) -> bool {
    let values = expression["values"].as_array();
    let listed =
        label.is_some_and(|label| values.is_some_and(|values| values.iter().any(|value| value == label)));
    match expression["operator"].as_str() {
        Some("In") => listed,
        Some("NotIn") => !listed,
        Some("Exists") => label.is_some(),
        Some("DoesNotExist") => label.is_none(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::selects;

    #[test]
    fn every_operator_does_what_its_name_says() {
        let labels = json!({"app": "web", "tier": "front"});
        let one = |operator: &str, key: &str, values: &[&str]| {
            let selector =
                json!({"matchExpressions": [{"key": key, "operator": operator, "values": values}]});
            selects(&selector, Some(&labels))
        };
        assert!(
            one("In", "app", &["web", "api"]) && !one("In", "app", &["api"]) && !one("In", "none", &["x"])
        );
        assert!(
            one("NotIn", "app", &["api"]) && one("NotIn", "none", &["x"]) && !one("NotIn", "app", &["web"])
        );
        assert!(one("Exists", "tier", &[]) && !one("Exists", "none", &[]));
        assert!(one("DoesNotExist", "none", &[]) && !one("DoesNotExist", "tier", &[]));
        assert!(!one("Near", "app", &["web"]));
        assert!(selects(&json!({}), None));
        assert!(selects(&json!({"matchLabels": {"app": "web"}}), Some(&labels)));
        assert!(!selects(&json!({"matchLabels": {"app": "api"}}), Some(&labels)));
    }
}
