//! The scripted control plane as a program: a service with one endpoint, for benchmarks and for trying things by hand.
//!
//! ```text
//! test-control-plane LISTEN SERVICE ENDPOINT IDENTITY ANCHOR-FILE [opaque]
//! ```
//!
//! It makes a trust anchor, writes it to the file (PEM), prints `ready`, and serves in the clear, so give it a loopback address. Every inbound port is open
//! to everybody.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for people and scripts")]

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};
use mesh_tests::mesh::answers::{self, Endpoint as _, outbound};
use mesh_tests::mesh::{Answer, Authority, ControlPlane};

const USAGE: &str = "usage: test-control-plane LISTEN SERVICE ENDPOINT IDENTITY ANCHOR-FILE [opaque]";

fn main() -> ExitCode {
    match run(std::env::args().skip(1).collect()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: Vec<String>) -> Result<()> {
    let [listen, service, endpoint, identity, anchor, rest @ ..] = words.as_slice() else {
        anyhow::bail!(USAGE);
    };
    let listen: SocketAddr = listen.parse().context("LISTEN is no address")?;
    let service: SocketAddr = service.parse().context("SERVICE is no address")?;
    let endpoint: SocketAddr = endpoint.parse().context("ENDPOINT is no address")?;
    let authority = Arc::new(Authority::new("root.linkerd.cluster.local")?);
    std::fs::write(anchor, authority.pem()).with_context(|| format!("cannot write {anchor}"))?;
    let plane = ControlPlane::new(authority);
    let name = "web.test.svc.cluster.local";
    let port = service.port();
    let policy =
        if rest == ["opaque"] { outbound::opaque_service(name, port) } else { outbound::service(name, port) };
    plane.set_profile(service, Answer::Value(answers::profile(name)));
    plane.set_outbound(service, Answer::Value(policy));
    let endpoint = answers::endpoint(endpoint).meshed(identity).h2().transport_header(4143);
    plane.set_endpoints(&format!("{name}:{port}"), vec![endpoint]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    println!("ready");
    runtime.block_on(plane.serve_here(listen))
}
