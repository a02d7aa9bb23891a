//! The `linkerd` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    linkerd_cli::main()
}
