//! What the scenarios share.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use ::http::{Request, Version};
use linkerd2_proxy_api::destination::WeightedAddr;
use linkerd2_proxy_api::outbound::Backend;
use linkerd2_proxy_api::outbound::http_route::Rule;
use mesh_tests::artifact::{self, Profile};
use mesh_tests::mesh::answers::{self, Endpoint as _, outbound};
use mesh_tests::mesh::http::{self, Body, Reply};
use mesh_tests::mesh::{
    APP_PORT, Answer, App, Certify, Pod, Result, SERVICE_PORT, WEB, World, addresses, tcp,
};

/// The variable that names another binary for both pods.
const OTHER: &str = "LINKERD_PROXY_UNDER_TEST";

/// The variable that names another binary for the server pod, so that pairs are mixed.
const OTHER_SERVER: &str = "LINKERD_PROXY_UNDER_TEST_SERVER";

/// The authority of the service.
pub(crate) fn authority() -> String {
    format!("{WEB}:{SERVICE_PORT}")
}

/// The proxy of both pods.
fn binary() -> PathBuf {
    named(OTHER).unwrap_or_else(|| env!("CARGO_BIN_EXE_linkerd2-proxy").into())
}

fn named(variable: &str) -> Option<PathBuf> {
    #[expect(clippy::disallowed_methods, reason = "says which binary is tested")]
    std::env::var_os(variable).map(Into::into)
}

/// A world without proxies.
pub(crate) fn world() -> World {
    static INIT: OnceLock<PathBuf> = OnceLock::new();
    let init = INIT.get_or_init(|| artifact::build("proxy-init", "linkerd-init", Profile::Dev).unwrap());
    let mut world = World::new(&binary(), init).unwrap();
    if let Some(server) = named(OTHER_SERVER) {
        world.server.config.binary = server;
    }
    world
}

/// A world whose proxies are ready.
pub(crate) fn meshed() -> World {
    meshed_with(|_| {})
}

/// A world whose proxies are ready, after something was changed before they started.
pub(crate) fn meshed_with(change: impl FnOnce(&mut World)) -> World {
    let mut world = world();
    change(&mut world);
    world.start_proxies().unwrap();
    world
}

/// A second application at the server pod, behind the service `NAME.test.svc.cluster.local`: its name as a backend.
pub(crate) fn neighbour(world: &World, name: &str, port: u16) -> (App, Backend) {
    let app = App::start(&world.server.namespace, SocketAddr::from(([0, 0, 0, 0], port)), name).unwrap();
    let endpoint = answers::endpoint(SocketAddr::from((addresses::SERVER, port)))
        .meshed(&world.server.identity)
        .h2()
        .transport_header(4143);
    let service = format!("{name}.test.svc.cluster.local");
    world.plane.set_endpoints(&format!("{service}:{SERVICE_PORT}"), vec![endpoint]);
    (app, outbound::balancer(&service, SERVICE_PORT))
}

/// The port of applications at further addresses of the server pod.
pub(crate) const FURTHER_PORT: u16 = 8083;

/// A further address of the server pod, by its last octet: 4, 5 or 6.
fn further(octet: u8) -> SocketAddr {
    SocketAddr::from(([10, 7, 1, octet], FURTHER_PORT))
}

/// An application at a further address of the server pod; its name is `app-OCTET`.
pub(crate) fn app_at(world: &World, octet: u8) -> App {
    App::start(&world.server.namespace, further(octet), &format!("app-{octet}")).unwrap()
}

/// Its endpoint.
pub(crate) fn endpoint_at(world: &World, octet: u8) -> WeightedAddr {
    answers::endpoint(further(octet)).meshed(&world.server.identity).h2()
}

/// The backend that is the service itself.
pub(crate) fn web() -> Backend {
    outbound::balancer(WEB, SERVICE_PORT)
}

/// Gives the service these rules, and its own endpoints for whatever they leave.
pub(crate) fn script(world: &World, rules: Vec<Rule>) {
    let mut routes = vec![outbound::route("tested", rules)];
    routes.push(outbound::route("default", vec![outbound::rule(vec![], outbound::first(&web()))]));
    let policy = outbound::routed(WEB, SERVICE_PORT, routes, &web());
    world.plane.set_outbound(world.service(), Answer::Value(policy));
}

/// Has both proxies get certificates that are valid for so long, and renew them as often as each second.
pub(crate) fn short_lived(world: &mut World, lifetime: Duration) {
    world.plane.set_certify(Certify::Issue(lifetime));
    for pod in [&mut world.client, &mut world.server] {
        pod.config.set("IDENTITY_MIN_REFRESH", "1s");
    }
}

/// The state dump of a pod's proxy.
pub(crate) fn state(pod: &Pod) -> serde_json::Value {
    let (status, body) = pod.proxy().unwrap().admin("GET", "/state.json").unwrap();
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).unwrap()
}

/// What the proxy of the client says of an endpoint.
pub(crate) fn endpoint_state(world: &World, address: &str) -> Option<serde_json::Value> {
    let state = state(&world.client);
    let backends = state["workers"][0]["outbound"]["backends"].as_array().unwrap();
    let mut endpoints = backends.iter().flat_map(|backend| backend["endpoints"].as_array().unwrap());
    endpoints.find(|endpoint| endpoint["address"] == address).cloned()
}

/// The same request with further fields.
pub(crate) fn with_fields(mut request: Request<Body>, fields: &[(&str, &str)]) -> Request<Body> {
    for (name, value) in fields {
        let name: ::http::HeaderName = name.parse().unwrap();
        request.headers_mut().append(name, value.parse().unwrap());
    }
    request
}

