//! Peers that vanish without a word: no FIN, no RST, only silence. The kernel's probes find out, in whatever phase a connection is.

use std::net::Ipv4Addr;
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

/// Who connects to the server pod from outside the mesh.
const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 7, 3, 1);

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

/// Connections of the namespace with an address that neither side has ended, as the kernel knows them.
fn established(namespace: &Namespace, with: Ipv4Addr) -> usize {
    let mut command = Command::new("cat");
    command.args(["/proc/net/tcp", "/proc/net/tcp6"]);
    let output = namespace.output(command).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // The octets of an address are in the order of the machine; one of IPv6 ends with that of IPv4 within it.
    let with = format!("{:08X}", u32::from_ne_bytes(with.octets()));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines()
        .filter(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let remote = fields.get(2).and_then(|remote| remote.split_once(':'));
            remote.is_some_and(|(address, _)| address.ends_with(&with)) && fields.get(3) == Some(&"01")
        })
        .count()
}

#[test]
fn clients_that_vanish_in_any_phase_are_found_out() {
    let world = meshed_with(|world| {
        for (name, value) in PROBES {
            world.server.config.set(&format!("INBOUND_ACCEPT_{name}"), value);
        }
        // It is not patience with what a client begins that ends.
        world.server.config.set("INBOUND_DETECT_TIMEOUT", "60s");
    });
    let sockets = || established(&world.server.namespace, CLIENT);
    let open = || {
        let metrics = world.server.proxy().unwrap().metrics().unwrap();
        metrics.sum("tcp_open_connections", &[("direction", "inbound"), ("peer", "src")])
    };
    assert_eq!(world.outsider(Version::HTTP_11, "/name").unwrap().status, 200);
    eventually("the first connection closes", LIMIT, || (sockets(), open()) == (0, 0.0));
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
    // Two have not said enough for their labels to be known, and are not in the metrics yet.
    eventually("all are open", LIMIT, || (sockets(), open()) == (8, 6.0));
    cut(&world.server.namespace, &CLIENT.to_string());
    eventually("no connection of a client that is gone stays open", LIMIT, || {
        (sockets(), open()) == (0, 0.0)
    });
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
