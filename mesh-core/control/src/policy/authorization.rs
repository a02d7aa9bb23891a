//! Which clients a Server or a route lets in.

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use linkerd2_proxy_api::inbound::{Authn, Authz, IdentitySuffix, Network, authn};
use linkerd2_proxy_api::{inbound, meta};

use crate::config::{Config, DefaultPolicy};
use crate::destination::profile::reference;
use crate::index::{Interest, Reads, Store};
use crate::record::{
    AccessPolicy, AuthenticationRef, AuthorizationPolicy, Client, Identity, Key, NetworkMatch, Server,
    ServerAuthorization, ServerRef, Target,
};

const GROUP: &str = "policy.linkerd.io";

/// The clients that a Server lets in, whatever the route.
pub fn of_server(server: &Server, store: &Store, config: &Config, reads: &mut Reads) -> Vec<Authz> {
    let namespace = &server.key.namespace;
    let mut found: Vec<Authz> = Vec::new();
    let mut named: Vec<&std::sync::Arc<ServerAuthorization>> =
        store.server_authorizations(namespace).collect();
    named.sort_by_key(|authorization| authorization.key.name.clone());
    let is_meant = |authorization: &ServerAuthorization| match &authorization.server {
        ServerRef::Name(name) => *name == server.key.name,
        ServerRef::Labels(selector) => selector.matches(&server.labels),
    };
    found.extend(named.into_iter().filter(|it| is_meant(it)).map(|it| of_authorization(it, config)));
    let targets = [Target::Server(server.key.name.clone()), Target::Namespace];
    found.extend(of_targets(namespace, &targets, store, config, reads));
    found.extend(of_access(server.access, config));
    found
}

/// The clients that policies let in to some targets of a namespace.
pub fn of_targets(
    namespace: &crate::record::Text,
    targets: &[Target],
    store: &Store,
    config: &Config,
    reads: &mut Reads,
) -> Vec<Authz> {
    let mut policies: Vec<&std::sync::Arc<AuthorizationPolicy>> =
        store.authorization_policies(namespace).filter(|policy| targets.contains(&policy.target)).collect();
    policies.sort_by_key(|policy| policy.key.name.clone());
    policies.into_iter().filter_map(|policy| of_policy(policy, store, config, reads)).collect()
}

/// What the default policy lets in.
pub fn of_default(policy: DefaultPolicy, config: &Config) -> Option<Authz> {
    let networks = |cluster: bool| if cluster { of_nets(&config.cluster_networks) } else { everywhere() };
    let (networks, authentication) = match policy {
        DefaultPolicy::Deny => return None,
        DefaultPolicy::AllUnauthenticated | DefaultPolicy::Audit => (networks(false), anybody()),
        DefaultPolicy::AllAuthenticated => (networks(false), identities(&[Identity::Any], config)),
        DefaultPolicy::ClusterUnauthenticated => (networks(true), anybody()),
        DefaultPolicy::ClusterAuthenticated => (networks(true), identities(&[Identity::Any], config)),
    };
    Some(Authz {
        networks,
        authentication: Some(authentication),
        labels: labels("", "default", policy.as_str()),
        metadata: Some(default(policy.as_str())),
    })
}

/// Anybody from where probes come.
pub fn of_probes(config: &Config) -> Authz {
    Authz {
        networks: of_nets(&config.probe_networks),
        authentication: Some(anybody()),
        labels: labels("", "default", "probe"),
        metadata: Some(default("probe")),
    }
}

/// Labels of metrics that name a resource.
pub fn labels(group: &str, kind: &str, name: &str) -> std::collections::HashMap<String, String> {
    [("group", group), ("kind", kind), ("name", name)]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
}

/// Names something that is no resource.
pub fn default(name: &str) -> meta::Metadata {
    meta::Metadata { kind: Some(meta::metadata::Kind::Default(name.to_owned())) }
}

fn of_access(access: AccessPolicy, config: &Config) -> Option<Authz> {
    of_default(
        match access {
            AccessPolicy::Deny => DefaultPolicy::Deny,
            AccessPolicy::Audit => DefaultPolicy::Audit,
            AccessPolicy::AllUnauthenticated => DefaultPolicy::AllUnauthenticated,
            AccessPolicy::AllAuthenticated => DefaultPolicy::AllAuthenticated,
            AccessPolicy::ClusterUnauthenticated => DefaultPolicy::ClusterUnauthenticated,
            AccessPolicy::ClusterAuthenticated => DefaultPolicy::ClusterAuthenticated,
        },
        config,
    )
}

