//! The server over real sockets.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use http::HeaderMap;
use http_body_util::BodyExt as _;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::accept::Shown;
use super::*;
use crate::config::{Environment, Listen, LogFormat, TcpOptions};
use crate::identity::{Alpn, Id};
use crate::logging::output;
use crate::metrics::{ControlMetrics, StackLabels};
use crate::testing::{Ca, now};

/// A process with one worker.
#[derive(Default)]
struct Fake {
    ready: AtomicBool,
    shutdowns: AtomicUsize,
    allowed: AtomicBool,
    served: std::sync::Mutex<Vec<(String, Shown, u16)>>,
    metrics: ControlMetrics,
}

impl Process for Arc<Fake> {
    fn ready(&self) -> bool {
        self.ready.load(Ordering::Relaxed)
    }

    fn snapshots(&self) -> BoxFuture<'static, Vec<Snapshot>> {
        let snapshot = self.metrics.lock().snapshot(Instant::now(), Duration::from_secs(600));
        Box::pin(async move { vec![snapshot] })
    }

    fn state(&self) -> BoxFuture<'static, serde_json::Value> {
        Box::pin(async { serde_json::json!({"workers": []}) })
    }

    fn authorize(&self, client: &Client, request: &http::request::Parts) -> Verdict {
        if client.identity == Shown::Plaintext && !client.is_local() {
            return Verdict::Deny(StatusCode::FORBIDDEN, "unauthorized connection".to_owned());
        }
        let (this, path, identity) = (self.clone(), request.uri.path().to_owned(), client.identity.clone());
        Verdict::Allow(Some(Box::new(move |status, _| {
            this.served.lock().unwrap().push((path, identity, status.as_u16()));
        })))
    }

    fn shutdown(&self) -> bool {
        self.shutdowns.fetch_add(1, Ordering::Relaxed);
        self.allowed.load(Ordering::Relaxed)
    }
}

struct Server {
    addr: SocketAddr,
    fake: Arc<Fake>,
    ca: Ca,
    id: Id,
    levels: Levels,
    /// What the filter belongs to.
    _log: (Box<dyn tracing::Subscriber + Send + Sync>, output::Writer),
}

impl Server {
    async fn start(connections: usize) -> Self {
        let (output, writer) = output::start(io::sink(), io::sink()).unwrap();
        let (subscriber, levels) =
            crate::logging::subscriber("info", LogFormat::Plain, Instant::now(), output).unwrap();
        let fake = Arc::new(Fake::default());
        let environment: Environment =
            [("LINKERD2_PROXY_LOG", "info"), ("A_SECRET", "x")].into_iter().collect();
        let config = serde_json::json!({"workers": 1});
        let admin = Admin::new(
            Arc::new(fake.clone()),
            Some(levels.clone()),
            visible_environment(&environment),
            config,
        );
        let (ca, id) = (Ca::new("anchor"), Id::dns("web.ns.serviceaccount.identity.linkerd.test").unwrap());
        let tls = ca.credentials(&id).server_config(Alpn::None);
        let acceptor = Acceptor {
            tls: Arc::new(move || Some(tls.clone())),
            clock: now,
            timeout: Duration::from_secs(1),
            connections,
            options: TcpOptions::default(),
        };
        let addr = SocketAddr::from(([127, 0, 0, 1], 0));
        let listener = accept::bind(addr, &Listen { addrs: vec![addr], backlog: None }).unwrap();
        let addr = listener.local_addr().unwrap();
        tokio::spawn(admin.serve(listener, acceptor, Http2Server::default()));
        Self { addr, fake, ca, id, levels, _log: (Box::new(subscriber), writer) }
    }

    /// Status, headers and body of a request on a connection of its own.
    async fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> (u16, HeaderMap, Vec<u8>) {
        let tcp = TcpStream::connect(self.addr).await.unwrap();
        ask_over(tcp, method, path, headers, body).await
    }

    async fn get(&self, path: &str) -> (u16, String) {
        let (status, _, body) = self.ask("GET", path, &[], "").await;
        (status, String::from_utf8(body).unwrap())
    }
}

async fn ask_over(
    io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> (u16, HeaderMap, Vec<u8>) {
    let (mut client, connection) = hyper::client::conn::http1::handshake(TokioIo::new(io)).await.unwrap();
    tokio::spawn(connection);
    let mut request = Request::builder().method(method).uri(path).header("host", "admin");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::<Bytes>::from(body.to_owned())).unwrap();
    let (head, body) = client.send_request(request).await.unwrap().into_parts();
    (head.status.as_u16(), head.headers, body.collect().await.unwrap().to_bytes().to_vec())
}

