//! The other family of addresses.

use std::net::{Ipv6Addr, SocketAddr};

use ::http::Version;
use mesh_tests::mesh::answers::{self, Endpoint as _, outbound};
use mesh_tests::mesh::{Answer, App, WEB, http};

use crate::kit::{Seen, authority, meshed};

#[test]
fn a_service_with_an_ipv6_address_and_endpoint_is_meshed() {
    let world = meshed();
    let server: Ipv6Addr = "fd07:1::3".parse().unwrap();
    let address = SocketAddr::from((server, 8081));
    let _app = App::start(&world.server.namespace, address, "six").unwrap();
    let service: SocketAddr = "[fd96::10]:80".parse().unwrap();
    let endpoint = answers::endpoint(address).meshed(&world.server.identity).h2().transport_header(4143);
    world.plane.set_profile(service, Answer::Value(answers::profile(WEB)));
    world.plane.set_outbound(service, Answer::Value(outbound::service("six.test.svc.cluster.local", 80)));
    world.plane.set_endpoints("six.test.svc.cluster.local:80", vec![endpoint]);
    let request = http::get(Version::HTTP_11, &authority(), "/inspect").unwrap();
    let reply =
        world.client.namespace.run(async move { http::fetch(service, Version::HTTP_11, request).await });
    let seen = Seen::new(reply.unwrap());
    assert_eq!(seen.reply.header("x-server"), Some("six"));
    assert_eq!(seen.fields("l5d-client-id"), [&world.client.identity]);
}

#[test]
fn an_ipv6_address_that_nobody_knows_is_reached_as_it_is() {
    let world = meshed();
    let address: SocketAddr = "[fd07:1::3]:8082".parse().unwrap();
    let _app = App::start(&world.server.namespace, address, "six").unwrap();
    for version in [Version::HTTP_11, Version::HTTP_2] {
        let request = http::get(version, &authority(), "/name").unwrap();
        let reply = world.client.namespace.run(async move { http::fetch(address, version, request).await });
        let reply = reply.unwrap();
        assert_eq!(reply.text(), "six", "{reply:?}");
    }
}
