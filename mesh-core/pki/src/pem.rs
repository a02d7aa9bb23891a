//! PEM with exact complaints: which line, which block, what about it.
//!
//! Accepted on top of the strict form: CRLF, a byte order mark, leading and trailing blanks on a line, blank lines,
//! explanatory text before a block (`openssl` writes such). Refused: text after the last block, encrypted blocks,
//! broken boundaries, characters that are not base64. What is written out again is always the canonical form.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use thiserror::Error;

/// Largest PEM input looked at, in bytes. A bundle of a hundred anchors is below 100 KiB.
pub const MAX_PEM_BYTES: usize = 1024 * 1024;

const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"-----END ";
const DASHES: &[u8] = b"-----";
const LINE_WIDTH: usize = 64;

/// One PEM block.
#[derive(Clone, PartialEq, Eq)]
pub struct Block {
    /// What the boundaries say, for instance `CERTIFICATE`.
    pub label: String,
    /// The decoded bytes.
    pub der: Vec<u8>,
    /// Line of the `BEGIN` boundary, from 1.
    pub line: usize,
}

/// What is wrong with a PEM text, before its content is looked at.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PemError {
    /// No byte, or only blanks.
    #[error("empty; a PEM block is needed")]
    Empty,
    /// More than [`MAX_PEM_BYTES`].
    #[error("too large: {bytes} bytes, at most {MAX_PEM_BYTES} are read")]
    TooLarge {
        /// Its length in bytes.
        bytes: usize,
    },
    /// Text, but no `BEGIN` line in it.
    #[error("no PEM block found (a line such as `-----BEGIN CERTIFICATE-----` starts one)")]
    NoBlock,
    /// The bytes of a certificate or key without the PEM armour.
    #[error(
        "binary (DER) form; PEM is needed (`openssl x509 -inform DER` or `openssl pkey -inform DER` converts it)"
    )]
    Der,
    /// A NUL byte, which no PEM file has.
    #[error("line {line}: a NUL byte, which no PEM file has")]
    Nul {
        /// Line of the first one, from 1.
        line: usize,
    },
    /// A line of dashes that is no boundary, or an `END` without a `BEGIN`.
    #[error("line {line}: not a PEM boundary where one was expected")]
    Boundary {
        /// Line, from 1.
        line: usize,
    },
    /// A block without its `END` line.
    #[error("line {line}: the {label} block that begins here has no `-----END {label}-----` line")]
    Unterminated {
        /// Label of the block.
        label: String,
        /// Line of its `BEGIN`, from 1.
        line: usize,
    },
    /// `END` names another label than `BEGIN`.
    #[error("line {line}: a {label} block ends as {end}")]
    EndMismatch {
        /// Label of the `BEGIN` line.
        label: String,
        /// Label of the `END` line.
        end: String,
        /// Line of the `END`, from 1.
        line: usize,
    },
    /// The content is not base64.
    #[error("line {line}: the {label} block is not valid base64 here")]
    Base64 {
        /// Label of the block.
        label: String,
        /// Line, from 1.
        line: usize,
    },
    /// A block with nothing in it.
    #[error("line {line}: the {label} block is empty")]
    EmptyBlock {
        /// Label of the block.
        label: String,
        /// Line of its `BEGIN`, from 1.
        line: usize,
    },
    /// A key protected by a password.
    #[error(
        "line {line}: the {label} block is encrypted; decrypt it first (`openssl pkey -in FILE -out FILE.plain`)"
    )]
    Encrypted {
        /// Label of the block.
        label: String,
        /// Line, from 1.
        line: usize,
    },
    /// Header lines inside a block, which nothing that is read here has.
    #[error("line {line}: the {label} block has header lines, which are not supported")]
    Headers {
        /// Label of the block.
        label: String,
        /// Line, from 1.
        line: usize,
    },
    /// Text after the last block.
    #[error("line {line}: trailing garbage after the last PEM block")]
    TrailingGarbage {
        /// Line, from 1.
        line: usize,
    },
}

impl std::fmt::Debug for Block {
    /// Leaves the content out: it may be a private key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Block")
            .field("label", &self.label)
            .field("bytes", &self.der.len())
            .field("line", &self.line)
            .finish()
    }
}

