//! The decisions of a connection, event by event.

use std::time::Duration;

use super::*;
use crate::model::inbound::{DefaultAllow, Routes};
use proxy_net::transport_header::{ALPN, Header, Session};

const POD: &str = "10.0.0.2:8080";
const SECOND: Duration = Duration::from_secs(1);

/// A connection with its settings and policy.
struct Walk {
    settings: Settings,
    policy: InboundPolicy,
    way: Way,
}

fn http() -> crate::model::inbound::Http {
    crate::model::inbound::Http { routes: Routes::default(), limit: None }
}

fn detect() -> Protocol {
    Protocol::detect(SECOND)
}

fn walk(target: &str, protocol: Protocol) -> Walk {
    let settings = Settings::of_test();
    let policy = InboundPolicy::new_default("x", DefaultAllow::Everybody, &[], protocol);
    let way = Way::new(&settings, "10.0.0.9:4000".parse().unwrap(), target.parse().unwrap());
    Walk { settings, policy, way }
}

/// What a plan is, in a word.
fn word(plan: &Plan) -> String {
    match plan {
        Plan::Step(Step::SniffTls { silence, .. }) => {
            format!("sniff{}", if silence.is_some() { "?" } else { "" })
        }
        Plan::Step(Step::DetectHttp { silence, timeout }) => {
            format!("detect {}s{}", timeout.as_secs(), if silence.is_some() { "?" } else { "" })
        }
        Plan::Step(Step::ReadProxyHeader { .. }) => "proxy".to_owned(),
        Plan::Step(Step::ReadTransportHeader { .. }) => "header".to_owned(),
        Plan::Step(step) => format!("{step:?}"),
        Plan::Terminate => "terminate".to_owned(),
        Plan::Tunnel => "tunnel".to_owned(),
        Plan::ServerFirst(_) => "server first".to_owned(),
        Plan::Serve(Detected::Http1) => "http/1".to_owned(),
        Plan::Serve(_) => "http/2".to_owned(),
        Plan::Header(header) => format!("header for {}", header.port),
        Plan::Close(reason) => format!("close: {reason}"),
    }
}

impl Walk {
    fn begin(&mut self) -> String {
        word(&self.way.begin(&self.settings, &self.policy))
    }

    fn next(&mut self, progress: &Progress<'_>) -> String {
        let id = |leaf: &[u8]| std::str::from_utf8(leaf).ok()?.parse().ok();
        let plan = self.way.next(&self.settings, &self.policy, progress, id);
        match plan {
            // What the inbound side notes when it carries these out.
            Plan::Terminate => self.way.stage = Stage::Handshake,
            Plan::ServerFirst(after) => self.way.stage = Stage::ServerFirst(after),
            _ => {}
        }
        word(&plan)
    }

    fn secured(&mut self, alpn: Option<&[u8]>, client: Option<&str>) -> String {
        self.next(&Progress::Secured { alpn, client: client.map(str::as_bytes) })
    }
}

#[test]
fn an_opaque_port_is_not_looked_at() {
    let mut walk = walk(POD, Protocol::Opaque);
    assert_eq!(walk.begin(), "tunnel");
    assert_eq!(walk.way.tls, Tls::Skipped);
}

#[test]
fn plain_octets_are_looked_at_as_the_port_says() {
    for (protocol, first, second) in [
        (detect(), "sniff?", "detect 1s?"),
        (Protocol::Http1(http()), "sniff", "http/1"),
        (Protocol::Http2(http()), "sniff", "http/2"),
        (Protocol::Grpc(Routes::default()), "sniff", "http/2"),
        (Protocol::Tls, "sniff", "tunnel"),
    ] {
        let mut walk = walk(POD, protocol);
        assert_eq!(walk.begin(), first);
        assert_eq!(walk.next(&Progress::NotTls), second);
        assert_eq!((&walk.way.tls, &walk.way.peer), (&Tls::None, &Peer::Plain));
    }
}

#[test]
fn tls_of_the_mesh_is_terminated_and_looked_into() {
    for (protocol, then) in [
        (detect(), "detect 1s?"),
        // A peer may carry HTTP/1 in HTTP/2, so this has to be found out.
        (Protocol::Http1(http()), "detect 10s"),
        (Protocol::Http2(http()), "http/2"),
        (Protocol::Tls, "tunnel"),
    ] {
        let mut walk = walk(POD, protocol);
        walk.begin();
        assert_eq!(walk.next(&Progress::Hello { sni: Some("web.ns") }), "terminate");
        assert_eq!(walk.secured(None, Some("a.ns")), then);
        assert_eq!(walk.way.peer.id().unwrap().as_str(), "a.ns");
        assert_eq!(walk.way.tls, Tls::Meshed);
    }
}

#[test]
fn a_client_without_a_certificate_is_meshed_but_nobody() {
    let mut walk = walk(POD, detect());
    walk.begin();
    walk.next(&Progress::Hello { sni: Some("web.ns") });
    assert_eq!(walk.secured(None, None), "detect 1s?");
    assert_eq!(walk.way.peer, Peer::Meshed(None));
}

#[test]
fn a_certificate_that_names_nobody_is_refused() {
    let mut walk = walk(POD, detect());
    walk.begin();
    walk.next(&Progress::Hello { sni: Some("web.ns") });
    assert_eq!(walk.secured(None, Some("not a name")), format!("close: {}", reason::BAD_PEER));
}

#[test]
fn tls_for_somebody_else_passes_through() {
    let mut walk = walk(POD, Protocol::Http1(http()));
    walk.begin();
    assert_eq!(walk.next(&Progress::Hello { sni: Some("example.com") }), "tunnel");
    assert_eq!(walk.way.tls, Tls::Passed("example.com".into()));
    assert_eq!(walk.way.peer, Peer::Plain);
}

