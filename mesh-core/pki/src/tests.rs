//! Tests of generating, reading and judging, with a fixed clock and counted randomness.

use jiff::{SignedDuration, Timestamp};

use crate::generate::{self, GenerateError, Identity, Request};
use crate::*;

const NAME: &str = "identity.linkerd.cluster.local";

/// Bytes that follow from a seed (splitmix64).
struct Seed(u64);

impl Entropy for Seed {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), NoEntropy> {
        for byte in out {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = self.0;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            *byte = (mixed >> 56) as u8;
        }
        Ok(())
    }
}

/// Only zeros: no key can be made of them.
struct Zeros;

impl Entropy for Zeros {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), NoEntropy> {
        out.fill(0);
        Ok(())
    }
}

fn now() -> Timestamp {
    "2024-03-01T12:00:00Z".parse().unwrap()
}

fn days(count: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * count)
}

fn identity(seed: u64) -> Identity {
    let anchor = Request::new("root.linkerd.cluster.local", now(), generate::ANCHOR_LIFETIME);
    let issuer = Request::new(NAME, now(), generate::ISSUER_LIFETIME);
    generate::identity(&anchor, &issuer, &mut Seed(seed)).unwrap()
}

fn self_signed(seed: u64) -> (Bundle, Issuer) {
    let made = generate::anchor(&Request::new(NAME, now(), days(365)), &mut Seed(seed)).unwrap();
    let issuer = Issuer::new(made.certificate.clone(), Vec::new(), made.key).unwrap();
    (Bundle::of(made.certificate), issuer)
}

#[test]
fn a_generated_identity_has_the_documented_shape() {
    let made = identity(1);
    let anchor = made.anchor.certificate.summary();
    let issuer = made.issuer.certificate().summary();
    assert_eq!(anchor.subject, "CN=root.linkerd.cluster.local");
    assert_eq!(anchor.names, [SubjectName::Dns("root.linkerd.cluster.local".into())]);
    assert!(anchor.self_issued && anchor.is_ca && anchor.path_length.is_none());
    assert_eq!(issuer.subject, format!("CN={NAME}"));
    assert_eq!(issuer.issuer, anchor.subject);
    assert_eq!(issuer.names, [SubjectName::Dns(NAME.into())]);
    assert_eq!((issuer.is_ca, issuer.path_length), (true, Some(0)));
    assert_eq!((issuer.key.as_str(), issuer.signature.as_str()), ("ECDSA P-256", "ECDSA-SHA256"));
    assert_eq!(issuer.validity.not_before.to_string(), "2024-03-01T11:59:40Z");
    assert_eq!(issuer.validity.not_after.to_string(), "2025-03-01T12:00:00Z");
    assert_eq!(anchor.validity.not_after.to_string(), "2034-02-27T12:00:00Z");
    assert_ne!(made.anchor.certificate.public_key_info(), made.issuer.certificate().public_key_info());
    assert_eq!(made.issuer.certificate().serial().len(), 16);
    assert_ne!(anchor.serial, issuer.serial);
    made.issuer.verify(&made.bundle(), NAME, now()).unwrap();
}

#[test]
fn the_same_seed_gives_the_same_keys_and_facts() {
    let (one, two, other) = (identity(7), identity(7), identity(8));
    assert_eq!(one.issuer.key_pem(), two.issuer.key_pem());
    assert_ne!(one.issuer.key_pem(), other.issuer.key_pem());
    let unsigned = |identity: &Identity| {
        let mut summary = identity.issuer.certificate().summary();
        (summary.sha1, summary.sha256) = Default::default();
        summary
    };
    assert_eq!(unsigned(&one), unsigned(&two));
}

