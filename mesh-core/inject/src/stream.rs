//! A stream of manifests in, the same stream with or without proxies out: documents are edited as text, one at a time.

use std::io::{BufReader, Read, Write};

use memchr::memmem;
use mesh_yaml::{Buffer, Kind, Node, Op, Pointer, SplitError, Splitter, Tree, View, apply_to_value};
use serde_json::Value;

use crate::{Error, Fact, Mode, Settings, Spool, Strip, inject, uninject};

mod restore;

/// How much of an input is read at a time, in bytes.
const READ_SIZE: usize = 256 * 1024;
/// The largest document that is held, in bytes.
const MAX_DOCUMENT: usize = 256 << 20;

/// What is done with each document.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum Task<'s> {
    /// The proxy is added, an earlier one taken away before.
    Inject {
        /// What is asked for.
        settings: &'s Settings,
        /// Whether the proxy is added here or left to the injector.
        mode: Mode<'s>,
    },
    /// The proxy is taken away.
    Uninject,
}

/// How documents are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// As they came, with only the changed lines changed.
    #[default]
    Text,
    /// As indented JSON.
    Json,
}

/// Something to be said about a stream.
#[derive(Debug)]
#[non_exhaustive]
pub enum Notice {
    /// What happened to an object.
    Fact(Fact),
    /// A document was written anew: comments, anchors and layout are lost.
    Rewritten {
        /// Its number, from 1.
        document: usize,
        /// What kept its text from being edited.
        reason: &'static str,
    },
}

/// Why a stream cannot be worked on; nothing of it may be written then.
#[derive(Debug, thiserror::Error)]
#[error("{input}: document {document}, line {line}: {cause}")]
pub struct StreamError {
    /// The name of the input.
    pub input: String,
    /// The number of the document, from 1.
    pub document: usize,
    /// The line in the input, from 1.
    pub line: usize,
    /// What is wrong there.
    #[source]
    pub cause: Cause,
}

/// What is wrong with a document.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Cause {
    /// It is no YAML, or too much of it. The place is given by the [`StreamError`].
    #[error("{0}")]
    Yaml(String),
    /// It cannot be injected.
    #[error(transparent)]
    Inject(#[from] Error),
    /// The stream cannot be read.
    #[error("cannot read: {0}")]
    Read(std::io::Error),
    /// More text than a manifest can be.
    #[error("the document is larger than {} MiB", .0 >> 20)]
    TooLarge(usize),
    /// The result cannot be held back or written.
    #[error("cannot write the result: {0}")]
    Write(std::io::Error),
    /// It is not text.
    #[error("not UTF-8")]
    Encoding,
}

/// Works on streams, one after the other.
pub struct Pipeline<'s> {
    task: Task<'s>,
    format: Format,
    buffer: Buffer,
    refreshed: Vec<u8>,
}

impl<'s> Pipeline<'s> {
    /// A pipeline for one task.
    pub fn new(task: Task<'s>, format: Format) -> Self {
        Self { task, format, buffer: Buffer::default(), refreshed: Vec::new() }
    }

    /// Works on one input. What was said and written before an error is void: the caller drops the spool.
    pub fn run(
        &mut self,
        input: &str,
        reader: impl Read,
        spool: &mut Spool,
        notice: &mut dyn FnMut(Notice),
    ) -> Result<(), StreamError> {
        let reader = BufReader::with_capacity(READ_SIZE, reader);
        let mut documents = Splitter::with_limit(reader, MAX_DOCUMENT);
        let error = |document: usize, line: usize, cause: Cause| StreamError {
            input: input.to_owned(),
            document,
            line,
            cause,
        };
        while let Some(document) = documents.next_document().map_err(|wrong| cut(input, wrong))? {
            let (text, number, line) = (document.text, document.number, document.line);
            if self.format == Format::Text {
                separate(spool, text, number == 1);
            }
            if document.is_blank() {
                if self.format == Format::Text {
                    spool.buffer().extend_from_slice(text.as_bytes());
                }
            } else {
                let told = self.document(text, number, spool.buffer(), notice);
                told.map_err(|(inner, cause)| error(number, line + inner - 1, cause))?;
            }
            spool.settle().map_err(|wrong| error(number, line, Cause::Write(wrong)))?;
        }
        Ok(())
    }

