//! A stand-in for the API server: lists in pages and watches, over HTTP, of a cluster that is made as it is asked for.
//!
//! A real one ([`crate::live`]) takes minutes to fill, most of the machine's two cores and several gigabytes. What the
//! control plane does with the answers is the same: its own source reads them through its own client.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::UnboundedReceiverStream;

use crate::content::{self, Cluster, LARGE, Size};

type Body = UnsyncBoxBody<Bytes, Infallible>;

const PODS: &str = "/api/v1/pods";
const SLICES: &str = "/apis/discovery.k8s.io/v1/endpointslices";
const SECRET: &str = "/api/v1/namespaces/linkerd/secrets/none";
const EMPTY_SECRET: &str =
    r#"{"apiVersion":"v1","kind":"Secret","metadata":{"name":"none","namespace":"linkerd"}}"#;
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
    kubeconfig: Arc<tempfile::TempPath>,
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
        let kubeconfig = Arc::new(kubeconfig(listener.local_addr().unwrap()));
        let state = State {
            cluster: Cluster::new(size.clone()),
            version: 1,
            watches: Vec::new(),
            // The manifest brings the webhook's Secret along, still empty.
            written: HashMap::from([(SECRET.to_owned(), EMPTY_SECRET.into())]),
        };
        let server = Self { kubeconfig, state: Arc::new(Mutex::new(state)) };
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

    /// How it is reached.
    pub(crate) fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Makes the last endpoint of a Service ready, or not.
    pub(crate) fn toggle(&self, service: usize) {
        let mut state = self.state.lock().unwrap();
        let slice = state.cluster.toggle(service);
        state.tell_slice(service, slice);
    }

    /// Replaces a pod of the large Service: the new one comes, the slice names it instead, the old one goes.
    pub(crate) fn replace(&self, at: usize) {
        let mut state = self.state.lock().unwrap();
        let old = state.cluster.replace(at);
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
    /// A page with its metadata first, as the API server writes it.
    fn page(&self, path: &str, from: usize, limit: usize) -> String {
        let cluster = &self.cluster;
        let range = from..from.saturating_add(limit);
        let services = cluster.size.services;
        match path {
            PODS => page(self.version, range, cluster.pods(), |(service, at), out| {
                cluster.pod_now(service, at, out)
            }),
            SLICES => page(self.version, range, cluster.slices(), |(service, slice), out| {
                cluster.slice(service, slice, 1, out);
            }),
            "/api/v1/services" => page(self.version, range, 0..services, content::service),
            "/apis/apps/v1/replicasets" => page(self.version, range, 0..services, content::replica_set),
            "/api/v1/nodes" => page(self.version, range, 0..content::NODES, content::write_node),
            _ => page(self.version, range, 0..0, |_, _| {}),
        }
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

/// Writes the objects of a range.
fn page<T>(
    version: u64,
    range: Range<usize>,
    objects: impl Iterator<Item = T>,
    write: impl Fn(T, &mut String),
) -> String {
    let mut objects = objects.skip(range.start);
    let mut items = String::new();
    for object in objects.by_ref().take(range.len()) {
        if !items.is_empty() {
            items.push(',');
        }
        write(object, &mut items);
    }
    let next = match objects.next() {
        Some(_) => format!(r#","continue":"{}""#, range.end),
        None => String::new(),
    };
    format!(r#"{{"metadata":{{"resourceVersion":"{version}"{next}}},"items":[{items}]}}"#)
}

fn kubeconfig(address: SocketAddr) -> tempfile::TempPath {
    let text = json!({"apiVersion": "v1", "kind": "Config", "current-context": "it",
        "clusters": [{"name": "it", "cluster": {"server": format!("http://{address}")}}],
        "users": [{"name": "it", "user": {}}],
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}]});
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text.to_string()).unwrap();
    file.into_temp_path()
}

fn whole(status: StatusCode, body: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Full::new(body.into()).boxed_unsync());
    *response.status_mut() = status;
    response
}
