//! Many proxies become one stream.
//!
//! Every pod has a task that reads its proxy's stream and hands events on through one bounded channel: a client that reads
//! slowly holds up the tasks, they hold up the proxies' streams, and proxies drop events, not requests. When
//! the client leaves, the channel closes and every task ends with it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt};
use k8s_openapi::api::core::v1::Pod;
use kube::api::Api;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use linkerd2_proxy_api::tap::tap_client::TapClient;
use linkerd2_proxy_api::tap::{TapEvent, tap_event};
use linkerd2_proxy_api::{http_types, net};
use mesh_core::identity::{MeshNames, ServiceAccount};
use mesh_core::names::labels;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Endpoint;

use super::matches::Question;
use super::peers::Peers;
use super::target::{Pods, Target};
use crate::runtime::CALL_LIMIT;
use crate::runtime::metrics::{Counter, Family, Gauge, Registry};

/// Annotation by which a workload refuses to be tapped.
const DISABLE: &str = "config.linkerd.io/disable-tap";
/// Events that wait for the client.
const QUEUE: usize = 256;
/// Pods that are tapped at once; each has a connection.
const MAX_PODS: usize = 500;
/// Streams of users at once.
const MAX_TAPS: usize = 100;
/// Requests whose later events are let through; more are cut off.
const MAX_OPEN: usize = 16 * 1024;
/// How soon a proxy that went away is tried again.
const RETRY: Duration = Duration::from_secs(2);
/// Largest event that is read, in bytes.
const MAX_EVENT: usize = 256 * 1024;

/// What holds for every tap.
pub struct Settings {
    /// Namespace of the control plane.
    pub namespace: String,
    /// Names of the mesh.
    pub names: MeshNames,
    /// Where proxies are tapped.
    pub control_port: u16,
    /// Header fields that are never passed on, in lower case.
    pub ignored: HashSet<String>,
}

/// Taps proxies.
pub struct Tap {
    client: kube::Client,
    shared: Arc<Shared>,
    room: Arc<tokio::sync::Semaphore>,
}

struct Shared {
    settings: Settings,
    peers: Peers,
    events: Family<Counter>,
    proxies: Gauge,
}

/// Why nothing can be tapped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Whether what was asked for is wrong, rather than the way to it.
    pub is_client: bool,
    /// A word for the metric.
    pub reason: &'static str,
    /// The whole story.
    pub text: String,
}

/// A pod that can be tapped.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Proxy {
    name: String,
    addr: SocketAddr,
    identity: String,
    labels: BTreeMap<String, String>,
}

// === impl Tap ===

impl Tap {
    /// Taps through `client` and the mesh.
    pub fn new(client: kube::Client, settings: Settings, registry: &Registry) -> Self {
        let shared = Shared {
            settings,
            peers: Peers::new(client.clone()),
            events: registry.counters(
                "tap_events_total",
                "Events of proxies by what became of them.",
                &["outcome"],
            ),
            proxies: registry.gauge("tap_proxies", "Proxies that are tapped now."),
        };
        Self { client, shared: Arc::new(shared), room: Arc::new(tokio::sync::Semaphore::new(MAX_TAPS)) }
    }

    /// The events of `target`'s proxies from now on. Pods that come later are tapped too.
    ///
    /// # Errors
    /// When the target does not exist, has no proxies, or cannot be read.
    pub async fn open(
        &self,
        target: &Target,
        labels: &str,
        question: Question,
    ) -> Result<impl Stream<Item = TapEvent> + Send + use<>, Problem> {
        let room = Arc::clone(&self.room).try_acquire_owned();
        let permit = room.map_err(|_| Problem::unavailable(format!("{MAX_TAPS} taps are open already")))?;
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &target.namespace);
        let mut config = watcher::Config::default();
        match target.pods(&self.client).await? {
            Pods::All if labels.is_empty() => {}
            Pods::All => config = config.labels(labels),
            Pods::Named(name) => config = config.fields(&format!("metadata.name={name}")),
            Pods::Labelled(own) if labels.is_empty() => config = config.labels(&own),
            Pods::Labelled(own) => config = config.labels(&format!("{own},{labels}")),
        }
        let (sender, receiver) = mpsc::channel(QUEUE);
        let (ready, first) = tokio::sync::oneshot::channel();
        let follower = Follower {
            shared: Arc::clone(&self.shared),
            question,
            sender,
            running: HashMap::new(),
            tasks: JoinSet::new(),
            gate: Arc::new(parking_lot::Mutex::new(Rate::default())),
        };
        tokio::spawn(async move {
            follower.run(pods, config, ready).await;
            drop(permit);
        });
        match tokio::time::timeout(CALL_LIMIT, first).await {
            Ok(Ok(0)) => {
                let text = format!(
                    "no pods of {target} can be tapped: none is running with a proxy of this control plane"
                );
                Err(Problem { is_client: true, reason: "no_proxies", text })
            }
            Ok(Ok(_)) => Ok(ReceiverStream::new(receiver)),
            _ => Err(Problem::unavailable("the pods cannot be listed".to_owned())),
        }
    }
}

