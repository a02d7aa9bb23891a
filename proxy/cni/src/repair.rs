//! Finds pods of the node that started without redirection, and redirects them where they run.
//!
//! A pod that started before the plugin was in place fails in its network validator, which exits with 95 and is started again by the
//! kubelet. Once the rules are there the next start succeeds: no pod is deleted. Its namespace is found by its addresses.

mod admin;
mod namespaces;

use std::{process::ExitCode, sync::Arc, time::Duration};

use mesh_core::names::containers;
use mesh_k8s::{Client, ClientConfig, Resource, objects::Change};
use proxy_init::{
    exit,
    log::{Level, Log},
};
use serde_json::{Value, json};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
};

use crate::{args::Repair, config::Config, pod, redirect};
use admin::Counters;

/// Pods that wait for their repair; a node runs a few hundred at most.
const QUEUE: usize = 1024;
/// Between two watches, after one has failed.
const PAUSE: Duration = Duration::from_secs(2);

/// Runs the repairer until SIGTERM or SIGINT.
pub fn main(args: Repair) -> ExitCode {
    let log = args.log.open();
    let config = match Config::parse(&args.network_config) {
        Ok(config) => config,
        Err(error) => {
            log.say(Level::Error, &format!("CNI_NETWORK_CONFIG: {error}"));
            return exit::USAGE.into();
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let outcome = runtime
        .map_err(|error| error.to_string())
        .and_then(|runtime| runtime.block_on(run(args, config, log)));
    match outcome {
        Ok(()) => exit::OK.into(),
        Err(error) => {
            log.say(Level::Error, &error);
            exit::FAILED.into()
        }
    }
}

async fn run(args: Repair, config: Config, log: Log) -> Result<(), String> {
    let signals = |kind| signal(kind).map_err(|error| format!("signals cannot be handled: {error}"));
    let (mut terminate, mut interrupt) =
        (signals(SignalKind::terminate())?, signals(SignalKind::interrupt())?);
    let counters = Arc::new(Counters::default());
    let listener = tokio::net::TcpListener::bind(args.admin_addr)
        .await
        .map_err(|error| format!("cannot listen on {}: {error}", args.admin_addr))?;
    let access = ClientConfig { kubeconfig: args.kubeconfig.clone(), ..ClientConfig::default() };
    let client = Client::connect(&access).await.map_err(|error| error.to_string())?;
    let (found, mut pods) = mpsc::channel(QUEUE);
    let worker = Worker { args, config, log, client: client.clone(), counters: Arc::clone(&counters) };
    let node = worker.args.node_name.clone();
    tokio::select! {
        () = admin::serve(listener, Arc::clone(&counters)) => {}
        () = follow(&client, &node, &found, &counters, &log) => {}
        () = async { while let Some(pod) = pods.recv().await { worker.repair(&pod).await } } => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

/// Watches the pods of the node for ever, and passes on those that need repair.
async fn follow(client: &Client, node: &str, found: &mpsc::Sender<Value>, counters: &Counters, log: &Log) {
    let fields = format!("spec.nodeName={node}");
    let mut said = String::new();
    loop {
        let each = |change| {
            counters.watching(true);
            if let Change::Applied(pod) = change
                && needs_repair(&pod)
                && found.try_send(pod).is_err()
            {
                // It fails again within minutes, and comes back.
                counters.dropped();
            }
        };
        let line = match client.watch(&Resource::POD, &fields, each).await {
            Ok(()) => String::new(),
            Err(error) => error.to_string(),
        };
        if !line.is_empty() {
            counters.watching(false);
            if line != said {
                log.say(Level::Warn, &line);
            }
            tokio::time::sleep(PAUSE).await;
        }
        said = line;
    }
}

/// Whether the pod's validator has found that nothing is redirected, and the pod is to stay.
fn needs_repair(pod: &Value) -> bool {
    if pod.pointer("/metadata/deletionTimestamp").is_some() || pod::eligible(pod).is_err() {
        return false;
    }
    let statuses = pod.pointer("/status/initContainerStatuses").and_then(Value::as_array);
    let validator =
        statuses.into_iter().flatten().find(|status| status["name"] == containers::NETWORK_VALIDATOR);
    let not_redirected = |state: &str| {
        let code = validator.and_then(|status| status.pointer(&format!("/{state}/terminated/exitCode")));
        code.and_then(Value::as_u64) == Some(u64::from(exit::NOT_REDIRECTED))
    };
    not_redirected("state")
        || (not_redirected("lastState") && validator.is_some_and(|it| it["ready"] != true))
}

/// Repairs one pod after the other.
struct Worker {
    args: Repair,
    config: Config,
    log: Log,
    client: Client,
    counters: Arc<Counters>,
}

impl Worker {
    async fn repair(&self, pod: &Value) {
        let text = |pointer: &str| pod.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let (namespace, name) = (text("/metadata/namespace"), text("/metadata/name"));
        let outcome = self.redirect(pod, namespace).await;
        let (kind, reason, message) = match outcome {
            Ok(Outcome::AlreadyThere) => return,
            Ok(Outcome::Redirected(lines)) => {
                self.counters.repaired();
                let text = format!(
                    "traffic of {namespace}/{name} was not redirected and now is: {}",
                    lines.join(", ")
                );
                ("Normal", "LinkerdCniRepaired", text)
            }
            Err(reason) => {
                self.counters.failed();
                let text = format!("traffic of {namespace}/{name} is not redirected and cannot be: {reason}");
                ("Warning", "LinkerdCniRepairFailed", text)
            }
        };
        self.log.say(if kind == "Normal" { Level::Info } else { Level::Warn }, &message);
        if let Err(error) = self.client.create(&event(pod, kind, reason, &message)).await {
            self.log.say(Level::Debug, &format!("the event is not written: {error}"));
        }
    }

    async fn redirect(&self, pod: &Value, namespace: &str) -> Result<Outcome, String> {
        let own = self
            .client
            .get(&Resource::NAMESPACE, None, namespace)
            .await
            .map_err(|error| error.to_string())?;
        let mut settings =
            pod::settings(&self.config.settings, pod, &own).map_err(|error| error.to_string())?;
        if pod::is_control_plane(pod) {
            let service = self.client.find(&Resource::SERVICE, Some("default"), "kubernetes").await;
            settings = pod::with_api_server(settings, service.map_err(|error| error.to_string())?.as_ref());
        }
        let addresses = namespaces::addresses(pod);
        let (folder, config) = (self.args.netns_dir.clone(), self.config.clone());
        // Entering namespaces and running tools takes threads of its own and some milliseconds.
        let work = tokio::task::spawn_blocking(move || {
            let path = namespaces::find(&folder, &addresses)?;
            if redirect::verify(&config, &settings, &path).is_ok() {
                return Ok(Outcome::AlreadyThere);
            }
            redirect::apply(&config, &settings, &path)
                .map(Outcome::Redirected)
                .map_err(|error| error.to_string())
        });
        work.await.map_err(|error| error.to_string())?
    }
}

/// What a repair came to.
enum Outcome {
    AlreadyThere,
    Redirected(Vec<String>),
}

/// An event on the pod, for whoever describes it.
fn event(pod: &Value, kind: &str, reason: &str, message: &str) -> Value {
    let metadata = &pod["metadata"];
    let now = jiff::Timestamp::now();
    let micro = format!("{now:.6}");
    let name = format!("{}.{:x}", metadata["name"].as_str().unwrap_or("pod"), now.as_nanosecond());
    json!({
        "apiVersion": "events.k8s.io/v1", "kind": "Event",
        "metadata": { "name": name, "namespace": metadata["namespace"] },
        "eventTime": micro, "type": kind, "reason": reason, "action": "Repair", "note": message.chars().take(1000).collect::<String>(),
        "reportingController": "linkerd.io/cni-repair-controller", "reportingInstance": "linkerd-cni",
        "regarding": { "apiVersion": "v1", "kind": "Pod", "name": metadata["name"], "namespace": metadata["namespace"], "uid": metadata["uid"] },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(state: Value, last: Value, ready: bool) -> Value {
        json!({
            "metadata": {"name": "web-0", "namespace": "shop"},
            "spec": {"initContainers": [{"name": "linkerd-network-validator"}, {"name": "linkerd-proxy"}]},
            "status": {"initContainerStatuses": [
                {"name": "linkerd-network-validator", "state": state, "lastState": last, "ready": ready}]},
        })
    }

    #[test]
    fn a_validator_that_failed_asks_for_repair() {
        let ended = |code: u64| json!({"terminated": {"exitCode": code}});
        let waiting = json!({"waiting": {"reason": "CrashLoopBackOff"}});
        assert!(needs_repair(&pod(waiting.clone(), ended(95), false)));
        assert!(needs_repair(&pod(ended(95), json!({}), false)));
        assert!(!needs_repair(&pod(ended(0), ended(95), true)), "it succeeded since");
        assert!(!needs_repair(&pod(waiting.clone(), ended(1), false)), "that is another trouble");
        let mut leaving = pod(waiting.clone(), ended(95), false);
        leaving["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        assert!(!needs_repair(&leaving));
        let mut own = pod(waiting, ended(95), false);
        own["spec"]["initContainers"][0]["name"] = json!("linkerd-init");
        assert!(!needs_repair(&own));
    }

    #[test]
    fn an_event_names_its_pod() {
        let event = event(&pod(Value::Null, Value::Null, false), "Normal", "R", "m");
        assert_eq!(event["regarding"]["name"], "web-0");
        let time = event["eventTime"].as_str().unwrap();
        assert!(time.ends_with('Z') && time.len() == "2026-01-01T00:00:00.000000Z".len(), "{time}");
    }
}
