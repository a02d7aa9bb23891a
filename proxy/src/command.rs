//! What else the binary does: wait for a proxy, prove the redirection. The proxy itself takes no arguments.

mod wait;

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use mesh_core::duration::GoDuration;
use proxy_init::validate::{Validation, validate};

/// Everything went well.
pub const OK: u8 = 0;
/// It went wrong.
pub const FAILED: u8 = 1;
/// The arguments or the environment are wrong.
pub const USAGE: u8 = 64;
/// What is waited for did not come.
const NOT_READY: u8 = 69;

/// What the process is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Be a proxy.
    Run,
    /// Say how it is used.
    Help,
    /// Say which version it is.
    Version,
    /// Wait until the proxy in the same pod is ready.
    Await {
        /// Its admin port.
        port: u16,
        /// How long.
        timeout: Duration,
    },
    /// Prove that outbound connections are redirected.
    ValidateNetwork {
        /// How.
        validation: Validation,
        /// How lines are written.
        format: Format,
    },
}

/// How lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Text.
    Plain,
    /// One JSON object.
    Json,
}

/// Arguments that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidArguments(String);

/// What is said of a run that is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The exit code.
    pub code: u8,
    /// A line for standard error; none where there is nothing to say.
    pub line: Option<String>,
}

/// How the binary is used.
pub const HELP: &str = "\
Transparent proxy of a service mesh, configured by LINKERD2_PROXY_* variables.

Usage:
  linkerd2-proxy                    run the proxy
  linkerd2-proxy await              wait until the proxy in the same pod is ready
  linkerd2-proxy validate-network   prove that outbound connections reach the proxy's port
  linkerd2-proxy --version

Flags of await:
  --port=4191       admin port of the proxy
  --timeout=2m      how long to wait

Flags of validate-network:
  --listen-addr=0.0.0.0:4140        where the proxy will listen
  --connect-addr=192.0.2.2:1404     addresses that nobody has, one per family, with commas between
  --timeout=10s                     how long it may take
  --log-level=info                  error, warn, info, debug or trace
  --log-format=plain                plain or json

Exit codes: 0 well; 1 failed; 64 wrong arguments or variables; 69 not ready in time; 95 not redirected.
";

// === impl Command ===

impl Command {
    /// Reads the arguments, without the name of the program.
    ///
    /// # Errors
    /// When one of them is not known, or has no value that can be used.
    pub fn parse<I: IntoIterator<Item = String>>(arguments: I) -> Result<Self, InvalidArguments> {
        let mut arguments = arguments.into_iter();
        let command = match arguments.next().as_deref() {
            None => Self::Run,
            Some("--help" | "-h" | "help") => Self::Help,
            Some("--version" | "-V" | "version") => Self::Version,
            Some("await") => return Self::parse_await(flags(arguments)?),
            Some("validate-network") => return Self::parse_validate(flags(arguments)?),
            Some(other) => {
                let cause = format!("{other:?} is no subcommand; the proxy itself takes no arguments");
                return Err(InvalidArguments(cause));
            }
        };
        match arguments.next() {
            None => Ok(command),
            Some(extra) => Err(InvalidArguments(format!("unexpected argument {extra:?}"))),
        }
    }

    fn parse_await(flags: Vec<(String, String)>) -> Result<Self, InvalidArguments> {
        let (mut port, mut timeout) = (4191, Duration::from_secs(120));
        for (name, value) in flags {
            match name.as_str() {
                "port" => {
                    port = value
                        .parse()
                        .ok()
                        .filter(|port| *port != 0)
                        .ok_or_else(|| wrong(&name, &value, "a port"))?;
                }
                "timeout" => timeout = duration(&name, &value)?,
                _ => return Err(unknown(&name, "await")),
            }
        }
        Ok(Self::Await { port, timeout })
    }

    fn parse_validate(flags: Vec<(String, String)>) -> Result<Self, InvalidArguments> {
        let mut validation = Validation {
            listen: SocketAddr::from(([0, 0, 0, 0], 4140)),
            connect: vec![SocketAddr::from(([192, 0, 2, 2], 1404))],
            timeout: Duration::from_secs(10),
        };
        let mut format = Format::Plain;
        for (name, value) in flags {
            let address = |text: &str| {
                text.trim()
                    .parse()
                    .map_err(|_| wrong(&name, text, "an address and a port, such as 192.0.2.2:1404"))
            };
            match name.as_str() {
                "listen-addr" => validation.listen = address(&value)?,
                "connect-addr" => {
                    validation.connect = value.split(',').map(address).collect::<Result<_, _>>()?
                }
                "timeout" => validation.timeout = duration(&name, &value)?,
                "log-format" => {
                    format = match value.as_str() {
                        "plain" => Format::Plain,
                        "json" => Format::Json,
                        _ => return Err(wrong(&name, &value, "plain or json")),
                    }
                }
                // There is one line, which every level shows.
                "log-level" => {}
                _ => return Err(unknown(&name, "validate-network")),
            }
        }
        Ok(Self::ValidateNetwork { validation, format })
    }
}

