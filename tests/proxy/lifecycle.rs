//! Beginning and end.

use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use ::http::Version;
use mesh_tests::mesh::{Certify, Process, Result, Start, World, http, tcp};
use tokio::io::AsyncWriteExt as _;
use tokio::task::JoinHandle;

use crate::frames::{self, ACK, Frame, kind};
use crate::kit::{authority, eventually, meshed, world};

/// Sends a request, and waits until the application has it.
fn in_flight(world: &World, version: Version, path: &str) -> JoinHandle<Result<http::Reply>> {
    let (service, request) = (world.service(), http::get(version, &authority(), path).unwrap());
    let before = world.app.requests();
    let call = world.client.namespace.spawn(async move { http::fetch(service, version, request).await });
    eventually("the request", Duration::from_secs(5), || world.app.requests() > before);
    call
}

#[test]
fn requests_in_flight_are_finished_before_the_end() {
    for version in [Version::HTTP_11, Version::HTTP_2] {
        let mut world = meshed();
        let service = world.service();
        let call = in_flight(&world, version, "/slow/1500");
        let proxy = world.client.proxy().unwrap();
        proxy.process.terminate().unwrap();
        std::thread::sleep(Duration::from_millis(200));
        // Nothing new is accepted, and the probes go on.
        let refused = world.client.namespace.run(async move {
            let Ok(mut stream) = tcp::connect(service).await else { return Ok(Vec::new()) };
            // The end may come before or after the write.
            let _ = stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
            tcp::read_until_end(&mut stream).await
        });
        assert_eq!(refused.unwrap(), b"");
        assert!(
            proxy.admin("GET", "/live").is_ok_and(|(status, _)| status == 200),
            "no probe while it drains"
        );
        let reply = world.client.namespace.run(async move { call.await.unwrap() }).unwrap();
        assert_eq!(reply.status, 200);
        let exit = world.client.proxy_mut().unwrap().process.wait(Duration::from_secs(5)).unwrap();
        assert_eq!(exit.code(), Some(0));
    }
}

#[test]
fn the_end_comes_with_the_grace_period_at_the_latest() {
    let mut world = world();
    world.client.config.set("SHUTDOWN_GRACE_PERIOD", "1s");
    world.start_proxies().unwrap();
    let call = in_flight(&world, Version::HTTP_11, "/slow/60000");
    let start = Instant::now();
    let exit = world.client.stop_proxy(Duration::from_secs(5)).unwrap();
    assert_eq!(exit.code(), Some(0));
    assert!(start.elapsed() >= Duration::from_millis(900), "{:?}", start.elapsed());
    drop(call);
}

#[test]
fn without_a_certificate_the_end_is_immediate() {
    let mut world = world();
    world.plane.set_certify(Certify::Silence);
    let proxy = world.client.start_proxy().unwrap();
    eventually("a live proxy", Duration::from_secs(10), || {
        proxy.admin("GET", "/live").is_ok_and(|(status, _)| status == 200)
    });
    let start = Instant::now();
    world.client.stop_proxy(Duration::from_secs(5)).unwrap();
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
}

#[test]
fn a_bad_value_ends_with_64_and_its_name() {
    for (name, value) in [
        ("OUTBOUND_CONNECT_TIMEOUT", "1 fortnight"),
        ("INBOUND_LISTEN_ADDR", "nowhere"),
        ("INBOUND_DEFAULT_POLICY", "maybe"),
        ("INGRESS_MODE", "perhaps"),
        ("INBOUND_PORTS", "80-"),
        ("DESTINATION_PROFILE_NETWORKS", "10.0.0.0/99"),
        ("IDENTITY_TRUST_ANCHORS", "not PEM"),
        ("DESTINATION_SVC_ADDR", ""),
        ("SHUTDOWN_GRACE_PERIOD", "soon"),
        ("CORES", "none"),
    ] {
        let mut world = world();
        world.client.config.set(name, value);
        let proxy = world.client.start_proxy().unwrap();
        let exit = proxy.process.wait(Duration::from_secs(10)).unwrap();
        let log = proxy.process.log();
        assert_eq!(exit.code(), Some(64), "{name}={value}: {log}");
        assert!(log.contains(&format!("LINKERD2_PROXY_{name}")), "{name}={value}: {log}");
    }
}

#[test]
fn a_port_that_is_taken_is_an_error_that_names_it() {
    let mut world = world();
    let taken =
        world.client.namespace.run(async { tokio::net::TcpListener::bind("127.0.0.1:4140").await.unwrap() });
    let proxy = world.client.start_proxy().unwrap();
    let exit = proxy.process.wait(Duration::from_secs(10)).unwrap();
    let log = proxy.process.log();
    assert!(!exit.success() && log.contains("4140"), "{exit}: {log}");
    assert!(!log.contains("panicked"), "{log}");
    drop(taken);
}

