//! Why a source yields no routes.

/// Why a source yields no routes. `file` is the name the caller gave the source.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The file is not text.
    #[error("{file}: not UTF-8 text (byte {offset})")]
    NotText {
        /// The source.
        file: String,
        /// The first byte that is wrong, counted from 0.
        offset: usize,
    },
    /// The text does not parse, or is refused at a place that is known.
    #[error("{file}:{line}:{column}: {cause}")]
    Syntax {
        /// The source.
        file: String,
        /// Counted from 1.
        line: usize,
        /// Counted from 1, in characters.
        column: usize,
        /// What is wrong.
        cause: String,
    },
    /// The text does not parse; the cause says where.
    #[error("{file}: {cause}")]
    Text {
        /// The source.
        file: String,
        /// What is wrong, and where.
        cause: String,
    },
    /// A field of the document is wrong.
    #[error("{file}: {field}: {cause}")]
    Field {
        /// The source.
        file: String,
        /// The path of the field, such as `paths["/a"].get.responses`.
        field: String,
        /// What is wrong.
        cause: String,
    },
    /// References that lead back to themselves.
    #[error("{file}: {field}: $ref goes in a circle: {}", .chain.join(" -> "))]
    CyclicReference {
        /// The source.
        file: String,
        /// The field with the first reference.
        field: String,
        /// The references in order; the last is one of those before.
        chain: Vec<String>,
    },
    /// A reference to another document.
    #[error(
        "{file}: {field}: $ref \"{reference}\" points outside this document; bundle it into one file first"
    )]
    ExternalReference {
        /// The source.
        file: String,
        /// The field with the reference.
        field: String,
        /// The reference.
        reference: String,
    },
    /// A reference to nothing.
    #[error("{file}: {field}: $ref \"{reference}\" points to nothing")]
    DanglingReference {
        /// The source.
        file: String,
        /// The field with the reference.
        field: String,
        /// The reference.
        reference: String,
    },
    /// Files that import each other.
    #[error("imports go in a circle: {}", .chain.join(" -> "))]
    CyclicImport {
        /// The files in order; the first and the last are the same.
        chain: Vec<String>,
    },
    /// The source is read, but holds nothing to make a route of.
    #[error("{file}: no {what} to make routes of")]
    Empty {
        /// The source.
        file: String,
        /// `operations` or `services`.
        what: &'static str,
    },
    /// Routes of this kind cannot be made of this source.
    #[error("{0}")]
    Unfit(&'static str),
}

/// Line and column, both counted from 1, of a byte of a text.
pub(crate) fn position(text: &str, offset: usize) -> (usize, usize) {
    let mut end = offset.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let before = &text[..end];
    let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    (line, before[start..].chars().count() + 1)
}

/// A source as text, without the byte order mark that some editors write.
pub(crate) fn text<'a>(file: &str, bytes: &'a [u8]) -> Result<&'a str, Error> {
    let text = std::str::from_utf8(bytes)
        .map_err(|error| Error::NotText { file: file.to_owned(), offset: error.valid_up_to() })?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}
