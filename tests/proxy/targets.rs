//! Proxies whose destinations are written down: nothing is redirected to them.

use std::net::SocketAddr;
use std::process::Command;

use ::http::Version;
use mesh_tests::mesh::answers::{self, Endpoint as _, outbound};
use mesh_tests::mesh::{APP_PORT, Answer, SERVICE_PORT, WEB, World, addresses, http};

use crate::kit::{Seen, authority, world};

/// Where the client's proxy listens for a name, and for an address.
const LISTEN: [&str; 2] = ["127.0.0.1:9000", "127.0.0.1:9001"];
/// Where the server's proxy listens for its application.
const SERVED: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(addresses::SERVER), 9080);

fn explicit() -> World {
    let mut world = world();
    for pod in [&world.client, &world.server] {
        let nft = |args: &[&str]| {
            let mut command = Command::new("nft");
            command.args(args);
            let output = pod.namespace.output(command).unwrap();
            assert!(output.status.success(), "{output:?}");
            String::from_utf8(output.stdout).unwrap()
        };
        nft(&["flush", "ruleset"]);
        assert_eq!(nft(&["list", "ruleset"]), "");
    }
    let targets = [format!("{}={}", LISTEN[0], authority()), format!("{}={}", LISTEN[1], world.service())];
    world.client.config.set("OUTBOUND_TARGETS", targets.join(","));
    let app = SocketAddr::from((addresses::SERVER, APP_PORT));
    world.server.config.set("INBOUND_TARGETS", format!("{SERVED}={app}"));
    world.plane.set_profile(authority(), Answer::Value(answers::profile(WEB)));
    world.plane.set_outbound(authority(), Answer::Value(outbound::service(WEB, SERVICE_PORT)));
    world.script_web(vec![answers::endpoint(SERVED).meshed(&world.server.identity).h2()]);
    world.start_proxies().unwrap();
    world
}

fn inspect(world: &World, to: SocketAddr, version: Version) -> Seen {
    let request = http::get(version, &authority(), "/inspect").unwrap();
    Seen::new(world.client.namespace.run(async move { http::fetch(to, version, request).await }).unwrap())
}

#[test]
fn listeners_lead_to_what_is_written_down_for_them() {
    let world = explicit();
    for listen in LISTEN {
        for version in [Version::HTTP_11, Version::HTTP_2] {
            let seen = inspect(&world, listen.parse().unwrap(), version);
            assert_eq!(seen.reply.header("x-server"), Some("web"), "{listen} {version:?}");
            assert_eq!(seen.fields("l5d-client-id"), [&world.client.identity], "{listen} {version:?}");
        }
    }
    let metrics = world.server.proxy().unwrap().metrics().unwrap();
    let meshed = [("direction", "inbound"), ("tls", "true"), ("client_id", world.client.identity.as_str())];
    assert_eq!(metrics.sum("request_total", &meshed), 4.0);
    // What names no proxy goes past it.
    let direct = inspect(&world, SocketAddr::from((addresses::SERVER, APP_PORT)), Version::HTTP_11);
    assert_eq!(direct.fields("l5d-client-id"), [""; 0]);
    assert_eq!(world.server.proxy().unwrap().metrics().unwrap().sum("request_total", &meshed), 4.0);
}