#[test]
fn connections_of_http2_are_told_that_the_end_is_near() {
    // The proxy of the client is one that applications speak to, that of the server one that others speak to.
    for of_client in [true, false] {
        let mut world = meshed();
        let to = if of_client { world.service() } else { crate::kit::server_from_outside() };
        let call = async move {
            let mut stream = tcp::connect(to).await.unwrap();
            stream.write_all(&[frames::hello(), frames::get(1, "/slow/1500")].concat()).await.unwrap();
            let mut all = Vec::new();
            // The proxy ends it when the last stream is over, as its client has nothing more to say.
            while let Ok(frame) = tokio::time::timeout(tcp::PATIENCE, frames::read(&mut stream))
                .await
                .expect("the connection stays open after its last stream")
            {
                // The answer tells the proxy that its farewell has been read.
                if frame.kind == kind::PING && frame.flags & ACK == 0 {
                    stream.write_all(&frames::write(kind::PING, ACK, 0, &frame.payload)).await.unwrap();
                }
                all.push(frame);
            }
            all
        };
        let call = if of_client { world.client.namespace.spawn(call) } else { world.control.spawn(call) };
        let app = world.app.clone();
        eventually("the request", Duration::from_secs(5), || app.requests() > 0);
        let pod = if of_client { &mut world.client } else { &mut world.server };
        pod.proxy().unwrap().process.terminate().unwrap();
        let frames: Vec<Frame> = world.control.run(async move { call.await.unwrap() });
        let at = |kind: u8| frames.iter().position(|frame| frame.kind == kind);
        let kinds: Vec<u8> = frames.iter().map(|frame| frame.kind).collect();
        let (goaway, response) = (at(kind::GOAWAY), at(kind::HEADERS));
        assert!(goaway.is_some() && response.is_some(), "{kinds:?}");
        let (goaway, response) = (goaway.unwrap(), response.unwrap());
        assert!(goaway < response, "it is told before the request is finished: {kinds:?}");
        assert_eq!(&frames[goaway].payload[4..8], [0; 4], "no error");
        let content = frames.iter().filter(|frame| (frame.kind, frame.stream) == (kind::DATA, 1));
        let body: Vec<u8> = content.flat_map(|frame| frame.payload.clone()).collect();
        assert_eq!(body, b"web", "{kinds:?}");
        let pod = if of_client { &mut world.client } else { &mut world.server };
        let exit = pod.proxy_mut().unwrap().process.wait(Duration::from_secs(5)).unwrap();
        assert_eq!(exit.code(), Some(0));
    }
}

#[test]
fn probes_and_metrics_are_answered_until_the_end() {
    let mut world = meshed();
    let call = in_flight(&world, Version::HTTP_11, "/slow/2000");
    let proxy = world.client.proxy_mut().unwrap();
    proxy.process.terminate().unwrap();
    let start = Instant::now();
    let mut answers = 0;
    while start.elapsed() < Duration::from_millis(1200) {
        for path in ["/live", "/ready", "/metrics"] {
            assert_eq!(proxy.admin("GET", path).unwrap().0, 200, "{path} after {:?}", start.elapsed());
        }
        answers += 1;
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(answers >= 3);
    assert_eq!(world.client.namespace.run(async move { call.await.unwrap() }).unwrap().status, 200);
    let exit = world.client.proxy_mut().unwrap().process.wait(Duration::from_secs(5)).unwrap();
    assert_eq!(exit.code(), Some(0));
}

#[test]
fn a_second_signal_ends_at_once() {
    let mut world = meshed();
    let call = in_flight(&world, Version::HTTP_11, "/slow/60000");
    let proxy = world.client.proxy_mut().unwrap();
    proxy.process.terminate().unwrap();
    std::thread::sleep(Duration::from_millis(300));
    assert!(proxy.process.is_running().unwrap(), "it drains");
    proxy.process.terminate().unwrap();
    let exit = proxy.process.wait(Duration::from_secs(2)).unwrap();
    assert_eq!(exit.code(), Some(0));
    drop(call);
}

/// A pod whose containers see each other's processes: a first process that holds it, a proxy, and a main container of another
/// user that ends after some seconds.
fn job(world: &mut World, shared: Shared) -> Process {
    world.client.config.set("SHUTDOWN_WHEN_ALONE", "true");
    let binary = world.folder().join("job-proxy");
    std::fs::copy(&world.client.config.binary, &binary).unwrap();
    std::fs::set_permissions(world.folder(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let proxy =
        format!("setpriv --reuid=2102 --regid=2102 --clear-groups --inh-caps=-all -- {}", binary.display());
    let script = match shared {
        // The first process waits for the proxy, as the pod does for its containers.
        Shared::Yes => format!("sleep 4 & {proxy}; code=$?; echo \"the proxy has ended: $code\"; exit $code"),
        Shared::No => format!("exec {proxy}"),
    };
    let mut start = Start::new("/usr/bin/unshare").args([
        "--pid",
        "--fork",
        "--kill-child",
        "--mount-proc",
        "sh",
        "-c",
        &script,
    ]);
    start.env = world.client.config.start().env;
    Process::start(&world.client.namespace, "job", world.folder(), start).unwrap()
}

/// Whether containers see each other's processes.
#[derive(Clone, Copy)]
enum Shared {
    Yes,
    No,
}

#[test]
fn the_proxy_of_a_job_ends_when_the_other_containers_have() {
    let mut world = world();
    let mut job = job(&mut world, Shared::Yes);
    let start = Instant::now();
    eventually("a certificate", Duration::from_secs(10), || job.log().contains("certified"));
    std::thread::sleep(Duration::from_secs(1));
    assert!(job.is_running().unwrap(), "the main container still runs");
    let exit = job.wait(Duration::from_secs(40)).unwrap();
    let log = job.log();
    assert_eq!(exit.code(), Some(0), "{log}");
    assert!(log.contains("the other containers have ended"), "{log}");
    assert!(start.elapsed() >= Duration::from_secs(4), "{:?}", start.elapsed());
}

#[test]
fn a_pod_whose_processes_are_not_shared_is_told_what_to_set() {
    let mut world = world();
    let mut job = job(&mut world, Shared::No);
    eventually("the hint", Duration::from_secs(10), || job.log().contains("shareProcessNamespace: true"));
    std::thread::sleep(Duration::from_secs(1));
    assert!(job.is_running().unwrap(), "it serves on");
}
