//! A proxy beside an ingress, which says itself where requests go.

use ::http::Version;
use mesh_tests::mesh::answers::{self, outbound};
use mesh_tests::mesh::{Answer, SERVICE_PORT, WEB, World, http};

use crate::kit::{Calls, authority, meshed_with};

fn ingress() -> World {
    meshed_with(|world| {
        world.client.config.set("INGRESS_MODE", "true");
        let policy = outbound::service(WEB, SERVICE_PORT);
        world.plane.set_outbound(authority(), Answer::Value(policy));
        world.plane.set_profile(authority(), Answer::Value(answers::profile(WEB)));
    })
}

#[test]
fn an_override_leads_to_the_service_that_it_names() {
    let world = ingress();
    // Where the connection itself goes does not matter.
    let elsewhere = "10.96.0.99:80".parse().unwrap();
    let mut request = http::get(Version::HTTP_11, "shop.example.test", "/inspect").unwrap();
    request.headers_mut().insert("l5d-dst-override", authority().parse().unwrap());
    let reply = world
        .client
        .namespace
        .run(async move { http::fetch(elsewhere, Version::HTTP_11, request).await })
        .unwrap();
    let seen = crate::kit::Seen::new(reply);
    assert_eq!(seen.reply.header("x-server"), Some("web"));
    assert_eq!(seen.fields("l5d-dst-override"), [""; 0]);
    assert_eq!(seen.fields("host"), ["shop.example.test"]);
    assert_eq!(seen.fields("l5d-client-id"), [&world.client.identity]);
}

#[test]
fn without_an_override_the_address_counts() {
    let world = ingress();
    let seen = world.inspect(Version::HTTP_11, &[]);
    assert_eq!(seen.reply.header("x-server"), Some("web"));
}
