//! The API server is gone for longer than a minute: nothing that was known is lost, and afterwards all is right again
//! within seconds.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use linkerd2_proxy_api::destination::GetDestination;
use linkerd2_proxy_api::destination::destination_client::DestinationClient;
use linkerd2_proxy_api::inbound::PortSpec;
use linkerd2_proxy_api::inbound::inbound_server_policies_client::InboundServerPoliciesClient;
use rustls::pki_types::ServerName;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::destination::{Replica, addresses, channel, pod_of_web, take, web};
use crate::injector::Injector;
use crate::kit::{ADDRESS, Gate, Lab, NAMESPACE, Process, eventually, free_port, run, trusting};

/// How long it is gone.
const OUTAGE: Duration = Duration::from_secs(95);
/// How soon everything has to be right again: the longest pause between two tries is 5 s, and a connection may take
/// as long to open; machines are slow.
const SECONDS: Duration = Duration::from_secs(20);

/// Asks a webhook as the API server does; status 0 when the connection ends.
fn review(lab: &Lab, port: u16, service: &str, request: &Value) -> (u16, Value) {
    let authorities = lab.secret(&format!("{service}-tls"), "ca.crt");
    let config = trusting(&mesh_pki::parse_bundle(authorities.as_bytes()).unwrap()).with_no_client_auth();
    let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request})
        .to_string();
    let text = format!(
        "POST / HTTP/1.1\r\nhost: webhook\r\nconnection: close\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{review}",
        review.len()
    );
    let name = ServerName::try_from(format!("{service}.{NAMESPACE}.svc")).unwrap();
    run(async {
        let stream = TcpStream::connect(SocketAddr::from((ADDRESS, port))).await.unwrap();
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
        let mut stream = connector.connect(name, stream).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer).await;
        let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
        let body = answer.split_once("\r\n\r\n").map(|(_, body)| body).unwrap_or_default();
        (status, serde_json::from_str(body).unwrap_or_else(|_| json!(body)))
    })
}

fn request(kind: &str, namespace: &str, object: &Value) -> Value {
    json!({"uid": "1", "kind": {"group": "", "version": "v1", "kind": kind}, "operation": "CREATE",
        "namespace": namespace, "name": object["metadata"]["name"], "object": object})
}

/// The streams of many proxies, held for the whole test.
struct Streams {
    runtime: tokio::runtime::Runtime,
    endpoints: Vec<tokio::task::JoinHandle<()>>,
    known: Vec<tokio::sync::watch::Receiver<BTreeSet<String>>>,
}

impl Streams {
    fn open(lab: &'static Lab, replica: &Replica, path: &str, count: usize) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .on_thread_start(move || lab.enter())
            .enable_all()
            .build()
            .unwrap();
        let (mut endpoints, mut known) = (Vec::new(), Vec::new());
        let (address, path) = (replica.discovery, path.to_owned());
        for _ in 0..count {
            let (sender, receiver) = tokio::sync::watch::channel(BTreeSet::new());
            let path = path.clone();
            endpoints.push(runtime.spawn(async move {
                let mut client = DestinationClient::new(channel(address).await);
                let request = GetDestination { path, ..GetDestination::default() };
                let mut stream = client.get(request).await.unwrap().into_inner();
                while let Ok(Some(update)) = stream.message().await {
                    sender.send_modify(|known| take(known, update));
                }
            }));
            known.push(receiver);
        }
        Self { runtime, endpoints, known }
    }

    fn all_know(&self, wanted: &[&str]) -> bool {
        let wanted: BTreeSet<String> = wanted.iter().map(ToString::to_string).collect();
        self.known.iter().all(|known| *known.borrow() == wanted)
    }

    fn all_go_on(&self) {
        let ended = self.endpoints.iter().filter(|stream| stream.is_finished()).count();
        assert_eq!(ended, 0, "streams ended");
    }
}

/// The name of the Server for a port of a pod.
fn server_of_port(replica: &Replica, namespace: &str, pod: &str) -> Option<String> {
    run(async {
        let mut client = InboundServerPoliciesClient::new(channel(replica.policy).await);
        let spec = PortSpec { workload: format!("{namespace}:{pod}"), port: 8080 };
        Some(client.get_port(spec).await.ok()?.into_inner().labels["name"].clone())
    })
}

/// Everything that has to go on without an API server.
struct Running<'a> {
    lab: &'a Lab,
    gate: &'a Gate,
    replica: Replica,
    injector: Injector,
    validator: (Process, u16),
    streams: Streams,
    namespace: String,
}

