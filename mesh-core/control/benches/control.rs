//! Certificates a second on one core, and the time an injection takes. The goals hold for optimised builds.
//!
//! `cargo bench -p mesh-control --bench control` prints both and holds them against their goals.

#![expect(clippy::print_stdout, reason = "a benchmark says what it measured")]
#![expect(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use hdrhistogram::Histogram;
use jiff::{SignedDuration, Timestamp};
use linkerd2_proxy_api::identity::CertifyRequest;
use linkerd2_proxy_api::identity::identity_server::Identity;
use mesh_control::identity::certify::{Certify, Lifetimes, Settings};
use mesh_control::identity::material::{Current, Material, Usable};
use mesh_control::identity::tokens::{TokenError, Tokens};
use mesh_control::injector::config::Config;
use mesh_control::injector::decide::{Question, decide};
use mesh_control::runtime::Registry;
use mesh_core::identity::{MeshNames, ServiceAccount, TrustDomain};
use mesh_pki::SystemEntropy;
use mesh_pki::generate::{Request, identity};
use rcgen::{CertificateParams, KeyPair};
use serde_json::{Value, json};

/// Certificates a second on one core.
const CERTIFICATES: f64 = 500.0;
/// Time that 99 of 100 injections take at most.
const INJECTION: Duration = Duration::from_millis(5);

/// Believes every token: what is measured is our part.
struct Anybody;

impl Tokens for Anybody {
    fn review<'a>(&'a self, _token: &'a [u8]) -> BoxFuture<'a, Result<ServiceAccount, TokenError>> {
        let account = ServiceAccount { namespace: "emoji".to_owned(), name: "web".to_owned() };
        Box::pin(futures::future::ready(Ok(account)))
    }
}

fn main() {
    let certificates = certificates();
    let (median, p99) = injections();
    println!("certificates a second on one core: {certificates:.0} (goal {CERTIFICATES})");
    println!("an injection: median {median:?}, p99 {p99:?} (goal {INJECTION:?})");
    if !cfg!(debug_assertions) {
        assert!(certificates >= CERTIFICATES, "too few certificates");
        assert!(p99 <= INJECTION, "injection takes too long");
    }
}

fn certificates() -> f64 {
    let now = Timestamp::now();
    let names = MeshNames::new("linkerd", TrustDomain::default());
    let request = |name: String| Request::new(name, now, SignedDuration::from_hours(24 * 30));
    let made =
        identity(&request(names.anchor()), &request(names.issuer()), &mut SystemEntropy::new()).unwrap();
    let usable = Usable::read(
        made.issuer.certificate_pem().into_bytes(),
        made.issuer.key_pem().into_bytes(),
        &names.issuer(),
        &made.bundle(),
        now,
    );
    let current = Current { usable: Some(Arc::new(usable.unwrap())), bundle: Some(made.bundle()) };
    let settings = Settings {
        names: names.clone(),
        lifetimes: Lifetimes { leaf: SignedDuration::from_hours(24), skew: SignedDuration::from_secs(20) },
        clock: Arc::new(Timestamp::now),
    };
    let certify = Certify::new(Arc::new(Anybody), Material::fixed(current), settings, &Registry::default());
    let name = names.workload(&ServiceAccount { namespace: "emoji".to_owned(), name: "web".to_owned() });
    let mut params = CertificateParams::new(vec![name.clone()]).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    let csr = params.serialize_request(&KeyPair::generate().unwrap()).unwrap();
    let request = CertifyRequest {
        identity: name,
        token: b"a.b.c".to_vec(),
        certificate_signing_request: csr.der().to_vec(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (started, mut count) = (Instant::now(), 0_u32);
    while started.elapsed() < Duration::from_secs(2) {
        runtime.block_on(certify.certify(tonic::Request::new(request.clone()))).unwrap();
        count += 1;
    }
    f64::from(count) / started.elapsed().as_secs_f64()
}

fn injections() -> (Duration, Duration) {
    let anchors = {
        let request =
            Request::new("root.linkerd.cluster.local", Timestamp::now(), SignedDuration::from_hours(1));
        mesh_pki::generate::anchor(&request, &mut SystemEntropy::new()).unwrap().certificate.to_pem()
    };
    let values = manifests::Chart::Control.file("values.yaml").unwrap();
    let config = Config::read(&values, &anchors).unwrap();
    let annotations = BTreeMap::from([("linkerd.io/inject".to_owned(), "enabled".to_owned())]);
    let mut times = Histogram::<u64>::new(3).unwrap();
    for number in 0..2_000 {
        let pod = pod(number);
        let question = Question { object: &pod, namespace: "emoji", annotations: &annotations, owner: None };
        let started = Instant::now();
        let decided = decide(&config, &question).unwrap();
        let patch = decided.patch.unwrap().to_string();
        times.record(u64::try_from(started.elapsed().as_nanos()).unwrap()).unwrap();
        assert!(patch.contains("linkerd-proxy"));
    }
    let at = |quantile| Duration::from_nanos(times.value_at_quantile(quantile));
    (at(0.5), at(0.99))
}

/// Pods of forty workloads, each with annotations of its own, so that not all of them are rendered before.
fn pod(number: u32) -> Value {
    let workload = number % 40;
    json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"generateName": format!("web-{workload}-"),
            "annotations": {"config.linkerd.io/proxy-cpu-limit": format!("{}m", 100 + workload)}},
        "spec": {"containers": [{"name": "app", "image": "app:1", "ports": [{"containerPort": 8000 + workload}],
            "env": [{"name": "NUMBER", "value": number.to_string()}]}]}})
}
