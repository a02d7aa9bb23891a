//! Identities of SPIFFE: certificates from an agent on the node, and peers known by a URI.

use std::sync::Arc;
use std::time::Duration;

use ::http::Version;
use mesh_tests::mesh::answers::inbound::{self, Who};
use mesh_tests::mesh::answers::{self, Endpoint as _};
use mesh_tests::mesh::{APP_PORT, Answer, Authority, Pod, SpireAgent, World, addresses};

use crate::kit::{Calls, authority, eventually, world};

const CLIENT: &str = "spiffe://root.linkerd.cluster.local/ns/test/sa/client";
const SERVER: &str = "spiffe://root.linkerd.cluster.local/ns/test/sa/server";
const DAY: Duration = Duration::from_secs(86_400);

/// Has a pod's proxy get its certificates from an agent.
fn use_agent(pod: &mut Pod, agent: &SpireAgent, id: &str) {
    for name in ["LOCAL_NAME", "SVC_ADDR", "SVC_NAME", "TOKEN_FILE", "DIR"] {
        pod.config.env.remove(&format!("IDENTITY_{name}"));
    }
    let name = pod.identity.clone();
    pod.config
        .set("IDENTITY_SPIRE_SOCKET", agent.address())
        .set("IDENTITY_SERVER_ID", id)
        .set("IDENTITY_SERVER_NAME", name);
}

/// A world whose proxies have an agent, which has registered them for so long, and nothing is started.
fn with_agent(lifetime: Duration) -> (World, SpireAgent) {
    let mut world = world();
    let agent = SpireAgent::start(&world.control, world.folder()).unwrap();
    let authority = world.plane.authority();
    agent.register(&authority, &[CLIENT, SERVER], lifetime, &[&authority]).unwrap();
    use_agent(&mut world.client, &agent, CLIENT);
    use_agent(&mut world.server, &agent, SERVER);
    world.script_web(vec![endpoint(&world, SERVER)]);
    (world, agent)
}

fn endpoint(world: &World, id: &str) -> linkerd2_proxy_api::destination::WeightedAddr {
    answers::endpoint(std::net::SocketAddr::from((addresses::SERVER, APP_PORT)))
        .meshed(id)
        .server_name(&world.server.identity)
        .h2()
        .transport_header(4143)
}

#[test]
fn peers_know_each_other_by_their_uri() {
    let (mut world, _agent) = with_agent(DAY);
    world.start_proxies().unwrap();
    for version in [Version::HTTP_11, Version::HTTP_2] {
        let seen = world.inspect(version, &[]);
        assert_eq!(seen.fields("l5d-client-id"), [CLIENT]);
    }
    let proxy = world.client.proxy().unwrap();
    proxy
        .wait_for_metrics("responses of the server by its URI", |metrics| {
            metrics.sum("response_total", &[("direction", "outbound"), ("server_id", SERVER)]) >= 2.0
        })
        .unwrap();
    let metrics = world.server.proxy().unwrap().metrics().unwrap();
    assert!(
        metrics.sum("request_total", &[("direction", "inbound"), ("client_id", CLIENT)]) >= 2.0,
        "{metrics}"
    );
}

#[test]
fn a_peer_with_another_uri_is_not_spoken_to() {
    let (mut world, _agent) = with_agent(DAY);
    world.start_proxies().unwrap();
    assert_eq!(world.http1("/name").status, 200);
    let before = world.app.requests();
    world.script_web(vec![endpoint(&world, "spiffe://root.linkerd.cluster.local/ns/test/sa/somebody-else")]);
    eventually("the refusal", Duration::from_secs(10), || world.http1("/name").status != 200);
    let reply = world.http1("/name");
    assert!([502, 503, 504].contains(&reply.status.as_u16()), "{reply:?}");
    std::thread::sleep(Duration::from_millis(200));
    let after = world.app.requests();
    assert!(after <= before + 50, "{before} {after}");
    for _ in 0..5 {
        world.http1("/name");
    }
    assert_eq!(world.app.requests(), after, "a server that is another was asked");
}

#[test]
fn policy_names_uris() {
    let (mut world, _agent) = with_agent(DAY);
    let allow = |world: &World, id: &str| {
        let rule = inbound::authorization("rule", Who::Only(vec![id.to_owned()]));
        let server = inbound::server("web", inbound::detect(), vec![rule]);
        world.plane.set_inbound("server", APP_PORT, Answer::Value(server));
    };
    allow(&world, SERVER);
    world.server.config.set("INBOUND_DEFAULT_POLICY", "all-authenticated");
    world.start_proxies().unwrap();
    eventually("the refusal", Duration::from_secs(5), || world.http1("/name").status == 403);
    allow(&world, CLIENT);
    eventually("the permission", Duration::from_secs(5), || world.http1("/name").status == 200);
}

