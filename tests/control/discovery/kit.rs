//! A control plane in this process, a cluster to feed it, and clients.

pub(crate) mod api;
pub(crate) mod between;
pub(crate) mod followed;
pub(crate) mod remote;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use linkerd2_proxy_api::destination::destination_client::DestinationClient;
use linkerd2_proxy_api::destination::protocol_hint::Protocol;
use linkerd2_proxy_api::destination::{DestinationProfile, GetDestination, Update, WeightedAddr, update};
use linkerd2_proxy_api::inbound;
use linkerd2_proxy_api::inbound::inbound_server_policies_client::InboundServerPoliciesClient;
use linkerd2_proxy_api::outbound::outbound_policies_client::OutboundPoliciesClient;
use linkerd2_proxy_api::outbound::{OutboundPolicy, TrafficSpec, traffic_spec};
use mesh_control::config::Config;
use mesh_control::grpc::{Api, Limits, serve};
use mesh_control::index::shared::Shared;
use mesh_control::runtime::Registry;
use mesh_control::source::kube::Counters;
use mesh_control::source::{self, files};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tonic::transport::Channel;
use tonic::{Code, Streaming};

/// The Service `web` of namespace `shop`, by its name.
pub(crate) const WEB: &str = "web.shop.svc.cluster.local:80";
/// How long anything may take that should happen at once.
pub(crate) const SOON: Duration = Duration::from_secs(5);
/// How long nothing is waited for.
pub(crate) const QUIET: Duration = Duration::from_millis(200);

/// Where the cluster of all tests of a program is; each program says it as `PLACE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// A directory of manifests.
    Files,
    /// A real API server.
    ApiServer,
}

/// A control plane, and the cluster it knows.
pub(crate) struct World {
    pub(crate) index: Shared,
    pub(crate) address: SocketAddr,
    pub(crate) shutdown: watch::Sender<bool>,
    backing: Backing,
    tasks: Vec<JoinHandle<()>>,
}

/// Where the cluster is.
enum Backing {
    Files(TempDir),
    ApiServer(api::Turn),
}

impl World {
    /// A control plane that knows these objects.
    pub(crate) async fn with(objects: &[Value]) -> Self {
        Self::configured(Config::default(), objects).await
    }

    /// As [`World::with`], with other settings.
    pub(crate) async fn configured(config: Config, objects: &[Value]) -> Self {
        let backing = match crate::PLACE {
            Place::Files => Backing::Files(tempfile::tempdir().unwrap()),
            Place::ApiServer => Backing::ApiServer(api::Turn::take().await),
        };
        let index = Shared::new(Arc::new(config));
        let (shutdown, down) = watch::channel(false);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let methods =
            mesh_control::destination::server::METHODS.iter().chain(mesh_control::policy::server::METHODS);
        let methods = Arc::new(Api::new(index.clone(), methods));
        let mut ready = index.ready();
        let mut world = Self { index: index.clone(), address, shutdown, backing, tasks: Vec::new() };
        // One after the other: an object may come twice, or name one before it.
        objects.iter().for_each(|object| world.apply(object));
        let sink = Arc::new(index.clone());
        world.tasks.push(match &world.backing {
            Backing::Files(folder) => {
                let path = folder.path().to_owned();
                tokio::spawn(async move { files::run(path, sink).await.unwrap() })
            }
            Backing::ApiServer(turn) => {
                let client = turn.client().await;
                let counters = Counters::new(&Registry::default());
                tokio::spawn(source::kube::run(client, sink, counters, Some(Duration::from_millis(500))))
            }
        });
        world.tasks.push(tokio::spawn(index.settle()));
        world.tasks.push(tokio::spawn(serve(listener, methods, Limits::default(), down)));
        tokio::time::timeout(SOON, ready.wait_for(|ready| *ready)).await.unwrap().unwrap();
        world
    }

