//! Certificates of webhooks: made, shared by replicas, and replaced without a lost request.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Service;
use kube::api::{Api, PostParams};
use mesh_control::webhook::pair::Texts;
use rustls::pki_types::ServerName;
use serde_json::json;
use tokio::net::TcpStream;

use crate::injector::Injector;
use crate::kit::{ADDRESS, Lab, NAMESPACE, eventually, run, trusting, within};

const SECRET: &str = "linkerd-proxy-injector-tls";
const CONFIG: &str = "linkerd-proxy-injector-webhook-config";

/// The certificate that a server shows to a client that trusts `authorities`.
fn shown(port: u16, authorities: &str) -> Result<Vec<u8>, String> {
    let bundle = mesh_pki::parse_bundle(authorities.as_bytes()).map_err(|error| error.to_string())?;
    let config = trusting(&bundle).with_no_client_auth();
    run(async {
        let stream =
            TcpStream::connect(SocketAddr::from((ADDRESS, port))).await.map_err(|e| e.to_string())?;
        let name = ServerName::try_from("linkerd-proxy-injector.linkerd.svc").unwrap();
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
        let stream = connector.connect(name, stream).await.map_err(|error| error.to_string())?;
        Ok(stream.get_ref().1.peer_certificates().unwrap()[0].to_vec())
    })
}

fn stored(lab: &Lab) -> Vec<u8> {
    let text = lab.secret(SECRET, "tls.crt");
    mesh_pki::parse_certificates(text.as_bytes()).map(|found| found[0].der().to_vec()).unwrap_or_default()
}

/// One after the other, the ways in which a certificate comes and goes: they share the one Secret.
#[test]
fn certificates_are_made_shared_and_replaced() {
    let lab = Lab::set_up(Timestamp::now(), &json!({}));
    replicas_agree_on_one(&lab);
    no_request_is_lost_while_it_is_replaced(&lab);
    an_expired_one_is_replaced(&lab);
    lab_is_shut_out_of_the_bundle_and_comes_back(&lab);
}

fn replicas_agree_on_one(lab: &Lab) {
    let replicas: Vec<Injector> = (0..3).map(|n| Injector::start(lab, &format!("injector-{n}"))).collect();
    let replicas: Vec<Injector> = replicas.into_iter().map(Injector::ready).collect();
    let authorities = lab.secret(SECRET, "ca.crt");
    for replica in &replicas {
        eventually("the stored certificate", || {
            (shown(replica.port, &authorities).ok()? == stored(lab)).then_some(())
        });
    }
    let made = |replica: &Injector| {
        replica.process.metric("webhook_cert_total{outcome=\"renewed\"}").unwrap_or_default()
    };
    assert!((replicas.iter().map(made).sum::<f64>() - 1.0).abs() < 0.1);
    let config = lab.live("", "mutatingwebhookconfiguration", CONFIG);
    assert_eq!(config["webhooks"][0]["clientConfig"]["caBundle"], STANDARD.encode(&authorities));
}

