//! The engine between real sockets: engines on threads, hyper's clients and servers around them.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod accept;
mod chain;
mod drain;
mod endpoints;
#[path = "../h2spec/mod.rs"]
mod h2spec;
mod http1;
mod kit;
mod peers;
mod raw;
mod stress;

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
