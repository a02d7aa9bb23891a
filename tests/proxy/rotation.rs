//! The root of the mesh is replaced while everything runs, with the certificates of the control plane itself.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ::http::Version;
use mesh_tests::mesh::answers::{self, Endpoint as _};
use mesh_tests::mesh::{App, Authority, Certify, Pod, World, addresses, http, tcp};
use tokio::task::JoinHandle;

use crate::kit::{Calls, authority, eventually, meshed_with};

/// How long certificates are valid; they are renewed after about two thirds of it.
const LIFETIME: Duration = Duration::from_secs(6);

/// Requests without a pause of both versions, each on a connection of its own and on one that stays.
struct Load {
    stop: Arc<AtomicBool>,
    calls: JoinHandle<(usize, Vec<String>)>,
}

impl Load {
    fn start(world: &World) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (service, ended) = (world.service(), stop.clone());
        let calls = world.client.namespace.spawn(async move {
            let mut kept = http::Client::http2(service).await.unwrap();
            let (mut count, mut failed) = (0, Vec::new());
            while !ended.load(Ordering::Relaxed) {
                for version in [Version::HTTP_11, Version::HTTP_2] {
                    let request = http::get(version, &authority(), "/name").unwrap();
                    match http::fetch(service, version, request).await {
                        Ok(reply) if reply.status == 200 => {}
                        other => failed.push(format!("{version:?}: {other:?}")),
                    }
                }
                let request = http::get(Version::HTTP_2, &authority(), "/name").unwrap();
                match kept.send(request).await {
                    Ok(reply) if reply.status == 200 => {}
                    other => failed.push(format!("the connection that stays: {other:?}")),
                }
                count += 3;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            (count, failed)
        });
        Self { stop, calls }
    }

    fn end(self, world: &World) -> (usize, Vec<String>) {
        self.stop.store(true, Ordering::Relaxed);
        world.client.namespace.run(async move { self.calls.await.unwrap() })
    }
}

/// The names of the trust anchors of a pod's proxy.
fn anchors(pod: &Pod) -> Vec<String> {
    let (_, state) = pod.proxy().unwrap().admin("GET", "/state.json").unwrap();
    let state: serde_json::Value = serde_json::from_str(&state).unwrap();
    let anchors = state["identity"]["anchors"].as_array().unwrap();
    anchors.iter().map(|name| name.as_str().unwrap().to_owned()).collect()
}

fn refreshes(pod: &Pod) -> f64 {
    let metrics = pod.proxy().unwrap().metrics().unwrap();
    metrics.sum("control_identity_cert_refreshes_total", &[("result", "ok")])
}

/// Discovery works: what it says next is what comes, and what is asked for the first time is answered.
fn learns(world: &World, other: &App, port: u16, step: &str) {
    let limit = Duration::from_secs(10);
    let endpoint = answers::endpoint(SocketAddr::from((addresses::SERVER, 8081)))
        .meshed(&world.server.identity)
        .h2()
        .transport_header(4143);
    let before = other.requests();
    world.script_web(vec![endpoint]);
    eventually(&format!("the other endpoint after {step}"), limit, || other.requests() > before);
    let before = world.app.requests();
    world.script_web(vec![world.endpoint()]);
    eventually(&format!("the endpoint as before after {step}"), limit, || world.app.requests() > before);
    let unknown = SocketAddr::from((addresses::OUTSIDE, port));
    let asked = world.client.namespace.spawn(async move { tcp::connect(unknown).await });
    world.plane.wait_for_calls("OutboundPolicies/Watch", &unknown.to_string(), 1, limit).unwrap();
    drop(asked);
}

#[test]
fn a_root_is_replaced_under_the_control_plane_and_nothing_fails() {
    let world = meshed_with(|world| {
        let first = world.plane.authority();
        world.plane.set_bundle(&[&first]);
        world.plane.set_certify(Certify::Issue(LIFETIME));
        for pod in [&mut world.client, &mut world.server] {
            pod.config.set("IDENTITY_MIN_REFRESH", "1s");
        }
    });
    let (first, second) = (world.plane.authority(), Arc::new(Authority::new("the next root").unwrap()));
    let address = SocketAddr::from(([0, 0, 0, 0], 8081));
    let other = App::start(&world.server.namespace, address, "other").unwrap();
    assert_eq!(world.http1("/name").status, 200);
    let load = Load::start(&world);
    let pods = [&world.client, &world.server];
    let trusts = |what: &str, count: usize| {
        eventually(what, Duration::from_secs(10), || {
            pods.iter().all(|pod| {
                let anchors = anchors(pod);
                anchors.len() == count && anchors.contains(&"the next root".to_owned())
            })
        });
    };
    learns(&world, &other, 8101, "the start");

    // The new root is trusted by all, and nothing is signed with it.
    world.plane.present(&first, &[&first, &second]).unwrap();
    world.plane.set_bundle(&[&first, &second]);
    trusts("both roots", 2);
    learns(&world, &other, 8102, "the new bundle");

    // The servers of the control plane come up with certificates of the new root; proxies still have those of the old one.
    world.plane.present(&second, &[&first, &second]).unwrap();
    learns(&world, &other, 8103, "the new control plane");

    // What is renewed from now on is of the new root.
    let before = pods.map(refreshes);
    world.plane.set_authority(second.clone());
    eventually("certificates of the new root", LIFETIME * 4, || {
        pods.iter().zip(before).all(|(pod, before)| refreshes(pod) >= before + 2.0)
    });
    learns(&world, &other, 8104, "the new certificates");

    // The old root is gone everywhere.
    world.plane.set_bundle(&[&second]);
    trusts("the new root alone", 1);
    world.plane.present(&second, &[&second]).unwrap();
    learns(&world, &other, 8105, "the end of the old root");

    let (count, failed) = load.end(&world);
    assert!(
        failed.is_empty(),
        "{} of {count} requests failed: {:?}",
        failed.len(),
        &failed[..failed.len().min(5)]
    );
    assert!(count > 100, "{count} requests");
}
