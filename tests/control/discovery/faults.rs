//! What goes wrong in clusters, and what must not come of it.

use std::time::Duration;

use tonic::Code;

use crate::kit::{SOON, WEB, World, destination, pod, server, service, slice, web};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stuck_subscriber_holds_up_nobody_and_gets_one_difference() {
    // Flaw it answers: one proxy that stopped reading froze discovery for all; a bounded queue then cut streams off.
    let world = World::with(&[service("web", "10.0.0.1")]).await;
    let names: Vec<String> = (0..200).map(|n| format!("web-{n}")).collect();
    let ips: Vec<String> = (0..200).map(|n| format!("10.1.0.{n}")).collect();
    let pods: Vec<(&str, &str)> =
        names.iter().zip(&ips).map(|(name, ip)| (name.as_str(), ip.as_str())).collect();
    world.apply_all(&pods.iter().map(|(name, ip)| pod(name, ip)).collect::<Vec<_>>());
    // A window too small for one message: this connection is stuck until it reads.
    let channel = tonic::transport::Channel::from_shared(format!("http://{}", world.address)).unwrap();
    let channel = channel.initial_stream_window_size(1024).connect().await.unwrap();
    let mut stuck = linkerd2_proxy_api::destination::destination_client::DestinationClient::new(channel)
        .get(destination(WEB, ""))
        .await
        .unwrap()
        .into_inner();
    // Streams of one connection share its window; these are read one after another.
    let channel = tonic::transport::Channel::from_shared(format!("http://{}", world.address)).unwrap();
    let channel = channel.initial_connection_window_size(64 << 20).connect().await.unwrap();
    let client = linkerd2_proxy_api::destination::destination_client::DestinationClient::new(channel);
    let mut healthy = Vec::new();
    for _ in 0..1000 {
        let stream = client.clone().get(destination(WEB, "")).await.unwrap().into_inner();
        healthy.push(stream);
    }
    for round in 0..20 {
        let shown = &pods[round * 10..];
        world.apply(&slice("web-a", "web", shown));
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    world.apply(&slice("web-a", "web", &pods[..1]));
    for stream in &mut healthy {
        let last = async {
            let mut known = std::collections::BTreeSet::new();
            while known.len() != 1 || !known.contains(pods[0].1) {
                take(&mut known, stream.message().await.unwrap().expect("no stream is cut off"));
            }
        };
        tokio::time::timeout(SOON, last).await.expect("the healthy ones are up to date");
    }
    // The stuck one reads at last: what was under way, then one difference to now.
    let mut known = std::collections::BTreeSet::new();
    let mut messages = 0;
    while known.len() != 1 || !known.contains(pods[0].1) {
        let message =
            tokio::time::timeout(SOON, stuck.message()).await.unwrap().unwrap().expect("it was not cut off");
        take(&mut known, message);
        messages += 1;
    }
    assert!(messages <= 8, "{messages} messages: intermediate states were kept for it");
}

fn take(known: &mut std::collections::BTreeSet<String>, message: linkerd2_proxy_api::destination::Update) {
    use linkerd2_proxy_api::destination::update::Update;
    let ip = |address: linkerd2_proxy_api::net::TcpAddress| {
        std::net::SocketAddr::try_from(address).unwrap().ip().to_string()
    };
    match message.update.unwrap() {
        Update::Add(set) => known.extend(set.addrs.into_iter().map(|it| ip(it.addr.unwrap()))),
        Update::Remove(set) => {
            for address in set.addrs {
                known.remove(&ip(address));
            }
        }
        Update::NoEndpoints(_) => known.clear(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn made_up_authorities_leave_nothing_behind() {
    // Flaw it answers: arbitrary names made permanent entries in the indexes.
    let world = World::with(&[service("web", "10.0.0.1")]).await;
    let client = world.client().await;
    for batch in 0..20 {
        let calls = (0..500).map(|number| {
            let mut client = client.clone();
            async move {
                let path = format!("made-up-{batch}-{number}.shop.svc.cluster.local:{}", number + 1);
                client.get(destination(&path, "")).await.map(drop).unwrap_err().code()
            }
        });
        let codes = futures::future::join_all(calls).await;
        let other = codes.iter().find(|code| **code != Code::NotFound);
        assert_eq!(other, None);
    }
    // Addresses that nobody has are answered, and kept only while somebody listens.
    for number in 0..500 {
        let path = format!("10.99.{}.{}:80", number / 250, number % 250);
        world.profile(&path).await.next().await;
    }
    assert!(world.index.lock().figures().topics <= 501);
    let gone = async {
        while world.index.lock().figures().subscribers > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(SOON, gone).await.expect("streams end with their clients");
    let later = std::time::Instant::now() + Duration::from_secs(60);
    let mut index = world.index.lock();
    index.sweep(later);
    index.sweep(later + Duration::from_secs(60));
    assert_eq!(index.figures().topics, 0);
}

#[tokio::test]
async fn pods_made_again_under_the_same_name_are_the_new_ones() {
    let world = World::with(&web(&[("web-0", "10.1.0.1")])).await;
    let mut stream = world.get(WEB).await;
    stream.become_(&["10.1.0.1:8080"]).await;
    // The pod is new, the slice still has the old address: nobody is there.
    world.delete(&pod("web-0", "10.1.0.1"));
    world.apply(&pod("web-0", "10.1.0.9"));
    stream.become_(&[]).await;
    world.apply(&slice("web-a", "web", &[("web-0", "10.1.0.9")]));
    stream.become_(&["10.1.0.9:8080"]).await;
}

#[tokio::test]
async fn slices_before_pods_converge() {
    // Flaw it answers: an endpoint whose pod was not known yet was skipped until its slice changed.
    let world =
        World::with(&[service("web", "10.0.0.1"), slice("web-a", "web", &[("web-0", "10.1.0.1")])]).await;
    let mut stream = world.get(WEB).await;
    stream.become_(&[]).await;
    world.apply(&pod("web-0", "10.1.0.1"));
    stream.become_(&["10.1.0.1:8080"]).await;
}

#[tokio::test]
async fn one_slice_of_several_says_nothing_about_the_others() {
    // Flaw it answers: deleting one slice reported "no endpoints", and moves between slices lost addresses.
    let world = World::with(&[
        service("web", "10.0.0.1"),
        pod("web-0", "10.1.0.1"),
        pod("web-1", "10.1.0.2"),
        slice("web-a", "web", &[("web-0", "10.1.0.1")]),
        slice("web-b", "web", &[("web-1", "10.1.0.2")]),
    ])
    .await;
    let mut stream = world.get(WEB).await;
    stream.become_(&["10.1.0.1:8080", "10.1.0.2:8080"]).await;
    world.apply(&slice("web-b", "web", &[("web-0", "10.1.0.1"), ("web-1", "10.1.0.2")]));
    world.delete(&slice("web-a", "web", &[]));
    tokio::time::sleep(Duration::from_millis(200)).await;
    stream.silent().await;
    assert_eq!(stream.addresses(), ["10.1.0.1:8080", "10.1.0.2:8080"]);
}

#[tokio::test]
async fn a_shutdown_ends_streams_well_and_at_once() {
    let world = World::with(&[service("web", "10.0.0.1")]).await;
    let mut stream = world.get(WEB).await;
    stream.next().await;
    world.index.close();
    world.shutdown.send(true).unwrap();
    assert_eq!(stream.ending().await, Code::Ok);
}

#[tokio::test]
async fn a_neighbours_server_changes_nothing_here() {
    // Flaw it answers: Servers of other namespaces made ports opaque.
    let world = World::with(&web(&[("web-0", "10.1.0.1")])).await;
    let mut stream = world.get(WEB).await;
    stream.next().await;
    world.apply(&server("evil", "all", "opaque"));
    stream.silent().await;
    world.apply(&server("shop", "b", "opaque"));
    stream.next().await;
    assert!(stream.is_opaque("10.1.0.1:8080"));
    // Flaw it answers: a Server that went away, or selected others, left its mark.
    world.delete(&server("shop", "b", ""));
    stream.next().await;
    assert!(!stream.is_opaque("10.1.0.1:8080"));
}
