//! Exposition text, strictly parsed.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use anyhow::{Context, Result, bail};

/// Labels of a series.
pub type Labels = BTreeMap<String, String>;

/// All series of one scrape.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    series: BTreeMap<(String, Labels), f64>,
}

// === impl Metrics ===

impl Metrics {
    /// The sum of a family's series that have all of these labels.
    #[must_use]
    pub fn sum(&self, family: &str, labels: &[(&str, &str)]) -> f64 {
        self.matching(family, labels).map(|(_, value)| value).sum()
    }

    /// Whether a family has a series with all of these labels.
    #[must_use]
    pub fn has(&self, family: &str, labels: &[(&str, &str)]) -> bool {
        self.matching(family, labels).next().is_some()
    }

    /// The series of a family that have all of these labels.
    pub fn matching<'a>(
        &'a self,
        family: &'a str,
        labels: &'a [(&'a str, &'a str)],
    ) -> impl Iterator<Item = (&'a Labels, f64)> {
        self.series.iter().filter(move |((name, _), _)| name == family).filter_map(
            move |((_, have), value)| {
                let all =
                    labels.iter().all(|(key, wanted)| have.get(*key).is_some_and(|value| value == wanted));
                all.then_some((have, *value))
            },
        )
    }

    /// Names of all families that have series.
    #[must_use]
    pub fn families(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.series.keys().map(|(name, _)| name.as_str()).collect();
        names.dedup();
        names
    }

    /// The number of series.
    #[must_use]
    pub fn len(&self) -> usize {
        self.series.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.series.is_empty()
    }
}

impl FromStr for Metrics {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut metrics = Self::default();
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let (series, value) = parse(line).with_context(|| format!("malformed metric: {line}"))?;
            if metrics.series.insert(series, value).is_some() {
                bail!("a series twice: {line}");
            }
        }
        Ok(metrics)
    }
}

impl fmt::Display for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for ((name, labels), value) in &self.series {
            write!(f, "{name}{{")?;
            for (key, value) in labels {
                write!(f, "{key}={value:?},")?;
            }
            writeln!(f, "}} {value}")?;
        }
        Ok(())
    }
}

fn parse(line: &str) -> Result<((String, Labels), f64)> {
    let end =
        line.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':')).context("no value")?;
    let (name, mut rest) = line.split_at(end);
    let mut labels = Labels::new();
    if let Some(inner) = rest.strip_prefix('{') {
        rest = inner;
        while !rest.starts_with('}') {
            let (key, after) = rest.split_once("=\"").context("no label")?;
            let (value, after) = quoted(after)?;
            if labels.insert(key.to_owned(), value).is_some() {
                bail!("the label {key} twice");
            }
            rest = after.strip_prefix(',').unwrap_or(after);
        }
        rest = &rest[1..];
    }
    let value = rest.split_whitespace().next().context("no value")?;
    let value = if value == "+Inf" { f64::INFINITY } else { value.parse().context("no number")? };
    Ok(((name.to_owned(), labels), value))
}

/// A label's value up to its closing quote, and what follows.
fn quoted(text: &str) -> Result<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((value, &text[at + 1..])),
            '\\' => match chars.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, c @ ('"' | '\\'))) => value.push(c),
                _ => bail!("an unknown escape"),
            },
            c => value.push(c),
        }
    }
    bail!("no closing quote")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_found_by_labels() {
        let text = "# HELP a b\na_total{x=\"1\",y=\"a \\\"q\\\" b\"} 3\na_total{x=\"2\"} 4\nup 1\n";
        let metrics: Metrics = text.parse().unwrap();
        assert!((metrics.sum("a_total", &[]) - 7.0).abs() < 1e-9);
        assert!(metrics.has("a_total", &[("y", "a \"q\" b")]));
        assert!(!metrics.has("a_total", &[("x", "3")]));
        assert_eq!(metrics.families(), ["a_total", "up"]);
    }

    #[test]
    fn a_series_given_twice_is_refused() {
        assert!("a 1\na 2\n".parse::<Metrics>().is_err());
        assert!("a{x=\"1} 2\n".parse::<Metrics>().is_err());
    }
}
