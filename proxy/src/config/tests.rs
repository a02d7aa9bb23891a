//! The environment, good and bad.

use std::time::Duration;

use super::*;
use crate::identity::Id;
use crate::runtime::Cpus;
use crate::testing::Ca;

fn minimal() -> Vec<(String, String)> {
    [
        ("DESTINATION_SVC_ADDR", "linkerd-dst.linkerd.svc.cluster.local.:8086"),
        ("DESTINATION_SVC_NAME", "linkerd-destination.linkerd.serviceaccount.identity.linkerd.cluster.local"),
        ("POLICY_SVC_ADDR", "localhost.:8090"),
        ("POLICY_WORKLOAD", "{\"ns\":\"prod\",\"pod\":\"web-0\"}"),
        ("IDENTITY_SVC_ADDR", "127.0.0.1:8080"),
        ("IDENTITY_DIR", "/var/run/linkerd/identity/end-entity"),
        ("IDENTITY_TOKEN_FILE", "/var/run/secrets/tokens/linkerd-identity-token"),
        ("IDENTITY_LOCAL_NAME", "web.prod.serviceaccount.identity.linkerd.cluster.local"),
    ]
    .into_iter()
    .map(|(name, value)| (format!("LINKERD2_PROXY_{name}"), value.to_owned()))
    .chain([("LINKERD2_PROXY_IDENTITY_TRUST_ANCHORS".to_owned(), Ca::new("root").bundle_pem())])
    .collect()
}

fn with(more: &[(&str, &str)]) -> Environment {
    let more = more.iter().map(|(name, value)| (format!("LINKERD2_PROXY_{name}"), (*value).to_owned()));
    minimal().into_iter().chain(more).collect()
}

fn read(more: &[(&str, &str)]) -> Config {
    Config::read(&with(more)).unwrap()
}

/// The variables that are complained about, without the prefix, each with the whole text.
fn refused(more: &[(&str, &str)]) -> Vec<(String, String)> {
    let error = Config::read(&with(more)).unwrap_err();
    let name = |problem: &Problem| problem.variable.trim_start_matches("LINKERD2_PROXY_").to_owned();
    error.problems().iter().map(|problem| (name(problem), problem.to_string())).collect()
}

#[test]
fn what_has_to_be_there_is_enough() {
    let config = read(&[]);
    assert_eq!(config.identity.server_name, "web.prod.serviceaccount.identity.linkerd.cluster.local");
    assert_eq!(config.identity.id, Id::dns(&config.identity.server_name).unwrap());
    assert!(config.policy.service.identity.is_none(), "no TLS on this machine");
    assert!(config.destination.service.identity.is_some());
    assert!(config.destination.profile_suffixes.contains("web.prod.svc.cluster.local"));
    assert!(!config.destination.profile_suffixes.contains("example.com"));
    assert_eq!(config.inbound.listen.addrs, ["0.0.0.0:4143".parse().unwrap()]);
    assert_eq!(config.outbound.listen.addrs, ["127.0.0.1:4140".parse().unwrap()]);
    assert_eq!(config.admin.listen.addrs, ["127.0.0.1:4191".parse().unwrap()]);
    assert_eq!(config.inbound.connect_timeout, Duration::from_millis(300));
    assert_eq!(config.outbound.discovery_idle, Duration::from_secs(5));
    assert_eq!(config.process.grace_period, Duration::from_secs(120));
    assert_eq!(config.inbound.default_policy, DefaultPolicy::AllUnauthenticated);
    assert!(config.tap.is_none() && config.trace.is_none());
    assert_eq!(config.warnings.len(), 1, "{:?}", config.warnings);
}

