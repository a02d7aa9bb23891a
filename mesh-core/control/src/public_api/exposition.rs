//! Reads the text in which proxies tell their numbers, a line at a time, without keeping it.

use std::borrow::Cow;

/// Longest line that is read, in bytes.
const MAX_LINE: usize = 64 * 1024;
/// Most labels of a sample.
const MAX_LABELS: usize = 128;

/// One sample.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample<'a> {
    /// Name of the metric, with its suffix.
    pub name: &'a str,
    /// Labels in the order written.
    pub labels: Vec<(&'a str, Cow<'a, str>)>,
    /// The value.
    pub value: f64,
}

/// The samples of a text; lines that are none are passed over.
pub fn samples(text: &str) -> impl Iterator<Item = Sample<'_>> {
    text.lines().filter(|line| !line.starts_with('#') && line.len() <= MAX_LINE).filter_map(sample)
}

/// The name of the metric in a line, without reading the rest.
pub fn name(line: &str) -> &str {
    line.split(['{', ' ', '\t']).next().unwrap_or_default()
}

/// Reads a line.
pub fn sample(line: &str) -> Option<Sample<'_>> {
    let line = line.trim();
    let name = name(line);
    if name.is_empty() {
        return None;
    }
    let mut rest = &line[name.len()..];
    let mut labels = Vec::new();
    if let Some(inner) = rest.strip_prefix('{') {
        rest = inner;
        loop {
            rest = rest.trim_start_matches([' ', ',']);
            if let Some(after) = rest.strip_prefix('}') {
                rest = after;
                break;
            }
            let (key, after) = rest.split_once('=')?;
            let (value, after) = quoted(after.trim_start())?;
            if labels.len() == MAX_LABELS {
                return None;
            }
            labels.push((key.trim(), value));
            rest = after;
        }
    }
    let value = rest.split_ascii_whitespace().next()?;
    let value = match value {
        "+Inf" => f64::INFINITY,
        "-Inf" => f64::NEG_INFINITY,
        number => number.parse().ok()?,
    };
    Some(Sample { name, labels, value })
}

/// A quoted value and what follows it.
fn quoted(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let inner = text.strip_prefix('"')?;
    let end = inner.find(['"', '\\'])?;
    if inner.as_bytes()[end] == b'"' {
        return Some((Cow::Borrowed(&inner[..end]), &inner[end + 1..]));
    }
    let mut out = String::new();
    let mut characters = inner.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((Cow::Owned(out), &inner[at + 1..])),
            '\\' => match characters.next()?.1 {
                'n' => out.push('\n'),
                other => out.push(other),
            },
            other => out.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines_of_every_form_are_read() {
        let text = "# HELP a b\n# TYPE a counter\na 1\nb{} 2.5\nc{x=\"1\",y=\"a\\\"b\\\\c\\n\"} 3 1700000000000\n\
                    d{x=\"1\",} +Inf\nbad{x=1} 1\nworse{x=\"1\nnone\n";
        let read: Vec<Sample<'_>> = samples(text).collect();
        let names: Vec<&str> = read.iter().map(|it| it.name).collect();
        assert_eq!(names, ["a", "b", "c", "d"]);
        assert_eq!(read[2].labels, [("x", "1".into()), ("y", "a\"b\\c\n".into())]);
        assert!((read[1].value - 2.5).abs() < f64::EPSILON && read[3].value.is_infinite());
    }

    proptest! {
        #[test]
        fn no_text_is_too_odd(text in "\\PC*") {
            let _ = samples(&text).count();
        }

        #[test]
        fn what_is_escaped_comes_back(value in "\\PC*") {
            let escaped = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let line = format!("m{{a=\"{escaped}\",b=\"x\"}} 1");
            if !value.contains('\r') {
                let read = sample(&line).unwrap();
                prop_assert_eq!(read.labels[0].1.as_ref(), value.as_str());
            }
        }
    }
}
