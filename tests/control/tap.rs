//! Tap as users reach it: through the API server, to proxies that are played by this test.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use futures::{Stream, StreamExt};
use linkerd2_proxy_api::tap::tap_event::http::{Event, RequestInit, ResponseEnd, StreamId};
use linkerd2_proxy_api::tap::tap_server::{Tap, TapServer};
use linkerd2_proxy_api::tap::{ObserveRequest, TapEvent, tap_event};
use linkerd2_proxy_api::{http_types, net};
use mesh_api::tap::{Resource, Selection, TapRequest};
use prost::Message;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

use crate::kit::{ADDRESS, Lab, PATIENCE, Process, eventually, free_port, lab, linkerd, run, trusting};

/// Addresses of the proxies that this test plays.
pub(crate) const FIRST: Ipv4Addr = Ipv4Addr::new(127, 0, 1, 1);
const SECOND: Ipv4Addr = Ipv4Addr::new(127, 0, 1, 2);

/// A proxy's tap server that reports requests without end, each with its end.
#[derive(Clone, Default)]
pub(crate) struct Played {
    asked: Arc<Mutex<Vec<(String, ObserveRequest)>>>,
    open: Arc<AtomicUsize>,
    /// How many requests it has reported to the client that it reported most to.
    pub(crate) reported: Arc<AtomicU64>,
    base: u32,
}

/// Counts a stream for as long as it is read.
struct Open(Arc<AtomicUsize>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[tonic::async_trait]
impl Tap for Played {
    type ObserveStream = Pin<Box<dyn Stream<Item = Result<TapEvent, Status>> + Send>>;

    async fn observe(
        &self,
        request: Request<ObserveRequest>,
    ) -> Result<Response<Self::ObserveStream>, Status> {
        let id = request.metadata().get("l5d-require-id").map(|id| id.to_str().unwrap().to_owned());
        self.asked.lock().unwrap().push((id.unwrap_or_default(), request.into_inner()));
        self.open.fetch_add(1, Ordering::SeqCst);
        let (open, base) = (Open(Arc::clone(&self.open)), self.base);
        let reported = Arc::clone(&self.reported);
        let events = futures::stream::iter(0_u64..).then(move |number| {
            let _ = &open;
            reported.fetch_max(number / 2, Ordering::SeqCst);
            async move {
                if number % 100 == 0 {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                Ok(event(base, number))
            }
        });
        Ok(Response::new(Box::pin(events)))
    }
}

fn event(base: u32, number: u64) -> TapEvent {
    let id = Some(StreamId { base, stream: number / 2 });
    let header = http_types::headers::Header { name: "Authorization".into(), value: b"secret".to_vec() };
    let inner = match number % 2 {
        0 => Event::RequestInit(RequestInit {
            id,
            path: format!("/{}", number / 2),
            headers: Some(http_types::Headers { headers: vec![header] }),
            ..RequestInit::default()
        }),
        _ => Event::ResponseEnd(ResponseEnd { id, ..ResponseEnd::default() }),
    };
    let address = |ip: Ipv4Addr| net::TcpAddress {
        ip: Some(net::IpAddress { ip: Some(net::ip_address::Ip::Ipv4(ip.into())) }),
        port: 1,
    };
    TapEvent {
        source: Some(address(SECOND)),
        destination: Some(address(FIRST)),
        proxy_direction: tap_event::ProxyDirection::Inbound.into(),
        event: Some(tap_event::Event::Http(tap_event::Http { event: Some(inner) })),
        ..TapEvent::default()
    }
}

/// Serves in a thread of its own, for threads of tests end.
pub(crate) fn play(ip: Ipv4Addr, port: u16, base: u32) -> Played {
    let played = Played { base, ..Played::default() };
    let served = played.clone();
    let (sender, ready) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        run(async move {
            let listener = TcpListener::bind((ip, port)).await.unwrap();
            sender.send(()).unwrap();
            let server = tonic::transport::Server::builder().add_service(TapServer::new(served));
            server.serve_with_incoming(TcpListenerStream::new(listener)).await.unwrap();
        });
    });
    ready.recv().unwrap();
    played
}

