//! What the cluster holds: Services with their slices and pods, as the API server writes them.

use std::fmt::Write as _;

use serde_json::{Value, json};

/// The Service with many endpoints.
pub(crate) const LARGE: usize = 0;
/// The Service that every proxy uses.
pub(crate) const SHARED: usize = 1;

/// How large everything is.
#[derive(Clone, Debug)]
pub(crate) struct Size {
    pub(crate) services: usize,
    pub(crate) endpoints: usize,
    pub(crate) large: usize,
    pub(crate) proxies: usize,
    pub(crate) destinations: usize,
}

impl Size {
    /// From the words of the command line; the defaults are those of the goal, or a hundredth of them.
    pub(crate) fn read(words: &[String], full: bool) -> Self {
        let of = |name: &str, default: usize| {
            let at = words.iter().position(|word| word == name);
            let value = at.and_then(|at| words.get(at + 1));
            value.map_or(default, |value| value.parse().expect("a number after each option"))
        };
        Self {
            services: of("--services", if full { 10_000 } else { 100 }),
            endpoints: of("--endpoints", 10),
            large: of("--large", if full { 1_000 } else { 100 }),
            proxies: of("--proxies", if full { 2_000 } else { 20 }),
            destinations: of("--destinations", 20),
        }
    }

    /// The words that give this size again.
    pub(crate) fn words(&self) -> Vec<String> {
        [
            ("--services", self.services),
            ("--endpoints", self.endpoints),
            ("--large", self.large),
            ("--proxies", self.proxies),
            ("--destinations", self.destinations),
        ]
        .into_iter()
        .flat_map(|(name, number)| [name.to_owned(), number.to_string()])
        .collect()
    }

    pub(crate) fn quick(&self) -> bool {
        self.services < 1000
    }

    /// Endpoints of a Service.
    pub(crate) fn endpoints_of(&self, service: usize) -> usize {
        if service == LARGE { self.large } else { self.endpoints }
    }

    /// All endpoints.
    pub(crate) fn pods(&self) -> usize {
        (0..self.services).map(|service| self.endpoints_of(service)).sum()
    }

    /// The Services a proxy uses: the large and the shared one, then others spread over all.
    pub(crate) fn used_by(&self, proxy: usize) -> impl Iterator<Item = usize> {
        let (services, destinations) = (self.services, self.destinations);
        let others = (0..destinations.saturating_sub(2))
            .map(move |at| 2 + (proxy * 7919 + at * 104_729) % (services - 2));
        [LARGE, SHARED].into_iter().take(destinations).chain(others)
    }
}

pub(crate) fn namespace(service: usize) -> String {
    format!("ns-{}", service % 100)
}

pub(crate) fn cluster_ip(service: usize) -> String {
    format!("10.{}.{}.{}", 96 + service / 65_536, service / 256 % 256, service % 256)
}

/// The addresses of a pod; `generation` counts how often it was replaced.
fn pod_ip(size: &Size, service: usize, at: usize, generation: usize) -> String {
    let number = if service == LARGE { at } else { size.large + service * size.endpoints + at };
    let number = number + generation * 4_000_000;
    format!("10.{}.{}.{}", 128 + number / 65_536, number / 256 % 256, number % 256)
}

fn pod_name(service: usize, at: usize, generation: usize) -> String {
    format!("svc-{service}-7d9c5b6f4-{at:05}{}", ["a", "b"][generation % 2])
}

/// A Service.
pub(crate) fn service(number: usize) -> Value {
    json!({
        "metadata": meta(&format!("svc-{number}"), number, "1"),
        "spec": {"clusterIP": cluster_ip(number), "clusterIPs": [cluster_ip(number)], "type": "ClusterIP",
            "internalTrafficPolicy": "Cluster", "ipFamilies": ["IPv4"], "sessionAffinity": "None",
            "ports": [{"name": "http", "port": 80, "targetPort": 8080, "protocol": "TCP"}],
            "selector": {"app": format!("svc-{number}")}},
        "status": {"loadBalancer": {}},
    })
}

/// The slices of a Service: a hundred endpoints each, as the controller makes them.
pub(crate) fn slices(size: &Size, number: usize, generations: &[usize], last_ready: bool) -> Vec<Value> {
    let all: Vec<usize> = (0..size.endpoints_of(number)).collect();
    let slices = all.chunks(100).enumerate();
    slices.map(|(slice, chunk)| slice_of(size, number, slice, chunk, generations, last_ready)).collect()
}

