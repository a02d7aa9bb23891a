//! h2spec at the listeners of a real proxy: whatever a client does, the standard holds on both sides of a pair.

use std::net::SocketAddr;
use std::time::Duration;

use mesh_tests::mesh::{Namespace, Process, Start, World};

use crate::h2spec;
use crate::kit::{meshed, server_from_outside};

/// Runs all cases from a namespace against an address that is served there.
fn examine(world: &World, namespace: &Namespace, address: SocketAddr) {
    let start = Start::new(h2spec::build("h2spec")).args(h2spec::arguments(address));
    let mut process = Process::start(namespace, "h2spec", world.folder(), start).unwrap();
    process.wait(Duration::from_secs(240)).unwrap();
    h2spec::judge(&process.log());
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