    /// Works on one document; an error comes with its line in the document.
    fn document(
        &mut self,
        text: &str,
        number: usize,
        out: &mut Vec<u8>,
        notice: &mut dyn FnMut(Notice),
    ) -> Result<(), (usize, Cause)> {
        let is_marked = memmem::find(text.as_bytes(), b"linkerd").is_some();
        if is_marked && matches!(self.task, Task::Inject { .. }) {
            let mut refreshed = std::mem::take(&mut self.refreshed);
            refreshed.clear();
            self.pass(Pass::Refresh, text, number, &mut refreshed, &mut |_| ())?;
            let text = std::str::from_utf8(&refreshed).map_err(|_| (1, Cause::Encoding))?;
            let told = self.pass(Pass::Task, text, number, out, notice);
            self.refreshed = refreshed;
            return told;
        }
        self.pass(Pass::Task, text, number, out, notice)
    }

    fn pass(
        &mut self,
        pass: Pass,
        text: &str,
        number: usize,
        out: &mut Vec<u8>,
        notice: &mut dyn FnMut(Notice),
    ) -> Result<(), (usize, Cause)> {
        let is_json = self.format == Format::Json && pass == Pass::Task;
        match Tree::parse_in(text, std::mem::take(&mut self.buffer)) {
            Ok(tree) => {
                let told = self.tree(pass, &tree, number, is_json, out, notice);
                self.buffer = tree.into_buffer();
                told
            }
            Err(error) if error.is_unsupported() => self.value(pass, text, number, is_json, out, notice),
            Err(error) => Err(located(&error)),
        }
    }

    fn tree(
        &self,
        pass: Pass,
        tree: &Tree<'_>,
        number: usize,
        is_json: bool,
        out: &mut Vec<u8>,
        notice: &mut dyn FnMut(Notice),
    ) -> Result<(), (usize, Cause)> {
        let root = tree.root();
        if root.is_null() {
            out.extend_from_slice(tree.text().as_bytes());
            return Ok(());
        }
        let line_of = |error: Error| {
            let line = match &error {
                Error::Field { field, .. } => node_at(root, field).map_or(1, |node| node.line()),
                _ => 1,
            };
            (line, Cause::Inject(error))
        };
        let Changes { ops, facts, written } = self.changes(pass, root).map_err(line_of)?;
        if is_json {
            write_json(root.to_value(), &ops, out)?;
        } else if let Some(text) = restore::restored(tree, &ops, &written) {
            out.extend_from_slice(text.as_bytes());
        } else {
            match mesh_yaml::apply(tree, &ops, out) {
                Ok(()) => {}
                Err(error) if error.is_unsupported() => rewrite(tree.text(), number, &ops, out, notice)?,
                Err(error) => return Err(located(&error)),
            }
        }
        facts.into_iter().for_each(|fact| notice(Notice::Fact(fact)));
        Ok(())
    }

    /// What the scanner leaves to the library: anchors in odd places, tags, merges.
    fn value(
        &self,
        pass: Pass,
        text: &str,
        number: usize,
        is_json: bool,
        out: &mut Vec<u8>,
        notice: &mut dyn FnMut(Notice),
    ) -> Result<(), (usize, Cause)> {
        let value = mesh_yaml::from_str(text).map_err(|error| located(&error))?;
        if value.is_null() {
            out.extend_from_slice(text.as_bytes());
            return Ok(());
        }
        let Changes { ops, facts, .. } =
            self.changes(pass, &value).map_err(|error| (1, Cause::Inject(error)))?;
        if is_json {
            write_json(value, &ops, out)?;
        } else if ops.is_empty() {
            out.extend_from_slice(text.as_bytes());
        } else {
            rewrite(text, number, &ops, out, notice)?;
        }
        facts.into_iter().for_each(|fact| notice(Notice::Fact(fact)));
        Ok(())
    }

    fn changes<'a, V: View<'a>>(&self, pass: Pass, root: V) -> Result<Changes, Error> {
        let taken = |strip| {
            uninject(root, strip).map(|done| Changes {
                ops: done.ops,
                facts: done.facts,
                written: done.written,
            })
        };
        match (pass, self.task) {
            (Pass::Refresh, _) => taken(Strip::Refresh),
            (Pass::Task, Task::Uninject) => taken(Strip::Everything),
            (Pass::Task, Task::Inject { settings, mode }) => inject(root, settings, mode)
                .map(|done| Changes { ops: done.ops, facts: done.facts, written: Vec::new() }),
        }
    }
}

