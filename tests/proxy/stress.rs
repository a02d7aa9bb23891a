//! Bad weather.

use std::time::{Duration, Instant};

use ::http::Version;
use mesh_tests::mesh::{http, tcp};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpSocket;

use crate::frames::{self, ACK, kind};
use crate::kit::{Calls, app_at, authority, endpoint_at, eventually, meshed, meshed_with, short_lived};

#[test]
fn endpoints_that_come_and_go_a_hundred_times_a_second_lose_no_request() {
    let world = meshed();
    let apps = [4, 5, 6].map(|octet| app_at(&world, octet));
    let endpoint = |octet| endpoint_at(&world, octet);
    world.script_web(vec![endpoint(4)]);
    let service = world.service();
    let calls = world.client.namespace.spawn(async move {
        let mut client = http::Client::http2(service).await.unwrap();
        let mut failed = Vec::new();
        let start = Instant::now();
        let mut count = 0;
        while start.elapsed() < Duration::from_secs(3) {
            let request = http::get(Version::HTTP_2, &authority(), "/name").unwrap();
            let reply = client.send(request).await.unwrap();
            count += 1;
            if reply.status != 200 {
                failed.push((count, reply.status, reply.header("l5d-proxy-error").map(str::to_owned)));
            }
        }
        (count, failed)
    });
    let start = Instant::now();
    for round in 0..300_u32 {
        let mut set = vec![endpoint(4)];
        if round % 2 == 0 {
            set.push(endpoint(5));
        }
        if round % 3 == 0 {
            set.push(endpoint(6));
        }
        world.plane.set_endpoints(&authority(), set);
        // By the clock, so that the rate is the same whatever else the machine does.
        let next = Duration::from_millis(10) * (round + 1);
        std::thread::sleep(next.saturating_sub(start.elapsed()));
    }
    let took = start.elapsed();
    let (count, failed) = world.client.namespace.run(async move { calls.await.unwrap() });
    assert!(failed.is_empty(), "of {count} requests failed {failed:?}");
    assert!(apps[1].requests() > 0);
    // The 300 rounds make 400 messages; those that find the stream busy go together.
    let proxy = world.client.proxy().unwrap();
    let updates = proxy.metrics().unwrap().sum("outbound_http_balancer_p2c_updates_total", &[]);
    assert!(took < Duration::from_millis(3300), "300 rounds took {took:?}");
    assert!(updates > 225.0, "{updates} updates in {took:?}");
    // One after the other, beside some 80 handshakes a second: a thousand on a quiet machine, a tenth of that on a busy one.
    assert!(count > 50, "{count} requests");
    assert!(proxy.process.resident().unwrap() < 100 << 20);
}

#[test]
fn a_stream_outlives_the_certificate_that_it_began_with() {
    let world = meshed_with(|world| short_lived(world, Duration::from_secs(5)));
    assert_eq!(world.http1("/slow/7000").status, 200);
    assert_eq!(world.http1("/name").status, 200);
}

#[test]
fn ten_thousand_connections_are_kept_and_served() {
    // Clients that stay silent after one request; so many come at a time.
    const CONNECTIONS: usize = 10_000;
    const AT_ONCE: usize = 100;
    let world = meshed();
    world.http1("/name");
    let before = world.client.proxy().unwrap().process.resident().unwrap();
    let service = world.service();
    let held = world.client.namespace.run(async move {
        let connect = async || {
            let mut stream = tcp::connect(service).await.unwrap();
            let request = format!("GET /name HTTP/1.1\r\nhost: {}\r\n\r\n", authority());
            stream.write_all(request.as_bytes()).await.unwrap();
            let answer = tcp::read_until(&mut stream, b"web").await.unwrap();
            assert!(answer.starts_with(b"HTTP/1.1 200"));
            stream
        };
        let mut held = Vec::with_capacity(CONNECTIONS);
        while held.len() < CONNECTIONS {
            held.extend(futures::future::join_all((0..AT_ONCE).map(|_| connect())).await);
        }
        held
    });
    let metrics = world.client.proxy().unwrap().metrics().unwrap();
    let open = metrics.sum("tcp_open_connections", &[("direction", "outbound"), ("peer", "src")]);
    assert!(open >= CONNECTIONS as f64, "{open} connections are open");
    let after = world.client.proxy().unwrap().process.resident().unwrap();
    let each = after.saturating_sub(before) / CONNECTIONS as u64;
    assert!(each < 16 << 10, "{each} octets a connection");
    assert_eq!(world.http1("/name").status, 200);
    drop(held);
}

