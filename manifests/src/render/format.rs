//! Go's `fmt`: how a value is printed, and `printf`.

use std::fmt::Write as _;

use super::data::Data;

/// Appends a value as Go's `%v` prints it.
pub(crate) fn print(out: &mut String, data: &Data) {
    match data {
        Data::Nil => out.push_str("<nil>"),
        Data::Bool(flag) => out.push_str(if *flag { "true" } else { "false" }),
        Data::Int(number) => integer(out, *number),
        Data::Float(number) => float(out, *number),
        Data::Text(text) => out.push_str(text),
        // What is too long is an error as soon as it is accounted for; until then it must not grow.
        Data::List(_) | Data::Map(_) if out.len() > super::machine::BYTES => {}
        Data::List(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(' ');
                }
                print(out, item);
            }
            out.push(']');
        }
        Data::Map(entries) => {
            out.push_str("map[");
            for (index, (key, value)) in entries.iter().enumerate() {
                if index > 0 {
                    out.push(' ');
                }
                out.push_str(key);
                out.push(':');
                print(out, value);
            }
            out.push(']');
        }
    }
}

/// A value as Go's `%v` prints it.
pub(crate) fn display(data: &Data) -> String {
    let mut out = String::new();
    print(&mut out, data);
    out
}

/// Appends a decimal integer.
pub(crate) fn integer(out: &mut String, number: i64) {
    write!(out, "{number}").expect("writing to a String cannot fail");
}

/// Appends a float as `%v` does: the shortest digits, with an exponent below 1e-4 and from 1e6 (so 1000000 prints as `1e+06`).
pub(crate) fn float(out: &mut String, number: f64) {
    if number.is_nan() {
        return out.push_str("NaN");
    }
    if number.is_infinite() {
        return out.push_str(if number > 0.0 { "+Inf" } else { "-Inf" });
    }
    if number == 0.0 {
        return out.push_str(if number.is_sign_negative() { "-0" } else { "0" });
    }
    let (digits, exponent) = scientific(number);
    if (-4..6).contains(&exponent) {
        write!(out, "{number}").expect("writing to a String cannot fail");
    } else {
        let sign = if exponent < 0 { '-' } else { '+' };
        write!(out, "{digits}e{sign}{:02}", exponent.abs()).expect("writing to a String cannot fail");
    }
}

/// Appends a float as Go's JSON encoder does: decimal, with an exponent only below 1e-6 and from 1e21.
pub(crate) fn json_float(out: &mut String, number: f64) {
    let magnitude = number.abs();
    if magnitude != 0.0 && !(1e-6..1e21).contains(&magnitude) {
        let (digits, exponent) = scientific(number);
        let sign = if exponent < 0 { '-' } else { '+' };
        write!(out, "{digits}e{sign}{}", exponent.abs()).expect("writing to a String cannot fail");
    } else {
        write!(out, "{number}").expect("writing to a String cannot fail");
    }
}

/// The shortest digits of a finite number (`-1.25`) and its decimal exponent.
fn scientific(number: f64) -> (String, i32) {
    let text = format!("{number:e}");
    let (digits, exponent) = text.split_once('e').expect("the `e` format always has an exponent");
    (digits.to_owned(), exponent.parse().expect("the exponent is an integer"))
}

/// Go's `fmt.Sprint`: a space between neighbours unless one of them is text.
pub(crate) fn sprint(values: &[Data]) -> String {
    let mut out = String::new();
    for (index, value) in values.iter().enumerate() {
        let text = |data: &Data| matches!(data, Data::Text(_));
        if index > 0 && !text(value) && !text(&values[index - 1]) {
            out.push(' ');
        }
        print(&mut out, value);
    }
    out
}

/// Appends text as Go's `%q`: double quotes, with escapes for what does not print.
pub(crate) fn quote(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{07}' => out.push_str("\\a"),
            '\u{08}' => out.push_str("\\b"),
            '\u{0c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{0b}' => out.push_str("\\v"),
            control if u32::from(control) < 0x20 || u32::from(control) == 0x7f => {
                write!(out, "\\x{:02x}", u32::from(control)).expect("writing to a String cannot fail");
            }
            hidden if !printable(hidden) => {
                let code = u32::from(hidden);
                if code > 0xffff {
                    write!(out, "\\U{code:08x}").expect("writing to a String cannot fail");
                } else {
                    write!(out, "\\u{code:04x}").expect("writing to a String cannot fail");
                }
            }
            other => out.push(other),
        }
    }
    out.push('"');
}

/// Whether Go's `strconv.IsPrint` takes a character beyond ASCII's control codes for printable (spaces other than U+0020 are not).
fn printable(character: char) -> bool {
    character == ' '
        || !(character.is_control()
            || character.is_whitespace()
            || matches!(character, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
                | '\u{fdd0}'..='\u{fdef}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e000}'..='\u{f8ff}'))
}

/// Widest field and longest precision `printf` obeys, so that a hostile format cannot ask for gigabytes.
const WIDEST: usize = 4096;

