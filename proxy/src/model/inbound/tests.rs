//! Messages that convert and messages that do not, and a corpus of who is let in by what.

use api::authn::{Permit, PermitMeshTls, PermitUnauthenticated, permit_mesh_tls as mesh};
use linkerd2_proxy_api::{http_route, http_types, meta, net};

use super::*;

const WEB: &str = "web.ns.serviceaccount.identity.linkerd.cluster.local";
const URI: &str = "spiffe://root.example/ns/web";

fn network(net: &str, except: &[&str]) -> api::Network {
    let parse = |text: &str| net::IpNetwork::from(text.parse::<ipnet::IpNet>().unwrap());
    api::Network { net: Some(parse(net)), except: except.iter().map(|text| parse(text)).collect() }
}

fn labels(pairs: &[(&str, &str)]) -> HashMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn authz(networks: Vec<api::Network>, permit: Permit) -> api::Authz {
    let authentication = Some(api::Authn { permit: Some(permit) });
    api::Authz {
        networks,
        authentication,
        labels: labels(&[("name", "serverauthorization:one")]),
        metadata: None,
    }
}

fn anybody() -> Permit {
    Permit::Unauthenticated(PermitUnauthenticated {})
}

fn meshed() -> Permit {
    let clients = mesh::Clients::Unauthenticated(PermitUnauthenticated {});
    Permit::MeshTls(PermitMeshTls { clients: Some(clients) })
}

fn named(identities: &[&str], suffixes: &[&[&str]]) -> Permit {
    let identities = identities.iter().map(|name| api::Identity { name: (*name).to_owned() }).collect();
    let parts = |parts: &[&str]| parts.iter().map(|part| (*part).to_owned()).collect();
    let suffixes = suffixes.iter().map(|suffix| api::IdentitySuffix { parts: parts(suffix) }).collect();
    let clients = mesh::Clients::Identities(mesh::PermitClientIdentities { identities, suffixes });
    Permit::MeshTls(PermitMeshTls { clients: Some(clients) })
}

fn server(kind: api::proxy_protocol::Kind, authorizations: Vec<api::Authz>) -> api::Server {
    api::Server {
        protocol: Some(api::ProxyProtocol { kind: Some(kind) }),
        server_ips: Vec::new(),
        authorizations,
        labels: labels(&[("group", "policy.linkerd.io"), ("kind", "server"), ("name", "web")]),
    }
}

fn opaque() -> api::proxy_protocol::Kind {
    api::proxy_protocol::Kind::Opaque(api::proxy_protocol::Opaque {})
}

fn http1(routes: Vec<api::HttpRoute>) -> api::proxy_protocol::Kind {
    api::proxy_protocol::Kind::Http1(api::proxy_protocol::Http1 { routes, local_rate_limit: None })
}

fn route(
    name: &str,
    authorizations: Vec<api::Authz>,
    filters: Vec<api::http_route::Filter>,
) -> api::HttpRoute {
    let resource = meta::Resource {
        group: "policy.linkerd.io".into(),
        kind: "HTTPRoute".into(),
        name: name.into(),
        ..Default::default()
    };
    api::HttpRoute {
        metadata: Some(meta::Metadata { kind: Some(meta::metadata::Kind::Resource(resource)) }),
        hosts: Vec::new(),
        authorizations,
        rules: vec![api::http_route::Rule { matches: Vec::new(), filters }],
    }
}

fn plain() -> Peer {
    Peer::Plain
}

fn id(text: &str) -> Peer {
    Peer::Meshed(Some(text.parse().unwrap()))
}

