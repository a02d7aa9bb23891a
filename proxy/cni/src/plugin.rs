//! The plugin, as the CNI specification calls it: command and pod in the environment, the entry on standard input, the result or an
//! error as JSON on standard output.
//!
//! A pod that cannot be looked up or redirected is not started: the runtime tries again, and nothing bypasses the proxy meanwhile.

use std::{io::Read as _, path::PathBuf, process::ExitCode, time::Duration};

use mesh_k8s::{Client, ClientConfig, Resource};
use proxy_init::log::{self, Format, Level, Log};
use serde_json::{Value, json};

use crate::{config::Config, pod, redirect};

/// The versions of the specification that are spoken. All that changed between them lies outside of what a chained plugin sees.
const VERSIONS: [&str; 5] = ["0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"];
/// An entry larger than this is not ours.
const MAX_ENTRY: u64 = 1 << 20;
/// How long the API server may take for one answer; the kubelet gives up after a few minutes.
const PATIENCE: Duration = Duration::from_secs(10);

/// Error codes of the specification, and from 100 on our own.
mod code {
    pub(super) const INCOMPATIBLE_VERSION: u32 = 1;
    pub(super) const BAD_ENVIRONMENT: u32 = 4;
    pub(super) const IO: u32 = 5;
    pub(super) const BAD_CONFIG: u32 = 7;
    pub(super) const TRY_AGAIN: u32 = 11;
    pub(super) const NOT_AVAILABLE: u32 = 50;
    pub(super) const NOT_REDIRECTED: u32 = 100;
    pub(super) const BAD_ANNOTATION: u32 = 101;
}

/// What the runtime wants.
#[derive(Clone, Debug, Default)]
pub struct Invocation {
    /// `ADD`, `DEL`, `CHECK`, `VERSION`, `STATUS` or `GC`.
    pub command: String,
    /// The pod's network namespace.
    pub namespace: Option<PathBuf>,
    /// Pairs `KEY=VALUE`, separated by semicolons.
    pub args: String,
}

/// What went wrong, as the specification wants it told.
#[derive(Debug)]
struct Refusal {
    code: u32,
    message: String,
    details: String,
}

// === impl Invocation ===

impl Invocation {
    /// What the environment says; none when a person runs the program.
    #[expect(
        clippy::disallowed_methods,
        reason = "the CNI specification passes arguments in the environment"
    )]
    pub fn from_environment() -> Option<Self> {
        let command = std::env::var("CNI_COMMAND").ok()?;
        let namespace = std::env::var_os("CNI_NETNS").filter(|path| !path.is_empty()).map(PathBuf::from);
        let args = std::env::var("CNI_ARGS").unwrap_or_default();
        Some(Self { command, namespace, args })
    }

    fn arg(&self, name: &str) -> Option<&str> {
        let mut pairs = self.args.split(';').filter_map(|pair| pair.split_once('='));
        pairs.find(|(key, _)| *key == name).map(|(_, value)| value).filter(|value| !value.is_empty())
    }
}