/// What becomes of a document.
struct Changes {
    ops: Vec<Op>,
    facts: Vec<Fact>,
    written: Vec<(Pointer, String)>,
}

/// Which of the two looks at a document it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pass {
    /// Takes an earlier injection away, so that a new one starts afresh.
    Refresh,
    /// Does what was asked for.
    Task,
}

/// Why the stream could not be cut, with its place.
fn cut(input: &str, wrong: SplitError) -> StreamError {
    let (document, line, cause) = match wrong {
        SplitError::Read { number, line, source } => (number, line, Cause::Read(source)),
        SplitError::TooLarge { number, line, limit } => (number, line, Cause::TooLarge(limit)),
        SplitError::NotText { number, line } => (number, line, Cause::Encoding),
    };
    StreamError { input: input.to_owned(), document, line, cause }
}

/// Makes sure that the first document of an input does not run into what another input ended with.
fn separate(spool: &mut Spool, text: &str, is_first: bool) {
    if !is_first || spool.is_empty() {
        return;
    }
    if spool.last_byte() != Some(b'\n') {
        spool.buffer().push(b'\n');
    }
    if !text.starts_with("---") {
        spool.buffer().extend_from_slice(b"---\n");
    }
}

/// The node that an error names by a dotted path.
fn node_at<'a>(root: Node<'a>, field: &str) -> Option<Node<'a>> {
    field.split('.').try_fold(root, |node, step| match step.parse::<usize>() {
        Ok(index) if node.kind() == Kind::Sequence => node.items().nth(index),
        _ => node.get(step),
    })
}

fn rewrite(
    text: &str,
    number: usize,
    ops: &[Op],
    out: &mut Vec<u8>,
    notice: &mut dyn FnMut(Notice),
) -> Result<(), (usize, Cause)> {
    match mesh_yaml::edit(text, ops, out) {
        Ok(mesh_yaml::Applied::Text) => {}
        Ok(mesh_yaml::Applied::Rewritten { reason }) => {
            notice(Notice::Rewritten { document: number, reason })
        }
        Err(error) => return Err(located(&error)),
    }
    Ok(())
}

fn write_json(mut value: Value, ops: &[Op], out: &mut Vec<u8>) -> Result<(), (usize, Cause)> {
    apply_to_value(&mut value, ops).map_err(|error| located(&error))?;
    serde_json::to_writer_pretty(&mut *out, &value)
        .map_err(|error| (1, Cause::Write(std::io::Error::other(error))))?;
    out.push(b'\n');
    Ok(())
}

/// The error with its line in the document; the text says the rest.
fn located(error: &mesh_yaml::Error) -> (usize, Cause) {
    use mesh_yaml::Error as Yaml;
    match error {
        Yaml::Invalid { line, column, reason } => {
            (*line, Cause::Yaml(format!("invalid YAML at column {column}: {reason}")))
        }
        Yaml::Limit { line, reason } => (*line, Cause::Yaml(format!("YAML too large: {reason}"))),
        Yaml::Unsupported { line, reason } => (*line, Cause::Yaml((*reason).to_owned())),
        other => (1, Cause::Yaml(other.to_string())),
    }
}

/// Works on one text that is at hand, for tests and small inputs.
pub fn run_text(
    task: Task<'_>,
    format: Format,
    input: &str,
    text: &str,
) -> Result<(String, Vec<Notice>), StreamError> {
    let mut spool = Spool::new();
    let mut notices = Vec::new();
    Pipeline::new(task, format)
        .run(input, text.as_bytes(), &mut spool, &mut |notice| notices.push(notice))?;
    let mut out = Vec::new();
    let written = spool.release(&mut out).and_then(|()| out.flush());
    let error = |cause| StreamError { input: input.to_owned(), document: 1, line: 1, cause };
    written.map_err(|wrong| error(Cause::Write(wrong)))?;
    String::from_utf8(out).map(|text| (text, notices)).map_err(|_| error(Cause::Encoding))
}
