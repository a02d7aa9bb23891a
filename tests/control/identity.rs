//! Certificates: who gets one, who does not, and what happens while issuers come and go.

use std::net::SocketAddr;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use linkerd2_proxy_api::identity::identity_client::IdentityClient;
use linkerd2_proxy_api::identity::{CertifyRequest, CertifyResponse};
use mesh_api::trust::WatchRequest;
use mesh_api::trust::trust_bundle_client::TrustBundleClient;
use mesh_pki::{Bundle, Certificate, SubjectName};
use rcgen::{CertificateParams, DistinguishedName, KeyPair};
use serde_json::json;
use tonic::transport::Endpoint;
use tonic::{Code, Status};

use crate::kit::{Lab, Mount, NAMESPACE, Process, anchored, eventually, free_port, lab, run};

/// The component with its mounts.
pub(crate) struct Identity {
    pub(crate) process: Process,
    pub(crate) addr: SocketAddr,
    issuer: Mount,
    anchors: Mount,
}

impl Identity {
    pub(crate) fn start(lab: &Lab, more: &[&str]) -> Self {
        let issuer = &lab.identity.issuer;
        Self::start_with(
            lab,
            &[("crt.pem", &issuer.certificate_pem()), ("key.pem", &issuer.key_pem())],
            &lab.identity.bundle(),
            more,
        )
    }

    fn start_with(lab: &Lab, issuer: &[(&str, &str)], bundle: &Bundle, more: &[&str]) -> Self {
        Self::start_at(lab, lab.cluster.server(), "linkerd-identity-0", issuer, bundle, more)
    }

    /// The pod `pod`, which reaches the API server at `server`.
    pub(crate) fn start_at(
        lab: &Lab,
        server: &str,
        pod: &str,
        issuer: &[(&str, &str)],
        bundle: &Bundle,
        more: &[&str],
    ) -> Self {
        let issuer = Mount::new(issuer);
        let anchors = Mount::new(&[("ca-bundle.crt", &bundle.to_pem())]);
        let addr = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let mut args = vec![
            format!("--grpc-addr={addr}"),
            format!("--issuer-dir={}", issuer.path().display()),
            format!("--trust-roots-dir={}", anchors.path().display()),
        ];
        args.extend(more.iter().map(ToString::to_string));
        let process = Process::start_at(lab, server, "identity", "linkerd-identity", pod, &args);
        Self { process, addr, issuer, anchors }
    }

    pub(crate) fn ready(mut self) -> Self {
        self.process = self.process.ready();
        self
    }

    /// Asks for `identity` with `token`, with a request for `name`.
    pub(crate) fn certify(
        &self,
        identity: &str,
        token: &str,
        csr: Vec<u8>,
    ) -> Result<CertifyResponse, Status> {
        run(async {
            let mut client = IdentityClient::connect(format!("http://{}", self.addr)).await.unwrap();
            let request = CertifyRequest {
                identity: identity.to_owned(),
                token: token.into(),
                certificate_signing_request: csr,
            };
            client.certify(request).await.map(tonic::Response::into_inner)
        })
    }
}