#[test]
fn a_certificate_that_the_agent_sends_is_used_at_once() {
    let (mut world, agent) = with_agent(Duration::from_secs(8));
    for pod in [&mut world.client, &mut world.server] {
        pod.config.set("IDENTITY_MIN_REFRESH", "60s");
    }
    world.start_proxies().unwrap();
    let authority = world.plane.authority();
    for round in 0..60 {
        // The proxies would ask after a minute; the agent tells them in time.
        if round % 20 == 19 {
            let life = Duration::from_secs(8);
            agent.register(&authority, &[CLIENT, SERVER], life, &[&authority]).unwrap();
        }
        assert_eq!(world.http1("/name").status, 200, "round {round}");
        std::thread::sleep(Duration::from_millis(200));
    }
    assert!(agent.calls() <= 4, "{} calls", agent.calls());
    let metrics = world.client.proxy().unwrap().metrics().unwrap();
    let refreshes = metrics.sum("control_identity_cert_refreshes_total", &[("result", "ok")]);
    assert!((4.0..8.0).contains(&refreshes), "{metrics}");
}

#[test]
fn an_agent_that_is_restarted_is_asked_again_but_not_in_a_loop() {
    let (mut world, agent) = with_agent(DAY);
    world.start_proxies().unwrap();
    let before = agent.calls();
    for _ in 0..3 {
        agent.restart();
        std::thread::sleep(Duration::from_millis(500));
        assert_eq!(world.http1("/name").status, 200);
    }
    eventually("the proxies come back", Duration::from_secs(10), || agent.calls() >= before + 2);
    std::thread::sleep(Duration::from_secs(2));
    assert!(agent.calls() <= before + 10, "{} calls", agent.calls() - before);
}

#[test]
fn a_workload_that_nobody_registered_waits_until_it_is() {
    let (mut world, agent) = with_agent(DAY);
    let authority = world.plane.authority();
    agent.register(&authority, &[SERVER], DAY, &[&authority]).unwrap();
    world.client.start_proxy().unwrap();
    let proxy = world.client.proxy().unwrap();
    eventually("the reason in the log", Duration::from_secs(10), || {
        let log = proxy.process.log();
        log.contains(CLIENT) && log.contains("is the workload registered?")
    });
    assert_eq!(proxy.admin("GET", "/ready").unwrap().0, 503);
    agent.register(&authority, &[SERVER, CLIENT], DAY, &[&authority]).unwrap();
    world.client.proxy_mut().unwrap().wait_ready().unwrap();
}

#[test]
fn anchors_of_the_agent_are_trusted_beside_those_of_the_configuration() {
    let (mut world, agent) = with_agent(DAY);
    world.start_proxies().unwrap();
    assert_eq!(world.http1("/name").status, 200);
    // The agent's authority is rotated: first its anchor comes, then certificates that lead to it.
    let (first, second) =
        (world.plane.authority(), Arc::new(Authority::new("the agent's next root").unwrap()));
    agent.register(&first, &[CLIENT, SERVER], DAY, &[&first, &second]).unwrap();
    let knows = |pod: &Pod| {
        let (_, state) = pod.proxy().unwrap().admin("GET", "/state.json").unwrap();
        state.contains("the agent's next root")
    };
    eventually("the new anchor", Duration::from_secs(5), || knows(&world.client) && knows(&world.server));
    agent.register(&second, &[CLIENT, SERVER], DAY, &[&second]).unwrap();
    let taken = |pod: &Pod| {
        let metrics = pod.proxy().unwrap().metrics().unwrap();
        metrics.sum("control_identity_cert_refreshes_total", &[("result", "ok")]) >= 3.0
    };
    eventually("the new certificates", Duration::from_secs(5), || {
        taken(&world.client) && taken(&world.server)
    });
    for _ in 0..10 {
        assert_eq!(world.http1("/name").status, 200);
        assert_eq!(world.http2("/name").status, 200);
    }
    // The control plane proves itself by the first authority still, and knows of the second.
    let before = world.plane.count("Destination/Get", &authority());
    world.plane.present(&first, &[&first, &second]).unwrap();
    let limit = Duration::from_secs(10);
    world.plane.wait_for_calls("Destination/Get", &authority(), before + 1, limit).unwrap();
    assert_eq!(world.http1("/name").status, 200);
}