fn of_authorization(authorization: &ServerAuthorization, config: &Config) -> Authz {
    let networks = match &authorization.networks {
        Some(networks) => of_matches(networks),
        // Nothing said means the cluster, not the world.
        None => of_nets(&config.cluster_networks),
    };
    let authentication = match &authorization.client {
        Client::Anybody => anybody(),
        Client::AnyTls => Authn {
            permit: Some(authn::Permit::MeshTls(authn::PermitMeshTls {
                clients: Some(authn::permit_mesh_tls::Clients::Unauthenticated(
                    authn::PermitUnauthenticated {},
                )),
            })),
        },
        Client::These(these) => identities(these, config),
    };
    Authz {
        networks,
        authentication: Some(authentication),
        labels: labels(GROUP, "serverauthorization", &authorization.key.name),
        metadata: Some(reference(GROUP, "serverauthorization", &authorization.key, 0)),
    }
}

/// None when something that is required does not exist: a policy that cannot be judged lets nobody in.
fn of_policy(
    policy: &AuthorizationPolicy,
    store: &Store,
    config: &Config,
    reads: &mut Reads,
) -> Option<Authz> {
    let mut networks = everywhere();
    let mut authentication = anybody();
    for required in &policy.required {
        match required {
            AuthenticationRef::Network(key) => {
                reads.note(Interest::Policy(key.namespace.clone()));
                networks = of_matches(&store.network(key)?.networks);
            }
            AuthenticationRef::MeshTls(key) => {
                reads.note(Interest::Policy(key.namespace.clone()));
                authentication = identities(&store.mesh_tls(key)?.identities, config);
            }
            AuthenticationRef::ServiceAccount(key) => {
                let account = Identity::Account(key.namespace.clone(), Some(key.name.clone()));
                authentication = identities(&[account], config);
            }
        }
    }
    Some(Authz {
        networks,
        authentication: Some(authentication),
        labels: labels(GROUP, "authorizationpolicy", &policy.key.name),
        metadata: Some(reference(GROUP, "authorizationpolicy", &policy.key, 0)),
    })
}

fn anybody() -> Authn {
    Authn { permit: Some(authn::Permit::Unauthenticated(authn::PermitUnauthenticated {})) }
}

fn identities(these: &[Identity], config: &Config) -> Authn {
    let mut permit = authn::permit_mesh_tls::PermitClientIdentities::default();
    let suffix = |text: &str| IdentitySuffix { parts: text.split('.').map(str::to_owned).collect() };
    for identity in these {
        match identity {
            // Every name ends with nothing.
            Identity::Any => permit.suffixes.push(IdentitySuffix { parts: Vec::new() }),
            Identity::Suffix(text) => permit.suffixes.push(suffix(text)),
            Identity::Exact(name) => permit.identities.push(inbound::Identity { name: name.to_string() }),
            Identity::Account(namespace, Some(account)) => {
                let name = account_name(&Key { namespace: namespace.clone(), name: account.clone() }, config);
                permit.identities.push(inbound::Identity { name });
            }
            Identity::Account(namespace, None) => {
                let all = config.identity(namespace, "*");
                permit.suffixes.push(suffix(all.trim_start_matches("*.")));
            }
        }
    }
    Authn {
        permit: Some(authn::Permit::MeshTls(authn::PermitMeshTls {
            clients: Some(authn::permit_mesh_tls::Clients::Identities(permit)),
        })),
    }
}

/// The identity of an account.
pub fn account_name(account: &Key, config: &Config) -> String {
    config.identity(&account.namespace, &account.name)
}

fn everywhere() -> Vec<Network> {
    of_nets(&[IpNet::V4(Ipv4Net::default()), IpNet::V6(Ipv6Net::default())])
}

fn of_nets(nets: &[IpNet]) -> Vec<Network> {
    nets.iter().map(|net| Network { net: Some((*net).into()), except: Vec::new() }).collect()
}

fn of_matches(networks: &[NetworkMatch]) -> Vec<Network> {
    let of = |network: &NetworkMatch| Network {
        net: Some(network.net.into()),
        except: network.except.iter().map(|net| (*net).into()).collect(),
    };
    networks.iter().map(of).collect()
}
