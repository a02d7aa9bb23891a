//! From what the argument names to the edited stream on stdout and the report on stderr.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use mesh_inject::{Format, Notice, Pipeline, Spool, StreamError, Task};

use crate::context::Context;
use crate::error::{CommandError, Kind, Outcome};
use crate::install::sources;
use crate::output::inject::{InjectReport, Verb};

/// How many reports the files of a directory get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reports {
    /// One for all of them.
    Combined,
    /// One each.
    PerFile,
}

/// Does `task` to what the first argument names. Nothing reaches stdout unless all of it is good.
pub(crate) fn transform(
    context: &mut Context<'_>,
    arguments: &[String],
    task: Task<'_>,
    format: Format,
    verb: Verb,
    reports: Reports,
) -> Result<Outcome, CommandError> {
    let Some(argument) = arguments.first() else {
        return Err(CommandError::verbatim(Kind::Usage, "please specify a kubernetes resource file"));
    };
    if let [_, extra, ..] = arguments {
        context.ui.warn(&format!("\"{extra}\" is ignored: only the first argument is used"));
    }
    let mut spool = Spool::new();
    let mut pipeline = Pipeline::new(task, format);
    let mut printed: Vec<InjectReport> = Vec::new();
    let mut rewritten = Vec::new();
    for (name, input) in inputs(argument)? {
        if printed.is_empty() || reports == Reports::PerFile {
            printed.push(InjectReport::new(verb));
        }
        let report = printed.last_mut().expect("pushed above");
        let reader = input.open(&name)?;
        let mut notice = |notice: Notice| match notice {
            Notice::Fact(fact) => report.add(&fact),
            Notice::Rewritten { document, reason } => rewritten.push((name.clone(), document, reason)),
            _ => {}
        };
        pipeline.run(&name, reader, &mut spool, &mut notice).map_err(|error| failed(&error))?;
    }
    spool.release(context.ui.stdout())?;
    context.ui.flush()?;
    for report in &printed {
        report.print(context.ui);
    }
    for (name, document, reason) in rewritten {
        context
            .ui
            .warn(&format!("{name}: document {document} was written anew, its comments are lost ({reason})"));
    }
    Ok(Outcome::Success)
}

fn failed(error: &StreamError) -> CommandError {
    CommandError::verbatim(Kind::Failure, format!("Error transforming resources: {error}"))
}

/// One of the texts an argument names, not yet read.
enum Input {
    Stdin,
    File(PathBuf),
    Text(String),
}

impl Input {
    fn open(self, name: &str) -> Result<Box<dyn Read>, CommandError> {
        Ok(match self {
            Self::Stdin => Box::new(io::stdin()),
            Self::File(path) => Box::new(File::open(&path).map_err(|error| unreadable(name, &error))?),
            Self::Text(text) => Box::new(io::Cursor::new(text)),
        })
    }
}

fn inputs(argument: &str) -> Result<Vec<(String, Input)>, CommandError> {
    if argument == "-" {
        return Ok(vec![("stdin".to_owned(), Input::Stdin)]);
    }
    if sources::is_url(argument) {
        return Ok(vec![(argument.to_owned(), Input::Text(sources::fetch(argument)?))]);
    }
    let path = Path::new(argument);
    let metadata = std::fs::metadata(path).map_err(|error| unreadable(argument, &error))?;
    if !metadata.is_dir() {
        return Ok(vec![(argument.to_owned(), Input::File(path.to_owned()))]);
    }
    let mut found = Vec::new();
    for entry in walkdir::WalkDir::new(path).sort_by_file_name() {
        let entry = entry.map_err(|error| CommandError::usage(format!("cannot read {argument}: {error}")))?;
        if entry.file_type().is_file() {
            found.push((entry.path().display().to_string(), Input::File(entry.path().to_owned())));
        }
    }
    Ok(found)
}

fn unreadable(name: &str, error: &io::Error) -> CommandError {
    CommandError::usage(format!("cannot read {name}: {error}"))
}
