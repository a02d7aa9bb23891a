//! What injection makes of single documents.

use super::*;
use crate::{Strip, fake::Fake, uninject};
use mesh_yaml::apply_to_value;
use serde_json::json;

fn settings() -> Settings {
    crate::Flags::default().settings("linkerd/cli test".to_owned()).unwrap()
}

fn deployment() -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"template": {"metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "web", "image": "nginx",
                "ports": [{"containerPort": 8080, "name": "http"}, {"containerPort": 25}]}]}}}})
}

fn injected(document: &Value, settings: &Settings, mode: Mode<'_>) -> (Value, Vec<Fact>) {
    let result = inject(document, settings, mode).unwrap();
    let mut document = document.clone();
    apply_to_value(&mut document, &result.ops).unwrap();
    (document, result.facts)
}

fn uninjected(document: &Value) -> (Value, Vec<Fact>) {
    let result = uninject(document, Strip::Everything).unwrap();
    let mut document = document.clone();
    apply_to_value(&mut document, &result.ops).unwrap();
    (document, result.facts)
}

#[test]
fn annotates_the_pod_template_and_nothing_else() {
    let (document, facts) = injected(&deployment(), &settings(), Mode::Annotate);
    assert_eq!(facts[0].outcome, Outcome::Injected);
    let annotations = &document["spec"]["template"]["metadata"]["annotations"];
    assert_eq!(annotations, &json!({"linkerd.io/inject": "enabled"}));
    assert_eq!(uninjected(&document).0, deployment());
}

