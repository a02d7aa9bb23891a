//! Numbers without a Prometheus: every proxy is scraped, and a short window is kept in memory.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use futures::future::BoxFuture;
use http::Request;
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use k8s_openapi::api::core::v1::Pod;
use kube::api::Api;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use mesh_core::names::{containers, labels, ports};
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::time::{Instant, MissedTickBehavior};

use super::query::{Answer, Query, Source, Unanswered};
use super::store::{Scrape, Store};
use crate::runtime::metrics::{Counter, Family};
use crate::runtime::{Gate, Runtime, Shutdown};
use crate::workloads::labels_of;

/// Proxies that are scraped at once.
const AT_ONCE: usize = 32;
/// Largest text of a proxy that is read, in bytes.
const MAX_TEXT: usize = 16 * 1024 * 1024;
/// Longest line of it, in bytes.
const MAX_LINE: usize = 64 * 1024;
/// What a connection has for what it reads, in bytes: there is one for each proxy, from one scrape to the next.
const BUFFER: usize = 16 * 1024;
/// How long a proxy may take.
const LIMIT: Duration = Duration::from_secs(5);

/// How often, how far back, how much.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Time between two scrapes of one proxy.
    pub interval: Duration,
    /// How long numbers are kept.
    pub window: Duration,
    /// How many bytes they may take.
    pub limit: usize,
}

/// The window, and who fills it.
pub struct Direct {
    store: Arc<Mutex<Store>>,
    reporting: Arc<Mutex<HashMap<(String, String), Instant>>>,
    settings: Settings,
}

/// A proxy that can be scraped.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Proxy {
    addr: SocketAddr,
    labels: Vec<(&'static str, String)>,
}

type Proxies = Arc<Mutex<HashMap<(String, String), Proxy>>>;

impl Direct {
    /// Starts scraping the proxies of the control plane's mesh until the process ends.
    pub fn start(runtime: &Runtime, client: kube::Client, settings: Settings) -> Self {
        let store = Arc::new(Mutex::new(Store::new(settings.window, settings.limit, Instant::now())));
        let reporting = Arc::default();
        let proxies: Proxies = Arc::default();
        let gate = runtime.readiness.gate("pods");
        let only = format!("{}={}", labels::CONTROL_PLANE_NS, runtime.namespace);
        let (shutdown, known) = (runtime.shutdown.clone(), Arc::clone(&proxies));
        tokio::spawn(async move { shutdown.unless(follow(client, only, known, gate)).await });
        let scraper = Scraper {
            client: Client::builder(TokioExecutor::new())
                .pool_timer(TokioTimer::new())
                .pool_idle_timeout(settings.interval * 2)
                .http1_read_buf_exact_size(BUFFER)
                .build_http(),
            store: Arc::clone(&store),
            reporting: Arc::clone(&reporting),
            outcomes: runtime.registry.counters(
                "direct_scrapes_total",
                "Scrapes of proxies by outcome.",
                &["outcome"],
            ),
        };
        tokio::spawn(Arc::new(scraper).run(proxies, settings.interval, runtime.shutdown.clone()));
        let shown = Arc::clone(&store);
        runtime.registry.collector(move |out| {
            use std::fmt::Write as _;
            let store = shown.lock();
            let _ = write!(
                out,
                "# HELP direct_window_bytes Memory of the window.\n# TYPE direct_window_bytes gauge\n\
                 direct_window_bytes {}\n# HELP direct_window_series Series in the window.\n\
                 # TYPE direct_window_series gauge\ndirect_window_series {}\n\
                 # HELP direct_window_refused_total Samples that did not fit into the window.\n\
                 # TYPE direct_window_refused_total counter\ndirect_window_refused_total {}\n",
                store.bytes(),
                store.len(),
                store.refused
            );
        });
        Self { store, reporting, settings }
    }

    /// Whether the proxy of a pod said anything lately.
    pub fn is_reporting(&self, namespace: &str, pod: &str) -> bool {
        let known = self.reporting.lock();
        let seen = known.get(&(namespace.to_owned(), pod.to_owned()));
        seen.is_some_and(|seen| seen.elapsed() <= self.fresh())
    }

    /// How old the last word of a proxy may be to count for now.
    fn fresh(&self) -> Duration {
        (self.settings.interval * 3).max(Duration::from_secs(5))
    }
}

impl Source for Direct {
    fn name(&self) -> &'static str {
        "direct"
    }

    fn covers(&self, window: Duration) -> Duration {
        self.store.lock().covers(window, Instant::now())
    }

    fn increase<'a>(&'a self, query: &'a Query) -> BoxFuture<'a, Result<Answer, Unanswered>> {
        Box::pin(async move { Ok(self.store.lock().increase(query, Instant::now())) })
    }

    fn level<'a>(&'a self, query: &'a Query) -> BoxFuture<'a, Result<Answer, Unanswered>> {
        Box::pin(async move { Ok(self.store.lock().level(query, self.fresh(), Instant::now())) })
    }

    fn count<'a>(&'a self, query: &'a Query) -> BoxFuture<'a, Result<Answer, Unanswered>> {
        Box::pin(async move { Ok(self.store.lock().count(query, self.fresh(), Instant::now())) })
    }

    fn quantile<'a>(&'a self, query: &'a Query, quantile: f64) -> BoxFuture<'a, Result<Answer, Unanswered>> {
        Box::pin(async move { Ok(self.store.lock().quantile(query, quantile, Instant::now())) })
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), Unanswered>> {
        Box::pin(futures::future::ready(Ok(())))
    }
}

