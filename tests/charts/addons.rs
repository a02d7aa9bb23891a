//! What the add-ons and the smaller charts carry inside their objects: configuration that no API server looks at.

use std::collections::{BTreeMap, BTreeSet};

use manifests::values::coalesce;
use manifests::{Chart, Object, Release, render};
use mesh_core::profile::ServiceProfile;
use regex::Regex;
use serde_json::{Value, json};

use crate::variants::variants;

/// Label name to value, of a target that Prometheus found.
type Labels = BTreeMap<String, String>;

fn objects(chart: Chart, variant: &str, set: &Value) -> Vec<Object> {
    let base = variants(chart).into_iter().find(|it| it.name == variant).unwrap().set;
    let values = coalesce(chart.defaults().unwrap(), &coalesce(&base, set));
    let release = Release { name: "linkerd", namespace: "linkerd", kube_version: "v1.33.0" };
    render(chart, &values, &release).unwrap()
}

fn data<'a>(objects: &'a [Object], config_map: &str) -> &'a serde_json::Map<String, Value> {
    let found = objects.iter().find(|object| object.kind() == "ConfigMap" && object.name() == config_map);
    found.unwrap_or_else(|| panic!("no ConfigMap {config_map}")).value["data"].as_object().unwrap()
}

fn prometheus() -> Value {
    let objects = objects(Chart::Control, "all add-ons", &json!({}));
    mesh_yaml::from_str(data(&objects, "linkerd-prometheus-config")["prometheus.yml"].as_str().unwrap())
        .unwrap()
}

fn job<'a>(config: &'a Value, name: &str) -> &'a Value {
    let jobs = config["scrape_configs"].as_array().unwrap();
    jobs.iter().find(|job| job["job_name"] == name).unwrap_or_else(|| panic!("no job {name}"))
}

/// What Prometheus makes of a target's labels, by the actions that the chart uses; nothing when the target is dropped.
fn relabel(rules: &Value, mut labels: Labels) -> Option<Labels> {
    for rule in rules.as_array().unwrap() {
        let text = |key: &str, default: &str| rule[key].as_str().unwrap_or(default).to_owned();
        let regex = Regex::new(&format!("^(?:{})$", text("regex", "(.*)"))).unwrap();
        let sources = rule["source_labels"].as_array().cloned().unwrap_or_default();
        let source: Vec<&str> = sources
            .iter()
            .map(|name| labels.get(name.as_str().unwrap()).map_or("", String::as_str))
            .collect();
        let source = source.join(";");
        match text("action", "replace").as_str() {
            "keep" if !regex.is_match(&source) => return None,
            "drop" if regex.is_match(&source) => return None,
            "keep" | "drop" => {}
            "labelmap" => {
                let mapped: Vec<_> = labels
                    .iter()
                    .filter(|(name, _)| regex.is_match(name))
                    .map(|(name, value)| (regex.replace(name, "$1").into_owned(), value.clone()))
                    .collect();
                labels.extend(mapped);
            }
            "labeldrop" => labels.retain(|name, _| !regex.is_match(name)),
            "replace" => {
                let value = regex.replace(&source, text("replacement", "$1")).into_owned();
                labels.insert(text("target_label", ""), value);
            }
            other => panic!("the test does not know the action {other}"),
        }
    }
    labels.retain(|name, value| !name.starts_with("__") && !value.is_empty());
    Some(labels)
}

