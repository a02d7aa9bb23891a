//! What the cluster holds: Services with their slices and pods, as the API server writes them.
//!
//! The same objects are answered by the stand-in, written to a real API server, and put into files.
//!
//! Objects are texts with marks, split once: making a hundred thousand pods must not take the time that is measured.

use std::fmt::Write as _;
use std::ops::Range;
use std::sync::LazyLock;

use serde_json::{Value, json};

/// The Service with many endpoints, which every proxy uses too.
pub(crate) const LARGE: usize = 0;
/// A small Service that every proxy uses.
pub(crate) const SHARED: usize = 1;
/// Endpoints of a slice, as the controller makes them.
const SLICE: usize = 100;

/// How large everything is.
#[derive(Clone, Debug)]
pub(crate) struct Size {
    pub(crate) services: usize,
    pub(crate) endpoints: usize,
    pub(crate) large: usize,
    pub(crate) proxies: usize,
    pub(crate) destinations: usize,
    /// Streams for each destination: addresses, profile, policy, in this order.
    pub(crate) apis: usize,
}

/// What changes while a run goes on.
pub(crate) struct Cluster {
    pub(crate) size: Size,
    /// How often each pod of [`LARGE`] was replaced.
    pub(crate) generations: Vec<usize>,
    /// Services whose last endpoint is not ready.
    pub(crate) unready: std::collections::BTreeSet<usize>,
}

/// Text with marks of one letter.
struct Template(Vec<(String, Option<char>)>);

// === impl Size ===

impl Size {
    /// The size of the goal, or a hundredth of it.
    pub(crate) fn goal(full: bool) -> Self {
        Self {
            services: if full { 10_000 } else { 100 },
            endpoints: 10,
            large: if full { 1_000 } else { 100 },
            proxies: if full { 2_000 } else { 20 },
            destinations: 20,
            apis: 3,
        }
    }

    /// Changed by the words of the command line.
    ///
    /// # Panics
    /// When an option has no number after it.
    pub(crate) fn changed_by(mut self, words: &[String]) -> Self {
        let fields = [
            ("--services", &mut self.services),
            ("--endpoints", &mut self.endpoints),
            ("--large", &mut self.large),
            ("--proxies", &mut self.proxies),
            ("--destinations", &mut self.destinations),
            ("--apis", &mut self.apis),
        ];
        for (name, field) in fields {
            if let Some(at) = words.iter().position(|word| word == name) {
                let value = words.get(at + 1).and_then(|word| word.parse().ok());
                *field = value.unwrap_or_else(|| panic!("{name} takes a number"));
            }
        }
        self
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

    pub(crate) fn streams(&self) -> usize {
        self.proxies * self.destinations * self.apis
    }

    /// The Services a proxy uses: the large and the shared one, then others spread over all.
    pub(crate) fn used_by(&self, proxy: usize) -> impl Iterator<Item = usize> + use<> {
        let (services, destinations) = (self.services, self.destinations);
        let others = (0..destinations.saturating_sub(2))
            .map(move |at| 2 + (proxy * 7919 + at * 104_729) % (services - 2));
        [LARGE, SHARED].into_iter().take(destinations).chain(others)
    }
}

// === impl Cluster ===

impl Cluster {
    pub(crate) fn new(size: Size) -> Self {
        let generations = vec![0; size.large];
        Self { size, generations, unready: std::collections::BTreeSet::new() }
    }

    /// How often a pod was replaced.
    pub(crate) fn generation(&self, service: usize, at: usize) -> usize {
        if service == LARGE { self.generations[at] } else { 0 }
    }

    /// Every slice: Service and number within it.
    pub(crate) fn slices(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let size = self.size.clone();
        (0..self.size.services).flat_map(move |service| {
            (0..size.endpoints_of(service).div_ceil(SLICE)).map(move |slice| (service, slice))
        })
    }

    /// Every pod: Service and number within it.
    pub(crate) fn pods(&self) -> impl Iterator<Item = (usize, usize)> {
        (0..self.size.services)
            .flat_map(|service| (0..self.size.endpoints_of(service)).map(move |at| (service, at)))
    }

    /// The endpoints of a slice.
    pub(crate) fn endpoints_in(&self, service: usize, slice: usize) -> Range<usize> {
        slice * SLICE..((slice + 1) * SLICE).min(self.size.endpoints_of(service))
    }

    /// Makes the last endpoint of a Service ready, or not; the slice that has it.
    pub(crate) fn toggle(&mut self, service: usize) -> usize {
        if !self.unready.remove(&service) {
            self.unready.insert(service);
        }
        Self::slice_with(self.size.endpoints_of(service) - 1)
    }

    /// Replaces a pod of the large Service; the generation of the old one.
    pub(crate) fn replace(&mut self, at: usize) -> usize {
        self.generations[at] += 1;
        self.generations[at] - 1
    }

