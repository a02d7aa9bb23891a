//! Who may call.

use std::time::Duration;

use ::http::Version;
use linkerd2_proxy_api::inbound::HttpRoute;
use mesh_tests::mesh::answers::inbound::{self, Who};
use mesh_tests::mesh::answers::{outbound, resource};
use mesh_tests::mesh::{APP_PORT, Answer, World, tcp};
use tokio::io::AsyncWriteExt;

use crate::kit::{Calls, eventually, meshed, meshed_with, server_from_outside};

fn allow(world: &World, who: Who) {
    let server = inbound::server("web", inbound::detect(), vec![inbound::authorization("rule", who)]);
    world.plane.set_inbound("server", APP_PORT, Answer::Value(server));
}

#[test]
fn without_an_identity_there_is_no_way_in_where_one_is_needed() {
    let world = meshed_with(|world| allow(world, Who::Meshed));
    assert_eq!(world.http1("/name").status, 200);
    eventually("the refusal", Duration::from_secs(3), || {
        world.outsider(Version::HTTP_11, "/name").unwrap().status == 403
    });
    let before = world.app.connections();
    for version in [Version::HTTP_11, Version::HTTP_2] {
        let reply = world.outsider(version, "/name").unwrap();
        assert_eq!(reply.status, 403, "{reply:?}");
    }
    assert_eq!(world.app.connections(), before, "a client that was refused reached the application");
}

#[test]
fn identities_are_told_apart() {
    let world = meshed_with(|world| allow(world, Who::Only(vec!["somebody.else.test".to_owned()])));
    // Until the control plane has answered, the default policy holds.
    eventually("the refusal", Duration::from_secs(3), || world.http1("/name").status == 403);
    allow(&world, Who::Only(vec![world.client.identity.clone()]));
    eventually("the new policy", Duration::from_secs(3), || world.http1("/name").status == 200);
}

#[test]
fn a_policy_that_changes_holds_at_once_for_open_connections() {
    let world = meshed();
    assert_eq!(world.http2("/name").status, 200);
    allow(&world, Who::Only(Vec::new()));
    eventually("the refusal", Duration::from_secs(3), || world.http2("/name").status == 403);
    allow(&world, Who::Everybody);
    eventually("the permission", Duration::from_secs(3), || world.http2("/name").status == 200);
}

#[test]
fn networks_are_told_apart() {
    let world = meshed_with(|world| {
        let rule = inbound::authorization_from("rule", Who::Everybody, &["10.7.1.0/24"]);
        let server = inbound::server("web", inbound::detect(), vec![rule]);
        world.plane.set_inbound("server", APP_PORT, Answer::Value(server));
    });
    eventually("the refusal", Duration::from_secs(3), || {
        world.outsider(Version::HTTP_11, "/name").unwrap().status == 403
    });
    assert_eq!(world.http1("/name").status, 200);
}

#[test]
fn an_opaque_connection_that_is_refused_never_reaches_the_application() {
    let world = meshed_with(|world| {
        let rule = inbound::authorization("rule", Who::Meshed);
        let server = inbound::server("web", inbound::opaque(), vec![rule]);
        world.plane.set_inbound("server", APP_PORT, Answer::Value(server));
        world.server.config.set("INBOUND_DEFAULT_POLICY", "deny");
    });
    eventually("the policy", Duration::from_secs(3), || {
        world.plane.count("InboundServerPolicies/WatchPort", "server:8080") > 0
    });
    std::thread::sleep(Duration::from_millis(300));
    let before = world.app.connections();
    let came = world.control.run(tcp::ask_until_end(server_from_outside(), b"anything"));
    assert_eq!(came.unwrap(), b"");
    assert_eq!(world.app.connections(), before);
}

