//! Discovery against a scripted control plane.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use linkerd2_proxy_api::destination::{
    AddrSet, DestinationProfile, NoEndpoints, Update as Message, WeightedAddr, WeightedAddrSet, update,
};
use tokio::sync::{mpsc, watch};
use tonic::Status;

use super::client::{Client, ClientConfig};
use super::connect::{ClientAuth, Security};
use super::*;
use crate::config::{Config, Dns, Environment, Host, HostPort};
use crate::dns::Resolver;
use crate::identity::{Alpn, Id, State};
use crate::metrics::{
    ClientTls, ControlBalancer, ControlClient, ControlCounts, ControlKind, ControlMetrics, ControlRequests,
};
use crate::testing::Ca;
use crate::testing::plane::Plane;

fn config(plane: SocketAddr, more: &[(&str, &str)]) -> Config {
    let plane = plane.to_string();
    let mut variables = vec![
        ("DESTINATION_SVC_ADDR", plane.as_str()),
        ("DESTINATION_CONTEXT", "where"),
        ("DESTINATION_PROFILE_NETWORKS", "10.0.0.0/8"),
        ("POLICY_SVC_ADDR", plane.as_str()),
        ("POLICY_WORKLOAD", "who"),
        ("IDENTITY_SVC_ADDR", plane.as_str()),
        ("IDENTITY_DIR", "/nowhere"),
        ("IDENTITY_TOKEN_FILE", "/nowhere"),
        ("IDENTITY_LOCAL_NAME", "web.prod.example"),
    ];
    variables.extend(more);
    let variables =
        variables.into_iter().map(|(name, value)| (format!("LINKERD2_PROXY_{name}"), value.to_owned()));
    let anchors = ("LINKERD2_PROXY_IDENTITY_TRUST_ANCHORS".to_owned(), Ca::new("root").bundle_pem());
    Config::read(&variables.chain([anchors]).collect::<Environment>()).unwrap()
}

/// A worker that has whatever it was told in a queue.
struct Worker {
    discovery: Discovery,
    updates: mpsc::UnboundedReceiver<Update>,
}

impl Worker {
    async fn next(&mut self) -> Update {
        tokio::time::timeout(Duration::from_secs(20), self.updates.recv()).await.expect("an update").unwrap()
    }

    async fn endpoints(&mut self) -> EndpointsUpdate {
        match self.next().await {
            Update::Endpoints(_, update) => update,
            other => panic!("another update: {other:?}"),
        }
    }

    fn is_told_nothing(&mut self) -> bool {
        self.updates.try_recv().is_err()
    }
}

async fn start(plane: &Plane, workers: usize, more: &[(&str, &str)]) -> (Vec<Worker>, Inspector) {
    let config = config(plane.addr, more);
    let trust = Ca::new("root").trust();
    let (_, identity) = watch::channel(State { trust, credentials: None });
    let clients = Clients::spawn(
        &config,
        |_| Arc::new(Resolver::new(Dns::default())),
        &identity,
        &ControlCounts::of_test(crate::testing::now),
    )
    .unwrap();
    let (delivers, updates): (Vec<Deliver>, Vec<_>) = (0..workers)
        .map(|_| {
            let (sender, receiver) = mpsc::unbounded_channel();
            let deliver: Deliver = Box::new(move |update| sender.send(update).is_ok());
            (deliver, receiver)
        })
        .unzip();
    let hub = Hub::new(&config, clients, delivers);
    let workers = updates.into_iter().enumerate();
    let workers = workers.map(|(n, updates)| Worker { discovery: hub.discovery(n), updates }).collect();
    let inspector = hub.inspector();
    tokio::spawn(hub.run());
    (workers, inspector)
}

fn add(addresses: &[&str]) -> Result<Message, Status> {
    let addrs = addresses
        .iter()
        .map(|addr| WeightedAddr {
            addr: Some(addr.parse::<SocketAddr>().unwrap().into()),
            weight: 10_000,
            ..WeightedAddr::default()
        })
        .collect();
    let set = WeightedAddrSet { addrs, ..WeightedAddrSet::default() };
    Ok(Message { update: Some(update::Update::Add(set)) })
}

