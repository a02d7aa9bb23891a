//! The functions charts may call: Go's own, sprig's and Helm's, as far as they are free of side effects.
//!
//! Left out on purpose: what changes its argument (`set`, `unset`), what differs from run to run (`now`, `randAlpha`, `genCA`, `uuidv4`) and
//! what reads the world (`env`, `getHostByName`). `lookup` finds nothing, as in `helm template`.

mod compare;
mod dicts;
mod encode;
mod lists;
mod numbers;
mod text;

use super::data::Data;

/// What a function returns: a value, or why not.
pub(crate) type Outcome = Result<Data, String>;

/// A function of templates.
#[derive(Clone, Copy)]
pub(crate) enum Function {
    /// Renders another template.
    Include,
    /// Depends on its arguments alone; the name goes in front of its errors.
    Pure(&'static str, fn(&[Data]) -> Outcome),
    /// Ends the rendering with words of the chart's author.
    Verdict(fn(&[Data]) -> Outcome),
}

impl std::fmt::Debug for Function {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Self::Include => "include",
            Self::Pure(name, _) => name,
            Self::Verdict(_) => "fail",
        })
    }
}

/// One row of a table of functions.
type Row = (&'static str, fn(&[Data]) -> Outcome);

/// Finds a function by name, or says why there is none.
pub(crate) fn find(name: &str) -> Result<Function, String> {
    match name {
        "include" => return Ok(Function::Include),
        "fail" => return Ok(Function::Verdict(fail)),
        "required" => return Ok(Function::Verdict(required)),
        "set" | "unset" => {
            return Err(format!("function {name:?} changes its argument; pass a fresh dict instead"));
        }
        _ => {}
    }
    let tables = [text::TABLE, compare::TABLE, dicts::TABLE, lists::TABLE, encode::TABLE, numbers::TABLE];
    let row = tables.iter().flat_map(|table| table.iter()).find(|(known, _)| *known == name);
    row.map(|(known, run)| Function::Pure(known, *run))
        .ok_or_else(|| format!("function {name:?} not defined"))
}

fn fail(values: &[Data]) -> Outcome {
    match values {
        [Data::Text(message)] => Err(message.to_string()),
        _ => Err("fail needs a message".to_owned()),
    }
}

fn required(values: &[Data]) -> Outcome {
    match values {
        [Data::Text(message), Data::Nil] => Err(message.to_string()),
        [Data::Text(message), Data::Text(value)] if value.is_empty() => Err(message.to_string()),
        [Data::Text(_), value] => Ok(value.clone()),
        _ => Err("required needs a message and a value".to_owned()),
    }
}

/// The arguments as a fixed number of values.
fn exactly<const N: usize>(values: &[Data]) -> Result<&[Data; N], String> {
    values.try_into().map_err(|_| format!("wants {N} argument(s), got {}", values.len()))
}

/// A text argument.
fn as_text(value: &Data) -> Result<&std::sync::Arc<str>, String> {
    match value {
        Data::Text(text) => Ok(text),
        other => Err(format!("expected string; found {}", super::format::display(other))),
    }
}

/// A list argument; nil is the empty list.
fn as_list(value: &Data) -> Result<&[Data], String> {
    match value {
        Data::List(items) => Ok(items),
        Data::Nil => Ok(&[]),
        other => Err(format!("expected list; found {}", other.kind())),
    }
}

/// An argument as sprig's `strval` sees it.
fn stringly(value: &Data) -> String {
    super::format::display(value)
}

/// A whole number argument, converted as sprig's `int` does: text is read, anything else is zero.
fn as_int(value: &Data) -> i64 {
    match value {
        Data::Int(number) => *number,
        #[expect(clippy::cast_possible_truncation, reason = "Go truncates too; out of range saturates")]
        Data::Float(number) => *number as i64,
        Data::Bool(flag) => i64::from(*flag),
        Data::Text(text) => integer_text(text),
        _ => 0,
    }
}

/// Text as Go's `cast` library reads integers: base by prefix, a trailing `.0` dropped, zero for what is none.
fn integer_text(text: &str) -> i64 {
    let (sign, digits) =
        text.strip_prefix('-').map_or((1, text.strip_prefix('+').unwrap_or(text)), |rest| (-1, rest));
    let digits = match digits.split_once('.') {
        Some((whole, zeros)) if !zeros.is_empty() && zeros.bytes().all(|byte| byte == b'0') => whole,
        _ => digits,
    };
    let parsed = match digits.get(..2) {
        Some("0x" | "0X") => i64::from_str_radix(&digits[2..], 16),
        Some("0b" | "0B") => i64::from_str_radix(&digits[2..], 2),
        Some("0o" | "0O") => i64::from_str_radix(&digits[2..], 8),
        _ if digits.len() > 1 && digits.starts_with('0') => i64::from_str_radix(digits, 8),
        _ => digits.parse(),
    };
    parsed.map_or(0, |number: i64| sign * number)
}

/// A length of text that functions build, kept within what a manifest can need.
fn bounded(length: i64) -> Result<usize, String> {
    const LONGEST: usize = 1 << 20;
    let length = usize::try_from(length).unwrap_or(0);
    if length > LONGEST { Err(format!("length {length} is too large")) } else { Ok(length) }
}
