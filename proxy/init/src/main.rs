//! `linkerd-init`: programs the redirection of a pod, removes it, or proves it.

mod args;

use std::{process::ExitCode, sync::mpsc, thread};

use clap::Parser as _;
use nix::sys::signal::{SigSet, Signal};
use proxy_init::{
    apply::{self, Applied, ApplyError, Change},
    exit,
    host::{self, HostError, Ipv6, Programs},
    log::{self, Level, Log},
    rules::Family,
    validate,
};

use crate::args::{Apply, Cleanup, Cli, Command, Validate};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let code = if error.use_stderr() { exit::USAGE } else { exit::OK };
            // Nobody is left to tell when the terminal is gone.
            let _ = error.print();
            return code.into();
        }
    };
    let code = match cli.command {
        None => redirect(&cli.apply),
        Some(Command::Cleanup(args)) => cleanup(&args),
        Some(Command::ValidateNetwork(args)) => validate_network(&args),
    };
    code.into()
}

/// Why a run ends early.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Apply(#[from] ApplyError),
    #[error(transparent)]
    Host(#[from] HostError),
}

impl Failure {
    fn report(&self, log: &Log) -> u8 {
        let (hint, code) = match self {
            Self::Apply(error) => (error.hint(), error.exit_code()),
            Self::Host(error) => (error.hint().to_owned(), error.exit_code()),
        };
        log.say(Level::Error, &format!("{self}; {hint}"));
        code
    }
}

fn redirect(args: &Apply) -> u8 {
    let log = args.log.open();
    match program(args, &log) {
        Ok(()) => exit::OK,
        Err(failure) => failure.report(&log),
    }
}

fn program(args: &Apply, log: &Log) -> Result<(), Failure> {
    if args.simulate {
        let families = if args.ipv6 { &Family::ALL[..] } else { &Family::ALL[..1] };
        for family in families {
            let (backend, script) = apply::simulate(args.iptables_mode, &args.settings().rules(*family));
            log::print(&format!("# {family}, for {}\n{script}", backend.writer(*family)));
        }
        return Ok(());
    }
    if let Some(path) = &args.netns {
        host::enter_namespace(path)?;
    }
    host::share_capabilities()?;
    program_family(args, log, Family::V4)?;
    match (args.ipv6, host::ipv6()?) {
        (true, Ipv6::Absent) => {
            log.say(Level::Info, "this kernel runs without IPv6: there is nothing of it to redirect")
        }
        (true, _) => program_family(args, log, Family::V6)?,
        (false, Ipv6::Addressed) => {
            log.say(
                Level::Warn,
                "there are IPv6 addresses, but --ipv6=false: what uses them bypasses the proxy",
            );
        }
        (false, _) => {}
    }
    if let Some(seconds) = args.timeout_close_wait_secs.filter(|seconds| *seconds > 0) {
        host::set_close_wait(seconds)?;
        log.say(Level::Info, &format!("conntrack forgets half-closed connections after {seconds} s"));
    }
    Ok(())
}

fn program_family(args: &Apply, log: &Log, family: Family) -> Result<(), Failure> {
    let rules = args.settings().rules(family);
    log.say(Level::Debug, &format!("{family}: {rules:?}"));
    let Applied { backend, change, passed_over } = apply::apply(&mut Programs, args.iptables_mode, &rules)?;
    for one in passed_over {
        log.say(Level::Warn, &format!("{family}: {} cannot be used: {}", one.program, one.reason));
    }
    let text = match change {
        Change::Programmed => "is redirected, and the rules were read back",
        Change::AlreadyInForce => "was redirected already by exactly these rules",
    };
    log.say(Level::Info, &format!("{family} {text} ({backend})"));
    Ok(())
}

fn cleanup(args: &Cleanup) -> u8 {
    let log = args.log.open();
    match remove(args, &log) {
        Ok(()) => exit::OK,
        Err(failure) => failure.report(&log),
    }
}

fn remove(args: &Cleanup, log: &Log) -> Result<(), Failure> {
    if let Some(path) = &args.netns {
        host::enter_namespace(path)?;
    }
    host::share_capabilities()?;
    let present = host::ipv6()? != Ipv6::Absent;
    for family in Family::ALL.into_iter().filter(|family| *family == Family::V4 || present) {
        for backend in apply::cleanup(&mut Programs, family)? {
            log.say(Level::Info, &format!("{family} is no longer redirected ({backend})"));
        }
    }
    Ok(())
}

/// What ends the validation.
enum End {
    Done(Result<(), validate::ValidateError>),
    Signalled(Signal),
}

fn validate_network(args: &Validate) -> u8 {
    let log = args.log.open();
    // As the first process of a container we would not be ended by a signal that nobody handles.
    let signals = SigSet::from_iter([Signal::SIGTERM, Signal::SIGINT]);
    if let Err(error) = signals.thread_block() {
        log.say(Level::Warn, &format!("signals are not handled: {error}"));
    }
    let (report, reports) = mpsc::channel();
    let signalled = report.clone();
    thread::spawn(move || signals.wait().map(|signal| signalled.send(End::Signalled(signal))));
    let validation = args.validation();
    let text = format!("dialling {:?}, listening on {}", validation.connect, validation.listen);
    log.say(Level::Debug, &text);
    thread::spawn(move || report.send(End::Done(validate::validate(&validation))));
    let reason = match reports.recv() {
        Ok(End::Done(Ok(()))) => {
            log.say(Level::Info, "outbound connections are redirected to the proxy");
            return exit::OK;
        }
        Ok(End::Done(Err(error))) => error.to_string(),
        Ok(End::Signalled(signal)) => format!("ended by {signal}"),
        Err(error) => error.to_string(),
    };
    log.say(Level::Error, &format!("outbound connections are not redirected to the proxy: {reason}"));
    exit::NOT_REDIRECTED
}
