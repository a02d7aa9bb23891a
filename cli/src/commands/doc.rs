//! `linkerd doc`: the reference of this command, for pages and for `man`.

use std::path::PathBuf;

use clap::{Args, CommandFactory};

use crate::app::Cli;
use crate::context::Context;
use crate::error::{CommandError, Outcome};
use crate::generate::{self, Reference};
use crate::output;

/// Output the reference of all commands and annotations as YAML
#[derive(Args, Clone, Debug)]
pub struct DocArgs {
    /// Write a man page per command into this folder instead
    #[arg(long, value_name = "DIR", conflicts_with = "markdown")]
    pub man: Option<PathBuf>,
    /// Print the commands as Markdown instead
    #[arg(long)]
    pub markdown: bool,
}

/// Runs the command.
pub fn run(context: &mut Context<'_>, args: &DocArgs) -> Result<Outcome, CommandError> {
    if let Some(folder) = &args.man {
        let failed =
            |error| CommandError::failure(format!("cannot write man pages to {}: {error}", folder.display()));
        std::fs::create_dir_all(folder).map_err(failed)?;
        clap_mangen::generate_to(Cli::command(), folder).map_err(failed)?;
        context.ui.note(&format!("man pages written to {}", folder.display()));
    } else if args.markdown {
        context.ui.data(&generate::cli_page())?;
    } else {
        context.ui.data(&output::yaml(&Reference::collect())?)?;
    }
    Ok(Outcome::Success)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn there_is_a_man_page_per_command() {
        let folder = tempfile::tempdir().unwrap();
        clap_mangen::generate_to(crate::app::Cli::command(), folder.path()).unwrap();
        for page in ["linkerd.1", "linkerd-install.1", "linkerd-install-config.1", "linkerd-inject.1"] {
            let text = std::fs::read_to_string(folder.path().join(page)).unwrap();
            assert!(text.contains(".SH OPTIONS"), "{page}");
        }
    }
}