    /// The slice that has an endpoint.
    pub(crate) fn slice_with(at: usize) -> usize {
        at / SLICE
    }

    /// Writes a slice.
    pub(crate) fn slice(&self, service: usize, slice: usize, version: u64, out: &mut String) {
        let all = self.size.endpoints_of(service);
        let last = all - 1;
        let mut endpoints = String::new();
        for at in self.endpoints_in(service, slice) {
            if !endpoints.is_empty() {
                endpoints.push(',');
            }
            let ready = at != last || !self.unready.contains(&service);
            let generation = self.generation(service, at);
            ENDPOINT.write(&mut endpoints, |mark, out| match mark {
                'A' => out.push_str(&pod_ip(&self.size, service, at, generation)),
                'N' => out.push_str(&node(at)),
                'R' => out.push_str(if ready { "true" } else { "false" }),
                'P' => out.push_str(&pod_name(service, at, generation)),
                _ => out.push_str(&namespace(service)),
            });
        }
        SLICES.write(out, |mark, out| match mark {
            'E' => out.push_str(&endpoints),
            'L' => out.push_str(&slice_name(service, slice)),
            mark => common(mark, service, version, out),
        });
    }

    /// Writes a pod with a proxy, with what the kubelet and the injector add, managed fields included.
    pub(crate) fn pod(&self, service: usize, at: usize, generation: usize, version: u64, out: &mut String) {
        POD.write(out, |mark, out| match mark {
            'P' => out.push_str(&pod_name(service, at, generation)),
            'I' => out.push_str(&pod_ip(&self.size, service, at, generation)),
            'N' => out.push_str(&node(at)),
            mark => common(mark, service, version, out),
        });
    }

    /// Writes a pod as it is now.
    pub(crate) fn pod_now(&self, service: usize, at: usize, out: &mut String) {
        self.pod(service, at, self.generation(service, at), 1, out);
    }
}

/// Writes a Service.
pub(crate) fn service(number: usize, out: &mut String) {
    SERVICE.write(out, |mark, out| match mark {
        'C' => out.push_str(&cluster_ip(number)),
        mark => common(mark, number, 1, out),
    });
}

/// Writes the metadata of the ReplicaSet behind the pods of a Service.
pub(crate) fn replica_set(number: usize, out: &mut String) {
    REPLICA_SET.write(out, |mark, out| common(mark, number, 1, out));
}

/// Writes the metadata of a node.
pub(crate) fn write_node(number: usize, out: &mut String) {
    out.push_str(
        &json!({"metadata": {"name": node(number), "labels": {"topology.kubernetes.io/zone": "a"}}})
            .to_string(),
    );
}

/// Nodes of the cluster.
pub(crate) const NODES: usize = 50;

fn node(at: usize) -> String {
    format!("node-{}", at % NODES)
}

/// Namespaces over which Services are spread.
const NAMESPACES: usize = 100;

/// The names of all namespaces.
pub(crate) fn namespaces() -> impl Iterator<Item = String> {
    (0..NAMESPACES).map(namespace)
}

pub(crate) fn namespace(service: usize) -> String {
    format!("ns-{}", service % NAMESPACES)
}

/// An address in `10.96.0.0/16`, past the first few, which a real API server gives away itself.
pub(crate) fn cluster_ip(service: usize) -> String {
    let number = service + 256;
    format!("10.96.{}.{}", number / 256, number % 256)
}

pub(crate) fn slice_name(service: usize, slice: usize) -> String {
    format!("svc-{service}-{slice:03}")
}

/// The addresses of a pod; `generation` counts how often it was replaced.
fn pod_ip(size: &Size, service: usize, at: usize, generation: usize) -> String {
    let number = if service == LARGE { at } else { size.large + service * size.endpoints + at };
    let number = number + generation * 4_000_000;
    format!("10.{}.{}.{}", 128 + number / 65_536, number / 256 % 256, number % 256)
}

pub(crate) fn pod_name(service: usize, at: usize, generation: usize) -> String {
    format!("svc-{service}-7d9c5b6f4-{at:05}{}", ["a", "b"][generation % 2])
}

fn common(mark: char, service: usize, version: u64, out: &mut String) {
    match mark {
        'S' => drop(write!(out, "svc-{service}")),
        'M' => out.push_str(&namespace(service)),
        'U' => drop(write!(out, "00000000-0000-0000-0000-{service:012x}")),
        'V' => out.push_str(&version.to_string()),
        other => panic!("no such mark: {other}"),
    }
}

// === impl Template ===

impl Template {
    /// Marks are written as `<X>`; what is no text in JSON as `"@X"`, whose quotes go.
    fn new(object: &Value) -> Self {
        let mut text = object.to_string();
        for mark in ['R', 'E'] {
            text = text.replace(&format!("\"@{mark}\""), &format!("<{mark}>"));
        }
        let mut pieces: Vec<(String, Option<char>)> = Vec::new();
        let mut rest = text.as_str();
        while let Some(at) = rest.find('<') {
            pieces.push((rest[..at].to_owned(), rest[at + 1..].chars().next()));
            rest = &rest[at + 3..];
        }
        pieces.push((rest.to_owned(), None));
        Self(pieces)
    }

