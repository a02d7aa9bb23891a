//! The identity flags on files good and bad.

use std::fs;

use mesh_pki::SystemEntropy;
use serde_json::json;
use tempfile::TempDir;

use super::*;

fn now() -> Timestamp {
    "2024-03-01T12:00:00Z".parse().unwrap()
}

fn names() -> MeshNames {
    MeshNames::new("linkerd", TrustDomain::default())
}

struct Files {
    directory: TempDir,
    made: Material,
}

impl Files {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let made = Material::generate(&names(), AnchorKey::Kept, now(), &mut SystemEntropy::new()).unwrap();
        let files = Self { directory, made };
        let (made, issuer) = (&files.made, files.made.issuer.as_ref().unwrap());
        files.write("ca.crt", &made.anchors.to_pem());
        files.write("issuer.crt", &issuer.certificate_pem());
        files.write("issuer.key", &issuer.key_pem());
        files
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn args(&self) -> IdentityArgs {
        IdentityArgs {
            identity_trust_anchors_file: Some(self.path("ca.crt")),
            identity_issuer_certificate_file: Some(self.path("issuer.crt")),
            identity_issuer_key_file: Some(self.path("issuer.key")),
            ..IdentityArgs::default()
        }
    }

    /// The error of install with these files, without the directory's name.
    fn refused(&self, args: &IdentityArgs, now: Timestamp) -> String {
        let error =
            NewIdentityArgs::default().material(args, &names(), now, &mut SystemEntropy::new()).unwrap_err();
        error.to_string().replace(&format!("{}/", self.directory.path().display()), "")
    }
}

