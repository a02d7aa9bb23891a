//! Who may reach a server or a route.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use ahash::AHashSet;
use ipnet::IpNet;
use linkerd2_proxy_api::inbound as api;

use crate::identity::Id;
use crate::model::error::{InvalidMessage, Problem, Within, each, required};
use crate::model::{DnsName, Meta};

/// Networks, identities or suffixes of one authorization.
const LIST_MAX: usize = 16 * 1024;

/// One rule that lets clients in. Rules only allow; who is let in by none is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authorization {
    /// What it is called.
    pub meta: Meta,
    /// Where clients have to come from; empty is from nowhere.
    pub networks: Arc<[Network]>,
    /// Who they have to be.
    pub authentication: Authentication,
}

/// A network without some of its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// The network.
    pub net: IpNet,
    /// Parts of it that do not belong.
    pub except: Vec<IpNet>,
}

/// Who a client has to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authentication {
    /// Anybody, with or without TLS of the mesh.
    Unauthenticated,
    /// Anybody with TLS of the mesh, even without an identity.
    MeshTls,
    /// One of these, proven by TLS of the mesh.
    Identities {
        /// Names, compared as they are.
        names: AHashSet<Id>,
        /// What names may lie below.
        suffixes: Vec<Suffix>,
    },
}

/// What an identity may lie below.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Suffix {
    /// Every identity, whether DNS name or URI.
    All,
    /// DNS names below this one.
    Below(DnsName),
}

/// Who a client has proven to be.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Peer {
    /// Nobody: no TLS, or TLS that is not terminated here.
    Plain,
    /// A peer with TLS of the mesh, with the name in its certificate if it sent one.
    Meshed(Option<Id>),
}

// === impl Authorization ===

impl Authorization {
    /// Whether it lets this client in.
    #[must_use]
    pub fn allows(&self, ip: IpAddr, peer: &Peer) -> bool {
        self.authentication.admits(peer) && self.networks.iter().any(|network| network.contains(ip))
    }

    /// Whether what it lets in is to be said in the log: the default policy `audit` is there to find out what a stricter one
    /// would refuse.
    #[must_use]
    pub fn is_audit(&self) -> bool {
        matches!(&self.meta, Meta::Default(name) if &**name == "audit")
    }

    /// Lets anything in that comes from the same pod.
    pub(super) fn localhost() -> Self {
        let hosts: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        Self {
            meta: Meta::new_default("localhost"),
            networks: hosts.into_iter().map(|ip| Network::from(IpNet::from(ip))).collect(),
            authentication: Authentication::Unauthenticated,
        }
    }

    pub(super) fn convert_all(messages: Vec<api::Authz>) -> Result<Vec<Self>, InvalidMessage> {
        bounded(messages.len(), "authorizations")?;
        each(messages, "authorizations", Self::try_from)
    }
}

impl TryFrom<api::Authz> for Authorization {
    type Error = InvalidMessage;

    fn try_from(message: api::Authz) -> Result<Self, InvalidMessage> {
        let meta = match message.metadata {
            Some(meta) => Meta::try_from(meta)?,
            None => super::meta_of_labels(message.labels, "serverauthorization")?,
        };
        bounded(message.networks.len(), "networks")?;
        let networks = each(message.networks, "networks", Network::try_from)?;
        let authentication = required(message.authentication, "authentication")?;
        let authentication = Authentication::try_from(authentication).within("authentication")?;
        Ok(Self { meta, networks: networks.into(), authentication })
    }
}

// === impl Network ===

impl Network {
    /// Whether an address belongs to it; IPv4-mapped ones count as IPv4.
    #[must_use]
    pub fn contains(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.net.contains(&ip) && !self.except.iter().any(|except| except.contains(&ip))
    }
}

impl From<IpNet> for Network {
    fn from(net: IpNet) -> Self {
        Self { net, except: Vec::new() }
    }
}

impl TryFrom<api::Network> for Network {
    type Error = InvalidMessage;

    fn try_from(message: api::Network) -> Result<Self, InvalidMessage> {
        let net = |net| IpNet::try_from(net).map_err(|_| InvalidMessage::new("net", Problem::Address));
        bounded(message.except.len(), "except")?;
        let except = each(message.except, "except", net)?;
        Ok(Self { net: net(required(message.net, "net")?)?, except })
    }
}

// === impl Authentication ===

impl Authentication {
    fn admits(&self, peer: &Peer) -> bool {
        match (self, peer) {
            (Self::Unauthenticated, _) | (Self::MeshTls, Peer::Meshed(_)) => true,
            (Self::Identities { names, suffixes }, Peer::Meshed(Some(id))) => {
                names.contains(id) || suffixes.iter().any(|suffix| suffix.contains(id))
            }
            _ => false,
        }
    }
}

impl TryFrom<api::Authn> for Authentication {
    type Error = InvalidMessage;

    fn try_from(message: api::Authn) -> Result<Self, InvalidMessage> {
        use api::authn::{Permit, permit_mesh_tls::Clients};
        let clients = match required(message.permit, "permit")? {
            Permit::Unauthenticated(_) => return Ok(Self::Unauthenticated),
            Permit::MeshTls(mesh) => required(mesh.clients, "clients")?,
        };
        let clients = match clients {
            Clients::Unauthenticated(_) => return Ok(Self::MeshTls),
            Clients::Identities(clients) => clients,
        };
        bounded(clients.identities.len(), "identities")?;
        bounded(clients.suffixes.len(), "suffixes")?;
        let names = each(clients.identities, "identities", |it| name_of(&it.name))?;
        let suffixes = each(clients.suffixes, "suffixes", Suffix::try_from)?;
        Ok(Self::Identities { names: names.into_iter().collect(), suffixes })
    }
}

// === impl Suffix ===

impl Suffix {
    fn contains(&self, id: &Id) -> bool {
        match (self, id) {
            (Self::All, _) => true,
            (Self::Below(suffix), Id::Dns(name)) => name
                .strip_suffix(suffix.as_str())
                .is_some_and(|above| above.len() > 1 && above.ends_with('.')),
            (Self::Below(_), Id::Uri(_)) => false,
        }
    }
}

impl TryFrom<api::IdentitySuffix> for Suffix {
    type Error = InvalidMessage;

    fn try_from(message: api::IdentitySuffix) -> Result<Self, InvalidMessage> {
        if message.parts.is_empty() {
            return Ok(Self::All);
        }
        let text = message.parts.join(".");
        text.parse().map(Self::Below).map_err(|_| InvalidMessage::with_value("parts", Problem::Name, text))
    }
}

// === impl Peer ===

impl Peer {
    /// The name it has proven.
    #[must_use]
    pub fn id(&self) -> Option<&Id> {
        match self {
            Self::Meshed(id) => id.as_ref(),
            Self::Plain => None,
        }
    }
}

// === helpers ===

/// An identity as a policy names it.
pub(super) fn name_of(text: &str) -> Result<Id, InvalidMessage> {
    text.parse().map_err(|_| InvalidMessage::with_value("name", Problem::Name, text))
}

/// Refuses a list that no policy needs.
pub(super) fn bounded(len: usize, field: &str) -> Result<(), InvalidMessage> {
    if len > LIST_MAX {
        return Err(InvalidMessage::with_value(field, Problem::TooLarge, len));
    }
    Ok(())
}
