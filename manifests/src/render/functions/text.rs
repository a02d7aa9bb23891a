//! Functions on text.

use std::sync::Arc;

use super::{Outcome, Row, as_int, as_list, as_text, bounded, exactly, stringly};
use crate::render::data::{Data, Dict};
use crate::render::format;

pub(super) const TABLE: &[Row] = &[
    ("quote", quote),
    ("squote", squote),
    ("indent", |values| padded(values, "")),
    ("nindent", |values| padded(values, "\n")),
    ("print", |values| Ok(Data::text(format::sprint(values)))),
    ("println", println),
    ("printf", printf),
    ("upper", |values| one(values, str::to_uppercase)),
    ("lower", |values| one(values, str::to_lowercase)),
    ("title", |values| one(values, title)),
    ("untitle", |values| one(values, untitle)),
    ("trim", |values| one(values, |text| text.trim().to_owned())),
    ("trimAll", |values| two(values, |cutset, text| text.trim_matches(within(cutset)).to_owned())),
    ("trimPrefix", |values| two(values, |prefix, text| text.strip_prefix(prefix).unwrap_or(text).to_owned())),
    ("trimSuffix", |values| two(values, |suffix, text| text.strip_suffix(suffix).unwrap_or(text).to_owned())),
    ("nospace", |values| one(values, |text| text.split_whitespace().collect())),
    ("trunc", trunc),
    ("substr", substr),
    ("repeat", repeat),
    ("replace", replace),
    ("contains", |values| test(values, |part, text| text.contains(part))),
    ("hasPrefix", |values| test(values, |part, text| text.starts_with(part))),
    ("hasSuffix", |values| test(values, |part, text| text.ends_with(part))),
    ("cat", cat),
    ("splitList", split_list),
    ("split", split),
    ("splitn", splitn),
    ("join", join),
    ("toString", |values| exactly::<1>(values).map(|[value]| Data::text(stringly(value)))),
    ("toStrings", to_strings),
    ("regexMatch", regex_match),
    ("regexFind", regex_find),
    ("regexReplaceAll", regex_replace),
    ("regexReplaceAllLiteral", regex_replace_literal),
    ("kebabcase", |values| one(values, |text| words(text, '-'))),
    ("snakecase", |values| one(values, |text| words(text, '_'))),
];

fn one(values: &[Data], run: impl Fn(&str) -> String) -> Outcome {
    let [text] = exactly(values)?;
    Ok(Data::text(run(as_text(text)?)))
}

fn two(values: &[Data], run: impl Fn(&str, &str) -> String) -> Outcome {
    let [first, second] = exactly(values)?;
    Ok(Data::text(run(as_text(first)?, as_text(second)?)))
}

fn test(values: &[Data], run: impl Fn(&str, &str) -> bool) -> Outcome {
    let [first, second] = exactly(values)?;
    Ok(Data::Bool(run(as_text(first)?, as_text(second)?)))
}

fn within(cutset: &str) -> impl Fn(char) -> bool + '_ {
    move |character| cutset.contains(character)
}

fn quote(values: &[Data]) -> Outcome {
    let mut out = String::new();
    for value in values.iter().filter(|value| **value != Data::Nil) {
        if !out.is_empty() {
            out.push(' ');
        }
        format::quote(&mut out, &stringly(value));
    }
    Ok(Data::text(out))
}

fn squote(values: &[Data]) -> Outcome {
    let quoted: Vec<String> = values
        .iter()
        .filter(|value| **value != Data::Nil)
        .map(|value| format!("'{}'", stringly(value)))
        .collect();
    Ok(Data::text(quoted.join(" ")))
}

/// `indent` and `nindent`: spaces before every line, after what goes in front.
fn padded(values: &[Data], front: &str) -> Outcome {
    let [spaces, text] = exactly(values)?;
    let (spaces, text) = (bounded(as_int(spaces))?, as_text(text)?);
    let lines = text.bytes().filter(|byte| *byte == b'\n').count() + 1;
    bounded(i64::try_from(spaces.saturating_mul(lines)).unwrap_or(i64::MAX))?;
    let padding = " ".repeat(spaces);
    let mut out = String::with_capacity(front.len() + text.len() + spaces * lines);
    out.push_str(front);
    for (index, line) in text.split('\n').enumerate() {
        if index > 0 {
            out.push('\n');
        }
        out.push_str(&padding);
        out.push_str(line);
    }
    Ok(Data::text(out))
}

fn println(values: &[Data]) -> Outcome {
    let words: Vec<String> = values.iter().map(stringly).collect();
    Ok(Data::text(words.join(" ") + "\n"))
}

fn printf(values: &[Data]) -> Outcome {
    let (first, rest) = values.split_first().ok_or("wants a format")?;
    Ok(Data::text(format::sprintf(as_text(first)?, rest)))
}

fn title(text: &str) -> String {
    let mut start = true;
    text.chars()
        .flat_map(|character| {
            let upper = start && character.is_alphabetic();
            start = !(character.is_alphanumeric() || character == '_');
            if upper { character.to_uppercase().collect::<Vec<_>>() } else { vec![character] }
        })
        .collect()
}

fn untitle(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_lowercase().chain(characters).collect())
}

