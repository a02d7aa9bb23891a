//! From written scalars to their text.

use std::borrow::Cow;

use crate::scalar;

use super::Style;

/// A short hash of a key, to tell most keys apart at a glance.
pub(super) fn hash(bytes: &[u8]) -> u32 {
    // Eight bytes at a time: most keys are two rounds.
    let mix = |hash: u64, word: u64| (hash.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
    let (words, rest) = bytes.as_chunks::<8>();
    let hash = words.iter().fold(bytes.len() as u64, |hash, word| mix(hash, u64::from_le_bytes(*word)));
    let rest = rest.iter().fold(0, |word, &byte| (word << 8) | u64::from(byte));
    (mix(hash, rest) >> 32) as u32
}

/// The key written at `start..end`.
pub(super) fn key(text: &str, start: usize, end: usize, style: Style) -> Cow<'_, str> {
    let source = &text[start..end];
    match style {
        Style::SingleQuoted => single(source),
        Style::DoubleQuoted => double(source).unwrap_or_default(),
        _ => scalar::key(source).unwrap_or_default(),
    }
}

/// A plain scalar, lines folded.
pub(super) fn plain(source: &str) -> Cow<'_, str> {
    if memchr::memchr(b'\n', source.as_bytes()).is_none() {
        return Cow::Borrowed(source);
    }
    let mut out = String::with_capacity(source.len());
    fold_flow(source, &mut out);
    Cow::Owned(out)
}

/// Joins lines as flow scalars do: one break is a space, each further one a line feed.
fn fold_flow(source: &str, out: &mut String) {
    let mut breaks = 0;
    let mut lines = source.split('\n').peekable();
    let mut is_first = true;
    while let Some(line) = lines.next() {
        let mut part = line.strip_suffix('\r').filter(|_| lines.peek().is_some()).unwrap_or(line);
        if !is_first {
            part = part.trim_start_matches([' ', '\t']);
        }
        if lines.peek().is_some() {
            part = part.trim_end_matches([' ', '\t']);
        }
        if !is_first {
            breaks += 1;
        }
        let is_last = lines.peek().is_none();
        if !part.is_empty() || is_last || is_first {
            match breaks {
                0 => {}
                1 => out.push(' '),
                more => out.extend(std::iter::repeat_n('\n', more - 1)),
            }
            breaks = 0;
            out.push_str(part);
        }
        is_first = false;
    }
}

/// `'text'` with its quotes.
pub(super) fn single(source: &str) -> Cow<'_, str> {
    let inner = &source[1..source.len() - 1];
    let has_break = memchr::memchr(b'\n', inner.as_bytes()).is_some();
    let has_quote = memchr::memchr(b'\'', inner.as_bytes()).is_some();
    if !has_break && !has_quote {
        return Cow::Borrowed(inner);
    }
    let mut out = String::with_capacity(inner.len());
    if has_break {
        fold_flow(inner, &mut out);
    } else {
        out.push_str(inner);
    }
    Cow::Owned(if has_quote { out.replace("''", "'") } else { out })
}

/// `"text"` with its quotes; `None` if an escape is wrong.
pub(super) fn double(source: &str) -> Option<Cow<'_, str>> {
    let inner = &source[1..source.len() - 1];
    if memchr::memchr2(b'\\', b'\n', inner.as_bytes()).is_none() {
        return Some(Cow::Borrowed(inner));
    }
    let mut out = String::with_capacity(inner.len());
    let mut rest = inner;
    loop {
        let Some(at) = memchr::memchr2(b'\\', b'\n', rest.as_bytes()) else {
            out.push_str(rest);
            return Some(Cow::Owned(out));
        };
        if rest.as_bytes()[at] == b'\n' {
            // Blanks before a break that no escape made are no text.
            let kept = rest[..at].trim_end_matches([' ', '\t', '\r']);
            out.push_str(kept);
            rest = fold_breaks(&rest[at..], &mut out);
            continue;
        }
        out.push_str(&rest[..at]);
        rest = escape(&rest[at + 1..], &mut out)?;
    }
}

