//! Connections of other clusters: which names are served, and who is let in.

use std::sync::Arc;

use proxy_net::transport_header::{Header, Session};
use rustls_pki_types::DnsName;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::kit::{Proxy, Said, read_all, run};
use crate::config::Suffixes;
use crate::identity::{Alpn, Credentials, Id};
use crate::testing::Ca;

/// A gateway for `svc.cluster.local`; nothing is behind it.
struct Gateway {
    proxy: Proxy,
    web: Id,
    ca: Ca,
}

impl Gateway {
    async fn new() -> Self {
        let proxy = Proxy::with("127.0.0.1:4143".parse().unwrap(), |settings| {
            settings.gateway = Suffixes::of(&["svc.cluster.local"]);
        })
        .await;
        let (web, ca) = (Id::dns("web.ns").unwrap(), Ca::new("root"));
        proxy.tell(Said::Credentials(Arc::new(ca.credentials(&web)))).await;
        Self { proxy, web, ca }
    }

    /// What `client` gets for a request to a name.
    async fn ask(&self, client: &str, name: &str, fields: &str, session: Option<Session>) -> String {
        let credentials: Credentials = self.ca.credentials(&Id::dns(client).unwrap());
        let config = credentials.client_config(&self.web, Alpn::Transport).unwrap();
        let stream = TcpStream::connect(self.proxy.addr).await.unwrap();
        let name = DnsName::try_from(name.to_owned()).unwrap();
        let own = self.web.as_str().to_owned().try_into().unwrap();
        let mut stream = TlsConnector::from(config).connect(own, stream).await.unwrap();
        let mut octets = Vec::new();
        Header { port: 80, name: Some(name), session }.encode(&mut octets);
        octets.extend_from_slice(format!("GET / HTTP/1.1\r\nHost: x\r\n{fields}\r\n").as_bytes());
        stream.write_all(&octets).await.unwrap();
        String::from_utf8_lossy(&read_all(&mut stream).await).into_owned()
    }
}

#[test]
fn names_that_are_not_served_are_not_found() {
    run(async {
        let gateway = Gateway::new().await;
        let answer = gateway.ask("a.ns", "web.example.com", "", Some(Session::Http1)).await;
        assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
        assert!(answer.contains("l5d-proxy-error: the gateway does not serve this name\r\n"), "{answer}");
        assert_eq!(gateway.ask("a.ns", "web.example.com", "", None).await, "", "octets are closed");
        let metrics = gateway.proxy.metrics().await;
        assert!(metrics.contains("inbound_http_errors_total{error=\"gateway domain invalid\""), "{metrics}");
        assert!(metrics.contains("target_name=\"web.example.com\""), "{metrics}");
    });
}

#[test]
fn a_request_that_was_here_before_goes_no_further() {
    run(async {
        let gateway = Gateway::new().await;
        let served = "api.ns.svc.cluster.local";
        for (client, fields) in [
            ("web.ns", ""),
            ("a.ns", "Forwarded: for=b;by=web.ns\r\n"),
            ("a.ns", "Forwarded: by=other\r\nForwarded: by=\"web.ns\"\r\n"),
        ] {
            let answer = gateway.ask(client, served, fields, Some(Session::Http1)).await;
            assert!(answer.starts_with("HTTP/1.1 508 "), "{client} {fields}: {answer}");
        }
        // Let in, and no further only since this test has no outbound side.
        let answer = gateway.ask("a.ns", served, "Forwarded: by=other\r\n", Some(Session::Http1)).await;
        assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
    });
}