    fn write(&self, out: &mut String, mut value: impl FnMut(char, &mut String)) {
        for (text, mark) in &self.0 {
            out.push_str(text);
            if let Some(mark) = mark {
                value(*mark, out);
            }
        }
    }
}

fn meta(name: &str) -> Value {
    json!({"name": name, "namespace": "<M>", "resourceVersion": "<V>",
        "uid": "<U>", "creationTimestamp": "2030-01-01T00:00:00Z",
        "managedFields": [{"manager": "kube-controller-manager", "operation": "Update", "apiVersion": "v1",
            "fieldsType": "FieldsV1", "fieldsV1": {"f:metadata": {"f:labels": {".": {}, "f:app": {}}}}}]})
}

static SERVICE: LazyLock<Template> = LazyLock::new(|| {
    Template::new(&json!({
        "metadata": meta("<S>"),
        "spec": {"clusterIP": "<C>", "clusterIPs": ["<C>"], "type": "ClusterIP",
            "internalTrafficPolicy": "Cluster", "ipFamilies": ["IPv4"], "sessionAffinity": "None",
            "ports": [{"name": "http", "port": 80, "targetPort": 8080, "protocol": "TCP"}],
            "selector": {"app": "<S>"}},
        "status": {"loadBalancer": {}},
    }))
});

static REPLICA_SET: LazyLock<Template> = LazyLock::new(|| {
    let mut metadata = meta("<S>-7d9c5b6f4");
    metadata["ownerReferences"] = json!([{"apiVersion": "apps/v1", "kind": "Deployment",
        "name": "<S>", "uid": "0", "controller": true}]);
    Template::new(&json!({"metadata": metadata}))
});

static ENDPOINT: LazyLock<Template> = LazyLock::new(|| {
    Template::new(&json!({"addresses": ["<A>"], "nodeName": "<N>",
        "conditions": {"ready": "@R", "serving": "@R", "terminating": false},
        "targetRef": {"kind": "Pod", "name": "<P>", "namespace": "<M>",
            "uid": "00000000-0000-0000-0000-000000000000"}}))
});

static SLICES: LazyLock<Template> = LazyLock::new(|| {
    let mut metadata = meta("<L>");
    metadata["labels"] = json!({"kubernetes.io/service-name": "<S>"});
    Template::new(&json!({
        "metadata": metadata, "addressType": "IPv4",
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
        "endpoints": ["@E"],
    }))
});

static POD: LazyLock<Template> = LazyLock::new(|| {
    let mut metadata = meta("<P>");
    metadata["labels"] = json!({"app": "<S>", "pod-template-hash": "7d9c5b6f4",
        "linkerd.io/control-plane-ns": "linkerd", "linkerd.io/workload-ns": "<M>",
        "linkerd.io/proxy-deployment": "<S>"});
    metadata["ownerReferences"] = json!([{"apiVersion": "apps/v1", "kind": "ReplicaSet",
        "name": "<S>-7d9c5b6f4", "uid": "0", "controller": true}]);
    let mount = json!([{"mountPath": "/var/run/secrets/kubernetes.io/serviceaccount", "name": "kube-api-access", "readOnly": true}]);
    let mut env: Vec<Value> =
        (0..20).map(|n| json!({"name": format!("LINKERD2_PROXY_SETTING_{n}"), "value": "10s"})).collect();
    env.push(json!({"name": "LINKERD2_PROXY_INBOUND_LISTEN_ADDR", "value": "[::]:4143"}));
    Template::new(&json!({
        "metadata": metadata,
        "spec": {"nodeName": "<N>", "serviceAccountName": "default", "restartPolicy": "Always",
            "volumes": [{"name": "kube-api-access", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}}],
            "initContainers": [{"name": "linkerd-proxy", "image": "proxy:1", "env": env, "volumeMounts": mount,
                "ports": [{"name": "linkerd-proxy", "containerPort": 4143}, {"name": "linkerd-admin", "containerPort": 4191}]}],
            "containers": [{"name": "app", "image": "app:1", "volumeMounts": mount,
                "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
                "readinessProbe": {"httpGet": {"path": "/ready", "port": "http"}}}]},
        "status": {"phase": "Running", "podIP": "<I>", "podIPs": [{"ip": "<I>"}], "hostIP": "172.20.0.1",
            "hostIPs": [{"ip": "172.20.0.1"}], "conditions": [{"type": "Ready", "status": "True"}]},
    }))
});
