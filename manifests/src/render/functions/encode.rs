//! YAML, JSON, base64 and digests.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{Outcome, Row, as_text, exactly};
use crate::render::data::{Data, Dict};
use crate::render::machine::BYTES;
use crate::render::{format, goyaml};

pub(super) const TABLE: &[Row] = &[
    ("toYaml", |values| exactly::<1>(values).map(|[value]| Data::text(goyaml::to_yaml(value)))),
    ("fromYaml", from_yaml),
    ("fromYamlArray", from_yaml_array),
    ("toJson", |values| exactly::<1>(values).map(|[value]| Data::text(json(value, Escape::Html)))),
    ("mustToJson", |values| exactly::<1>(values).map(|[value]| Data::text(json(value, Escape::Html)))),
    ("toRawJson", |values| exactly::<1>(values).map(|[value]| Data::text(json(value, Escape::Plain)))),
    ("toPrettyJson", |values| {
        let [value] = exactly(values)?;
        let mut out = String::new();
        pretty(&mut out, value, 0);
        Ok(Data::text(out))
    }),
    ("fromJson", from_json),
    ("b64enc", |values| {
        let [text] = exactly(values)?;
        Ok(Data::text(STANDARD.encode(as_text(text)?.as_bytes())))
    }),
    ("b64dec", |values| {
        let [text] = exactly(values)?;
        let decoded = STANDARD.decode(as_text(text)?.as_bytes()).map_err(|error| error.to_string());
        // Sprig returns the complaint as the value.
        Ok(Data::text(
            decoded.map_or_else(|error| error, |bytes| String::from_utf8_lossy(&bytes).into_owned()),
        ))
    }),
    ("sha256sum", |values| {
        let [text] = exactly(values)?;
        let digest = Sha256::digest(as_text(text)?.as_bytes());
        Ok(Data::text(digest.iter().fold(String::with_capacity(64), |mut out, byte| {
            use std::fmt::Write as _;
            write!(out, "{byte:02x}").expect("writing to a String cannot fail");
            out
        })))
    }),
];

/// Whether `<`, `>` and `&` are escaped, as Go's encoder does unless told otherwise.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Escape {
    Html,
    Plain,
}

/// What Helm's `fromYaml` and `fromJson` return for text they cannot read.
fn unreadable(message: String) -> Data {
    Data::map(Dict::from([("Error".into(), Data::text(message))]))
}

fn from_yaml(values: &[Data]) -> Outcome {
    let [text] = exactly(values)?;
    Ok(match mesh_yaml::from_str(as_text(text)?) {
        Ok(Value::Null) => Data::map(Dict::new()),
        Ok(value @ Value::Object(_)) => Data::from(&value),
        Ok(_) => unreadable("the text is not a map".to_owned()),
        Err(error) => unreadable(error.to_string()),
    })
}

fn from_yaml_array(values: &[Data]) -> Outcome {
    let [text] = exactly(values)?;
    Ok(match mesh_yaml::from_str(as_text(text)?) {
        Ok(Value::Null) => Data::list(Vec::new()),
        Ok(value @ Value::Array(_)) => Data::from(&value),
        Ok(_) => Data::list(vec![Data::text("the text is not a list")]),
        Err(error) => Data::list(vec![Data::text(error.to_string())]),
    })
}

fn from_json(values: &[Data]) -> Outcome {
    let [text] = exactly(values)?;
    Ok(match serde_json::from_str::<Value>(as_text(text)?) {
        Ok(value @ Value::Object(_)) => Data::from(&value),
        Ok(_) => unreadable("the text is not a map".to_owned()),
        Err(error) => unreadable(error.to_string()),
    })
}

fn json(value: &Data, escape: Escape) -> String {
    let mut out = String::new();
    compact(&mut out, value, escape);
    out
}

fn compact(out: &mut String, value: &Data, escape: Escape) {
    match value {
        Data::List(_) | Data::Map(_) if out.len() > BYTES => {}
        Data::List(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                compact(out, item, escape);
            }
            out.push(']');
        }
        Data::Map(entries) => {
            out.push('{');
            for (index, (key, item)) in entries.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                text(out, key, escape);
                out.push(':');
                compact(out, item, escape);
            }
            out.push('}');
        }
        scalar => atom(out, scalar, escape),
    }
}

fn pretty(out: &mut String, value: &Data, depth: usize) {
    let line = |out: &mut String, depth: usize| {
        out.push('\n');
        out.extend(std::iter::repeat_n("  ", depth));
    };
    match value {
        Data::List(_) | Data::Map(_) if out.len() > BYTES => {}
        Data::List(items) if !items.is_empty() => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                out.push_str(if index > 0 { "," } else { "" });
                line(out, depth + 1);
                pretty(out, item, depth + 1);
            }
            line(out, depth);
            out.push(']');
        }
        Data::Map(entries) if !entries.is_empty() => {
            out.push('{');
            for (index, (key, item)) in entries.iter().enumerate() {
                out.push_str(if index > 0 { "," } else { "" });
                line(out, depth + 1);
                text(out, key, Escape::Html);
                out.push_str(": ");
                pretty(out, item, depth + 1);
            }
            line(out, depth);
            out.push('}');
        }
        other => compact(out, other, Escape::Html),
    }
}

fn atom(out: &mut String, value: &Data, escape: Escape) {
    match value {
        Data::Nil => out.push_str("null"),
        Data::Float(number) => format::json_float(out, *number),
        Data::Text(value) => text(out, value, escape),
        other => format::print(out, other),
    }
}

/// A JSON string as Go writes it.
fn text(out: &mut String, value: &str, escape: Escape) {
    use std::fmt::Write as _;
    out.push('"');
    for character in value.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '<' | '>' | '&' if escape == Escape::Plain => out.push(character),
            '<' | '>' | '&' | '\u{0}'..='\u{1f}' | '\u{2028}' | '\u{2029}' => {
                write!(out, "\\u{:04x}", u32::from(character)).expect("writing to a String cannot fail");
            }
            other => out.push(other),
        }
    }
    out.push('"');
}
