//! Identity and injector as the charts start them, beside a real API server: certificates a second, and the time of an
//! injection.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use jiff::{SignedDuration, Timestamp};
use linkerd2_proxy_api::identity::CertifyRequest;
use linkerd2_proxy_api::identity::identity_client::IdentityClient;
use manifests::{Chart, Release};
use mesh_pki::SystemEntropy;
use mesh_pki::generate::{Identity, Request as Wanted};
use mesh_tests::admission;
use mesh_tests::cluster::{Cluster, Level, stdout_of};
use rcgen::{CertificateParams, DistinguishedName, KeyPair};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::LIMIT;
use crate::report::Report;
use crate::server::Component;
use crate::source::Origin;

const NAMESPACE: &str = "linkerd";
/// Certificates a second that one core has to sign, each with its TokenReview.
const CERTIFICATES: f64 = 500.0;
/// Time within which 99 of 100 pods have to be answered.
const INJECTION: Duration = Duration::from_millis(5);
/// Between two pods: two thousand a minute.
const POD: Duration = Duration::from_millis(30);
/// The core of the component that is measured; all else keeps to the other.
const CORE: usize = 0;
const OTHER_CORE: usize = 1;
/// Clients that ask for certificates at once.
const CLIENTS: usize = 32;

/// A real API server with the charts applied.
struct Lab {
    cluster: Cluster,
    identity: Identity,
}

pub(crate) async fn measure(full: bool) {
    let report = Report::titled("Identity and injector beside a real API server");
    keep_to(OTHER_CORE);
    let lab = tokio::task::spawn_blocking(Lab::set_up).await.unwrap();
    certificates(&lab, &report, full).await;
    injections(&lab, &report, full).await;
}

async fn certificates(lab: &Lab, report: &Report, full: bool) {
    let folder = tempfile::tempdir().unwrap();
    let (issuer, anchors) = (folder.path().join("issuer"), folder.path().join("anchors"));
    put(
        &issuer,
        &[("crt.pem", &lab.identity.issuer.certificate_pem()), ("key.pem", &lab.identity.issuer.key_pem())],
    );
    put(&anchors, &[("ca-bundle.crt", &lab.identity.bundle().to_pem())]);
    let kubeconfig = lab.cluster.kubeconfig_path();
    let component = Component::start_on(CORE, "identity", &Origin::Kubeconfig(&kubeconfig), |address| {
        vec![
            format!("--grpc-addr={address}"),
            format!("--issuer-dir={}", issuer.display()),
            format!("--trust-roots-dir={}", anchors.display()),
        ]
    });
    component.ready(LIMIT).await;
    // A token of its own for each, so that the API server reviews them and remembers none.
    let requests = Arc::new(lab.certificate_requests(CLIENTS));
    let before = component.usage();
    let begun = Instant::now();
    let end = begun + Duration::from_secs(if full { 20 } else { 2 });
    let clients = (0..CLIENTS).map(|number| {
        let (requests, address) = (Arc::clone(&requests), component.address);
        tokio::spawn(async move {
            let mut client = IdentityClient::connect(format!("http://{address}")).await.unwrap();
            let mut count = 0_u32;
            while Instant::now() < end {
                client.certify(requests[number].clone()).await.unwrap();
                count += 1;
            }
            count
        })
    });
    let mut count = 0;
    for client in clients.collect::<Vec<_>>() {
        count += client.await.unwrap();
    }
    let (took, cpu) = (begun.elapsed().as_secs_f64(), component.usage().cpu.saturating_sub(before.cpu));
    let (count, cpu) = (f64::from(count), cpu.as_secs_f64());
    report.line(
        &format!(
            "certificates a second of one core; API server and clients on the other (bar {CERTIFICATES})"
        ),
        &format!("{:.0}", count / took),
    );
    report.line("certificates a second of CPU, TokenReview included", &format!("{:.0}", count / cpu));
    if full {
        assert!(count / cpu >= CERTIFICATES, "too few certificates for a core");
    }
}

async fn injections(lab: &Lab, report: &Report, full: bool) {
    let folder = tempfile::tempdir().unwrap();
    let (config, anchors) = (folder.path().join("config"), folder.path().join("anchors"));
    let values = lab.live(&["configmap", "linkerd-config"])["data"]["values"].clone();
    put(&config, &[("values", values.as_str().unwrap())]);
    put(&anchors, &[("ca-bundle.crt", &lab.identity.bundle().to_pem())]);
    let kubeconfig = lab.cluster.kubeconfig_path();
    let component =
        Component::start_on(CORE, "proxy-injector", &Origin::Kubeconfig(&kubeconfig), |address| {
            vec![
                format!("--webhook-addr={address}"),
                format!("--config-dir={}", config.display()),
                format!("--trust-roots={}", anchors.join("ca-bundle.crt").display()),
                "--tls-secret=linkerd-proxy-injector-tls".to_owned(),
                "--issue-tls=true".to_owned(),
                "--webhook-config=linkerd-proxy-injector-webhook-config".to_owned(),
                "--fill-ca-bundle=true".to_owned(),
            ]
        });
    component.ready(LIMIT).await;
    let mut sender = lab.webhook(component.address).await;
    let mut times = Vec::new();
    let before = component.usage();
    let mut next = tokio::time::interval(POD);
    for number in 0..if full { 2000 } else { 50 } {
        next.tick().await;
        let request = Request::post("/")
            .header("host", "it")
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(admission::review("measured", number).to_string())))
            .unwrap();
        sender.ready().await.unwrap();
        let begun = Instant::now();
        let answer = sender.send_request(request).await.unwrap().into_body().collect().await.unwrap();
        times.push(begun.elapsed());
        let answer: Value = serde_json::from_slice(&answer.to_bytes()).unwrap();
        assert!(answer["response"]["patch"].is_string(), "not injected: {answer}");
    }
    let cpu = component.usage().cpu.saturating_sub(before.cpu);
    report.line("CPU of an injection", &format!("{:.2} ms", cpu.as_secs_f64() * 1e3 / times.len() as f64));
    let p99 = report.times("an injection over TLS at 2,000 a minute (bar p99 5 ms)", times);
    if full {
        assert!(p99 <= INJECTION, "injection takes too long");
    }
}

