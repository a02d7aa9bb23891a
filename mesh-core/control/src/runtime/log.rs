//! Log lines on standard error, and spans to a collector where one is named.

use std::io;

use tracing_subscriber::filter::{EnvFilter, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use super::RunError;
use super::spans::{self, Exporter, Handle};
use crate::args::{CommonArgs, LogFormat, LogLevel};

/// Starts logging; the first call in a process wins. What sends spans is returned, to be run.
///
/// # Errors
/// When the address of the collector is none.
pub fn init(common: &CommonArgs) -> Result<Option<(Exporter, Handle)>, RunError> {
    let level = match common.log_level {
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "info",
        LogLevel::Debug => "debug",
        LogLevel::Trace => "trace",
    };
    // Libraries below us are of interest at `trace` alone, and spans of requests to the collector alone.
    let filter = match common.log_level {
        LogLevel::Trace => format!("{level},{}=off", spans::TARGET),
        LogLevel::Error => level.to_owned(),
        _ => format!("warn,mesh_control={level},linkerd_controller={level}"),
    };
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(OneLine(io::stderr as fn() -> io::Stderr))
        .with_ansi(false);
    let lines = match common.log_format {
        LogFormat::Plain => lines.boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    let lines = lines.with_filter(EnvFilter::new(filter));
    let Some(collector) = &common.trace_collector else {
        let _ = tracing_subscriber::registry().with(lines).try_init();
        return Ok(None);
    };
    let (recorder, exporter, handle) = match spans::to(collector) {
        Ok(parts) => parts,
        Err(error) => {
            // So that it can be told.
            let _ = tracing_subscriber::registry().with(lines).try_init();
            return Err(error);
        }
    };
    let ours = filter_fn(|metadata| metadata.is_span() && metadata.target() == spans::TARGET);
    let _ = tracing_subscriber::registry().with(lines).with(recorder.with_filter(ours)).try_init();
    Ok(Some((exporter, handle)))
}

/// Keeps an event on one line, whatever is in it: names and errors come from users and peers, and a line break in them
/// would let them write lines of their own.
struct OneLine<M>(M);

/// One event on its way out.
struct Event<W>(W);

impl<'a, M: MakeWriter<'a>> MakeWriter<'a> for OneLine<M> {
    type Writer = Event<M::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        Event(self.0.make_writer())
    }
}

impl<W: io::Write> io::Write for Event<W> {
    /// The subscriber writes an event, with the line break at its end, in one go.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let line = text.strip_suffix('\n').unwrap_or(&text);
        let mut safe = String::with_capacity(line.len() + 1);
        for letter in line.chars() {
            if letter.is_control() {
                safe.extend(letter.escape_default());
            } else {
                safe.push(letter);
            }
        }
        if text.ends_with('\n') {
            safe.push('\n');
        }
        self.0.write_all(safe.as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parking_lot::Mutex;

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn no_text_makes_a_line_of_its_own() {
        // Flaw it answers: a name with a line break in it wrote lines that looked like the component's own.
        let kept = Kept::default();
        let sink = kept.clone();
        let writer = OneLine(move || sink.clone());
        let forged = "web\n2030-01-01T00:00:00Z ERROR all is lost\r\u{1b}[2J";
        let lines = tracing_subscriber::fmt().with_writer(writer).with_ansi(false).finish();
        tracing::subscriber::with_default(lines, || {
            tracing::warn!("{forged}");
            tracing::warn!(name = forged, shown = %forged, "plain");
        });
        let text = String::from_utf8(kept.0.lock().clone()).unwrap();
        assert_eq!(text.matches('\n').count(), 2, "{text}");
        assert!(!text.contains(['\r', '\u{1b}']), "{text}");
        assert!(text.contains("web\\n2030"), "what was written is still shown: {text}");
    }
}
