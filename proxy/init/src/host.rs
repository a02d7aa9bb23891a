//! The machine: programs, capabilities, network namespaces and kernel settings.

use std::{
    fs, io,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
};

use rustix::thread::{
    CapabilitySet, LinkNameSpaceType, capabilities, configure_capability_in_ambient_set,
    move_into_link_name_space, set_capabilities,
};

use crate::{
    apply::{Answer, Tools},
    netlink::{Kernel, Request, socket::ThisKernel},
};

/// Why the machine cannot be used as asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// The process may not program the packet filter.
    #[error("the process lacks the capability {0}")]
    Capability(&'static str),
    /// Capabilities cannot be read or handed on.
    #[error("cannot hand capabilities on to the tools: {0}")]
    Handing(#[source] io::Error),
    /// The network namespace cannot be entered.
    #[error("cannot enter the network namespace {path}: {source}")]
    Namespace {
        /// The file that stands for it.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file of `/proc` cannot be read or written.
    #[error("cannot {verb} {path}: {source}")]
    Proc {
        /// `read` or `write`.
        verb: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl HostError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Capability(_) | Self::Handing(_) => {
                "add NET_ADMIN and NET_RAW to the container, and run as root or from an image whose binary holds them as file capabilities"
            }
            Self::Namespace { .. } => "give the path of a network namespace, and run with SYS_ADMIN",
            Self::Proc { verb: "write", .. } => {
                "kernel settings can be written by root in a privileged container only"
            }
            Self::Proc { .. } => "mount /proc",
        }
    }

    /// What the process should exit with, see [`crate::exit`].
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Proc { verb: "write", .. } => crate::exit::FAILED,
            _ => crate::exit::MISSING,
        }
    }
}

/// The programs and the kernel of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct Programs;

impl Tools for Programs {
    fn run(&mut self, program: &str, args: &[&str], input: &str) -> io::Result<Answer> {
        // An image may come without PATH, and that of a user may lack the folders of the administrator.
        for folder in ["", "/usr/sbin/", "/sbin/"] {
            match run(&format!("{folder}{program}"), args, input) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                done => return done,
            }
        }
        Err(io::ErrorKind::NotFound.into())
    }
}

impl Kernel for Programs {
    fn ask(&mut self, request: &Request) -> io::Result<Vec<u8>> {
        ThisKernel.ask(request)
    }
}

fn run(program: &str, args: &[&str], input: &str) -> io::Result<Answer> {
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let stdin = child.stdin.take();
    let output = thread::scope(|scope| {
        // A thread of its own, since the program may fill its output before it has read everything. One that stops
        // reading says why on its own.
        scope.spawn(move || stdin.map(|mut stdin| stdin.write_all(input.as_bytes())));
        child.wait_with_output()
    })?;
    Ok(Answer {
        success: output.status.success(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

/// Whether this thread's network namespace knows IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ipv6 {
    /// The kernel runs without it: there is nothing to redirect.
    Absent,
    /// It is there, without an address that others could reach.
    Present,
    /// It is there, with at least one address of global scope.
    Addressed,
}

/// Finds out about IPv6 in this thread's network namespace.
///
/// # Errors
/// When `/proc` does not tell.
pub fn ipv6() -> Result<Ipv6, HostError> {
    ipv6_in(Path::new("/proc/thread-self/net"))
}

fn ipv6_in(folder: &Path) -> Result<Ipv6, HostError> {
    // Without this, a missing /proc would pass for a missing IPv6.
    fs::metadata(folder.join("dev")).map_err(|source| proc_error("read", folder, source))?;
    let path = folder.join("if_inet6");
    match fs::read_to_string(&path) {
        Ok(text) => Ok(addressed(&text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Ipv6::Absent),
        Err(source) => Err(proc_error("read", &path, source)),
    }
}

/// Reads `if_inet6`: address, interface, prefix length, scope (0 is global), flags, name.
fn addressed(text: &str) -> Ipv6 {
    let global = |line: &str| line.split_whitespace().nth(3) == Some("00");
    if text.lines().any(global) { Ipv6::Addressed } else { Ipv6::Present }
}

/// Makes sure that this process may program the packet filter, and that the tools it runs may too.
///
/// A process that is not root holds the capabilities by its file; a tool without file capabilities inherits them as ambient ones.
///
/// # Errors
/// [`HostError::Capability`] when `NET_ADMIN` is not there; when capabilities cannot be handed on.
pub fn share_capabilities() -> Result<(), HostError> {
    let handing = |error: rustix::io::Errno| HostError::Handing(error.into());
    let mut sets = capabilities(None).map_err(handing)?;
    if !sets.permitted.contains(CapabilitySet::NET_ADMIN) {
        return Err(HostError::Capability("NET_ADMIN"));
    }
    if rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let shared = (CapabilitySet::NET_ADMIN | CapabilitySet::NET_RAW) & sets.permitted;
    sets.effective |= shared;
    sets.inheritable |= shared;
    set_capabilities(None, sets).map_err(handing)?;
    shared.iter().try_for_each(|one| configure_capability_in_ambient_set(one, true)).map_err(handing)
}

/// Moves this thread, and with it whatever it starts, into a network namespace.
///
/// # Errors
/// When the file cannot be opened or is no network namespace.
pub fn enter_namespace(path: &Path) -> Result<(), HostError> {
    let namespace = |source| HostError::Namespace { path: path.to_owned(), source };
    let file = fs::File::open(path).map_err(namespace)?;
    move_into_link_name_space(std::os::fd::AsFd::as_fd(&file), Some(LinkNameSpaceType::Network))
        .map_err(|error| namespace(error.into()))
}

/// Sets how long conntrack remembers a connection that only one side has closed.
///
/// # Errors
/// When the kernel setting cannot be written.
pub fn set_close_wait(seconds: u32) -> Result<(), HostError> {
    let path = Path::new("/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_close_wait");
    fs::write(path, seconds.to_string()).map_err(|source| proc_error("write", path, source))
}

fn proc_error(verb: &'static str, path: &Path, source: io::Error) -> HostError {
    HostError::Proc { verb, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_global_scope_count() {
        let local = "00000000000000000000000000000001 01 80 10 80       lo\nfe800000000000000000000000000001 02 40 20 80     eth0\n";
        assert_eq!(addressed(local), Ipv6::Present);
        assert_eq!(
            addressed(&format!("{local}fd000000000000000000000000000001 02 40 00 80     eth0\n")),
            Ipv6::Addressed
        );
        assert_eq!(addressed(""), Ipv6::Present);
    }

    #[test]
    fn a_missing_proc_does_not_pass_for_a_missing_ipv6() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(ipv6_in(folder.path()), Err(HostError::Proc { .. })));
        fs::write(folder.path().join("dev"), "").unwrap();
        assert_eq!(ipv6_in(folder.path()).unwrap(), Ipv6::Absent);
        fs::write(folder.path().join("if_inet6"), "").unwrap();
        assert_eq!(ipv6_in(folder.path()).unwrap(), Ipv6::Present);
    }

    #[test]
    fn a_program_reads_its_input_and_answers() {
        let mut programs = Programs;
        let input = "x".repeat(1 << 20);
        let answer = programs.run("cat", &[], &input).unwrap();
        assert!(answer.success);
        assert_eq!(answer.stdout, input);
        let error = programs.run("no-such-program-anywhere", &[], "").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
