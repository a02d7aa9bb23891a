//! Cuts a stream into the texts of its documents without reading more of it than one document at a time.

use std::io::{self, Read};

use memchr::memmem;

/// How much is read at a time, in bytes.
const CHUNK: usize = 256 * 1024;
/// The largest document that is held, in bytes.
pub const MAX_DOCUMENT: usize = 256 * 1024 * 1024;

/// Why a stream cannot be cut.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SplitError {
    /// The stream cannot be read.
    #[error(transparent)]
    Read(#[from] io::Error),
    /// More text than a manifest can be.
    #[error("a document is larger than {} MiB", MAX_DOCUMENT / 1024 / 1024)]
    TooLarge,
}

/// The text of one document with the marker line before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Chunk<'a> {
    /// Its bytes; all chunks put together are the stream.
    pub(crate) bytes: &'a [u8],
    /// How many lines stand before it.
    pub(crate) line: usize,
}

/// A stream of documents, cut before each line that starts with the marker `---`.
///
/// Such a line ends a document wherever it stands: YAML allows it in no scalar.
pub(crate) struct Documents<R> {
    reader: R,
    buffer: Vec<u8>,
    start: usize,
    line: usize,
    is_done: bool,
}

impl<R: Read> Documents<R> {
    /// Cuts what `reader` gives.
    pub(crate) fn new(reader: R) -> Self {
        Self { reader, buffer: Vec::new(), start: 0, line: 0, is_done: false }
    }

    /// The next document; `None` at the end of the stream.
    pub(crate) fn next_chunk(&mut self) -> Result<Option<Chunk<'_>>, SplitError> {
        let mut searched = self.start;
        loop {
            if let Some(end) = marker(&self.buffer, searched, self.is_done) {
                return Ok(Some(self.take(end)));
            }
            if self.is_done {
                let end = self.buffer.len();
                return Ok(if self.start < end { Some(self.take(end)) } else { None });
            }
            // The line break of a marker, and its last character, may be the last bytes read.
            let rest = self.buffer.len() - self.start;
            if rest > MAX_DOCUMENT {
                return Err(SplitError::TooLarge);
            }
            self.read_more()?;
            searched = self.start + rest.saturating_sub(4);
        }
    }

    fn read_more(&mut self) -> io::Result<()> {
        self.buffer.drain(..self.start);
        self.start = 0;
        let before = self.buffer.len();
        // A large document is read in steps of its own size, so that little is moved and searched twice.
        let wanted = CHUNK.max(before / 2);
        let mut limited = self.reader.by_ref().take(wanted as u64);
        let count = limited.read_to_end(&mut self.buffer)?;
        self.is_done = count < wanted;
        Ok(())
    }

    fn take(&mut self, end: usize) -> Chunk<'_> {
        let line = self.line;
        let bytes = &self.buffer[self.start..end];
        self.line += memchr::memchr_iter(b'\n', bytes).count();
        self.start = end;
        Chunk { bytes, line }
    }
}

/// Where the next marker line starts, behind `from`.
fn marker(buffer: &[u8], from: usize, is_done: bool) -> Option<usize> {
    let mut from = from;
    while let Some(found) = memmem::find(&buffer[from..], b"\n---") {
        let start = from + found + 1;
        match buffer.get(start + 3) {
            None if !is_done => return None,
            None | Some(b'\n' | b'\r' | b' ' | b'\t') => return Some(start),
            Some(_) => from = start,
        }
    }
    None
}

/// Whether a chunk holds nothing but markers, comments, directives and blank lines.
pub(crate) fn is_blank(text: &str) -> bool {
    text.lines().all(|line| {
        let line = line.trim_start_matches('\u{feff}').trim();
        line.is_empty() || line.starts_with(['#', '%']) || line == "---" || line == "..."
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn split(text: &str) -> Vec<(String, usize)> {
        let mut documents = Documents::new(text.as_bytes());
        let mut found = Vec::new();
        while let Some(chunk) = documents.next_chunk().unwrap() {
            found.push((String::from_utf8(chunk.bytes.to_vec()).unwrap(), chunk.line));
        }
        found
    }

    #[test]
    fn cuts_at_marker_lines_only() {
        let texts = |text: &str| split(text).into_iter().map(|(text, _)| text).collect::<Vec<_>>();
        assert_eq!(texts("a: 1\n---\nb: 2\n"), ["a: 1\n", "---\nb: 2\n"]);
        assert_eq!(texts("---\na: 1\n--- # x\nb: 2\n---"), ["---\na: 1\n", "--- # x\nb: 2\n", "---"]);
        assert_eq!(texts("a: |\n  ---\n  x\nb: '----'\n----\n"), ["a: |\n  ---\n  x\nb: '----'\n----\n"]);
        assert_eq!(texts("a: 1\r\n---\r\nb: 2"), ["a: 1\r\n", "---\r\nb: 2"]);
        assert_eq!(texts(""), Vec::<String>::new());
        assert_eq!(split("a\nb\n---\nc\n---\n")[2].1, 4);
    }

    #[test]
    fn cuts_large_streams_as_small_ones() {
        let document = format!("---\na: {}\n", "x".repeat(70_000));
        let text = document.repeat(40);
        let found = split(&text);
        assert_eq!(found.len(), 40);
        assert!(found.iter().all(|(text, _)| *text == document));
    }

    #[test]
    fn refuses_a_document_without_end() {
        let mut documents = Documents::new(io::repeat(b'x'));
        assert!(matches!(documents.next_chunk(), Err(SplitError::TooLarge)));
    }

    proptest! {
        #[test]
        fn all_chunks_together_are_the_stream(text in "(---|-|\n|\r|a: b| |\t|#){0,40}") {
            let joined: String = split(&text).into_iter().map(|(text, _)| text).collect();
            prop_assert_eq!(joined, text);
        }
    }
}