#[test]
fn manual_adds_a_native_sidecar_first() {
    let source = Fake::default();
    let (document, _) = injected(&deployment(), &settings(), Mode::Manual { source: &source });
    let pod = &document["spec"]["template"];
    let names = |key: &str| {
        let list = pod["spec"][key].as_array().unwrap().iter();
        list.map(|item| item["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names("initContainers"), ["linkerd-init", "linkerd-proxy"]);
    assert_eq!(names("containers"), ["web"]);
    assert_eq!(pod["spec"]["initContainers"][1]["env"][1]["value"], "25,8080");
    insta::assert_json_snapshot!(pod["metadata"], @r#"
    {
      "labels": {
        "app": "web",
        "linkerd.io/control-plane-ns": "linkerd",
        "linkerd.io/proxy-deployment": "web",
        "linkerd.io/workload-ns": "shop"
      },
      "annotations": {
        "config.linkerd.io/opaque-ports": "25",
        "linkerd.io/created-by": "linkerd/cli test",
        "linkerd.io/identity-mode": "default",
        "linkerd.io/inject-undo": "{\"derived\":[\"config.linkerd.io/opaque-ports\"]}",
        "linkerd.io/proxy-version": "stable-9",
        "linkerd.io/trust-root-sha256": "384fb9a44fabe158be2757b9b8d8f67029f2280fcc1776ab2a53103e6f0c582d"
      }
    }
    "#);
    let (back, facts) = uninjected(&document);
    assert_eq!(back, deployment());
    assert_eq!(facts[0].outcome, Outcome::Uninjected);
}

#[test]
fn the_old_shape_is_an_annotation_away() {
    let mut document = deployment();
    document["spec"]["template"]["metadata"]["annotations"] = json!({"config.linkerd.io/proxy-enable-native-sidecar": "false", "config.linkerd.io/enable-debug-sidecar": "true"});
    document["spec"]["template"]["spec"]["initContainers"] = json!([{"name": "migrate", "image": "m"}]);
    let source = Fake::default();
    let (result, _) = injected(&document, &settings(), Mode::Manual { source: &source });
    let spec = &result["spec"]["template"]["spec"];
    assert_eq!(spec["initContainers"][0]["name"], "linkerd-init");
    assert_eq!(spec["initContainers"][1]["name"], "migrate");
    assert_eq!(spec["containers"][0]["name"], "linkerd-proxy");
    assert_eq!(spec["containers"][2]["name"], "linkerd-debug");
    assert_eq!(uninjected(&result).0, document);
}

#[test]
fn empty_and_null_fields_come_back_as_they_were() {
    let source = Fake::default();
    for empty in [json!({}), json!(null)] {
        for list in [json!([]), json!(null)] {
            for field in ["annotations", "labels"] {
                let mut document = deployment();
                let pod = &mut document["spec"]["template"];
                pod["metadata"][field] = empty.clone();
                pod["spec"]["volumes"] = list.clone();
                pod["spec"]["initContainers"] = list.clone();
                for mode in [Mode::Annotate, Mode::Manual { source: &source }] {
                    let (result, _) = injected(&document, &settings(), mode);
                    assert_eq!(uninjected(&result).0, document);
                }
            }
            let mut document = deployment();
            document["spec"]["template"]["metadata"] = empty.clone();
            let (result, _) = injected(&document, &settings(), Mode::Annotate);
            assert_eq!(uninjected(&result).0, document);
        }
    }
    let mut document = deployment();
    document["spec"]["template"].as_object_mut().unwrap().remove("metadata");
    let (result, _) = injected(&document, &settings(), Mode::Manual { source: &source });
    assert_eq!(uninjected(&result).0, document);
}

#[test]
fn annotations_of_flags_go_and_those_of_the_user_stay() {
    let flags = crate::Flags {
        skip_inbound_ports: vec!["25".to_owned()],
        proxy_uid: Some(7),
        ..crate::Flags::default()
    };
    let settings = flags.settings("linkerd/cli test".to_owned()).unwrap();
    let mut document = deployment();
    document["spec"]["template"]["metadata"]["annotations"] =
        json!({"config.linkerd.io/proxy-log-level": "debug"});
    let (result, _) = injected(&document, &settings, Mode::Annotate);
    assert_eq!(result["spec"]["template"]["metadata"]["annotations"]["config.linkerd.io/proxy-uid"], "7");
    assert_eq!(uninjected(&result).0, document);
    // A refresh keeps the flags' annotations and still knows them.
    let refresh = uninject(&result, Strip::Refresh).unwrap();
    let mut refreshed = result.clone();
    apply_to_value(&mut refreshed, &refresh.ops).unwrap();
    let (again, _) = injected(&refreshed, &self::settings(), Mode::Annotate);
    assert_eq!(again["spec"]["template"]["metadata"]["annotations"]["config.linkerd.io/proxy-uid"], "7");
    assert_eq!(uninjected(&again).0, document);
}

#[test]
fn skips_say_why() {
    let with = |path: &[&str], value: Value| {
        let mut document = deployment();
        apply_to_value(&mut document, &[Op::Add { path: Pointer::new(path.iter().copied()), value }])
            .unwrap();
        let result = inject(&document, &settings(), Mode::Annotate).unwrap();
        assert!(result.ops.is_empty());
        result.facts[0].outcome.clone()
    };
    let spec = ["spec", "template", "spec"];
    let at = |key| [spec[0], spec[1], spec[2], key];
    assert_eq!(with(&at("hostNetwork"), json!(true)), Outcome::Skipped(Skip::HostNetwork));
    let istio = json!([{"name": "istio-init"}]);
    assert_eq!(with(&at("initContainers"), istio), Outcome::Skipped(Skip::SidecarExists));
    assert_eq!(
        with(&at("nodeSelector"), json!({"kubernetes.io/os": "windows"})),
        Outcome::Skipped(Skip::Windows)
    );
    let disabled = json!({"linkerd.io/inject": "disabled"});
    let annotations = ["spec", "template", "metadata", "annotations"];
    assert_eq!(with(&annotations, disabled), Outcome::Skipped(Skip::InjectDisabled));
}

#[test]
fn refuses_what_cannot_work() {
    let mut document = deployment();
    document["spec"]["template"]["metadata"]["labels"]["linkerd.io/control-plane-component"] = "web".into();
    let error = inject(&document, &settings(), Mode::Annotate).unwrap_err();
    assert_eq!(error.to_string(), "--manual must be set when injecting control plane components");
    let mut document = deployment();
    document["spec"]["template"]["spec"]["automountServiceAccountToken"] = false.into();
    let automounted = Settings { token: Token::Automounted, ..settings() };
    let error = inject(&document, &automounted, Mode::Annotate).unwrap_err();
    assert_eq!(error.to_string(), "cannot enable mTLS when automountServiceAccountToken set to \"false\"");
    assert!(inject(&document, &settings(), Mode::Annotate).is_ok());
}

#[test]
fn namespaces_services_and_lists() {
    let flags = crate::Flags { opaque_ports: vec!["3306".to_owned()], ..crate::Flags::default() };
    let settings = flags.settings(String::new()).unwrap();
    let document = json!({"apiVersion": "v1", "kind": "List", "items": [
        {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "a", "annotations": {"linkerd.io/inject": "disabled"}}},
        {"kind": "Service", "apiVersion": "v1", "metadata": {"name": "b"}},
        {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "c"}},
        deployment(),
        {"foo": 1},
    ]});
    let (result, facts) = injected(&document, &settings, Mode::Annotate);
    let outcomes: Vec<_> = facts.iter().map(|fact| fact.outcome.clone()).collect();
    assert_eq!(
        outcomes,
        [
            Outcome::Annotated,
            Outcome::Annotated,
            Outcome::Skipped(Skip::UnsupportedResource),
            Outcome::Injected,
            Outcome::Skipped(Skip::MissingKind),
        ]
    );
    let annotations = |index: usize| &result["items"][index]["metadata"]["annotations"];
    assert_eq!(annotations(0)["linkerd.io/inject"], "enabled");
    assert_eq!(annotations(1)["config.linkerd.io/opaque-ports"], "3306");
    let (back, _) = uninjected(&result);
    assert_eq!(back["items"][1], document["items"][1]);
    assert_eq!(back["items"][3], document["items"][3]);
}