fn remove(addr: &str) -> Result<Message, Status> {
    let addrs = vec![addr.parse::<SocketAddr>().unwrap().into()];
    Ok(Message { update: Some(update::Update::Remove(AddrSet { addrs })) })
}

fn addresses(endpoints: &[Arc<crate::model::Endpoint>]) -> Vec<String> {
    let mut addresses: Vec<_> = endpoints.iter().map(|endpoint| endpoint.addr.to_string()).collect();
    addresses.sort_unstable();
    addresses
}

fn web() -> NameAddr {
    "web.prod.svc.cluster.local:80".parse().unwrap()
}

fn addr() -> Target {
    Target::Addr("10.1.2.3:80".parse().unwrap())
}

#[tokio::test]
async fn one_stream_serves_every_worker() {
    let mut plane = Plane::start().await;
    let (mut workers, inspector) = start(&plane, 2, &[]).await;
    workers[0].discovery.watch(Key::Endpoints(web()));
    let (request, open) = plane.endpoints().await;
    assert_eq!(
        (request.path.as_str(), request.context_token.as_str()),
        ("web.prod.svc.cluster.local:80", "where")
    );
    let stream = open.accept();
    stream.send(add(&["10.0.0.1:80", "10.0.0.2:80"])).unwrap();
    let EndpointsUpdate::Reset(all) = workers[0].endpoints().await else { panic!("the first is all") };
    assert_eq!(addresses(&all), ["10.0.0.1:80", "10.0.0.2:80"]);
    stream.send(add(&["10.0.0.3:80"])).unwrap();
    assert!(matches!(workers[0].endpoints().await, EndpointsUpdate::Add(_)));
    stream.send(remove("10.0.0.1:80")).unwrap();
    assert!(matches!(workers[0].endpoints().await, EndpointsUpdate::Remove(_)));

    workers[1].discovery.watch(Key::Endpoints(web()));
    let EndpointsUpdate::Reset(all) = workers[1].endpoints().await else { panic!("the first is all") };
    assert_eq!(addresses(&all), ["10.0.0.2:80", "10.0.0.3:80"]);
    let counts = inspector.counts().await;
    assert_eq!(counts.kinds[Kind::Endpoints as usize].watched, 1);
    assert_eq!(counts.kinds[Kind::Endpoints as usize].streams, 1);
    assert_eq!(counts.kinds[Kind::Endpoints as usize].messages, 3);
    let watched = inspector.watched().await;
    assert_eq!((watched[0].watchers, watched[0].known, watched[0].connected), (2, "found", true));
}

#[tokio::test]
async fn a_key_is_forgotten_with_the_last_who_watches_it() {
    let mut plane = Plane::start().await;
    let (workers, inspector) = start(&plane, 2, &[]).await;
    for worker in &workers {
        worker.discovery.watch(Key::Endpoints(web()));
    }
    let stream = plane.endpoints().await.1.accept();
    workers[0].discovery.forget(Key::Endpoints(web()));
    assert_eq!(inspector.watched().await.len(), 1);
    workers[1].discovery.forget(Key::Endpoints(web()));
    tokio::time::timeout(Duration::from_secs(20), stream.closed()).await.expect("the stream ends");
    assert!(inspector.watched().await.is_empty());
}