    /// Creates or replaces an object.
    pub(crate) fn apply(&self, object: &Value) {
        match &self.backing {
            Backing::Files(folder) => write(folder, object),
            Backing::ApiServer(turn) => turn.apply(object),
        }
    }

    /// Creates or replaces several objects at once.
    pub(crate) fn apply_all(&self, objects: &[Value]) {
        match &self.backing {
            Backing::Files(_) => objects.iter().for_each(|object| self.apply(object)),
            Backing::ApiServer(turn) => turn.apply_all(objects),
        }
    }

    /// As [`World::apply`], for a Service whose endpoints its selector is to make.
    pub(crate) fn apply_whole(&self, object: &Value) {
        match &self.backing {
            Backing::Files(_) => self.apply(object),
            Backing::ApiServer(turn) => turn.apply_whole(object),
        }
    }

    /// Deletes an object.
    pub(crate) fn delete(&self, object: &Value) {
        match &self.backing {
            Backing::Files(folder) => std::fs::remove_file(path(folder, object)).unwrap(),
            Backing::ApiServer(turn) => turn.delete(object),
        }
    }

    /// A client on a connection of its own.
    pub(crate) async fn client(&self) -> DestinationClient<Channel> {
        let channel = Channel::from_shared(format!("http://{}", self.address)).unwrap();
        DestinationClient::new(channel.connect().await.unwrap())
    }

