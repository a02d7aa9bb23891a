//! Output that is held back until all of it is known to be good.

use std::{
    fs::File,
    io::{self, Seek, SeekFrom, Write},
};

/// How much is held in memory, in bytes; what is more goes to a file without a name.
const IN_MEMORY: usize = 8 * 1024 * 1024;

/// Text held back: in memory, or in an unlinked temporary file when there is much.
#[derive(Default)]
pub struct Spool {
    buffer: Vec<u8>,
    file: Option<File>,
    last: Option<u8>,
}

impl Spool {
    /// A spool that holds nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// The last byte written.
    pub fn last_byte(&self) -> Option<u8> {
        self.last
    }

    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.last.is_none()
    }

    /// The buffer to append to; [`Spool::settle`] has to follow.
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    /// Moves what has piled up to the file, if it is much.
    pub fn settle(&mut self) -> io::Result<()> {
        self.last = self.buffer.last().copied().or(self.last);
        if self.buffer.len() < IN_MEMORY {
            return Ok(());
        }
        if self.file.is_none() {
            self.file = Some(tempfile::tempfile()?);
        }
        if let Some(file) = &mut self.file {
            file.write_all(&self.buffer)?;
            self.buffer.clear();
        }
        Ok(())
    }

    /// Lets everything go.
    pub fn release(mut self, to: &mut dyn Write) -> io::Result<()> {
        if let Some(mut file) = self.file.take() {
            file.seek(SeekFrom::Start(0))?;
            let mut chunk = vec![0; 1024 * 1024];
            loop {
                let count = io::Read::read(&mut file, &mut chunk)?;
                if count == 0 {
                    break;
                }
                to.write_all(&chunk[..count])?;
            }
        }
        to.write_all(&self.buffer)
    }
}

impl Write for Spool {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        self.settle()?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_back_what_went_in_whether_small_or_large() {
        for count in [0, 10, 3_000_000] {
            let mut spool = Spool::new();
            let mut expected = Vec::new();
            for number in 0..count {
                let line = format!("{number:06}\n");
                spool.write_all(line.as_bytes()).unwrap();
                expected.extend_from_slice(line.as_bytes());
            }
            assert_eq!(spool.is_empty(), count == 0);
            assert!(spool.buffer.len() <= IN_MEMORY);
            let mut out = Vec::new();
            spool.release(&mut out).unwrap();
            assert!(out == expected);
        }
    }
}
