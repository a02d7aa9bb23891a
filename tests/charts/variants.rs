//! The sets of values every chart is rendered with.

use manifests::Chart;
use manifests::values::{Overrides, coalesce};
use serde_json::{Value, json};

/// A set of values with a name.
pub(crate) struct Variant {
    pub(crate) name: &'static str,
    /// What the user sets.
    pub(crate) set: Value,
}

/// A certificate and a key that only look like ones: templates copy them.
const ANCHORS: &str = "-----BEGIN CERTIFICATE-----\nYW5jaG9y\n-----END CERTIFICATE-----\n";
const ISSUER: &str = "-----BEGIN CERTIFICATE-----\naXNzdWVy\n-----END CERTIFICATE-----\n";
const KEY: &str = "-----BEGIN EC PRIVATE KEY-----\na2V5\n-----END EC PRIVATE KEY-----\n";

/// What `linkerd2` cannot be rendered without.
fn identity() -> Value {
    json!({
        "global": {"identityTrustAnchorsPEM": ANCHORS},
        "identity": {"issuer": {"tls": {"crtPEM": ISSUER, "keyPEM": KEY}, "crtExpiry": "2030-01-02T03:04:05Z"}},
    })
}

/// Lays one tree over another.
fn over(base: &Value, set: &Value) -> Value {
    coalesce(base, set)
}

/// The values of `values-ha.yaml`.
pub(crate) fn high_availability() -> Value {
    let mut overrides = Overrides::new();
    let text = Chart::Control.file("values-ha.yaml").expect("the chart has the overlay");
    overrides.file("values-ha.yaml", &text).expect("the overlay is a map");
    overrides.into_value()
}

/// The variants of a chart.
pub(crate) fn variants(chart: Chart) -> Vec<Variant> {
    match chart {
        Chart::Control => control(),
        Chart::Cni => cni(),
        Chart::Profiles => profiles(),
        Chart::Crds => definitions(),
    }
}

fn control() -> Vec<Variant> {
    let sets = [
        ("default", json!({})),
        ("high availability", high_availability()),
        ("cni", json!({"global": {"cniEnabled": true}})),
        (
            "external prometheus",
            json!({"prometheus": {"enabled": false}, "global": {"prometheusUrl": "http://prom.example:9090"}}),
        ),
        ("no prometheus", json!({"prometheus": {"enabled": false}})),
        (
            "no add-ons",
            json!({"grafana": {"enabled": false}, "tracing": {"enabled": false}, "prometheus": {"enabled": false}}),
        ),
        (
            "all add-ons",
            json!({"grafana": {"enabled": true}, "tracing": {"enabled": true}, "global": {"controlPlaneTracing": true}}),
        ),
        (
            "add-ons in full",
            json!({
                "controllerLogLevel": "trace",
                "disableHeartBeat": true,
                "restrictDashboardPrivileges": true,
                "enforcedHostRegexp": "^mesh\\.example(:\\d+)?$",
                "dashboard": {"replicas": 2},
                "enablePodDisruptionBudget": true,
                "publicAPI": {"direct": {"enabled": false}},
                "tap": {"ignoreHeaders": "authorization,cookie"},
                "prometheus": {
                    "persistence": {"size": "8Gi", "storageClass": "fast"}, "retentionSize": "5GB", "args": ["--web.enable-admin-api"],
                    "kubelet": {"enabled": false}, "remoteWrite": [{"url": "http://store.example/write"}],
                    "scrapeConfigs": [{"job_name": "mine", "static_configs": [{"targets": ["a.example:1"]}]}],
                    "alertManagers": [{"static_configs": [{"targets": ["alerts.example:9093"]}]}], "alertRelabelConfigs": [{"action": "labeldrop", "regex": "pod"}],
                    "ruleConfigMapMounts": [{"name": "rules", "configMap": "alerts", "subPath": "alerts_rules.yml"}],
                    "sidecarContainers": [{"name": "side", "image": "side.example/side:1"}], "resources": {"cpu": {"limit": "4", "request": "300m"}},
                },
                "grafana": {"name": "my-grafana", "image": {"name": "g.example/grafana", "version": "1"}, "resources": {"memory": {"limit": "1Gi"}}},
                "tracing": {"enabled": true, "collector": {"name": "my-collector", "config": "receivers: {}\n"}, "jaeger": {"maxTraces": 2000000}},
                "global": {"enableIPv6": true},
            }),
        ),
        (
            "external grafana",
            json!({"grafana": {"enabled": false}, "global": {"grafanaUrl": "grafana.example:3000"}}),
        ),
        (
            "custom registry",
            json!({"global": {"registry": "registry.example/mesh", "linkerdVersion": "v9", "proxy": {"image": {"name": "p.example/proxy", "version": "v1", "pullPolicy": "Always"}}}, "controllerImage": "c.example/controller", "controllerImageVersion": "v2"}),
        ),
        (
            "resources",
            json!({
                "global": {"proxy": {"resources": {"cpu": {"limit": "2", "request": "0.5"}, "memory": {"limit": "1Gi", "request": "20Mi"}, "ephemeral-storage": {"limit": "1Gi", "request": "1Mi"}}}},
                "identityResources": {"cpu": {"limit": "1", "request": "100m"}},
                "destinationResources": {"memory": {"limit": "250Mi"}},
                "destinationProxyResources": {"cpu": {"limit": "3"}},
            }),
        ),
        (
            "external issuer",
            json!({"identity": {"issuer": {"scheme": "kubernetes.io/tls"}}, "global": {"identityTrustAnchorsExternal": true}}),
        ),
        ("anchor key", json!({"identity": {"trustAnchor": {"crtPEM": ANCHORS, "keyPEM": KEY}}})),
        (
            "cert-manager",
            json!({
                "proxyInjector": {"externalSecret": true, "injectCaFrom": "linkerd/injector"},
                "profileValidator": {"externalSecret": true, "injectCaFromSecret": "linkerd/validator"},
                "policyValidator": {"externalSecret": true, "injectCaFrom": "linkerd/policy"},
                "tap": {"externalSecret": true, "injectCaFrom": "linkerd/tap"},
            }),
        ),
        (
            "given webhook certificates",
            json!({
                "proxyInjector": {"crtPEM": ISSUER, "keyPEM": KEY, "caBundle": ANCHORS},
                "profileValidator": {"crtPEM": ISSUER, "keyPEM": KEY, "caBundle": ANCHORS},
                "policyValidator": {"crtPEM": ISSUER, "keyPEM": KEY, "caBundle": ANCHORS},
                "tap": {"crtPEM": ISSUER, "keyPEM": KEY, "caBundle": ANCHORS},
            }),
        ),
        (
            "placement",
            json!({
                "tolerations": [{"key": "mesh", "operator": "Exists", "effect": "NoSchedule"}],
                "nodeSelector": {"pool": "mesh", "kubernetes.io/os": null},
                "nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a", "b"]}]}]}},
                "enablePodAntiAffinity": true,
                "priorityClassName": "system-cluster-critical",
                "runtimeClassName": "gvisor",
                "podAnnotations": {"example.com/team": "mesh", "example.com/long": "one two three four five six seven eight nine ten eleven twelve thirteen fourteen"},
                "podLabels": {"team": "mesh"},
                "global": {"imagePullSecrets": [{"name": "registry-key"}]},
            }),
        ),
        (
            "pod monitors",
            json!({"podMonitor": {"enabled": true, "labels": {"release": "prom"}}, "controllerReplicas": 3, "enablePodDisruptionBudget": true}),
        ),
        (
            "ordinary sidecar",
            json!({"global": {"proxy": {"nativeSidecar": false, "await": true, "waitBeforeExitSeconds": 10}}}),
        ),
        (
            "ipv6 and iptables",
            json!({"enableEndpointSlices": false, "remoteClusters": true, "endpointZoneWeights": true, "global": {"enableIPv6": true, "proxyInit": {"iptablesMode": "legacy", "closeWaitTimeoutSecs": 30, "skipSubnets": "10.0.0.0/8"}}}),
        ),
        (
            "proxy settings",
            json!({"global": {"proxy": {
                "logLevel": "debug", "logHTTPHeaders": "insecure", "accessLog": "json", "enableExternalProfiles": true,
                "cores": {"maximum": 4}, "requireIdentityOnInboundPorts": "8443", "opaquePorts": "25,3306", "isIngress": true,
                "additionalEnv": [{"name": "EXTRA", "value": "1000000"}], "trace": {"collectorSvcAddr": "collector.tracing:4317", "extraAttributes": {"b": "2", "a": "1"}},
            }}}),
        ),
        (
            "other namespace and domain",
            json!({"installNamespace": false, "disableHeartBeat": true, "restrictDashboardPrivileges": true, "omitWebhookSideEffects": true, "global": {"namespace": "mesh", "clusterDomain": "cluster.example", "identityTrustDomain": "trust.example"}}),
        ),
        (
            "recorded by the command",
            json!({"configOverrides": "global:\n  namespace: linkerd\n", "global": {"cliVersion": "stable-9.9.9"}, "controlPlanePolicies": {"enabled": false}}),
        ),
    ];
    sets.into_iter().map(|(name, set)| Variant { name, set: over(&identity(), &set) }).collect()
}

