//! Octets that are nobody's business.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mesh_tests::mesh::answers::{self, Endpoint as _, inbound, outbound};
use mesh_tests::mesh::{Answer, World, addresses, tcp};
use tokio::io::AsyncWriteExt;

use crate::kit::meshed_with;

const PORT: u16 = 3307;

fn service() -> SocketAddr {
    SocketAddr::from(([10, 96, 0, 20], PORT))
}

/// A service of the server pod on another port, which the control plane calls opaque at both ends.
fn script(world: &World) {
    let name = "db.test.svc.cluster.local";
    let endpoint = answers::endpoint(SocketAddr::from((addresses::SERVER, PORT)))
        .meshed(&world.server.identity)
        .opaque()
        .transport_header(4143);
    let mut profile = answers::profile(name);
    profile.opaque_protocol = true;
    world.plane.set_profile(service(), Answer::Value(profile));
    world.plane.set_outbound(service(), Answer::Value(outbound::opaque_service(name, PORT)));
    world.plane.set_endpoints(&format!("{name}:{PORT}"), vec![endpoint]);
    let everybody = vec![inbound::authorization("all", inbound::Who::Everybody)];
    let server = inbound::server("db", inbound::opaque(), everybody);
    world.plane.set_inbound("server", PORT, Answer::Value(server));
}

fn everywhere() -> SocketAddr {
    SocketAddr::from(([0, 0, 0, 0], PORT))
}

#[test]
fn an_opaque_stream_is_echoed_and_half_closed() {
    let world = meshed_with(|world| script(world));
    tcp::serve_echo(&world.server.namespace, everywhere()).unwrap();
    let octets: Vec<u8> = (0..3_000_000_u32).map(|number| (number % 253) as u8).collect();
    let expected = octets.clone();
    let came = world.client.namespace.run(async move {
        let stream = tcp::connect(service()).await.unwrap();
        let (mut read, mut write) = stream.into_split();
        let sending = tokio::spawn(async move {
            write.write_all(&octets).await.unwrap();
            write.shutdown().await.unwrap();
        });
        let mut all = Vec::new();
        let reading = tokio::io::AsyncReadExt::read_to_end(&mut read, &mut all);
        tokio::time::timeout(Duration::from_secs(20), reading).await.unwrap().unwrap();
        sending.await.unwrap();
        all
    });
    assert!(came == expected, "{} octets of {}", came.len(), expected.len());
}

#[test]
fn http_on_an_opaque_port_is_left_alone() {
    let world = meshed_with(|world| script(world));
    tcp::serve_echo(&world.server.namespace, everywhere()).unwrap();
    let request = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";
    let came = world.client.namespace.run(async move {
        let mut stream = tcp::connect(service()).await.unwrap();
        stream.write_all(request).await.unwrap();
        tcp::read_exact(&mut stream, request.len()).await.unwrap()
    });
    assert_eq!(came, request);
}

#[test]
fn a_server_that_speaks_first_is_heard_on_an_opaque_port() {
    let world = meshed_with(|world| script(world));
    tcp::serve_banner(&world.server.namespace, everywhere(), "220 hello\r\n").unwrap();
    assert_banner(&world, service(), Duration::from_secs(2));
}

#[test]
fn a_server_that_speaks_first_is_heard_without_being_configured() {
    let world = meshed_with(|_| {});
    let port = 2525;
    tcp::serve_banner(&world.server.namespace, SocketAddr::from(([0, 0, 0, 0], port)), "220 hello\r\n")
        .unwrap();
    assert_banner(&world, SocketAddr::from((addresses::SERVER, port)), Duration::from_secs(3));
}

fn assert_banner(world: &World, address: SocketAddr, limit: Duration) {
    let start = Instant::now();
    world.client.namespace.run(async move {
        let mut stream = tcp::connect(address).await.unwrap();
        let banner = tcp::read_until(&mut stream, b"\r\n").await.unwrap();
        assert_eq!(banner, b"220 hello\r\n");
        stream.write_all(b"EHLO\r\n").await.unwrap();
        assert_eq!(tcp::read_until(&mut stream, b"\r\n").await.unwrap(), b"EHLO\r\n");
    });
    assert!(start.elapsed() < limit, "it took {:?}", start.elapsed());
}

#[test]
fn an_address_that_nobody_knows_is_reached_as_it_is() {
    let world = meshed_with(|_| {});
    let outside = SocketAddr::from((addresses::OUTSIDE, 7000));
    tcp::serve_echo(&world.control, SocketAddr::from(([0, 0, 0, 0], 7000))).unwrap();
    let came = world.client.namespace.run(async move {
        let mut stream = tcp::connect(outside).await.unwrap();
        stream.write_all(b"not http, as anybody can see\n").await.unwrap();
        tcp::read_until(&mut stream, b"\n").await.unwrap()
    });
    assert_eq!(came, b"not http, as anybody can see\n");
}

#[test]
fn a_refused_connection_ends_the_client_s() {
    let world = meshed_with(|world| script(world));
    // Nothing listens; whether that is a reset or an end is not for the client to rely on.
    let came = world.client.namespace.run(tcp::ask_until_end(service(), b"anybody?"));
    assert_eq!(came.unwrap(), b"");
}
