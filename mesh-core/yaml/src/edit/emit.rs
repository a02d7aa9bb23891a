//! Writing new entries in block style at a column, quickly.
//!
//! What needs no quotes is told by a narrow rule; all else is written as JSON strings, which YAML reads alike, or as literal blocks.

use serde_json::Value;

/// Longest key that can stand before its colon.
const MAX_KEY: usize = 1_000;

/// How a document lays out what is nested.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    pub(super) step: usize,
    pub(super) compact_lists: bool,
}

/// Whether strings of several lines may be block scalars.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Strings {
    Block,
    Quoted,
}

/// Text in the making.
#[derive(Debug)]
pub(super) struct Emitter {
    pub(super) out: String,
    pub(super) layout: Layout,
    pub(super) strings: Strings,
    /// Whether a block scalar was written.
    pub(super) has_blocks: bool,
    /// Whether a key is longer than can be read back.
    pub(super) has_long_key: bool,
}

impl Emitter {
    pub(super) fn new(layout: Layout, strings: Strings) -> Self {
        Self { out: String::with_capacity(256), layout, strings, has_blocks: false, has_long_key: false }
    }

    /// `key: value` on lines of their own.
    pub(super) fn entry(&mut self, column: usize, key: &str, value: &Value) {
        self.pad(column);
        self.entry_here(column, key, value);
    }

    /// `- value` on lines of their own.
    pub(super) fn item(&mut self, column: usize, value: &Value) {
        self.pad(column);
        self.out.push('-');
        self.behind_dash(column, value);
    }

    fn entry_here(&mut self, column: usize, key: &str, value: &Value) {
        self.has_long_key |= key.len() > MAX_KEY;
        match is_plain(key) && !key.contains(':') {
            true => self.out.push_str(key),
            false => json_string(key, &mut self.out),
        }
        self.out.push(':');
        self.behind_key(column, value);
    }

    /// What stands behind `key:` of a mapping at a column, up to the line break.
    pub(super) fn behind_key(&mut self, column: usize, value: &Value) {
        match value {
            Value::Object(map) if !map.is_empty() => {
                self.out.push('\n');
                let column = column + self.layout.step;
                map.iter().for_each(|(key, value)| self.entry(column, key, value));
            }
            Value::Array(items) if !items.is_empty() => {
                self.out.push('\n');
                let column = if self.layout.compact_lists { column } else { column + self.layout.step };
                items.iter().for_each(|item| self.item(column, item));
            }
            scalar => self.scalar(column + self.layout.step, scalar),
        }
    }

    /// What stands behind `-` of a list at a column, up to the line break.
    pub(super) fn behind_dash(&mut self, column: usize, value: &Value) {
        let column = column + 2;
        match value {
            Value::Object(map) if !map.is_empty() => {
                self.out.push(' ');
                for (index, (key, value)) in map.iter().enumerate() {
                    if index > 0 {
                        self.pad(column);
                    }
                    self.entry_here(column, key, value);
                }
            }
            Value::Array(items) if !items.is_empty() => {
                self.out.push(' ');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        self.pad(column);
                    }
                    self.out.push('-');
                    self.behind_dash(column, item);
                }
            }
            scalar => self.scalar(column, scalar),
        }
    }

    fn scalar(&mut self, column: usize, value: &Value) {
        self.out.push(' ');
        match value {
            Value::String(text) if is_plain(text) => self.out.push_str(text),
            Value::String(text) if self.strings == Strings::Block && is_block(text) => {
                self.block(column, text);
                return;
            }
            other => json(other, &mut self.out),
        }
        self.out.push('\n');
    }

    fn block(&mut self, column: usize, text: &str) {
        self.has_blocks = true;
        self.out.push_str(if text.ends_with('\n') { "|\n" } else { "|-\n" });
        for line in text.lines() {
            if !line.is_empty() {
                self.pad(column);
            }
            self.out.push_str(line);
            self.out.push('\n');
        }
    }

    fn pad(&mut self, column: usize) {
        const BLANKS: &str = "                                ";
        let mut left = column;
        while left > 0 {
            let count = left.min(BLANKS.len());
            self.out.push_str(&BLANKS[..count]);
            left -= count;
        }
    }
}

