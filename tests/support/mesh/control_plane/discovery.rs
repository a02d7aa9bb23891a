//! Destinations and policies.

use std::net::SocketAddr;

use linkerd2_proxy_api::destination::destination_server::Destination;
use linkerd2_proxy_api::destination::{self, update};
use linkerd2_proxy_api::inbound::inbound_server_policies_server::InboundServerPolicies;
use linkerd2_proxy_api::outbound::outbound_policies_server::OutboundPolicies;
use linkerd2_proxy_api::outbound::traffic_spec::Target;
use linkerd2_proxy_api::{inbound, net, outbound};
use tonic::{Request, Response, Status};

use super::State;
use super::table::{Answer, Stream};

/// The endpoints of a name.
#[derive(Clone, Debug)]
pub(super) enum Endpoints {
    /// The name is unknown.
    Absent,
    /// These, maybe none.
    Set(Vec<destination::WeightedAddr>),
    /// This message, whatever it means.
    Raw(destination::Update),
}

/// Turns sets into the messages that lead from one to the next.
#[derive(Default)]
struct Differ {
    known: Option<Vec<destination::WeightedAddr>>,
}

#[tonic::async_trait]
impl Destination for State {
    type GetStream = Stream<destination::Update>;
    type GetProfileStream = Stream<destination::DestinationProfile>;

    async fn get(
        &self,
        request: Request<destination::GetDestination>,
    ) -> Result<Response<Self::GetStream>, Status> {
        let request = request.into_inner();
        self.record("Destination/Get", &request.path, &request.context_token);
        let mut differ = Differ::default();
        Ok(Response::new(self.endpoints.stream(&request.path, move |next| differ.messages(next))))
    }

    async fn get_profile(
        &self,
        request: Request<destination::GetDestination>,
    ) -> Result<Response<Self::GetProfileStream>, Status> {
        let request = request.into_inner();
        self.record("Destination/GetProfile", &request.path, &request.context_token);
        // Of an address that is nobody's there is a profile that says nothing. Names are another matter.
        if request.path.parse::<SocketAddr>().is_ok() {
            self.profiles
                .unless_set(&request.path, || Answer::Value(destination::DestinationProfile::default()));
        }
        Ok(Response::new(self.profiles.stream(&request.path, |profile| vec![profile])))
    }
}

#[tonic::async_trait]
impl OutboundPolicies for State {
    type WatchStream = Stream<outbound::OutboundPolicy>;

    async fn get(
        &self,
        _: Request<outbound::TrafficSpec>,
    ) -> Result<Response<outbound::OutboundPolicy>, Status> {
        Err(Status::unimplemented("proxies watch"))
    }

    async fn watch(
        &self,
        request: Request<outbound::TrafficSpec>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let request = request.into_inner();
        let key = match request.target {
            Some(Target::Addr(address)) => socket_address(address)?.to_string(),
            Some(Target::Authority(authority)) => authority,
            None => return Err(Status::invalid_argument("no target")),
        };
        self.record("OutboundPolicies/Watch", &key, &request.source_workload);
        Ok(Response::new(self.outbound.stream(&key, |policy| vec![policy])))
    }
}

#[tonic::async_trait]
impl InboundServerPolicies for State {
    type WatchPortStream = Stream<inbound::Server>;

    async fn get_port(&self, _: Request<inbound::PortSpec>) -> Result<Response<inbound::Server>, Status> {
        Err(Status::unimplemented("proxies watch"))
    }

    async fn watch_port(
        &self,
        request: Request<inbound::PortSpec>,
    ) -> Result<Response<Self::WatchPortStream>, Status> {
        let request = request.into_inner();
        let key = format!("{}:{}", request.workload, request.port);
        self.record("InboundServerPolicies/WatchPort", &key, &request.workload);
        Ok(Response::new(self.inbound.stream(&key, |server| vec![server])))
    }
}

// === impl Differ ===

impl Differ {
    fn messages(&mut self, next: Endpoints) -> Vec<destination::Update> {
        match next {
            Endpoints::Raw(update) => vec![update],
            Endpoints::Absent => {
                self.known = Some(Vec::new());
                vec![no_endpoints(false)]
            }
            Endpoints::Set(next) => {
                let messages = match self.known.take() {
                    _ if next.is_empty() => vec![no_endpoints(true)],
                    None => vec![add(next.clone())],
                    Some(known) => difference(&known, &next),
                };
                self.known = Some(next);
                messages
            }
        }
    }
}

fn difference(
    known: &[destination::WeightedAddr],
    next: &[destination::WeightedAddr],
) -> Vec<destination::Update> {
    let added: Vec<_> = next.iter().filter(|endpoint| !known.contains(endpoint)).cloned().collect();
    let removed: Vec<_> = known
        .iter()
        .filter(|endpoint| !next.iter().any(|kept| kept.addr == endpoint.addr))
        .filter_map(|endpoint| endpoint.addr)
        .collect();
    let mut messages = Vec::new();
    if !added.is_empty() {
        messages.push(add(added));
    }
    if !removed.is_empty() {
        let remove = destination::AddrSet { addrs: removed };
        messages.push(destination::Update { update: Some(update::Update::Remove(remove)) });
    }
    messages
}

fn add(addrs: Vec<destination::WeightedAddr>) -> destination::Update {
    let set = destination::WeightedAddrSet { addrs, ..Default::default() };
    destination::Update { update: Some(update::Update::Add(set)) }
}

fn no_endpoints(exists: bool) -> destination::Update {
    destination::Update { update: Some(update::Update::NoEndpoints(destination::NoEndpoints { exists })) }
}

fn socket_address(address: net::TcpAddress) -> Result<SocketAddr, Status> {
    SocketAddr::try_from(address).map_err(|error| Status::invalid_argument(error.to_string()))
}
