//! Lines of a stream, each of limited length.

use std::io;

use futures::io::{AsyncBufRead, AsyncBufReadExt as _};

/// Longest line: objects have up to 1.5 MiB in etcd, more in JSON.
const LONGEST: usize = 16 << 20;

/// Reads a stream line by line.
pub(super) struct Lines<R> {
    reader: std::pin::Pin<Box<R>>,
    line: Vec<u8>,
}

impl<R: AsyncBufRead> Lines<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { reader: Box::pin(reader), line: Vec::new() }
    }

    /// The next line without its end; none at the end of the stream.
    pub(super) async fn next(&mut self) -> io::Result<Option<&[u8]>> {
        self.line.clear();
        if self.line.capacity() > 1 << 20 {
            // One large object must not cost its size for ever.
            self.line = Vec::new();
        }
        loop {
            let chunk = self.reader.fill_buf().await?;
            if chunk.is_empty() {
                return if self.line.is_empty() {
                    Ok(None)
                } else {
                    Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the watch broke off within a line"))
                };
            }
            let end = chunk.iter().position(|byte| *byte == b'\n');
            let taken = end.map_or(chunk.len(), |end| end + 1);
            if self.line.len() + taken > LONGEST {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "a line of the watch is longer than 16 MiB",
                ));
            }
            self.line.extend_from_slice(chunk.get(..end.unwrap_or(taken)).unwrap_or_default());
            self.reader.as_mut().consume_unpin(taken);
            if end.is_some() && !self.line.is_empty() {
                return Ok(Some(&self.line));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_are_whole_whatever_the_chunks() {
        let reader = futures::io::BufReader::with_capacity(3, &b"{\"a\":1}\n\n{}\n"[..]);
        let mut lines = Lines::new(reader);
        assert_eq!(lines.next().await.unwrap(), Some(&b"{\"a\":1}"[..]));
        assert_eq!(lines.next().await.unwrap(), Some(&b"{}"[..]));
        assert_eq!(lines.next().await.unwrap(), None);
        let mut cut = Lines::new(&b"{\"a\""[..]);
        assert_eq!(cut.next().await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