/// May stand in plain text.
const HARMLESS: u8 = 1;
/// A letter that no number, date or time has.
const WORDY: u8 = 2;
/// May start plain text.
const STARTS: u8 = 4;
/// Starts what may be a number.
const NUMERIC: u8 = 8;

/// What each byte is in plain text.
const CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0u8;
    while byte < 0x80 {
        let lower = byte.to_ascii_lowercase();
        let mut class = 0;
        if byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'_' | b'.' | b'-' | b'(' | b'$') {
            class |= HARMLESS | STARTS;
        }
        if matches!(byte, b' ' | b':' | b'=' | b'+' | b'@' | b'%' | b';' | b')' | b',' | b'~' | b'#') {
            class |= HARMLESS;
        }
        if matches!(lower, b'g'..=b'm' | b'p'..=b's' | b'u'..=b'w') {
            class |= WORDY;
        }
        if byte.is_ascii_digit() || matches!(byte, b'.' | b'-') {
            class |= NUMERIC;
        }
        classes[byte as usize] = class;
        byte += 1;
    }
    classes
};

/// Whether any reader takes the text without quotes for that text, in block style.
fn is_plain(text: &str) -> bool {
    let bytes = text.as_bytes();
    let (Some(&first), Some(&last)) = (bytes.first(), bytes.last()) else { return false };
    if CLASSES[usize::from(first)] & STARTS == 0 || matches!(last, b' ' | b':') {
        return false;
    }
    let (mut all, mut any, mut previous) = (HARMLESS, 0, 0u8);
    for &byte in bytes {
        let class = CLASSES[usize::from(byte)];
        all &= class;
        any |= class;
        if (byte == b' ' && previous == b':') || (byte == b'#' && previous == b' ') {
            return false;
        }
        previous = byte;
    }
    if all & HARMLESS == 0 {
        return false;
    }
    if CLASSES[usize::from(first)] & NUMERIC != 0 {
        return any & WORDY != 0 && !text.starts_with("- ") && !is_word(text.trim_start_matches(['-', '.']));
    }
    !is_word(text)
}

/// Words that some reader takes for a truth value, null or a number.
fn is_word(text: &str) -> bool {
    const WORDS: [&str; 11] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf"];
    text.len() <= 5 && WORDS.iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// Whether the text can be a literal block of clipped or stripped end.
fn is_block(text: &str) -> bool {
    let is_odd = |char: char| (char < ' ' && char != '\n' && char != '\t') || is_unprintable(char);
    text.contains('\n')
        && !text.ends_with("\n\n")
        && !text.starts_with([' ', '\t', '\n'])
        && !text.contains(is_odd)
        && !text.lines().any(|line| !line.is_empty() && line.trim_matches([' ', '\t']).is_empty())
}

fn is_unprintable(char: char) -> bool {
    matches!(char, '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

/// JSON on one line, with blanks where people put them; valid in YAML's flow style.
pub(super) fn json(value: &Value, out: &mut String) {
    match value {
        Value::Object(map) => {
            out.push('{');
            for (index, (key, value)) in map.iter().enumerate() {
                out.push_str(if index > 0 { ", " } else { "" });
                json_string(key, out);
                out.push_str(": ");
                json(value, out);
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                out.push_str(if index > 0 { ", " } else { "" });
                json(item, out);
            }
            out.push(']');
        }
        Value::String(text) => json_string(text, out),
        Value::Number(number) => out.push_str(&number.to_string()),
        Value::Bool(truth) => out.push_str(if *truth { "true" } else { "false" }),
        Value::Null => out.push_str("null"),
    }
}

/// A string that JSON and YAML read alike: what YAML does not print is escaped.
pub(super) fn json_string(text: &str, out: &mut String) {
    out.push('"');
    let mut rest = text;
    while let Some(at) = rest.find(|char| char < ' ' || char == '"' || char == '\\' || is_unprintable(char)) {
        out.push_str(&rest[..at]);
        let Some(char) = rest[at..].chars().next() else { break };
        match char {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            other => {
                let code = u32::from(other);
                out.push_str("\\u");
                out.extend(
                    [12, 8, 4, 0].map(|shift| char::from_digit((code >> shift) & 15, 16).unwrap_or('0')),
                );
            }
        }
        rest = &rest[at + char.len_utf8()..];
    }
    out.push_str(rest);
    out.push('"');
}
