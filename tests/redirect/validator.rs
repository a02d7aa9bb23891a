//! The network validator.

use std::{
    os::unix::process::CommandExt as _,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::world::{BINARY, World, text};

const BOTH: [&str; 3] =
    ["validate-network", "--listen-addr=[::]:4140", "--connect-addr=192.0.2.2:1404,[2001:db8::2]:1404"];

#[test]
fn it_hears_itself_only_when_redirected() {
    for mode in ["--iptables-mode=nft", "--iptables-mode=legacy"] {
        let world = World::silent();
        let failed = world.try_init(&["validate-network", "--timeout=300ms"]);
        assert_eq!(failed.status.code(), Some(95), "{}", text(&failed));
        assert!(text(&failed).contains("cannot reach 192.0.2.2:1404"), "{}", text(&failed));

        world.init(&["--proxy-uid=2102", mode]);
        world.init(&["validate-network", "--timeout=5s"]);
        world.init(&BOTH);

        // The proxy's own connections are not redirected: as its user it must not hear itself.
        let failed =
            world.pod.output(Command::new(BINARY).args(["validate-network", "--timeout=300ms"]).uid(2102));
        assert_eq!(failed.status.code(), Some(95), "{}", text(&failed));
    }
}

#[test]
fn a_family_that_is_left_out_is_noticed() {
    let world = World::silent();
    world.init(&["--ipv6=false"]);
    let failed = world.try_init(&[&BOTH[..], &["--timeout=500ms"]].concat());
    assert_eq!(failed.status.code(), Some(95), "{}", text(&failed));
    assert!(text(&failed).contains("[2001:db8::2]:1404"), "{}", text(&failed));
}

#[test]
fn a_port_in_use_is_a_failure() {
    let world = World::new();
    let failed = world.try_init(&["validate-network", "--log-format=json"]);
    assert_eq!(failed.status.code(), Some(95));
    assert!(text(&failed).starts_with("{\"level\":\"ERROR\""), "{}", text(&failed));
    assert!(text(&failed).contains("cannot listen on 0.0.0.0:4140"), "{}", text(&failed));
}

#[test]
fn a_signal_ends_it_at_once_with_its_own_exit_code() {
    let world = World::silent();
    let mut command = Command::new(BINARY);
    command.args(["validate-network", "--timeout=1m", "--log-level=debug"]).stderr(Stdio::piped());
    let child = world.pod.inside(|| command.spawn()).unwrap();
    thread::sleep(Duration::from_millis(500));
    let begun = Instant::now();
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGTERM).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(95), "{}", text(&output));
    assert!(text(&output).contains("ended by SIGTERM"), "{}", text(&output));
    assert!(begun.elapsed() < Duration::from_secs(10));
}