impl Running<'_> {
    fn live_and_ready(&self) {
        for process in [&self.replica.process, &self.injector.process, &self.validator.0] {
            assert_eq!(process.admin("/live").0, 200);
            assert_eq!(process.admin("/ready"), (200, "ready\n".to_owned()), "{}", process.log());
        }
        self.streams.all_go_on();
    }

    /// Admission goes on with what is known; where it is not, the failure policy decides.
    fn reviews(&self) {
        let pod = |namespace: &str| {
            json!({"apiVersion": "v1", "kind": "Pod",
                "metadata": {"name": "app", "namespace": namespace, "annotations": {"linkerd.io/inject": "enabled"}},
                "spec": {"containers": [{"name": "app", "image": "app"}]}})
        };
        let known = request("Pod", &self.namespace, &pod(&self.namespace));
        let (status, answer) = review(self.lab, self.injector.port, "linkerd-proxy-injector", &known);
        assert_eq!(status, 200, "{answer}");
        assert!(answer["response"]["allowed"] == true && answer["response"]["patch"].is_string(), "{answer}");
        let unknown = request("Pod", "made-while-it-was-gone", &pod("made-while-it-was-gone"));
        let (status, answer) = review(self.lab, self.injector.port, "linkerd-proxy-injector", &unknown);
        assert_eq!(status, 500, "{answer}");
        assert!(answer.as_str().unwrap().contains("namespace made-while-it-was-gone"), "{answer}");
        let mut profile = request(
            "ServiceProfile",
            &self.namespace,
            &json!({"apiVersion": "linkerd.io/v1alpha2", "kind": "ServiceProfile",
                "metadata": {"name": format!("web.{}.svc.cluster.local", self.namespace), "namespace": self.namespace},
                "spec": {"routes": [{"name": "a", "condition": {"pathRegex": "/a("}}]}}),
        );
        profile["kind"]["group"] = json!("linkerd.io");
        profile["kind"]["version"] = json!("v1alpha2");
        let (status, answer) = review(self.lab, self.validator.1, "linkerd-sp-validator", &profile);
        assert_eq!((status, &answer["response"]["allowed"]), (200, &json!(false)), "{answer}");
        let mut network = request(
            "NetworkAuthentication",
            &self.namespace,
            &json!({"apiVersion": "policy.linkerd.io/v1alpha1", "kind": "NetworkAuthentication",
                "metadata": {"name": "nobody", "namespace": self.namespace},
                "spec": {"networks": [{"cidr": "10.0.0.0/8", "except": ["10.0.0.0/8"]}]}}),
        );
        network["kind"]["group"] = json!("policy.linkerd.io");
        network["kind"]["version"] = json!("v1alpha1");
        let (status, answer) = review(self.lab, self.replica.webhook, "linkerd-policy-validator", &network);
        assert_eq!((status, &answer["response"]["allowed"]), (200, &json!(false)), "{answer}");
    }

    /// The accounts are made anew, so that no token of before is worth anything; the new ones lie where the old ones did.
    fn renew_tokens(&self) {
        let components = [
            ("linkerd-destination", &self.replica.process),
            ("linkerd-proxy-injector", &self.injector.process),
            ("linkerd-sp-validator", &self.validator.0),
        ];
        for (account, process) in components {
            let mut object = self.lab.live(NAMESPACE, "serviceaccount", account);
            self.lab.kubectl(&["delete", "serviceaccount", account, "--namespace", NAMESPACE]);
            let metadata =
                json!({"name": account, "namespace": NAMESPACE, "labels": object["metadata"]["labels"]});
            object["metadata"] = metadata;
            object.as_object_mut().unwrap().remove("secrets");
            self.lab.apply(&object.to_string());
            process.give_token(&self.lab.token(NAMESPACE, account, &["--duration=2h"]));
        }
    }
}

