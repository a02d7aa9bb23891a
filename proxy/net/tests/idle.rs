//! What an idle connection costs; alone in its process, whose memory it measures.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail like tests")]
#![allow(dead_code, reason = "shares a kit with tests that use all of it")]

#[path = "engine/kit.rs"]
mod kit;
#[path = "engine/peers.rs"]
mod peers;
#[path = "engine/raw.rs"]
mod raw;

use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use proxy_net::engine::Upstream;

use kit::Script;
use raw::Raw;

const GET: &str = "GET / HTTP/1.1\r\nhost: web.test\r\n\r\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_idle_connections_cost_little_and_do_not_slow_others() {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let raised = rustix::process::Rlimit { current: limit.maximum, maximum: limit.maximum };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, raised).unwrap();
    // Both ends are in this process.
    let count = limit.maximum.map_or(9_000, |most| (most / 2).saturating_sub(500).min(9_000)) as usize;
    assert!(
        count >= 2_000,
        "the limit of open files, {limit:?}, is too low for this test: raise it to 20,000"
    );
    let server = peers::serve().await;
    let engine = Script::to(kit::endpoint(server), Upstream::Http1).run();
    warm(engine.addr).await;
    let before = resident();
    let clients: Vec<TcpStream> = (0..count)
        .map(|_| {
            let client = TcpStream::connect(engine.addr).unwrap();
            std::io::Write::write_all(&mut &client, b"GET /idle HTTP/1.1\r\nhost: web.test\r\n\r\n").unwrap();
            let mut answer = [0; 4096];
            let octets = std::io::Read::read(&mut &client, &mut answer).unwrap();
            assert!(answer[..octets].starts_with(b"HTTP/1.1 200 "));
            client
        })
        .collect();
    let each = resident().saturating_sub(before) / count;
    println!("{each} octets an idle connection, {count} connections");
    assert!(each <= 4096, "{each} octets an idle connection");
    warm(engine.addr).await;
    drop(clients);
}

/// A few requests, so that all that is made once is there.
async fn warm(addr: SocketAddr) {
    let mut client = Raw::connect(addr).await;
    let began = std::time::Instant::now();
    for _ in 0..20 {
        client.send(GET).await;
        client.until("GET /").await;
    }
    assert!(began.elapsed() < Duration::from_secs(2), "20 requests took {:?}", began.elapsed());
}

/// Octets of this process's memory.
fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    text.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}
