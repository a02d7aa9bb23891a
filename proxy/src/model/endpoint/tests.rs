//! Endpoints and their updates, converted.

use linkerd2_proxy_api::destination::tls_identity::{DnsLikeIdentity, Strategy, UriLikeIdentity};
use linkerd2_proxy_api::destination::update::Update as Kind;

use super::*;

fn addr(text: &str) -> net::TcpAddress {
    text.parse::<SocketAddr>().unwrap().into()
}

fn weighted(text: &str) -> api::WeightedAddr {
    api::WeightedAddr { addr: Some(addr(text)), weight: 1, ..Default::default() }
}

fn convert(message: api::WeightedAddr) -> Result<Endpoint, InvalidMessage> {
    Endpoint::try_from(message)
}

fn identity(strategy: Option<Strategy>, server_name: Option<&str>) -> api::WeightedAddr {
    let server_name = server_name.map(|name| DnsLikeIdentity { name: name.into() });
    api::WeightedAddr {
        tls_identity: Some(api::TlsIdentity { strategy, server_name }),
        ..weighted("10.0.0.1:80")
    }
}

#[test]
fn an_endpoint_carries_what_the_message_says() {
    let mut message = weighted("10.0.0.1:80");
    message.metric_labels.insert("zone_locality".into(), "local".into());
    message.protocol_hint = Some(api::ProtocolHint {
        protocol: Some(api::protocol_hint::Protocol::H2(api::protocol_hint::H2 {})),
        opaque_transport: Some(api::protocol_hint::OpaqueTransport { inbound_port: 4143 }),
    });
    message.authority_override = Some(api::AuthorityOverride { authority_override: "web.ns:8080".into() });
    let endpoint = convert(message).unwrap();
    assert_eq!((endpoint.hint, endpoint.transport_port), (Hint::Http2, Some(4143)));
    assert_eq!(endpoint.locality, Locality::Local);
    assert_eq!(endpoint.authority.as_ref().and_then(Authority::port), Some(8080));
    let local = endpoint.into_local();
    assert_eq!((local.hint, local.transport_port, local.authority), (Hint::Unknown, None, None));
}

#[test]
fn identities_are_dns_names_or_uris_with_a_server_name() {
    let dns = Strategy::DnsLikeIdentity(DnsLikeIdentity { name: "web.id".into() });
    let uri = Strategy::UriLikeIdentity(UriLikeIdentity { uri: "spiffe://a/b".into() });
    let tls = convert(identity(Some(dns.clone()), None)).unwrap().tls.unwrap();
    assert_eq!((tls.id.as_str(), tls.server_name.as_str()), ("web.id", "web.id"));
    let tls = convert(identity(Some(dns), Some("sni"))).unwrap().tls.unwrap();
    assert_eq!(tls.server_name.as_str(), "sni");
    let tls = convert(identity(Some(uri.clone()), Some("sni"))).unwrap().tls.unwrap();
    assert_eq!(tls.id.as_str(), "spiffe://a/b");
    assert_eq!(convert(identity(Some(uri), None)).unwrap().tls, None);
}

#[test]
fn an_unknown_strategy_never_becomes_plaintext() {
    let error = convert(identity(None, Some("sni"))).unwrap_err();
    assert_eq!(
        (error.problem(), error.to_string()),
        (Problem::Missing, "tls_identity.strategy: required, but not there".into())
    );
    let wrong = Strategy::DnsLikeIdentity(DnsLikeIdentity { name: "not a name".into() });
    assert_eq!(convert(identity(Some(wrong), None)).unwrap_err().problem(), Problem::Name);
}

#[test]
fn ports_are_from_1_to_65535() {
    for port in [0, 65_536, u32::MAX] {
        let mut message = weighted("10.0.0.1:80");
        message.addr = Some(net::TcpAddress { port, ..addr("10.0.0.1:80") });
        assert_eq!(convert(message).unwrap_err().problem(), Problem::Port, "{port}");
        let mut message = weighted("10.0.0.1:80");
        let opaque_transport = Some(api::protocol_hint::OpaqueTransport { inbound_port: port });
        message.protocol_hint = Some(api::ProtocolHint { protocol: None, opaque_transport });
        assert_eq!(convert(message).unwrap_err().problem(), Problem::Port, "{port}");
    }
    let error = convert(api::WeightedAddr { addr: None, ..weighted("10.0.0.1:80") }).unwrap_err();
    assert_eq!(error.problem(), Problem::Missing);
    let empty = net::TcpAddress { ip: Some(net::IpAddress { ip: None }), port: 1 };
    let error = convert(api::WeightedAddr { addr: Some(empty), ..weighted("10.0.0.1:80") }).unwrap_err();
    assert_eq!(error.problem(), Problem::Address);
}

