//! h2spec against a server around the state machine. Go builds it once into the tests' cache; without Go this fails.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod driver;
mod h2spec;

use proxy_net::h2::Config;

#[test]
fn h2spec_finds_nothing() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let addr = listener.local_addr().unwrap();
    runtime.spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(driver::serve(socket, Config::default()));
        }
    });
    h2spec::passes(addr);
}