pub(crate) struct Component {
    pub(crate) process: Process,
    pub(crate) port: u16,
    pub(crate) control: u16,
}

/// The component that tests share.
fn component(lab: &Lab) -> &'static Component {
    static COMPONENT: OnceLock<Component> = OnceLock::new();
    COMPONENT.get_or_init(|| Component::start(lab))
}

impl Component {
    /// Starts it behind its APIService, and waits until that is available.
    pub(crate) fn start(lab: &Lab) -> Self {
        let component = Self::launch(lab, ADDRESS, free_port());
        component.serve(lab);
        component
    }

    /// Starts it on an address, for proxies that are tapped at a port; nobody is led to it yet.
    pub(crate) fn launch(lab: &Lab, address: Ipv4Addr, control: u16) -> Self {
        let port = free_port();
        let args = [
            format!("--apiserver-addr={address}:{port}"),
            format!("--proxy-control-port={control}"),
            "--ignore-headers=authorization,cookie".to_owned(),
            "--tls-secret=linkerd-tap-tls".to_owned(),
            "--api-service=v1alpha1.tap.linkerd.io".to_owned(),
        ];
        let process = Process::start(lab, "tap", "linkerd-tap", &args).ready();
        Self { process, port, control }
    }

    /// Leads the API server to it, and waits until it says so.
    pub(crate) fn serve(&self, lab: &Lab) {
        lab.serve("linkerd-tap", self.port);
        let available = ["apiservice/v1alpha1.tap.linkerd.io", "--for=condition=Available", "--timeout=60s"];
        lab.kubectl(&[&["wait"], &available[..]].concat());
    }
}