#[test]
fn clients_that_send_a_head_slowly_hold_up_nobody() {
    let world = meshed();
    let service = world.service();
    let slow = world.client.namespace.run(async move {
        let mut slow = Vec::new();
        for _ in 0..200 {
            let mut stream = tcp::connect(service).await.unwrap();
            stream.write_all(b"GET /name HTTP/1.1\r\nhost: ").await.unwrap();
            slow.push(stream);
        }
        slow
    });
    for _ in 0..20 {
        let start = Instant::now();
        assert_eq!(world.http1("/name").status, 200);
        assert!(start.elapsed() < Duration::from_secs(1));
    }
    drop(slow);
}

#[test]
fn clients_that_do_not_read_hold_up_nobody_and_cost_little() {
    let world = meshed();
    world.http1("/name");
    let service = world.service();
    let before = world.client.proxy().unwrap().process.resident().unwrap();
    let stalled = world.client.namespace.run(async move {
        let mut stalled = Vec::new();
        for _ in 0..50 {
            // Little fits into the kernel, so that they stall at once.
            let socket = TcpSocket::new_v4().unwrap();
            socket.set_recv_buffer_size(4096).unwrap();
            let mut stream = socket.connect(service).await.unwrap();
            let request = format!("GET /bytes/20000000 HTTP/1.1\r\nhost: {}\r\n\r\n", authority());
            stream.write_all(request.as_bytes()).await.unwrap();
            stalled.push(stream);
        }
        stalled
    });
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(world.http1("/name").status, 200);
    let after = world.client.proxy().unwrap().process.resident().unwrap();
    let each = after.saturating_sub(before) / 50;
    assert!(each < 1 << 20, "{each} octets for a client that does not read");
    drop(stalled);
}

#[test]
fn streams_that_nobody_reads_cost_a_window_each() {
    const STREAMS: u32 = 100;
    let world = meshed();
    world.http2("/name");
    let service = world.service();
    let resident =
        || [&world.client, &world.server].map(|pod| pod.proxy().unwrap().process.resident().unwrap());
    let before = resident();
    let stalled = world.client.namespace.run(async move {
        let mut stream = tcp::connect(service).await.unwrap();
        // No octet of content may be sent (INITIAL_WINDOW_SIZE 0), and the proxy's settings are acknowledged.
        let settings = frames::write(kind::SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]);
        let ack = frames::write(kind::SETTINGS, ACK, 0, &[]);
        stream.write_all(&[frames::PREFACE, &settings, &ack].concat()).await.unwrap();
        for id in (1..2 * STREAMS).step_by(2) {
            stream.write_all(&frames::get(id, "/bytes/3000000")).await.unwrap();
        }
        stream
    });
    eventually("all streams are stalled", Duration::from_secs(10), || {
        world.app.requests() > STREAMS as usize
    });
    std::thread::sleep(Duration::from_secs(1));
    // Others are served meanwhile, over the same connection between the proxies.
    assert_eq!(world.http1("/bytes/1000000").body.len(), 1_000_000);
    for (pod, (before, after)) in ["client", "server"].iter().zip(before.into_iter().zip(resident())) {
        let each = after.saturating_sub(before) / u64::from(STREAMS);
        assert!(each < 160 << 10, "{each} octets for a stalled stream in the proxy of the {pod}");
    }
    drop(stalled);
}

#[test]
fn clients_that_reset_at_any_time_do_no_harm() {
    let world = meshed();
    let service = world.service();
    world.client.namespace.run(async move {
        let request =
            format!("POST /echo HTTP/1.1\r\nhost: {}\r\ncontent-length: 100000\r\n\r\n", authority());
        for number in 0..200 {
            let mut stream = tcp::connect(service).await.unwrap();
            let length = number % (request.len() + 10);
            stream.write_all(&request.as_bytes()[..length.min(request.len())]).await.unwrap();
            // An end with octets unread, or at once, is a reset.
            let _ = stream.set_zero_linger();
        }
    });
    assert_eq!(world.http1("/name").status, 200);
    assert_eq!(world.http2("/name").status, 200);
}