/// Waits until the proxy on this machine is ready.
pub fn await_ready(port: u16, timeout: Duration) -> Report {
    match wait::until_ready(port, timeout) {
        Ok(()) => Report { code: OK, line: None },
        Err(error) => Report { code: NOT_READY, line: Some(format!("linkerd2-proxy: {error}")) },
    }
}

/// Proves the redirection.
pub fn validate_network(validation: &Validation, format: Format) -> Report {
    let (code, level, message) = match validate(validation) {
        Ok(()) => (OK, "INFO", "outbound connections are redirected to the proxy".to_owned()),
        Err(error) => (
            proxy_init::exit::NOT_REDIRECTED,
            "ERROR",
            format!(
                "outbound connections are not redirected to the proxy: {error}; the CNI plugin has not set up this pod"
            ),
        ),
    };
    let line = match format {
        Format::Plain => format!("{level:>5} {message}"),
        Format::Json => serde_json::json!({ "level": level, "message": message }).to_string(),
    };
    Report { code, line: Some(line) }
}

// === impl InvalidArguments ===

impl fmt::Display for InvalidArguments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; `linkerd2-proxy --help` shows what there is", self.0)
    }
}

impl std::error::Error for InvalidArguments {}

/// Pairs of names and values: `--name=value` or `--name value`.
fn flags(arguments: impl Iterator<Item = String>) -> Result<Vec<(String, String)>, InvalidArguments> {
    let mut arguments = arguments;
    let mut flags = Vec::new();
    while let Some(argument) = arguments.next() {
        let flag = argument.strip_prefix("--").filter(|flag| !flag.is_empty());
        let flag = flag.ok_or_else(|| InvalidArguments(format!("unexpected argument {argument:?}")))?;
        let pair = match flag.split_once('=') {
            Some((name, value)) => (name.to_owned(), value.to_owned()),
            None => {
                let value = arguments.next();
                (flag.to_owned(), value.ok_or_else(|| InvalidArguments(format!("--{flag} has no value")))?)
            }
        };
        flags.push(pair);
    }
    Ok(flags)
}

fn duration(name: &str, value: &str) -> Result<Duration, InvalidArguments> {
    let parsed = value.parse::<GoDuration>().ok().and_then(GoDuration::to_std).filter(|time| !time.is_zero());
    parsed.ok_or_else(|| wrong(name, value, "a time above zero, such as 10s"))
}

fn wrong(name: &str, value: &str, expected: &str) -> InvalidArguments {
    InvalidArguments(format!("--{name}: {value:?} is not {expected}"))
}

fn unknown(name: &str, command: &str) -> InvalidArguments {
    InvalidArguments(format!("--{name} is no flag of {command}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Command, String> {
        Command::parse(arguments.iter().map(|argument| (*argument).to_owned()))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn arguments_of_the_charts_are_understood() {
        assert_eq!(parse(&[]), Ok(Command::Run));
        let wait = Command::Await { port: 4191, timeout: Duration::from_secs(120) };
        assert_eq!(parse(&["await", "--port=4191", "--timeout=2m"]), Ok(wait.clone()));
        assert_eq!(parse(&["await", "--port", "4191"]), Ok(wait));
        let Ok(Command::ValidateNetwork { validation, format }) = parse(&[
            "validate-network",
            "--connect-addr=192.0.2.2:1404,[2001:db8::1]:1404",
            "--listen-addr=0.0.0.0:4140",
            "--timeout=10s",
            "--log-level=info",
            "--log-format=json",
        ]) else {
            panic!("not understood")
        };
        assert_eq!(
            (validation.connect.len(), validation.timeout, format),
            (2, Duration::from_secs(10), Format::Json)
        );
    }

    #[test]
    fn others_are_named() {
        for (arguments, named) in [
            (&["run"][..], "\"run\" is no subcommand"),
            (&["--version", "x"], "unexpected argument \"x\""),
            (&["await", "--port=0"], "--port: \"0\" is not a port"),
            (&["await", "--timeout=10"], "--timeout: \"10\" is not a time"),
            (&["await", "--port"], "--port has no value"),
            (&["await", "4191"], "unexpected argument \"4191\""),
            (&["await", "--quick=1"], "--quick is no flag of await"),
            (&["validate-network", "--connect-addr=pod"], "is not an address and a port"),
        ] {
            let error = parse(arguments).unwrap_err();
            assert!(error.contains(named) && error.contains("--help"), "{error}");
        }
    }

    #[test]
    fn what_is_not_redirected_is_said_with_the_code_for_it() {
        let validation = Validation {
            listen: "127.0.0.1:0".parse().unwrap(),
            connect: vec!["127.0.0.1:1".parse().unwrap()],
            timeout: Duration::from_millis(200),
        };
        let report = validate_network(&validation, Format::Json);
        assert_eq!(report.code, 95);
        let line: serde_json::Value = serde_json::from_str(&report.line.unwrap()).unwrap();
        assert_eq!(line["level"], "ERROR");
    }
}
