//! The API server proves to tap with another authority from one moment to the next, while users tap.

use std::fs;
use std::path::Path;
use std::sync::atomic::Ordering;

use futures::StreamExt;
use jiff::Timestamp;
use linkerd2_proxy_api::tap::TapEvent;
use linkerd2_proxy_api::tap::tap_event::{self, http};
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use serde_json::{Value, json};

use crate::kit::{Lab, PATIENCE, eventually, run};
use crate::tap::{Component, Direct, FIRST, direct, frames, path, play, question};

/// The names of the files of the cluster with which its API server proves itself.
const CLIENT: &str = "front-proxy-client";
const AUTHORITY: &str = "front-proxy-ca.crt";
/// Where the API server tells everybody about its authority.
const RULES: &str = "extension-apiserver-authentication";
const ENTRY: &str = "requestheader-client-ca-file";

/// Makes an authority and a client of the front proxy's name; the client's files are `NAME.crt` and `NAME.key`.
fn authority(folder: &Path, name: &str) -> String {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "front-proxy of another day");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let authority = params.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(params, key);
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, CLIENT);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let key = KeyPair::generate().unwrap();
    let client = params.signed_by(&key, &issuer).unwrap().pem();
    fs::write(folder.join(format!("{name}.crt")), client).unwrap();
    fs::write(folder.join(format!("{name}.key")), key.serialize_pem()).unwrap();
    authority
}

fn published(lab: &Lab) -> String {
    let rules = lab.live("kube-system", "configmap", RULES);
    rules["data"][ENTRY].as_str().unwrap().replace('\n', "")
}

/// What is between the lines of a PEM file, without its ends: the API server writes it anew.
fn core(pem: &str) -> String {
    pem.lines().filter(|line| !line.starts_with('-')).collect()
}

/// The number of a request that a played proxy reported.
fn number(event: &TapEvent) -> Option<u64> {
    let Some(tap_event::Event::Http(seen)) = &event.event else { return None };
    match seen.event.as_ref()? {
        http::Event::RequestInit(begun) => begun.id.map(|id| id.stream),
        http::Event::ResponseEnd(ended) => ended.id.map(|id| id.stream),
        http::Event::ResponseInit(_) => None,
    }
}

/// Both files of the API server are replaced as an administrator does it: first both authorities count, then the new
/// one alone. Whoever taps meanwhile sees no end of it.
#[test]
fn an_authority_of_the_front_proxy_is_replaced_while_users_tap() {
    let lab = Lab::set_up(Timestamp::now(), &json!({}));
    let component = Component::start(&lab);
    let (folder, namespace) = (lab.cluster.dir(), lab.namespace("tapped"));
    lab.pod(&namespace, "web", &json!({}), FIRST);
    let played = play(FIRST, component.control, 1);
    let tap = path(&namespace, "pods", "web");
    // A user without the right: 403 says that the front proxy was believed.
    let ask = |certificate: &str| direct(&lab, component.port, &tap, Some(certificate), Some("eve")).0;

    let old = fs::read_to_string(folder.join(AUTHORITY)).unwrap();
    for suffix in ["crt", "key"] {
        fs::copy(folder.join(format!("{CLIENT}.{suffix}")), folder.join(format!("old.{suffix}"))).unwrap();
    }
    let new = authority(folder, "new");
    assert_eq!((ask("old"), ask("new")), (403, 0));
    run(async {
        let asked = async |client: &kube::Client| {
            let body = kube::client::Body::from(question(&namespace, "pod", "web", 10.0));
            client.send(::http::Request::post(&tap).body(body).unwrap()).await.unwrap()
        };
        let client = lab.client().await;
        let stream = asked(&client).await;
        assert_eq!(stream.status(), 200);
        let mut stream = http_body_util::BodyDataStream::new(stream.into_body());
        let mut bytes = Vec::new();
        let mut reaches = async |mark: u64| {
            while !frames(&mut bytes).iter().any(|event| number(event).is_some_and(|seen| seen > mark)) {
                bytes.extend_from_slice(&stream.next().await.expect("the stream ended").unwrap());
            }
        };
        tokio::time::timeout(PATIENCE, reaches(0)).await.unwrap();
        let kept = Direct::connect(&lab, component.port, Some("old")).await.unwrap();

        // The API server reads its files again, and tells everybody.
        fs::write(folder.join(AUTHORITY), format!("{old}{new}")).unwrap();
        let both = || published(&lab).contains(&core(&old)) && published(&lab).contains(&core(&new));
        eventually("both authorities to be published", || both().then_some(()));
        let lets_in =
            async |certificate: &str| match Direct::connect(&lab, component.port, Some(certificate)).await {
                Some(direct) => direct.ask(&tap, Some("eve")).await.0,
                None => 0,
            };
        wait_until("both to be let in", async || (lets_in("new").await, lets_in("old").await) == (403, 403))
            .await;

        for suffix in ["key", "crt"] {
            fs::copy(folder.join(format!("new.{suffix}")), folder.join(format!("{CLIENT}.{suffix}")))
                .unwrap();
        }
        fs::write(folder.join(AUTHORITY), &new).unwrap();
        wait_until("the old one to be refused", async || {
            // The API server adds its own authority and removes none before its end: that is the administrator's.
            if published(&lab).contains(&core(&old)) {
                let patch = json!({"data": {ENTRY: new}}).to_string();
                lab.kubectl(&[
                    "patch",
                    "configmap",
                    RULES,
                    "-n",
                    "kube-system",
                    "--type=merge",
                    "-p",
                    &patch,
                ]);
            }
            lets_in("old").await == 0
        })
        .await;
        assert_eq!(lets_in("new").await, 403);
        // A connection from before says no more than its certificate is worth now.
        let (status, said) = kept.ask(&tap, Some("eve")).await;
        assert_eq!(status, 401, "{said}");
        // The stream goes on: what it shows was not there before.
        let mark = played.reported.load(Ordering::SeqCst);
        tokio::time::timeout(PATIENCE, reaches(mark)).await.expect("the stream shows nothing new");
        // And users begin new ones, through the API server with its new certificate.
        let fresh = lab.client().await;
        wait_until("a user to tap through the API server", async || asked(&fresh).await.status() == 200)
            .await;
    });
    let available: Value = lab.live("", "apiservice", "v1alpha1.tap.linkerd.io");
    let available = available["status"]["conditions"].as_array().unwrap().clone();
    assert!(available.iter().any(|it| it["type"] == "Available" && it["status"] == "True"), "{available:?}");
}

async fn wait_until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let deadline = std::time::Instant::now() + PATIENCE;
    while !is_so().await {
        assert!(std::time::Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}
