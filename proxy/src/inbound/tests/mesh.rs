//! Peers of the mesh: TLS, identities, transport headers, HTTP/1 carried in HTTP/2.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use proxy_net::transport_header::{Header, Session};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::kit::{Application, Proxy, Said, detect, policy, read_all, run};
use crate::identity::{Alpn, Credentials, Id};
use crate::model::inbound::DefaultAllow;
use crate::testing::Ca;

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi";
const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: web\r\nl5d-client-id: forged\r\nConnection: close\r\n\r\n";
/// The port of the proxy itself in the settings of tests.
const DIRECT: &str = "127.0.0.1:4143";

/// An authority, the proxy's identity `web.ns` and a peer's `client.ns`.
struct Mesh {
    web: Id,
    ca: Ca,
    peer: Credentials,
}

impl Mesh {
    fn new() -> Self {
        let ca = Ca::new("root");
        let id = |name: &str| Id::dns(name).unwrap();
        Self { peer: ca.credentials(&id("client.ns")), web: id("web.ns"), ca }
    }

    fn own(&self) -> Said {
        Said::Credentials(Arc::new(self.ca.credentials(&self.web)))
    }

    async fn proxy(&self, target: SocketAddr) -> Proxy {
        let proxy = Proxy::to(target).await;
        proxy.tell(self.own()).await;
        proxy
    }

    async fn connect(&self, proxy: &Proxy, alpn: Alpn) -> std::io::Result<TlsStream<TcpStream>> {
        let config = self.peer.client_config(&self.web, alpn).unwrap();
        let stream = TcpStream::connect(proxy.addr).await.unwrap();
        TlsConnector::from(config).connect(self.web.as_str().to_owned().try_into().unwrap(), stream).await
    }

    /// What comes back for these octets within TLS.
    async fn ask(&self, proxy: &Proxy, alpn: Alpn, octets: &[u8]) -> String {
        let mut stream = self.connect(proxy, alpn).await.unwrap();
        stream.write_all(octets).await.unwrap();
        String::from_utf8_lossy(&read_all(&mut stream).await).into_owned()
    }
}

fn header(port: u16, session: Option<Session>) -> Vec<u8> {
    let mut octets = Vec::new();
    Header { port, name: None, session }.encode(&mut octets);
    octets
}

#[test]
fn the_application_learns_who_its_client_is() {
    run(async {
        let (mesh, application) = (Mesh::new(), Application::answering(OK).await);
        let proxy = mesh.proxy(application.addr).await;
        let answer = mesh.ask(&proxy, Alpn::None, GET).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        let got = application.got();
        assert!(got.contains("l5d-client-id: client.ns\r\n") && !got.contains("forged"), "{got}");
        let metrics = proxy.metrics().await;
        assert!(metrics.contains("tls=\"true\",client_id=\"client.ns\""), "{metrics}");
    });
}

#[test]
fn an_identity_is_asked_for() {
    run(async {
        let (mesh, application) = (Mesh::new(), Application::answering(OK).await);
        let proxy = mesh.proxy(application.addr).await;
        proxy.set_policy(policy(DefaultAllow::Authenticated, detect())).await;
        assert!(proxy.raw(GET).await.starts_with(b"HTTP/1.1 403 "));
        assert_eq!(application.connections(), 0);
        assert!(mesh.ask(&proxy, Alpn::None, GET).await.starts_with("HTTP/1.1 200 "));
    });
}

#[test]
fn a_peer_is_told_why_it_is_refused() {
    run(async {
        let (mesh, application) = (Mesh::new(), Application::answering(OK).await);
        let proxy = mesh.proxy(application.addr).await;
        proxy.set_policy(policy(DefaultAllow::Nobody, detect())).await;
        let answer = mesh.ask(&proxy, Alpn::None, GET).await;
        assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
        assert!(answer.contains("l5d-proxy-error: the client is not authorized by policy\r\n"), "{answer}");
    });
}

#[test]
fn a_connection_waits_for_the_first_certificate() {
    run(async {
        let (mesh, application) = (Mesh::new(), Application::answering(OK).await);
        let proxy = Proxy::to(application.addr).await;
        let asked = mesh.ask(&proxy, Alpn::None, GET);
        let told = async {
            tokio::time::sleep(Duration::from_millis(150)).await;
            proxy.tell(mesh.own()).await;
        };
        let (answer, ()) = tokio::join!(asked, told);
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    });
}

#[test]
fn without_a_certificate_a_peer_is_not_kept_for_ever() {
    run(async {
        let (mesh, application) = (Mesh::new(), Application::answering(OK).await);
        let proxy =
            Proxy::with(application.addr, |settings| settings.certificate_wait = Duration::from_millis(100))
                .await;
        assert!(mesh.connect(&proxy, Alpn::None).await.is_err());
        let metrics = proxy.metrics().await;
        assert!(metrics.contains("inbound_tcp_errors_total{error=\"no certificate yet\""), "{metrics}");
    });
}

#[test]
fn a_transport_header_leads_to_the_port_it_names() {
    run(async {
        let (mesh, application) = (Mesh::new(), Application::answering(OK).await);
        let proxy = mesh.proxy(DIRECT.parse().unwrap()).await;
        let port = application.addr.port();
        let octets = [header(port, Some(Session::Http1)), GET.to_vec()].concat();
        let answer = mesh.ask(&proxy, Alpn::Transport, &octets).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        assert!(application.got().contains("l5d-client-id: client.ns\r\n"));
        let octets = [header(port, None), b"GET anything at all".to_vec()].concat();
        assert_eq!(mesh.ask(&proxy, Alpn::Transport, &octets).await.as_bytes(), OK);
        assert!(application.got().ends_with("GET anything at all"), "{}", application.got());
        let metrics = proxy.metrics().await;
        assert!(metrics.contains("inbound_tcp_transport_header_connections_total{"), "{metrics}");
    });
}

#[test]
fn a_direct_connection_without_header_or_to_ourselves_is_closed() {
    run(async {
        let (mesh, application) = (Mesh::new(), Application::answering(OK).await);
        let proxy = mesh.proxy(DIRECT.parse().unwrap()).await;
        assert_eq!(mesh.ask(&proxy, Alpn::None, GET).await, "");
        assert_eq!(mesh.ask(&proxy, Alpn::Transport, GET).await, "");
        assert_eq!(mesh.ask(&proxy, Alpn::Transport, &header(4143, None)).await, "");
        assert_eq!(proxy.raw(GET).await, b"");
        assert_eq!(application.connections(), 0);
    });
}

#[test]
fn tls_for_somebody_else_passes_as_octets() {
    run(async {
        let (mesh, application) = (Mesh::new(), Application::answering(b"no tls, but an answer").await);
        let proxy = mesh.proxy(application.addr).await;
        let config = mesh.peer.client_config(&mesh.web, Alpn::None).unwrap();
        let stream = TcpStream::connect(proxy.addr).await.unwrap();
        let other = TlsConnector::from(config).connect("example.com".try_into().unwrap(), stream).await;
        assert!(other.is_err(), "the application does not speak TLS");
        assert_eq!(application.connections(), 1);
        let metrics = proxy.metrics().await;
        assert!(metrics.contains("tls=\"opaque\",sni=\"example.com\""), "{metrics}");
    });
}