#[test]
fn everything_that_is_missing_is_told_at_once() {
    let error = Config::read(&Environment::default()).unwrap_err();
    let missing: Vec<_> = error.problems().iter().map(|problem| problem.variable.as_str()).collect();
    for part in
        ["DESTINATION_SVC_ADDR", "POLICY_SVC_ADDR", "POLICY_WORKLOAD", "IDENTITY_SVC_ADDR", "IDENTITY_DIR"]
            .into_iter()
            .chain(["IDENTITY_TOKEN_FILE", "IDENTITY_TRUST_ANCHORS", "IDENTITY_LOCAL_NAME"])
    {
        assert!(missing.contains(&format!("LINKERD2_PROXY_{part}").as_str()), "{part} is not in {missing:?}");
    }
    let text = error.to_string();
    assert!(text.contains("LINKERD2_PROXY_POLICY_WORKLOAD is not set; expected"), "{text}");
}

#[test]
fn a_value_of_the_wrong_form_is_named_with_the_right_one() {
    for (name, value, cause) in [
        ("INBOUND_CONNECT_TIMEOUT", "10", "has no unit"),
        ("INBOUND_CONNECT_TIMEOUT", "1.5s", "has no unit that is known"),
        ("INBOUND_CONNECT_TIMEOUT", "s", "does not begin with a number"),
        ("OUTBOUND_DETECT_TIMEOUT", "99999999999999999999h", "is too long a time"),
        ("OUTBOUND_DETECT_TIMEOUT", "18446744073709551615d", "is too long a time"),
        ("INGRESS_MODE", "yes", "is neither"),
        ("INBOUND_PORTS", "80,http", "is no list of ports"),
        ("INBOUND_IPS", "10.0.0.1,pod", "has an item \"pod\" that is no address"),
        ("POLICY_CLUSTER_NETWORKS", "10.0.0.0/33", "that is no network"),
        ("OUTBOUND_LISTEN_ADDRS", "127.0.0.1:1,127.0.0.1:2,127.0.0.1:3", "has 3 items"),
        ("CORES_MAX_RATIO", "1.5", "is out of range"),
        ("CORES_MAX", "-1", "is not a whole number"),
        ("INBOUND_DEFAULT_POLICY", "allow", "is no policy"),
        ("INBOUND_DEFAULT_POLICY", "cluster-authenticated", "which names no network"),
        ("INBOUND_SERVER_HTTP2_MAX_FRAME_SIZE", "100", "is out of range"),
        ("HTTP2_INITIAL_STREAM_WINDOW_SIZE", "2147483648", "is too large"),
        ("IDENTITY_DISABLED", "1", "is not supported"),
        ("TAP_SVC_NAME", "not a name", "is neither a domain name nor a URI"),
        ("TRACE_COLLECTOR_SVC_ADDR", "collector:0", "has port 0"),
        ("TRACE_COLLECTOR_SVC_ADDR", "collector", "has no port"),
        ("OUTBOUND_TARGETS", "127.0.0.1:80", "that is no such pair"),
        ("TLS_MIN_VERSION", "1.1", "is neither"),
        ("LOG_FORMAT", "xml", "is neither"),
    ] {
        let problems = refused(&[(name, value)]);
        let found = problems.iter().find(|(variable, _)| variable == name);
        let (_, text) = found.unwrap_or_else(|| panic!("{name}={value} gave {problems:?}"));
        assert!(text.contains(cause) && text.contains(value) && text.contains("; expected "), "{text}");
    }
}

#[test]
fn several_wrong_values_are_told_together() {
    let problems = refused(&[("INGRESS_MODE", "1"), ("CORES", "x"), ("POLICY_SVC_ADDR", "policy:8090")]);
    let names: Vec<_> = problems.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["CORES", "INGRESS_MODE", "POLICY_SVC_NAME"]);
}

