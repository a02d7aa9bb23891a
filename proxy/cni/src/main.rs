//! `linkerd-cni`: plugin, installer and repairer.

use std::process::ExitCode;

use clap::Parser as _;
use linkerd_cni::{
    args::{Cli, Command},
    install, plugin, repair,
};
use proxy_init::exit;

fn main() -> ExitCode {
    // One implementation of cryptography for the process; a second call is refused and changes nothing.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    if let Some(invocation) = plugin::Invocation::from_environment() {
        return plugin::main(&invocation);
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let code = if error.use_stderr() { exit::USAGE } else { exit::OK };
            // Nobody is left to tell when the terminal is gone.
            let _ = error.print();
            return code.into();
        }
    };
    match cli.command {
        Command::Install(args) => install::main(&args),
        Command::Status(args) => install::status(&args),
        Command::Repair(args) => repair::main(args),
    }
}
