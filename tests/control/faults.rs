//! What happens when something goes away: the API server, the holder of a lease, the issuer's time.

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use mesh_pki::SystemEntropy;
use mesh_pki::generate::Request;
use nix::sys::signal::Signal;
use serde_json::json;
use tonic::Code;

use crate::identity::{AUDIENCE, Identity, csr, name_of};
use crate::kit::{Gate, Lab, NAMESPACE, eventually, lab, within};

#[test]
fn without_the_api_server_nobody_is_believed_and_with_it_all_is_well_again() {
    let lab = lab();
    let gate = Gate::to(lab);
    let issuer = &lab.identity.issuer;
    let files = [("crt.pem", &*issuer.certificate_pem()), ("key.pem", &*issuer.key_pem())];
    let bundle = lab.identity.bundle();
    let identity = Identity::start_at(lab, &gate.server(), "cut-off-0", &files, &bundle, &[]).ready();
    let namespace = lab.namespace("cut");
    let (name, token) = (name_of("default", &namespace), lab.token(&namespace, "default", &[AUDIENCE]));
    identity.certify(&name, &token, csr(&name)).unwrap();
    gate.cut();
    let status = identity.certify(&name, &token, csr(&name)).unwrap_err();
    assert_eq!(status.code(), Code::Internal, "{status}");
    assert!(status.message().contains("cannot review the token"), "{status}");
    // It lives on and says so: restarting it would help nobody.
    assert_eq!(identity.process.admin("/live").0, 200);
    assert_eq!(identity.process.admin("/ready").0, 200);
    gate.mend();
    eventually("a certificate", || identity.certify(&name, &token, csr(&name)).ok());
}

/// Replicas with the issuer of the cluster's Secret, which is past two thirds of its life.
#[test]
fn the_holder_of_the_lease_renews_the_issuer_and_a_frozen_one_is_replaced() {
    let lab = Lab::set_up(Timestamp::now(), &json!({}));
    let long_ago = Timestamp::now() - SignedDuration::from_hours(48);
    let old = mesh_pki::generate::issuer(
        &Request::new("identity.linkerd.cluster.local", long_ago, SignedDuration::from_hours(60)),
        &lab.identity.anchor,
        &mut SystemEntropy::new(),
    )
    .unwrap();
    let files = [("crt.pem", &*old.certificate_pem()), ("key.pem", &*old.key_pem())];
    let data = json!({"stringData": {"crt.pem": files[0].1, "key.pem": files[1].1}});
    lab.kubectl(&["patch", "secret", "linkerd-identity-issuer", "-n", NAMESPACE, "-p", &data.to_string()]);
    let bundle = lab.identity.bundle();
    let start = |pod: &str| Identity::start_at(&lab, lab.cluster.server(), pod, &files, &bundle, &[]).ready();
    let first = start("identity-a");
    let held =
        |identity: &Identity| identity.process.metric("lease_held{lease=\"linkerd-identity\"}") == Some(1.0);
    eventually("the lease", || held(&first).then_some(()));

    let renewed = eventually("a new issuer", || {
        let text = lab.secret("linkerd-identity-issuer", "crt.pem");
        let found = mesh_pki::parse_certificates(text.as_bytes()).ok()?.remove(0);
        (found != *old.certificate()).then_some(found)
    });
    assert!(
        renewed.validity().not_after
            > old.certificate().validity().not_after + SignedDuration::from_hours(24)
    );
    let key = lab.secret("linkerd-identity-issuer", "key.pem");
    let issuer = mesh_pki::parse_issuer(renewed.to_pem().as_bytes(), key.as_bytes()).unwrap();
    issuer.verify(&bundle, "identity.linkerd.cluster.local", Timestamp::now()).unwrap();
    eventually("the event", || {
        lab.event_reasons(NAMESPACE, "linkerd-identity").contains(&"IssuerRenewed".to_owned()).then_some(())
    });
    let version = |lab: &Lab| {
        lab.live(NAMESPACE, "secret", "linkerd-identity-issuer")["metadata"]["resourceVersion"].clone()
    };
    let written = version(&lab);

    let second = start("identity-b");
    first.process.signal(Signal::SIGSTOP);
    let frozen = Instant::now();
    within(Duration::from_secs(60), "somebody to take the lease", || held(&second).then_some(()));
    assert!(
        frozen.elapsed() > Duration::from_secs(20),
        "the lease was taken from one who still believed in it"
    );
    first.process.signal(Signal::SIGCONT);
    // What it believed ended by its own clock: it does not write, and finds the other as the holder.
    eventually("the first to let go", || (!held(&first)).then_some(()));
    assert!(held(&second));
    assert_eq!(version(&lab), written);
}