#[test]
fn pairs_belong_together() {
    let problems = refused(&[("TRACE_COLLECTOR_SVC_NAME", "collector.l5d.cluster.local")]);
    assert_eq!(problems[0].0, "TRACE_COLLECTOR_SVC_ADDR");
    let problems = refused(&[("OUTBOUND_CONNECT_EXP_BACKOFF_MIN", "1s")]);
    assert_eq!(problems[0].0, "OUTBOUND_CONNECT_EXP_BACKOFF_MAX");
    let problems =
        refused(&[("CONTROL_STREAM_INITIAL_TIMEOUT", "5m"), ("CONTROL_STREAM_IDLE_TIMEOUT", "3s")]);
    assert_eq!(problems[0].0, "CONTROL_STREAM_IDLE_TIMEOUT");
    let problems = refused(&[
        ("IDENTITY_LOCAL_NAME", ""),
        ("IDENTITY_SERVER_ID", "a.b"),
        ("IDENTITY_SERVER_NAME", "c.d"),
    ]);
    assert_eq!(problems[0].0, "IDENTITY_SERVER_ID");
}

#[test]
fn values_as_the_charts_write_them_are_read() {
    let config = read(&[
        ("OUTBOUND_LISTEN_ADDRS", "127.0.0.1:4140,[::1]:4140"),
        ("INBOUND_LISTEN_ADDR", "[::]:4143"),
        ("INBOUND_IPS", "10.42.0.7,fd00::7"),
        ("INBOUND_PORTS", "80, 9000-9001,"),
        ("INBOUND_DEFAULT_POLICY", "cluster-unauthenticated"),
        ("POLICY_CLUSTER_NETWORKS", "10.0.0.0/8,fd00::/8"),
        ("INBOUND_ACCEPT_KEEPALIVE", "10000ms"),
        ("INBOUND_ACCEPT_USER_TIMEOUT", " 30s "),
        ("INBOUND_SERVER_HTTP2_KEEP_ALIVE_INTERVAL", "10s"),
        ("INBOUND_SERVER_HTTP2_KEEP_ALIVE_TIMEOUT", "3s"),
        ("CONTROL_STREAM_INITIAL_TIMEOUT", ""),
        ("CONTROL_STREAM_LIFETIME", "1h"),
        ("DESTINATION_PROFILE_SUFFIXES", "."),
        ("SHUTDOWN_GRACE_PERIOD", "0"),
        ("LOG_FORMAT", "JSON"),
        ("TAP_SVC_NAME", "linkerd-tap.linkerd.serviceaccount.identity.linkerd.cluster.local"),
        ("CORES_MIN", "1"),
        ("CORES_MAX", "4"),
    ]);
    assert_eq!(config.outbound.listen.addrs.len(), 2);
    assert!(config.inbound.allowed_ips.contains(&"fd00::7".parse().unwrap()));
    assert!(config.inbound.ports.contains(9001) && !config.inbound.ports.contains(9002));
    assert_eq!(config.inbound.accept.keep_alive, Some(Duration::from_secs(10)));
    assert_eq!(config.inbound.accept.user_timeout, Some(Duration::from_secs(30)));
    let pings = config.inbound.server.keep_alive.unwrap();
    assert_eq!((pings.interval, pings.timeout), (Duration::from_secs(10), Duration::from_secs(3)));
    assert_eq!(config.control.streams.initial, None);
    assert_eq!(config.control.streams.lifetime, Some(Duration::from_secs(3600)));
    assert!(config.destination.profile_suffixes.contains("example.com."));
    assert_eq!(config.process.grace_period, Duration::ZERO);
    assert_eq!(config.log.format, LogFormat::Json);
    assert_eq!(config.tap.unwrap().listen.port(), 4190);
    assert_eq!(config.process.workers(cpus(2)), 2, "no more than there are CPUs");
    assert_eq!(config.process.workers(cpus(16)), 4);
}

