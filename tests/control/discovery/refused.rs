//! What only manifests can hold: an API server would refuse it, or leaves no doubt about what is older.

use std::time::Duration;

use serde_json::json;
use tonic::Code;

use crate::kit::{WEB, World, pod, server, service, slice, web};

#[tokio::test]
async fn of_servers_that_overlap_the_first_counts_whatever_comes_last() {
    // Flaw it answers: two Servers that overlap made the hint flip with each event; the first by age and name wins.
    let world = World::with(&web(&[("web-0", "10.1.0.1")])).await;
    let mut stream = world.get(WEB).await;
    stream.next().await;
    world.apply(&server("shop", "b", "opaque"));
    stream.next().await;
    assert!(stream.is_opaque("10.1.0.1:8080"));
    world.apply(&server("shop", "a", "HTTP/2"));
    stream.next().await;
    assert!(!stream.is_opaque("10.1.0.1:8080"));
    world.apply(&server("shop", "b", "opaque"));
    tokio::time::sleep(Duration::from_millis(100)).await;
    stream.silent().await;
    world.delete(&server("shop", "a", ""));
    stream.next().await;
    assert!(stream.is_opaque("10.1.0.1:8080"));
}

#[tokio::test]
async fn objects_that_cannot_be_read_keep_their_last_good_version() {
    // Flaw it answers: one object with an unknown value restarted the watch for ever.
    let world = World::with(&web(&[("web-0", "10.1.0.1")])).await;
    let mut stream = world.get(WEB).await;
    stream.next().await;
    let mut bad = service("web", "10.0.0.1");
    bad["spec"]["ports"] = json!("eighty");
    world.apply(&bad);
    stream.silent().await;
    world.apply(&pod("web-1", "10.1.0.2"));
    world.apply(&slice("web-a", "web", &[("web-1", "10.1.0.2")]));
    stream.become_(&["10.1.0.2:8080"]).await;
}

#[tokio::test]
async fn two_services_with_one_address_are_refused_in_few_words() {
    let world = World::with(&[service("web", "10.0.0.1"), service("other", "10.0.0.1")]).await;
    let Err(status) = world.profile_as("10.0.0.1:80", "").await else { panic!("answered") };
    assert_eq!(status.code(), Code::FailedPrecondition);
    assert!(status.message().contains("shop/web") && status.message().len() < 200, "{}", status.message());
}
