//! Clocks that jump: the proxies' clock of the wall is set while they run, by a library that stands before the kernel.
//!
//! The other clock, which only counts, is left as it is: that is what happens when somebody sets the time of a node.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mesh_tests::mesh::{Certify, Pod, World};

use crate::kit::{Calls, eventually, unix_now, world};

const HOUR: Duration = Duration::from_secs(3600);

/// A world whose proxies look at a clock that the file sets.
fn with_clock() -> (World, PathBuf) {
    let library = ["x86_64", "aarch64"]
        .map(|machine| format!("/usr/lib/{machine}-linux-gnu/faketime/libfaketime.so.1"))
        .into_iter()
        .find(|file| Path::new(file).exists())
        .expect("libfaketime: install the Debian package faketime");
    let mut world = world();
    let folder = world.folder().to_owned();
    let clock = folder.join("clock");
    set(&clock, "+0");
    for pod in [&mut world.client, &mut world.server] {
        behind_library(pod, &folder, &library, &clock);
    }
    (world, clock)
}

/// Has the library loaded by the proxy alone: what starts the proxy is somebody else, and what the library shares with others is his.
fn behind_library(pod: &mut Pod, folder: &Path, library: &str, clock: &Path) {
    let name = pod.namespace.name().to_owned();
    let binary = folder.join(format!("{name}.real"));
    std::fs::copy(&pod.config.binary, &binary).unwrap();
    let script = folder.join(format!("{name}.sh"));
    let (binary, clock) = (binary.display(), clock.display());
    let text = format!(
        "#!/bin/sh\nexport LD_PRELOAD={library} FAKETIME_TIMESTAMP_FILE={clock} FAKETIME_NO_CACHE=1\n\
         export FAKETIME_DONT_FAKE_MONOTONIC=1 DONT_FAKE_MONOTONIC=1\nexec {binary}\n"
    );
    std::fs::write(&script, text).unwrap();
    for file in [&script, &folder.join(format!("{name}.real"))] {
        std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    pod.config.binary = script;
}

/// Sets the clock so far from the true time. It is replaced at once, as it may be read at any moment.
fn set(clock: &Path, offset: &str) {
    let next = clock.with_extension("next");
    std::fs::write(&next, format!("{offset}\n")).unwrap();
    std::fs::rename(&next, clock).unwrap();
}

/// How far a proxy's clock is from ours, in seconds.
fn distance(pod: &Pod) -> f64 {
    let metrics = pod.proxy().unwrap().metrics().unwrap();
    let clock = metrics.sum("process_clock_time_seconds", &[]);
    clock - unix_now().as_secs_f64()
}

fn certificates(world: &World) -> usize {
    [&world.client, &world.server]
        .map(|pod| world.plane.count("Identity/Certify", &pod.identity))
        .into_iter()
        .sum()
}

#[test]
fn a_clock_that_goes_ahead_has_certificates_renewed() {
    let (mut world, clock) = with_clock();
    world.plane.set_certify(Certify::Issue(HOUR));
    world.start_proxies().unwrap();
    assert_eq!(world.http1("/name").status, 200);
    // From now on certificates are valid for those as well whose clock is two hours ahead.
    world.plane.set_certify(Certify::Issue(10 * HOUR));
    let before = certificates(&world);
    set(&clock, "+2h");
    eventually("a clock that is ahead", Duration::from_secs(5), || {
        (distance(&world.client) - 7200.0).abs() < 60.0
    });
    eventually("new certificates", Duration::from_secs(20), || certificates(&world) >= before + 2);
    eventually("requests on new connections", Duration::from_secs(10), || {
        world.http1("/name").status == 200 && world.http2("/name").status == 200
    });
    std::thread::sleep(Duration::from_secs(3));
    let times = certificates(&world) - before;
    assert!(times <= 4, "{times} requests for a certificate: a loop");
}

#[test]
fn a_clock_that_goes_back_cuts_nothing_off_and_asks_nobody_in_a_loop() {
    let (mut world, clock) = with_clock();
    world.start_proxies().unwrap();
    assert_eq!(world.http2("/name").status, 200);
    let before = certificates(&world);
    set(&clock, "-26h");
    eventually("a clock that is behind", Duration::from_secs(5), || distance(&world.client) < -93_000.0);
    for _ in 0..40 {
        assert_eq!(world.http2("/name").status, 200, "connections that are open go on");
        std::thread::sleep(Duration::from_millis(100));
    }
    let times = certificates(&world) - before;
    assert!(times <= 4, "{times} requests for a certificate: a loop");
    set(&clock, "+0");
    eventually("a clock that is right", Duration::from_secs(5), || distance(&world.client).abs() < 60.0);
    for _ in 0..10 {
        assert_eq!(world.http1("/name").status, 200);
        std::thread::sleep(Duration::from_millis(50));
    }
}
