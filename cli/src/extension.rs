//! Unknown commands are programs named `linkerd-NAME` on the `PATH`.

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use clap::CommandFactory;

use crate::app::Cli;
use crate::context::Context;
use crate::error::{CommandError, Outcome};

/// Becomes the extension that `words[0]` names; the other words are its arguments.
pub fn run(context: &mut Context<'_>, words: &[OsString]) -> Result<Outcome, CommandError> {
    let Some((name, rest)) = words.split_first() else {
        return Err(CommandError::usage("no command given"));
    };
    let name = name.to_string_lossy();
    let Some(program) = find(context, &name) else {
        return Err(unknown(&name));
    };
    context.ui.flush()?;
    // On success this process is the extension, and exec never returns.
    let error = Command::new(&program).args(rest).exec();
    Err(CommandError::failure(format!("cannot run {}: {error}", program.display())))
}

fn find(context: &Context<'_>, name: &str) -> Option<PathBuf> {
    if name.is_empty() || name.contains('/') || name.starts_with('-') {
        return None;
    }
    let path = context.settings.path.as_ref()?;
    std::env::split_paths(path)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(format!("linkerd-{name}")))
        .find(|file| {
            file.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
        })
}

fn unknown(name: &str) -> CommandError {
    let command = Cli::command();
    let known: Vec<&str> = command.get_subcommands().map(clap::Command::get_name).collect();
    let error = CommandError::usage(format!("unknown command \"{name}\" for \"linkerd\""));
    match mesh_core::suggest::nearest(name, known) {
        Some(near) => error.hint(format!("did you mean `linkerd {near}`?")),
        None => error.hint(format!(
            "`linkerd --help` lists the commands; an extension would be a program named linkerd-{name} on the PATH"
        )),
    }
}