// === impl Problem ===

impl Problem {
    /// What was asked for does not exist.
    pub fn not_found(text: String) -> Self {
        Self { is_client: true, reason: "target_not_found", text }
    }

    /// Try again later.
    pub fn unavailable(text: String) -> Self {
        Self { is_client: false, reason: "unavailable", text }
    }
}

/// Keeps a task for every pod that can be tapped.
struct Follower {
    shared: Arc<Shared>,
    question: Question,
    sender: mpsc::Sender<TapEvent>,
    running: HashMap<String, (Proxy, AbortHandle)>,
    tasks: JoinSet<()>,
    gate: Arc<parking_lot::Mutex<Rate>>,
}

impl Follower {
    async fn run(
        mut self,
        pods: Api<Pod>,
        config: watcher::Config,
        ready: tokio::sync::oneshot::Sender<usize>,
    ) {
        let mut changes = pin!(watcher(pods, config).default_backoff());
        let (mut ready, mut listed) = (Some(ready), Vec::new());
        loop {
            let change = tokio::select! {
                // The client left.
                () = self.sender.closed() => return,
                change = changes.next() => change,
            };
            match change {
                Some(Ok(Event::Init)) => listed = Vec::new(),
                Some(Ok(Event::InitApply(pod))) => listed.extend(self.shared.settings.proxy(&pod)),
                Some(Ok(Event::InitDone)) => {
                    let names: HashSet<&str> = listed.iter().map(|proxy| proxy.name.as_str()).collect();
                    let gone: Vec<String> =
                        self.running.keys().filter(|name| !names.contains(name.as_str())).cloned().collect();
                    gone.iter().for_each(|name| self.stop(name));
                    let count = listed.len();
                    for proxy in std::mem::take(&mut listed) {
                        self.start(proxy, count);
                    }
                    if let Some(ready) = ready.take() {
                        let _ = ready.send(self.running.len());
                        if self.running.is_empty() {
                            return;
                        }
                    }
                }
                Some(Ok(Event::Apply(pod))) => match self.shared.settings.proxy(&pod) {
                    Some(proxy) => {
                        let count = self.running.len() + 1;
                        self.start(proxy, count);
                    }
                    None => self.stop(&pod.metadata.name.unwrap_or_default()),
                },
                Some(Ok(Event::Delete(pod))) => self.stop(&pod.metadata.name.unwrap_or_default()),
                Some(Err(error)) => {
                    tracing::warn!(%error, "the watch of tapped pods");
                    if ready.is_some() {
                        return;
                    }
                }
                None => return,
            }
        }
    }

    fn start(&mut self, proxy: Proxy, count: usize) {
        if self.running.get(&proxy.name).is_some_and(|(known, _)| *known == proxy) {
            return;
        }
        self.stop(&proxy.name);
        if self.running.len() >= MAX_PODS {
            self.shared.events.with(&["pod_not_tapped"]).inc();
            return;
        }
        let (name, kept) = (proxy.name.clone(), proxy.clone());
        let reader = Reader {
            shared: Arc::clone(&self.shared),
            proxy,
            request: self.question.for_one_of(count),
            sender: self.sender.clone(),
            gate: Arc::clone(&self.gate),
            max_rps: self.question.max_rps,
        };
        let task = self.tasks.spawn(reader.run());
        self.running.insert(name, (kept, task));
    }

    fn stop(&mut self, name: &str) {
        if let Some((_, task)) = self.running.remove(name) {
            task.abort();
        }
    }
}

// === impl Settings ===

