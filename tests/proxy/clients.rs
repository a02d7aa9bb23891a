//! Who a client is behind what stands in between: PROXY headers of load balancers, `forwarded` and `x-forwarded-for`.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use ::http::Version;
use mesh_tests::mesh::answers::inbound::{self, Who};
use mesh_tests::mesh::{APP_PORT, Answer, World, tcp};

use crate::kit::{Calls, authority, eventually, meshed, meshed_with, server_from_outside};

/// The client behind the load balancer.
const CLIENT: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 9);

/// What a load balancer says in text.
fn version1(client: Ipv4Addr) -> Vec<u8> {
    format!("PROXY TCP4 {client} 10.7.3.3 5555 8080\r\n").into_bytes()
}

/// The same in octets.
fn version2(client: Ipv4Addr) -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
    header.extend_from_slice(&client.octets());
    header.extend_from_slice(&[10, 7, 3, 3]);
    header.extend_from_slice(&5555_u16.to_be_bytes());
    header.extend_from_slice(&APP_PORT.to_be_bytes());
    header
}

/// What a load balancer sends that asks for itself.
fn version2_local() -> Vec<u8> {
    b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0".to_vec()
}

/// A world whose server pod stands behind a load balancer: what comes from outside comes from it.
fn behind_a_balancer(change: impl FnOnce(&mut World)) -> World {
    meshed_with(|world| {
        world.server.config.set("INBOUND_PROXY_PROTOCOL_NETWORKS", "10.7.3.0/24");
        change(world);
    })
}

/// Octets from the load balancer to the server pod, and all that comes back.
fn ask(world: &World, before: &[u8], request: &str) -> Vec<u8> {
    let octets = [before, request.as_bytes()].concat();
    world.control.run(async move { tcp::ask_until_end(server_from_outside(), &octets).await }).unwrap()
}

/// Values of a field as the application saw it.
fn seen(answer: &[u8], name: &str) -> Vec<String> {
    let (status, body) = tcp::split_response(answer).unwrap();
    assert_eq!(status, 200, "{body}");
    let json: serde_json::Value = serde_json::from_str(&body).unwrap();
    let fields = json["headers"].as_array().unwrap();
    fields.iter().filter(|pair| pair[0] == name).map(|pair| pair[1].as_str().unwrap().to_owned()).collect()
}

const INSPECT: &str = "GET /inspect HTTP/1.1\r\nhost: web\r\nconnection: close\r\n\r\n";

#[test]
fn the_client_behind_a_balancer_is_passed_on() {
    let world = behind_a_balancer(|_| {});
    for header in [version1(CLIENT), version2(CLIENT)] {
        assert_eq!(seen(&ask(&world, &header, INSPECT), "x-forwarded-for"), ["203.0.113.9"]);
    }
    let with_one = INSPECT.replace("\r\n\r\n", "\r\nx-forwarded-for: 192.0.2.1\r\n\r\n");
    let all = seen(&ask(&world, &version2(CLIENT), &with_one), "x-forwarded-for");
    assert_eq!(all.join(", "), "192.0.2.1, 203.0.113.9", "the nearest comes last");
    let none = seen(&ask(&world, &version2_local(), INSPECT), "x-forwarded-for");
    assert!(none.is_empty(), "a balancer that asks for itself has no client behind it: {none:?}");
}

#[test]
fn octets_reach_an_opaque_application_without_the_header() {
    let port = 7001;
    let world = behind_a_balancer(|world| {
        let rule = inbound::authorization("all", Who::Everybody);
        world.plane.set_inbound(
            "server",
            port,
            Answer::Value(inbound::server("echo", inbound::opaque(), vec![rule])),
        );
    });
    tcp::serve_echo(&world.server.namespace, SocketAddr::from(([0, 0, 0, 0], port))).unwrap();
    let to = SocketAddr::from((server_from_outside().ip(), port));
    for header in [version1(CLIENT), version2(CLIENT)] {
        let octets = [&header[..], b"\x00octets"].concat();
        let came = world.control.run(async move {
            let mut stream = tcp::connect(to).await.unwrap();
            tokio::io::AsyncWriteExt::write_all(&mut stream, &octets).await.unwrap();
            tcp::read_exact(&mut stream, 7).await.unwrap()
        });
        assert_eq!(came, b"\x00octets");
    }
}

