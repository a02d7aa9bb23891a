//! How one text is written: plain, quoted or as a block, by the rules of libyaml's emitter and of Go's resolver.

use std::fmt::Write as _;
use std::sync::LazyLock;

use regex::Regex;

use super::WIDTH;

/// What the text is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// A key of a map: never on several lines.
    Key,
    /// A value.
    Value,
}

/// Where the text goes.
#[derive(Clone, Copy)]
pub(super) struct Spot {
    /// Characters already on the line.
    pub(super) column: usize,
    /// Indentation of the map or list around it.
    pub(super) indent: usize,
    pub(super) role: Role,
}

/// Appends a text.
pub(super) fn write(out: &mut String, text: &str, spot: Spot) {
    let allowed = Allowed::of(text);
    let block = text.contains('\n') && allowed.block && spot.role == Role::Value;
    if block {
        return literal(out, text, spot.indent + 2);
    }
    let mut line =
        Line { out, column: spot.column, indent: spot.indent + 2, folds: spot.role == Role::Value };
    let plain = !text.contains('\n') && !is_other_type(text);
    if plain && allowed.plain {
        line.plain(text);
    } else if plain && allowed.single {
        line.single(text);
    } else {
        line.double(text);
    }
}

/// Which styles can carry a text.
struct Allowed {
    plain: bool,
    single: bool,
    block: bool,
}

impl Allowed {
    fn of(text: &str) -> Self {
        let mut indicators = text.starts_with("---") || text.starts_with("...");
        let (mut special, mut space_break, mut break_space, mut breaks) = (false, false, false, false);
        let mut previous = '\n';
        let mut first = true;
        let mut rest = text.chars().peekable();
        while let Some(character) = rest.next() {
            let blank_follows = rest.peek().is_none_or(|next| matches!(next, ' ' | '\t') || is_break(*next));
            indicators |= match character {
                '#' | ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%' | '@'
                | '`'
                    if first =>
                {
                    true
                }
                '?' | '-' if first => blank_follows,
                ':' => blank_follows,
                '#' => matches!(previous, ' ' | '\t') || is_break(previous),
                _ => false,
            };
            special |= !is_printable(character) && !is_break(character);
            breaks |= is_break(character);
            break_space |= !first && character == ' ' && is_break(previous);
            space_break |= !first && is_break(character) && previous == ' ';
            previous = character;
            first = false;
        }
        let edge = |character: Option<char>| {
            character.is_some_and(|character| character == ' ' || is_break(character))
        };
        let edges = edge(text.chars().next()) || edge(text.chars().next_back());
        let messy = break_space || space_break || special;
        Self {
            plain: !(edges || messy || breaks || indicators),
            single: !messy,
            block: !(text.ends_with(' ') || space_break || special),
        }
    }
}