#[test]
fn older_names_say_what_is_looked_up() {
    let network = |config: &Config| {
        config.destination.profile_networks.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let older = ("DESTINATION_GET_NETWORKS", "10.0.0.0/8");
    assert_eq!(network(&read(&[older])), ["10.0.0.0/8"]);
    assert_eq!(network(&read(&[older, ("DESTINATION_PROFILE_NETWORKS", "fd00::/8")])), ["fd00::/8"]);
    assert!(read(&[]).destination.gets("example.com"));
    let some = read(&[("DESTINATION_GET_SUFFIXES", "svc.cluster.local.")]).destination;
    assert!(some.gets("web.prod.svc.cluster.local") && !some.gets("example.com"));
    assert_eq!(refused(&[("DESTINATION_GET_NETWORKS", "10.0.0.0/33")])[0].0, "DESTINATION_GET_NETWORKS");
    assert_eq!(refused(&[("OUTBOUND_ROUTER_CAPACITY", "many")])[0].0, "OUTBOUND_ROUTER_CAPACITY");
}

fn cpus(available: usize) -> Cpus {
    Cpus { available, limit: None }
}

#[test]
fn workers_follow_the_limits() {
    let workers = |more: &[(&str, &str)], available| read(more).process.workers(cpus(available));
    assert_eq!(workers(&[], 16), 1);
    assert_eq!(workers(&[("CORES", "3")], 16), 3);
    assert_eq!(workers(&[("CORES_MAX_RATIO", "0.25")], 16), 4);
    assert_eq!(workers(&[("CORES_MAX_RATIO", "0.01")], 16), 1);
    assert_eq!(workers(&[("CORES_MIN", "2"), ("CORES_MAX_RATIO", "0.01")], 16), 2);
    assert_eq!(workers(&[("CORES_MAX", "0")], 16), 1);
    let limited = Cpus { available: 3, limit: Some(3) };
    assert_eq!(read(&[]).process.workers(limited), 3);
    assert_eq!(read(&[("CORES_MAX", "2")]).process.workers(limited), 2);
}

#[test]
fn a_name_that_nobody_reads_is_pointed_out() {
    let config = read(&[("INBOUND_DETECT_TIMOUT", "1s"), ("INBOUND_DEFAULT_POLICY", "audit")]);
    assert_eq!(
        config.warnings,
        ["LINKERD2_PROXY_INBOUND_DETECT_TIMOUT is not a variable of this proxy; did you mean \
          LINKERD2_PROXY_INBOUND_DETECT_TIMEOUT?"]
    );
}

#[test]
fn every_injected_variable_is_known() {
    let given = mesh_core::names::env::ALL.iter().map(|variable| (variable.name, "x"));
    assert!(unknown(&given.collect()).is_empty());
}

#[test]
fn anchors_that_are_no_certificates_are_refused_without_their_text() {
    let mut variables = minimal();
    variables.retain(|(name, _)| !name.ends_with("TRUST_ANCHORS"));
    variables.push((
        "LINKERD2_PROXY_IDENTITY_TRUST_ANCHORS".into(),
        "-----BEGIN CERTIFICATE-----\nAAAA".repeat(999),
    ));
    let error = Config::read(&variables.into_iter().collect()).unwrap_err();
    assert_eq!(error.problems()[0].variable, "LINKERD2_PROXY_IDENTITY_TRUST_ANCHORS");
    assert!(error.to_string().len() < 400, "{error}");
}

#[test]
fn spire_needs_a_spiffe_identity() {
    let spire = [
        ("IDENTITY_SPIRE_SOCKET", "unix:/run/spire/agent.sock"),
        ("IDENTITY_SERVER_ID", "spiffe://example.org/web"),
        ("IDENTITY_SERVER_NAME", "web.example.org"),
    ];
    let config = read(&spire);
    assert_eq!(config.identity.id, Id::uri("spiffe://example.org/web").unwrap());
    assert!(
        matches!(&config.identity.source, Source::Spire { socket, .. } if socket.ends_with("agent.sock"))
    );
    let problems = refused(&[spire[0], ("IDENTITY_SERVER_ID", "web.example.org"), spire[2]]);
    assert_eq!(problems[0].0, "IDENTITY_SERVER_ID");
}

proptest::proptest! {
    #[test]
    fn no_value_makes_it_panic(index in 0..mesh_core::names::env::ALL.len(), value in "\\PC{0,40}") {
        let mut variables = minimal();
        variables.push((mesh_core::names::env::ALL[index].name.to_owned(), value));
        let _ = Config::read(&variables.into_iter().collect());
    }
}