fn set_up<'a>(lab: &'static Lab, gate: &'a Gate) -> Running<'a> {
    let namespace = lab.namespace("outage");
    web(lab, &namespace);
    let replica = Replica::start_at(lab, &gate.server(), "linkerd-destination-outage").ready();
    let injector = Injector::start_at(lab, &gate.server(), "linkerd-proxy-injector-outage").ready();
    let port = free_port();
    let args = [
        format!("--webhook-addr={ADDRESS}:{port}"),
        "--tls-secret=linkerd-sp-validator-tls".to_owned(),
        "--webhook-config=linkerd-sp-validator-webhook-config".to_owned(),
    ];
    let process = Process::start_at(
        lab,
        &gate.server(),
        "sp-validator",
        "linkerd-sp-validator",
        "sp-validator-0",
        &args,
    )
    .ready();
    let path = format!("web.{namespace}.svc.cluster.local:80");
    eventually("the address", || addresses(&replica, &path).filter(|found| found.len() == 1));
    let streams = Streams::open(lab, &replica, &path, 100);
    eventually("every stream's first message", || streams.all_know(&["10.200.0.1:8080"]).then_some(()));
    Running { lab, gate, replica, injector, validator: (process, port), streams, namespace }
}

/// Flaws it answers: what was known was thrown away when the API server went; webhooks that needed it for each answer;
/// tokens that were read once; pauses that had grown to minutes by the time it was back.
#[test]
fn an_api_server_that_is_gone_for_longer_than_a_minute_is_missed_by_nobody() {
    let lab: &'static Lab = Box::leak(Box::new(Lab::set_up(Timestamp::now(), &json!({}))));
    let gate = Gate::to(lab);
    let running = set_up(lab, &gate);
    let path = format!("web.{}.svc.cluster.local:80", running.namespace);
    running.reviews();
    let spent = |running: &Running<'_>| running.replica.process.metric("process_cpu_seconds_total").unwrap();
    let before = spent(&running);

    // No connection is ended: packets vanish, as when the machine of the API server fails.
    running.gate.swallow();
    let begun = Instant::now();
    pod_of_web(lab, &running.namespace, "web-1", Ipv4Addr::new(10, 200, 0, 2));
    lab.kubectl(&["delete", "pod", "web-0", "-n", &running.namespace, "--grace-period=0", "--force"]);
    lab.kubectl(&["create", "namespace", "made-while-it-was-gone"]);
    let server = json!({"apiVersion": "policy.linkerd.io/v1beta3", "kind": "Server",
        "metadata": {"name": "late", "namespace": running.namespace},
        "spec": {"podSelector": {}, "port": 8080, "proxyProtocol": "HTTP/2"}});
    lab.apply(&server.to_string());
    running.renew_tokens();
    let mut rounds = 0;
    while begun.elapsed() < OUTAGE {
        running.live_and_ready();
        assert!(running.streams.all_know(&["10.200.0.1:8080"]), "what is known stays in force");
        // Newcomers are told what was known.
        assert_eq!(addresses(&running.replica, &path).unwrap(), ["10.200.0.1:8080"]);
        assert_ne!(server_of_port(&running.replica, &running.namespace, "web-0").unwrap(), "late");
        if rounds % 3 == 0 {
            running.reviews();
        }
        rounds += 1;
        std::thread::sleep(Duration::from_secs(5));
    }
    assert!(rounds > 5, "{rounds} rounds");
    let spent = spent(&running) - before;
    assert!(spent < 15.0, "{spent:.1} s of CPU for nothing");

    running.gate.deliver();
    let back = Instant::now();
    while !running.streams.all_know(&["10.200.0.2:8080"]) {
        running.streams.all_go_on();
        let waited = back.elapsed();
        assert!(waited < SECONDS, "not caught up within {waited:?}:\n{}", running.replica.process.log());
        std::thread::sleep(Duration::from_millis(50));
    }
    while server_of_port(&running.replica, &running.namespace, "web-1").as_deref() != Some("late") {
        assert!(back.elapsed() < SECONDS, "the Server is not known");
        std::thread::sleep(Duration::from_millis(50));
    }
    let caught_up = back.elapsed();
    running.live_and_ready();
    // The namespace that came meanwhile is known to the injector, now that it can ask.
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "app", "namespace": "made-while-it-was-gone",
        "annotations": {"linkerd.io/inject": "enabled"}}, "spec": {"containers": [{"name": "app", "image": "app"}]}});
    let question = request("Pod", "made-while-it-was-gone", &pod);
    eventually("the injector to know the namespace", || {
        let (status, _) = review(lab, running.injector.port, "linkerd-proxy-injector", &question);
        (status == 200).then_some(())
    });
    eprintln!(
        "gone for {OUTAGE:?}; 100 streams were caught up after {caught_up:?}, {spent:.1} s of CPU meanwhile"
    );
    running.streams.runtime.shutdown_background();
}
