//! Records of every shape are told apart and read.

use serde_json::{Value, json};

use super::migrate::{HA, keep_accepted};
use super::{Origin, RecordedIssuer, read};

fn config(data: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "linkerd-config", "namespace": "linkerd"},
           "data": data})
}

fn secret(name: &str, entries: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": "linkerd"},
           "stringData": entries})
}

#[test]
fn our_own_records_come_back_as_they_are() {
    let objects = [
        config(json!({
            "values": "global:\n  identityTrustAnchorsPEM: |\n    PEM\n",
            "overrides": "controllerReplicas: 2\n"
        })),
        secret("linkerd-identity-issuer", json!({"crt.pem": "CRT", "key.pem": "KEY"})),
    ];
    let found = read(&objects, "linkerd").unwrap();
    assert_eq!(found.origin, Origin::Ours);
    assert_eq!(found.anchors, "PEM\n");
    assert_eq!(found.issuer, RecordedIssuer::Tls { crt: "CRT".into(), key: "KEY".into() });
    assert_eq!(found.overrides.into_value(), json!({"controllerReplicas": 2}));
}

#[test]
fn an_install_of_2_8_keeps_its_settings() {
    let global = json!({"linkerdNamespace": "linkerd", "cniEnabled": true, "clusterDomain": "example.org",
        "identityContext": {"trustDomain": "td", "trustAnchorsPem": "ROOT", "issuanceLifetime": "3600s",
                            "clockSkewAllowance": "20s", "scheme": "linkerd.io/tls"}});
    let proxy = json!({"inboundPort": {"port": 5143}, "proxyUid": "2102", "logLevel": {"level": "debug"},
        "ignoreInboundPorts": [{"portRange": "25"}, {"port": 3306}], "disableExternalProfiles": true,
        "resource": {"requestCpu": "10m", "limitCpu": ""}});
    let install = json!({"cliVersion": "stable-2.8.1", "flags": [
        {"name": "ha", "value": "true"}, {"name": "controller-replicas", "value": "5"},
        {"name": "smi-metrics", "value": "true"}]});
    let objects = [config(json!({
        "global": global.to_string(), "proxy": proxy.to_string(), "install": install.to_string()}))];
    let found = read(&objects, "linkerd").unwrap();
    assert_eq!(found.origin, Origin::Linkerd28);
    assert_eq!(found.anchors, "ROOT");
    assert_eq!(found.issuer, RecordedIssuer::Missing);
    assert_eq!(found.dropped, ["flag --smi-metrics"]);
    let get = |path: &str| found.overrides.get(path).cloned();
    assert_eq!(get("global.cniEnabled"), Some(json!(true)));
    assert_eq!(get("global.proxy.ports.inbound"), Some(json!(5143)));
    assert_eq!(get("global.proxyInit.ignoreInboundPorts"), Some(json!("25,3306")));
    assert_eq!(get("global.proxy.resources.cpu.request"), Some(json!("10m")));
    assert_eq!(get("global.proxy.resources.cpu.limit"), None);
    assert_eq!(get("controllerReplicas"), Some(json!(5)));
    assert_eq!(get(HA), Some(json!(true)));
}

#[test]
fn overrides_of_2_9_and_of_today_are_renamed() {
    let old = "global:\n  proxy:\n    logLevel: debug\n    image:\n      name: ghcr.io/x/proxy\ncontrollerReplicas: 3\n";
    let now = "proxy:\n  logLevel: debug\ncontrollerReplicas: 3\ndisableIPv6: true\nidentity:\n  issuer:\n    tls:\n      crtPEM: X\n";
    for (text, ipv6) in [(old, None), (now, Some(json!(false)))] {
        let objects = [
            config(json!({"values": "identityTrustAnchorsPEM: ROOT\n"})),
            secret("linkerd-config-overrides", json!({"linkerd-config-overrides": text})),
        ];
        let found = read(&objects, "linkerd").unwrap();
        assert_eq!(found.origin, Origin::LinkerdOverrides);
        assert_eq!(found.anchors, "ROOT");
        assert_eq!(found.overrides.get("global.proxy.logLevel"), Some(&json!("debug")));
        assert_eq!(found.overrides.get("global.proxy.image"), None);
        assert_eq!(found.overrides.get("controllerReplicas"), Some(&json!(3)));
        assert_eq!(found.overrides.get("global.enableIPv6").cloned(), ipv6);
        assert_eq!(found.overrides.get("identity"), None);
    }
}

#[test]
fn helm_is_recognised() {
    let mut object = config(json!({"values": "identityTrustAnchorsPEM: ROOT\n"}));
    object["metadata"]["annotations"] = json!({"meta.helm.sh/release-name": "mesh"});
    assert_eq!(read(&[object.clone()], "linkerd").unwrap().origin, Origin::LinkerdHelm);
    object["data"]["overrides"] = "".into();
    assert_eq!(read(&[object], "linkerd").unwrap().origin, Origin::OurHelm);
}

#[test]
fn settings_that_the_chart_does_not_take_are_dropped_and_named() {
    let text = "proxy:\n  logLevel: debug\n  fancy: true\nspValidator:\n  x: 1\ncontrollerReplicas: many\n";
    let objects = [
        config(json!({"values": "identityTrustAnchorsPEM: ROOT\n"})),
        secret("linkerd-config-overrides", json!({"linkerd-config-overrides": text})),
    ];
    let mut found = read(&objects, "linkerd").unwrap();
    let mut dropped = keep_accepted(&mut found).unwrap();
    dropped.sort();
    assert_eq!(dropped, ["controllerReplicas", "global.proxy.fancy", "spValidator"]);
    assert_eq!(found.overrides.into_value(), json!({"global": {"proxy": {"logLevel": "debug"}}}));
}

#[test]
fn records_that_cannot_be_read_are_named() {
    let error = read(&[config(json!({"overrides": "a: [", "values": ""}))], "linkerd").unwrap_err();
    assert!(error.to_string().starts_with("cannot read ConfigMap linkerd-config, key overrides"), "{error}");
    let error = read(&[], "mesh").unwrap_err();
    assert!(error.to_string().contains("namespace mesh"), "{error}");
}