/// A call of gRPC with an empty message.
pub(crate) fn call(path: &str, fields: &[(&str, &str)]) -> Request<Body> {
    let request = http::request(Version::HTTP_2, "POST", &authority(), path, vec![0; 5]).unwrap();
    with_fields(with_fields(request, &[("content-type", "application/grpc"), ("te", "trailers")]), fields)
}

/// Waits until something is so.
pub(crate) fn eventually(what: &str, limit: Duration, mut so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !so() {
        assert!(start.elapsed() < limit, "not within {limit:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Calls from the client pod to the service.
pub(crate) trait Calls {
    /// One request on a connection of its own.
    fn send(&self, version: Version, request: Request<Body>) -> Result<Reply>;
    /// A GET over HTTP/1, which has to be answered.
    fn http1(&self, path: &str) -> Reply;
    /// A GET over HTTP/2, which has to be answered.
    fn http2(&self, path: &str) -> Reply;
    /// Requests to the service at the same time on one connection of HTTP/2, in the order given.
    fn at_once(&self, requests: Vec<Request<Body>>) -> Vec<Reply>;
    /// Octets to the service, and all that comes back until the end.
    fn raw(&self, octets: &str) -> String;
    /// A GET from outside the mesh to the server pod.
    fn outsider(&self, version: Version, path: &str) -> Result<Reply>;
    /// The status that the admin server of the server pod has for somebody outside the mesh.
    fn admin_from_outside(&self, method: &str, path: &str) -> u16;
    /// What the application saw of a request.
    fn inspect(&self, version: Version, fields: &[(&str, &str)]) -> Seen;
}

/// A request as the application saw it.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) json: serde_json::Value,
    pub(crate) reply: Reply,
}

// === impl World ===

impl Calls for World {
    fn send(&self, version: Version, request: Request<Body>) -> Result<Reply> {
        let service = self.service();
        self.client.namespace.run(async move { http::fetch(service, version, request).await })
    }

    fn http1(&self, path: &str) -> Reply {
        self.send(Version::HTTP_11, http::get(Version::HTTP_11, &authority(), path).unwrap()).unwrap()
    }

    fn http2(&self, path: &str) -> Reply {
        self.send(Version::HTTP_2, http::get(Version::HTTP_2, &authority(), path).unwrap()).unwrap()
    }

    fn at_once(&self, requests: Vec<Request<Body>>) -> Vec<Reply> {
        let service = self.service();
        self.client.namespace.run(all(service, requests))
    }

    fn raw(&self, octets: &str) -> String {
        let (service, octets) = (self.service(), octets.as_bytes().to_vec());
        let answer = self.client.namespace.run(async move { tcp::ask(service, octets).await });
        String::from_utf8(answer.unwrap()).unwrap()
    }

    fn outsider(&self, version: Version, path: &str) -> Result<Reply> {
        let request = http::get(version, &authority(), path)?;
        self.control.run(async move { http::fetch(server_from_outside(), version, request).await })
    }

    fn admin_from_outside(&self, method: &str, path: &str) -> u16 {
        let to = SocketAddr::from((server_from_outside().ip(), 4191));
        let request = http::request(Version::HTTP_11, method, "x", path, "").unwrap();
        let reply = self.control.run(async move { http::fetch(to, Version::HTTP_11, request).await });
        reply.unwrap().status.as_u16()
    }

    fn inspect(&self, version: Version, fields: &[(&str, &str)]) -> Seen {
        let request = http::get(version, &authority(), "/inspect").unwrap();
        Seen::new(self.send(version, with_fields(request, fields)).unwrap())
    }
}

/// The time of day, since 1970.
pub(crate) fn unix_now() -> Duration {
    #[expect(clippy::disallowed_methods, reason = "proxies are compared with the clock of the machine")]
    let now = std::time::SystemTime::now();
    now.duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap()
}

/// Requests at the same time on one connection of HTTP/2.
pub(crate) async fn all(to: SocketAddr, requests: Vec<Request<Body>>) -> Vec<Reply> {
    let http::Client::Http2(sender) = http::Client::http2(to).await.unwrap() else { unreachable!() };
    let calls: Vec<_> = requests
        .into_iter()
        .map(|request| {
            let mut client = http::Client::Http2(sender.clone());
            tokio::spawn(async move { client.send(request).await.unwrap() })
        })
        .collect();
    let mut replies = Vec::with_capacity(calls.len());
    for call in calls {
        replies.push(call.await.unwrap());
    }
    replies
}

/// The same GET so many times.
pub(crate) fn gets(count: usize, path: &str) -> Vec<Request<Body>> {
    (0..count).map(|_| http::get(Version::HTTP_2, &authority(), path).unwrap()).collect()
}

/// The application's address for those outside the mesh.
pub(crate) fn server_from_outside() -> SocketAddr {
    SocketAddr::from(([10, 7, 3, 3], APP_PORT))
}

// === impl Seen ===

impl Seen {
    pub(crate) fn new(reply: Reply) -> Self {
        assert_eq!(reply.status, 200, "{reply:?}");
        Self { json: reply.json().unwrap(), reply }
    }

    /// The values of a field that the application saw.
    pub(crate) fn fields(&self, name: &str) -> Vec<&str> {
        let all = self.json["headers"].as_array().unwrap();
        let named = all.iter().filter(|pair| pair[0] == name);
        named.map(|pair| pair[1].as_str().unwrap()).collect()
    }

    /// A part of the request: `method`, `uri`, `version` or `body`.
    pub(crate) fn part(&self, name: &str) -> &str {
        self.json[name].as_str().unwrap_or_default()
    }
}