fn no_request_is_lost_while_it_is_replaced(lab: &Lab) {
    let injector = Injector::start(lab, "injector-0").ready();
    lab.serve("linkerd-proxy-injector", injector.port);
    let namespace = lab.namespace("rotation");
    lab.kubectl(&["annotate", "namespace", &namespace, "config.linkerd.io/opaque-ports=1"]);
    let service: Service = serde_json::from_value(json!({"metadata": {"generateName": "a-"},
        "spec": {"ports": [{"port": 1}]}}))
    .unwrap();
    let (done, mut seen) = (AtomicBool::new(false), Vec::new());
    let mut rotate = || {
        for _ in 0..3 {
            let before = stored(lab);
            lab.kubectl(&[
                "patch",
                "secret",
                SECRET,
                "-n",
                NAMESPACE,
                "--type=json",
                "--patch",
                r#"[{"op": "remove", "path": "/data/tls.crt"}]"#,
            ]);
            eventually("a new certificate", || {
                (stored(lab) != before && !stored(lab).is_empty()).then_some(())
            });
            seen.push(stored(lab));
            std::thread::sleep(Duration::from_secs(2));
        }
        done.store(true, Ordering::SeqCst);
    };
    let (lost, all) = std::thread::scope(|scope| {
        let load = scope.spawn(|| {
            lab.enter();
            run(async {
                let api: Api<Service> = Api::namespaced(lab.client().await, &namespace);
                let params = PostParams { dry_run: true, field_manager: None };
                // The endpoints become known to the API server in its own time.
                let first = tokio::time::timeout(Duration::from_secs(20), async {
                    while !annotated(&api.create(&params, &service).await) {
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                });
                first.await.unwrap();
                let (mut lost, mut all) = (0, 0);
                while !done.load(Ordering::SeqCst) {
                    let round = (0..8).map(|_| api.create(&params, &service));
                    for answer in futures::future::join_all(round).await {
                        all += 1;
                        lost += usize::from(!annotated(&answer));
                    }
                }
                (lost, all)
            })
        });
        rotate();
        load.join().unwrap()
    });
    assert!(all > 200, "only {all} requests");
    assert_eq!(lost, 0, "of {all} requests");
    let authorities = lab.secret(SECRET, "ca.crt");
    eventually("the last certificate", || {
        (shown(injector.port, &authorities).ok()? == stored(lab)).then_some(())
    });
    seen.dedup();
    assert_eq!(seen.len(), 3);
    assert_eq!(injector.process.terminate(), Some(0));
}

fn annotated(answer: &Result<Service, kube::Error>) -> bool {
    let annotations = answer.as_ref().ok().and_then(|service| service.metadata.annotations.as_ref());
    annotations.is_some_and(|annotations| annotations.contains_key("config.linkerd.io/opaque-ports"))
}

fn an_expired_one_is_replaced(lab: &Lab) {
    let injector = Injector::start(lab, "injector-0").ready();
    let long_ago = Timestamp::now() - SignedDuration::from_hours(24 * 91);
    let expired = Texts::make("linkerd-proxy-injector.linkerd.svc", &Texts::default(), long_ago).unwrap();
    let write = || {
        let data = json!({"data": {"tls.crt": STANDARD.encode(&expired.certificate),
            "tls.key": STANDARD.encode(&expired.key), "ca.crt": STANDARD.encode(&expired.authorities)}});
        lab.kubectl(&["patch", "secret", SECRET, "-n", NAMESPACE, "--patch", &data.to_string()]);
    };
    let check = |injector: &Injector| {
        eventually("a certificate that is valid", || {
            let text = lab.secret(SECRET, "tls.crt").into_bytes();
            (text != expired.certificate && !text.is_empty()).then_some(())
        });
        let authorities = lab.secret(SECRET, "ca.crt");
        eventually("it to be shown", || {
            (shown(injector.port, &authorities).ok()? == stored(lab)).then_some(())
        });
    };
    // While it runs, and while nobody was there.
    write();
    check(&injector);
    assert_eq!(injector.process.terminate(), Some(0));
    write();
    check(&Injector::start(lab, "injector-0").ready());
}

fn lab_is_shut_out_of_the_bundle_and_comes_back(lab: &Lab) {
    // Somebody applies a manifest that takes the bundle away: it is filled in again.
    let _injector = Injector::start(lab, "injector-0").ready();
    lab.kubectl(&[
        "patch",
        "mutatingwebhookconfiguration",
        CONFIG,
        "--type=json",
        "--patch",
        r#"[{"op": "remove", "path": "/webhooks/0/clientConfig/caBundle"}]"#,
    ]);
    let wanted = STANDARD.encode(lab.secret(SECRET, "ca.crt"));
    within(Duration::from_secs(45), "the bundle to be filled in again", || {
        let config = lab.live("", "mutatingwebhookconfiguration", CONFIG);
        (config["webhooks"][0]["clientConfig"]["caBundle"] == wanted).then_some(())
    });
}
