//! Splitting a stream into documents without reading them.
//!
//! Every byte of the stream is in exactly one document: a `---` line opens the document it stands before, a `...` line closes the one
//! it stands behind, comments and directives belong to the document that follows them once one was closed. So the documents, put one
//! after another, are the stream.

use std::io::BufRead;

use memchr::memchr;

/// Most bytes of one document, unless told otherwise.
pub const MAX_DOCUMENT: usize = 64 << 20;

/// Why a stream stops.
#[derive(Debug, thiserror::Error)]
pub enum SplitError {
    /// The stream cannot be read.
    #[error("cannot read document {number} (line {line})")]
    Read {
        /// Number of the document, from 1.
        number: usize,
        /// Line of the stream where the document starts, from 1.
        line: usize,
        /// What the reader said.
        #[source]
        source: std::io::Error,
    },
    /// A document is over the limit.
    #[error("document {number} (line {line}) is larger than {limit} bytes")]
    TooLarge {
        /// Number of the document, from 1.
        number: usize,
        /// Line of the stream where the document starts, from 1.
        line: usize,
        /// The limit.
        limit: usize,
    },
    /// A document is not text.
    #[error("document {number} is not UTF-8 at line {line}")]
    NotText {
        /// Number of the document, from 1.
        number: usize,
        /// Line of the stream, from 1.
        line: usize,
    },
}

/// One document with all bytes that belong to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Document<'a> {
    /// Its bytes: markers, comments and line breaks included.
    pub text: &'a str,
    /// Its number in the stream, from 1.
    pub number: usize,
    /// Line of the stream where it starts, from 1.
    pub line: usize,
}

impl Document<'_> {
    /// Whether it holds nothing but markers, comments, directives and blanks.
    pub fn is_blank(&self) -> bool {
        self.text.trim_start_matches('\u{feff}').lines().all(|line| {
            let line = line.trim_end();
            let bare = line.trim_start();
            let marker = line.strip_prefix("---").or_else(|| line.strip_prefix("..."));
            let is_comment = |text: &str| text.trim_start().is_empty() || text.trim_start().starts_with('#');
            bare.is_empty()
                || bare.starts_with('#')
                || line.starts_with('%')
                || marker.is_some_and(|rest| is_comment(rest) && !rest.starts_with('#'))
        })
    }
}

/// Reads documents one at a time; memory stays at the size of the largest.
#[derive(Debug)]
pub struct Splitter<R> {
    reader: R,
    limit: usize,
    buffer: Vec<u8>,
    /// How much of the buffer earlier documents took.
    taken: usize,
    /// Start of the line that is looked at next.
    next_line: usize,
    /// No line break stands between `next_line` and here.
    searched: usize,
    number: usize,
    line: usize,
    lines: usize,
    is_over: bool,
    is_closed: bool,
    has_content: bool,
}

impl<R: BufRead> Splitter<R> {
    /// Splits what `reader` gives, allowing documents of [`MAX_DOCUMENT`].
    pub fn new(reader: R) -> Self {
        Self::with_limit(reader, MAX_DOCUMENT)
    }

    /// Splits what `reader` gives, allowing documents of `limit` bytes.
    pub fn with_limit(reader: R, limit: usize) -> Self {
        Self {
            reader,
            limit,
            buffer: Vec::new(),
            taken: 0,
            next_line: 0,
            searched: 0,
            number: 0,
            line: 1,
            lines: 0,
            is_over: false,
            is_closed: false,
            has_content: false,
        }
    }