#[test]
fn a_corpus_of_who_is_let_in_by_what() {
    let all = || vec![network("0.0.0.0/0", &[]), network("::/0", &[])];
    let cluster = || vec![network("10.0.0.0/8", &["10.9.0.0/16"])];
    let nameless = || Peer::Meshed(None);
    for (case, rules, ip, peer, allowed) in [
        ("nobody is let in without a rule", vec![], "10.0.0.1", plain(), false),
        ("the pod itself always is", vec![], "127.0.0.1", plain(), true),
        ("also over IPv6", vec![], "::1", plain(), true),
        ("but not the rest of the loopback network", vec![], "127.0.0.2", plain(), false),
        ("anybody from anywhere", vec![authz(all(), anybody())], "192.0.2.1", plain(), true),
        ("an identity does not hurt", vec![authz(all(), anybody())], "2001:db8::1", id(WEB), true),
        (
            "a rule without networks lets nobody in",
            vec![authz(vec![], anybody())],
            "10.0.0.1",
            plain(),
            false,
        ),
        ("within the network", vec![authz(cluster(), anybody())], "10.8.0.1", plain(), true),
        ("outside of it", vec![authz(cluster(), anybody())], "192.0.2.1", plain(), false),
        ("in a part that is excepted", vec![authz(cluster(), anybody())], "10.9.3.4", plain(), false),
        (
            "an IPv4 address mapped into IPv6",
            vec![authz(cluster(), anybody())],
            "::ffff:10.8.0.1",
            plain(),
            true,
        ),
        ("mapped and excepted", vec![authz(cluster(), anybody())], "::ffff:10.9.0.1", plain(), false),
        ("TLS of the mesh is asked for", vec![authz(all(), meshed())], "10.0.0.1", plain(), false),
        ("and is there without a name", vec![authz(all(), meshed())], "10.0.0.1", nameless(), true),
        ("and with a name", vec![authz(all(), meshed())], "10.0.0.1", id(WEB), true),
        ("a name is asked for", vec![authz(all(), named(&[WEB], &[]))], "10.0.0.1", nameless(), false),
        ("the right name", vec![authz(all(), named(&[WEB], &[]))], "10.0.0.1", id(WEB), true),
        (
            "in another case",
            vec![authz(all(), named(&[&WEB.to_uppercase()], &[]))],
            "10.0.0.1",
            id(WEB),
            true,
        ),
        ("another name", vec![authz(all(), named(&["x.ns"], &[]))], "10.0.0.1", id(WEB), false),
        ("a URI", vec![authz(all(), named(&[URI], &[]))], "10.0.0.1", id(URI), true),
        (
            "another URI",
            vec![authz(all(), named(&[URI], &[]))],
            "10.0.0.1",
            id("spiffe://root.example/ns/WEB"),
            false,
        ),
        ("neither names nor suffixes", vec![authz(all(), named(&[], &[]))], "10.0.0.1", id(WEB), false),
        (
            "the right name from the wrong place",
            vec![authz(cluster(), named(&[WEB], &[]))],
            "192.0.2.1",
            id(WEB),
            false,
        ),
        (
            "the second of two rules",
            vec![authz(cluster(), meshed()), authz(all(), anybody())],
            "192.0.2.1",
            plain(),
            true,
        ),
        (
            "no rule adds its parts to another's",
            vec![authz(cluster(), meshed()), authz(vec![network("192.0.2.0/24", &[])], named(&[WEB], &[]))],
            "192.0.2.1",
            nameless(),
            false,
        ),
    ] {
        let policy = InboundPolicy::try_from(server(opaque(), rules)).unwrap();
        assert_eq!(policy.authorize(ip.parse().unwrap(), &peer).is_some(), allowed, "{case}");
    }
}

#[test]
fn suffixes_match_what_is_below_them() {
    let all = || vec![network("0.0.0.0/0", &[])];
    for (case, rules, ip, peer, allowed) in [
        (
            "below a suffix",
            vec![authz(all(), named(&[], &[&["linkerd", "cluster", "local"]]))],
            "10.0.0.1",
            id(WEB),
            true,
        ),
        (
            "the suffix itself is not below it",
            vec![authz(all(), named(&[], &[&["cluster", "local"]]))],
            "10.0.0.1",
            id("cluster.local"),
            false,
        ),
        (
            "a name that ends alike",
            vec![authz(all(), named(&[], &[&["local"]]))],
            "10.0.0.1",
            id("a.notlocal"),
            false,
        ),
        (
            "a URI below a suffix of names",
            vec![authz(all(), named(&[], &[&["example"]]))],
            "10.0.0.1",
            id(URI),
            false,
        ),
    ] {
        let policy = InboundPolicy::try_from(server(opaque(), rules)).unwrap();
        assert_eq!(policy.authorize(ip.parse().unwrap(), &peer).is_some(), allowed, "{case}");
    }
}