/// Requests that two readers could understand differently. None may reach the application as two, or with a body that is
/// not meant.
const SMUGGLED: [(&str, &str); 12] = [
    ("both lengths", "content-length: 6\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nG"),
    ("two lengths", "content-length: 5\r\ncontent-length: 6\r\n\r\nhello!"),
    ("a list of lengths", "content-length: 5, 6\r\n\r\nhello!"),
    ("a signed length", "content-length: +5\r\n\r\nhello"),
    ("a length in hex", "content-length: 0x5\r\n\r\nhello"),
    ("a folded field", "x-a: b\r\n c\r\ncontent-length: 0\r\n\r\n"),
    ("a blank before the colon", "transfer-encoding : chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n"),
    ("an unknown coding", "transfer-encoding: xchunked\r\n\r\n0\r\n\r\n"),
    ("chunked in the middle", "transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n"),
    ("chunked twice", "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("a size of a chunk that is none", "transfer-encoding: chunked\r\n\r\n5x\r\nhello\r\n0\r\n\r\n"),
    ("a null in a value", "x-a: b\0c\r\ncontent-length: 0\r\n\r\n"),
];

#[test]
fn smuggled_requests_are_refused_or_harmless() {
    let world = meshed();
    for (what, rest) in SMUGGLED {
        let before = world.app.requests();
        let service = world.service();
        let request =
            format!("POST /inspect HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n{rest}", authority());
        let answer = world
            .client
            .namespace
            .run(async move { tcp::ask_until_end(service, request.as_bytes()).await.unwrap() });
        let answer = String::from_utf8_lossy(&answer);
        let reached = world.app.requests() - before;
        let answers = answer.matches("HTTP/1.1 ").count();
        assert!(answers <= 1, "{what}: {answer}");
        // Where it is normalised rather than refused, the application sees one request.
        let refused = answer.is_empty() || answer.starts_with("HTTP/1.1 4");
        assert!(refused && reached == 0 || reached == 1, "{what}: reached {reached} times: {answer}");
    }
    assert_eq!(world.http1("/name").status, 200);
}

#[test]
fn a_head_over_the_limit_is_refused_by_status() {
    let world = meshed();
    let long = "y".repeat(200_000);
    let service = world.service();
    let request = format!("GET /name HTTP/1.1\r\nhost: {}\r\nx-long: {long}\r\n\r\n", authority());
    let answer = world
        .client
        .namespace
        .run(async move { tcp::ask_until_end(service, request.as_bytes()).await.unwrap() });
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
    assert_eq!(world.http1("/name").status, 200);
    assert_eq!(world.app.requests(), 1);
}

#[test]
fn streams_that_are_reset_at_once_end_their_connection_and_no_other() {
    let world = meshed();
    world.http2("/name");
    let service = world.service();
    let requests = world.app.requests();
    world.client.namespace.run(async move {
        let mut stream = tcp::connect(service).await.unwrap();
        stream.write_all(&frames::hello()).await.unwrap();
        for id in (1..20_000).step_by(2) {
            // CANCEL.
            let reset = frames::write(kind::RESET, 0, id, &8_u32.to_be_bytes());
            if stream.write_all(&[frames::get(id, "/"), reset].concat()).await.is_err() {
                return;
            }
        }
        // The end has to come, whatever is said before it.
        tcp::read_until_end(&mut stream).await.unwrap();
    });
    assert!(
        world.app.requests() - requests < 3000,
        "{} requests came through",
        world.app.requests() - requests
    );
    assert_eq!(world.http2("/name").status, 200);
}

#[test]
fn more_requests_than_allowed_are_shed() {
    let world = meshed_with(|world| {
        world.client.config.set("OUTBOUND_MAX_IN_FLIGHT", "5");
    });
    let service = world.service();
    let statuses = world.client.namespace.run(async move {
        let calls: Vec<_> = (0..20)
            .map(|_| {
                tokio::spawn(async move {
                    let request = http::get(Version::HTTP_11, &authority(), "/slow/500").unwrap();
                    http::fetch(service, Version::HTTP_11, request).await.unwrap().status.as_u16()
                })
            })
            .collect();
        let mut statuses = Vec::new();
        for call in calls {
            statuses.push(call.await.unwrap());
        }
        statuses
    });
    let shed = statuses.iter().filter(|status| **status == 503).count();
    assert!((10..20).contains(&shed), "{statuses:?}");
}