impl Settings {
    /// The proxy of a pod, if it runs and may be tapped.
    fn proxy(&self, pod: &Pod) -> Option<Proxy> {
        let metadata = &pod.metadata;
        let label = |key: &str| metadata.labels.as_ref()?.get(key);
        let annotation = |key: &str| metadata.annotations.as_ref()?.get(key);
        let status = pod.status.as_ref()?;
        let is_ours = label(labels::CONTROL_PLANE_NS) == Some(&self.namespace);
        let is_running = status.phase.as_deref() == Some("Running") && metadata.deletion_timestamp.is_none();
        let refuses = annotation(DISABLE).is_some_and(|value| value == "true");
        if !is_ours || !is_running || refuses {
            return None;
        }
        let ip: IpAddr = status.pod_ip.as_deref()?.parse().ok()?;
        let account = pod.spec.as_ref()?.service_account_name.clone().unwrap_or_else(|| "default".to_owned());
        let namespace = metadata.namespace.clone()?;
        Some(Proxy {
            name: metadata.name.clone()?,
            addr: SocketAddr::new(ip, self.control_port),
            identity: self.names.workload(&ServiceAccount { namespace, name: account }),
            labels: super::peers::describe(metadata),
        })
    }
}

/// Reads one proxy.
struct Reader {
    shared: Arc<Shared>,
    proxy: Proxy,
    request: linkerd2_proxy_api::tap::ObserveRequest,
    sender: mpsc::Sender<TapEvent>,
    gate: Arc<parking_lot::Mutex<Rate>>,
    max_rps: u32,
}

/// Takes one from a gauge when dropped, whatever ended the task.
struct Counted(Gauge);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.add(-1.0);
    }
}

impl Reader {
    async fn run(self) {
        self.shared.proxies.add(1.0);
        let _counted = Counted(self.shared.proxies.clone());
        loop {
            match self.read().await {
                Ok(()) => tracing::debug!(pod = self.proxy.name, "the proxy ended its tap stream"),
                Err(error) => {
                    self.shared.events.with(&["proxy_failed"]).inc();
                    tracing::warn!(pod = self.proxy.name, error, "the proxy cannot be tapped; trying again");
                }
            }
            tokio::select! {
                () = self.sender.closed() => return,
                () = tokio::time::sleep(RETRY) => {}
            }
        }
    }

    async fn read(&self) -> Result<(), String> {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.proxy.addr))
            .map_err(|error| error.to_string())?
            .connect_timeout(Duration::from_secs(3))
            .http2_keep_alive_interval(Duration::from_secs(20));
        let channel = endpoint.connect().await.map_err(|error| chain(&error))?;
        let mut client = TapClient::new(channel).max_decoding_message_size(MAX_EVENT);
        let mut request = tonic::Request::new(self.request.clone());
        // Our own proxy demands this identity of the other side, and does not connect otherwise.
        if let Ok(identity) = self.proxy.identity.parse() {
            request.metadata_mut().insert("l5d-require-id", identity);
        }
        let mut events = client.observe(request).await.map_err(|status| status.to_string())?.into_inner();
        while let Some(event) = events.message().await.map_err(|status| status.to_string())? {
            if !self.gate.lock().admits(&self.proxy.name, &event, self.max_rps) {
                self.shared.events.with(&["over_rate"]).inc();
                continue;
            }
            let event = self.complete(event).await;
            if self.sender.send(event).await.is_err() {
                return Ok(());
            }
            self.shared.events.with(&["passed_on"]).inc();
        }
        Ok(())
    }

    /// Adds names to addresses and takes out header fields that nobody is to see.
    async fn complete(&self, mut event: TapEvent) -> TapEvent {
        let direction = event.proxy_direction;
        let is_inbound = direction == i32::from(tap_event::ProxyDirection::Inbound);
        let is_outbound = direction == i32::from(tap_event::ProxyDirection::Outbound);
        let (source, destination) = (address(event.source.as_ref()), address(event.destination.as_ref()));
        let own = |is_own: bool| is_own.then_some(&self.proxy.labels);
        let source_labels = self.names(own(is_outbound), source).await;
        let destination_labels = self.names(own(is_inbound), destination).await;
        extend(&mut event.source_meta.get_or_insert_default().labels, source_labels);
        extend(&mut event.destination_meta.get_or_insert_default().labels, destination_labels);
        redact(&mut event, &self.shared.settings.ignored);
        event
    }

    async fn names(
        &self,
        own: Option<&BTreeMap<String, String>>,
        address: Option<IpAddr>,
    ) -> Arc<BTreeMap<String, String>> {
        match (own, address) {
            (Some(own), _) => Arc::new(own.clone()),
            (None, Some(address)) => self.shared.peers.labels(address).await,
            (None, None) => Arc::default(),
        }
    }
}

/// Lets so many requests a second through, each with all of its events.
#[derive(Debug, Default)]
struct Rate {
    window: Option<Instant>,
    count: u32,
    open: HashSet<(String, u32, u64)>,
}