/// Reads all blocks of a PEM text. There is at least one in the result.
///
/// # Errors
/// The first thing that is wrong, with its line.
pub fn parse(input: &[u8]) -> Result<Vec<Block>, PemError> {
    if input.len() > MAX_PEM_BYTES {
        return Err(PemError::TooLarge { bytes: input.len() });
    }
    let text = input.strip_prefix(b"\xef\xbb\xbf").unwrap_or(input);
    if text.trim_ascii().is_empty() {
        return Err(PemError::Empty);
    }
    if looks_like_der(text) {
        return Err(PemError::Der);
    }
    let mut blocks = Vec::new();
    let mut stray = None;
    let mut lines = text.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii).zip(1..);
    while let Some((content, line)) = lines.next() {
        if content.contains(&0) {
            return Err(PemError::Nul { line });
        }
        if let Some(label) = boundary(content, BEGIN) {
            blocks.push(block(label, line, &mut lines)?);
            stray = None;
        } else if content.starts_with(DASHES) {
            return Err(PemError::Boundary { line });
        } else if !content.is_empty() {
            stray = stray.or(Some(line));
        }
    }
    match stray {
        _ if blocks.is_empty() => Err(PemError::NoBlock),
        Some(line) => Err(PemError::TrailingGarbage { line }),
        None => Ok(blocks),
    }
}

/// Writes one block in canonical form: 64 characters a line, `\n`, a newline at the end.
pub fn encode(label: &str, der: &[u8]) -> String {
    let encoded = STANDARD.encode(der);
    let mut out = format!("-----BEGIN {label}-----\n");
    let mut rest = encoded.as_str();
    while !rest.is_empty() {
        let (line, tail) = rest.split_at(rest.len().min(LINE_WIDTH));
        out.push_str(line);
        out.push('\n');
        rest = tail;
    }
    out.push_str("-----END ");
    out.push_str(label);
    out.push_str("-----\n");
    out
}

/// Reads the lines of one block up to and with its `END`.
fn block<'a>(
    label: String,
    begin: usize,
    lines: &mut impl Iterator<Item = (&'a [u8], usize)>,
) -> Result<Block, PemError> {
    let mut encoded = Vec::new();
    let mut last = begin;
    for (content, line) in lines {
        if let Some(end) = boundary(content, END) {
            if end != label {
                return Err(PemError::EndMismatch { label, end, line });
            }
            if encoded.is_empty() {
                return Err(PemError::EmptyBlock { label, line: begin });
            }
            let Ok(der) = STANDARD.decode(&encoded) else {
                return Err(PemError::Base64 { label, line: last });
            };
            return Ok(Block { label, der, line: begin });
        }
        if content.starts_with(BEGIN) {
            return Err(PemError::Unterminated { label, line: begin });
        }
        if content.contains(&b':') {
            return Err(match content.windows(9).any(|part| part.eq_ignore_ascii_case(b"ENCRYPTED")) {
                true => PemError::Encrypted { label, line },
                false => PemError::Headers { label, line },
            });
        }
        let legal = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=".contains(byte);
        if !content.iter().all(legal) {
            return Err(PemError::Base64 { label, line });
        }
        if !content.is_empty() {
            last = line;
        }
        encoded.extend_from_slice(content);
    }
    Err(PemError::Unterminated { label, line: begin })
}

/// The label of a boundary line that starts with `prefix`.
fn boundary(line: &[u8], prefix: &[u8]) -> Option<String> {
    let label = line.strip_prefix(prefix)?.strip_suffix(DASHES)?;
    let legal = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b' ';
    if label.is_empty() || label.len() > 64 || !label.iter().all(legal) {
        return None;
    }
    Some(label.iter().copied().map(char::from).collect())
}

/// A DER sequence whose length is that of the whole input.
fn looks_like_der(input: &[u8]) -> bool {
    let declared = match input {
        [0x30, 0x81, length, ..] => 3 + usize::from(*length),
        [0x30, 0x82, high, low, ..] => 4 + (usize::from(*high) << 8 | usize::from(*low)),
        [0x30, length @ ..=0x7f, ..] => 2 + usize::from(*length),
        _ => return false,
    };
    declared == input.len()
}
