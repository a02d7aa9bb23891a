//! Requests, topics and what an answer reads.
//!
//! A request names a target and a client. What of the client matters for the answer (its zone, its node, its
//! namespace) goes into the [`Topic`], so that all clients of such a class share one answer.

use std::borrow::Cow;
use std::hash::{Hash, Hasher};
use std::net::SocketAddr;

use super::snapshot::Content;
use super::store::{Interest, Store};
use crate::config::Config;
use crate::record::{Key, TargetKind, Text};
use crate::{destination, policy};

/// What a client asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// The addresses of a Service, or of one of its instances.
    Endpoints {
        /// The Service.
        service: Key,
        /// The port clients use.
        port: u16,
        /// The name of one instance (`web-0` of `web-0.web.shop.svc…`).
        instance: Option<Text>,
        /// Who asks.
        client: Client,
    },
    /// The profile of a target.
    Profile {
        /// The target.
        target: Target,
        /// Who asks.
        client: Client,
    },
    /// What a port of a workload allows.
    Inbound {
        /// What the workload is.
        kind: TargetKind,
        /// The workload.
        workload: Key,
        /// The port.
        port: u16,
    },
    /// Where traffic to a target goes.
    Outbound {
        /// The target.
        target: OutboundTarget,
        /// The namespace of the client.
        namespace: Text,
    },
    /// Faults that somebody asked for.
    Faults,
}

/// What an outbound policy is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum OutboundTarget {
    /// An address.
    Address(SocketAddr),
    /// A Service by name.
    Service(Key, u16),
}

/// Who asks, as its token says. Nothing in it is trusted: it selects variants, it does not grant anything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Client {
    /// Its namespace; empty when unknown.
    pub namespace: Text,
    /// Its node; empty when unknown.
    pub node: Text,
}

/// What a profile is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// An address of a Service or a workload, or one nobody knows.
    Address(SocketAddr),
    /// A Service by name.
    Service(Key, u16),
    /// An instance of a Service by name.
    Instance(Key, Text, u16),
}

/// What an answer is about: the target, and the class of clients it is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Topic {
    /// Addresses.
    Endpoints {
        /// The Service.
        service: Key,
        /// The port clients use.
        port: u16,
        /// One instance alone.
        instance: Option<Text>,
        /// The zone of the clients.
        zone: Option<Text>,
        /// The node of the clients, where it matters.
        node: Option<Text>,
    },
    /// A profile.
    Profile {
        /// The target.
        target: Target,
        /// The namespace of the clients, where it has a profile of its own for the target.
        client: Option<Text>,
    },
    /// What a port of a workload allows.
    Inbound {
        /// What the workload is.
        kind: TargetKind,
        /// The workload.
        workload: Key,
        /// The port.
        port: u16,
    },
    /// Where traffic to a target goes.
    Outbound {
        /// The target.
        target: OutboundTarget,
        /// The namespace of the clients, where it makes a difference.
        client: Option<Text>,
    },
    /// Faults that somebody asked for.
    Faults,
}

/// What came of computing a topic.
pub enum Outcome {
    /// An answer.
    Content(Content),
    /// There is none, and there will be none for this stream.
    Ended(Refusal),
    /// The topic no longer fits its clients; each has to be resolved again.
    Moved,
}

/// Why a request gets no answer: a gRPC code and a message for whoever reads logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The gRPC code.
    pub code: u16,
    /// What happened and what to do.
    pub message: Cow<'static, str>,
}

/// Collects what a computation reads.
#[derive(Default)]
pub struct Reads {
    interests: Vec<Interest>,
    /// The other cluster that is being read.
    cluster: Option<Text>,
    basis: std::hash::DefaultHasher,
    undecided: bool,
}

// === impl Request ===

impl Request {
    /// Who asks.
    pub fn client(&self) -> Option<&Client> {
        match self {
            Self::Endpoints { client, .. } | Self::Profile { client, .. } => Some(client),
            Self::Inbound { .. } | Self::Outbound { .. } | Self::Faults => None,
        }
    }
}