#[tokio::test]
async fn the_last_good_state_outlives_the_control_plane() {
    let mut plane = Plane::start().await;
    let (mut workers, inspector) = start(&plane, 1, &[]).await;
    workers[0].discovery.watch(Key::Endpoints(web()));
    let stream = plane.endpoints().await.1.accept();
    stream.send(add(&["10.0.0.1:80", "10.0.0.2:80"])).unwrap();
    workers[0].endpoints().await;
    let at = plane.addr;
    plane.stop().await;
    down(&inspector).await;
    let state = &inspector.watched().await[0];
    assert_eq!(state.known, "found");
    assert!(state.last_error.is_some() && state.age.is_some());
    assert!(workers[0].is_told_nothing());

    // What comes first after it is all there is.
    let mut plane = Plane::start_at(at).await;
    let stream = plane.endpoints().await.1.accept();
    stream.send(add(&["10.0.0.2:80"])).unwrap();
    let EndpointsUpdate::Reset(all) = workers[0].endpoints().await else { panic!("the first is all") };
    assert_eq!(addresses(&all), ["10.0.0.2:80"]);
    assert!(inspector.watched().await[0].connected);
}

/// Waits until every stream is down.
async fn down(inspector: &Inspector) {
    tokio::time::timeout(Duration::from_secs(20), async {
        while inspector.watched().await.iter().any(|state| state.connected) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .expect("it is noticed");
}

#[tokio::test]
async fn what_is_forgotten_while_the_control_plane_is_gone_stays_known() {
    let mut plane = Plane::start().await;
    let (mut workers, inspector) = start(&plane, 1, &[]).await;
    workers[0].discovery.watch(Key::Endpoints(web()));
    let stream = plane.endpoints().await.1.accept();
    stream.send(add(&["10.0.0.1:80"])).unwrap();
    workers[0].endpoints().await;
    let at = plane.addr;
    plane.stop().await;
    down(&inspector).await;
    workers[0].discovery.forget(Key::Endpoints(web()));
    let state = &inspector.watched().await[0];
    assert_eq!((state.watchers, state.known, state.connected), (0, "found", false));
    assert_eq!(inspector.counts().await.kinds[Kind::Endpoints as usize].stale, 1);
    workers[0].discovery.watch(Key::Endpoints(web()));
    let EndpointsUpdate::Reset(all) = workers[0].endpoints().await else { panic!("the first is all") };
    assert_eq!(addresses(&all), ["10.0.0.1:80"]);

    // Once it can be learned again there is no reason to keep it.
    workers[0].discovery.forget(Key::Endpoints(web()));
    let mut plane = Plane::start_at(at).await;
    let stream = plane.endpoints().await.1.accept();
    assert_eq!(inspector.watched().await.len(), 1, "a stream that is open has said nothing yet");
    stream.send(add(&["10.0.0.2:80"])).unwrap();
    tokio::time::timeout(Duration::from_secs(20), stream.closed()).await.expect("the stream ends");
    assert!(inspector.watched().await.is_empty());
    assert!(workers[0].is_told_nothing());
}

#[tokio::test]
async fn no_more_is_kept_than_the_capacity_and_the_newest_stay() {
    let mut plane = Plane::start().await;
    let (mut workers, inspector) = start(&plane, 1, &[("OUTBOUND_ROUTER_CAPACITY", "1")]).await;
    for port in 1..=5 {
        workers[0].discovery.watch(Key::Inbound(port));
        plane.inbound().await.1.refuse(Status::not_found("none"));
        workers[0].next().await;
    }
    workers[0].discovery.watch(Key::Endpoints(web()));
    let stream = plane.endpoints().await.1.accept();
    stream.send(add(&["10.0.0.1:80"])).unwrap();
    workers[0].endpoints().await;
    // What was answered by a status can be asked for again.
    for port in 1..=5 {
        workers[0].discovery.forget(Key::Inbound(port));
    }
    assert_eq!(inspector.watched().await.len(), 1);
    let mut held = Vec::new();
    let profile = |port| Key::Profile(Target::Addr(([10, 1, 2, 3], port).into()));
    for port in 1..=5 {
        workers[0].discovery.watch(profile(port));
        let stream = plane.profile().await.1.accept();
        stream.send(Ok(DestinationProfile::default())).unwrap();
        workers[0].next().await;
        held.push(stream);
    }
    plane.stop().await;
    down(&inspector).await;
    for port in 1..=5 {
        workers[0].discovery.forget(profile(port));
    }
    let watched = inspector.watched().await;
    let mut kept: Vec<_> =
        watched.iter().filter(|it| it.watchers == 0).map(|it| it.key.to_string()).collect();
    kept.sort_unstable();
    let expected = ["profile of 10.1.2.3:3", "profile of 10.1.2.3:4", "profile of 10.1.2.3:5"];
    assert_eq!(kept, expected, "three keys are one destination");
    assert_eq!(watched.len(), 4);
}

#[tokio::test]
async fn the_same_again_after_a_reconnect_is_no_news() {
    let mut plane = Plane::start().await;
    let (mut workers, _) = start(&plane, 1, &[]).await;
    workers[0].discovery.watch(Key::Endpoints(web()));
    let stream = plane.endpoints().await.1.accept();
    stream.send(add(&["10.0.0.1:80"])).unwrap();
    workers[0].endpoints().await;
    stream.send(Err(Status::unavailable("rolling update"))).unwrap();
    let stream = plane.endpoints().await.1.accept();
    stream.send(add(&["10.0.0.1:80"])).unwrap();
    stream
        .send(Ok(Message { update: Some(update::Update::NoEndpoints(NoEndpoints { exists: false })) }))
        .unwrap();
    assert!(matches!(workers[0].endpoints().await, EndpointsUpdate::DoesNotExist));
}

#[tokio::test]
async fn a_message_that_cannot_be_used_leaves_the_old_state() {
    let mut plane = Plane::start().await;
    let (mut workers, inspector) = start(&plane, 1, &[]).await;
    workers[0].discovery.watch(Key::Endpoints(web()));
    let stream = plane.endpoints().await.1.accept();
    stream.send(add(&["10.0.0.1:80"])).unwrap();
    workers[0].endpoints().await;
    stream.send(add(&["10.0.0.2:0"])).unwrap();
    stream.send(Ok(Message { update: None })).unwrap();
    stream.send(add(&["10.0.0.3:80"])).unwrap();
    let EndpointsUpdate::Add(added) = workers[0].endpoints().await else { panic!("only the good one") };
    assert_eq!(addresses(&added), ["10.0.0.3:80"]);
    let counts = inspector.counts().await;
    let invalid: Vec<_> = counts.invalid.iter().map(|(kind, reason, n)| (*kind, *reason, *n)).collect();
    assert_eq!(invalid.len(), 2, "{invalid:?}");
    assert!(invalid.iter().all(|(kind, _, n)| (*kind, *n) == (Kind::Endpoints, 1)));
}

#[tokio::test]
async fn a_first_policy_that_cannot_be_used_is_a_refusal() {
    let mut plane = Plane::start().await;
    let (mut workers, _) = start(&plane, 1, &[]).await;
    workers[0].discovery.watch(Key::Outbound(addr()));
    let (request, open) = plane.outbound().await;
    assert_eq!(request.source_workload, "who");
    open.accept().send(Ok(Default::default())).unwrap();
    let update = workers[0].next().await;
    assert!(matches!(update, Update::Outbound(_, Answer::Rejected("invalid_message"))), "{update:?}");
}

#[tokio::test]
async fn statuses_are_answers() {
    let mut plane = Plane::start().await;
    let (mut workers, _) = start(&plane, 1, &[]).await;
    let mut ask = async |key: Key| {
        workers[0].discovery.watch(key);
        workers[0].next().await
    };
    let refuse = async |plane: &mut Plane, code| match plane.next().await {
        crate::testing::plane::Call::Outbound(_, open) => open.refuse(Status::new(code, "")),
        crate::testing::plane::Call::Inbound(_, open) => open.refuse(Status::new(code, "")),
        crate::testing::plane::Call::Profile(_, open) => open.refuse(Status::new(code, "")),
        _ => panic!("another call"),
    };
    let (update, ()) = tokio::join!(ask(Key::Outbound(addr())), refuse(&mut plane, tonic::Code::NotFound));
    assert!(matches!(update, Update::Outbound(_, Answer::NotFound)), "{update:?}");
    let key = Key::Outbound(Target::Name(web()));
    let (update, ()) = tokio::join!(ask(key), refuse(&mut plane, tonic::Code::Unimplemented));
    assert!(matches!(update, Update::Outbound(_, Answer::NotFound)), "{update:?}");
    let (update, ()) = tokio::join!(ask(Key::Inbound(80)), refuse(&mut plane, tonic::Code::InvalidArgument));
    assert!(matches!(update, Update::Inbound(80, Answer::Rejected("invalid_argument"))), "{update:?}");
    let (update, ()) =
        tokio::join!(ask(Key::Profile(addr())), refuse(&mut plane, tonic::Code::InvalidArgument));
    assert!(matches!(update, Update::Profile(_, Answer::NotFound)), "{update:?}");
}

#[tokio::test]
async fn profiles_are_looked_up_for_the_cluster_alone() {
    let mut plane = Plane::start().await;
    let (mut workers, _) = start(&plane, 1, &[]).await;
    for outside in
        [Target::Addr("192.0.2.1:80".parse().unwrap()), Target::Name("example.com:80".parse().unwrap())]
    {
        workers[0].discovery.watch(Key::Profile(outside));
        assert!(matches!(workers[0].next().await, Update::Profile(_, Answer::NotFound)));
    }
    workers[0].discovery.watch(Key::Profile(addr()));
    let (request, open) = plane.profile().await;
    assert_eq!(request.path, "10.1.2.3:80");
    open.accept().send(Ok(DestinationProfile { opaque_protocol: true, ..Default::default() })).unwrap();
    let Update::Profile(_, Answer::Found(profile)) = workers[0].next().await else { panic!("a profile") };
    assert!(profile.opaque);
}

#[tokio::test]
async fn endpoints_are_looked_up_for_the_names_that_are_given() {
    let mut plane = Plane::start().await;
    let (mut workers, _) = start(&plane, 1, &[("DESTINATION_GET_SUFFIXES", "svc.cluster.local.")]).await;
    workers[0].discovery.watch(Key::Endpoints("example.com:80".parse().unwrap()));
    assert_eq!(workers[0].endpoints().await, EndpointsUpdate::DoesNotExist);
    workers[0].discovery.watch(Key::Endpoints(web()));
    assert_eq!(plane.endpoints().await.0.path, web().to_string(), "the first that is asked for");
}

#[tokio::test]
async fn known_ports_are_watched_from_the_start_and_never_forgotten() {
    let mut plane = Plane::start().await;
    let (workers, inspector) = start(&plane, 1, &[("INBOUND_PORTS", "8080,9000-9001")]).await;
    let mut ports = Vec::new();
    for _ in 0..3 {
        let (request, open) = plane.inbound().await;
        assert_eq!(request.workload, "who");
        ports.push(request.port);
        std::mem::forget(open);
    }
    ports.sort_unstable();
    assert_eq!(ports, [8080, 9000, 9001]);
    workers[0].discovery.watch(Key::Inbound(8080));
    workers[0].discovery.forget(Key::Inbound(8080));
    assert_eq!(inspector.watched().await.len(), 3);
}

#[tokio::test]
async fn a_worker_that_was_full_is_told_everything_later() {
    let mut plane = Plane::start().await;
    let config = config(plane.addr, &[]);
    let trust = Ca::new("root").trust();
    let (_, identity) = watch::channel(State { trust, credentials: None });
    let clients = Clients::spawn(
        &config,
        |_| Arc::new(Resolver::new(Dns::default())),
        &identity,
        &ControlCounts::of_test(crate::testing::now),
    )
    .unwrap();
    let full = Arc::new(AtomicBool::new(true));
    let (sender, mut updates) = mpsc::unbounded_channel();
    let deliver: Deliver = Box::new({
        let full = full.clone();
        move |update| !full.load(Ordering::Relaxed) && sender.send(update).is_ok()
    });
    let hub = Hub::new(&config, clients, vec![deliver]);
    let (discovery, inspector) = (hub.discovery(0), hub.inspector());
    tokio::spawn(hub.run());
    discovery.watch(Key::Endpoints(web()));
    let stream = plane.endpoints().await.1.accept();
    stream.send(add(&["10.0.0.1:80"])).unwrap();
    stream.send(add(&["10.0.0.2:80"])).unwrap();
    while inspector.counts().await.kinds[Kind::Endpoints as usize].messages < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    full.store(false, Ordering::Relaxed);
    let update = tokio::time::timeout(Duration::from_secs(20), updates.recv()).await.unwrap().unwrap();
    let Update::Endpoints(_, EndpointsUpdate::Reset(all)) = update else { panic!("everything: {update:?}") };
    assert_eq!(addresses(&all), ["10.0.0.1:80", "10.0.0.2:80"]);
}

#[tokio::test]
async fn more_streams_than_a_connection_carries_are_spread() {
    let mut plane = Plane::start().await;
    let (workers, inspector) = start(&plane, 1, &[]).await;
    let mut held = Vec::new();
    for port in 1..=200 {
        workers[0].discovery.watch(Key::Inbound(port));
        held.push(plane.inbound().await.1.accept());
    }
    while inspector.counts().await.kinds[Kind::Inbound as usize].streams < 200 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(held.iter().all(|stream| !stream.is_closed()));
}

#[tokio::test]
async fn the_control_plane_has_to_prove_who_it_is() {
    let ca = Ca::new("root");
    let (us, them) = (Id::dns("web.prod.example").unwrap(), Id::dns("dst.linkerd.example").unwrap());
    let mut plane = Plane::start_tls(ca.credentials(&them).server_config(Alpn::None)).await;
    let (state, identity) = watch::channel(State { trust: ca.trust(), credentials: None });
    let client = |peer: &Id| {
        let security = Security::Tls {
            peer: peer.clone(),
            server_name: rustls_pki_types::ServerName::try_from(peer.to_string()).unwrap(),
            identity: identity.clone(),
            client: ClientAuth::Required,
        };
        let target = HostPort { host: Host::Addr(plane.addr.ip()), port: plane.addr.port(), absolute: true };
        let config = ClientConfig {
            target,
            security,
            connect_timeout: Duration::from_secs(5),
            backoff: proxy_net::backoff::Backoff::default(),
            requests: ControlRequests::new(
                ControlMetrics::default(),
                ControlClient { addr: "test", tls: ClientTls::Disabled },
            ),
            balancer: ControlBalancer::new(
                &ControlCounts::of_test(crate::testing::now),
                ControlKind::Destination,
                "test",
                Duration::ZERO,
            ),
        };
        Client::spawn(config, Arc::new(Resolver::new(Dns::default())))
    };
    let (right, wrong) = (client(&them), client(&us));
    let call = |client: Client| {
        let mut service = linkerd2_proxy_api::destination::destination_client::DestinationClient::new(client);
        tokio::spawn(async move {
            service.get(linkerd2_proxy_api::destination::GetDestination::default()).await.map(drop)
        })
    };
    let (right_call, wrong_call) = (call(right.clone()), call(wrong.clone()));
    assert!(
        plane.is_quiet_for(Duration::from_millis(200)).await,
        "nothing is sent before there is an identity"
    );
    state.send_replace(State { trust: ca.trust(), credentials: Some(Arc::new(ca.credentials(&us))) });
    let (_, open) = plane.endpoints().await;
    open.accept();
    right_call.await.unwrap().unwrap();
    while wrong.state().failures == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    wrong_call.abort();
    let error = wrong.state().last_error.unwrap();
    assert!(error.contains("TLS with web.prod.example"), "{error}");
    assert_eq!(right.state().connects, 1);
}