#[test]
fn an_issuer_survives_its_pem_form() {
    let made = identity(2);
    let (crt, key) = (made.issuer.certificate_pem(), made.issuer.key_pem());
    assert!(key.starts_with("-----BEGIN EC PRIVATE KEY-----\n"), "{key}");
    let mangled = [
        (crt.replace('\n', "\r\n"), key.replace('\n', "\r\n")),
        (format!("\u{feff}\n\n{crt}\n \n"), format!("  {}\t\n\n", key.trim())),
        (crt.lines().map(|line| format!("    {line}\n")).collect(), key.clone()),
        (
            format!("subject=CN = somebody\n{crt}"),
            format!("-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n{key}"),
        ),
    ];
    for (dirty_crt, dirty_key) in mangled {
        let read = parse_issuer(dirty_crt.as_bytes(), dirty_key.as_bytes()).unwrap();
        assert_eq!((read.certificate_pem(), read.key_pem()), (crt.clone(), key.clone()));
    }
    assert_eq!(
        format!("{:?} {:?}", made.issuer.key(), parse_pem(key.as_bytes()).unwrap()),
        format!("IssuerKey(P-256) {:?}", parse_pem(key.as_bytes()).unwrap())
    );
    assert!(
        !format!("{:?}", parse_pem(key.as_bytes()).unwrap()).contains("0x"),
        "content stays out of debug output"
    );
}

#[test]
fn a_self_signed_pair_is_anchor_and_issuer_at_once() {
    let (bundle, issuer) = self_signed(3);
    assert_eq!(issuer.problems(&bundle, NAME, now()), []);
}

#[test]
fn every_judgement_is_named() {
    let made = identity(4);
    let bundle = made.bundle();
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    let texts = |issuer: &Issuer, bundle: &Bundle, name: &str, now: Timestamp| -> Vec<String> {
        issuer.problems(bundle, name, now).iter().map(ToString::to_string).collect()
    };
    assert_eq!(
        texts(&made.issuer, &bundle, NAME, at("2025-03-01T12:00:01Z")),
        ["not valid anymore. Expired on 2025-03-01T12:00:00Z"]
    );
    assert_eq!(made.issuer.problems(&bundle, NAME, at("2025-03-01T12:00:00Z")), []);
    assert_eq!(
        texts(&made.issuer, &bundle, NAME, at("2024-03-01T11:59:39Z")),
        [
            "not valid before: 2024-03-01T11:59:40Z",
            "signed by root.linkerd.cluster.local, which is not valid before: 2024-03-01T11:59:40Z"
        ]
    );
    assert_eq!(
        texts(&made.issuer, &bundle, "identity.mesh.cluster.local", now()),
        ["must be valid for the name identity.mesh.cluster.local, but is for identity.linkerd.cluster.local"]
    );
    let stranger = identity(5);
    assert_eq!(
        texts(&made.issuer, &stranger.bundle(), NAME, now()),
        ["claims to be signed by root.linkerd.cluster.local, but the signature does not verify with its key"]
    );
    let (unrelated, _) = self_signed(6);
    assert_eq!(
        texts(&made.issuer, &unrelated, NAME, now()),
        [
            "signed by CN=root.linkerd.cluster.local, which is not among the trust anchors: identity.linkerd.cluster.local"
        ]
    );
    let mismatch =
        parse_issuer(made.issuer.certificate_pem().as_bytes(), stranger.issuer.key_pem().as_bytes());
    assert_eq!(mismatch.unwrap_err().to_string(), "the private key does not belong to the certificate");
}

#[test]
fn an_expired_anchor_is_read_and_named() {
    let made = identity(9);
    let bundle = parse_bundle(made.bundle().to_pem().as_bytes()).unwrap();
    let later = "2034-03-01T00:00:00Z".parse().unwrap();
    let problems: Vec<_> =
        bundle.not_valid(later).into_iter().map(|(_, problem)| problem.to_string()).collect();
    assert_eq!(problems, ["not valid anymore. Expired on 2034-02-27T12:00:00Z"]);
    assert_eq!(bundle.expiring_soon("2034-02-01T00:00:00Z".parse().unwrap(), WARNING_DAYS).len(), 1);
    assert!(bundle.expiring_soon(now(), WARNING_DAYS).is_empty());
    assert!(bundle.unsupported().is_empty());
}

