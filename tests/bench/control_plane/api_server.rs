//! A stand-in for the API server: lists in pages and watches, over HTTP, of a cluster that is made as it is asked for.
//!
//! A real one with 100,000 pods would take most of the machine's two cores and several gigabytes. What the control plane
//! does with the answers is the same: its own source reads them through its own client.

use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::UnboundedReceiverStream;

use crate::content::{self, Cluster, LARGE, Size};

type Body = UnsyncBoxBody<Bytes, Infallible>;

const PODS: &str = "/api/v1/pods";
const SLICES: &str = "/apis/discovery.k8s.io/v1/endpointslices";
/// Kinds of which there are objects; the other built-in ones are served and empty.
const SERVED: [&str; 7] = [
    "/api/v1/nodes",
    "/api/v1/namespaces",
    "/api/v1/services",
    PODS,
    SLICES,
    "/apis/apps/v1/replicasets",
    "/apis/batch/v1/jobs",
];

/// The stand-in; cheap to clone.
#[derive(Clone)]
pub(crate) struct ApiServer {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<State>>,
}

struct State {
    cluster: Cluster,
    version: u64,
    watches: Vec<(String, mpsc::UnboundedSender<Bytes>)>,
    /// What the control plane writes: leases and the secret of its webhook.
    written: HashMap<String, Bytes>,
}

// === impl ApiServer ===

impl ApiServer {
    pub(crate) async fn start(size: &Size) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = State {
            cluster: Cluster::new(size.clone()),
            version: 1,
            watches: Vec::new(),
            written: HashMap::new(),
        };
        let server = Self { address, state: Arc::new(Mutex::new(state)) };
        let this = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let this = this.clone();
                let service = service_fn(move |request| {
                    let this = this.clone();
                    async move { Ok::<_, Infallible>(this.answer(request).await) }
                });
                let serving = hyper::server::conn::http1::Builder::new();
                tokio::spawn(serving.serve_connection(TokioIo::new(stream), service));
            }
        });
        server
    }

    /// Makes the last endpoint of a Service ready, or not.
    pub(crate) fn toggle(&self, service: usize) {
        let mut state = self.state.lock().unwrap();
        if !state.cluster.unready.remove(&service) {
            state.cluster.unready.insert(service);
        }
        let last = state.cluster.size.endpoints_of(service) - 1;
        state.tell_slice(service, Cluster::slice_with(last));
    }

    /// Replaces a pod of the large Service: the new one comes, the slice names it instead, the old one goes.
    pub(crate) fn replace(&self, at: usize) {
        let mut state = self.state.lock().unwrap();
        let old = state.cluster.generations[at];
        state.cluster.generations[at] += 1;
        state.tell_pod("ADDED", at, old + 1);
        state.tell_slice(LARGE, Cluster::slice_with(at));
        state.tell_pod("DELETED", at, old);
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let (path, query) = (request.uri().path().to_owned(), request.uri().query().unwrap_or("").to_owned());
        if request.method() != Method::GET {
            let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
            return self.write(path, body);
        }
        let mut state = self.state.lock().unwrap();
        if !SERVED.contains(&path.as_str()) {
            return match state.written.get(&path) {
                Some(object) => whole(StatusCode::OK, object.clone()),
                None => whole(
                    StatusCode::NOT_FOUND,
                    r#"{"kind":"Status","status":"Failure","reason":"NotFound","message":"not found","code":404}"#,
                ),
            };
        }
        let value = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        if value("watch").is_some() {
            let (sender, events) = mpsc::unbounded_channel();
            state.watches.push((path, sender));
            let frames = UnboundedReceiverStream::new(events).map(|line| Ok(Frame::data(line)));
            return Response::new(StreamBody::new(frames).boxed_unsync());
        }
        let limit = value("limit").and_then(|text| text.parse().ok()).unwrap_or(usize::MAX);
        let from = value("continue").and_then(|text| text.parse().ok()).unwrap_or(0);
        whole(StatusCode::OK, state.page(&path, from, limit))
    }

    /// Takes what is written as it is.
    fn write(&self, path: String, body: Bytes) -> Response<Body> {
        let object: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
        let name = object.pointer("/metadata/name").and_then(|name| name.as_str()).unwrap_or_default();
        let place = if path.ends_with(&format!("/{name}")) { path } else { format!("{path}/{name}") };
        self.state.lock().unwrap().written.insert(place, body.clone());
        whole(StatusCode::CREATED, body)
    }
}

// === impl State ===

impl State {
    fn page(&self, path: &str, from: usize, limit: usize) -> String {
        let services = self.cluster.size.services;
        let mut page = Page { text: String::from(r#"{"items":["#), from, limit, seen: 0 };
        match path {
            PODS => self.cluster.pods().for_each(|(service, at)| {
                page.item(|out| self.cluster.pod_now(service, at, out));
            }),
            SLICES => self.cluster.slices().for_each(|(service, slice)| {
                page.item(|out| self.cluster.slice(service, slice, 1, out));
            }),
            "/api/v1/services" => {
                (0..services).for_each(|number| page.item(|out| content::service(number, out)))
            }
            "/apis/apps/v1/replicasets" => {
                (0..services).for_each(|number| page.item(|out| content::replica_set(number, out)));
            }
            "/api/v1/nodes" => {
                (0..content::NODES).for_each(|number| page.item(|out| content::write_node(number, out)));
            }
            _ => {}
        }
        page.end(self.version)
    }

    fn tell_slice(&mut self, service: usize, slice: usize) {
        self.version += 1;
        let mut object = String::new();
        self.cluster.slice(service, slice, self.version, &mut object);
        self.tell(SLICES, "MODIFIED", &object);
    }

    fn tell_pod(&mut self, what: &str, at: usize, generation: usize) {
        self.version += 1;
        let mut object = String::new();
        self.cluster.pod(LARGE, at, generation, self.version, &mut object);
        self.tell(PODS, what, &object);
    }

    fn tell(&mut self, path: &str, what: &str, object: &str) {
        let line = Bytes::from(format!("{{\"type\":\"{what}\",\"object\":{object}}}\n"));
        self.watches.retain(|(of, sender)| of != path || sender.send(line.clone()).is_ok());
    }
}

/// A page of a list as it is written.
struct Page {
    text: String,
    from: usize,
    limit: usize,
    seen: usize,
}

impl Page {
    fn item(&mut self, write: impl FnOnce(&mut String)) {
        if self.seen >= self.from && self.seen - self.from < self.limit {
            if self.seen > self.from {
                self.text.push(',');
            }
            write(&mut self.text);
        }
        self.seen += 1;
    }

    fn end(mut self, version: u64) -> String {
        let next = self.from.saturating_add(self.limit);
        let next = if next < self.seen { format!(r#","continue":"{next}""#) } else { String::new() };
        let _ = write!(self.text, r#"],"metadata":{{"resourceVersion":"{version}"{next}}}}}"#);
        self.text
    }
}

fn whole(status: StatusCode, body: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Full::new(body.into()).boxed_unsync());
    *response.status_mut() = status;
    response
}
