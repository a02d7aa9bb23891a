//! Where requests go: balancers of Services, and addresses as they are.

use std::net::SocketAddr;
use std::time::Duration;

use linkerd2_proxy_api::destination::WeightedAddr;
use linkerd2_proxy_api::meta;
use linkerd2_proxy_api::outbound::{self, backend};

use super::{Parent, queue};
use crate::config::Config;
use crate::destination::profile::reference;
use crate::index::{Interest, Reads};
use crate::policy::{annotations, authorization};
use crate::record::{Backend, BackendKind, ParentKind, Service};

/// What a balancer thinks of an endpoint it does not know yet, and how long it remembers.
const DEFAULT_RTT: Duration = Duration::from_millis(30);
const DECAY: Duration = Duration::from_secs(10);

/// Where requests go that no rule sends elsewhere.
pub(crate) struct Default {
    backend: outbound::Backend,
    allowed: bool,
}

impl Default {
    /// The Service itself.
    pub(super) fn service(service: &Service, port: u16, config: &Config) -> Self {
        Self { backend: balancer(service, port, config), allowed: true }
    }

    /// The address as it is.
    pub(super) fn forward(address: SocketAddr, metadata: meta::Metadata, allowed: bool) -> Self {
        Self { backend: forward(address, metadata), allowed }
    }

    pub(super) fn is_allowed(&self) -> bool {
        self.allowed
    }

    pub(super) fn get(&self) -> outbound::Backend {
        self.backend.clone()
    }
}

/// Where a backend of a rule leads, or why it leads nowhere. Services that are looked for are noted, so that their arrival is noticed.
pub(super) fn resolve(
    written: &Backend,
    parent: &Parent<'_>,
    reads: &mut Reads,
) -> Result<outbound::Backend, String> {
    match &written.kind {
        BackendKind::Service => {
            reads.note(Interest::Service(written.key.clone()));
            let Some(service) = parent.store.service(&written.key) else {
                return Err(format!("Service not found {}", written.key.name));
            };
            match written.port {
                Some(port) => Ok(balancer(service, port, parent.config)),
                None => Err(format!("no port for Service {}", written.key.name)),
            }
        }
        // A network is led to only by routes of that network: the address is the client's own.
        BackendKind::EgressNetwork
            if parent.kind == ParentKind::EgressNetwork && *parent.key == written.key =>
        {
            Ok(parent.backend.get())
        }
        BackendKind::EgressNetwork => {
            Err(format!("EgressNetwork {} is not the parent of the route", written.key.name))
        }
        BackendKind::Other(kind) => Err(format!("{kind} {} is no backend", written.key.name)),
    }
}

/// A backend that leads nowhere; its filter answers.
pub(super) fn invalid() -> outbound::Backend {
    outbound::Backend { metadata: Some(authorization::default("invalid")), queue: Some(queue()), kind: None }
}

fn balancer(service: &Service, port: u16, config: &Config) -> outbound::Backend {
    use backend::balance_p2c::{Load, PeakEwma, PenaltyPeakEwma};
    let span = |duration: Duration| prost_types::Duration::try_from(duration).ok();
    let load = match annotations::penalty(&service.annotations) {
        Some((penalty, most)) => Load::PenaltyPeakEwma(PenaltyPeakEwma {
            default_rtt: span(DEFAULT_RTT),
            decay: span(DECAY),
            penalty: span(penalty),
            max_retry_after: span(most),
            penalty_decay: span(DECAY),
        }),
        None => Load::PeakEwma(PeakEwma { default_rtt: span(DEFAULT_RTT), decay: span(DECAY) }),
    };
    outbound::Backend {
        metadata: Some(reference("core", "Service", &service.key, port)),
        queue: Some(queue()),
        kind: Some(backend::Kind::Balancer(backend::BalanceP2c {
            discovery: Some(backend::EndpointDiscovery {
                kind: Some(backend::endpoint_discovery::Kind::Dst(
                    backend::endpoint_discovery::DestinationGet {
                        path: format!("{}:{port}", config.authority(&service.key)),
                    },
                )),
            }),
            load: Some(load),
        })),
    }
}

fn forward(address: SocketAddr, metadata: meta::Metadata) -> outbound::Backend {
    outbound::Backend {
        metadata: Some(metadata),
        queue: Some(queue()),
        kind: Some(backend::Kind::Forward(WeightedAddr {
            addr: Some(address.into()),
            weight: 1,
            ..WeightedAddr::default()
        })),
    }
}