/// Applies a chart.
pub(crate) fn install(cluster: &Cluster, chart: Chart, values: &Value) {
    let release = Release { name: "linkerd", namespace: NAMESPACE, kube_version: "v1.33.0" };
    let objects = manifests::render(chart, values, &release).unwrap();
    let text: Vec<String> = objects.iter().map(|object| object.text.clone()).collect();
    cluster.apply(&text.join("\n---\n")).unwrap();
    cluster.wait_for_definitions().unwrap();
}

/// Keeps this process to a core, and what it starts from here on.
fn keep_to(core: usize) {
    let process = std::process::id().to_string();
    let mut command = Command::new("taskset");
    command.args(["--all-tasks", "--cpu-list", "--pid", &core.to_string(), &process]);
    stdout_of(&mut command).unwrap();
}

fn put(folder: &Path, files: &[(&str, &str)]) {
    std::fs::create_dir_all(folder).unwrap();
    for (name, text) in files {
        std::fs::write(folder.join(name), text).unwrap();
    }
}

// === impl Lab ===

impl Lab {
    fn set_up() -> Self {
        let now = Timestamp::now();
        let wanted = |name: &str, hours| Wanted::new(name, now, SignedDuration::from_hours(hours));
        let anchor = wanted("root.linkerd.cluster.local", 24 * 3650);
        let issuer = wanted("identity.linkerd.cluster.local", 24 * 365);
        let identity = mesh_pki::generate::identity(&anchor, &issuer, &mut SystemEntropy::new()).unwrap();
        let lab = Self { cluster: Cluster::start_own(Level::ApiServer).unwrap(), identity };
        let set = json!({
            "global": {"identityTrustAnchorsPEM": lab.identity.bundle().to_pem()},
            "identity": {"issuer": {"tls": {"crtPEM": lab.identity.issuer.certificate_pem(),
                "keyPEM": lab.identity.issuer.key_pem()}}},
        });
        let values = manifests::values::coalesce(Chart::Control.defaults().unwrap(), &set);
        for (chart, values) in [(Chart::Crds, Chart::Crds.defaults().unwrap()), (Chart::Control, &values)] {
            install(&lab.cluster, chart, values);
        }
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "measured",
            "annotations": {"linkerd.io/inject": "enabled"}}});
        lab.cluster.apply(&namespace.to_string()).unwrap();
        lab
    }

    fn live(&self, object: &[&str]) -> Value {
        let args = [&["get"], object, &["--namespace", NAMESPACE, "-o", "json"]].concat();
        serde_json::from_str(&stdout_of(&mut self.cluster.kubectl(args)).unwrap()).unwrap()
    }

    /// Requests of as many accounts.
    fn certificate_requests(&self, count: usize) -> Vec<CertifyRequest> {
        let accounts = (0..count).map(|number| {
            json!({"apiVersion": "v1", "kind": "ServiceAccount",
                "metadata": {"name": format!("account-{number}"), "namespace": "measured"}})
            .to_string()
        });
        self.cluster.apply(&accounts.collect::<Vec<_>>().join("\n---\n")).unwrap();
        let request = |number: usize| {
            let account = format!("account-{number}");
            let token = ["create", "token", &account, "--namespace=measured", "--audience=identity.l5d.io"];
            let token = stdout_of(&mut self.cluster.kubectl(token)).unwrap();
            let name = format!("{account}.measured.serviceaccount.identity.{NAMESPACE}.cluster.local");
            let mut params = CertificateParams::new(vec![name.clone()]).unwrap();
            params.distinguished_name = DistinguishedName::new();
            let csr = params.serialize_request(&KeyPair::generate().unwrap()).unwrap();
            CertifyRequest {
                identity: name,
                token: token.trim().into(),
                certificate_signing_request: csr.der().to_vec(),
            }
        };
        (0..count).map(request).collect()
    }

    /// A connection to the webhook, verified against the authorities it publishes.
    async fn webhook(&self, address: SocketAddr) -> hyper::client::conn::http1::SendRequest<Full<Bytes>> {
        use base64::Engine as _;
        let secret = self.live(&["secret", "linkerd-proxy-injector-tls"]);
        let data: BTreeMap<String, String> = serde_json::from_value(secret["data"].clone()).unwrap();
        let pem = base64::engine::general_purpose::STANDARD.decode(&data["ca.crt"]).unwrap();
        let mut roots = rustls::RootCertStore::empty();
        for authority in CertificateDer::pem_slice_iter(&pem) {
            roots.add(authority.unwrap()).unwrap();
        }
        let config = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let name = format!("linkerd-proxy-injector.{NAMESPACE}.svc").try_into().unwrap();
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let stream = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        sender
    }
}
