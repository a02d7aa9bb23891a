//! Faults that somebody asked for, for every proxy that follows them.

use mesh_api::faults::fault::{Action, Header, Reset, Route, Service, Target};
use mesh_api::faults::{Fault as Message, FaultSet};

use crate::index::snapshot::Content;
use crate::index::{Interest, Outcome, Reads, Store};
use crate::record::{Fault, FaultTarget, RouteKind};

/// All faults, oldest first. There are few, so all proxies get the same; each knows its own targets, and the time.
pub fn compute(store: &Store, reads: &mut Reads) -> Outcome {
    reads.note(Interest::Faults);
    let mut faults: Vec<&std::sync::Arc<Fault>> = store.faults().collect();
    faults.sort_by_key(|fault| (fault.created, fault.key.clone()));
    let faults = faults.into_iter().map(|fault| message(fault)).collect();
    Outcome::Content(Content::Faults(Box::new(FaultSet { faults })))
}

fn message(fault: &Fault) -> Message {
    let namespace = fault.key.namespace.to_string();
    let target = match &fault.target {
        FaultTarget::Service(name) => {
            Target::Service(Service { namespace: namespace.clone(), name: name.to_string() })
        }
        FaultTarget::Route(kind, name) => {
            let (group, kind) = match kind {
                RouteKind::PolicyHttp => ("policy.linkerd.io", "HTTPRoute"),
                RouteKind::Grpc => ("gateway.networking.k8s.io", "GRPCRoute"),
                RouteKind::Http | RouteKind::Tls | RouteKind::Tcp => {
                    ("gateway.networking.k8s.io", "HTTPRoute")
                }
            };
            Target::Route(Route {
                group: group.to_owned(),
                kind: kind.to_owned(),
                namespace: namespace.clone(),
                name: name.to_string(),
            })
        }
    };
    let header = |(name, value): &(crate::record::Text, crate::record::Text)| Header {
        name: name.to_string(),
        value: value.as_bytes().to_vec().into(),
    };
    Message {
        namespace,
        name: fault.key.name.to_string(),
        target: Some(target),
        headers: fault.headers.iter().map(header).collect(),
        per_million: u32::from(fault.percentage) * 10_000,
        action: Some(match fault.delay {
            Some(delay) => Action::DelayMs(u64::try_from(delay.as_millis()).unwrap_or(u64::MAX)),
            None => Action::Reset(Reset {}),
        }),
        expires: fault.expires,
    }
}