impl Rate {
    fn admits(&mut self, pod: &str, event: &TapEvent, max_rps: u32) -> bool {
        use tap_event::http::Event as Http;
        let Some(tap_event::Event::Http(http)) = &event.event else { return false };
        let (id, is_first, is_last) = match &http.event {
            Some(Http::RequestInit(it)) => (&it.id, true, false),
            Some(Http::ResponseInit(it)) => (&it.id, false, false),
            Some(Http::ResponseEnd(it)) => (&it.id, false, true),
            None => return false,
        };
        let id = id.as_ref().map_or((0, 0), |id| (id.base, id.stream));
        let key = (pod.to_owned(), id.0, id.1);
        if is_first {
            let now = Instant::now();
            if self.window.is_none_or(|window| now.duration_since(window) >= Duration::from_secs(1)) {
                self.window = Some(now);
                self.count = 0;
            }
            if self.count >= max_rps || self.open.len() >= MAX_OPEN {
                return false;
            }
            self.count += 1;
            self.open.insert(key);
            return true;
        }
        if is_last { self.open.remove(&key) } else { self.open.contains(&key) }
    }
}

fn extend(labels: &mut HashMap<String, String>, more: Arc<BTreeMap<String, String>>) {
    for (key, value) in more.iter() {
        // What the proxy itself says counts.
        labels.entry(key.clone()).or_insert_with(|| value.clone());
    }
}

fn redact(event: &mut TapEvent, ignored: &HashSet<String>) {
    use tap_event::http::Event as Http;
    let Some(tap_event::Event::Http(http)) = &mut event.event else { return };
    let headers: Option<&mut http_types::Headers> = match &mut http.event {
        Some(Http::RequestInit(it)) => it.headers.as_mut(),
        Some(Http::ResponseInit(it)) => it.headers.as_mut(),
        Some(Http::ResponseEnd(it)) => it.trailers.as_mut(),
        None => None,
    };
    if let Some(headers) = headers {
        headers.headers.retain(|header| !ignored.contains(&header.name.to_ascii_lowercase()));
    }
}

fn address(address: Option<&net::TcpAddress>) -> Option<IpAddr> {
    use net::ip_address::Ip;
    match address?.ip.as_ref()?.ip.as_ref()? {
        Ip::Ipv4(bits) => Some(std::net::Ipv4Addr::from(*bits).into()),
        Ip::Ipv6(halves) => {
            let bits = (u128::from(halves.first) << 64) | u128::from(halves.last);
            Some(std::net::Ipv6Addr::from(bits).into())
        }
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use linkerd2_proxy_api::tap::tap_event::http::{Event, RequestInit, ResponseEnd, StreamId};

    use super::*;

    fn event(event: Event) -> TapEvent {
        let http = tap_event::Http { event: Some(event) };
        TapEvent { event: Some(tap_event::Event::Http(http)), ..TapEvent::default() }
    }

    fn begin(stream: u64) -> TapEvent {
        event(Event::RequestInit(RequestInit {
            id: Some(StreamId { base: 1, stream }),
            ..RequestInit::default()
        }))
    }

    fn end(stream: u64) -> TapEvent {
        event(Event::ResponseEnd(ResponseEnd {
            id: Some(StreamId { base: 1, stream }),
            ..ResponseEnd::default()
        }))
    }

    #[tokio::test(start_paused = true)]
    async fn so_many_requests_a_second_with_all_of_their_events() {
        let mut rate = Rate::default();
        let admitted: Vec<u64> = (0..5).filter(|&stream| rate.admits("a", &begin(stream), 3)).collect();
        assert_eq!(admitted, [0, 1, 2]);
        assert!(!rate.admits("b", &begin(0), 3), "the rate is that of all proxies");
        assert!(rate.admits("a", &end(1), 3));
        assert!(!rate.admits("a", &end(1), 3));
        assert!(!rate.admits("a", &end(4), 3));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(rate.admits("b", &begin(0), 3));
        assert!(rate.admits("a", &end(0), 3));
        assert_eq!(rate.open.len(), 2);
    }

    #[test]
    fn header_fields_that_nobody_is_to_see_are_taken_out() {
        let header = |name: &str| http_types::headers::Header { name: name.into(), value: b"x".to_vec() };
        let mut event = event(Event::RequestInit(RequestInit {
            headers: Some(http_types::Headers { headers: vec![header("Cookie"), header("accept")] }),
            ..RequestInit::default()
        }));
        redact(&mut event, &["cookie".to_owned()].into());
        let text = format!("{event:?}");
        assert!(!text.contains("Cookie") && text.contains("accept"), "{text}");
    }
}
