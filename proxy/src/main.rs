//! The binary `linkerd2-proxy`: the proxy of one pod, and what is asked of it from within the pod.

use std::io::Write as _;
use std::process::ExitCode;

use linkerd2_proxy::command::{self, Command, HELP, Report};
use linkerd2_proxy::config::Environment;
use linkerd2_proxy::runtime;

fn main() -> ExitCode {
    let report = match Command::parse(std::env::args().skip(1)) {
        Ok(Command::Run) => runtime::run(&Environment::of_process()),
        Ok(Command::Help) => return print(HELP),
        Ok(Command::Version) => return print(concat!("linkerd2-proxy ", env!("CARGO_PKG_VERSION"), "\n")),
        Ok(Command::Await { port, timeout }) => command::await_ready(port, timeout),
        Ok(Command::ValidateNetwork { validation, format }) => command::validate_network(&validation, format),
        Err(error) => Report { code: command::USAGE, line: Some(format!("linkerd2-proxy: {error}")) },
    };
    if let Some(line) = report.line {
        // Whoever closed the pipe does not want to know.
        let _ = writeln!(std::io::stderr(), "{line}");
    }
    report.code.into()
}

fn print(text: &str) -> ExitCode {
    let _ = std::io::stdout().write_all(text.as_bytes());
    command::OK.into()
}