#[test]
fn bundles_keep_each_authority_once() {
    let (one, two) = (identity(10), identity(11));
    let key = parse_key(one.anchor.key.to_pem().as_bytes()).unwrap();
    let renewal = Request::new("root.linkerd.cluster.local", now(), days(5_000));
    let renewed = generate::anchor_for(&renewal, &key, &mut Seed(12)).unwrap();
    let pem = [&one.anchor.certificate, &two.anchor.certificate, &renewed, &one.anchor.certificate]
        .map(Certificate::to_pem)
        .concat();
    let bundle = parse_bundle(pem.as_bytes()).unwrap();
    assert_eq!(bundle.certificates(), [renewed, two.anchor.certificate.clone()]);
    assert!(bundle.contains(&one.anchor.certificate), "the same authority, another date");
    assert_eq!(bundle, parse_bundle(bundle.to_pem().as_bytes()).unwrap());
    let reversed = parse_bundle(
        bundle.certificates().iter().rev().map(Certificate::to_pem).collect::<String>().as_bytes(),
    )
    .unwrap();
    assert!(bundle.trusts_same(&reversed) && !bundle.trusts_same(&one.bundle()));
    assert_eq!(bundle.without(&one.bundle()).count(), 1);
    one.issuer.verify(&bundle, NAME, now()).unwrap();
    two.issuer.verify(&bundle, NAME, now()).unwrap();
}

#[test]
fn signers_that_cannot_sign_are_refused() {
    let made = identity(13);
    let request = Request::new("deeper.example", now(), days(10));
    let below_issuer = generate::Authority {
        certificate: made.issuer.certificate().clone(),
        key: parse_key(made.issuer.key_pem().as_bytes()).unwrap(),
    };
    let error = generate::issuer(&request, &below_issuer, &mut Seed(1)).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "{NAME} cannot sign it: {NAME} allows no more than 0 intermediate certificates below it, but there are 1"
        )
    );
    let swapped = generate::Authority {
        certificate: made.anchor.certificate.clone(),
        key: parse_key(made.issuer.key_pem().as_bytes()).unwrap(),
    };
    let error = generate::issuer(&request, &swapped, &mut Seed(1)).unwrap_err();
    assert!(matches!(error, GenerateError::Signer { problem: Problem::KeyMismatch, .. }), "{error}");
    let long = Request::new(NAME, now(), days(4_000));
    let error = generate::issuer(&long, &made.anchor, &mut Seed(1)).unwrap_err();
    assert!(matches!(error, GenerateError::OutlivesSigner { .. }), "{error}");
    let clamped =
        generate::issuer(&long.within(&made.anchor.certificate), &made.anchor, &mut Seed(1)).unwrap();
    assert_eq!(clamped.certificate().validity().not_after, made.anchor.certificate.validity().not_after);
}

#[test]
fn requests_that_no_certificate_can_fulfil_are_refused() {
    let at = |lifetime| Request::new(NAME, now(), lifetime);
    let backwards = generate::anchor(&at(days(-2)), &mut Seed(1)).unwrap_err();
    assert!(matches!(backwards, GenerateError::EndsBeforeItBegins { .. }), "{backwards}");
    for name in ["", "bücher.example", &"a.".repeat(200)] {
        let error = generate::anchor(&Request::new(name, now(), days(1)), &mut Seed(1)).unwrap_err();
        assert!(matches!(error, GenerateError::Name { .. }), "{name}: {error}");
    }
    assert_eq!(generate::anchor(&at(days(1)), &mut Zeros).unwrap_err(), GenerateError::Entropy(NoEntropy));
    let eternal = generate::anchor(&at(SignedDuration::MAX), &mut Seed(1)).unwrap();
    assert!(eternal.certificate.validity().days_left(now()) > 2_900_000);
}

#[test]
fn expiry_counts_whole_days() {
    let validity = identity(14).issuer.certificate().validity();
    let at = |text: &str, warn| validity.at(text.parse().unwrap(), warn);
    assert_eq!(at("2024-03-01T12:00:00Z", 60), Expiry::Valid { days_left: 365 });
    assert_eq!(at("2024-12-31T12:00:00Z", 60), Expiry::Valid { days_left: 60 });
    assert_eq!(at("2024-12-31T12:00:01Z", 60), Expiry::ExpiringSoon { days_left: 59 });
    assert_eq!(at("2025-03-01T12:00:00Z", 60), Expiry::ExpiringSoon { days_left: 0 });
    assert_eq!(at("2025-03-01T12:00:00Z", 0), Expiry::Valid { days_left: 0 });
    assert!(!at("2025-03-01T12:00:01Z", 0).is_usable());
    assert_eq!(validity.days_left("2025-03-03T12:00:00Z".parse().unwrap()), -2);
    assert_eq!(validity.renew_at().to_string(), "2024-10-30T19:59:52Z");
}

