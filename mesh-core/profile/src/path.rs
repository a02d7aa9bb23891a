//! Path patterns: literal text, parameters and alternatives, written as regular expressions.

/// A pattern of request paths.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PathPattern {
    pieces: Vec<Piece>,
}

/// A part of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// This text, as it stands in a request.
    Literal(String),
    /// Any text without a slash, the empty one included.
    Parameter,
    /// One of these.
    Choice(Vec<PathPattern>),
}

// === impl PathPattern ===

impl PathPattern {
    /// A pattern that matches this text alone.
    pub fn literal(text: &str) -> Self {
        let mut pattern = Self::default();
        pattern.push_literal(text);
        pattern
    }

    /// The pattern of an OpenAPI path: each `{name}` is a parameter, a brace without its partner is text.
    pub fn template(text: &str) -> Self {
        let mut pattern = Self::default();
        for part in parts(text) {
            match part {
                Part::Text(text) => pattern.push_literal(text),
                Part::Name(_) => pattern.pieces.push(Piece::Parameter),
            }
        }
        pattern
    }

    /// The regular expression, to be matched against whole paths. The characters that are quoted are those that
    /// Go quotes, so that profiles compare equal with Linkerd's.
    pub fn regex(&self) -> String {
        let mut out = String::new();
        self.write_regex(&mut out);
        out
    }

    /// The one path it matches, if it matches but one.
    pub fn exact(&self) -> Option<&str> {
        match self.pieces.as_slice() {
            [Piece::Literal(text)] => Some(text),
            _ => None,
        }
    }

    pub(crate) fn push_literal(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        let encoded = percent_encoded(text);
        match self.pieces.last_mut() {
            Some(Piece::Literal(last)) => last.push_str(&encoded),
            _ => self.pieces.push(Piece::Literal(encoded)),
        }
    }

    pub(crate) fn push(&mut self, piece: Piece) {
        self.pieces.push(piece);
    }

    /// `self` followed by `other`.
    pub(crate) fn then(mut self, other: &Self) -> Self {
        for piece in &other.pieces {
            match (self.pieces.last_mut(), piece) {
                (Some(Piece::Literal(last)), Piece::Literal(text)) => last.push_str(text),
                _ => self.pieces.push(piece.clone()),
            }
        }
        self
    }

    fn write_regex(&self, out: &mut String) {
        for piece in &self.pieces {
            match piece {
                Piece::Literal(text) => quote_into(text, out),
                Piece::Parameter => out.push_str("[^/]*"),
                Piece::Choice(choices) => {
                    out.push_str("(?:");
                    for (index, choice) in choices.iter().enumerate() {
                        if index > 0 {
                            out.push('|');
                        }
                        choice.write_regex(out);
                    }
                    out.push(')');
                }
            }
        }
    }
}

/// Text and the names in braces between it.
pub(crate) enum Part<'a> {
    /// Text outside braces.
    Text(&'a str),
    /// What stands in a pair of braces.
    Name(&'a str),
}

/// Splits a template at its `{name}`s.
pub(crate) fn parts(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(open) = rest.find('{')
        && let Some(length) = rest[open..].find('}')
    {
        parts.push(Part::Text(&rest[..open]));
        parts.push(Part::Name(&rest[open + 1..open + length]));
        rest = &rest[open + length + 1..];
    }
    parts.push(Part::Text(rest));
    parts
}

/// A request never carries blanks, control characters, `"`, `<`, `>` or anything beyond ASCII as they are.
fn percent_encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_ascii_graphic() && !matches!(character, '"' | '<' | '>') {
            out.push(character);
            continue;
        }
        let mut buffer = [0; 4];
        for byte in character.encode_utf8(&mut buffer).bytes() {
            const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
            out.push('%');
            out.push(DIGITS[usize::from(byte >> 4)].into());
            out.push(DIGITS[usize::from(byte & 15)].into());
        }
    }
    out
}

fn quote_into(text: &str, out: &mut String) {
    for character in text.chars() {
        if r"\.+*?()|[]{}^$".contains(character) {
            out.push('\\');
        }
        out.push(character);
    }
}