#[test]
fn tls_without_a_name_is_plain_octets() {
    let mut walk = walk(POD, detect());
    walk.begin();
    assert_eq!(walk.next(&Progress::Hello { sni: None }), "detect 1s?");
    assert_eq!(walk.next(&Progress::Protocol(Detected::Opaque)), "tunnel");
}

#[test]
fn what_is_found_is_served() {
    for (found, then) in
        [(Detected::Http1, "http/1"), (Detected::Http2, "http/2"), (Detected::Opaque, "tunnel")]
    {
        let mut walk = walk(POD, detect());
        walk.begin();
        walk.next(&Progress::NotTls);
        assert_eq!(walk.next(&Progress::Protocol(found)), then);
    }
}

// The original waits for the whole detection timeout, and then closes the connection.
#[test]
fn the_server_may_talk_first_once_the_client_is_silent() {
    let mut walk = walk(POD, detect());
    walk.begin();
    assert_eq!(walk.next(&Progress::Silent), "server first");
    assert_eq!(walk.next(&Progress::FirstOctet), "sniff", "the client was first after all");
    assert_eq!(walk.next(&Progress::Hello { sni: Some("web.ns") }), "terminate");
    assert_eq!(walk.secured(None, Some("a.ns")), "detect 1s?");
    assert_eq!(walk.next(&Progress::Silent), "server first");
    assert_eq!(walk.next(&Progress::FirstOctet), "detect 1s");
    assert_eq!(walk.next(&Progress::Protocol(Detected::Http2)), "http/2");
}

#[test]
fn timeouts_end_detection() {
    let mut tls = walk(POD, Protocol::Tls);
    tls.begin();
    assert_eq!(tls.next(&Progress::TimedOut), format!("close: {}", reason::TLS_TIMEOUT));
    let mut http1 = walk(POD, Protocol::Http1(http()));
    http1.begin();
    http1.next(&Progress::Hello { sni: Some("web.ns") });
    http1.secured(None, Some("a.ns"));
    assert_eq!(http1.next(&Progress::TimedOut), "http/1");
    let mut any = walk(POD, detect());
    any.begin();
    any.next(&Progress::NotTls);
    assert_eq!(any.next(&Progress::TimedOut), "tunnel");
}

#[test]
fn a_direct_connection_needs_an_identity_and_a_transport_header() {
    let direct = || {
        let mut walk = walk("10.0.0.2:4143", detect());
        assert_eq!(walk.begin(), "sniff", "nobody is dialled for a silent peer");
        walk
    };
    let refused = format!("close: {}", reason::DIRECT);
    assert_eq!(direct().next(&Progress::NotTls), refused);
    assert_eq!(direct().next(&Progress::Hello { sni: None }), refused);
    assert_eq!(direct().next(&Progress::Hello { sni: Some("other") }), refused);
    for (alpn, client, then) in [
        (None, Some("a.ns"), refused.as_str()),
        (Some(&b"h2"[..]), Some("a.ns"), &refused),
        (Some(ALPN), None, &refused),
        (Some(ALPN), Some("a.ns"), "header"),
    ] {
        let mut walk = direct();
        walk.next(&Progress::Hello { sni: Some("web.ns") });
        assert_eq!(walk.secured(alpn, client), then);
    }
    let mut walk = direct();
    walk.next(&Progress::Hello { sni: Some("web.ns") });
    walk.secured(Some(ALPN), Some("a.ns"));
    let header = Header { port: 8080, name: None, session: Some(Session::Http2) };
    assert_eq!(walk.next(&Progress::Header(&header)), "header for 8080");
}

#[test]
fn targets_that_are_not_the_pods_are_refused() {
    let mut walk = walk("10.0.0.3:8080", detect());
    walk.settings.allowed_ips.insert("10.0.0.2".parse().unwrap());
    assert_eq!(walk.begin(), format!("close: {}", reason::NOT_OURS));
}

#[test]
fn a_balancer_is_believed_from_its_network_alone() {
    let walk_in = |network: &str| {
        let mut walk = walk(POD, Protocol::Http1(http()));
        walk.settings.proxy_protocol = vec![network.parse().unwrap()];
        walk
    };
    assert_eq!(walk_in("192.0.2.0/24").begin(), "sniff");
    let mut walk = walk_in("10.0.0.0/24");
    assert_eq!(walk.begin(), "proxy");
    assert_eq!(walk.next(&Progress::ProxyHeader(Some("203.0.113.5:99".parse().unwrap()))), "sniff");
    assert_eq!(walk.way.client.to_string(), "203.0.113.5:99");
    let mut walk = walk_in("10.0.0.0/24");
    walk.begin();
    assert_eq!(walk.next(&Progress::ProxyHeader(None)), "sniff");
    assert_eq!(walk.way.client, walk.way.from);
}

#[test]
fn a_connection_waits_for_the_first_certificate_and_no_longer() {
    let mut walk = walk(POD, detect());
    walk.way.stage = Stage::Certificate;
    assert_eq!(walk.next(&Progress::Resumed), "terminate");
    walk.way.stage = Stage::Certificate;
    assert_eq!(walk.next(&Progress::TimedOut), format!("close: {}", reason::NO_CERTIFICATE));
}

#[test]
fn an_answer_that_was_not_asked_for_closes() {
    let mut walk = walk(POD, detect());
    walk.begin();
    assert_eq!(walk.next(&Progress::Protocol(Detected::Http1)), format!("close: {}", reason::CONFUSED));
}