/// The topic that answers a request now.
///
/// # Errors
/// When the target does not exist or cannot be asked for.
pub fn resolve(request: &Request, store: &Store, config: &Config) -> Result<Topic, Refusal> {
    match request {
        Request::Endpoints { service, port, instance, client } => {
            destination::endpoints::resolve(store, service, *port, instance.as_ref(), client)
        }
        Request::Profile { target, client } => destination::profile::resolve(store, config, target, client),
        Request::Faults => Ok(Topic::Faults),
        Request::Inbound { kind, workload, port } => policy::inbound::resolve(store, *kind, workload, *port),
        Request::Outbound { target, namespace } => {
            policy::outbound::resolve(store, config, target, namespace)
        }
    }
}

/// The answer of a topic. Pure: the same records give the same answer.
pub fn compute(topic: &Topic, store: &Store, config: &Config, reads: &mut Reads) -> Outcome {
    match topic {
        Topic::Endpoints { service, port, instance, zone, node } => {
            let class = destination::endpoints::Class {
                service,
                port: *port,
                instance: instance.as_ref(),
                zone: zone.as_ref(),
                node: node.as_ref(),
            };
            destination::endpoints::compute(class, store, config, reads)
        }
        Topic::Profile { target, client } => {
            destination::profile::compute(target, client.as_ref(), store, config, reads)
        }
        Topic::Faults => policy::faults::compute(store, reads),
        Topic::Inbound { kind, workload, port } => {
            policy::inbound::compute(*kind, workload, *port, store, config, reads)
        }
        Topic::Outbound { target, client } => {
            policy::outbound::compute(target, client.as_ref(), store, config, reads)
        }
    }
}

// === impl Reads ===

impl Reads {
    /// Notes that the answer depends on this.
    pub fn note(&mut self, interest: Interest) {
        let interest = match &self.cluster {
            Some(cluster) => Interest::Remote(cluster.clone(), Box::new(interest)),
            None => interest,
        };
        if !self.interests.contains(&interest) {
            self.interests.push(interest);
        }
    }

    /// What is read by `read` belongs to another cluster.
    pub fn within<R>(&mut self, cluster: &Text, read: impl FnOnce(&mut Self) -> R) -> R {
        let outer = self.cluster.replace(cluster.clone());
        let result = read(self);
        self.cluster = outer;
        result
    }

    /// Notes what decides between classes of clients: when it changes, clients are resolved again.
    pub fn basis(&mut self, value: impl Hash) {
        value.hash(&mut self.basis);
    }

    /// Nothing decides between classes of clients at the moment: they stay together whatever the basis was.
    pub fn no_basis(&mut self) {
        self.undecided = true;
    }

    pub(super) fn finish(self) -> (Vec<Interest>, Option<u64>) {
        (self.interests, (!self.undecided).then(|| self.basis.finish()))
    }
}

// === impl Refusal ===

impl Refusal {
    /// The stream ends because there is nothing more to say.
    pub const fn ok() -> Self {
        Self { code: 0, message: Cow::Borrowed("") }
    }

    /// The request can never be answered.
    pub fn invalid(message: impl Into<Cow<'static, str>>) -> Self {
        Self { code: 3, message: message.into() }
    }

    /// The target does not exist.
    pub fn not_found(message: impl Into<Cow<'static, str>>) -> Self {
        Self { code: 5, message: message.into() }
    }

    /// More is asked for than is given.
    pub fn exhausted(message: impl Into<Cow<'static, str>>) -> Self {
        Self { code: 8, message: message.into() }
    }

    /// The state of the cluster forbids an answer.
    pub fn precondition(message: impl Into<Cow<'static, str>>) -> Self {
        Self { code: 9, message: message.into() }
    }

    /// There is no such method.
    pub fn unimplemented(message: impl Into<Cow<'static, str>>) -> Self {
        Self { code: 12, message: message.into() }
    }

    /// Not now, not here.
    pub fn unavailable(message: impl Into<Cow<'static, str>>) -> Self {
        Self { code: 14, message: message.into() }
    }
}
