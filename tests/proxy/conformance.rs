//! h2spec at the listeners of a real proxy: whatever a client does, the standard holds on both sides of a pair.

use std::net::SocketAddr;
use std::time::Duration;

use mesh_tests::mesh::{Namespace, Process, Start, World};

use crate::h2spec;
use crate::kit::{meshed, server_from_outside};

/// A client without the preface of HTTP/2 does not speak it, as far as a listener can tell that detects protocols: its octets are the
/// application's. Who answers is the application, as HTTP/1 with 400, and then closes; h2spec wants the end without the answer.
const OPAQUE: [&str; 1] = ["2: Sends invalid connection preface"];

/// An answer with a body, which cases of flow control need, that begins once the request is whole. One that comes earlier ends the stream
/// while a case still sends on it, and what crosses that end is rightly ignored.
const PATH: &str = "/inspect";

/// Runs all cases from a namespace against an address that is served there.
fn examine(world: &World, namespace: &Namespace, address: SocketAddr) {
    let start = Start::new(h2spec::build("h2spec")).args(h2spec::arguments(address)).args(["--path", PATH]);
    let mut process = Process::start(namespace, "h2spec", world.folder(), start).unwrap();
    process.wait(Duration::from_secs(240)).unwrap();
    let log = process.log();
    h2spec::judge(&log, &OPAQUE);
    assert!(log.contains("looked like an HTTP/1.1 header"), "the application did not answer:\n{log}");
}

#[test]
fn h2spec_finds_nothing_at_the_outbound_listener() {
    let world = meshed();
    examine(&world, &world.client.namespace, world.service());
}

#[test]
fn h2spec_finds_nothing_at_the_inbound_listener() {
    let world = meshed();
    examine(&world, &world.control, server_from_outside());
}