#[test]
fn routes_have_their_own_authorizations() {
    let world = meshed_with(|world| {
        let open = route("open", "/name", vec![inbound::authorization("anybody", Who::Everybody)]);
        let closed = route("closed", "/inspect", Vec::new());
        let kind = inbound::detect_with(vec![open, closed], None);
        let rule = inbound::authorization("rule", Who::Meshed);
        world.plane.set_inbound("server", APP_PORT, Answer::Value(inbound::server("web", kind, vec![rule])));
    });
    eventually("the refusal", Duration::from_secs(3), || {
        world.outsider(Version::HTTP_11, "/inspect").unwrap().status == 403
    });
    assert_eq!(world.outsider(Version::HTTP_11, "/name").unwrap().status, 200);
    assert_eq!(world.http1("/inspect").status, 200);
    let reply = world.http1("/elsewhere");
    assert_eq!(reply.status, 404, "{reply:?}");
}

fn route(name: &str, path: &str, authorizations: Vec<linkerd2_proxy_api::inbound::Authz>) -> HttpRoute {
    HttpRoute {
        metadata: Some(resource("policy.linkerd.io", "HTTPRoute", name, 0)),
        hosts: Vec::new(),
        authorizations,
        rules: vec![linkerd2_proxy_api::inbound::http_route::Rule {
            matches: vec![outbound::prefix(path)],
            filters: Vec::new(),
        }],
    }
}

#[test]
fn a_rate_limit_says_too_many_requests() {
    let world = meshed_with(|world| {
        let limit = inbound::rate_limit(Some(5), None);
        let kind = inbound::detect_with(Vec::new(), Some(limit));
        let rule = inbound::authorization("rule", Who::Everybody);
        world.plane.set_inbound("server", APP_PORT, Answer::Value(inbound::server("web", kind, vec![rule])));
    });
    eventually("the limit", Duration::from_secs(3), || world.http1("/name").status == 429);
    let statuses: Vec<u16> = (0..40).map(|_| world.http1("/name").status.as_u16()).collect();
    let limited = statuses.iter().filter(|status| **status == 429).count();
    assert!(limited >= 20, "{statuses:?}");
    let proxy = world.server.proxy().unwrap();
    let metrics = proxy.metrics().unwrap();
    assert!(
        metrics.sum("inbound_http_local_ratelimit_total", &[("ratelimit_scope", "total")]) >= 20.0,
        "{metrics}"
    );
}

#[test]
fn a_default_of_deny_holds_until_the_control_plane_says_otherwise() {
    let world = meshed_with(|world| {
        world.server.config.set("INBOUND_DEFAULT_POLICY", "deny");
        world.plane.set_inbound("server", APP_PORT, Answer::Silence);
    });
    assert_eq!(world.http1("/name").status, 403);
    allow(&world, Who::Everybody);
    eventually("the permission", Duration::from_secs(3), || world.http1("/name").status == 200);
}

#[test]
fn a_default_of_audit_lets_in_and_says_so() {
    let world = meshed_with(|world| {
        world
            .server
            .config
            .set("INBOUND_DEFAULT_POLICY", "audit")
            .set("POLICY_CLUSTER_NETWORKS", "10.0.0.0/8");
        world.plane.set_inbound("server", APP_PORT, Answer::Silence);
    });
    assert_eq!(world.outsider(Version::HTTP_11, "/name").unwrap().status, 200);
    assert_audited(&world, "inbound_http_authz_allow_total", "request let in by audit policy");
}

#[test]
fn an_audit_of_the_control_plane_lets_in_and_says_so() {
    let world = meshed_with(|world| {
        let rule = inbound::audit();
        let server = inbound::server("web", inbound::detect(), vec![rule]);
        world.plane.set_inbound("server", APP_PORT, Answer::Value(server));
        world.server.config.set("INBOUND_DEFAULT_POLICY", "deny");
    });
    eventually("the policy", Duration::from_secs(3), || {
        world.outsider(Version::HTTP_11, "/name").unwrap().status == 200
    });
    assert_audited(&world, "inbound_http_authz_allow_total", "request let in by audit policy");
}