#[test]
fn damaged_pem_is_described_by_line() {
    let made = identity(15);
    let crt = made.issuer.certificate_pem();
    let key = made.issuer.key_pem();
    let said = |text: &str| parse_bundle(text.as_bytes()).unwrap_err().to_string();
    let body: Vec<&str> = crt.lines().collect();
    let length = body.len();
    assert_eq!(said(""), "empty; a PEM block is needed");
    assert_eq!(said(" \r\n\t\n"), "empty; a PEM block is needed");
    assert!(said("hello\nworld").starts_with("no PEM block found"));
    assert_eq!(
        said(&format!("{crt}\noops\n")),
        format!("line {}: trailing garbage after the last PEM block", length + 2)
    );
    assert_eq!(
        said(&format!("{crt}{crt}x")),
        format!("line {}: trailing garbage after the last PEM block", 2 * length + 1)
    );
    assert_eq!(said(&key), "line 1: a private key (EC PRIVATE KEY) where a certificate belongs");
    assert_eq!(
        said(&crt.replace("CERTIFICATE", "X509 CRL")),
        "line 1: expected a CERTIFICATE block, found X509 CRL"
    );
    assert_eq!(
        said(&body[..length - 1].join("\n")),
        "line 1: the CERTIFICATE block that begins here has no `-----END CERTIFICATE-----` line"
    );
    assert_eq!(
        said(&format!("{}\n{crt}", body[..3].join("\n"))),
        "line 1: the CERTIFICATE block that begins here has no `-----END CERTIFICATE-----` line"
    );
    assert_eq!(
        said(&body[1..].join("\n")),
        format!("line {}: not a PEM boundary where one was expected", length - 1)
    );
    assert_eq!(
        said(&crt.replace("END CERTIFICATE", "END PUBLIC KEY")),
        format!("line {length}: a CERTIFICATE block ends as PUBLIC KEY")
    );
    assert_eq!(
        said(&format!("{}\n!{}\n{}", body[0], body[1], body[2..].join("\n"))),
        "line 2: the CERTIFICATE block is not valid base64 here"
    );
    assert_eq!(
        said("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"),
        "line 1: the CERTIFICATE block is empty"
    );
    assert_eq!(said("a\n\0"), "line 2: a NUL byte, which no PEM file has");
    assert!(
        said("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n")
            .starts_with("line 1: the CERTIFICATE block holds no X.509 certificate: ")
    );
    let mut twice = made.issuer.certificate().der().to_vec();
    twice.push(0);
    assert!(said(&encode_pem("CERTIFICATE", &twice)).ends_with("1 bytes follow it"));
    assert!(matches!(
        parse_bundle(made.issuer.certificate().der()).unwrap_err().0,
        CertificateError::Pem(PemError::Der)
    ));
    let huge = vec![b'a'; MAX_PEM_BYTES + 1];
    assert_eq!(parse_pem(&huge), Err(PemError::TooLarge { bytes: MAX_PEM_BYTES + 1 }));
}

#[test]
fn damaged_keys_are_described_by_line() {
    let made = identity(16);
    let key = made.issuer.key_pem();
    let said = |text: &str| parse_key(text.as_bytes()).unwrap_err().to_string();
    let lines = key.lines().count();
    assert_eq!(
        said(&format!("{key}{key}")),
        format!("line {}: a second private key; exactly one is needed", lines + 1)
    );
    assert_eq!(said(&made.issuer.certificate_pem()), "line 1: a certificate where a private key belongs");
    assert_eq!(
        said(&key.replace("EC PRIVATE KEY", "PUBLIC KEY")),
        "line 1: expected an EC PRIVATE KEY or PRIVATE KEY block, found PUBLIC KEY"
    );
    assert_eq!(
        said(&encode_pem("EC PRIVATE KEY", b"nonsense")),
        "line 1: the EC PRIVATE KEY block holds no valid private key"
    );
    assert_eq!(said(&encode_pem("EC PARAMETERS", b"x")), "no private key found");
    assert!(
        said(&encode_pem("ENCRYPTED PRIVATE KEY", b"x")).starts_with("line 1: the private key is encrypted")
    );
    let old_style = "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n-----END EC PRIVATE KEY-----\n";
    assert!(said(old_style).starts_with("line 2: the EC PRIVATE KEY block is encrypted"));
}