fn trunc(values: &[Data]) -> Outcome {
    let [length, text] = exactly(values)?;
    let (length, text) = (as_int(length), as_text(text)?);
    let size = usize::try_from(length.unsigned_abs()).unwrap_or(usize::MAX);
    if size >= text.len() {
        return Ok(Data::Text(Arc::clone(text)));
    }
    let cut = if length >= 0 { text.get(..size) } else { text.get(text.len() - size..) };
    cut.map(Data::text).ok_or_else(|| "would cut a character in two".to_owned())
}

fn substr(values: &[Data]) -> Outcome {
    let [start, end, text] = exactly(values)?;
    let (start, end, text) = (as_int(start), as_int(end), as_text(text)?);
    let length = i64::try_from(text.len()).unwrap_or(i64::MAX);
    let from = start.clamp(0, length);
    let to = if start < 0 {
        end
    } else if end < 0 || end > length {
        length
    } else {
        end
    };
    let range = usize::try_from(from).unwrap_or(0)..usize::try_from(to.clamp(from, length)).unwrap_or(0);
    text.get(range).map(Data::text).ok_or_else(|| "would cut a character in two".to_owned())
}

fn repeat(values: &[Data]) -> Outcome {
    let [count, text] = exactly(values)?;
    let (count, text) = (bounded(as_int(count))?, as_text(text)?);
    bounded(i64::try_from(count.saturating_mul(text.len())).unwrap_or(i64::MAX))?;
    Ok(Data::text(text.repeat(count)))
}

fn replace(values: &[Data]) -> Outcome {
    let [old, new, text] = exactly(values)?;
    Ok(Data::text(as_text(text)?.replace(&**as_text(old)?, as_text(new)?)))
}

fn cat(values: &[Data]) -> Outcome {
    let words: Vec<String> = values.iter().filter(|value| **value != Data::Nil).map(stringly).collect();
    Ok(Data::text(words.join(" ")))
}

/// The parts of a text; an empty separator parts the characters.
fn parts<'t>(separator: &str, text: &'t str) -> Vec<&'t str> {
    if separator.is_empty() {
        return text.split_inclusive(|_: char| true).collect();
    }
    text.split(separator).collect()
}

fn split_list(values: &[Data]) -> Outcome {
    let [separator, text] = exactly(values)?;
    Ok(Data::list(parts(as_text(separator)?, as_text(text)?).into_iter().map(Data::text).collect()))
}

/// Numbered parts under `_0`, `_1`, ….
fn numbered(parts: Vec<&str>) -> Data {
    Data::map(
        parts
            .into_iter()
            .enumerate()
            .map(|(index, part)| (Arc::from(format!("_{index}")), Data::text(part)))
            .collect::<Dict>(),
    )
}

fn split(values: &[Data]) -> Outcome {
    let [separator, text] = exactly(values)?;
    Ok(numbered(parts(as_text(separator)?, as_text(text)?)))
}

fn splitn(values: &[Data]) -> Outcome {
    let [separator, count, text] = exactly(values)?;
    let count = usize::try_from(as_int(count)).unwrap_or(usize::MAX);
    Ok(numbered(as_text(text)?.splitn(count, &**as_text(separator)?).collect()))
}

fn join(values: &[Data]) -> Outcome {
    let [separator, items] = exactly(values)?;
    let words: Vec<String> = match items {
        Data::List(items) => items.iter().filter(|item| **item != Data::Nil).map(stringly).collect(),
        Data::Nil => Vec::new(),
        other => vec![stringly(other)],
    };
    Ok(Data::text(words.join(as_text(separator)?)))
}

fn to_strings(values: &[Data]) -> Outcome {
    let [items] = exactly(values)?;
    let items = as_list(items)?.iter().filter(|item| **item != Data::Nil);
    Ok(Data::list(items.map(|item| Data::text(stringly(item))).collect()))
}

fn regex(pattern: &Data) -> Result<regex::Regex, String> {
    regex::RegexBuilder::new(as_text(pattern)?).size_limit(1 << 20).build().map_err(|error| error.to_string())
}

fn regex_match(values: &[Data]) -> Outcome {
    let [pattern, text] = exactly(values)?;
    Ok(Data::Bool(regex(pattern)?.is_match(as_text(text)?)))
}

fn regex_find(values: &[Data]) -> Outcome {
    let [pattern, text] = exactly(values)?;
    Ok(Data::text(regex(pattern)?.find(as_text(text)?).map_or("", |found| found.as_str())))
}

fn regex_replace(values: &[Data]) -> Outcome {
    let [pattern, text, replacement] = exactly(values)?;
    Ok(Data::text(regex(pattern)?.replace_all(as_text(text)?, &**as_text(replacement)?)))
}

fn regex_replace_literal(values: &[Data]) -> Outcome {
    let [pattern, text, replacement] = exactly(values)?;
    Ok(Data::text(regex(pattern)?.replace_all(as_text(text)?, regex::NoExpand(as_text(replacement)?))))
}

/// Words parted by a character, in lower case: where case rises, and at blanks and dashes.
fn words(text: &str, separator: char) -> String {
    let mut out = String::new();
    let mut lower = false;
    for character in text.chars() {
        if character.is_uppercase() {
            if lower {
                out.push(separator);
            }
            out.extend(character.to_lowercase());
            lower = false;
        } else if matches!(character, ' ' | '-' | '_') {
            out.push(separator);
            lower = false;
        } else {
            out.push(character);
            lower = true;
        }
    }
    out
}
