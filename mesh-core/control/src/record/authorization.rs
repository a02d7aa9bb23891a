//! Who may reach servers: authorizations, authentications and rate limits.

use ipnet::IpNet;
use serde::Deserialize;
use serde_json::Value;

use super::meta::Meta;
use super::{Key, Selector, Text};

/// Clients that may reach some Servers.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "ServerAuthorizationObject")]
pub struct ServerAuthorization {
    /// Its place.
    pub key: Key,
    /// The Servers, in its namespace.
    pub server: ServerRef,
    /// Where the clients are; everywhere in the cluster when none is named.
    pub networks: Option<Box<[NetworkMatch]>>,
    /// Who they are.
    pub client: Client,
}

/// Servers by name or by labels.
#[derive(Clone, Debug, PartialEq)]
pub enum ServerRef {
    /// One.
    Name(Text),
    /// Those with these labels.
    Labels(Selector),
}

/// Who clients are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Client {
    /// Anybody.
    Anybody,
    /// Anybody who speaks the mesh's TLS, with an identity or without.
    AnyTls,
    /// These.
    These(Box<[Identity]>),
}

/// Identities of the mesh.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// All of them.
    Any,
    /// Those that end so; the labels without the star.
    Suffix(Text),
    /// One, by name or SPIFFE URI.
    Exact(Text),
    /// That of an account; without a name those of all accounts of a namespace.
    Account(Text, Option<Text>),
}

/// Addresses: a network without some parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkMatch {
    /// The network.
    pub net: IpNet,
    /// What is not meant.
    pub except: Box<[IpNet]>,
}

/// Clients that may reach a target if they pass all authentications.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "AuthorizationPolicyObject")]
pub struct AuthorizationPolicy {
    /// Its place.
    pub key: Key,
    /// What may be reached.
    pub target: Target,
    /// What is required; nothing lets everybody in.
    pub required: Box<[AuthenticationRef]>,
}

/// What an authorization is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// A Server.
    Server(Text),
    /// Every Server of the namespace.
    Namespace,
    /// An HTTPRoute of the mesh's group.
    PolicyHttpRoute(Text),
    /// An HTTPRoute of the Gateway API.
    HttpRoute(Text),
    /// A GRPCRoute.
    GrpcRoute(Text),
}

/// An authentication by reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthenticationRef {
    /// A MeshTLSAuthentication.
    MeshTls(Key),
    /// A NetworkAuthentication.
    Network(Key),
    /// An account.
    ServiceAccount(Key),
}

/// Identities.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "MeshTlsObject")]
pub struct MeshTlsAuthentication {
    /// Its place.
    pub key: Key,
    /// One of these has to be shown.
    pub identities: Box<[Identity]>,
}

/// Networks.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "NetworkObject")]
pub struct NetworkAuthentication {
    /// Its place.
    pub key: Key,
    /// Clients come from one of these.
    pub networks: Box<[NetworkMatch]>,
}

/// How many requests a second each proxy lets through to a Server.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "RateLimitObject")]
pub struct RateLimit {
    /// Its place.
    pub key: Key,
    /// When it was made, in seconds since 1970.
    pub created: i64,
    /// Counts changes of the spec.
    pub generation: i64,
    /// The Server.
    pub server: Text,
    /// Of all clients together.
    pub total: Option<u32>,
    /// Of each identity.
    pub identity: Option<u32>,
    /// Of single clients instead.
    pub overrides: Box<[RateOverride]>,
    /// The status that was written last.
    pub status: Value,
}

/// The limit of single clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateOverride {
    /// Requests a second.
    pub rate: u32,
    /// The accounts the clients run as.
    pub clients: Box<[Key]>,
}

/// Destinations outside the cluster.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "EgressObject")]
pub struct EgressNetwork {
    /// Its place.
    pub key: Key,
    /// When it was made, in seconds since 1970.
    pub created: i64,
    /// Counts changes of the spec.
    pub generation: i64,
    /// The networks; everything outside the cluster when there are none.
    pub networks: Option<Box<[NetworkMatch]>>,
    /// Whether traffic that no route covers is let through.
    pub allow: bool,
    /// Annotations of the mesh.
    pub annotations: super::Labels,
    /// The status that was written last.
    pub status: Value,
}

#[derive(Deserialize)]
struct ServerAuthorizationObject {
    metadata: Meta,
    spec: ServerAuthorizationSpec,
}

#[derive(Deserialize)]
struct ServerAuthorizationSpec {
    server: WrittenServer,
    client: WrittenClient,
}

#[derive(Deserialize)]
struct WrittenServer {
    #[serde(default)]
    name: Option<Text>,
    #[serde(default)]
    selector: Option<Selector>,
}