/// Go's `fmt.Sprintf` with flags, width and precision given in the format.
pub(crate) fn sprintf(format: &str, values: &[Data]) -> String {
    let mut out = String::new();
    let mut rest = format;
    let mut used = 0;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let spec = Spec::read(&mut rest);
        let Some(verb) = rest.chars().next() else {
            out.push_str("%!(NOVERB)");
            break;
        };
        rest = &rest[verb.len_utf8()..];
        if verb == '%' {
            out.push('%');
            continue;
        }
        let Some(value) = values.get(used) else {
            out.push_str("%!");
            out.push(verb);
            out.push_str("(MISSING)");
            continue;
        };
        used += 1;
        let text = spec.apply(verb, value);
        spec.pad(&mut out, &text, value);
    }
    out.push_str(rest);
    extra(&mut out, &values[used.min(values.len())..]);
    out
}

/// Appends Go's complaint about arguments no verb asked for.
fn extra(out: &mut String, values: &[Data]) {
    if values.is_empty() {
        return;
    }
    out.push_str("%!(EXTRA ");
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            out.push_str(", ");
        }
        out.push_str(value.type_name());
        if *value != Data::Nil {
            out.push('=');
            print(out, value);
        }
    }
    out.push(')');
}

/// What stands between `%` and the verb.
#[derive(Default)]
struct Spec {
    left: bool,
    plus: bool,
    zero: bool,
    sharp: bool,
    width: usize,
    precision: Option<usize>,
}

impl Spec {
    /// Reads flags, width and precision off the front of `rest`.
    fn read(rest: &mut &str) -> Self {
        let mut spec = Self::default();
        while let Some(flag) = rest.bytes().next() {
            match flag {
                b'-' => spec.left = true,
                b'+' => spec.plus = true,
                b'0' => spec.zero = true,
                b'#' => spec.sharp = true,
                b' ' => {}
                _ => break,
            }
            *rest = &rest[1..];
        }
        spec.width = digits(rest).unwrap_or(0);
        if let Some(after) = rest.strip_prefix('.') {
            *rest = after;
            spec.precision = Some(digits(rest).unwrap_or(0));
        }
        spec
    }

    /// The value under the verb, without padding.
    fn apply(&self, verb: char, value: &Data) -> String {
        match (verb, value) {
            ('v' | 's', Data::Text(text)) => self.cut(text),
            ('q', Data::Text(text)) => {
                let mut out = String::new();
                quote(&mut out, &self.cut(text));
                out
            }
            ('v' | 's' | 'd' | 'q', Data::List(items)) => self.each(verb, items, '[', ']'),
            ('v', Data::Nil) => "<nil>".to_owned(),
            ('v' | 't', Data::Bool(flag)) => flag.to_string(),
            ('v' | 'd', Data::Int(number)) => self.signed(number.to_string()),
            ('x', Data::Int(number)) => format!("{}{number:x}", if self.sharp { "0x" } else { "" }),
            ('X', Data::Int(number)) => format!("{}{number:X}", if self.sharp { "0X" } else { "" }),
            ('o', Data::Int(number)) => format!("{}{number:o}", if self.sharp { "0" } else { "" }),
            ('b', Data::Int(number)) => format!("{}{number:b}", if self.sharp { "0b" } else { "" }),
            ('c', Data::Int(number)) => {
                u32::try_from(*number).ok().and_then(char::from_u32).unwrap_or('\u{fffd}').to_string()
            }
            ('x', Data::Text(text)) => text.bytes().fold(String::new(), |mut out, byte| {
                write!(out, "{byte:02x}").expect("writing to a String cannot fail");
                out
            }),
            ('v' | 'g', Data::Float(number)) if self.precision.is_none() => {
                self.signed(display(&Data::Float(*number)))
            }
            ('f' | 'F', Data::Float(number)) => {
                self.signed(format!("{number:.*}", self.precision.unwrap_or(6).min(WIDEST)))
            }
            ('v', other) => display(other),
            ('s', Data::Map(_)) => display(value),
            (verb, Data::Nil) => format!("%!{verb}(<nil>)"),
            (verb, other) => format!("%!{verb}({}={})", other.type_name(), display(other)),
        }
    }

    /// A list under a verb: each element on its own.
    fn each(&self, verb: char, items: &[Data], open: char, close: char) -> String {
        let mut out = String::from(open);
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                out.push(' ');
            }
            out.push_str(&self.apply(verb, item));
        }
        out.push(close);
        out
    }

    fn cut(&self, text: &str) -> String {
        match self.precision {
            Some(limit) => text.chars().take(limit).collect(),
            None => text.to_owned(),
        }
    }

    fn signed(&self, text: String) -> String {
        if self.plus && !text.starts_with('-') { format!("+{text}") } else { text }
    }

    /// Appends the text, filled up to the width.
    fn pad(&self, out: &mut String, text: &str, value: &Data) {
        let missing = self.width.saturating_sub(text.chars().count());
        let number = matches!(value, Data::Int(_) | Data::Float(_));
        if self.left {
            out.push_str(text);
            out.extend(std::iter::repeat_n(' ', missing));
        } else if self.zero && number {
            let (sign, magnitude) = text.strip_prefix('-').map_or(("", text), |rest| ("-", rest));
            out.push_str(sign);
            out.extend(std::iter::repeat_n('0', missing));
            out.push_str(magnitude);
        } else {
            out.extend(std::iter::repeat_n(if self.zero { '0' } else { ' ' }, missing));
            out.push_str(text);
        }
    }
}

/// Reads digits off the front of `rest`, capped at [`WIDEST`].
fn digits(rest: &mut &str) -> Option<usize> {
    let length = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (number, after) = rest.split_at(length);
    *rest = after;
    if number.is_empty() { None } else { Some(number.parse().unwrap_or(WIDEST).min(WIDEST)) }
}
