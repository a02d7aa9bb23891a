//! The `certs` commands on files of a scratch directory and on objects of an install.

use std::cell::RefCell;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::rc::Rc;

use base64::Engine;
use jiff::{SignedDuration, Timestamp};
use mesh_pki::generate::{self, Identity, Request};
use mesh_pki::{Certificate, SystemEntropy, parse_bundle, parse_issuer};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::commands::certs::installed;
use crate::commands::certs::pool::Judge;
use crate::output::Report;
use crate::output::cert::CertificateReport;
use crate::output::table::Width;
use crate::settings::Settings;
use crate::ui::Ui;

const DAY: i64 = 24;

#[derive(Clone, Default)]
struct Sink(Rc<RefCell<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sink {
    fn text(&self) -> String {
        String::from_utf8(self.0.borrow().clone()).unwrap()
    }
}

struct Scratch(TempDir);

/// Exit code, stdout and stderr, with the scratch directory's name taken out.
#[derive(Debug)]
struct Ran(u8, String, String);

impl Scratch {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(self.0.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn mode(&self, name: &str) -> u32 {
        self.path(name).metadata().unwrap().permissions().mode() & 0o777
    }

    /// Runs `linkerd certs`; words that begin with `@` are files of the scratch directory.
    fn certs(&self, words: &str) -> Ran {
        let in_scratch = |word: &str| match word.strip_prefix('@') {
            Some(name) => self.path(name).into_os_string(),
            None => word.into(),
        };
        let args = ["linkerd", "certs"].into_iter().chain(words.split(' ')).map(in_scratch).collect();
        let (out, err) = (Sink::default(), Sink::default());
        let mut ui = Ui::captured(Box::new(out.clone()), Box::new(err.clone()));
        let code = crate::run(args, Settings::default(), &mut ui);
        drop(ui);
        let directory = format!("{}/", self.0.path().display());
        Ran(code, out.text().replace(&directory, ""), err.text().replace(&directory, ""))
    }

    /// Makes an anchor and an issuer under their usual names.
    fn pairs(&self) {
        assert_eq!(self.certs("create-anchor root.linkerd.cluster.local @ca.crt @ca.key").0, 0);
        let ran = self.certs("create-issuer identity.linkerd.cluster.local @issuer.crt @issuer.key --ca @ca.crt --ca-key @ca.key");
        assert_eq!(ran.0, 0, "{ran:?}");
    }
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

#[test]
fn an_anchor_and_an_issuer_are_what_install_takes() {
    let scratch = Scratch::new();
    scratch.pairs();
    let anchors = parse_bundle(scratch.read("ca.crt").as_bytes()).unwrap();
    let issuer =
        parse_issuer(scratch.read("issuer.crt").as_bytes(), scratch.read("issuer.key").as_bytes()).unwrap();
    let now = issuer.certificate().validity().not_before + SignedDuration::from_hours(1);
    assert_eq!(issuer.problems(&anchors, "identity.linkerd.cluster.local", now), []);
    assert_eq!(issuer.certificate().validity().days_left(now), 364);
    assert_eq!(anchors.certificates()[0].validity().days_left(now), 3_649);
    let modes = ["ca.crt", "ca.key", "issuer.crt", "issuer.key"].map(|name| scratch.mode(name));
    assert_eq!(modes, [0o644, 0o600, 0o644, 0o600]);
    assert_eq!(scratch.names(), ["ca.crt", "ca.key", "issuer.crt", "issuer.key"], "nothing else is left");
}

#[test]
fn subject_end_and_names_can_be_chosen() {
    let scratch = Scratch::new();
    let ran = scratch.certs("create-anchor my.root @a.crt @a.key --not-after 2999-01-02T03:04:05Z");
    assert_eq!((ran.0, ran.1.as_str()), (0, ""));
    assert_eq!(
        ran.2,
        "trust anchor my.root in a.crt, its key in a.key, valid until 2999-01-02T03:04:05Z\n\
         hint: make an issuer with `linkerd certs create-issuer --ca a.crt --ca-key a.key`\n"
    );
    let issuer = "create-issuer other.name @i.crt @i.key --ca @a.crt --ca-key @a.key";
    assert_eq!(scratch.certs(&format!("{issuer} --not-after 48h")).0, 0);
    let certificate = mesh_pki::parse_certificates(scratch.read("i.crt").as_bytes()).unwrap().remove(0);
    let validity = certificate.validity();
    assert_eq!(certificate.dns_names(), ["other.name"]);
    assert_eq!(validity.not_after.as_second() - validity.not_before.as_second(), 2 * 86_400 + 20);
    let long = scratch.certs(&format!("{issuer} --force --not-after 3000-01-01T00:00:00Z"));
    assert_eq!(long.0, 2);
    assert_eq!(
        long.2,
        "Error: a certificate valid until 3000-01-01T00:00:00Z would outlive my.root, which ends on 2999-01-02T03:04:05Z\n"
    );
    let short = scratch.certs("create-anchor x @s.crt @s.key --not-after 1999-01-01T00:00:00Z");
    assert!(
        short.0 == 2 && short.2.contains("a certificate cannot end (1999-01-01T00:00:00Z) before it begins"),
        "{short:?}"
    );
    let unclear = scratch.certs("create-anchor x @s.crt @s.key --not-after tomorrow");
    assert!(
        unclear.0 == 2 && unclear.2.contains("neither a duration such as 8760h nor a time"),
        "{unclear:?}"
    );
    assert_eq!(scratch.names(), ["a.crt", "a.key", "i.crt", "i.key"]);
}

#[test]
fn files_that_exist_are_kept_unless_forced() {
    let scratch = Scratch::new();
    scratch.write("ca.key", "precious");
    let ran = scratch.certs("create-anchor x @ca.crt @ca.key");
    assert_eq!((ran.0, ran.2.as_str()), (2, "Error: ca.key exists already\nhint: --force replaces it\n"));
    assert_eq!((scratch.names(), scratch.read("ca.key")), (vec!["ca.key".to_owned()], "precious".to_owned()));
    assert_eq!(scratch.certs("create-anchor x @ca.crt @ca.key --force").0, 0);
    assert!(
        scratch.read("ca.key").starts_with("-----BEGIN EC PRIVATE KEY-----\n")
            && scratch.mode("ca.key") == 0o600
    );
    let same = scratch.certs("create-anchor x @one @one");
    assert_eq!((same.0, same.2.as_str()), (2, "Error: certificate and key cannot be the same file: one\n"));
    let nowhere = scratch.certs("create-anchor x @none/ca.crt @none/ca.key");
    assert!(nowhere.0 == 2 && nowhere.2.starts_with("Error: cannot write none/ca.key: "), "{nowhere:?}");
    fs::create_dir(scratch.path("folder")).unwrap();
    let folder = scratch.certs("create-anchor x @folder @k --force");
    assert_eq!((folder.0, folder.2.as_str()), (2, "Error: not a file: folder\n"));
}

#[test]
fn signers_that_do_not_fit_are_refused() {
    let scratch = Scratch::new();
    scratch.pairs();
    let with = |ca: &str, key: &str| {
        scratch.certs(&format!("create-issuer x @x.crt @x.key --ca @{ca} --ca-key @{key}"))
    };
    let said = |ran: Ran| {
        assert_eq!(ran.0, 2, "{ran:?}");
        ran.2
    };
    assert_eq!(
        said(with("ca.crt", "issuer.key")),
        "Error: root.linkerd.cluster.local cannot sign it: the private key does not belong to the certificate\n"
    );
    assert!(
        said(with("issuer.crt", "issuer.key")).contains("allows no more than 0 intermediate certificates")
    );
    assert_eq!(said(with("none", "ca.key")), "Error: missing file: none\n");
    assert_eq!(
        said(with("ca.key", "ca.crt")),
        "Error: ca.key: line 1: a private key (EC PRIVATE KEY) where a certificate belongs\n"
    );
    let old = generate::anchor(
        &Request::new("old", at("2020-01-01T00:00:00Z"), SignedDuration::from_hours(DAY)),
        &mut SystemEntropy::new(),
    )
    .unwrap();
    scratch.write("old.crt", &old.certificate.to_pem());
    scratch.write("old.key", &old.key.to_pem());
    assert_eq!(
        said(with("old.crt", "old.key")),
        "Error: old.crt: not valid anymore. Expired on 2020-01-02T00:00:00Z\n\
         hint: `linkerd certs create-anchor` makes a new anchor\n"
    );
}

#[test]
fn good_files_pass_the_check() {
    let scratch = Scratch::new();
    scratch.pairs();
    let ran =
        scratch.certs("check @ca.crt @issuer.crt @issuer.key --issuer-name identity.linkerd.cluster.local");
    assert_eq!(ran.0, 0, "{ran:?}");
    let rows: Vec<_> =
        ran.1.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(
        rows,
        [
            "PLACE ROLE NAME SIGNED BY DAYS LEFT STATUS".to_owned(),
            format!("ca.crt trust anchor root.linkerd.cluster.local itself {} ok", days(&scratch, "ca.crt")),
            format!(
                "issuer.crt issuer identity.linkerd.cluster.local ca.crt {} ok",
                days(&scratch, "issuer.crt")
            ),
            "issuer.key key - - - ok".to_owned(),
        ]
    );
    let soon = scratch.certs("check @ca.crt @issuer.crt --expiring-within 9000h");
    assert_eq!(soon.0, 1);
    assert!(soon.1.lines().nth(2).unwrap().ends_with("expires soon"), "{}", soon.1);
    assert_eq!(scratch.certs("check @issuer.crt").0, 0, "without an anchor there is no path to look for");
}

/// The days left that the check has to print, whatever the clock says.
fn days(scratch: &Scratch, file: &str) -> String {
    let ran = scratch.certs(&format!("check @{file} -o json"));
    let report: Value = serde_json::from_str(&ran.1).unwrap();
    report["items"][0]["certificate"]["daysLeft"].to_string()
}

#[test]
fn findings_are_named_and_end_with_one() {
    let scratch = Scratch::new();
    scratch.pairs();
    scratch.write("torn.crt", &scratch.read("issuer.crt").lines().take(3).collect::<Vec<_>>().join("\n"));
    scratch.write("both.pem", &(scratch.read("ca.crt") + &scratch.read("ca.key")));
    let old = generate::anchor(
        &Request::new("old", at("2020-01-01T00:00:00Z"), SignedDuration::from_hours(DAY)),
        &mut SystemEntropy::new(),
    )
    .unwrap();
    scratch.write("old.crt", &old.certificate.to_pem());
    let finding = |words: &str, expected: &str| {
        let ran = scratch.certs(&format!("check {words}"));
        assert_eq!(ran.0, 1, "{ran:?}");
        assert!(ran.1.contains(expected), "{expected} is missing in\n{}", ran.1);
    };
    finding(
        "@torn.crt",
        "line 1: the CERTIFICATE block that begins here has no `-----END CERTIFICATE-----` line",
    );
    finding("@both.pem", "holds certificates and a private key; keep them in separate files");
    finding("@old.crt", "not valid anymore. Expired on 2020-01-02T00:00:00Z");
    finding(
        "@old.crt @issuer.crt",
        "signed by CN=root.linkerd.cluster.local, which is not among the trust anchors: old",
    );
    finding("@ca.crt @issuer.key", "the private key belongs to none of the certificates given");
    finding(
        "@ca.crt @issuer.crt --issuer-name identity.mesh.cluster.local",
        "must be valid for the name identity.mesh.cluster.local",
    );
    let missing = scratch.certs("check @ca.crt @nowhere");
    assert_eq!(
        (missing.0, missing.1.as_str(), missing.2.as_str()),
        (2, "", "Error: missing file: nowhere\n")
    );
    assert_eq!(scratch.certs("check").0, 2);
}

#[test]
fn machines_read_types_not_texts() {
    let scratch = Scratch::new();
    scratch.certs("create-anchor root.example @a.crt @a.key --not-after 2999-01-02T03:04:05Z");
    let json: Value = serde_json::from_str(&scratch.certs("check @a.crt -o json").1).unwrap();
    let yaml: Value = mesh_yaml::from_str(&scratch.certs("check @a.crt -o yaml").1).unwrap();
    assert_eq!(json, yaml);
    let item = &json["items"][0];
    assert_eq!(
        (&json["kind"], &item["role"], &item["status"]),
        (&json!("CertificateList"), &json!("trustAnchor"), &json!("good"))
    );
    let facts = &item["certificate"];
    assert_eq!(
        (&facts["notAfter"], &facts["isCa"], &facts["key"]),
        (&json!("2999-01-02T03:04:05Z"), &json!(true), &json!("ECDSA P-256"))
    );
    assert!(facts["daysLeft"].is_number() && facts["sha256"].as_str().unwrap().len() == 64);
    let wide = scratch.certs("check @a.crt -o wide").1;
    assert!(
        wide.lines().next().unwrap().contains("SHA-256") && wide.contains(facts["sha256"].as_str().unwrap()),
        "{wide}"
    );
}

// --- the certificates of an install

struct Installed {
    mesh: Identity,
    webhook: Certificate,
    now: Timestamp,
}

fn installed() -> Installed {
    let now = at("2024-03-01T12:00:00Z");
    let request = |name: &str, days: i64| Request::new(name, now, SignedDuration::from_hours(DAY * days));
    let mesh = generate::identity(
        &request("root.linkerd.cluster.local", 3_650),
        &request("identity.linkerd.cluster.local", 365),
        &mut SystemEntropy::new(),
    )
    .unwrap();
    let webhook =
        generate::anchor(&request("linkerd-proxy-injector.linkerd.svc", 30), &mut SystemEntropy::new())
            .unwrap();
    Installed { mesh, webhook: webhook.certificate, now }
}

fn base64(text: &str) -> String {
    base64::engine::general_purpose::STANDARD.encode(text)
}

fn secret(name: &str, data: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": "linkerd"}, "data": data})
}

fn objects(made: &Installed) -> Vec<Value> {
    let webhook = base64(&made.webhook.to_pem());
    let client =
        json!({"service": {"name": "linkerd-proxy-injector", "namespace": "linkerd"}, "caBundle": webhook});
    let issuer = &made.mesh.issuer;
    vec![
        json!({"kind": "ConfigMap", "metadata": {"name": "linkerd-identity-trust-roots", "namespace": "linkerd"},
            "data": {"ca-bundle.crt": made.mesh.bundle().to_pem()}}),
        secret(
            "linkerd-identity-issuer",
            json!({"crt.pem": base64(&issuer.certificate_pem()), "key.pem": base64(&issuer.key_pem())}),
        ),
        secret("linkerd-trust-anchor", json!({"tls.crt": base64(&made.mesh.anchor.certificate.to_pem())})),
        secret("linkerd-proxy-injector-tls", json!({"tls.crt": webhook})),
        secret("linkerd-tap-tls", Value::Null),
        json!({"kind": "MutatingWebhookConfiguration", "metadata": {"name": "linkerd-proxy-injector-webhook-config"},
            "webhooks": [{"clientConfig": client}, {"clientConfig": client}]}),
    ]
}

fn listed(objects: &[Value], now: Timestamp) -> String {
    let rows = installed::rows(objects, "linkerd", Judge { now, warning_days: 60 });
    CertificateReport::new(rows).table(Width::Usual).to_string()
}

#[test]
fn an_install_is_listed_with_who_signed_what() {
    let made = installed();
    let objects = objects(&made);
    assert_eq!(
        listed(&objects, made.now),
        "\
PLACE                                                                         ROLE           NAME                                 SIGNED BY                                              DAYS LEFT   STATUS
ConfigMap linkerd-identity-trust-roots ca-bundle.crt                          trust anchor   root.linkerd.cluster.local           itself                                                      3650   ok
Secret linkerd-identity-issuer crt.pem                                        issuer         identity.linkerd.cluster.local       ConfigMap linkerd-identity-trust-roots ca-bundle.crt         365   ok
Secret linkerd-trust-anchor tls.crt                                           trust anchor   root.linkerd.cluster.local           itself                                                      3650   ok
Secret linkerd-proxy-injector-tls tls.crt                                     serving        linkerd-proxy-injector.linkerd.svc   itself                                                        30   expires soon
MutatingWebhookConfiguration linkerd-proxy-injector-webhook-config caBundle   CA bundle      linkerd-proxy-injector.linkerd.svc   itself                                                        30   expires soon
"
    );
    assert_eq!(installed::empty(&objects), ["Secret linkerd-tap-tls"]);
}

#[test]
fn an_install_that_does_not_fit_together_says_so() {
    let (made, other) = (installed(), installed());
    let has = |objects: &[Value], now: Timestamp, expected: &str| {
        let text = listed(objects, now);
        assert!(text.contains(expected), "{expected} is missing in\n{text}");
    };
    let mut expired = objects(&made);
    has(&expired, at("2025-04-01T00:00:00Z"), "not valid anymore. Expired on 2025-03-01T12:00:00Z");
    expired[1]["data"]["key.pem"] = json!(base64(&other.mesh.issuer.key_pem()));
    has(&expired, made.now, "the private key does not belong to the certificate");
    expired[1]["data"]["key.pem"] = json!(base64("?"));
    has(&expired, made.now, "its private key cannot be used: no PEM block found");
    let mut strange_roots = objects(&made);
    strange_roots[0]["data"]["ca-bundle.crt"] = json!(other.mesh.bundle().to_pem());
    has(
        &strange_roots,
        made.now,
        "claims to be signed by root.linkerd.cluster.local, but the signature does not verify",
    );
    has(
        &strange_roots,
        made.now,
        "signed by root.linkerd.cluster.local, which is not among the trust anchors",
    );
    let mut strange_caller = objects(&made);
    let bundle = json!(base64(&other.webhook.to_pem()));
    strange_caller[5]["webhooks"][0]["clientConfig"]["caBundle"] = bundle;
    has(&strange_caller, made.now, "the signature does not verify with its key");
    let mut torn = objects(&made);
    torn[3]["data"]["tls.crt"] = json!(base64("-----BEGIN CERTIFICATE-----\n"));
    has(&torn, made.now, "the CERTIFICATE block that begins here has no");
    let mut renamed = objects(&made);
    renamed[3]["metadata"]["name"] = json!("linkerd-tap-k8s-tls");
    has(
        &renamed,
        made.now,
        "must be valid for the name linkerd-tap.linkerd.svc, but is for linkerd-proxy-injector.linkerd.svc",
    );
}

#[test]
fn nothing_and_nonsense_are_no_panic() {
    let judge = Judge { now: at("2024-03-01T12:00:00Z"), warning_days: 60 };
    assert!(installed::rows(&[], "linkerd", judge).is_empty());
    let nonsense = [
        json!(null),
        json!({"kind": "Secret", "metadata": {"name": "linkerd-identity-issuer"}, "data": {"crt.pem": 7}}),
        json!({"kind": "Secret", "metadata": {"name": "linkerd-tap-tls"}, "data": {"tls.crt": "%%"}}),
        json!({"kind": "ConfigMap", "metadata": {"name": "linkerd-identity-trust-roots"}, "data": {"ca-bundle.crt": ["x"]}}),
        json!({"kind": "APIService", "metadata": {"name": "v1alpha1.tap.linkerd.io"}, "spec": {"caBundle": 1}}),
        json!({"kind": "ValidatingWebhookConfiguration", "webhooks": {"a": "b"}}),
    ];
    assert!(installed::rows(&nonsense, "linkerd", judge).is_empty());
}