// The original compares suffixes with DNS names alone, so its `all-authenticated` refuses identities of SPIFFE.
#[test]
fn the_empty_suffix_matches_every_identity() {
    let rule = authz(vec![network("0.0.0.0/0", &[])], named(&[], &[&[]]));
    let policy = InboundPolicy::try_from(server(opaque(), vec![rule])).unwrap();
    let allowed = |peer| policy.authorize("10.0.0.1".parse().unwrap(), &peer).is_some();
    assert!(allowed(id(URI)) && allowed(id(WEB)));
    assert!(!allowed(Peer::Meshed(None)) && !allowed(plain()));
}

#[test]
fn a_route_adds_to_those_the_server_lets_in() {
    let everywhere = || vec![network("0.0.0.0/0", &[])];
    let probe = route("probe", vec![authz(everywhere(), anybody())], vec![]);
    let other = route("other", vec![], vec![]);
    let server = server(http1(vec![probe, other]), vec![authz(everywhere(), named(&[WEB], &[]))]);
    let policy = InboundPolicy::try_from(server).unwrap();
    let ip = "10.0.0.1".parse().unwrap();
    assert!(policy.authorize(ip, &plain()).is_none());
    assert!(policy.authorize_route(0, ip, &plain()).is_some());
    assert!(policy.authorize_route(1, ip, &plain()).is_none());
    assert!(policy.authorize_route(1, ip, &id(WEB)).is_some());
    assert!(policy.authorize_route(9, ip, &plain()).is_none(), "a route that does not exist");
}

#[test]
fn defaults_by_name() {
    let policy = |name, allow, networks: &[&str]| {
        let networks: Vec<_> = networks.iter().map(|text| text.parse().unwrap()).collect();
        InboundPolicy::new_default(name, allow, &networks, Protocol::Opaque)
    };
    let ip = "192.0.2.1".parse().unwrap();
    let deny = policy("deny", DefaultAllow::Nobody, &[]);
    assert!(
        deny.authorize(ip, &id(WEB)).is_none() && deny.authorize("::1".parse().unwrap(), &plain()).is_some()
    );
    let authenticated = policy("all-authenticated", DefaultAllow::Authenticated, &[]);
    assert!(
        authenticated.authorize(ip, &plain()).is_none() && authenticated.authorize(ip, &id(URI)).is_some()
    );
    let cluster = policy("cluster-unauthenticated", DefaultAllow::Everybody, &["10.0.0.0/8"]);
    assert!(cluster.authorize(ip, &plain()).is_none());
    assert!(cluster.authorize("10.1.1.1".parse().unwrap(), &plain()).is_some());
    let audit = policy("audit", DefaultAllow::Audited, &[]);
    assert!(audit.authorize(ip, &plain()).unwrap().is_audit());
    assert_eq!(audit.meta.to_string(), "default/audit");
}

#[test]
fn a_server_without_routes_has_a_default_one() {
    let policy = InboundPolicy::try_from(server(http1(vec![]), vec![])).unwrap();
    let Protocol::Http1(http) = policy.protocol else { panic!("not HTTP/1") };
    assert_eq!(http.routes.routes.len(), 1);
    assert_eq!(http.routes.routes[0].meta.to_string(), "default/default");
    assert_eq!(policy.meta.to_string(), "server/web");
}

#[test]
fn labels_of_older_control_planes_are_understood() {
    let meta = |pairs: &[(&str, &str)]| {
        meta_of_labels(labels(pairs), "server").map(|meta| format!("{}|{meta}", meta.group()))
    };
    assert_eq!(meta(&[("name", "default:deny")]).unwrap(), "|default/deny");
    assert_eq!(meta(&[("name", "server:web")]).unwrap(), "policy.linkerd.io|server/web");
    assert_eq!(meta(&[("name", "web"), ("kind", "x"), ("group", "g")]).unwrap(), "g|x/web");
    assert_eq!(meta(&[("name", "deny"), ("kind", "default"), ("group", "")]).unwrap(), "|default/deny");
    assert_eq!(meta(&[("kind", "server")]).unwrap_err().problem(), Problem::Missing);
    assert!(meta(&[("name", &"x".repeat(1 << 20))]).is_err());
}

