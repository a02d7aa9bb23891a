//! Who may say what in `l5d-*`.

use ::http::Version;
use mesh_tests::mesh::{Answer, WEB, answers};

use crate::kit::{Calls, Seen, authority, meshed, server_from_outside};

#[test]
fn a_client_cannot_forge_its_identity() {
    let world = meshed();
    for version in [Version::HTTP_11, Version::HTTP_2] {
        let seen = world.inspect(version, &[("l5d-client-id", "somebody.else")]);
        assert_eq!(seen.fields("l5d-client-id"), [&world.client.identity]);
    }
}

#[test]
fn nobody_outside_the_mesh_has_an_identity() {
    let world = meshed();
    for version in [Version::HTTP_11, Version::HTTP_2] {
        let mut request = mesh_tests::mesh::http::get(version, &authority(), "/inspect").unwrap();
        request.headers_mut().insert("l5d-client-id", "somebody.else".parse().unwrap());
        let reply = world
            .control
            .run(async move { mesh_tests::mesh::http::fetch(server_from_outside(), version, request).await });
        let seen = Seen::new(reply.unwrap());
        assert_eq!(seen.fields("l5d-client-id"), [""; 0]);
    }
}

#[test]
fn an_application_cannot_speak_for_the_proxy() {
    let world = meshed();
    for reply in [world.http1("/forged"), world.http2("/forged")] {
        assert_eq!(reply.text(), "forged");
        for name in ["l5d-proxy-error", "l5d-proxy-connection", "l5d-orig-proto"] {
            assert_eq!(reply.header(name), None, "{name}");
        }
    }
}

#[test]
fn an_override_is_ignored_outside_of_ingress_mode() {
    let world = meshed();
    let seen = world.inspect(Version::HTTP_11, &[("l5d-dst-override", "other.test.svc.cluster.local:1")]);
    assert_eq!(seen.reply.header("x-server"), Some("web"));
}

#[test]
fn the_canonical_name_is_added_where_a_profile_routes() {
    let world = meshed();
    let mut profile = answers::profile(WEB);
    profile.routes = vec![linkerd2_proxy_api::destination::Route {
        condition: Some(linkerd2_proxy_api::destination::RequestMatch {
            r#match: Some(linkerd2_proxy_api::destination::request_match::Match::Path(
                linkerd2_proxy_api::destination::PathMatch { regex: "/.*".to_owned() },
            )),
        }),
        ..Default::default()
    }];
    world.plane.set_profile(world.service(), Answer::Value(profile));
    let seen = world.inspect(Version::HTTP_11, &[]);
    assert_eq!(seen.fields("l5d-dst-canonical"), [authority()]);
}

#[test]
fn an_identity_that_is_required_is_checked() {
    let world = meshed();
    let identity = world.server.identity.clone();
    let seen = world.inspect(Version::HTTP_11, &[("l5d-require-id", &identity)]);
    assert_eq!(seen.fields("l5d-require-id"), [""; 0]);
    let mut request = mesh_tests::mesh::http::get(Version::HTTP_11, &authority(), "/name").unwrap();
    request.headers_mut().insert("l5d-require-id", "somebody.else.test".parse().unwrap());
    let reply = world.send(Version::HTTP_11, request).unwrap();
    assert_eq!(reply.status, 502, "{reply:?}");
    assert!(reply.header("l5d-proxy-error").is_some(), "{reply:?}");
}
