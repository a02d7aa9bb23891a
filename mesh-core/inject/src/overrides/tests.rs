//! How annotations become overrides, and which are refused.

use super::*;
use crate::{Workload, inject::named_ports};
use serde_json::json;

fn overrides(annotations: Value, settings: &Settings) -> (Overrides, Vec<String>) {
    let document = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"annotations": annotations},
        "spec": {"containers": [{"name": "a", "ports": [{"containerPort": 3306, "name": "mysql"}]}]}});
    let pod = Workload::of(&document).unwrap().pod_template().unwrap().unwrap();
    let (overrides, warnings) = Overrides::of(&pod, settings, &named_ports(&pod));
    (overrides, warnings.iter().map(ToString::to_string).collect())
}

#[test]
fn every_annotation_that_configures_has_a_place_in_the_values() {
    for annotation in names::ALL.iter().filter(|annotation| names::is_config(annotation.name)) {
        let exempt = [names::DISABLE_IDENTITY, names::ENABLE_DEBUG_SIDECAR].contains(&annotation.name);
        assert_eq!(convert::paths(annotation.name).is_empty(), exempt, "{}", annotation.name);
    }
}

#[test]
fn pod_wins_over_namespace_and_flags_over_both() {
    let mut settings = Settings::default();
    for (name, value) in
        [(names::PROXY_UID, "1"), (names::PROXY_LOG_LEVEL, "debug"), (names::ADMIN_PORT, "9")]
    {
        settings.namespace_annotations.insert(name.to_owned(), value.to_owned());
    }
    settings.annotations.insert(names::ADMIN_PORT, "7".to_owned());
    let (overrides, warnings) = overrides(
        json!({names::PROXY_UID: "2", names::PROXY_LOG_LEVEL: "", names::ADMIN_PORT: "8"}),
        &settings,
    );
    assert!(warnings.is_empty(), "{warnings:?}");
    let values = overrides.merged(&json!({"global": {"proxy": {"uid": 2102, "gid": -1}}}));
    assert_eq!(
        values,
        json!({"global": {"proxy": {"uid": 2, "gid": -1, "ports": {"admin": 7}, "logLevel": "debug"}}})
    );
}

#[test]
fn bad_values_and_unknown_names_are_named() {
    let (overrides, warnings) = overrides(
        json!({
            "config.linkerd.io/skip-inbuond-ports": "25",
            "config.linkerd.io/colour": "blue",
            "config.linkerd.io/proxy-cpu-limit": "much",
            "config.linkerd.io/admin-port": "65536",
            "config.linkerd.io/disable-identity": "true",
            "config.linkerd.io/opaque-ports": "mysql,redis",
            "config.linkerd.io/proxy-await": "yes",
            "example.com/mine": "1"
        }),
        &Settings::default(),
    );
    assert!(overrides.values.is_empty(), "{overrides:?}");
    insta::assert_snapshot!(warnings.join("\n"), @r#"
    unknown annotation "config.linkerd.io/colour"
    unknown annotation "config.linkerd.io/skip-inbuond-ports", did you mean "config.linkerd.io/skip-inbound-ports"?
    annotation "config.linkerd.io/admin-port" is ignored: value "65536": "65536" is not a valid port nor port-range
    annotation "config.linkerd.io/proxy-cpu-limit" is ignored: value "much": "much" is not a quantity such as 100m, 0.5, 64Mi or 1e3
    annotation "config.linkerd.io/disable-identity" has no effect: every proxy has an identity
    annotation "config.linkerd.io/opaque-ports" is ignored: value "mysql,redis": no container has a port named "redis"
    annotation "config.linkerd.io/proxy-await" is ignored: value "yes": not one of enabled, disabled
    "#);
}

#[test]
fn values_take_the_form_the_chart_wants() {
    let (overrides, warnings) = overrides(
        json!({
            "config.linkerd.io/opaque-ports": "mysql, 4000-4010",
            "config.linkerd.io/close-wait-timeout": "1m30s",
            "config.linkerd.io/proxy-outbound-connect-timeout": "1.5s",
            "config.linkerd.io/proxy-await": "disabled",
            "config.linkerd.io/access-log": "none",
            "config.linkerd.io/enable-debug-sidecar": "true",
            "config.linkerd.io/proxy-additional-env": "[{\"name\": \"A\", \"value\": \"b\"}]",
            "config.beta.linkerd.io/proxy-enable-native-sidecar": "false"
        }),
        &Settings::default(),
    );
    assert!(warnings.is_empty() && overrides.debug, "{warnings:?}");
    assert_eq!(
        overrides.merged(&Value::Null),
        json!({"global": {"proxy": {
            "accessLog": "", "opaquePorts": "3306,4000-4010", "outboundConnectTimeout": "1500ms", "await": false,
            "additionalEnv": [{"name": "A", "value": "b"}], "nativeSidecar": false,
        }, "proxyInit": {"closeWaitTimeoutSecs": 90}}})
    );
}
