//! Peers that vanish without a word: no FIN, no RST, only silence. The kernel's probes find out, in whatever phase a connection is.

use std::process::Command;
use std::time::Duration;

use ::http::Version;
use bytes::Bytes;
use mesh_tests::mesh::{Namespace, http, tcp};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::kit::{Calls, authority, eventually, meshed_with, server_from_outside};

/// Idle time before a probe, and how long what was sent may stay unacknowledged.
const PROBES: [(&str, &str); 2] = [("KEEPALIVE", "1s"), ("USER_TIMEOUT", "3s")];

/// When every dead connection has to be gone: four times what the settings add up to.
const LIMIT: Duration = Duration::from_secs(16);

fn nft(namespace: &Namespace, commands: &str) {
    let mut command = Command::new("nft");
    command.arg(commands);
    let output = namespace.output(command).unwrap();
    assert!(output.status.success(), "nft {commands}: {}", String::from_utf8_lossy(&output.stderr));
}

/// From now on nothing of an address arrives, not even an acknowledgement.
fn cut(namespace: &Namespace, address: &str) {
    nft(
        namespace,
        &format!(
            "add table inet cut; add chain inet cut in {{ type filter hook prerouting priority -310; }}; \
             add rule inet cut in ip saddr {address} drop"
        ),
    );
}

fn mend(namespace: &Namespace) {
    nft(namespace, "delete table inet cut");
}

#[test]
fn clients_that_vanish_in_any_phase_are_found_out() {
    let world = meshed_with(|world| {
        for (name, value) in PROBES {
            world.server.config.set(&format!("INBOUND_ACCEPT_{name}"), value);
        }
    });
    let open = || {
        let metrics = world.server.proxy().unwrap().metrics().unwrap();
        metrics.sum("tcp_open_connections", &[("direction", "inbound"), ("peer", "src")])
    };
    assert_eq!(world.outsider(Version::HTTP_11, "/name").unwrap().status, 200);
    eventually("the first connection closes", LIMIT, || open() == 0.0);
    let clients = world.control.run(async {
        let host = format!("host: {}\r\n\r\n", authority());
        let mut clients = Vec::new();
        for said in [
            String::new(),
            "GET /name HTTP/1.1\r\nhost: ".to_owned(),
            "\x16\x03\x01\x02".to_owned(),
            format!("POST /echo HTTP/1.1\r\ncontent-length: 100000\r\n{host}abc"),
            format!("GET /slow/600000 HTTP/1.1\r\n{host}"),
            format!("GET /bytes/50000000 HTTP/1.1\r\n{host}"),
            format!("GET /name HTTP/1.1\r\n{host}"),
        ] {
            let mut client: TcpStream = tcp::connect(server_from_outside()).await.unwrap();
            client.write_all(said.as_bytes()).await.unwrap();
            if said.contains("/name HTTP/1.1\r\nhost: web") {
                tcp::read_until(&mut client, b"web").await.unwrap();
            }
            clients.push(client);
        }
        let mut http2 = http::Client::http2(server_from_outside()).await.unwrap();
        let request = http::get(Version::HTTP_2, &authority(), "/slow/600000").unwrap();
        let call = tokio::spawn(async move { http2.start(request).await.is_ok() });
        tokio::time::sleep(Duration::from_millis(500)).await;
        (clients, call)
    });
    assert!(open() >= 7.0, "only {} connections are open", open());
    cut(&world.server.namespace, "10.7.3.1");
    eventually("no connection of a client that is gone stays open", LIMIT, || open() == 0.0);
    mend(&world.server.namespace);
    assert_eq!(world.outsider(Version::HTTP_11, "/name").unwrap().status, 200);
    drop(clients);
}

#[test]
fn servers_that_vanish_in_any_phase_are_found_out() {
    let world = meshed_with(|world| {
        for (name, value) in PROBES {
            world.client.config.set(&format!("OUTBOUND_CONNECT_{name}"), value);
        }
    });
    assert_eq!(world.http1("/name").status, 200);
    let service = world.service();
    let ask = move |path: &'static str, body: http::Body| async move {
        let request = http::request(Version::HTTP_11, "POST", &authority(), path, Bytes::new()).unwrap();
        let request = request.map(|_| body);
        let mut client = http::Client::http1(service).await.unwrap();
        client.send(request).await.map(|reply| reply.status.as_u16())
    };
    let (sender, calls) = world.client.namespace.run(async move {
        let (sender, body) = http::streaming();
        let silent = tokio::spawn(ask("/slow/600000", http::full("")));
        let upload = tokio::spawn(ask("/echo", body));
        let mut reader = tcp::connect(service).await.unwrap();
        let request = format!("GET /bytes/50000000 HTTP/1.1\r\nhost: {}\r\n\r\n", authority());
        reader.write_all(request.as_bytes()).await.unwrap();
        tcp::read_until(&mut reader, b"xxxx").await.unwrap();
        sender.send(Ok(hyper::body::Frame::data(Bytes::from_static(b"abc")))).await.unwrap();
        tokio::time::sleep(Duration::from_millis(500)).await;
        // However long it is silent: the end has to come from the proxy.
        let download = tokio::spawn(async move { Ok(reader.read_to_end(&mut Vec::new()).await.map(|_| 0)?) });
        (sender, [silent, upload, download])
    });
    cut(&world.client.namespace, "10.7.1.3");
    // One that begins only now, on a connection that is dead and does not look so.
    let late = world.client.namespace.spawn(ask("/name", http::full("")));
    world.client.namespace.run(async move {
        for (what, call) in
            ["silent", "upload", "download", "late"].iter().zip(calls.into_iter().chain([late]))
        {
            let ended = tokio::time::timeout(LIMIT, call).await;
            let ended = ended.unwrap_or_else(|_| panic!("the {what} request still waits for a dead server"));
            match ended.unwrap() {
                Ok(status) => assert!(status == 0 || status >= 500, "{what}: {status}"),
                Err(error) => assert!(!format!("{error:#}").contains("in time"), "{what}: {error:#}"),
            }
        }
    });
    drop(sender);
    mend(&world.client.namespace);
    eventually("the server is found again", LIMIT, || {
        let request = http::get(Version::HTTP_11, &authority(), "/name").unwrap();
        world.send(Version::HTTP_11, request).is_ok_and(|reply| reply.status == 200)
    });
}