    /// A stream of addresses for a client of namespace `client`.
    pub(crate) async fn get(&self, path: &str) -> Endpoints {
        self.get_as(path, r#"{"ns":"client"}"#).await.unwrap()
    }

    /// As [`World::get`], with a token.
    pub(crate) async fn get_as(&self, path: &str, token: &str) -> Result<Endpoints, tonic::Status> {
        let request = destination(&api::address(path), token);
        let stream = self.client().await.get(request).await?.into_inner();
        Ok(Endpoints { messages: Messages { stream }, known: Vec::new() })
    }

    /// As [`World::get_as`], as soon as there is an answer: what it is about may become known only now.
    pub(crate) async fn get_soon(&self, path: &str, token: &str) -> Endpoints {
        let deadline = tokio::time::Instant::now() + SOON;
        loop {
            match self.get_as(path, token).await {
                Ok(stream) => return stream,
                Err(status) => {
                    assert!(tokio::time::Instant::now() < deadline, "{path} never became known: {status}");
                }
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// What a port of a workload allows, as it changes.
    pub(crate) async fn watch_port(
        &self,
        workload: &str,
        port: u32,
    ) -> Result<Messages<inbound::Server>, tonic::Status> {
        let mut client = InboundServerPoliciesClient::new(self.channel().await);
        let spec = inbound::PortSpec { workload: workload.into(), port };
        Ok(Messages { stream: client.watch_port(spec).await?.into_inner() })
    }

    /// Where traffic to a target goes, as it changes, for a client of a namespace.
    pub(crate) async fn watch_target(
        &self,
        target: &str,
        namespace: &str,
    ) -> Result<Messages<OutboundPolicy>, tonic::Status> {
        let target = api::address(target);
        let target = match target.parse::<SocketAddr>() {
            Ok(address) => traffic_spec::Target::Addr(address.into()),
            Err(_) => traffic_spec::Target::Authority(target),
        };
        let spec = TrafficSpec { source_workload: format!("{namespace}:pod"), target: Some(target) };
        let mut client = OutboundPoliciesClient::new(self.channel().await);
        Ok(Messages { stream: client.watch(spec).await?.into_inner() })
    }

    /// A connection of its own.
    pub(crate) async fn channel(&self) -> Channel {
        Channel::from_shared(format!("http://{}", self.address)).unwrap().connect().await.unwrap()
    }

    /// A stream of profiles for a client of namespace `client`.
    pub(crate) async fn profile(&self, path: &str) -> Profiles {
        self.profile_as(path, r#"{"ns":"client"}"#).await.unwrap()
    }

    /// As [`World::profile`], with a token.
    pub(crate) async fn profile_as(&self, path: &str, token: &str) -> Result<Profiles, tonic::Status> {
        let request = destination(&api::address(path), token);
        Ok(Profiles { stream: self.client().await.get_profile(request).await?.into_inner() })
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

fn path(folder: &TempDir, object: &Value) -> PathBuf {
    let text = |pointer| object.pointer(pointer).and_then(Value::as_str).unwrap_or("none");
    let name = [text("/kind"), text("/metadata/namespace"), text("/metadata/name")].join("_");
    folder.path().join(format!("{name}.json"))
}

/// Writes an object aside and renames it, so that half of it is never read.
fn write(folder: &TempDir, object: &Value) {
    let path = path(folder, object);
    let aside = path.with_extension("new");
    std::fs::write(&aside, serde_json::to_vec(object).unwrap()).unwrap();
    std::fs::rename(aside, path).unwrap();
}

/// A request.
pub(crate) fn destination(path: &str, token: &str) -> GetDestination {
    GetDestination { path: path.into(), context_token: token.into(), ..GetDestination::default() }
}

/// A message as gRPC puts it onto the wire.
pub(crate) fn frame(message: &impl prost::Message) -> Vec<u8> {
    let mut frame = vec![0];
    frame.extend(u32::try_from(message.encoded_len()).unwrap().to_be_bytes());
    frame.extend(message.encode_to_vec());
    frame
}

/// A stream of addresses, with what a proxy would make of it.
pub(crate) struct Endpoints {
    messages: Messages<Update>,
    known: Vec<WeightedAddr>,
}

impl Endpoints {
    /// The next message.
    pub(crate) async fn next(&mut self) -> update::Update {
        let update = self.messages.next().await.update.unwrap();
        self.take(&update);
        update
    }

    /// How the stream ends.
    pub(crate) async fn ending(&mut self) -> Code {
        self.messages.ending().await
    }

    /// Nothing comes.
    pub(crate) async fn silent(&mut self) {
        self.messages.silent().await;
    }

    /// Takes messages until the addresses are these, in order.
    #[track_caller]
    pub(crate) fn become_(&mut self, addresses: &[&str]) -> impl Future<Output = ()> {
        let wanted: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        async move {
            let deadline = tokio::time::Instant::now() + SOON;
            loop {
                let now = self.addresses();
                if now == wanted {
                    return;
                }
                let message = tokio::time::timeout_at(deadline, self.messages.stream.message()).await;
                let Ok(message) = message else { panic!("{now:?} instead of {wanted:?}") };
                let update = message.unwrap().expect("the stream ended").update.unwrap();
                self.take(&update);
            }
        }
    }

    /// What is known now.
    pub(crate) fn addresses(&self) -> Vec<String> {
        let mut addresses: Vec<String> = self.known.iter().map(address).collect();
        addresses.sort();
        addresses
    }

    /// The address as it was told last.
    #[track_caller]
    pub(crate) fn one(&self, wanted: &str) -> &WeightedAddr {
        self.known.iter().find(|it| address(it) == wanted).expect("no such address")
    }

    /// Whether an address is to be talked to without a look at what is said.
    #[track_caller]
    pub(crate) fn is_opaque(&self, wanted: &str) -> bool {
        matches!(self.one(wanted).protocol_hint.unwrap().protocol, Some(Protocol::Opaque(_)))
    }

    fn take(&mut self, update: &update::Update) {
        match update {
            update::Update::Add(set) => {
                for added in &set.addrs {
                    self.known.retain(|known| known.addr != added.addr);
                    self.known.push(added.clone());
                }
            }
            update::Update::Remove(set) => {
                self.known.retain(|known| !set.addrs.iter().any(|gone| Some(gone) == known.addr.as_ref()));
            }
            update::Update::NoEndpoints(_) => self.known.clear(),
        }
    }
}

/// A stream of messages that are sent whole.
pub(crate) struct Messages<M> {
    pub(crate) stream: Streaming<M>,
}

/// A stream of profiles.
pub(crate) type Profiles = Messages<DestinationProfile>;

impl<M: std::fmt::Debug> Messages<M> {
    /// The next message.
    pub(crate) async fn next(&mut self) -> M {
        let message =
            tokio::time::timeout(SOON, self.stream.message()).await.expect("no message came").unwrap();
        message.expect("the stream ended")
    }

    /// Nothing comes.
    pub(crate) async fn silent(&mut self) {
        let message = tokio::time::timeout(QUIET, self.stream.message()).await;
        assert!(message.is_err(), "unexpected: {message:?}");
    }

    /// How the stream ends.
    pub(crate) async fn ending(&mut self) -> Code {
        loop {
            match tokio::time::timeout(SOON, self.stream.message()).await.expect("the stream goes on") {
                Ok(Some(_)) => {}
                Ok(None) => return Code::Ok,
                Err(status) => return status.code(),
            }
        }
    }
}

fn address(address: &WeightedAddr) -> String {
    SocketAddr::try_from(address.addr.unwrap()).unwrap().to_string()
}

/// A Service of namespace `shop` with port 80 named `http`.
pub(crate) fn service(name: &str, ip: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "shop"},
        "spec": {"clusterIP": ip, "ports": [{"name": "http", "port": 80, "targetPort": 8080}],
            "selector": {"app": name}},
    })
}

/// A node in a zone.
pub(crate) fn node(name: &str, zone: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Node",
        "metadata": {"name": name, "labels": {"topology.kubernetes.io/zone": zone}}})
}

/// A Server for port 8080 of all pods of a namespace.
pub(crate) fn server(namespace: &str, name: &str, protocol: &str) -> Value {
    json!({"apiVersion": "policy.linkerd.io/v1beta3", "kind": "Server",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"podSelector": {}, "port": 8080, "proxyProtocol": protocol}})
}

/// The Service [`WEB`] with these pods behind it, by name and address.
pub(crate) fn web(pods: &[(&str, &str)]) -> Vec<Value> {
    let mut objects = vec![service("web", "10.0.0.1")];
    objects.extend(pods.iter().map(|(name, ip)| pod(name, ip)));
    objects.push(slice("web-a", "web", pods));
    objects
}

/// A meshed pod of namespace `shop` that runs.
pub(crate) fn pod(name: &str, ip: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "shop",
            "labels": {"app": "web", "linkerd.io/control-plane-ns": "linkerd", "pod-template-hash": "abc"}},
        "spec": {"serviceAccountName": "web", "nodeName": "node-1", "containers": [
            {"name": "web", "image": "web", "ports": [{"name": "http", "containerPort": 8080}]},
            {"name": "linkerd-proxy", "image": "proxy",
                "env": [{"name": "LINKERD2_PROXY_INBOUND_LISTEN_ADDR", "value": "0.0.0.0:4143"}]}]},
        "status": {"phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}], "hostIP": "172.20.0.1",
            "conditions": [{"type": "Ready", "status": "True"}]},
    })
}

/// A slice of a Service of namespace `shop`: pods by name and address, all ready.
pub(crate) fn slice(name: &str, service: &str, pods: &[(&str, &str)]) -> Value {
    let endpoint = |(pod, ip): &(&str, &str)| {
        json!({"addresses": [ip], "conditions": {"ready": true}, "nodeName": "node-1",
            "targetRef": {"kind": "Pod", "name": pod, "namespace": "shop"}})
    };
    json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {"name": name, "namespace": "shop", "labels": {"kubernetes.io/service-name": service}},
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
        "endpoints": pods.iter().map(endpoint).collect::<Vec<_>>(),
    })
}