pub(crate) fn csr(name: &str) -> Vec<u8> {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.distinguished_name = DistinguishedName::new();
    params.serialize_request(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
}

pub(crate) fn name_of(account: &str, namespace: &str) -> String {
    format!("{account}.{namespace}.serviceaccount.identity.{NAMESPACE}.cluster.local")
}

pub(crate) const AUDIENCE: &str = "--audience=identity.l5d.io";

#[test]
fn an_account_gets_a_certificate_for_its_own_identity_and_for_no_other() {
    let lab = lab();
    let identity =
        Identity::start(lab, &["--identity-issuance-lifetime=1h", "--identity-clock-skew-allowance=30s"])
            .ready();
    let namespace = lab.namespace("certify");
    let (name, token) = (name_of("default", &namespace), lab.token(&namespace, "default", &[AUDIENCE]));

    let before = Timestamp::now();
    let given = identity.certify(&name, &token, csr(&name)).unwrap();
    let leaf = Certificate::from_der(given.leaf_certificate.clone()).unwrap();
    assert_eq!(leaf.subject_names(), [SubjectName::Dns(name.clone())]);
    assert!(!leaf.is_ca());
    let issuer = lab.identity.issuer.certificate();
    assert_eq!(given.intermediate_certificates, [issuer.der().to_vec()]);
    mesh_pki::signed_by(&leaf, issuer).unwrap();
    let span = leaf.validity().not_after.duration_since(before).as_secs();
    assert!((3_625..=3_640).contains(&span), "{span}");
    assert!(leaf.validity().not_before <= before - SignedDuration::from_secs(29));
    assert_eq!(given.valid_until.unwrap().seconds, leaf.validity().not_after.as_second());

    let refused = |identity_name: &str, token: &str, csr: Vec<u8>| {
        let status = identity.certify(identity_name, token, csr).unwrap_err();
        (status.code(), status.message().to_owned())
    };
    let other = name_of("linkerd-identity", NAMESPACE);
    let (code, text) = refused(&other, &token, csr(&other));
    assert_eq!(code, Code::FailedPrecondition, "{text}");
    assert!(text.contains(&format!("proves the identity {name}, not {other}")), "{text}");
    // The request asks for more than the identity, or for another.
    assert_eq!(refused(&name, &token, csr(&other)).0, Code::FailedPrecondition);
    // Not the key's holder.
    let mut forged = csr(&name);
    *forged.last_mut().unwrap() ^= 1;
    let (code, text) = refused(&name, &token, forged);
    assert_eq!(code, Code::InvalidArgument);
    assert!(text.contains("not signed by the key it carries"), "{text}");
    // Tokens that prove nothing: for the API server, forged, truncated, none.
    let for_api = lab.token(&namespace, "default", &[]);
    let mut parts: Vec<&str> = token.split('.').collect();
    let other_token = lab.token(NAMESPACE, "linkerd-identity", &[AUDIENCE]);
    parts[1] = other_token.split('.').nth(1).unwrap();
    let spliced = parts.join(".");
    for (bad, expected) in [
        (for_api.as_str(), Code::FailedPrecondition),
        (spliced.as_str(), Code::FailedPrecondition),
        (&token[..token.len() - 10], Code::FailedPrecondition),
        ("abc", Code::FailedPrecondition),
        ("a b", Code::InvalidArgument),
        ("", Code::InvalidArgument),
    ] {
        let (code, text) = refused(&name, bad, csr(&name));
        assert_eq!(code, expected, "{bad}: {text}");
        assert!(!text.contains(&token[..20]), "a token must not be shown: {text}");
    }
    let log = identity.process.log();
    assert!(!log.contains(token.split('.').nth(2).unwrap()), "a token must not be logged");
    assert_eq!(identity.process.metric("identity_certify_total{outcome=\"issued\"}"), Some(1.0));
    assert_eq!(identity.process.metric("identity_certify_total{outcome=\"identity_mismatch\"}"), Some(1.0));
    assert_eq!(identity.process.terminate(), Some(0));
}

#[test]
fn the_token_of_a_deleted_pod_is_refused() {
    let lab = lab();
    let identity = Identity::start(lab, &[]).ready();
    let namespace = lab.namespace("deleted");
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "gone", "namespace": namespace},
        "spec": {"nodeName": "nowhere", "containers": [{"name": "a", "image": "b"}]}});
    lab.apply(&pod.to_string());
    let bound = ["--bound-object-kind=Pod", "--bound-object-name=gone", AUDIENCE];
    let (name, token) = (name_of("default", &namespace), lab.token(&namespace, "default", &bound));
    identity.certify(&name, &token, csr(&name)).unwrap();
    lab.kubectl(&["delete", "pod", "gone", "--namespace", &namespace, "--grace-period=0", "--force"]);
    // The API server may believe an answer for some seconds.
    let status = eventually("the token to be refused", || identity.certify(&name, &token, csr(&name)).err());
    assert_eq!(status.code(), Code::FailedPrecondition, "{status}");
}

#[test]
fn a_bad_issuer_is_passed_over_and_a_good_one_is_taken_at_once() {
    let lab = lab();
    let mut identity = Identity::start(lab, &[]).ready();
    let namespace = lab.namespace("rotation");
    let (name, token) = (name_of("default", &namespace), lab.token(&namespace, "default", &[AUDIENCE]));
    let chain = |identity: &Identity| {
        identity.certify(&name, &token, csr(&name)).unwrap().intermediate_certificates.remove(0)
    };
    let old = lab.identity.issuer.certificate().der().to_vec();
    assert_eq!(chain(&identity), old);

    let stranger = anchored(Timestamp::now(), SignedDuration::from_hours(24));
    let (certificate, key) = (stranger.issuer.certificate_pem(), stranger.issuer.key_pem());
    identity.issuer.replace(&[("crt.pem", &certificate), ("key.pem", &key)]);
    let skipped = "identity_reloads_total{what=\"issuer\",outcome=\"skipped\"}";
    eventually("the stranger to be skipped", || identity.process.metric(skipped));
    assert_eq!(chain(&identity), old);
    eventually("the event", || {
        lab.event_reasons(NAMESPACE, "linkerd-identity")
            .contains(&"IssuerUpdateSkipped".to_owned())
            .then_some(())
    });

    // With its anchor in the bundle the same issuer is good: no file of it changed.
    let mut both = lab.identity.bundle();
    both.add(stranger.anchor.certificate.clone());
    identity.anchors.replace(&[("ca-bundle.crt", &both.to_pem())]);
    eventually("the stranger to be taken", || {
        (chain(&identity) == *stranger.issuer.certificate().der().to_vec()).then_some(())
    });
    eventually("the event", || {
        lab.event_reasons(NAMESPACE, "linkerd-identity").contains(&"IssuerUpdated".to_owned()).then_some(())
    });
}