#[test]
fn an_opaque_connection_is_audited_too() {
    let world = meshed_with(|world| {
        let server = inbound::server("echo", inbound::opaque(), vec![inbound::audit()]);
        world.plane.set_inbound("server", 7002, Answer::Value(server));
        world.server.config.set("INBOUND_DEFAULT_POLICY", "deny").set("INBOUND_PORTS", "7002,8080");
    });
    let everywhere = std::net::SocketAddr::from(([0, 0, 0, 0], 7002));
    tcp::serve_echo(&world.server.namespace, everywhere).unwrap();
    let to = std::net::SocketAddr::from((server_from_outside().ip(), 7002));
    eventually("an answer", Duration::from_secs(5), || {
        world.control.run(async move {
            let mut stream = tcp::connect(to).await.unwrap();
            // Before the policy has come, the connection is closed.
            let _ = stream.write_all(b"\x00ping").await;
            tcp::read_exact(&mut stream, 5).await.is_ok_and(|came| came == b"\x00ping")
        })
    });
    assert_audited(&world, "inbound_tcp_authz_allow_total", "connection let in by audit policy");
}

/// Whether something was counted as let in by the policy `audit`, and logged.
fn assert_audited(world: &World, family: &str, said: &str) {
    let proxy = world.server.proxy().unwrap();
    let metrics = proxy.metrics().unwrap();
    let labels = [("authz_kind", "default"), ("authz_name", "audit"), ("tls", "no_identity")];
    assert!(metrics.sum(family, &labels) >= 1.0, "{metrics}");
    eventually("a line in the log", Duration::from_secs(3), || {
        let log = proxy.process.log();
        log.lines().any(|line| line.contains(said) && line.contains("10.7.3.1"))
    });
}

#[test]
fn each_identity_has_a_rate_of_its_own() {
    let world = meshed_with(|world| {
        let limit = inbound::rate_limit(None, Some(5));
        let kind = inbound::detect_with(Vec::new(), Some(limit));
        let rule = inbound::authorization("rule", Who::Everybody);
        world.plane.set_inbound("server", APP_PORT, Answer::Value(inbound::server("web", kind, vec![rule])));
    });
    eventually("the limit of the meshed client", Duration::from_secs(3), || {
        let reply = world.http1("/name");
        if reply.status == 429 {
            let wait = reply.header("retry-after").and_then(|seconds| seconds.parse::<u32>().ok());
            assert_eq!(wait, Some(1), "{reply:?}");
        }
        reply.status == 429
    });
    // Somebody without an identity has used nothing up.
    assert_eq!(world.outsider(Version::HTTP_11, "/name").unwrap().status, 200);
    let metrics = world.server.proxy().unwrap().metrics().unwrap();
    let limited = [("ratelimit_scope", "identity"), ("ratelimit_name", "limit"), ("srv_name", "web")];
    assert!(metrics.sum("inbound_http_local_ratelimit_total", &limited) >= 1.0, "{metrics}");
}

#[test]
fn a_server_is_at_its_own_addresses_alone() {
    let world = meshed_with(|world| {
        let mut server =
            inbound::server("web", inbound::detect(), vec![inbound::authorization("all", Who::Everybody)]);
        server.server_ips = vec![std::net::IpAddr::from(mesh_tests::mesh::addresses::SERVER).into()];
        world.plane.set_inbound("server", APP_PORT, Answer::Value(server));
    });
    eventually("the refusal of another address", Duration::from_secs(3), || {
        world.outsider(Version::HTTP_11, "/name").is_err()
    });
    assert_eq!(world.http1("/name").status, 200);
    let metrics = world.server.proxy().unwrap().metrics().unwrap();
    let refused = [("error", "target address is not allowed"), ("target_ip", "10.7.3.3")];
    assert!(metrics.sum("inbound_tcp_errors_total", &refused) >= 1.0, "{metrics}");
}