    /// The next document, or `None` behind the last.
    ///
    /// # Errors
    /// When the stream cannot be read, is no text, or has a document over the limit; nothing comes after an error.
    pub fn next_document(&mut self) -> Result<Option<Document<'_>>, SplitError> {
        let start = loop {
            if let Some(end) = self.find_end() {
                break std::mem::replace(&mut self.taken, end);
            }
            if self.is_over {
                self.lines += usize::from(self.next_line < self.buffer.len());
                self.next_line = self.buffer.len();
                let end = self.buffer.len();
                break std::mem::replace(&mut self.taken, end);
            }
            self.fill()?;
        };
        let bytes = &self.buffer[start..self.taken];
        if bytes.is_empty() {
            return Ok(None);
        }
        if bytes.len() > self.limit {
            return Err(self.too_large());
        }
        self.number += 1;
        let line = self.line;
        self.line += std::mem::take(&mut self.lines);
        self.has_content = false;
        self.is_closed = false;
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Some(Document { text, number: self.number, line })),
            Err(error) => {
                let before = &bytes[..error.valid_up_to()];
                let line = line + memchr::memchr_iter(b'\n', before).count();
                Err(SplitError::NotText { number: self.number, line })
            }
        }
    }

    fn too_large(&self) -> SplitError {
        SplitError::TooLarge { number: self.number + 1, line: self.line, limit: self.limit }
    }

    fn fill(&mut self) -> Result<(), SplitError> {
        self.buffer.drain(..self.taken);
        self.next_line -= self.taken;
        self.searched = self.searched.saturating_sub(self.taken);
        self.taken = 0;
        if self.buffer.len() > self.limit {
            return Err(self.too_large());
        }
        let chunk = loop {
            match self.reader.fill_buf() {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Ok(chunk) => break chunk,
                Err(source) => {
                    return Err(SplitError::Read { number: self.number + 1, line: self.line, source });
                }
            }
        };
        self.is_over = chunk.is_empty();
        self.buffer.extend_from_slice(chunk);
        let count = chunk.len();
        self.reader.consume(count);
        Ok(())
    }

    /// Where the document ends, if the buffer shows it. Looks at whole lines only, unless the stream is over.
    fn find_end(&mut self) -> Option<usize> {
        loop {
            let rest = &self.buffer[self.next_line..];
            // A long line arrives in many pieces, each of which is looked at once.
            let known = self.searched.saturating_sub(self.next_line).min(rest.len());
            let newline = memchr(b'\n', &rest[known..]).map(|at| known + at);
            self.searched = self.next_line + newline.unwrap_or(rest.len());
            if newline.is_none() && (!self.is_over || rest.is_empty()) {
                return None;
            }
            let line = &rest[..newline.unwrap_or(rest.len())];
            let kind = classify(line);
            // What follows `...` opens the next document, except for blank ends of the stream.
            let is_new = match kind {
                Line::Start => self.has_content || self.is_closed,
                Line::Directive => self.is_closed,
                Line::Other | Line::Blank | Line::End => self.is_closed,
            };
            if is_new && self.next_line > self.taken {
                return Some(self.next_line);
            }
            self.has_content |= matches!(kind, Line::Other | Line::Start);
            self.is_closed = kind == Line::End;
            let length = newline.map_or(rest.len(), |at| at + 1);
            self.next_line += length;
            self.lines += 1;
        }
    }
}

/// What a line may mean for the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    /// `---`
    Start,
    /// `...`
    End,
    /// `%YAML` and the like.
    Directive,
    /// Nothing or a comment.
    Blank,
    /// Anything else.
    Other,
}

fn classify(line: &[u8]) -> Line {
    match line {
        [b'-', b'-', b'-', rest @ ..] if is_separate(rest) => Line::Start,
        [b'.', b'.', b'.', rest @ ..] if is_separate(rest) => Line::End,
        [b'%', ..] => Line::Directive,
        _ => match line.iter().find(|byte| !matches!(byte, b' ' | b'\t' | b'\r')) {
            None | Some(b'#') => Line::Blank,
            Some(_) => Line::Other,
        },
    }
}

fn is_separate(rest: &[u8]) -> bool {
    matches!(rest.first(), None | Some(b' ' | b'\t' | b'\r'))
}

#[cfg(test)]
mod tests {
    use std::io::{BufReader, Read};

    use super::*;

