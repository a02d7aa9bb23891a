//! Certificates: got, renewed, refused.

use std::sync::Arc;
use std::time::Duration;

use mesh_tests::mesh::{Authority, Certify};
use tonic::Code;

use crate::kit::{Calls, eventually, meshed_with, world};

#[test]
fn a_certificate_is_renewed_before_it_ends_and_nobody_notices() {
    let world = meshed_with(|world| {
        world.plane.set_certify(Certify::Issue(Duration::from_secs(6)));
        for pod in [&mut world.client, &mut world.server] {
            pod.config.set("IDENTITY_MIN_REFRESH", "1s");
        }
    });
    let server = world.server.identity.clone();
    for _ in 0..100 {
        assert_eq!(world.http1("/name").status, 200);
        std::thread::sleep(Duration::from_millis(100));
    }
    let times = world.plane.count("Identity/Certify", &server);
    assert!((2..=20).contains(&times), "{times} requests for a certificate in 10 s");
}

#[test]
fn a_refusal_is_asked_again_but_not_in_a_loop() {
    let mut world = world();
    world.plane.set_certify(Certify::Refuse(Code::Unavailable));
    world.client.start_proxy().unwrap();
    let identity = world.client.identity.clone();
    let plane = world.plane.clone();
    plane.wait_for_calls("Identity/Certify", &identity, 1, Duration::from_secs(10)).unwrap();
    std::thread::sleep(Duration::from_secs(3));
    let times = plane.count("Identity/Certify", &identity);
    assert!(times <= 40, "{times} requests for a certificate in 3 s");
    plane.set_certify(Certify::Issue(Duration::from_secs(3600)));
    world.client.proxy_mut().unwrap().wait_ready().unwrap();
}

#[test]
fn a_certificate_that_is_not_ours_is_not_taken() {
    let stranger = Arc::new(Authority::new("stranger").unwrap());
    for lie in [
        Certify::Foreign(stranger.clone()),
        Certify::WrongName("somebody.else.test".to_owned()),
        Certify::Garbage,
        Certify::Expired,
    ] {
        let mut world = world();
        world.plane.set_certify(lie.clone());
        world.client.start_proxy().unwrap();
        let identity = world.client.identity.clone();
        world.plane.wait_for_calls("Identity/Certify", &identity, 1, Duration::from_secs(10)).unwrap();
        std::thread::sleep(Duration::from_millis(500));
        let proxy = world.client.proxy_mut().unwrap();
        assert_eq!(proxy.admin("GET", "/ready").unwrap().0, 503, "{lie:?}");
        world.plane.set_certify(Certify::Issue(Duration::from_secs(3600)));
        world.client.proxy_mut().unwrap().wait_ready().unwrap();
    }
}

#[test]
fn what_is_valid_serves_on_while_renewals_fail() {
    let world = meshed_with(|world| {
        world.plane.set_certify(Certify::Issue(Duration::from_secs(12)));
        for pod in [&mut world.client, &mut world.server] {
            pod.config.set("IDENTITY_MIN_REFRESH", "1s");
        }
    });
    world.plane.set_certify(Certify::Refuse(Code::Internal));
    for _ in 0..80 {
        assert_eq!(world.http1("/name").status, 200);
        std::thread::sleep(Duration::from_millis(100));
    }
    world.plane.set_certify(Certify::Issue(Duration::from_secs(3600)));
    let identity = world.client.identity.clone();
    let before = world.plane.count("Identity/Certify", &identity);
    let plane = world.plane.clone();
    eventually("a renewal that works", Duration::from_secs(10), || {
        plane.count("Identity/Certify", &identity) > before
    });
    assert_eq!(world.http1("/name").status, 200);
}

#[test]
fn the_token_is_read_anew_each_time() {
    let mut world = world();
    let identity = world.client.identity.clone();
    world.plane.set_token(&identity, "the next token");
    world.client.start_proxy().unwrap();
    world.plane.wait_for_calls("Identity/Certify", &identity, 1, Duration::from_secs(10)).unwrap();
    let file = world.client.config.env["IDENTITY_TOKEN_FILE"].clone();
    std::fs::write(file, "the next token").unwrap();
    world.client.proxy_mut().unwrap().wait_ready().unwrap();
}

#[test]
fn a_changed_bundle_is_followed_without_a_restart() {
    let world = meshed_with(|world| {
        world.plane.set_certify(Certify::Issue(Duration::from_secs(5)));
        let first = world.plane.authority();
        world.plane.set_bundle(&[&first]);
        for pod in [&mut world.client, &mut world.server] {
            pod.config.set("IDENTITY_MIN_REFRESH", "1s");
        }
    });
    assert_eq!(world.http1("/name").status, 200);
    let (first, second) = (world.plane.authority(), Arc::new(Authority::new("the next root").unwrap()));
    world.plane.set_bundle(&[&first, &second]);
    std::thread::sleep(Duration::from_millis(500));
    world.plane.set_authority(second);
    // Longer than what the first authority has signed is valid.
    for _ in 0..90 {
        assert_eq!(world.http1("/name").status, 200);
        std::thread::sleep(Duration::from_millis(100));
    }
}
