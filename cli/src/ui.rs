//! The only writer to stdout and stderr.
//!
//! Data goes to stdout, everything else to stderr. Whether to colour is decided here, for each stream alone;
//! colour never carries meaning by itself. Trouble on stderr is ignored: there is nowhere left to report it.

use std::io::{self, BufWriter, IsTerminal, Write};

use anstyle::{AnsiColor, Style};

use crate::error::{CommandError, Kind};
use crate::global::Color;
use crate::settings::Settings;

/// What a piece of text means; mapped to a colour here alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A passed check, a success.
    Success,
    /// A warning.
    Warning,
    /// A failure.
    Failure,
    /// A header or name to stand out.
    Strong,
    /// A next step.
    Hint,
}

impl Role {
    fn style(self) -> Style {
        match self {
            Self::Success => AnsiColor::Green.on_default().bold(),
            Self::Warning => AnsiColor::Yellow.on_default().bold(),
            Self::Failure => AnsiColor::Red.on_default().bold(),
            Self::Strong => Style::new().bold(),
            Self::Hint => AnsiColor::Cyan.on_default(),
        }
    }
}

/// One of the two streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Data.
    Out,
    /// Progress, warnings, errors.
    Err,
}

/// The terminal.
pub struct Ui {
    out: Box<dyn Write>,
    err: Box<dyn Write>,
    terminal: [bool; 2],
    color: [bool; 2],
    forced: Option<bool>,
    utf8: bool,
    verbose: bool,
}

impl Ui {
    /// The process's own streams.
    pub fn terminal(settings: &Settings) -> Self {
        let terminal = [io::stdout().is_terminal(), io::stderr().is_terminal()];
        let forced = match (settings.force_color, settings.no_color) {
            (true, _) => Some(true),
            (false, true) => Some(false),
            (false, false) => None,
        };
        Self {
            out: Box::new(BufWriter::with_capacity(64 * 1024, io::stdout())),
            err: Box::new(io::stderr()),
            terminal,
            color: terminal.map(|terminal| forced.unwrap_or(terminal)),
            forced,
            utf8: settings.utf8,
            verbose: false,
        }
    }

    /// Streams given by a test; no colour, no terminal.
    pub fn captured(out: Box<dyn Write>, err: Box<dyn Write>) -> Self {
        Self { out, err, terminal: [false; 2], color: [false; 2], forced: None, utf8: true, verbose: false }
    }

    /// Applies `--color` and `--verbose`, which beat the environment.
    pub fn configure(&mut self, color: Color, verbose: bool) {
        self.verbose = verbose;
        self.color = match color {
            Color::Always => [true; 2],
            Color::Never => [false; 2],
            Color::Auto => self.terminal.map(|terminal| self.forced.unwrap_or(terminal)),
        };
    }

    /// True with `--verbose`.
    pub fn is_verbose(&self) -> bool {
        self.verbose
    }

    /// True when a person reads that stream.
    pub fn is_terminal(&self, stream: Stream) -> bool {
        self.terminal[stream as usize]
    }

    /// `text` in the style of `role`, if that stream is coloured.
    pub fn paint(&self, stream: Stream, role: Role, text: &str) -> String {
        if !self.color[stream as usize] {
            return text.to_owned();
        }
        let style = role.style();
        format!("{style}{text}{style:#}")
    }

    /// The sign of a result: `√`, `‼`, `×`, or a word where the locale cannot show them.
    pub fn sign(&self, stream: Stream, role: Role) -> String {
        let sign = match (role, self.utf8) {
            (Role::Success, true) => "\u{221a}",
            (Role::Warning, true) => "\u{203c}",
            (Role::Failure, true) => "\u{d7}",
            (Role::Success, false) => "OK",
            (Role::Warning, false) => "WARN",
            (Role::Failure, false) => "FAIL",
            (Role::Strong | Role::Hint, _) => "?",
        };
        self.paint(stream, role, sign)
    }

    /// The data stream, for a command that writes much.
    pub fn stdout(&mut self) -> &mut dyn Write {
        &mut self.out
    }

    /// Writes data to stdout, as it is.
    pub fn data(&mut self, text: &str) -> Result<(), CommandError> {
        Ok(self.out.write_all(text.as_bytes())?)
    }

    /// Writes one line to stderr.
    pub fn note(&mut self, line: &str) {
        // What was said on stdout before comes first for whoever reads both.
        let _ = self.out.flush();
        let _ = writeln!(self.err, "{line}");
    }

    /// Writes a warning to stderr.
    pub fn warn(&mut self, message: &str) {
        let label = self.paint(Stream::Err, Role::Warning, "warning:");
        self.note(&format!("{label} {message}"));
    }

    /// Writes a next step to stderr.
    pub fn hint(&mut self, message: &str) {
        let label = self.paint(Stream::Err, Role::Hint, "hint:");
        self.note(&format!("{label} {message}"));
    }

    /// Writes a failed command's message and hints.
    pub fn report(&mut self, error: &CommandError) {
        if error.kind() == Kind::BrokenPipe {
            return;
        }
        if error.is_verbatim() {
            self.note(&error.to_string());
        } else {
            let label = self.paint(Stream::Err, Role::Failure, "Error:");
            self.note(&format!("{label} {error}"));
        }
        for hint in error.hints() {
            self.hint(hint);
        }
    }

    /// Pushes out what is buffered.
    pub fn flush(&mut self) -> Result<(), CommandError> {
        Ok(self.out.flush()?)
    }

    pub(crate) fn clap_help(&mut self, error: &clap::Error) {
        let text = self.rendered(error, Stream::Out);
        let _ = self.out.write_all(text.as_bytes());
        let _ = self.out.flush();
    }

    pub(crate) fn clap_error(&mut self, error: &clap::Error) {
        let text = self.rendered(error, Stream::Err);
        let _ = self.err.write_all(text.as_bytes());
    }

    fn rendered(&self, error: &clap::Error, stream: Stream) -> String {
        let styled = error.render();
        let text = if self.color[stream as usize] { styled.ansi().to_string() } else { styled.to_string() };
        match text.strip_prefix("error:") {
            // Every other error of this command starts in the same way.
            Some(rest) => format!("Error:{rest}"),
            None => text,
        }
    }
}