#[test]
fn an_expired_issuer_signs_nothing_until_it_is_replaced() {
    let lab = lab();
    let namespace = lab.namespace("expired");
    let (name, token) = (name_of("default", &namespace), lab.token(&namespace, "default", &[AUDIENCE]));
    let short = anchored(Timestamp::now(), SignedDuration::from_secs(10));
    let issuer = [("tls.crt", &*short.issuer.certificate_pem()), ("tls.key", &*short.issuer.key_pem())];
    let mut identity =
        Identity::start_with(lab, &issuer, &short.bundle(), &["--identity-scheme=kubernetes.io/tls"]).ready();
    let given = identity.certify(&name, &token, csr(&name)).unwrap();
    let leaf = Certificate::from_der(given.leaf_certificate).unwrap();
    assert_eq!(leaf.validity().not_after, short.issuer.certificate().validity().not_after);
    let status = eventually("the issuer's end", || identity.certify(&name, &token, csr(&name)).err());
    assert_eq!(status.code(), Code::Unknown, "{status}");
    assert!(status.message().contains("not valid anymore. Expired on"), "{status}");
    assert_eq!(identity.process.metric("issuer_cert_usable"), Some(0.0));
    eventually("the event", || {
        lab.event_reasons(NAMESPACE, "linkerd-identity")
            .contains(&"IssuerValidationFailed".to_owned())
            .then_some(())
    });

    let request = mesh_pki::generate::Request::new(
        "identity.linkerd.cluster.local",
        Timestamp::now(),
        SignedDuration::from_hours(24),
    );
    let new =
        mesh_pki::generate::issuer(&request, &short.anchor, &mut mesh_pki::SystemEntropy::new()).unwrap();
    identity.issuer.replace(&[("tls.crt", &new.certificate_pem()), ("tls.key", &new.key_pem())]);
    let given = eventually("a certificate", || identity.certify(&name, &token, csr(&name)).ok());
    assert_eq!(given.intermediate_certificates[0], new.certificate().der().to_vec());
    assert_eq!(identity.process.metric("issuer_cert_usable"), Some(1.0));
}

#[test]
fn anchors_reach_those_who_watch_while_they_run() {
    let lab = lab();
    let mut identity = Identity::start(lab, &[]).ready();
    let stranger = anchored(Timestamp::now(), SignedDuration::from_hours(24));
    run(async {
        let endpoint = Endpoint::from_shared(format!("http://{}", identity.addr)).unwrap();
        let mut client = TrustBundleClient::new(endpoint.connect().await.unwrap());
        let mut stream = client.watch(WatchRequest {}).await.unwrap().into_inner();
        let first = stream.message().await.unwrap().unwrap();
        assert_eq!(first.roots_der, [lab.identity.anchor.certificate.der().to_vec()]);
        let mut both = lab.identity.bundle();
        both.add(stranger.anchor.certificate.clone());
        identity.anchors.replace(&[("ca-bundle.crt", &both.to_pem())]);
        let second = tokio::time::timeout(Duration::from_secs(5), stream.message()).await.unwrap();
        let second = second.unwrap().unwrap();
        assert_eq!(second.roots_der.len(), 2);
        assert_ne!(second.id, first.id);
        // A bundle that cannot be read changes nothing; the end of the process ends the stream.
        identity.anchors.replace(&[("ca-bundle.crt", "no certificates")]);
        let skipped = "identity_reloads_total{what=\"anchors\",outcome=\"skipped\"}";
        eventually("the bad bundle to be skipped", || identity.process.metric(skipped));
        identity.process.signal(nix::sys::signal::Signal::SIGTERM);
        let end = tokio::time::timeout(Duration::from_secs(5), stream.message()).await.unwrap();
        assert!(matches!(end, Ok(None)), "{end:?}");
    });
}

#[test]
fn all_workloads_that_start_at_once_have_their_certificates_within_seconds() {
    // Flaw it answers: the client of the API server let five calls a second through, so that proxies waited for minutes
    // after a restart of everything.
    const WORKLOADS: usize = 400;
    let lab = lab();
    let identity = Identity::start(lab, &[]).ready();
    let namespace = lab.namespace("rush");
    let (name, token) = (name_of("default", &namespace), lab.token(&namespace, "default", &[AUDIENCE]));
    let begun = std::time::Instant::now();
    run(async {
        let client = IdentityClient::connect(format!("http://{}", identity.addr)).await.unwrap();
        let asking = (0..WORKLOADS).map(|_| {
            let mut client = client.clone();
            let request = CertifyRequest {
                identity: name.clone(),
                token: token.clone().into(),
                certificate_signing_request: csr(&name),
            };
            async move { client.certify(request).await }
        });
        for given in futures::future::join_all(asking).await {
            given.unwrap();
        }
    });
    // At five a second, ten at once, it would be 78 s.
    assert!(begun.elapsed() < Duration::from_secs(25), "{:?}", begun.elapsed());
    assert_eq!(
        identity.process.metric("identity_certify_total{outcome=\"issued\"}"),
        Some(f64::from(u32::try_from(WORKLOADS).unwrap()))
    );
}
