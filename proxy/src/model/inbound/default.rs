//! Policies of ports that the control plane has said nothing about yet.

use std::sync::Arc;
use std::time::Duration;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::authorization::{Authentication, Authorization, Network, Suffix};
use super::{InboundPolicy, Protocol};
use crate::model::Meta;

/// Who may connect as long as a port's policy is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DefaultAllow {
    /// Nobody but the pod itself.
    Nobody,
    /// Clients with an identity.
    Authenticated,
    /// Everybody.
    Everybody,
    /// Everybody, and the log says so.
    Audited,
}

impl InboundPolicy {
    /// A policy by its well-known name, for clients of `networks`; empty is everywhere.
    #[must_use]
    pub fn new_default(name: &str, allow: DefaultAllow, networks: &[IpNet], protocol: Protocol) -> Self {
        let everywhere = [Ipv4Net::default().into(), Ipv6Net::default().into()];
        let networks = if networks.is_empty() { &everywhere[..] } else { networks };
        let authentication = match allow {
            DefaultAllow::Nobody => None,
            DefaultAllow::Authenticated => {
                Some(Authentication::Identities { names: Default::default(), suffixes: vec![Suffix::All] })
            }
            DefaultAllow::Everybody | DefaultAllow::Audited => Some(Authentication::Unauthenticated),
        };
        let authorizations = authentication
            .map(|authentication| Authorization {
                meta: Meta::new_default(name),
                networks: networks.iter().copied().map(Network::from).collect(),
                authentication,
            })
            .into_iter()
            .chain([Authorization::localhost()]);
        Self {
            meta: Meta::new_default(name),
            protocol,
            authorizations: authorizations.collect(),
            server_ips: Box::default(),
        }
    }

    /// Lets nobody in: what a port has that discovery refuses to answer for.
    #[must_use]
    pub fn deny(timeout: Duration) -> Arc<Self> {
        Arc::new(Self::new_default("deny", DefaultAllow::Nobody, &[], Protocol::detect(timeout)))
    }
}