fn cni() -> Vec<Variant> {
    let sets = [
        ("default", json!({})),
        (
            "ports and networks",
            json!({
                "ignoreInboundPorts": "22,8000-9000", "ignoreOutboundPorts": "443", "portsToRedirect": "80,8080",
                "skipSubnets": "10.0.0.0/8", "proxyGID": 2102, "iptablesMode": "legacy", "useWaitFlag": true, "disableIPv6": true,
            }),
        ),
        ("one folder", json!({"destCNINetDir": "/opt/cni", "destCNIBinDir": "/opt/cni"})),
        ("no repairer", json!({"repairController": {"enabled": false}, "privileged": true})),
        (
            "placement",
            json!({
                "namespace": "cni", "installNamespace": false, "cliVersion": "stable-9.9.9", "cniPluginVersion": "v7",
                "imagePullSecrets": [{"name": "registry-key"}], "priorityClassName": "system-node-critical",
                "nodeSelector": {"pool": "mesh"}, "podLabels": {"team": "mesh"}, "commonLabels": {"x": "y"},
                "podAnnotations": {"a": "b"}, "resources": {"cpu": {"request": "10m", "limit": 1}, "memory": {"request": "20Mi"}},
                "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": []}}},
            }),
        ),
    ];
    sets.into_iter().map(|(name, set)| Variant { name, set }).collect()
}

fn profiles() -> Vec<Variant> {
    let sets = [
        ("default", json!({})),
        ("other names", json!({"namespace": "mesh", "clusterDomain": "cluster.example"})),
    ];
    sets.into_iter().map(|(name, set)| Variant { name, set }).collect()
}

fn definitions() -> Vec<Variant> {
    let sets = [
        ("default", json!({})),
        ("no split", json!({"installTrafficSplit": false})),
        ("recorded by the command", json!({"global": {"cliVersion": "stable-9.9.9", "namespace": "mesh"}})),
    ];
    sets.into_iter().map(|(name, set)| Variant { name, set }).collect()
}
