//! Tap with real proxies on every hop: a user asks the API server, the component asks through the proxy of its own pod, and
//! the proxies of two other pods report to it alone.
//!
//! `LINKERD_PROXY_UNDER_TEST` names another binary, as in `interop`.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use futures::StreamExt;
use jiff::Timestamp;
use linkerd2_proxy_api::tap::tap_client::TapClient;
use linkerd2_proxy_api::tap::tap_event::{self, ProxyDirection, http};
use linkerd2_proxy_api::tap::{ObserveRequest, TapEvent};
use mesh_tests::cluster::Forward;
use mesh_tests::mesh::{Pod, addresses};
use serde_json::json;

use crate::identity::name_of;
use crate::interop::{Led, Pair, lead};
use crate::kit::{ADDRESS, Lab, NAMESPACE, PATIENCE, eventually, run};
use crate::tap::{Component, frames, path, question};

/// Where the component's pod is.
const IP: Ipv4Addr = Ipv4Addr::new(10, 7, 4, 2);
/// Where proxies are tapped.
const CONTROL: u16 = 4190;

/// The component in a pod with a proxy.
struct TapPod {
    /// First, so that the component ends before its network.
    component: Component,
    pod: Pod,
    _led: Led,
    _ways: [Forward; 2],
}

impl TapPod {
    fn start(pair: &Pair) -> Self {
        let lab = pair.lab;
        lab.pod(NAMESPACE, "linkerd-tap-i", &json!({}), IP);
        let mut pod = pair.world.pod("tap", &pair.programs.proxy, &pair.programs.init, IP).unwrap();
        let led = lead(lab, &mut pod, pair.components(), (NAMESPACE, "linkerd-tap-i", "linkerd-tap"));
        pod.start_proxy().unwrap().wait_ready().unwrap();
        // The API server has one address, in here and out there.
        let api: SocketAddr = lab.cluster.server().trim_start_matches("https://").parse().unwrap();
        let network = lab.network_path();
        let to_api = pod.namespace.call(move || Forward::start(api.port(), &network, api)).unwrap();
        let component = pod.namespace.call(move || Component::launch(lab, Ipv4Addr::UNSPECIFIED, CONTROL));
        let target = SocketAddr::from((Ipv4Addr::LOCALHOST, component.port));
        let from_api = SocketAddr::from((ADDRESS, component.port));
        let from_api = Forward::at(from_api, &pod.namespace.path(), target).unwrap();
        component.serve(lab);
        Self { component, pod, _led: led, _ways: [to_api, from_api] }
    }
}

/// What is told of a request to `/name`, and of its end, by a proxy on this side.
async fn seen(pair: &Pair, pod: &str, side: ProxyDirection) -> (TapEvent, http::ResponseEnd) {
    let client = pair.lab.client().await;
    let body = kube::client::Body::from(question(&pair.namespace, "pod", pod, 100.0));
    let request = ::http::Request::post(path(&pair.namespace, "pods", pod)).body(body).unwrap();
    let response = client.send(request).await.unwrap();
    assert_eq!(response.status(), 200);
    let mut body = http_body_util::BodyDataStream::new(response.into_body());
    let (mut bytes, mut begun, mut all) = (Vec::new(), None, Vec::new());
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while tokio::time::Instant::now() < deadline {
        assert_eq!(pair.get("/name").0, 200);
        if let Ok(chunk) = tokio::time::timeout(Duration::from_millis(200), body.next()).await {
            bytes.extend_from_slice(&chunk.expect("the stream ended").unwrap());
        }
        for event in frames(&mut bytes).into_iter().filter(|event| event.proxy_direction() == side) {
            let Some(tap_event::Event::Http(of_http)) = &event.event else { continue };
            match of_http.event.clone().unwrap() {
                http::Event::RequestInit(init) if init.path == "/name" => begun = Some((init.id, event)),
                http::Event::ResponseEnd(end) if begun.as_ref().is_some_and(|(id, _)| *id == end.id) => {
                    return (begun.unwrap().1, end);
                }
                other => all.push(other),
            }
        }
    }
    panic!("no request with its end within {PATIENCE:?}: {begun:?} {all:?}");
}

#[test]
fn requests_are_seen_through_proxies_on_every_hop() {
    // An API service leads to one component: this one has a cluster of its own, which ends with the process.
    let lab: &'static Lab = Box::leak(Box::new(Lab::set_up(Timestamp::now(), &json!({}))));
    let pair = Pair::start(lab);
    eventually("the client reaches the server by the Service", || {
        (pair.get("/name") == (200, "web".to_owned())).then_some(())
    });
    let tap = TapPod::start(&pair);

    let account = name_of("default", &pair.namespace);
    let (begun, ended) = run(seen(&pair, "server", ProxyDirection::Inbound));
    let label = |of: &Option<tap_event::EndpointMeta>, name: &str| {
        of.as_ref().and_then(|meta| meta.labels.get(name)).cloned().unwrap_or_default()
    };
    assert_eq!(label(&begun.source_meta, "pod"), "client", "{begun:?}");
    assert_eq!(label(&begun.source_meta, "tls"), "true", "{begun:?}");
    assert_eq!(label(&begun.source_meta, "client_id"), account, "{begun:?}");
    assert_eq!(label(&begun.destination_meta, "pod"), "server", "{begun:?}");
    assert!(ended.response_bytes >= 3 && ended.since_request_init.is_some(), "{ended:?}");
    let (begun, _) = run(seen(&pair, "client", ProxyDirection::Outbound));
    assert_eq!(label(&begun.destination_meta, "server_id"), account, "{begun:?}");
    assert_eq!(label(&begun.destination_meta, "service"), "web", "{begun:?}");

    // The way there was the mesh's: the proxy of the component's pod knows both of those it spoke to.
    let metrics = tap.pod.proxy().unwrap().metrics().unwrap();
    let mutual = [("direction", "outbound"), ("tls", "true"), ("server_id", account.as_str())];
    assert!(metrics.sum("request_total", &mutual) >= 2.0, "{metrics}");
    assert!(tap.component.process.log().contains("tap begins"));
    // Whoever is not the component is told nothing, though it is of the mesh.
    let observed = pair.world.client.namespace.run(async {
        let server = format!("http://{}:{CONTROL}", addresses::SERVER);
        let channel = tonic::transport::Endpoint::from_shared(server).unwrap().connect().await.unwrap();
        TapClient::new(channel)
            .observe(ObserveRequest { limit: 1, ..ObserveRequest::default() })
            .await
            .map(drop)
    });
    let refused = observed.unwrap_err();
    assert_ne!(refused.code(), tonic::Code::Ok, "{refused:?}");
}