#[test]
fn updates_say_which_endpoints_there_are() {
    let update = |update| EndpointsUpdate::try_from(api::Update { update }).unwrap();
    let set = api::WeightedAddrSet {
        addrs: vec![weighted("10.0.0.1:80"), weighted("[2001:db8::1]:80")],
        metric_labels: [("service".to_owned(), "web".to_owned())].into(),
    };
    let EndpointsUpdate::Reset(endpoints) = update(Some(Kind::Add(set))).into_first() else {
        panic!("not a reset");
    };
    assert_eq!(endpoints.iter().map(|it| it.addr.port()).collect::<Vec<_>>(), [80, 80]);
    assert_eq!(endpoints[1].labels.value("service"), Some("web"));
    let gone = api::AddrSet { addrs: vec![addr("10.0.0.1:80")] };
    assert_eq!(
        update(Some(Kind::Remove(gone))),
        EndpointsUpdate::Remove(vec!["10.0.0.1:80".parse().unwrap()])
    );
    let none = |exists| Some(Kind::NoEndpoints(api::NoEndpoints { exists }));
    assert_eq!(update(none(true)), EndpointsUpdate::Reset(Vec::new()));
    assert_eq!(update(none(false)), EndpointsUpdate::DoesNotExist);
    assert!(EndpointsUpdate::try_from(api::Update { update: None }).is_err());
}

#[test]
fn one_bad_endpoint_is_named_by_its_place() {
    let set = api::WeightedAddrSet {
        addrs: vec![weighted("10.0.0.1:80"), api::WeightedAddr::default()],
        metric_labels: HashMap::new(),
    };
    let error = EndpointsUpdate::try_from(api::Update { update: Some(Kind::Add(set)) }).unwrap_err();
    assert_eq!(error.to_string(), "add.addrs[1].addr: required, but not there");
}

#[test]
fn http2_parameters_are_within_the_protocol() {
    let seconds = |seconds| Some(prost_types::Duration { seconds, nanos: 0 });
    let good = api::Http2ClientParams {
        flow_control: Some(api_h2::FlowControl {
            initial_connection_window_size: 1 << 20,
            initial_stream_window_size: 0,
            adaptive_flow_control: false,
        }),
        keep_alive: Some(api_h2::KeepAlive { interval: seconds(10), timeout: seconds(3), while_idle: true }),
        internals: None,
    };
    let params = H2Params::try_from(good).unwrap();
    assert_eq!((params.connection_window, params.stream_window), (Some(1 << 20), None));
    assert_eq!(params.keep_alive.unwrap().timeout, Duration::from_secs(3));
    assert!(!params.adaptive);
    let flow_control =
        good.flow_control.map(|flow| api_h2::FlowControl { adaptive_flow_control: true, ..flow });
    let adaptive = H2Params::try_from(api::Http2ClientParams { flow_control, ..good }).unwrap();
    assert_eq!((adaptive.adaptive, adaptive.connection_window), (true, None));
    let internals = |max_frame_size| {
        let internals = Some(api_h2::Internals { max_frame_size, ..Default::default() });
        H2Params::try_from(api::Http2ClientParams { internals, ..good })
    };
    assert_eq!(internals(16_384).unwrap().max_frame_size, Some(16_384));
    assert_eq!(internals(100).unwrap_err().to_string(), "internals.max_frame_size: out of range (\"100\")");
    let keep_alive = Some(api_h2::KeepAlive { interval: seconds(0), timeout: seconds(3), while_idle: true });
    assert!(H2Params::try_from(api::Http2ClientParams { keep_alive, ..good }).is_err());
    let huge =
        Some(api_h2::FlowControl { initial_stream_window_size: u32::MAX, ..good.flow_control.unwrap() });
    assert!(H2Params::try_from(api::Http2ClientParams { flow_control: huge, ..good }).is_err());
}