    /// Gives its bytes in small pieces.
    struct Drip<'a>(&'a [u8], usize);

    impl Read for Drip<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let count = self.1.min(self.0.len()).min(buffer.len());
            buffer[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    fn split(text: &str) -> Vec<(String, usize)> {
        let mut all = Vec::new();
        for step in [1, 3, 1000] {
            let mut splitter = Splitter::new(BufReader::with_capacity(8, Drip(text.as_bytes(), step)));
            let mut found = Vec::new();
            while let Some(document) = splitter.next_document().unwrap() {
                assert_eq!(document.number, found.len() + 1);
                found.push((document.text.to_owned(), document.line));
            }
            assert_eq!(found.iter().map(|(text, _)| text.as_str()).collect::<String>(), text);
            all.push(found);
        }
        assert!(all.windows(2).all(|pair| pair[0] == pair[1]), "{all:?}");
        all.pop().unwrap()
    }

    fn texts(text: &str) -> Vec<String> {
        split(text).into_iter().map(|(text, _)| text).collect()
    }

    #[test]
    fn documents_start_at_markers() {
        assert_eq!(
            split("a: 1\n---\nb: 2\n--- # c\nd: 3"),
            [("a: 1\n".to_owned(), 1), ("---\nb: 2\n".to_owned(), 2), ("--- # c\nd: 3".to_owned(), 4),]
        );
        assert_eq!(texts("a: 1\r\n---\r\nb: 2\r\n"), ["a: 1\r\n", "---\r\nb: 2\r\n"]);
        assert_eq!(texts("---\n---\n"), ["---\n", "---\n"]);
        assert_eq!(texts(""), [""; 0]);
    }

    #[test]
    fn only_column_zero_separates() {
        assert_eq!(texts("a: |\n  ---\n  b\nc: ---x\n----\n").len(), 1);
        assert_eq!(texts("a: |\n---\nb\n").len(), 2);
    }

    #[test]
    fn comments_before_the_first_marker_belong_to_it() {
        assert_eq!(texts("# license\n\n---\na: 1\n"), ["# license\n\n---\na: 1\n"]);
        assert_eq!(texts("\u{feff}# license\n---\na: 1\n").concat(), "\u{feff}# license\n---\na: 1\n");
    }

    #[test]
    fn what_follows_an_end_belongs_to_the_next() {
        assert_eq!(
            texts("a: 1\n...\n# next\n%YAML 1.1\n---\nb: 2\n"),
            ["a: 1\n...\n", "# next\n%YAML 1.1\n---\nb: 2\n"]
        );
    }

    #[test]
    fn blank_documents_are_known() {
        let is_blank = |text| Document { text, number: 1, line: 1 }.is_blank();
        assert!(is_blank("---\n# c\n\n...\n"));
        assert!(is_blank("--- # c\n"));
        assert!(!is_blank("--- a\n"));
        assert!(!is_blank("---\na: 1\n"));
    }

    #[test]
    fn a_document_over_the_limit_names_itself() {
        let text = format!("a: 1\n---\nb: {}\n", "x".repeat(100));
        let mut splitter = Splitter::with_limit(text.as_bytes(), 50);
        assert!(splitter.next_document().unwrap().is_some());
        let error = splitter.next_document().unwrap_err();
        assert_eq!(error.to_string(), "document 2 (line 2) is larger than 50 bytes");
    }

    #[test]
    fn memory_stays_at_the_size_of_a_document() {
        let text = "---\na: 1\nb: some text\n".repeat(400_000);
        let mut splitter = Splitter::new(BufReader::with_capacity(4096, text.as_bytes()));
        let mut count = 0;
        while splitter.next_document().unwrap().is_some() {
            count += 1;
        }
        assert_eq!(count, 400_000);
        assert!(splitter.buffer.capacity() < 64 << 10, "{}", splitter.buffer.capacity());
    }

    #[test]
    fn no_text_is_an_error_with_its_line() {
        let mut splitter = Splitter::new(&b"a: 1\nb: \xff\n"[..]);
        let error = splitter.next_document().unwrap_err();
        assert_eq!(error.to_string(), "document 1 is not UTF-8 at line 2");
    }
}