/// One slice of a Service.
pub(crate) fn slice_of(
    size: &Size,
    number: usize,
    slice: usize,
    pods: &[usize],
    generations: &[usize],
    last_ready: bool,
) -> Value {
    let last = size.endpoints_of(number) - 1;
    let endpoint = |at: &usize| {
        let generation = generations.get(*at).copied().unwrap_or(0);
        let ready = last_ready || *at != last;
        json!({"addresses": [pod_ip(size, number, *at, generation)], "nodeName": format!("node-{}", at % 50),
            "conditions": {"ready": ready, "serving": ready, "terminating": false},
            "targetRef": {"kind": "Pod", "name": pod_name(number, *at, generation), "namespace": namespace(number),
                "uid": "00000000-0000-0000-0000-000000000000"}})
    };
    let mut metadata = meta(&format!("svc-{number}-{slice:03}"), number, "1");
    metadata["labels"] = json!({"kubernetes.io/service-name": format!("svc-{number}")});
    json!({
        "metadata": metadata, "addressType": "IPv4",
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
        "endpoints": pods.iter().map(endpoint).collect::<Vec<_>>(),
    })
}

/// A pod with a proxy, with what the kubelet and the injector add, managed fields included.
pub(crate) fn pod(size: &Size, number: usize, at: usize, generation: usize) -> Value {
    let mut metadata = meta(&pod_name(number, at, generation), number, "1");
    metadata["labels"] = json!({"app": format!("svc-{number}"), "pod-template-hash": "7d9c5b6f4",
        "linkerd.io/control-plane-ns": "linkerd", "linkerd.io/workload-ns": namespace(number),
        "linkerd.io/proxy-deployment": format!("svc-{number}")});
    metadata["ownerReferences"] = json!([{"apiVersion": "apps/v1", "kind": "ReplicaSet",
        "name": format!("svc-{number}-7d9c5b6f4"), "uid": "0", "controller": true}]);
    let ip = pod_ip(size, number, at, generation);
    let mount = json!([{"mountPath": "/var/run/secrets/kubernetes.io/serviceaccount", "name": "kube-api-access", "readOnly": true}]);
    let env: Vec<Value> =
        (0..20).map(|n| json!({"name": format!("LINKERD2_PROXY_SETTING_{n}"), "value": "10s"})).collect();
    let mut env = env;
    env.push(json!({"name": "LINKERD2_PROXY_INBOUND_LISTEN_ADDR", "value": "[::]:4143"}));
    json!({
        "metadata": metadata,
        "spec": {"nodeName": format!("node-{}", at % 50), "serviceAccountName": "default", "restartPolicy": "Always",
            "initContainers": [{"name": "linkerd-proxy", "image": "proxy:1", "env": env, "volumeMounts": mount,
                "ports": [{"name": "linkerd-proxy", "containerPort": 4143}, {"name": "linkerd-admin", "containerPort": 4191}]}],
            "containers": [{"name": "app", "image": "app:1", "volumeMounts": mount,
                "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
                "readinessProbe": {"httpGet": {"path": "/ready", "port": "http"}}}]},
        "status": {"phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}], "hostIP": "172.20.0.1",
            "hostIPs": [{"ip": "172.20.0.1"}], "conditions": [{"type": "Ready", "status": "True"}]},
    })
}

/// The ReplicaSet behind the pods of a Service.
pub(crate) fn replica_set(number: usize) -> Value {
    let mut metadata = meta(&format!("svc-{number}-7d9c5b6f4"), number, "1");
    metadata["ownerReferences"] = json!([{"kind": "Deployment", "name": format!("svc-{number}")}]);
    json!({"metadata": metadata})
}

fn meta(name: &str, service: usize, version: &str) -> Value {
    json!({"name": name, "namespace": namespace(service), "resourceVersion": version,
        "uid": format!("00000000-0000-0000-0000-{service:012x}"), "creationTimestamp": "2030-01-01T00:00:00Z",
        "managedFields": [{"manager": "kube-controller-manager", "operation": "Update", "apiVersion": "v1",
            "fieldsType": "FieldsV1", "fieldsV1": {"f:metadata": {"f:labels": {".": {}, "f:app": {}}}}}]})
}

/// Pages of a list as the API server writes them.
pub(crate) fn pages(objects: impl Iterator<Item = Value>) -> impl Iterator<Item = String> {
    let mut objects = objects.peekable();
    std::iter::from_fn(move || {
        objects.peek()?;
        let mut page = String::from(r#"{"metadata":{"resourceVersion":"1"},"items":["#);
        for (at, object) in objects.by_ref().take(500).enumerate() {
            let _ = write!(page, "{}{object}", if at == 0 { "" } else { "," });
        }
        page.push_str("]}");
        Some(page)
    })
}