#[tokio::test]
async fn probes_are_answered() {
    let server = Server::start(10).await;
    assert_eq!(server.get("/ready").await, (503, "not ready\n".to_owned()));
    assert_eq!(server.get("/live").await, (200, "live\n".to_owned()));
    server.fake.ready.store(true, Ordering::Relaxed);
    assert_eq!(server.get("/ready").await, (200, "ready\n".to_owned()));
    assert_eq!(server.ask("HEAD", "/ready", &[], "").await.0, 200);
    let (status, headers, _) = server.ask("POST", "/ready", &[], "").await;
    assert_eq!((status, headers["allow"].to_str().unwrap()), (405, "GET, HEAD"));
    assert_eq!(server.get("/nothing").await.0, 404);
    let served = server.fake.served.lock().unwrap();
    assert_eq!(served[0], ("/ready".to_owned(), Shown::Plaintext, 503));
    assert_eq!(served.len(), 6);
}

#[tokio::test]
async fn metrics_are_negotiated_and_packed() {
    let server = Server::start(10).await;
    let labels =
        StackLabels { direction: crate::metrics::Direction::Inbound, protocol: "http", name: "endpoint" };
    server.fake.metrics.lock().stacks.once(&labels, Instant::now()).created += 3;
    let sample = "stack_create_total{direction=\"inbound\",protocol=\"http\",name=\"endpoint\"} 3\n";

    let (status, headers, body) = server.ask("GET", "/metrics", &[], "").await;
    assert_eq!(
        (status, headers["content-type"].to_str().unwrap()),
        (200, "text/plain; version=0.0.4; charset=utf-8")
    );
    assert!(String::from_utf8(body).unwrap().contains(sample));

    let accept = [("accept", "application/openmetrics-text; version=1.0.0"), ("accept-encoding", "gzip")];
    let (_, headers, body) = server.ask("GET", "/metrics", &accept, "").await;
    assert_eq!(headers["content-type"], "application/openmetrics-text; version=1.0.0; charset=utf-8");
    assert_eq!(headers["content-encoding"], "gzip");
    let mut text = String::new();
    std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&body[..]), &mut text).unwrap();
    assert!(text.contains(sample) && text.ends_with("# EOF\n"));
}

#[tokio::test]
async fn the_environment_is_shown_without_secrets() {
    let server = Server::start(10).await;
    let (status, body) = server.get("/env.json").await;
    let value: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        (status, &value),
        (200, &serde_json::json!({"A_SECRET": "(hidden)", "LINKERD2_PROXY_LOG": "info"}))
    );
    let (_, body) = server.get("/env.json?LINKERD2_PROXY_LOG&NONE").await;
    let value: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(value, serde_json::json!({"LINKERD2_PROXY_LOG": "info", "NONE": null}));
    assert_eq!(server.ask("GET", "/env.json", &[("accept", "text/html")], "").await.0, 406);
    assert_eq!(server.get("/config.json").await, (200, "{\n  \"workers\": 1\n}\n".to_owned()));
    assert_eq!(server.get("/state.json").await, (200, "{\n  \"workers\": []\n}\n".to_owned()));
}

#[tokio::test]
async fn the_filter_of_the_log_is_changed_for_a_while() {
    let server = Server::start(10).await;
    assert_eq!(server.get("/proxy-log-level").await, (200, "info\n".to_owned()));
    assert_eq!(server.ask("PUT", "/proxy-log-level", &[], "warn,linkerd2_proxy=debug").await.0, 204);
    assert_eq!(server.levels.filter(), "warn,linkerd2_proxy=debug");
    assert_eq!(server.ask("PUT", "/proxy-log-level?for=1s", &[], "trace").await.0, 204);
    assert_eq!(server.get("/proxy-log-level").await.1, "trace\n");
    tokio::time::sleep(Duration::from_millis(1200)).await;
    assert_eq!(server.get("/proxy-log-level").await.1, "warn,linkerd2_proxy=debug\n");

    let (status, _, body) = server.ask("PUT", "/proxy-log-level", &[], "linkerd=loud").await;
    assert_eq!(status, 400);
    assert!(String::from_utf8(body).unwrap().contains("\"linkerd=loud\" is not a log filter"));
    assert_eq!(server.ask("PUT", "/proxy-log-level", &[], &"x".repeat(5000)).await.0, 413);
    assert_eq!(server.ask("DELETE", "/proxy-log-level", &[], "").await.0, 405);
}