pub(crate) fn question(namespace: &str, kind: &str, name: &str, max_rps: f32) -> Vec<u8> {
    let resource = Resource { namespace: namespace.into(), r#type: kind.into(), name: name.into() };
    let target = Selection { resource: Some(resource), label_selector: String::new() };
    TapRequest { target: Some(target), max_rps, ..TapRequest::default() }.encode_to_vec()
}

pub(crate) fn path(namespace: &str, plural: &str, name: &str) -> String {
    format!("/apis/tap.linkerd.io/v1alpha1/watch/namespaces/{namespace}/{plural}/{name}/tap")
}

/// The message in the frames at the start of `bytes`, taken out.
pub(crate) fn frames(bytes: &mut Vec<u8>) -> Vec<TapEvent> {
    let mut events = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk::<4>() {
        let length = u32::from_le_bytes(*length) as usize;
        if rest.len() < length {
            break;
        }
        events.push(TapEvent::decode(&rest[..length]).unwrap());
        bytes.drain(..4 + length);
    }
    events
}

#[test]
fn the_api_is_one_of_the_cluster() {
    let lab = lab();
    component(lab);
    let resources = lab.kubectl(&["get", "--raw", "/apis/tap.linkerd.io/v1alpha1"]);
    assert!(resources.contains("\"deployments/tap\""), "{resources}");
    let listed = lab.kubectl(&["api-resources", "--api-group=tap.linkerd.io", "-o", "name"]);
    assert!(listed.lines().any(|line| line == "deployments.tap.linkerd.io"), "{listed}");
}

#[test]
fn a_user_with_the_right_sees_the_requests_of_all_pods_of_a_workload() {
    let lab = lab();
    let component = component(lab);
    let namespace = lab.namespace("tap");
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": namespace},
        "spec": {"replicas": 0, "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "a", "image": "b"}]}}}});
    lab.apply(&deployment.to_string());
    let labels = json!({"app": "web", "linkerd.io/proxy-deployment": "web"});
    // The API server takes no loopback address in Endpoints, but does in a pod's status.
    lab.pod(&namespace, "web-1", &labels, FIRST);
    lab.pod(&namespace, "web-2", &labels, SECOND);
    let played = [play(FIRST, component.control, 1), play(SECOND, component.control, 2)];
    let alice = lab.cluster.kubeconfig_for_user("alice", &[]).unwrap();
    lab.kubectl(&[
        "create",
        "clusterrolebinding",
        "alice-taps",
        "--clusterrole=linkerd-linkerd-tap-admin",
        "--user=alice",
    ]);

    run(async {
        let client = lab.client_of(&alice).await;
        let mut events = Vec::new();
        // The right becomes known to the API server in its own time.
        let response = loop {
            let body = kube::client::Body::from(question(&namespace, "deployment", "web", 10.0));
            let request = http::Request::post(path(&namespace, "deployments", "web")).body(body).unwrap();
            let response = client.send(request).await.unwrap();
            if response.status() != 403 {
                break response;
            }
        };
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "application/octet-stream");
        let mut body = http_body_util::BodyDataStream::new(response.into_body());
        let base_of = |event: &TapEvent| format!("{event:?}").contains("base: 1,");
        let (mut bytes, asked) = (Vec::new(), Instant::now());
        let mut bases = BTreeSet::new();
        let mut first = None;
        // Long enough to tell a rate, and until both pods have come up: on a busy machine one may be much later.
        while first
            .is_none_or(|first: Instant| first.elapsed() < Duration::from_millis(2_500) || bases.len() < 2)
        {
            assert!(asked.elapsed() < PATIENCE, "{} events of {} pods", events.len(), bases.len());
            match tokio::time::timeout(Duration::from_millis(200), body.next()).await {
                Ok(chunk) => bytes.extend_from_slice(&chunk.unwrap().unwrap()),
                Err(_) => continue,
            }
            let more = frames(&mut bytes);
            bases.extend(more.iter().map(base_of));
            events.extend(more);
            first.get_or_insert_with(Instant::now);
        }
        let begins = |event: &&TapEvent| format!("{event:?}").contains("RequestInit(");
        let begun = events.iter().filter(begins).count();
        // Ten a second over both, however many there are, in windows that need not begin with the stream.
        let windows = first.map_or(0, |first| first.elapsed().as_secs() as usize) + 2;
        assert!((10..=10 * windows).contains(&begun), "{begun} in {windows} windows");
        for event in &events {
            let destination = &event.destination_meta.as_ref().unwrap().labels;
            assert_eq!(destination["namespace"], namespace);
            assert_eq!(destination["deployment"], "web");
            assert_eq!(event.source_meta.as_ref().unwrap().labels["pod"], "web-2");
            assert!(!format!("{event:?}").contains("Authorization"));
        }
    });
    // The command shows the same, until its output is closed; here a proxy that stays away is named at once.
    let (code, _, said) = linkerd(&alice, &["tap", "-n", &namespace, "deploy/nobody"]);
    assert_eq!(code, 1);
    assert!(said.contains("deployment/nobody in namespace") && said.contains("does not exist"), "{said}");
    let identity = format!("default.{namespace}.serviceaccount.identity.linkerd.cluster.local");
    for proxy in &played {
        let asked = proxy.asked.lock().unwrap().clone();
        assert_eq!(asked[0].0, identity);
        assert_eq!(asked[0].1.limit, 5);
        // The client left, and with it every stream.
        eventually("the stream to end", || (proxy.open.load(Ordering::SeqCst) == 0).then_some(()));
    }
    eventually("the gauge to fall", || (component.process.metric("tap_proxies") == Some(0.0)).then_some(()));
}

#[test]
fn nobody_taps_without_the_right_or_past_the_api_server() {
    let lab = lab();
    let component = component(lab);
    let namespace = lab.namespace("denied");
    let eve = lab.cluster.kubeconfig_for_user("eve", &[]).unwrap();
    let tap = path(&namespace, "deployments", "web");
    run(async {
        let client = lab.client_of(&eve).await;
        let body = kube::client::Body::from(question(&namespace, "deployment", "web", 10.0));
        let request = http::Request::post(&tap).body(body).unwrap();
        assert_eq!(client.send(request).await.unwrap().status(), 403);
    });
    let (code, _, said) = linkerd(&eve, &["tap", "-n", &namespace, "deploy/web"]);
    assert_eq!(code, 1);
    assert!(said.contains("cannot tap deployment/web") && said.contains("forbidden"), "{said}");
    // Past the API server: as its front proxy, but for a user without the right; as nobody; as another client.
    let (status, body) = direct(lab, component.port, &tap, Some("front-proxy-client"), Some("eve"));
    assert_eq!(status, 403, "{body}");
    assert!(body.contains("may not tap deployment/web") && body.contains("tap-rbac"), "{body}");
    let (status, body) = direct(lab, component.port, &tap, None, Some("system:admin"));
    assert_eq!(status, 401, "{body}");
    let (status, body) = direct(lab, component.port, &tap, Some("front-proxy-client"), None);
    assert_eq!(status, 401, "{body}");
    // A certificate of the cluster's own authority does not get as far as a request.
    assert_eq!(
        direct(lab, component.port, &tap, Some("apiserver-kubelet-client"), Some("system:admin")).0,
        0
    );
    // With every right, but nothing there.
    run(async {
        let client = lab.client().await;
        let body = kube::client::Body::from(question(&namespace, "deployment", "web", 10.0));
        let response = client.send(http::Request::post(&tap).body(body).unwrap()).await.unwrap();
        assert_eq!(response.status(), 404);
        let other = kube::client::Body::from(question("kube-system", "deployment", "web", 10.0));
        let response = client.send(http::Request::post(&tap).body(other).unwrap()).await.unwrap();
        assert_eq!(response.status(), 400, "the body is held against the path");
    });
}

/// Asks the component itself, with a certificate of the cluster's folder; status 0 when it ends the connection.
pub(crate) fn direct(
    lab: &Lab,
    port: u16,
    path: &str,
    certificate: Option<&str>,
    user: Option<&str>,
) -> (u16, String) {
    run(async {
        match Direct::connect(lab, port, certificate).await {
            Some(direct) => direct.ask(path, user).await,
            None => (0, String::new()),
        }
    })
}

/// A connection to the component itself, past the API server.
pub(crate) struct Direct(tokio_rustls::client::TlsStream<TcpStream>);

impl Direct {
    /// Opens one; `None` when the component does not want it.
    pub(crate) async fn connect(lab: &Lab, port: u16, certificate: Option<&str>) -> Option<Self> {
        let authorities = mesh_pki::parse_bundle(lab.secret("linkerd-tap-tls", "ca.crt").as_bytes()).unwrap();
        let builder = trusting(&authorities);
        let config = match certificate {
            None => builder.with_no_client_auth(),
            Some(name) => {
                let file = |suffix: &str| lab.cluster.dir().join(format!("{name}.{suffix}"));
                let chain = CertificateDer::pem_file_iter(file("crt")).unwrap().map(Result::unwrap).collect();
                let key = PrivateKeyDer::from_pem_file(file("key")).unwrap();
                builder.with_client_auth_cert(chain, key).unwrap()
            }
        };
        let stream = TcpStream::connect(SocketAddr::from((ADDRESS, port))).await.unwrap();
        let name = ServerName::try_from("linkerd-tap.linkerd.svc").unwrap();
        tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await.ok().map(Self)
    }

    /// Asks on it, once; status 0 when the component ends the connection.
    pub(crate) async fn ask(self, path: &str, user: Option<&str>) -> (u16, String) {
        let Self(mut stream) = self;
        let user = user.map(|user| format!("X-Remote-User: {user}\r\n")).unwrap_or_default();
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: tap\r\nConnection: close\r\n{user}Content-Length: 0\r\n\r\n"
        );
        let mut text = String::new();
        if stream.write_all(request.as_bytes()).await.is_err()
            || stream.read_to_string(&mut text).await.is_err()
        {
            return (0, text);
        }
        let status = text.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
        (status, text)
    }
}