/// Line breaks of YAML 1.1.
fn is_break(character: char) -> bool {
    matches!(character, '\r' | '\n' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// What libyaml takes for printable: no tab, no byte order mark, nothing beyond the basic plane.
fn is_printable(character: char) -> bool {
    matches!(character, '\n' | ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}')
        && character != '\u{feff}'
}

/// A block with the line breaks kept.
fn literal(out: &mut String, text: &str, indent: usize) {
    out.push('|');
    if text.starts_with([' ', '\n']) {
        out.push('2');
    }
    let body = text.trim_end_matches('\n');
    match text.len() - body.len() {
        0 => out.push('-'),
        1 if !body.is_empty() => {}
        _ => out.push('+'),
    }
    let mut lines = text.split('\n').peekable();
    out.push('\n');
    while let Some(line) = lines.next() {
        if !line.is_empty() {
            out.extend(std::iter::repeat_n(' ', indent));
            out.push_str(line);
        }
        if lines.peek().is_some() {
            out.push('\n');
        }
    }
}

/// Writes text that may be folded.
struct Line<'o> {
    out: &'o mut String,
    column: usize,
    indent: usize,
    folds: bool,
}

impl Line<'_> {
    fn put(&mut self, character: char) {
        self.out.push(character);
        self.column += 1;
    }

    fn fold(&mut self) {
        self.out.push('\n');
        self.out.extend(std::iter::repeat_n(' ', self.indent));
        self.column = self.indent;
    }

    fn plain(&mut self, text: &str) {
        let mut spaces = false;
        let mut rest = text.chars().peekable();
        while let Some(character) = rest.next() {
            let lone = character == ' ' && !spaces && rest.peek() != Some(&' ');
            if lone && self.folds && self.column > WIDTH {
                self.fold();
            } else {
                self.put(character);
            }
            spaces = character == ' ';
        }
    }

    fn single(&mut self, text: &str) {
        self.put('\'');
        let mut spaces = false;
        let mut first = true;
        let mut rest = text.chars().peekable();
        while let Some(character) = rest.next() {
            let inside = !first && rest.peek().is_some_and(|next| *next != ' ');
            if character == ' ' && !spaces && inside && self.folds && self.column > WIDTH {
                self.fold();
            } else {
                if character == '\'' {
                    self.put('\'');
                }
                self.put(character);
            }
            spaces = character == ' ';
            first = false;
        }
        self.put('\'');
    }

    fn double(&mut self, text: &str) {
        self.put('"');
        let mut spaces = false;
        let mut first = true;
        let mut rest = text.chars().peekable();
        while let Some(character) = rest.next() {
            if !is_printable(character) || is_break(character) || matches!(character, '"' | '\\') {
                self.escape(character);
                spaces = false;
            } else if character == ' ' {
                if self.folds && !spaces && self.column > WIDTH && !first && rest.peek().is_some() {
                    self.fold();
                    if rest.peek() == Some(&' ') {
                        self.put('\\');
                    }
                } else {
                    self.put(' ');
                }
                spaces = true;
            } else {
                self.put(character);
                spaces = false;
            }
            first = false;
        }
        self.put('"');
    }

    fn escape(&mut self, character: char) {
        let code = u32::from(character);
        let short = match character {
            '\0' => '0',
            '\u{7}' => 'a',
            '\u{8}' => 'b',
            '\t' => 't',
            '\n' => 'n',
            '\u{b}' => 'v',
            '\u{c}' => 'f',
            '\r' => 'r',
            '\u{1b}' => 'e',
            '"' | '\\' => character,
            '\u{85}' => 'N',
            '\u{a0}' => '_',
            '\u{2028}' => 'L',
            '\u{2029}' => 'P',
            _ => '\u{1}',
        };
        self.put('\\');
        if short != '\u{1}' {
            return self.put(short);
        }
        let before = self.out.len();
        let written = match code {
            0..=0xff => write!(self.out, "x{code:02X}"),
            0x100..=0xffff => write!(self.out, "u{code:04X}"),
            _ => write!(self.out, "U{code:08X}"),
        };
        written.expect("writing to a String cannot fail");
        self.column += self.out.len() - before;
    }
}

/// Whether Go's YAML reads the plain text as something else than text.
fn is_other_type(text: &str) -> bool {
    let Some(first) = text.bytes().next() else { return true };
    match first {
        b'y' | b'Y' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O' | b'~' => is_word(text),
        b'.' => is_dotted(text) || is_number(text),
        b'+' | b'-' => is_dotted(&text[1..]) || is_number(text) || is_base60(text),
        b'0'..=b'9' => is_number(text) || is_base60(text) || is_timestamp(text),
        _ => false,
    }
}

/// The words YAML 1.1 takes for booleans and null.
fn is_word(text: &str) -> bool {
    const WORDS: [&str; 8] = ["y", "yes", "on", "n", "no", "off", "true", "false"];
    if matches!(text, "~" | "null" | "Null" | "NULL") {
        return true;
    }
    let lower = text.to_ascii_lowercase();
    if text.len() > 5 || !WORDS.contains(&lower.as_str()) {
        return false;
    }
    // Lower case, upper case or capitalised; `yEs` is text.
    text == lower || text == text.to_ascii_uppercase() || text[1..] == lower[1..]
}

fn is_dotted(text: &str) -> bool {
    matches!(text, ".inf" | ".Inf" | ".INF" | ".nan" | ".NaN" | ".NAN")
}

fn is_number(text: &str) -> bool {
    static NUMBER: LazyLock<Regex> = LazyLock::new(|| {
        let decimal = r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?";
        let based = r"[-+]?0[xX][0-9a-fA-F]+|[-+]?0[bB][01]+|[-+]?0[oO][0-7]+";
        Regex::new(&format!("^(?:{decimal}|{based})$")).expect("the expression is well formed")
    });
    NUMBER.is_match(&text.replace('_', ""))
}

fn is_base60(text: &str) -> bool {
    static BASE60: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"^[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?$")
            .expect("the expression is well formed")
    });
    text.contains(':') && BASE60.is_match(text)
}

fn is_timestamp(text: &str) -> bool {
    static TIMESTAMP: LazyLock<Regex> = LazyLock::new(|| {
        let day = r"[0-9]{4}-(?:0?[1-9]|1[0-2])-(?:0?[1-9]|[12][0-9]|3[01])";
        let time = r"(?:[01]?[0-9]|2[0-3]):[0-5]?[0-9]:[0-5]?[0-9](?:\.[0-9]+)?";
        Regex::new(&format!("^{day}(?:[Tt]{time}(?:Z|[-+][0-9]{{2}}:[0-9]{{2}})| {time})?$"))
            .expect("the expression is well formed")
    });
    text.as_bytes().get(4) == Some(&b'-') && TIMESTAMP.is_match(text)
}