fn pem(bytes: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

#[test]
fn files_become_values_in_canonical_form() {
    let files = Files::new();
    let issuer = files.made.issuer.as_ref().unwrap();
    files.write("ca.crt", &format!("\n{}\r\n\r\n", files.made.anchors.to_pem().replace('\n', "\r\n")));
    let material = NewIdentityArgs::default()
        .material(&files.args(), &names(), now(), &mut SystemEntropy::new())
        .unwrap();
    let mut overrides = Overrides::default();
    material.record(&mut overrides);
    assert_eq!(
        overrides.into_value(),
        json!({
            "global": {"identityTrustAnchorsPEM": files.made.anchors.to_pem().trim_end()},
            "identity": {"issuer": {
                "tls": {"crtPEM": issuer.certificate_pem().trim_end(), "keyPEM": issuer.key_pem().trim_end()},
                "crtExpiry": "2025-03-01T12:00:00Z",
            }},
        })
    );
}

#[test]
fn without_files_an_anchor_and_an_issuer_are_made() {
    let install =
        |discard| NewIdentityArgs { identity_discard_anchor_key: discard, ..NewIdentityArgs::default() };
    let made = |discard| {
        install(discard)
            .material(&IdentityArgs::default(), &names(), now(), &mut SystemEntropy::new())
            .unwrap()
    };
    let material = made(false);
    material
        .issuer
        .as_ref()
        .unwrap()
        .verify(&material.anchors, "identity.linkerd.cluster.local", now())
        .unwrap();
    let mut overrides = Overrides::default();
    material.record(&mut overrides);
    let key = overrides.get("identity.trustAnchor.keyPEM").and_then(Value::as_str).unwrap();
    assert!(parse_key(key.as_bytes()).unwrap().matches(&material.anchors.certificates()[0]));
    let mut discarded = Overrides::default();
    made(true).record(&mut discarded);
    assert_eq!(discarded.get("identity.trustAnchor"), None);
}

#[test]
fn half_given_files_are_refused() {
    let files = Files::new();
    let all = files.args();
    let said = |args: &IdentityArgs| files.refused(args, now());
    let missing = "must be specified if other credentials are provided";
    assert_eq!(
        said(&IdentityArgs { identity_trust_anchors_file: None, ..all.clone() }),
        format!("a trust anchors file {missing}")
    );
    assert_eq!(
        said(&IdentityArgs { identity_issuer_certificate_file: None, ..all.clone() }),
        format!("a certificate file {missing}")
    );
    assert_eq!(
        said(&IdentityArgs { identity_issuer_key_file: None, ..all.clone() }),
        format!("a private key file {missing}")
    );
    let only_key = IdentityArgs { identity_issuer_certificate_file: None, ..all.clone() };
    assert_eq!(
        only_key.read().unwrap_err().to_string(),
        "a certificate file must be specified if a private key is provided"
    );
    let only_crt = IdentityArgs { identity_issuer_key_file: None, ..all.clone() };
    assert_eq!(
        only_crt.read().unwrap_err().to_string(),
        "a private key file must be specified if a certificate is provided"
    );
    assert_eq!(
        all.forbid_files().unwrap_err().to_string(),
        "--identity-trust-anchors-file must not be specified if --identity-external-issuer=true"
    );
    IdentityArgs::default().forbid_files().unwrap();
}

#[test]
fn bad_files_are_named() {
    let files = Files::new();
    let args = files.args();
    let said = |now: Timestamp| files.refused(&args, now);
    assert_eq!(
        said("2025-04-01T00:00:00Z".parse().unwrap()),
        "failed to verify issuer certs stored on disk: not valid anymore. Expired on 2025-03-01T12:00:00Z (issuer.crt)"
    );
    assert_eq!(
        said("2024-01-01T00:00:00Z".parse().unwrap()),
        "failed to verify issuer certs stored on disk: not valid before: 2024-03-01T11:59:40Z (issuer.crt)"
    );
    let other = Files::new();
    let strange_key =
        IdentityArgs { identity_issuer_key_file: Some(other.path("issuer.key")), ..args.clone() };
    let text = files.refused(&strange_key, now());
    assert!(text.starts_with("failed to verify issuer certs stored on disk: the private key does not belong to the certificate (issuer.crt, "), "{text}");
    let swapped = IdentityArgs { identity_issuer_key_file: Some(files.path("issuer.crt")), ..args.clone() };
    assert_eq!(
        files.refused(&swapped, now()),
        "failed to verify issuer certs stored on disk: line 1: a certificate where a private key belongs (issuer.crt)"
    );
    let absent = IdentityArgs { identity_trust_anchors_file: Some(files.path("nowhere")), ..args.clone() };
    assert_eq!(files.refused(&absent, now()), "missing file: nowhere");
    let directory = IdentityArgs { identity_trust_anchors_file: Some(files.path(".")), ..args.clone() };
    assert_eq!(files.refused(&directory, now()), "not a file: .");
    let endless = IdentityArgs { identity_trust_anchors_file: Some("/dev/zero".into()), ..args.clone() };
    assert_eq!(
        files.refused(&endless, now()),
        "/dev/zero: too large: 1048577 bytes, at most 1048576 are read"
    );
    files.write("ca.crt", &format!("{}trailing\n", files.made.anchors.to_pem()));
    let lines = files.made.anchors.to_pem().lines().count();
    assert_eq!(said(now()), format!("ca.crt: line {}: trailing garbage after the last PEM block", lines + 1));
}

#[test]
fn an_external_issuer_is_verified_where_it_lies() {
    let files = Files::new();
    let issuer = files.made.issuer.as_ref().unwrap();
    let mut secret = json!({"data": {
        "ca.crt": pem(files.made.anchors.to_pem().as_bytes()),
        "tls.crt": pem(issuer.certificate_pem().as_bytes()),
        "tls.key": pem(issuer.key_pem().as_bytes()),
    }});
    let found = Material::external(&secret, &names(), now()).unwrap();
    assert!(found.issuer.is_none() && found.anchors == files.made.anchors);
    let later = "2026-01-01T00:00:00Z".parse().unwrap();
    assert_eq!(
        Material::external(&secret, &names(), later).unwrap_err().to_string(),
        "secret linkerd-identity-issuer, key tls.crt: not valid anymore. Expired on 2025-03-01T12:00:00Z"
    );
    secret["data"]["tls.key"] = json!(pem(b"nothing"));
    let error = Material::external(&secret, &names(), now()).unwrap_err().to_string();
    assert!(error.starts_with("secret linkerd-identity-issuer, key tls.key: no PEM block found"), "{error}");
    secret["data"].as_object_mut().unwrap().remove("tls.key");
    assert_eq!(
        Material::external(&secret, &names(), now()).unwrap_err().to_string(),
        "key tls.key containing the issuer key needs to exist in secret linkerd-identity-issuer if --identity-external-issuer=true"
    );
}

#[test]
fn flags_are_recorded() {
    let mut overrides = Overrides::default();
    IdentityArgs { identity_issuance_lifetime: Some("12h".into()), ..IdentityArgs::default() }
        .record(&mut overrides);
    NewIdentityArgs {
        identity_trust_domain: Some("mesh.example".parse().unwrap()),
        identity_external_issuer: true,
        ..NewIdentityArgs::default()
    }
    .record(&mut overrides);
    assert_eq!(
        overrides.into_value(),
        json!({
            "identity": {"issuer": {"issuanceLifetime": "12h", "scheme": "kubernetes.io/tls"}},
            "global": {"identityTrustDomain": "mesh.example"},
        })
    );
    assert!(positive_duration("24h0m0s").is_ok() && positive_duration("20s").is_ok());
    assert!(
        positive_duration("0s").is_err()
            && positive_duration("-1h").is_err()
            && positive_duration("soon").is_err()
    );
}