#[test]
fn what_is_malformed_is_named() {
    let error = |message: api::Server| InboundPolicy::try_from(message).unwrap_err().to_string();
    let mut no_protocol = server(opaque(), vec![]);
    no_protocol.protocol = None;
    assert_eq!(error(no_protocol), "protocol: required, but not there");
    let mut no_kind = server(opaque(), vec![]);
    no_kind.protocol = Some(api::ProxyProtocol { kind: None });
    assert_eq!(error(no_kind), "protocol.kind: required, but not there");
    let mut no_permit = authz(vec![], anybody());
    no_permit.authentication = Some(api::Authn { permit: None });
    assert_eq!(
        error(server(opaque(), vec![no_permit])),
        "authorizations[0].authentication.permit: required, but not there"
    );
    let bad_name = authz(vec![], named(&["a b"], &[]));
    assert!(
        error(server(opaque(), vec![bad_name]))
            .starts_with("authorizations[0].authentication.identities[0].name")
    );
    let mut bad_net = network("10.0.0.0/8", &[]);
    bad_net.net.as_mut().unwrap().prefix_len = 64;
    assert!(
        error(server(opaque(), vec![authz(vec![bad_net], anybody())]))
            .starts_with("authorizations[0].networks[0].net")
    );
    let detect = api::proxy_protocol::Kind::Detect(api::proxy_protocol::Detect::default());
    assert_eq!(error(server(detect, vec![])), "protocol.detect.timeout: required, but not there");
}

// A newer control plane may know filters that we do not; that must not keep the rest of a policy from being in force.
#[test]
fn an_unknown_filter_spoils_its_rule_alone() {
    let unknown = api::http_route::Filter { kind: None };
    let fail = http_route::HttpFailureInjector { status: 503, message: String::new(), ratio: None };
    let known = api::http_route::Filter { kind: Some(api::http_route::filter::Kind::FailureInjector(fail)) };
    let routes = vec![route("a", vec![], vec![known.clone(), unknown]), route("b", vec![], vec![known])];
    let policy = InboundPolicy::try_from(server(http1(routes), vec![])).unwrap();
    let Protocol::Http1(http) = policy.protocol else { panic!("not HTTP/1") };
    let filters: Vec<_> = http.routes.routes.iter().map(|route| route.rules[0].policy.clone()).collect();
    assert_eq!(filters[0], Filters::Unknown);
    assert!(matches!(&filters[1], Filters::Known(known) if known.len() == 1));
    let header = http_types::headers::Header { name: "content-length".into(), value: b"1".to_vec() };
    let add = http_types::Headers { headers: vec![header] };
    let modifier = http_route::RequestHeaderModifier { add: Some(add), set: None, remove: vec![] };
    let framing = api::http_route::Filter {
        kind: Some(api::http_route::filter::Kind::RequestHeaderModifier(modifier)),
    };
    let error =
        InboundPolicy::try_from(server(http1(vec![route("a", vec![], vec![framing])]), vec![])).unwrap_err();
    assert_eq!(error.problem(), Problem::Header);
}

fn limited(total: u32, identity: u32) -> InboundPolicy {
    use api::http_local_rate_limit::Limit;
    let rate = |requests_per_second| Some(Limit { requests_per_second });
    let metadata = Some(meta::Metadata { kind: Some(meta::metadata::Kind::Default("limit".into())) });
    let limit =
        api::HttpLocalRateLimit { metadata, total: rate(total), identity: rate(identity), overrides: vec![] };
    let http = api::proxy_protocol::Http1 { routes: vec![], local_rate_limit: Some(limit) };
    InboundPolicy::try_from(server(api::proxy_protocol::Kind::Http1(http), vec![])).unwrap()
}

// The original builds its counters anew with each update of the policy, whatever has changed.
#[test]
fn counts_survive_an_update_that_leaves_the_limits_alone() {
    let before = limited(1, 0);
    let now = Instant::now();
    let take = |policy: &InboundPolicy| {
        let limits = &policy.limit().unwrap().limits;
        limits.take(&limits.bucket(None, now), now).is_ok()
    };
    assert!(take(&before) && !take(&before));
    let mut same = limited(1, 0);
    same.keep_limits_of(&before);
    assert!(!take(&same));
    let mut other = limited(2, 0);
    other.keep_limits_of(&before);
    assert!(take(&other));
}