/// Keeps the list of proxies in step.
async fn follow(client: kube::Client, only: String, proxies: Proxies, gate: Gate) {
    let pods: Api<Pod> = Api::all(client);
    let config = watcher::Config::default().labels(&only);
    let mut changes = pin!(watcher(pods, config).default_backoff());
    let mut anew = HashMap::new();
    while let Some(change) = changes.next().await {
        match change {
            Ok(Event::Init) => anew = HashMap::new(),
            Ok(Event::InitApply(pod)) => anew.extend(Proxy::of(&pod).map(|proxy| (key(&pod), proxy))),
            Ok(Event::InitDone) => {
                *proxies.lock() = std::mem::take(&mut anew);
                gate.open();
            }
            Ok(Event::Apply(pod)) => {
                let mut known = proxies.lock();
                match Proxy::of(&pod) {
                    Some(proxy) => drop(known.insert(key(&pod), proxy)),
                    None => drop(known.remove(&key(&pod))),
                }
            }
            Ok(Event::Delete(pod)) => drop(proxies.lock().remove(&key(&pod))),
            Err(error) => tracing::warn!(%error, "the watch of pods; those known are scraped on"),
        }
    }
}

fn key(pod: &Pod) -> (String, String) {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    (text(&pod.metadata.namespace), text(&pod.metadata.name))
}

impl Proxy {
    /// The proxy of a pod that runs.
    fn of(pod: &Pod) -> Option<Self> {
        let status = pod.status.as_ref()?;
        let spec = pod.spec.as_ref()?;
        if status.phase.as_deref() != Some("Running") || pod.metadata.deletion_timestamp.is_some() {
            return None;
        }
        let all = spec.containers.iter().chain(spec.init_containers.iter().flatten());
        let proxy = all.into_iter().find(|container| container.name == containers::PROXY)?;
        let admin =
            proxy.ports.iter().flatten().find(|port| port.name.as_deref() == Some(ports::ADMIN_PORT_NAME));
        let port = admin.map_or(Ok(ports::PROXY_ADMIN), |port| u16::try_from(port.container_port)).ok()?;
        let ip: IpAddr = status.pod_ip.as_deref()?.parse().ok()?;
        Some(Self { addr: SocketAddr::new(ip, port), labels: labels_of(&pod.metadata) })
    }
}

struct Scraper {
    client: Client<HttpConnector, Empty<Bytes>>,
    store: Arc<Mutex<Store>>,
    reporting: Arc<Mutex<HashMap<(String, String), Instant>>>,
    outcomes: Family<Counter>,
}

impl Scraper {
    async fn run(self: Arc<Self>, proxies: Proxies, interval: Duration, shutdown: Shutdown) {
        let mut ticks = tokio::time::interval(interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let room = Arc::new(Semaphore::new(AT_ONCE));
        while shutdown.unless(ticks.tick()).await.is_some() {
            let now: Vec<_> =
                proxies.lock().iter().map(|(key, proxy)| (key.clone(), proxy.clone())).collect();
            // A round that takes longer than the interval makes the next one late, never two at once.
            let round = now.into_iter().map(|(key, proxy)| {
                let (scraper, room) = (Arc::clone(&self), Arc::clone(&room));
                async move {
                    let _permit = room.acquire().await;
                    scraper.scrape(key, &proxy).await;
                }
            });
            let round = futures::stream::iter(round).buffer_unordered(AT_ONCE).collect::<Vec<()>>();
            if shutdown.unless(round).await.is_none() {
                return;
            }
            let now = Instant::now();
            self.store.lock().expire(now);
            self.reporting.lock().retain(|_, seen| now.duration_since(*seen) < Duration::from_secs(600));
        }
    }

    async fn scrape(&self, key: (String, String), proxy: &Proxy) {
        match tokio::time::timeout(LIMIT, self.read(proxy)).await {
            Ok(Ok(scrape)) => {
                self.store.lock().add(scrape, Instant::now());
                self.reporting.lock().insert(key, Instant::now());
                self.outcomes.with(&["read"]).inc();
            }
            Ok(Err(error)) => {
                self.outcomes.with(&["failed"]).inc();
                tracing::debug!(addr = %proxy.addr, error, "a proxy could not be scraped");
            }
            Err(_) => self.outcomes.with(&["timeout"]).inc(),
        }
    }

    /// Line by line, as they come: the texts of all that are scraped at once would be more than the window.
    async fn read(&self, proxy: &Proxy) -> Result<Scrape, String> {
        let request = Request::get(format!("http://{}/metrics", proxy.addr)).header("accept", "text/plain");
        let request = request.body(Empty::new()).map_err(|error| error.to_string())?;
        let response = self.client.request(request).await.map_err(|error| error.to_string())?;
        if !response.status().is_success() {
            return Err(format!("HTTP status {}", response.status()));
        }
        let mut body = Limited::new(response.into_body(), MAX_TEXT);
        let (mut scrape, mut part) = (Scrape::default(), Vec::new());
        let mut take = |line: &[u8]| -> Result<(), String> {
            scrape.line(std::str::from_utf8(line).map_err(|_| "not a text")?, &proxy.labels);
            Ok(())
        };
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| error.to_string())?;
            let Ok(data) = frame.into_data() else { continue };
            let mut rest = data.as_ref();
            while let Some(end) = rest.iter().position(|octet| *octet == b'\n') {
                match part.is_empty() {
                    true => take(&rest[..end])?,
                    false => {
                        part.extend_from_slice(&rest[..end]);
                        take(&part)?;
                        part.clear();
                    }
                }
                rest = &rest[end + 1..];
            }
            part.extend_from_slice(rest);
            if part.len() > MAX_LINE {
                return Err(format!("a line is longer than {MAX_LINE} bytes"));
            }
        }
        take(&part)?;
        Ok(scrape)
    }
}
