//! Clients of an index, each with what it was told so far.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use bytes::{Buf, Bytes};
use linkerd2_proxy_api::destination::{DestinationProfile, Update, WeightedAddr, update};
use linkerd2_proxy_api::{inbound, outbound};
use mesh_api::faults::FaultSet;
use prost::Message;

use super::super::cell::{Change, Subscription};
use super::super::outbox::Outbox;
use super::super::snapshot::Snapshot;
use super::super::topic::{Client, OutboundTarget, Target};
use super::super::{Index, Request};
use crate::record::{Key, TargetKind};

/// What a client makes of the messages it got.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Told {
    /// Nothing yet.
    Nothing,
    /// Addresses, each with the labels of its set.
    Addresses(BTreeMap<SocketAddr, (WeightedAddr, BTreeMap<String, String>)>),
    /// There are none.
    NoEndpoints {
        exists: bool,
    },
    Profile(Box<DestinationProfile>),
    Inbound(Box<inbound::Server>),
    Outbound(Box<outbound::OutboundPolicy>),
    Faults(Box<FaultSet>),
    /// The request was refused, or the stream ended, with this code.
    Refused(u16),
}

/// A client that asks again when its stream ends.
pub(super) struct Subscriber {
    pub(super) request: Request,
    pub(super) messages: usize,
    subscription: Option<Subscription>,
    sent: Option<Arc<Snapshot>>,
    told: Told,
    outbox: Arc<Outbox>,
}

fn client(node: &str) -> Client {
    Client { namespace: "client".into(), node: node.into() }
}

/// A request for the addresses of a Service of namespace `shop`.
pub(super) fn endpoints(service: &str, node: &str) -> Request {
    Request::Endpoints { service: Key::new("shop", service), port: 80, instance: None, client: client(node) }
}

/// A request for the profile of an address.
pub(super) fn profile_of(address: impl Into<SocketAddr>) -> Request {
    Request::Profile { target: Target::Address(address.into()), client: client("node-1") }
}

/// Everything that can be asked of the cluster of these tests.
pub(super) fn requests() -> Vec<Request> {
    let web = || Key::new("shop", "web");
    let pod =
        |name: &str| Request::Inbound { kind: TargetKind::Pod, workload: Key::new("shop", name), port: 8080 };
    let profile = |target| Request::Profile { target, client: client("node-1") };
    let outbound = |target, namespace: &str| Request::Outbound { target, namespace: namespace.into() };
    vec![
        endpoints("web", "node-1"),
        endpoints("web", "node-2"),
        endpoints("web", ""),
        endpoints("api", "node-1"),
        Request::Endpoints {
            service: web(),
            port: 80,
            instance: Some("web-0".into()),
            client: client("node-1"),
        },
        profile_of(([10, 0, 0, 1], 80)),
        profile_of(([10, 0, 0, 9], 80)),
        profile_of(([10, 1, 0, 1], 8080)),
        profile_of(([10, 1, 0, 3], 8080)),
        profile_of(([172, 20, 0, 1], 9090)),
        profile(Target::Service(web(), 80)),
        profile(Target::Instance(web(), "web-0".into(), 80)),
        pod("web-0"),
        pod("web-1"),
        Request::Inbound { kind: TargetKind::ExternalWorkload, workload: Key::new("shop", "vm"), port: 8080 },
        outbound(OutboundTarget::Service(web(), 80), "client"),
        outbound(OutboundTarget::Service(web(), 80), "shop"),
        outbound(OutboundTarget::Address(([10, 0, 0, 2], 80).into()), "client"),
        outbound(OutboundTarget::Address(([192, 0, 2, 1], 443).into()), "shop"),
        outbound(OutboundTarget::Address(([192, 0, 2, 1], 443).into()), "client"),
        Request::Faults,
    ]
}

/// What an index tells somebody who asks now.
pub(super) fn answer(index: &mut Index, request: &Request) -> Told {
    let mut subscriber = Subscriber::new(request.clone());
    subscriber.read(index, Instant::now());
    subscriber.told.settled()
}

impl Told {
    /// A stream outlives its Service and says that it is gone; who comes later is refused. Both know the same.
    fn settled(self) -> Self {
        match self {
            Self::NoEndpoints { exists: false } => Self::Refused(5),
            other => other,
        }
    }
}

impl Subscriber {
    pub(super) fn new(request: Request) -> Self {
        Self {
            request,
            messages: 0,
            subscription: None,
            sent: None,
            told: Told::Nothing,
            outbox: Arc::default(),
        }
    }

    /// Takes what is new, as a stream does while its client reads. A refused client asks again the next time.
    pub(super) fn read(&mut self, index: &mut Index, now: Instant) {
        loop {
            if self.subscription.is_none() {
                match index.subscribe(&self.request, now) {
                    Ok(subscription) => self.subscription = Some(subscription),
                    Err(refusal) => return self.end(refusal.code),
                }
            }
            let Some(subscription) = &mut self.subscription else { return };
            let known = self.sent.as_ref().map(|sent| sent.number());
            match subscription.changed(known, &self.outbox, 0) {
                None => return,
                Some(Change::Newer(newest)) => {
                    let frames = match &self.sent {
                        None => Some(newest.full()),
                        Some(sent) => newest.since(sent),
                    };
                    self.sent = Some(newest);
                    if let Some(frames) = frames {
                        self.messages += 1;
                        self.take(frames);
                    }
                }
                Some(Change::Moved) => self.subscription = None,
                Some(Change::Ended(refusal)) => return self.end(refusal.code),
            }
        }
    }

    /// What it was told, having asked again if it was refused.
    pub(super) fn told(&mut self, index: &mut Index, now: Instant) -> Told {
        if matches!(self.told, Told::Refused(_)) {
            self.read(index, now);
        }
        self.told.clone().settled()
    }

    fn end(&mut self, code: u16) {
        (self.subscription, self.sent, self.told) = (None, None, Told::Refused(code));
    }

    fn take(&mut self, mut frames: Bytes) {
        while frames.has_remaining() {
            assert_eq!(frames.get_u8(), 0);
            let length = frames.get_u32() as usize;
            let message = frames.split_to(length);
            self.told = match &self.request {
                Request::Endpoints { .. } => self.updated(Update::decode(message).unwrap()),
                Request::Profile { .. } => Told::Profile(Box::new(Message::decode(message).unwrap())),
                Request::Inbound { .. } => Told::Inbound(Box::new(Message::decode(message).unwrap())),
                Request::Outbound { .. } => Told::Outbound(Box::new(Message::decode(message).unwrap())),
                Request::Faults => Told::Faults(Box::new(Message::decode(message).unwrap())),
            };
        }
    }

    fn updated(&self, update: Update) -> Told {
        let mut known = match &self.told {
            Told::Addresses(known) => known.clone(),
            _ => BTreeMap::new(),
        };
        let at = |address: linkerd2_proxy_api::net::TcpAddress| SocketAddr::try_from(address).unwrap();
        match update.update.unwrap() {
            update::Update::Add(set) => {
                let labels: BTreeMap<String, String> = set.metric_labels.into_iter().collect();
                for address in set.addrs {
                    known.insert(at(address.addr.unwrap()), (address, labels.clone()));
                }
            }
            update::Update::Remove(set) => {
                set.addrs.into_iter().for_each(|gone| drop(known.remove(&at(gone))))
            }
            update::Update::NoEndpoints(none) => return Told::NoEndpoints { exists: none.exists },
        }
        Told::Addresses(known)
    }
}