#[derive(Deserialize)]
struct WrittenClient {
    #[serde(default)]
    networks: Option<Vec<WrittenNetwork>>,
    #[serde(default)]
    unauthenticated: bool,
    #[serde(default, rename = "meshTLS")]
    mesh_tls: Option<WrittenMeshTls>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrittenMeshTls {
    #[serde(default, rename = "unauthenticatedTLS")]
    unauthenticated_tls: bool,
    #[serde(default)]
    identities: Vec<Text>,
    #[serde(default)]
    service_accounts: Vec<WrittenAccount>,
}

#[derive(Deserialize)]
struct WrittenAccount {
    name: Text,
    #[serde(default)]
    namespace: Option<Text>,
}

#[derive(Deserialize)]
struct WrittenNetwork {
    cidr: String,
    #[serde(default)]
    except: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct AuthorizationPolicyObject {
    metadata: Meta,
    spec: AuthorizationPolicySpec,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AuthorizationPolicySpec {
    target_ref: Reference,
    required_authentication_refs: Vec<Reference>,
}

#[derive(Deserialize)]
struct Reference {
    #[serde(default)]
    group: String,
    kind: String,
    #[serde(default)]
    name: Option<Text>,
    #[serde(default)]
    namespace: Option<Text>,
}

#[derive(Deserialize)]
struct MeshTlsObject {
    metadata: Meta,
    spec: MeshTlsSpec,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MeshTlsSpec {
    #[serde(default)]
    identities: Option<Vec<Text>>,
    #[serde(default)]
    identity_refs: Option<Vec<Reference>>,
}

#[derive(Deserialize)]
struct NetworkObject {
    metadata: Meta,
    spec: NetworkSpec,
}

#[derive(Deserialize)]
struct NetworkSpec {
    networks: Vec<WrittenNetwork>,
}

#[derive(Deserialize)]
struct RateLimitObject {
    metadata: Meta,
    spec: RateLimitSpec,
    #[serde(default)]
    status: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RateLimitSpec {
    target_ref: Reference,
    #[serde(default)]
    total: Option<WrittenLimit>,
    #[serde(default)]
    identity: Option<WrittenLimit>,
    #[serde(default)]
    overrides: Option<Vec<WrittenOverride>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrittenLimit {
    requests_per_second: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrittenOverride {
    requests_per_second: u32,
    client_refs: Vec<Reference>,
}

#[derive(Deserialize)]
struct EgressObject {
    metadata: Meta,
    spec: EgressSpec,
    #[serde(default)]
    status: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EgressSpec {
    traffic_policy: TrafficPolicy,
    #[serde(default)]
    networks: Option<Vec<WrittenNetwork>>,
}

#[derive(Deserialize, PartialEq)]
enum TrafficPolicy {
    Allow,
    Deny,
}

// === impl NetworkMatch ===

impl NetworkMatch {
    /// Whether an address is meant.
    pub fn contains(&self, address: std::net::IpAddr) -> bool {
        self.net.contains(&address) && !self.except.iter().any(|net| net.contains(&address))
    }
}

impl TryFrom<WrittenNetwork> for NetworkMatch {
    type Error = String;

    fn try_from(written: WrittenNetwork) -> Result<Self, String> {
        let net = network(&written.cidr)?;
        let except: Result<Box<[IpNet]>, String> =
            written.except.unwrap_or_default().iter().map(|text| network(text)).collect();
        Ok(Self { net, except: except? })
    }
}

/// A network in CIDR notation, or one address.
fn network(text: &str) -> Result<IpNet, String> {
    if let Ok(net) = text.parse::<IpNet>() {
        return Ok(net);
    }
    let address: std::net::IpAddr =
        text.parse().map_err(|_| format!("{text:?} is neither a network (10.0.0.0/8) nor an address"))?;
    Ok(IpNet::from(address))
}

fn networks(written: Vec<WrittenNetwork>) -> Result<Box<[NetworkMatch]>, String> {
    written.into_iter().map(NetworkMatch::try_from).collect()
}

// === impl Identity ===

impl Identity {
    fn read(text: &Text) -> Result<Self, String> {
        if text == "*" {
            return Ok(Self::Any);
        }
        match text.strip_prefix("*.") {
            Some(suffix) if !suffix.is_empty() && !suffix.contains('*') => Ok(Self::Suffix(suffix.into())),
            None if !text.is_empty() && !text.contains('*') => Ok(Self::Exact(text.clone())),
            _ => Err(format!("identity {text:?}: a star stands alone or as the first label")),
        }
    }
}

// === impl of the records ===

impl TryFrom<ServerAuthorizationObject> for ServerAuthorization {
    type Error = String;

    fn try_from(
        ServerAuthorizationObject { metadata, spec }: ServerAuthorizationObject,
    ) -> Result<Self, String> {
        let server = match (spec.server.name, spec.server.selector) {
            (Some(name), None) => ServerRef::Name(name),
            (None, Some(selector)) => ServerRef::Labels(selector),
            _ => return Err("spec.server: either name or selector is required".to_owned()),
        };
        let client = match (spec.client.unauthenticated, spec.client.mesh_tls) {
            (true, Some(_)) => return Err("spec.client: unauthenticated excludes meshTLS".to_owned()),
            (true, None) => Client::Anybody,
            (false, None) => return Err("spec.client: unauthenticated or meshTLS is required".to_owned()),
            (false, Some(tls)) if tls.unauthenticated_tls => {
                if !tls.identities.is_empty() || !tls.service_accounts.is_empty() {
                    return Err(
                        "spec.client.meshTLS: unauthenticatedTLS excludes identities and serviceAccounts"
                            .to_owned(),
                    );
                }
                Client::AnyTls
            }
            (false, Some(tls)) => {
                let mut these: Vec<Identity> =
                    tls.identities.iter().map(Identity::read).collect::<Result<_, _>>()?;
                these.extend(tls.service_accounts.into_iter().map(|account| {
                    Identity::Account(
                        account.namespace.unwrap_or_else(|| metadata.namespace.clone()),
                        Some(account.name),
                    )
                }));
                if these.is_empty() {
                    return Err(
                        "spec.client.meshTLS: identities, serviceAccounts or unauthenticatedTLS is required"
                            .to_owned(),
                    );
                }
                Client::These(these.into())
            }
        };
        Ok(Self {
            key: metadata.key(),
            server,
            networks: spec.client.networks.map(networks).transpose()?,
            client,
        })
    }
}

impl TryFrom<AuthorizationPolicyObject> for AuthorizationPolicy {
    type Error = String;

    fn try_from(
        AuthorizationPolicyObject { metadata, spec }: AuthorizationPolicyObject,
    ) -> Result<Self, String> {
        let Reference { group, kind, name, namespace } = spec.target_ref;
        if namespace.is_some_and(|namespace| namespace != metadata.namespace) {
            return Err("spec.targetRef: the target must be in the namespace of the policy".to_owned());
        }
        let name = name.ok_or("spec.targetRef: name is required")?;
        let target = match (group.as_str(), kind.as_str()) {
            ("policy.linkerd.io", "Server") => Target::Server(name),
            ("policy.linkerd.io", "HTTPRoute") => Target::PolicyHttpRoute(name),
            ("gateway.networking.k8s.io", "HTTPRoute") => Target::HttpRoute(name),
            ("gateway.networking.k8s.io", "GRPCRoute") => Target::GrpcRoute(name),
            ("" | "core", "Namespace") if name == metadata.namespace => Target::Namespace,
            ("" | "core", "Namespace") => {
                return Err("spec.targetRef: a Namespace must be that of the policy".to_owned());
            }
            _ => {
                return Err(format!(
                    "spec.targetRef: {kind} of group {group:?} cannot be a target; use Server, HTTPRoute, GRPCRoute or Namespace"
                ));
            }
        };
        let own = |namespace: Option<Text>| namespace.unwrap_or_else(|| metadata.namespace.clone());
        let mut required = Vec::with_capacity(spec.required_authentication_refs.len());
        for Reference { group, kind, name, namespace } in spec.required_authentication_refs {
            let name = name.ok_or("spec.requiredAuthenticationRefs: name is required")?;
            let key = Key { namespace: own(namespace), name };
            required.push(match (group.as_str(), kind.as_str()) {
                ("policy.linkerd.io", "MeshTLSAuthentication") => AuthenticationRef::MeshTls(key),
                ("policy.linkerd.io", "NetworkAuthentication") => AuthenticationRef::Network(key),
                ("" | "core", "ServiceAccount") => AuthenticationRef::ServiceAccount(key),
                _ => {
                    return Err(format!(
                        "spec.requiredAuthenticationRefs: {kind} of group {group:?} is no authentication; use MeshTLSAuthentication, NetworkAuthentication or ServiceAccount"
                    ));
                }
            });
        }
        let is_network = |it: &&AuthenticationRef| matches!(it, AuthenticationRef::Network(_));
        let on_network = required.iter().filter(is_network).count();
        if on_network > 1 {
            return Err("spec.requiredAuthenticationRefs: at most one NetworkAuthentication".to_owned());
        }
        if required.len() - on_network > 1 {
            return Err(
                "spec.requiredAuthenticationRefs: at most one MeshTLSAuthentication or ServiceAccount"
                    .to_owned(),
            );
        }
        Ok(Self { key: metadata.key(), target, required: required.into() })
    }
}

impl TryFrom<MeshTlsObject> for MeshTlsAuthentication {
    type Error = String;

    fn try_from(MeshTlsObject { metadata, spec }: MeshTlsObject) -> Result<Self, String> {
        let written = spec.identities.unwrap_or_default();
        let refs = spec.identity_refs.unwrap_or_default();
        if written.is_empty() == refs.is_empty() {
            return Err("spec: either identities or identityRefs is required".to_owned());
        }
        let mut identities: Vec<Identity> = written.iter().map(Identity::read).collect::<Result<_, _>>()?;
        for Reference { group, kind, name, namespace } in refs {
            let own = || namespace.clone().unwrap_or_else(|| metadata.namespace.clone());
            identities.push(match (group.as_str(), kind.as_str()) {
                ("" | "core", "ServiceAccount") => Identity::Account(own(), name),
                ("" | "core", "Namespace") => {
                    Identity::Account(name.ok_or("spec.identityRefs: a Namespace needs a name")?, None)
                }
                _ => {
                    return Err(format!(
                        "spec.identityRefs: {kind} has no identity; use ServiceAccount or Namespace"
                    ));
                }
            });
        }
        Ok(Self { key: metadata.key(), identities: identities.into() })
    }
}

impl TryFrom<NetworkObject> for NetworkAuthentication {
    type Error = String;

    fn try_from(NetworkObject { metadata, spec }: NetworkObject) -> Result<Self, String> {
        if spec.networks.is_empty() {
            return Err("spec.networks: at least one network is required".to_owned());
        }
        let networks = networks(spec.networks)?;
        for network in &networks {
            for except in &network.except {
                if except.contains(&network.net) {
                    return Err(format!("spec.networks: {except} leaves nothing of {}", network.net));
                }
                if !network.net.contains(except) {
                    return Err(format!("spec.networks: {except} is not within {}", network.net));
                }
            }
        }
        Ok(Self { key: metadata.key(), networks })
    }
}

impl TryFrom<RateLimitObject> for RateLimit {
    type Error = String;

    fn try_from(RateLimitObject { metadata, spec, status }: RateLimitObject) -> Result<Self, String> {
        let Reference { group, kind, name, .. } = spec.target_ref;
        if (group.as_str(), kind.as_str()) != ("policy.linkerd.io", "Server") {
            return Err(format!("spec.targetRef: {kind} of group {group:?} cannot be limited; use a Server"));
        }
        let (total, identity) =
            (spec.total.map(|it| it.requests_per_second), spec.identity.map(|it| it.requests_per_second));
        let written = spec.overrides.unwrap_or_default();
        let mut overrides = Vec::with_capacity(written.len());
        for WrittenOverride { requests_per_second, client_refs } in written {
            let mut clients = Vec::with_capacity(client_refs.len());
            for Reference { group, kind, name, namespace } in client_refs {
                if !matches!((group.as_str(), kind.as_str()), ("" | "core", "ServiceAccount")) {
                    return Err(format!("spec.overrides: {kind} is no client; use ServiceAccount"));
                }
                let namespace = namespace.unwrap_or_else(|| metadata.namespace.clone());
                clients.push(Key { namespace, name: name.ok_or("spec.overrides: name is required")? });
            }
            overrides.push(RateOverride { rate: requests_per_second, clients: clients.into() });
        }
        let rates = overrides.iter().map(|it| it.rate).chain(identity);
        for rate in rates.clone().chain(total) {
            if rate == 0 {
                return Err("spec: requestsPerSecond must be above 0".to_owned());
            }
        }
        if let Some(total) = total
            && let Some(rate) = rates.max()
            && rate > total
        {
            return Err(format!("spec: a limit of {rate} is above the total of {total}"));
        }
        Ok(Self {
            key: metadata.key(),
            created: metadata.created(),
            generation: metadata.generation,
            server: name.ok_or("spec.targetRef: name is required")?,
            total,
            identity,
            overrides: overrides.into(),
            status,
        })
    }
}

impl TryFrom<EgressObject> for EgressNetwork {
    type Error = String;

    fn try_from(EgressObject { metadata, spec, status }: EgressObject) -> Result<Self, String> {
        Ok(Self {
            key: metadata.key(),
            created: metadata.created(),
            generation: metadata.generation,
            networks: spec.networks.filter(|it| !it.is_empty()).map(networks).transpose()?,
            allow: spec.traffic_policy == TrafficPolicy::Allow,
            annotations: metadata.annotations.filtered(super::service::is_ours),
            status,
        })
    }
}
