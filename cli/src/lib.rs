//! The linkerd command.
//!
//! Reading order: [`app`] is the whole command tree on one page; a file of [`commands`] is named by the words
//! typed, and holds that command's arguments, its work and its tests; [`context`] is what a command gets;
//! [`output`] turns reports into text; [`ui`] alone writes to the terminal; [`error`] knows the exit codes.

mod api;
pub mod app;
pub mod args;
pub mod commands;
pub mod context;
pub mod error;
pub mod extension;
pub mod generate;
pub mod global;
pub mod install;
pub mod output;
pub mod settings;
pub mod ui;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};

use crate::app::{Cli, Command};
use crate::context::Context;
use crate::error::{CommandError, Outcome};
use crate::settings::Settings;
use crate::ui::Ui;

/// The whole program: arguments and environment in, exit code out.
pub fn main() -> ExitCode {
    let settings = Settings::from_environment();
    let mut ui = Ui::terminal(&settings);
    ExitCode::from(run(std::env::args_os().collect(), settings, &mut ui))
}

/// Runs one command line. `args` starts with the program's name.
pub fn run(args: Vec<OsString>, settings: Settings, ui: &mut Ui) -> u8 {
    let matches = match Cli::command().try_get_matches_from(&args) {
        Ok(matches) => matches,
        Err(error) => return refuse(&error, &args, ui),
    };
    let cli = match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(error) => return refuse(&error, &args, ui),
    };
    ui.configure(cli.global.color, cli.global.verbose);
    let exits = cli.command.exits();
    let mut context = Context::new(ui, cli.global, settings);
    let result = cli.command.run(&mut context);
    let flushed = ui.flush();
    match result.and_then(|outcome| flushed.map(|()| outcome)) {
        Ok(Outcome::Success) => 0,
        Ok(Outcome::Exit(code)) => code,
        Err(error) => {
            ui.report(&error);
            error.exit_code(exits)
        }
    }
}

/// Prints what clap has to say: help and version on stdout with code 0, usage errors on stderr.
fn refuse(error: &clap::Error, args: &[OsString], ui: &mut Ui) -> u8 {
    use clap::error::ErrorKind;
    match error.kind() {
        ErrorKind::DisplayHelp
        | ErrorKind::DisplayVersion
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            ui.clap_help(error);
            0
        }
        _ => {
            ui.clap_error(error);
            CommandError::usage("").exit_code(Command::exits_of_words(args))
        }
    }
}
