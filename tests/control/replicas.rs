//! Replicas of discovery that go away one after the other, or stand still.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use linkerd2_proxy_api::destination::GetDestination;
use linkerd2_proxy_api::destination::destination_client::DestinationClient;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::destination::{Replica, channel, pod_of_web, take, web};
use crate::kit::{Lab, run, within};

/// A lease lasts 30 s, and is looked at every 5 s; machines are slow.
const TAKEOVER: Duration = Duration::from_secs(60);
const LEASE: &str = "lease_held{lease=\"policy-controller-write\"}";
const WRITES: &str = "resource_writes_total{manager=\"policy-controller\",outcome=\"done\"}";

/// What a proxy does: one stream, opened again at the next replica whenever it ends.
struct Client {
    replicas: watch::Sender<Vec<SocketAddr>>,
    known: watch::Receiver<BTreeSet<String>>,
}

impl Client {
    fn start(lab: &'static Lab, path: String, replicas: Vec<SocketAddr>) -> Self {
        let (replicas, addresses) = watch::channel(replicas);
        let (known, seen) = watch::channel(BTreeSet::new());
        std::thread::spawn(move || {
            lab.enter();
            run(async {
                for attempt in 0_usize.. {
                    let all = addresses.borrow().clone();
                    let replica = all[attempt % all.len()];
                    let _ = Self::follow(replica, &path, &known).await;
                    if known.is_closed() {
                        return;
                    }
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            });
        });
        Self { replicas, known: seen }
    }

    /// One stream to its end.
    async fn follow(
        replica: SocketAddr,
        path: &str,
        known: &watch::Sender<BTreeSet<String>>,
    ) -> Result<(), Box<dyn std::error::Error>> {
        let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{replica}"))?;
        // What stands still is given up, as the proxy does.
        let endpoint = endpoint
            .connect_timeout(Duration::from_secs(1))
            .keep_alive_while_idle(true)
            .http2_keep_alive_interval(Duration::from_secs(1))
            .keep_alive_timeout(Duration::from_secs(1));
        let mut client = DestinationClient::new(endpoint.connect().await?);
        let request = GetDestination { path: path.to_owned(), ..GetDestination::default() };
        let mut stream =
            tokio::time::timeout(Duration::from_secs(2), client.get(request)).await??.into_inner();
        let mut first = true;
        while let Some(update) = stream.message().await? {
            known.send_modify(|known| {
                // The first message of a stream is the whole.
                if std::mem::take(&mut first) {
                    known.clear();
                }
                take(known, update);
            });
        }
        Ok(())
    }

    /// Waits until it knows these addresses.
    fn knows(&self, wanted: &BTreeSet<String>) {
        let begun = Instant::now();
        while *self.known.borrow() != *wanted {
            assert!(
                begun.elapsed() < Duration::from_secs(15),
                "{:?} instead of {wanted:?}",
                self.known.borrow()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn route(namespace: &str, name: &str) -> Value {
    json!({"apiVersion": "policy.linkerd.io/v1beta3", "kind": "HTTPRoute",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"parentRefs": [{"group": "core", "kind": "Service", "name": "web", "port": 80}],
            "rules": [{"matches": [{"path": {"value": "/"}}]}]}})
}

fn status_is_written(lab: &Lab, namespace: &str, name: &str) {
    within(TAKEOVER, &format!("somebody to write the status of {name}"), || {
        let live = lab.live(namespace, "httproutes.policy.linkerd.io", name);
        let kind = live.pointer("/status/parents/0/conditions/0/type");
        (kind == Some(&json!("Accepted"))).then_some(())
    });
}

fn wait_for_holder(replicas: &[Replica]) -> usize {
    within(TAKEOVER, "somebody to take the lease", || {
        replicas.iter().position(|it| it.process.metric(LEASE) == Some(1.0))
    })
}

/// Flaws it answers: streams that stayed with replicas that were gone; a replica that took the lease and knew nothing of
/// what had happened while it did not have it; a holder that stood still, woke up and wrote what was true before.
#[test]
fn replicas_are_killed_in_turn_and_frozen_and_neither_clients_nor_statuses_suffer() {
    let lab: &'static Lab = Box::leak(Box::new(Lab::set_up(Timestamp::now(), &json!({}))));
    let namespace = lab.namespace("replicas");
    web(lab, &namespace);
    let start = |number: usize| Replica::start(lab, &format!("destination-{number}"));
    let mut replicas: Vec<Replica> = (0..3).map(start).collect();
    let discovery = |replicas: &[Replica]| replicas.iter().map(|it| it.discovery).collect::<Vec<_>>();
    let path = format!("web.{namespace}.svc.cluster.local:80");
    let client = Client::start(lab, path, discovery(&replicas));
    let mut wanted = BTreeSet::from(["10.200.0.1:8080".to_owned()]);
    client.knows(&wanted);

    // The holder of the lease first, then the others; each is replaced, as a Deployment would.
    for round in 0..3_u8 {
        let victim = if round == 0 { wait_for_holder(&replicas) } else { 0 };
        replicas.remove(victim).process.kill();
        let ip = Ipv4Addr::new(10, 200, 0, 10 + round);
        pod_of_web(lab, &namespace, &format!("web-{}", round + 1), ip);
        wanted.insert(format!("{ip}:8080"));
        // Nobody may hold the lease at this moment; what happens now is not lost for that.
        lab.apply(&route(&namespace, &format!("after-{round}")).to_string());
        client.knows(&wanted);
        replicas.push(start(3 + usize::from(round)));
        client.replicas.send_replace(discovery(&replicas));
        status_is_written(lab, &namespace, &format!("after-{round}"));
    }

    // One that stands still: clients go elsewhere, another one writes.
    let frozen = wait_for_holder(&replicas);
    let frozen = replicas.remove(frozen);
    let written = frozen.process.metric(WRITES).unwrap_or_default();
    frozen.process.signal(Signal::SIGSTOP);
    for name in ["frozen-a", "frozen-b"] {
        lab.apply(&route(&namespace, name).to_string());
    }
    let ip = Ipv4Addr::new(10, 200, 0, 20);
    pod_of_web(lab, &namespace, "web-9", ip);
    wanted.insert(format!("{ip}:8080"));
    client.knows(&wanted);
    let since = Instant::now();
    status_is_written(lab, &namespace, "frozen-a");
    status_is_written(lab, &namespace, "frozen-b");
    assert!(
        since.elapsed() > Duration::from_secs(15),
        "the lease was taken from one who still believed in it"
    );
    frozen.process.signal(Signal::SIGCONT);
    let now = &replicas[wait_for_holder(&replicas)];
    let settled = now.process.metric(WRITES);
    // Long enough for several rounds of writing.
    std::thread::sleep(Duration::from_secs(12));
    assert_eq!(frozen.process.metric(WRITES).unwrap_or_default(), written, "it wrote without the lease");
    assert_eq!(frozen.process.metric(LEASE), Some(0.0));
    assert_eq!(frozen.process.admin("/ready").0, 200, "it serves as before");
    // Statuses that are written are left alone: the writer's own events must not set it off again.
    assert_eq!(now.process.metric(WRITES), settled, "what was written is written again");
    client.knows(&wanted);
    run(async {
        let mut late = DestinationClient::new(channel(frozen.discovery).await);
        let path = format!("web.{namespace}.svc.cluster.local:80");
        let mut stream =
            late.get(GetDestination { path, ..GetDestination::default() }).await.unwrap().into_inner();
        let mut known = BTreeSet::new();
        take(&mut known, stream.message().await.unwrap().unwrap());
        assert_eq!(known, wanted, "the one that was frozen has caught up");
    });
}
