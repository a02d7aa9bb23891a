//! Label selectors, parsed once.

use serde::Deserialize;

use super::{Labels, Text};

/// Which objects are meant, by their labels. The empty selector means all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector {
    requirements: Box<[Requirement]>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Requirement {
    key: Text,
    operator: Operator,
    values: Box<[Text]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
enum Operator {
    In,
    NotIn,
    Exists,
    DoesNotExist,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    #[serde(default)]
    match_labels: Labels,
    #[serde(default)]
    match_expressions: Option<Vec<WrittenRequirement>>,
}

#[derive(Deserialize)]
struct WrittenRequirement {
    key: Text,
    operator: Operator,
    #[serde(default)]
    values: Option<Vec<Text>>,
}

// === impl Selector ===

impl Selector {
    /// The selector of a Service: every label must be there.
    pub fn of_labels(labels: &Labels) -> Self {
        let equal = |(key, value): (&Text, &Text)| Requirement {
            key: key.clone(),
            operator: Operator::In,
            values: Box::new([value.clone()]),
        };
        Self { requirements: labels.iter().map(equal).collect() }
    }

    /// The labels that must have exactly one value, as those of a Service's selector must.
    pub fn equalities(&self) -> impl Iterator<Item = (&Text, &Text)> {
        self.requirements.iter().filter_map(|it| match (it.operator, &*it.values) {
            (Operator::In, [value]) => Some((&it.key, value)),
            _ => None,
        })
    }

    /// Whether an object with these labels is meant.
    pub fn matches(&self, labels: &Labels) -> bool {
        self.requirements.iter().all(|requirement| {
            let value = labels.value(&requirement.key);
            let listed = || value.is_some_and(|value| requirement.values.contains(value));
            match requirement.operator {
                Operator::In => listed(),
                // An absent label is not in the list either.
                Operator::NotIn => !listed(),
                Operator::Exists => value.is_some(),
                Operator::DoesNotExist => value.is_none(),
            }
        })
    }
}

impl<'de> Deserialize<'de> for Selector {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error as _;
        let written = Written::deserialize(deserializer)?;
        let mut requirements = Self::of_labels(&written.match_labels).requirements.into_vec();
        for WrittenRequirement { key, operator, values } in written.match_expressions.unwrap_or_default() {
            let values = values.unwrap_or_default();
            let wants_values = matches!(operator, Operator::In | Operator::NotIn);
            if wants_values == values.is_empty() {
                let rule = if wants_values { "needs values" } else { "takes no values" };
                return Err(D::Error::custom(format!("matchExpressions: {operator:?} of {key} {rule}")));
            }
            requirements.push(Requirement { key, operator, values: values.into() });
        }
        Ok(Self { requirements: requirements.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selects(selector: &str, labels: &str) -> bool {
        let selector: Selector = serde_json::from_str(selector).unwrap();
        selector.matches(&serde_json::from_str(labels).unwrap())
    }

    #[test]
    fn each_operator_means_what_kubernetes_says() {
        let not_in = r#"{"matchExpressions":[{"key":"tier","operator":"NotIn","values":["front"]}]}"#;
        // Flaw it answers: an inverted NotIn selected exactly the wrong pods.
        assert!(!selects(not_in, r#"{"tier":"front"}"#));
        assert!(selects(not_in, r#"{"tier":"back"}"#) && selects(not_in, "{}"));
        let exists =
            r#"{"matchLabels":{"app":"web"},"matchExpressions":[{"key":"old","operator":"DoesNotExist"}]}"#;
        assert!(selects(exists, r#"{"app":"web"}"#) && !selects(exists, r#"{"app":"web","old":"1"}"#));
        assert!(selects("{}", "{}"));
        let bad = r#"{"matchExpressions":[{"key":"a","operator":"In"}]}"#;
        assert!(serde_json::from_str::<Selector>(bad).unwrap_err().to_string().contains("needs values"));
    }
}
