//! Inputs nobody means well with: no panic, an error or a value, within bounded work.
#![expect(clippy::unwrap_used, reason = "a test that fails is what is wanted")]

use jiff::{SignedDuration, Timestamp};
use mesh_pki::generate::{self, Identity, Request};
use mesh_pki::{
    Bundle, Certificate, Issuer, SystemEntropy, chain_to, encode_pem, parse_bundle, parse_issuer, parse_key,
    parse_pem,
};
use proptest::prelude::*;

const NAME: &str = "identity.linkerd.cluster.local";

fn now() -> Timestamp {
    "2024-03-01T12:00:00Z".parse().unwrap()
}

fn identity() -> Identity {
    let anchor = Request::new("root.linkerd.cluster.local", now(), generate::ANCHOR_LIFETIME);
    let issuer = Request::new(NAME, now(), generate::ISSUER_LIFETIME);
    generate::identity(&anchor, &issuer, &mut SystemEntropy::new()).unwrap()
}

/// Changes single bytes of `original`, cuts it, or adds to it.
fn damaged(original: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    let length = original.len();
    let edits = proptest::collection::vec((0..length, any::<u8>()), 0..6);
    (edits, 0..=length, proptest::collection::vec(any::<u8>(), 0..8), any::<bool>()).prop_map(
        move |(edits, cut, tail, whole)| {
            let mut bytes = original.clone();
            for (at, byte) in edits {
                bytes[at] = byte;
            }
            if !whole {
                bytes.truncate(cut);
                bytes.extend(tail);
            }
            bytes
        },
    )
}

/// Uses everything a parsed certificate offers.
fn exercise(certificate: &Certificate) {
    let summary = certificate.summary();
    assert!(!summary.subject.chars().any(char::is_control) && !summary.issuer.chars().any(char::is_control));
    let _ =
        (certificate.display_name(), certificate.is_valid_for_name(NAME), certificate.validity().renew_at());
    let bundle = Bundle::of(certificate.clone());
    let _ = (bundle.unsupported(), bundle.not_valid(now()), chain_to(certificate, &[], &bundle, now()));
    assert_eq!(parse_bundle(bundle.to_pem().as_bytes()).unwrap(), bundle);
}

proptest! {
    #[test]
    fn any_bytes_are_no_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2_000)) {
        let _ = (parse_pem(&bytes), parse_bundle(&bytes), parse_key(&bytes), parse_issuer(&bytes, &bytes));
        let _ = Certificate::from_der(bytes);
    }

    #[test]
    fn pem_shaped_text_is_no_panic(text in "(-----BEGIN [A-Z ]{0,12}-----\n|[A-Za-z0-9+/=:]{0,64}\r?\n|-----END [A-Z ]{0,12}-----\n|\n){0,12}") {
        let _ = (parse_pem(text.as_bytes()), parse_bundle(text.as_bytes()), parse_key(text.as_bytes()));
    }

    #[test]
    fn blocks_survive_encoding(label in "[A-Z][A-Z0-9]{0,9}( [A-Z0-9]{1,9})?", der in proptest::collection::vec(any::<u8>(), 1..300)) {
        let text = encode_pem(&label, &der);
        let blocks = parse_pem(text.as_bytes()).unwrap();
        prop_assert_eq!(blocks.len(), 1);
        prop_assert_eq!((&blocks[0].label, &blocks[0].der, blocks[0].line), (&label, &der, 1));
        let crlf = format!("\n{}\r\n\r\n", text.replace('\n', "\r\n"));
        prop_assert_eq!(&parse_pem(crlf.as_bytes()).unwrap()[0].der, &der);
    }

    #[test]
    fn damaged_certificates_are_no_panic(der in damaged(identity().issuer.certificate().der().to_vec())) {
        if let Ok(certificate) = Certificate::from_der(der) {
            exercise(&certificate);
        }
    }

    #[test]
    fn damaged_keys_are_no_panic(der in damaged(parse_pem(identity().issuer.key_pem().as_bytes()).unwrap().remove(0).der)) {
        for label in ["EC PRIVATE KEY", "PRIVATE KEY"] {
            if let Ok(key) = parse_key(encode_pem(label, &der).as_bytes()) {
                let again = parse_key(key.to_pem().as_bytes()).unwrap();
                prop_assert_eq!(again.to_pem(), key.to_pem());
            }
        }
    }

    #[test]
    fn a_damaged_certificate_is_never_verified(at in 0_usize..400, change in 1_u8..) {
        let made = identity();
        let mut der = made.issuer.certificate().der().to_vec();
        let at = at % der.len();
        der[at] ^= change;
        if let Ok(certificate) = Certificate::from_der(der) {
            let key = parse_key(made.issuer.key_pem().as_bytes()).unwrap();
            if let Ok(issuer) = Issuer::new(certificate, Vec::new(), key) {
                prop_assert!(issuer.verify(&made.bundle(), NAME, now()).is_err());
            }
        }
    }
}

#[test]
fn a_thousand_anchors_of_one_name_end_the_search() {
    let request = Request::new("root.linkerd.cluster.local", now(), SignedDuration::from_hours(48));
    let anchors: String = (0..1_000)
        .map(|_| generate::anchor(&request, &mut SystemEntropy::new()).unwrap().certificate.to_pem())
        .collect();
    let bundle = parse_bundle(anchors.as_bytes()).unwrap();
    assert_eq!(bundle.certificates().len(), 1_000);
    let error = identity().issuer.verify(&bundle, NAME, now()).unwrap_err().to_string();
    assert_eq!(error, "no path to a trust anchor found within 200 signature checks");
}

#[test]
fn deep_nesting_is_an_error() {
    let mut der = vec![0x30, 0x80];
    for _ in 0..10_000 {
        let mut outer = vec![0x30, 0x82];
        let length = u16::try_from(der.len()).unwrap_or(u16::MAX);
        outer.extend_from_slice(&length.to_be_bytes());
        outer.append(&mut der);
        der = outer;
    }
    assert!(Certificate::from_der(der.clone()).is_err());
    assert!(parse_key(encode_pem("PRIVATE KEY", &der).as_bytes()).is_err());
}
