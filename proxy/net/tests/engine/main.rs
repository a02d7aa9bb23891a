//! The engine between real sockets: engines on threads, hyper's clients and servers around them.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod accept;
mod chain;
mod drain;
mod endpoints;
mod expect;
mod flow;
#[path = "../h2spec/mod.rs"]
mod h2spec;
mod http1;
mod kit;
mod peers;
mod raw;
mod refused;
mod smuggling;
mod stress;

use std::time::Duration;

use proxy_net::engine::Upstream;

#[test]
fn h2spec_finds_nothing_in_the_whole_engine() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let server = runtime.block_on(peers::serve());
    let mut script = kit::Script::to(kit::endpoint(server), Upstream::Http1);
    script.mode = kit::Mode::Http2;
    let engine = script.run();
    h2spec::passes(engine.addr);
}

#[test]
fn h2spec_finds_nothing_in_the_client_of_the_whole_engine() {
    let mut script = kit::Script::to(kit::endpoint(raw::closed_port()), Upstream::Http2);
    script.mode = kit::Mode::Http1;
    script.by_authority = true;
    // What fails is to be over at once: each case has three seconds, and counts connections.
    script.config.refused_retries = 0;
    script.timeouts.request = Some(Duration::from_millis(1500));
    let engine = script.run();
    h2spec::passes_as_client(engine.addr);
}
