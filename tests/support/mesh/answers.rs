//! Messages of the published interfaces, as control planes send them.

pub mod inbound;
pub mod outbound;

use std::net::SocketAddr;
use std::time::Duration;

use linkerd2_proxy_api::destination::protocol_hint::{H2, Opaque, OpaqueTransport, Protocol};
use linkerd2_proxy_api::destination::tls_identity::{DnsLikeIdentity, Strategy, UriLikeIdentity};
use linkerd2_proxy_api::destination::{
    AuthorityOverride, DestinationProfile, HttpStatusRange, PathMatch, ProtocolHint, RequestMatch,
    ResponseClass, ResponseMatch, Route, TlsIdentity, WeightedAddr, request_match, response_match,
};
use linkerd2_proxy_api::meta::{Metadata, Resource, metadata};

/// The weight that control planes give an endpoint.
pub const USUAL_WEIGHT: u32 = 10_000;

/// An endpoint without a proxy.
#[must_use]
pub fn endpoint(address: SocketAddr) -> WeightedAddr {
    WeightedAddr { addr: Some(address.into()), weight: USUAL_WEIGHT, ..Default::default() }
}

/// Adds to an endpoint, step by step.
pub trait Endpoint: Sized {
    /// Mesh TLS with this identity, a DNS name or a `spiffe:` URI.
    #[must_use]
    fn meshed(self, identity: &str) -> Self;
    /// The name to ask for in TLS, where that is not the identity.
    #[must_use]
    fn server_name(self, name: &str) -> Self;
    /// The peer takes HTTP/1 in HTTP/2.
    #[must_use]
    fn h2(self) -> Self;
    /// The peer takes it as opaque.
    #[must_use]
    fn opaque(self) -> Self;
    /// The peer takes transport headers on this port.
    #[must_use]
    fn transport_header(self, inbound_port: u16) -> Self;
    /// The authority that requests get.
    #[must_use]
    fn authority(self, authority: &str) -> Self;
    /// A label for metrics.
    #[must_use]
    fn label(self, key: &str, value: &str) -> Self;
    /// Its weight.
    #[must_use]
    fn weight(self, weight: u32) -> Self;
}

impl Endpoint for WeightedAddr {
    fn meshed(mut self, identity: &str) -> Self {
        let name = || DnsLikeIdentity { name: identity.to_owned() };
        self.tls_identity = Some(if identity.starts_with("spiffe:") {
            let strategy = Strategy::UriLikeIdentity(UriLikeIdentity { uri: identity.to_owned() });
            TlsIdentity { server_name: None, strategy: Some(strategy) }
        } else {
            TlsIdentity { server_name: Some(name()), strategy: Some(Strategy::DnsLikeIdentity(name())) }
        });
        self
    }

    fn server_name(mut self, name: &str) -> Self {
        let identity = self.tls_identity.get_or_insert_default();
        identity.server_name = Some(DnsLikeIdentity { name: name.to_owned() });
        self
    }

    fn h2(mut self) -> Self {
        self.protocol_hint.get_or_insert_default().protocol = Some(Protocol::H2(H2 {}));
        self
    }

    fn opaque(mut self) -> Self {
        self.protocol_hint.get_or_insert_default().protocol = Some(Protocol::Opaque(Opaque {}));
        self
    }

    fn transport_header(mut self, inbound_port: u16) -> Self {
        let hint: &mut ProtocolHint = self.protocol_hint.get_or_insert_default();
        hint.opaque_transport = Some(OpaqueTransport { inbound_port: inbound_port.into() });
        self
    }

    fn authority(mut self, authority: &str) -> Self {
        self.authority_override = Some(AuthorityOverride { authority_override: authority.to_owned() });
        self
    }

    fn label(mut self, key: &str, value: &str) -> Self {
        self.metric_labels.insert(key.to_owned(), value.to_owned());
        self
    }

    fn weight(mut self, weight: u32) -> Self {
        self.weight = weight;
        self
    }
}

/// A profile that says no more than the name of a service.
#[must_use]
pub fn profile(name: &str) -> DestinationProfile {
    DestinationProfile { fully_qualified_name: name.to_owned(), ..Default::default() }
}

/// A route of a profile for every request, with this name in metrics.
#[must_use]
pub fn profile_route(name: &str) -> Route {
    let everything = request_match::Match::Path(PathMatch { regex: "/.*".to_owned() });
    Route {
        condition: Some(RequestMatch { r#match: Some(everything) }),
        metrics_labels: [("route".to_owned(), name.to_owned())].into(),
        ..Default::default()
    }
}

/// The same, which tries failures again: responses with a status from 500 on.
#[must_use]
pub fn retryable_route(name: &str) -> Route {
    let failed = response_match::Match::Status(HttpStatusRange { min: 500, max: 599 });
    let failure =
        ResponseClass { condition: Some(ResponseMatch { r#match: Some(failed) }), is_failure: true };
    Route { is_retryable: true, response_classes: vec![failure], ..profile_route(name) }
}

/// A reference to an object of Kubernetes in namespace `test`.
#[must_use]
pub fn resource(group: &str, kind: &str, name: &str, port: u16) -> Metadata {
    Metadata {
        kind: Some(metadata::Kind::Resource(Resource {
            group: group.to_owned(),
            kind: kind.to_owned(),
            name: name.to_owned(),
            namespace: "test".to_owned(),
            section: String::new(),
            port: port.into(),
        })),
    }
}

/// A reference to something that the control plane made up.
#[must_use]
pub fn made_up(name: &str) -> Metadata {
    Metadata { kind: Some(metadata::Kind::Default(name.to_owned())) }
}

/// A duration as the interfaces write it.
#[must_use]
pub fn duration(duration: Duration) -> Option<prost_types::Duration> {
    duration.try_into().ok()
}
