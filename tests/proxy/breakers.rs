//! Endpoints that are left alone for a while: how long, and how they come back.

use std::time::{Duration, Instant};

use linkerd2_proxy_api::outbound::failure_accrual::{Kind, Unified};
use linkerd2_proxy_api::outbound::{EjectionConfig, FailureAccrual};
use mesh_tests::mesh::answers::{duration, outbound};
use mesh_tests::mesh::{Answer, App, SERVICE_PORT, WEB, World};

use crate::kit::{
    Calls, FURTHER_PORT, app_at, authority, endpoint_at, endpoint_state, eventually, gets, meshed_with,
};

/// A world whose service has two endpoints with breakers; both are connected to, and the first will fail.
fn world(accrual: FailureAccrual) -> (World, [App; 2]) {
    let world = meshed_with(|world| {
        let policy = outbound::breaking(WEB, SERVICE_PORT, accrual);
        world.plane.set_outbound(world.service(), Answer::Value(policy));
    });
    let apps = [4, 5].map(|octet| app_at(&world, octet));
    world.plane.set_endpoints(&authority(), [4, 5].map(|octet| endpoint_at(&world, octet)).into());
    eventually("requests to both", Duration::from_secs(20), || {
        world.at_once(gets(10, "/slow/20"));
        apps.iter().all(|app| app.requests() > 3)
    });
    (world, apps)
}

/// How long the endpoint with this address is shut out, as the state dump says.
fn shut_for(world: &World, octet: u8) -> Option<f64> {
    endpoint_state(world, &format!("10.7.1.{octet}:{FURTHER_PORT}"))?["shut_for_seconds"].as_f64()
}

fn consecutive(min: Duration, max: Duration, respect_hint: bool) -> FailureAccrual {
    let mut accrual = outbound::consecutive_failures(3, min, max);
    if let Some(Kind::ConsecutiveFailures(it)) = &mut accrual.kind
        && let Some(backoff) = &mut it.backoff
    {
        backoff.respect_retry_after_hint = respect_hint;
    }
    accrual
}

#[test]
fn an_endpoint_is_left_alone_as_long_as_it_asks() {
    // The hint is longer than the first wait would be, and within its bounds.
    let (world, apps) = world(consecutive(Duration::from_millis(200), Duration::from_secs(60), true));
    apps[0].set_retry_after(4);
    apps[0].set_status(503);
    eventually("an endpoint that is shut out", Duration::from_secs(20), || {
        world.at_once(gets(6, "/slow/20"));
        shut_for(&world, 4).is_some()
    });
    let start = Instant::now();
    let left = shut_for(&world, 4).unwrap();
    assert!((1.0..=4.0).contains(&left), "{left} s");
    apps[0].set_status(0);
    let before = apps[0].requests();
    while start.elapsed().as_secs_f64() < left - 0.5 {
        let replies = world.at_once(gets(4, "/name"));
        assert!(replies.iter().all(|reply| reply.header("x-server") == Some("app-5")), "{replies:?}");
        assert_eq!(apps[0].requests(), before, "{:?} of {left} s", start.elapsed());
    }
    eventually("requests after the wait", Duration::from_secs(20), || {
        world.at_once(gets(10, "/slow/20"));
        apps[0].requests() > before + 5
    });
    assert_eq!(shut_for(&world, 4), None);
}

#[test]
fn one_request_at_a_time_tries_an_endpoint_that_was_shut_out() {
    let (world, apps) = world(consecutive(Duration::from_millis(600), Duration::from_secs(60), false));
    apps[0].set_status(503);
    // Not after the endpoint is shut out.
    let mut start = Instant::now();
    eventually("an endpoint that is shut out", Duration::from_secs(20), || {
        start = Instant::now();
        world.at_once(gets(6, "/slow/20"));
        shut_for(&world, 4).is_some()
    });
    let before = apps[0].requests();
    let mut failures = 0;
    while start.elapsed() < Duration::from_secs(4) {
        let replies = world.at_once(gets(20, "/slow/20"));
        failures += replies.iter().filter(|reply| reply.status == 503).count();
    }
    let trials = apps[0].requests() - before;
    // Trials fail, and each wait is twice as long as the one before. The last round may have taken its time.
    let took = start.elapsed();
    let most = [600, 1800, 4200, 9000].map(Duration::from_millis).iter().filter(|at| **at <= took).count();
    assert!((1..=most).contains(&trials), "{trials} trials in {took:?}");
    assert_eq!(failures, trials, "only trials may fail");
    // A trial that goes well is the end of it.
    apps[0].set_status(0);
    eventually("an endpoint that is back", Duration::from_secs(20), || {
        world.at_once(gets(10, "/slow/20"));
        apps[0].requests() > before + trials + 10
    });
}

#[test]
fn too_few_successes_shut_an_endpoint_out() {
    let unified = Unified {
        success_rate_threshold: 0.8,
        decay: duration(Duration::from_secs(10)),
        min_requests: 20,
        max_consecutive_failures: 0,
        backoff: Some(outbound::backoff(Duration::from_secs(60), Duration::from_secs(120))),
    };
    let (world, apps) = world(FailureAccrual { kind: Some(Kind::Unified(unified)), ejection: None });
    // A third of its requests fail, never many in a row.
    eventually("an endpoint that is shut out", Duration::from_secs(30), || {
        apps[0].fail_next(3);
        world.at_once(gets(20, "/slow/20"));
        shut_for(&world, 4).is_some()
    });
    assert_eq!(shut_for(&world, 5), None);
    apps[0].fail_next(0);
    let before = apps[0].requests();
    assert!(world.at_once(gets(40, "/name")).iter().all(|reply| reply.status == 200));
    assert_eq!(apps[0].requests(), before);
}

#[test]
fn so_many_endpoints_stay_in_use_whatever_happens() {
    let mut accrual = consecutive(Duration::from_secs(60), Duration::from_secs(120), false);
    accrual.ejection = Some(EjectionConfig { min_ready_endpoints: 1 });
    let (world, apps) = world(accrual);
    for app in &apps {
        app.set_status(500);
    }
    eventually("an endpoint that is shut out", Duration::from_secs(20), || {
        world.at_once(gets(10, "/slow/20"));
        shut_for(&world, 4).is_some() || shut_for(&world, 5).is_some()
    });
    for _ in 0..5 {
        let replies = world.at_once(gets(10, "/slow/20"));
        assert!(
            replies.iter().all(|reply| reply.status == 500 && reply.header("x-server").is_some()),
            "{replies:?}"
        );
    }
    assert!(shut_for(&world, 4).is_none() || shut_for(&world, 5).is_none());
}
