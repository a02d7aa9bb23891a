//! Labels that the control plane gives to endpoints and routes.

use std::collections::HashMap;
use std::sync::Arc;

use super::error::{InvalidMessage, Problem};

/// Labels of one thing.
const COUNT_MAX: usize = 64;
/// Octets of a name.
const NAME_MAX: usize = 128;
/// Octets of a value: names of Kubernetes have at most 253, identities somewhat more.
const VALUE_MAX: usize = 1024;

/// Names and values, sorted by name. Names are such as the exposition format allows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Labels(Arc<[(Box<str>, Box<str>)]>);

// === impl Labels ===

impl Labels {
    /// Converts a map; octets of names that a metric label cannot have become `_`.
    ///
    /// # Errors
    /// When there are too many, or one is too long.
    pub fn new(map: HashMap<String, String>) -> Result<Self, InvalidMessage> {
        Self::merged(&HashMap::new(), map)
    }

    /// The same over a map of defaults.
    ///
    /// # Errors
    /// When there are too many, or one is too long.
    pub fn merged(
        defaults: &HashMap<String, String>,
        own: HashMap<String, String>,
    ) -> Result<Self, InvalidMessage> {
        let mut all: Vec<(Box<str>, Box<str>)> = Vec::with_capacity(defaults.len() + own.len());
        let inherited = defaults.iter().filter(|(name, _)| !own.contains_key(*name));
        for (name, value) in own.iter().chain(inherited) {
            if name.len() > NAME_MAX || value.len() > VALUE_MAX {
                return Err(InvalidMessage::with_value("metric_labels", Problem::TooLarge, name));
            }
            all.push((label_name(name), value.as_str().into()));
        }
        if all.len() > COUNT_MAX {
            return Err(InvalidMessage::with_value("metric_labels", Problem::TooLarge, all.len()));
        }
        all.sort_unstable();
        all.dedup_by(|later, first| later.0 == first.0);
        Ok(Self(all.into()))
    }

    /// The value of a label.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        self.iter().find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    /// All, sorted by name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn label_name(name: &str) -> Box<str> {
    let mut clean: String =
        name.chars().map(|char| if char.is_ascii_alphanumeric() { char } else { '_' }).collect();
    if clean.is_empty() || clean.starts_with(|first: char| first.is_ascii_digit()) {
        clean.insert(0, '_');
    }
    clean.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> HashMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn own_labels_win_and_names_are_made_fit() {
        let labels = Labels::merged(
            &map(&[("a", "set"), ("b", "set")]),
            map(&[("b", "own"), ("x.io/y", "1"), ("0", "2")]),
        )
        .unwrap();
        let all: Vec<_> = labels.iter().collect();
        assert_eq!(all, [("_0", "2"), ("a", "set"), ("b", "own"), ("x_io_y", "1")]);
        assert_eq!(labels.value("b"), Some("own"));
    }

    #[test]
    fn labels_have_limits() {
        let huge = "x".repeat(1 << 20);
        for labels in [map(&[("a", &huge)]), map(&[(&huge, "a")])] {
            assert_eq!(Labels::new(labels).unwrap_err().problem(), Problem::TooLarge);
        }
        let many = (0..1000).map(|index| (format!("l{index}"), String::new())).collect();
        assert_eq!(Labels::new(many).unwrap_err().problem(), Problem::TooLarge);
    }
}