#[tokio::test]
async fn the_process_is_ended_only_where_that_is_allowed() {
    let server = Server::start(10).await;
    assert_eq!(server.get("/shutdown").await.0, 405);
    assert_eq!(server.ask("POST", "/shutdown", &[], "").await.0, 404);
    server.fake.allowed.store(true, Ordering::Relaxed);
    assert_eq!(server.ask("POST", "/shutdown", &[], "").await.0, 200);
    assert_eq!(server.fake.shutdowns.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn clients_of_the_mesh_are_known_by_name() {
    let server = Server::start(10).await;
    let prometheus = Id::dns("prometheus.linkerd.serviceaccount.identity.linkerd.test").unwrap();
    for (config, shown) in [
        (
            server.ca.credentials(&prometheus).client_config(&server.id, Alpn::None).unwrap(),
            Shown::Identity(prometheus.clone()),
        ),
        (server.ca.trust().anonymous_client(&server.id, Alpn::None).unwrap(), Shown::Nothing),
    ] {
        let tcp = TcpStream::connect(server.addr).await.unwrap();
        let name = ServerName::try_from(server.id.as_str().to_owned()).unwrap();
        let tls = TlsConnector::from(config).connect(name, tcp).await.unwrap();
        assert_eq!(ask_over(tls, "GET", "/live", &[], "").await.0, 200);
        assert_eq!(server.fake.served.lock().unwrap().pop().unwrap().1, shown);
    }
    // A certificate of somebody else's anchor is refused in the handshake.
    let stranger = Ca::new("other").credentials(&prometheus).client_config(&server.id, Alpn::None).unwrap();
    let tcp = TcpStream::connect(server.addr).await.unwrap();
    let name = ServerName::try_from(server.id.as_str().to_owned()).unwrap();
    assert!(TlsConnector::from(stranger).connect(name, tcp).await.is_err());
}

#[tokio::test]
async fn http2_is_served_too() {
    let server = Server::start(10).await;
    let tcp = TcpStream::connect(server.addr).await.unwrap();
    let (mut client, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(tcp)).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get("http://admin/live").body(Full::<Bytes>::default()).unwrap();
    assert_eq!(client.send_request(request).await.unwrap().status(), 200);
}

#[tokio::test]
async fn silent_and_greedy_clients_are_bounded() {
    let server = Server::start(2).await;
    // Two places, taken by clients that say nothing; they are let go after the timeout.
    let mut silent = TcpStream::connect(server.addr).await.unwrap();
    let _other = TcpStream::connect(server.addr).await.unwrap();
    let started = Instant::now();
    assert_eq!(server.get("/live").await.0, 200);
    assert!(started.elapsed() >= Duration::from_millis(900), "{:?}", started.elapsed());
    assert_eq!(silent.read(&mut [0; 8]).await.unwrap(), 0);

    let mut greedy = TcpStream::connect(server.addr).await.unwrap();
    let head = format!("GET /live HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", "x".repeat(20_000));
    greedy.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // The rest of what was sent is not read, so the end may be a reset.
    let _ = greedy.read_to_end(&mut answer).await;
    assert!(String::from_utf8_lossy(&answer).starts_with("HTTP/1.1 431 "), "{answer:?}");
}

#[test]
fn the_configuration_is_shown_by_name() {
    let ca = Ca::new("anchor");
    let pem = ca.bundle_pem();
    let environment: Environment = [
        ("LINKERD2_PROXY_DESTINATION_SVC_ADDR", "localhost.:8086"),
        ("LINKERD2_PROXY_POLICY_SVC_ADDR", "localhost.:8090"),
        ("LINKERD2_PROXY_POLICY_WORKLOAD", "{\"ns\":\"prod\"}"),
        ("LINKERD2_PROXY_IDENTITY_SVC_ADDR", "localhost.:8080"),
        ("LINKERD2_PROXY_IDENTITY_TRUST_ANCHORS", pem.as_str()),
        ("LINKERD2_PROXY_IDENTITY_DIR", "/var/run/linkerd/identity/end-entity"),
        ("LINKERD2_PROXY_IDENTITY_TOKEN_FILE", "/var/run/secrets/tokens/linkerd-identity-token"),
        ("LINKERD2_PROXY_IDENTITY_LOCAL_NAME", "web.prod.serviceaccount.identity.linkerd.test"),
        ("LINKERD2_PROXY_OUTBOUND_CONNECT_TIMEOUT", "1500ms"),
    ]
    .into_iter()
    .collect();
    let config = crate::config::Config::read(&environment).unwrap();
    let shown = configuration(&config);
    assert_eq!(shown["outbound"]["connect_timeout"], "1500ms");
    assert_eq!(shown["process"]["shutdown"]["grace_period"], "120s");
    assert_eq!(shown["identity"]["id"], "web.prod.serviceaccount.identity.linkerd.test");
    assert_eq!(shown["policy"]["service"]["address"], "localhost:8090");
    assert_eq!(shown["tap"], serde_json::Value::Null);
}