fn proxy_target(pod_labels: &[(&str, &str)]) -> Labels {
    let mut labels: Labels = [
        ("__address__", "10.0.0.7:4191"),
        ("job", "linkerd-proxy"),
        ("__meta_kubernetes_namespace", "shop"),
        ("__meta_kubernetes_pod_name", "cart-1"),
        ("__meta_kubernetes_pod_phase", "Running"),
        ("__meta_kubernetes_pod_container_name", "linkerd-proxy"),
        ("__meta_kubernetes_pod_container_port_name", "linkerd-admin"),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .collect();
    for (name, value) in pod_labels {
        let name = name.replace(['.', '/', '-'], "_");
        labels.insert(format!("__meta_kubernetes_pod_label_{name}"), (*value).to_owned());
    }
    labels
}

#[test]
fn a_proxy_is_known_by_its_workload_and_keeps_its_labels() {
    let config = prometheus();
    let target = proxy_target(&[
        ("app", "cart"),
        ("linkerd.io/control-plane-ns", "linkerd"),
        ("linkerd.io/workload-ns", "shop"),
        ("linkerd.io/proxy-deployment", "cart"),
    ]);
    let labels = relabel(&job(&config, "linkerd-proxy")["relabel_configs"], target).unwrap();
    let expected = [
        ("app", "cart"),
        ("control_plane_ns", "linkerd"),
        ("deployment", "cart"),
        ("instance", "10.0.0.7:4191"),
        ("job", "linkerd-proxy"),
        ("namespace", "shop"),
        ("pod", "cart-1"),
        ("workload_ns", "shop"),
    ];
    let labels: Vec<_> = labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(labels, expected);
}

#[test]
fn a_pod_cannot_take_the_labels_of_another() {
    let config = prometheus();
    let target = proxy_target(&[
        ("linkerd.io/proxy-job", "import"),
        ("namespace", "other"),
        ("pod", "other"),
        ("job", "prometheus"),
        ("instance", "other"),
        ("k8s-job", "other"),
    ]);
    let labels = relabel(&job(&config, "linkerd-proxy")["relabel_configs"], target).unwrap();
    let of = |name: &str| labels[name].as_str();
    assert_eq!(
        [of("namespace"), of("pod"), of("job"), of("instance"), of("k8s_job")],
        ["shop", "cart-1", "linkerd-proxy", "10.0.0.7:4191", "import"]
    );
}

#[test]
fn only_the_admin_port_of_a_live_proxy_is_scraped() {
    let config = prometheus();
    let rules = &job(&config, "linkerd-proxy")["relabel_configs"];
    let changes = [
        ("__meta_kubernetes_pod_container_name", "app"),
        ("__meta_kubernetes_pod_container_port_name", "linkerd-proxy"),
        ("__meta_kubernetes_pod_phase", "Succeeded"),
    ];
    for (name, value) in changes {
        let mut target = proxy_target(&[]);
        target.insert(name.to_owned(), value.to_owned());
        assert_eq!(relabel(rules, target), None, "{name}={value}");
    }
    assert!(relabel(rules, proxy_target(&[])).is_some());
}

#[test]
fn jobs_come_in_their_order_and_go_with_what_they_scrape() {
    let names = |set: &Value| {
        let objects = objects(Chart::Control, "default", set);
        let text = data(&objects, "linkerd-prometheus-config")["prometheus.yml"].as_str().unwrap().to_owned();
        let config: Value = mesh_yaml::from_str(&text).unwrap();
        let jobs = config["scrape_configs"].as_array().unwrap();
        jobs.iter().map(|job| job["job_name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let all = ["prometheus", "grafana", "kubernetes-nodes-cadvisor", "linkerd-controller"];
    assert_eq!(names(&json!({})), [&all[..], &["linkerd-service-mirror", "linkerd-proxy"]].concat());
    let set = json!({
        "grafana": {"enabled": false},
        "prometheus": {"kubelet": {"enabled": false}, "scrapeConfigs": [{"job_name": "mine"}]},
    });
    let few = ["prometheus", "linkerd-controller", "linkerd-service-mirror", "linkerd-proxy", "mine"];
    assert_eq!(names(&set), few);
}

#[test]
fn dashboards_are_json_over_the_provisioned_datasource() {
    let objects = objects(Chart::Control, "default", &json!({}));
    let config = data(&objects, "linkerd-grafana-config");
    let sources: Value = mesh_yaml::from_str(config["datasources.yaml"].as_str().unwrap()).unwrap();
    let source = &sources["datasources"][0]["uid"];
    let mut uids = BTreeSet::new();
    for (file, text) in data(&objects, "linkerd-grafana-dashboards") {
        let dashboard: Value = serde_json::from_str(text.as_str().unwrap()).unwrap();
        assert!(uids.insert(dashboard["uid"].to_string()), "{file}: its uid is another's");
        let mut ids = BTreeSet::new();
        let mut queries = 0;
        for panel in dashboard["panels"].as_array().unwrap() {
            assert!(ids.insert(panel["id"].as_u64().unwrap()), "{file}: panel {} twice", panel["id"]);
            for target in panel["targets"].as_array().into_iter().flatten() {
                queries += 1;
                assert_eq!(&target["datasource"]["uid"], source, "{file}");
                let expression = target["expr"].as_str().unwrap();
                for pair in ["()", "{}", "[]"] {
                    let count = |index: usize| expression.matches(&pair[index..=index]).count();
                    assert_eq!(count(0), count(1), "{file}: {expression}");
                }
                let legend = target["legendFormat"].as_str().unwrap();
                assert!(!legend.contains(['<', '>']), "{file}: {legend}");
            }
        }
        assert!(queries > 0, "{file} shows nothing");
    }
    for uid in ["top-line", "namespace", "deployment", "pod", "service", "route", "health"] {
        assert!(uids.contains(&format!("\"linkerd-{uid}\"")), "no dashboard {uid}: {uids:?}");
    }
}

#[test]
fn the_cni_entry_is_json_with_the_proxy_s_own_ports_first() {
    let set =
        json!({"ignoreInboundPorts": "25, 4567-4568", "portsToRedirect": "80,8080", "logLevel": "a\"b"});
    let objects = objects(Chart::Cni, "default", &set);
    let entry: Value =
        serde_json::from_str(data(&objects, "linkerd-cni-config")["cni_network_config"].as_str().unwrap())
            .unwrap();
    assert_eq!(entry["type"], "linkerd-cni");
    assert_eq!(entry["log_level"], "a\"b");
    assert_eq!(entry["linkerd"]["inbound-ports-to-ignore"], json!(["4190", "4191", "25", "4567-4568"]));
    assert_eq!(entry["linkerd"]["ports-to-redirect"], json!([80, 8080]));
    assert_eq!(entry["linkerd"]["proxy-gid"], -1);
}

#[test]
fn the_profiles_are_valid_and_match_the_paths_that_clients_send() {
    let objects = objects(Chart::Profiles, "default", &json!({"clusterDomain": "example.org"}));
    let names: Vec<&str> = objects.iter().map(Object::name).collect();
    let services = ["linkerd-controller-api", "linkerd-dst", "linkerd-prometheus", "linkerd-grafana"];
    assert_eq!(names, services.map(|service| format!("{service}.linkerd.svc.example.org")));
    for object in &objects {
        ServiceProfile::from_value(&object.value)
            .unwrap_or_else(|fault| panic!("{}: {fault:?}", object.name()));
    }
    let requests = [
        (0, "/linkerd.public.Api/StatSummary", "POST /api/v1/StatSummary"),
        (0, "/api/v1/StatSummary", "POST /api/v1/StatSummary"),
        (
            1,
            "/io.linkerd.proxy.destination.Destination/GetProfile",
            "POST /io.linkerd.proxy.destination.Destination/GetProfile",
        ),
        (2, "/api/v1/query", "POST /api/v1/query"),
        (3, "/grafana/d/linkerd-pod/linkerd-pod", "GET /d/{uid}/{dashboard-name}"),
        (3, "/api/ds/query", "POST /api/ds/query"),
    ];
    for (index, path, route) in requests {
        let routes = objects[index].value["spec"]["routes"].as_array().unwrap();
        let matching = routes.iter().find(|route| {
            let pattern = route["condition"]["pathRegex"].as_str().unwrap();
            Regex::new(&format!("^(?:{pattern})$")).unwrap().is_match(path)
        });
        assert_eq!(matching.map(|found| &found["name"]), Some(&json!(route)), "{path}");
    }
}