#[test]
fn policy_judges_the_client_and_not_the_balancer() {
    let world = behind_a_balancer(|world| {
        let rule = inbound::authorization_from("rule", Who::Everybody, &["203.0.113.0/24"]);
        let server = inbound::server("web", inbound::detect(), vec![rule]);
        world.plane.set_inbound("server", APP_PORT, Answer::Value(server));
    });
    let status = |client| {
        tcp::split_response(&ask(&world, &version2(client), INSPECT)).map_or(0, |(status, _)| status)
    };
    eventually("the refusal of another client", Duration::from_secs(5), || {
        status(Ipv4Addr::new(192, 0, 2, 1)) == 403
    });
    assert_eq!(status(CLIENT), 200);
}

#[test]
fn without_the_header_a_balancer_is_not_served() {
    let world = behind_a_balancer(|_| {});
    for wrong in [
        &b""[..],
        b"PROXY TCP4 not-an-address 10.7.3.3 5555 8080\r\n",
        b"PROXY TCP4 203.0.113.9 10.7.3.3 5555 80800\r\n",
        b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\x0c............",
    ] {
        let answer = ask(&world, wrong, INSPECT);
        assert!(answer.is_empty(), "{:?}", String::from_utf8_lossy(&answer));
    }
    assert_eq!((world.app.requests(), world.app.connections()), (0, 0));
}

#[test]
fn a_header_from_elsewhere_is_not_believed() {
    let world = meshed_with(|world| {
        world.server.config.set("INBOUND_PROXY_PROTOCOL_NETWORKS", "198.51.100.0/24");
    });
    let header = String::from_utf8(version1(CLIENT)).unwrap();
    let answer = String::from_utf8_lossy(&ask(&world, header.as_bytes(), INSPECT)).into_owned();
    assert!(!answer.contains("203.0.113.9"), "{answer}");
    assert_eq!(seen(&ask(&world, b"", INSPECT), "x-forwarded-for"), [""; 0]);
    // Peers of the mesh are served as ever.
    assert_eq!(world.http1("/name").status, 200);
}

#[test]
fn what_others_say_of_the_client_is_kept_through_both_proxies() {
    let world = meshed();
    for version in [Version::HTTP_11, Version::HTTP_2] {
        let fields = [
            ("forwarded", "for=192.0.2.60;proto=https;by=203.0.113.43"),
            ("x-forwarded-for", "192.0.2.1, 192.0.2.2"),
            ("x-forwarded-proto", "https"),
        ];
        let seen = world.inspect(version, &fields);
        for (name, value) in fields {
            assert_eq!(seen.fields(name), [value]);
        }
    }
}

#[test]
fn only_those_that_are_believed_may_say_who_the_client_is() {
    let world = meshed_with(|world| {
        world.server.config.set("INBOUND_TRUSTED_FORWARDERS", "10.7.1.0/24");
    });
    let fields = [("forwarded", "for=192.0.2.60"), ("x-forwarded-for", "192.0.2.1")];
    let believed = world.inspect(Version::HTTP_11, &fields);
    for (name, value) in fields {
        assert_eq!(believed.fields(name), [value]);
    }
    let said = format!(
        "GET /inspect HTTP/1.1\r\nhost: {}\r\nforwarded: for=192.0.2.60\r\nx-forwarded-for: 192.0.2.1\r\nconnection: close\r\n\r\n",
        authority()
    );
    let answer = ask(&world, b"", &said);
    for name in ["forwarded", "x-forwarded-for"] {
        assert!(seen(&answer, name).is_empty(), "{name}");
    }
}
