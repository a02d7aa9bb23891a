//! Lines to stdout and stderr by a thread of their own, so that a slow reader of the log never holds up traffic.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

/// Lines that may wait.
const MAX_LINES: usize = 8192;
/// Octets that may wait.
const MAX_OCTETS: usize = 4 * 1024 * 1024;
/// A line is cut here.
const MAX_LINE: usize = 16 * 1024;
/// How long the end of the process may wait for the reader of the log.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Takes lines from any thread; cheap to clone. A line that finds no room is dropped and counted.
#[derive(Clone, Debug)]
pub struct Output {
    sender: SyncSender<Line>,
    shared: Arc<Shared>,
}

/// The thread that writes. When it is dropped, what waits is written first, within a second.
#[derive(Debug)]
pub struct Writer {
    sender: SyncSender<Line>,
    ended: Receiver<()>,
}

/// Where a line goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// The log.
    Stdout,
    /// The access log.
    Stderr,
}

#[derive(Debug, Default)]
struct Shared {
    waiting: AtomicUsize,
    dropped: AtomicU64,
}

#[derive(Debug)]
enum Line {
    Text(Stream, Vec<u8>),
    End,
}

/// Starts the thread that writes to these two.
///
/// # Errors
/// When the operating system has no thread left.
pub fn start(
    stdout: impl Write + Send + 'static,
    stderr: impl Write + Send + 'static,
) -> io::Result<(Output, Writer)> {
    let (sender, receiver) = sync_channel(MAX_LINES);
    let shared = Arc::new(Shared::default());
    let in_thread = shared.clone();
    let (end, ended) = sync_channel(1);
    std::thread::Builder::new().name("log".to_owned()).stack_size(128 * 1024).spawn(move || {
        write_lines(&receiver, &in_thread, stdout, stderr);
        // Nobody may be waiting for it.
        let _ = end.send(());
    })?;
    Ok((Output { sender: sender.clone(), shared }, Writer { sender, ended }))
}

// === impl Output ===

impl Output {
    /// Puts a line into the queue. It should end with a line feed.
    pub fn send(&self, stream: Stream, line: &[u8]) {
        let cut = line.len().min(MAX_LINE);
        let before = self.shared.waiting.fetch_add(cut, Ordering::Relaxed);
        let mut text = line[..cut].to_vec();
        if cut < line.len()
            && let Some(last) = text.last_mut()
        {
            *last = b'\n';
        }
        let full = before + cut > MAX_OCTETS
            || matches!(self.sender.try_send(Line::Text(stream, text)), Err(TrySendError::Full(_)));
        if full {
            self.shared.waiting.fetch_sub(cut, Ordering::Relaxed);
            self.shared.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many lines found no room since the process started.
    pub fn dropped(&self) -> u64 {
        self.shared.dropped.load(Ordering::Relaxed)
    }
}

// === impl Writer ===

impl Drop for Writer {
    fn drop(&mut self) {
        // A reader that has stopped reading must not keep the process: what cannot be queued is not waited for.
        if self.sender.try_send(Line::End).is_ok() {
            let _ = self.ended.recv_timeout(LAST_WORDS);
        }
    }
}

fn write_lines(receiver: &Receiver<Line>, shared: &Shared, mut stdout: impl Write, mut stderr: impl Write) {
    let mut told = 0;
    while let Ok(line) = receiver.recv() {
        let Line::Text(stream, text) = line else { break };
        shared.waiting.fetch_sub(text.len(), Ordering::Relaxed);
        // There is nobody to tell that the log cannot be written.
        let _ = match stream {
            Stream::Stdout => stdout.write_all(&text),
            Stream::Stderr => stderr.write_all(&text),
        };
        let dropped = shared.dropped.load(Ordering::Relaxed);
        if dropped > told && shared.waiting.load(Ordering::Relaxed) == 0 {
            let _ =
                writeln!(stdout, "(log: {} lines were dropped because the log was not read)", dropped - told);
            told = dropped;
        }
    }
    let _ = stdout.flush();
    let _ = stderr.flush();
}

#[cfg(test)]
pub(crate) mod testing {
    //! A log that can be looked at.

    use std::sync::Mutex;

    use super::*;

    /// Keeps what is written; whoever holds the lock holds the writer up.
    #[derive(Clone, Default)]
    pub(crate) struct Kept(pub(crate) Arc<Mutex<Vec<u8>>>);

    impl Kept {
        /// What was written.
        pub(crate) fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for Kept {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(octets);
            Ok(octets.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::testing::Kept;
    use super::*;

    #[test]
    fn what_waits_is_written_before_the_end() {
        let (stdout, stderr) = (Kept::default(), Kept::default());
        let (output, writer) = start(stdout.clone(), stderr.clone()).unwrap();
        output.send(Stream::Stdout, b"one\n");
        output.send(Stream::Stderr, b"two\n");
        drop(writer);
        assert_eq!((stdout.text(), stderr.text()), ("one\n".to_owned(), "two\n".to_owned()));
    }

    #[test]
    fn a_reader_that_stops_costs_lines_and_not_time() {
        let (stdout, stderr) = (Kept::default(), Kept::default());
        let (output, writer) = start(stdout.clone(), stderr).unwrap();
        let held = stdout.0.lock().unwrap();
        let long = vec![b'x'; 2 * MAX_LINE];
        for _ in 0..400 {
            output.send(Stream::Stdout, &long);
        }
        // 4 MiB hold 256 lines of 16 KiB; one more may be in the writer's hands.
        assert!((143..=144).contains(&output.dropped()), "{}", output.dropped());
        drop(held);
        while output.shared.waiting.load(Ordering::Relaxed) > 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
        drop(writer);
        let text = stdout.text();
        assert!(text.contains(" lines were dropped"), "{}", &text[text.len() - 100..]);
    }
}
