//! `linkerd completion`: the script that completes this command's words in a shell.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::app::Cli;
use crate::context::Context;
use crate::error::{CommandError, Outcome};

/// The shells there is a script for, as they are typed and as their files are called.
pub const SHELLS: [(&str, Shell); 4] =
    [("bash", Shell::Bash), ("zsh", Shell::Zsh), ("fish", Shell::Fish), ("powershell", Shell::PowerShell)];

/// Output shell completion code for the specified shell
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Examples:\n  source <(linkerd completion bash)                         # this shell\n  \
                  linkerd completion bash > /etc/bash_completion.d/linkerd  # every shell\n  \
                  linkerd completion zsh > \"${fpath[1]}/_linkerd\"\n  \
                  linkerd completion fish > ~/.config/fish/completions/linkerd.fish"
)]
pub struct CompletionArgs {
    /// bash, zsh, fish or powershell
    #[arg(value_name = "SHELL")]
    pub shell: String,
}

/// Runs the command.
pub fn run(context: &mut Context<'_>, args: &CompletionArgs) -> Result<Outcome, CommandError> {
    let shell = find(&args.shell)?;
    context.ui.data(&script(shell))?;
    Ok(Outcome::Success)
}

/// The script for a shell.
pub fn script(shell: Shell) -> String {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "linkerd", &mut text);
    String::from_utf8_lossy(&text).into_owned()
}

fn find(name: &str) -> Result<Shell, CommandError> {
    let known = SHELLS.into_iter().find(|(known, _)| *known == name);
    known.map(|(_, shell)| shell).ok_or_else(|| {
        CommandError::usage(format!("unsupported shell type (must be bash, zsh, fish or powershell): {name}"))
    })
}

#[cfg(test)]
mod tests {
    use super::{SHELLS, find, script};

    #[test]
    fn every_shell_completes_every_command() {
        for (name, shell) in SHELLS {
            let text = script(shell);
            assert!(text.contains("uninject") && text.contains("kubeconfig"), "{name}");
            assert_eq!(find(name).unwrap(), shell);
        }
    }

    #[test]
    fn another_shell_is_refused_by_name() {
        assert_eq!(
            find("tcsh").unwrap_err().to_string(),
            "unsupported shell type (must be bash, zsh, fish or powershell): tcsh"
        );
    }
}