/// Takes line breaks and blank lines and the next line's indentation; pushes what they mean.
fn fold_breaks<'s>(source: &'s str, out: &mut String) -> &'s str {
    let mut rest = source;
    let mut breaks = 0;
    while let Some(next) = rest.strip_prefix('\n').or_else(|| rest.strip_prefix("\r\n")) {
        breaks += 1;
        rest = next.trim_start_matches([' ', '\t']);
    }
    match breaks {
        1 => out.push(' '),
        more => out.extend(std::iter::repeat_n('\n', more - 1)),
    }
    rest
}

/// Reads one escape behind its backslash.
fn escape<'s>(source: &'s str, out: &mut String) -> Option<&'s str> {
    let mut chars = source.chars();
    let letter = chars.next()?;
    let rest = chars.as_str();
    let digits = match letter {
        '0' => return push(out, '\0', rest),
        'a' => return push(out, '\u{7}', rest),
        'b' => return push(out, '\u{8}', rest),
        't' => return push(out, '\t', rest),
        'n' => return push(out, '\n', rest),
        'v' => return push(out, '\u{b}', rest),
        'f' => return push(out, '\u{c}', rest),
        'r' => return push(out, '\r', rest),
        'e' => return push(out, '\u{1b}', rest),
        ' ' | '"' | '/' | '\\' => return push(out, letter, rest),
        'N' => return push(out, '\u{85}', rest),
        '_' => return push(out, '\u{a0}', rest),
        'L' => return push(out, '\u{2028}', rest),
        'P' => return push(out, '\u{2029}', rest),
        'x' => 2,
        'u' => 4,
        'U' => 8,
        // Escaped breaks and surrogate pairs are left to the library.
        _ => return None,
    };
    let code = rest.get(..digits).filter(|code| code.bytes().all(|b| b.is_ascii_hexdigit()))?;
    let char = char::from_u32(u32::from_str_radix(code, 16).ok()?)?;
    push(out, char, &rest[digits..])
}

fn push<'s>(out: &mut String, char: char, rest: &'s str) -> Option<&'s str> {
    out.push(char);
    Some(rest)
}

/// A block scalar: header at `start`, lines from `lines` to `end`, indented by `indent`.
pub(super) fn block(text: &str, start: usize, lines: usize, end: usize, indent: usize) -> Cow<'_, str> {
    let header = &text[start..lines];
    let header = header.split([' ', '\t', '\r', '\n']).next().unwrap_or_default();
    let is_folded = header.starts_with('>');
    let keep = header.contains('+');
    let strip = header.contains('-');
    let body = &text[lines..end];
    let mut out = String::with_capacity(body.len());
    let mut fold = Fold { is_folded, breaks: 0, was_indented: true, is_first: true };
    for line in body.split_inclusive('\n') {
        let has_break = line.ends_with('\n');
        let line = line.strip_suffix('\n').map_or(line, |line| line.strip_suffix('\r').unwrap_or(line));
        let content = line.get(indent..).unwrap_or("");
        fold.line(content, has_break, &mut out);
    }
    if keep {
        out.extend(std::iter::repeat_n('\n', fold.breaks));
    } else if !strip && !fold.is_first && fold.breaks > 0 {
        out.push('\n');
    }
    Cow::Owned(out)
}

/// Joining the lines of a block scalar.
struct Fold {
    is_folded: bool,
    /// Line breaks since the last line with content.
    breaks: usize,
    /// Whether the last line with content was indented further, which keeps its breaks.
    was_indented: bool,
    is_first: bool,
}

impl Fold {
    fn line(&mut self, content: &str, has_break: bool, out: &mut String) {
        if content.is_empty() {
            self.breaks += usize::from(has_break);
            return;
        }
        let is_indented = content.starts_with([' ', '\t']);
        let joins = self.is_folded && !self.is_first && !is_indented && !self.was_indented;
        match (joins, self.breaks) {
            (true, 1) => out.push(' '),
            (true, more) => out.extend(std::iter::repeat_n('\n', more.saturating_sub(1))),
            (false, more) => out.extend(std::iter::repeat_n('\n', more)),
        }
        out.push_str(content);
        self.is_first = false;
        self.was_indented = is_indented;
        self.breaks = usize::from(has_break);
    }
}