/// Runs the plugin.
pub fn main(invocation: &Invocation) -> ExitCode {
    let mut entry = String::new();
    let read = std::io::stdin().lock().take(MAX_ENTRY).read_to_string(&mut entry);
    let answer = read
        .map_err(|error| refusal(code::IO, "the network configuration cannot be read", &error.to_string()))
        .and_then(|_| answer(invocation, &entry));
    match answer {
        Ok(Some(result)) => log::print(&format!("{result}\n")),
        Ok(None) => {}
        Err(refused) => {
            let version = serde_json::from_str::<Value>(&entry).ok();
            let version = version.and_then(|entry| Some(entry.get("cniVersion")?.as_str()?.to_owned()));
            let error = json!({
                "cniVersion": version.unwrap_or_else(|| "1.0.0".to_owned()),
                "code": refused.code, "msg": refused.message, "details": refused.details,
            });
            log::print(&format!("{error}\n"));
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn answer(invocation: &Invocation, entry: &str) -> Result<Option<Value>, Refusal> {
    match invocation.command.as_str() {
        "VERSION" => Ok(Some(json!({ "cniVersion": "1.1.0", "supportedVersions": VERSIONS }))),
        // The rules vanish with the namespace, and what was begun must always be possible to end.
        "DEL" | "GC" => Ok(None),
        "ADD" => add(invocation, &config(entry)?).map(Some),
        "CHECK" => check(invocation, &config(entry)?).map(|()| None),
        "STATUS" => status(&config(entry)?).map(|()| None),
        other => {
            let message = format!("CNI_COMMAND is {other:?}");
            Err(refusal(
                code::BAD_ENVIRONMENT,
                &message,
                "it is one of ADD, DEL, CHECK, VERSION, STATUS and GC",
            ))
        }
    }
}

fn config(entry: &str) -> Result<Config, Refusal> {
    let config = Config::parse(entry).map_err(|error| {
        refusal(code::BAD_CONFIG, &error.to_string(), "reinstall the plugin: linkerd install-cni")
    })?;
    if !VERSIONS.contains(&config.cni_version.as_str()) {
        let message = format!("CNI version {:?} is not spoken", config.cni_version);
        return Err(refusal(
            code::INCOMPATIBLE_VERSION,
            &message,
            &format!("these are: {}", VERSIONS.join(", ")),
        ));
    }
    Ok(config)
}

fn add(invocation: &Invocation, config: &Config) -> Result<Value, Refusal> {
    let previous = config.previous.clone().ok_or_else(|| {
        let message = "there is no result of a plugin before this one";
        refusal(code::BAD_CONFIG, message, "linkerd-cni is chained: it cannot be the first plugin of a list")
    })?;
    let log = Log { level: config.log_level, format: Format::Plain };
    if let Some((namespace, settings)) = wanted(invocation, config, &log)? {
        let lines = redirect::apply(config, &settings, &namespace).map_err(|error| {
            refusal(code::NOT_REDIRECTED, "the pod is not redirected", &error.to_string())
        })?;
        lines.iter().for_each(|line| log.say(Level::Info, line));
    }
    Ok(previous)
}

fn check(invocation: &Invocation, config: &Config) -> Result<(), Refusal> {
    let log = Log { level: config.log_level, format: Format::Plain };
    if let Some((namespace, settings)) = wanted(invocation, config, &log)? {
        redirect::verify(config, &settings, &namespace).map_err(|error| {
            refusal(code::NOT_REDIRECTED, "the pod is not redirected", &error.to_string())
        })?;
    }
    Ok(())
}

fn status(config: &Config) -> Result<(), Refusal> {
    std::fs::metadata(&config.kubeconfig).map(drop).map_err(|error| {
        let message = format!("the kubeconfig {} cannot be read", config.kubeconfig.display());
        refusal(
            code::NOT_AVAILABLE,
            &message,
            &format!("{error}; is the linkerd-cni pod of this node running?"),
        )
    })
}

/// The namespace and the settings of a pod that is to be redirected.
fn wanted(
    invocation: &Invocation,
    config: &Config,
    log: &Log,
) -> Result<Option<(PathBuf, proxy_init::rules::Settings)>, Refusal> {
    let names = (invocation.arg("K8S_POD_NAMESPACE"), invocation.arg("K8S_POD_NAME"));
    let (Some(namespace), Some(name)) = names else {
        log.say(Level::Debug, "not a pod of Kubernetes: it is left alone");
        return Ok(None);
    };
    let path = invocation.namespace.clone().ok_or_else(|| {
        refusal(
            code::BAD_ENVIRONMENT,
            "CNI_NETNS is not set",
            "the runtime has to name the pod's network namespace",
        )
    })?;
    let looked_up = look_up(config, namespace, name).map_err(|error| {
        refusal(code::TRY_AGAIN, &format!("pod {namespace}/{name} cannot be looked up"), &error.to_string())
    })?;
    if let Err(skipped) = pod::eligible(&looked_up.pod) {
        log.say(Level::Debug, &format!("{namespace}/{name}: {}", skipped.reason()));
        return Ok(None);
    }
    let mut settings =
        pod::settings(&config.settings, &looked_up.pod, &looked_up.namespace).map_err(|error| {
            refusal(
                code::BAD_ANNOTATION,
                &format!("pod {namespace}/{name}: {error}"),
                "correct the annotation",
            )
        })?;
    if pod::is_control_plane(&looked_up.pod) {
        settings = pod::with_api_server(settings, looked_up.api_server.as_ref());
    }
    log.say(Level::Debug, &format!("{namespace}/{name}: {settings:?}"));
    Ok(Some((path, settings)))
}

/// What the API server knows of a pod.
struct LookedUp {
    pod: Value,
    namespace: Value,
    api_server: Option<Value>,
}

fn look_up(config: &Config, namespace: &str, name: &str) -> Result<LookedUp, mesh_k8s::Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| mesh_k8s::Error::Kubeconfig(error.to_string()))?;
    runtime.block_on(async {
        let access = ClientConfig { kubeconfig: Some(config.kubeconfig.clone()), ..ClientConfig::default() };
        let client = Client::connect(&access).await?.with_timeout(PATIENCE);
        let pod = client.get(&Resource::POD, Some(namespace), name).await?;
        if pod::eligible(&pod).is_err() {
            return Ok(LookedUp { pod, namespace: Value::Null, api_server: None });
        }
        let namespace = client.get(&Resource::NAMESPACE, None, namespace).await?;
        let api_server = match pod::is_control_plane(&pod) {
            true => client.find(&Resource::SERVICE, Some("default"), "kubernetes").await?,
            false => None,
        };
        Ok(LookedUp { pod, namespace, api_server })
    })
}

fn refusal(code: u32, message: &str, details: &str) -> Refusal {
    Refusal { code, message: message.to_owned(), details: details.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invocation(command: &str) -> Invocation {
        Invocation {
            command: command.to_owned(),
            namespace: None,
            args: "IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-0".to_owned(),
        }
    }

    #[test]
    fn arguments_are_pairs() {
        let invocation = invocation("ADD");
        assert_eq!(invocation.arg("K8S_POD_NAME"), Some("web-0"));
        assert_eq!(invocation.arg("K8S_POD"), None);
    }

    #[test]
    fn versions_are_told_without_a_configuration() {
        let version = answer(&invocation("VERSION"), "").unwrap().unwrap();
        assert_eq!(version["supportedVersions"].as_array().unwrap().len(), VERSIONS.len());
    }

    #[test]
    fn deleting_succeeds_whatever_is_left() {
        assert!(answer(&invocation("DEL"), "not json").unwrap().is_none());
    }

    #[test]
    fn what_cannot_be_done_is_refused_with_its_code() {
        assert_eq!(answer(&invocation("FLY"), "").unwrap_err().code, code::BAD_ENVIRONMENT);
        assert_eq!(answer(&invocation("ADD"), "{").unwrap_err().code, code::BAD_CONFIG);
        let entry = r#"{"cniVersion": "9.9.9", "kubernetes": {"kubeconfig": "/none"},
            "linkerd": {"incoming-proxy-port": 1, "outgoing-proxy-port": 2}}"#;
        assert_eq!(answer(&invocation("ADD"), entry).unwrap_err().code, code::INCOMPATIBLE_VERSION);
        let entry = entry.replace("9.9.9", "1.0.0");
        assert_eq!(
            answer(&invocation("ADD"), &entry).unwrap_err().code,
            code::BAD_CONFIG,
            "it is not chained"
        );
        assert_eq!(answer(&invocation("STATUS"), &entry).unwrap_err().code, code::NOT_AVAILABLE);
        assert_eq!(
            answer(&invocation("CHECK"), &entry).unwrap_err().code,
            code::BAD_ENVIRONMENT,
            "no namespace"
        );
    }
}
