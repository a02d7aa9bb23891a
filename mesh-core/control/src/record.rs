//! Reduced records: what the indexes keep of an object, and nothing more.
//!
//! A [`Record`] is made once, where an object enters ([`Kind::decode`]), from the JSON of the API or of a manifest.
//! Names are shared ([`Text`]), so a pod costs about a kilobyte. Two records are equal when no answer can differ;
//! resource versions, managed fields and most of status are therefore left out.

mod authorization;
mod endpoints;
mod external;
mod fault;
mod kind;
mod meta;
mod mirror;
mod node;
mod pod;
mod policy;
mod profile;
mod route;
mod selector;
mod service;
mod slice;
mod text;
mod weight;

pub use authorization::{
    AuthenticationRef, AuthorizationPolicy, Client, EgressNetwork, Identity, MeshTlsAuthentication,
    NetworkAuthentication, NetworkMatch, RateLimit, RateOverride, ServerAuthorization, ServerRef, Target,
};
pub use endpoints::Endpoints;
pub use external::ExternalWorkload;
pub use fault::{Fault, FaultTarget};
pub use kind::{DecodeError, Decoded, Kind, Page, PageHead, Record, Watched};
pub use meta::{Key, Meta, Uid};
pub use mirror::Mirror;
pub use node::{Namespace, Node, Owned, Owner};
pub use pod::{ContainerPort, Phase, Pod, ProxyFacts};
pub use policy::{AccessPolicy, Protocol, Server, WorkloadSelector};
pub use profile::{Profile, TrafficSplit};
pub use route::{
    Backend, BackendKind, Filter, HeaderModifier, Match, Parent, ParentKind, ParentRef, PathMatch,
    PathModifier, Redirect, Route, RouteKind, Rule, TextMatch,
};
pub use selector::Selector;
pub use service::{Closest, PortTarget, Service, ServiceKind, ServicePort};
pub use slice::{AddressFamily, Endpoint, EndpointSlice, Gateway, Hint, TargetKind};
pub use text::{Labels, List, Text};
pub use weight::Weight;
