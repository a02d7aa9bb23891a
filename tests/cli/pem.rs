//! Identity files that cannot work, and what `install` says of each.

use std::fs;

use jiff::{SignedDuration, Timestamp};
use mesh_pki::SystemEntropy;
use mesh_pki::generate::{Request, identity};
use tempfile::TempDir;

use crate::run;

const NAME: &str = "identity.linkerd.cluster.local";
const ROOT: &str = "root.linkerd.cluster.local";

/// A trust anchor, an issuer and its key.
pub(crate) struct Files(TempDir);

impl Files {
    /// Files that work.
    pub(crate) fn good() -> Self {
        Self::new(NAME, Timestamp::now(), SignedDuration::from_hours(24))
    }

    fn new(name: &str, start: Timestamp, lifetime: SignedDuration) -> Self {
        let (anchor, issuer) = (Request::new(ROOT, start, lifetime), Request::new(name, start, lifetime));
        let made = identity(&anchor, &issuer, &mut SystemEntropy::new()).unwrap();
        let files = Self(tempfile::tempdir().unwrap());
        files.write("ca.crt", &made.bundle().to_pem());
        files.write("issuer.crt", &made.issuer.certificate_pem());
        files.write("issuer.key", &made.issuer.key_pem());
        files
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.0.path().join(name), text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.0.path().join(name)).unwrap()
    }

    /// The three flags of install.
    pub(crate) fn flags(&self) -> Vec<String> {
        [("trust-anchors", "ca.crt"), ("issuer-certificate", "issuer.crt"), ("issuer-key", "issuer.key")]
            .map(|(flag, file)| format!("--identity-{flag}-file={}", self.0.path().join(file).display()))
            .to_vec()
    }

    /// What install says of these files, without the folder.
    fn refused(&self) -> String {
        let flags = self.flags();
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        let ran = run(&[&["install", "--ignore-cluster"], &flags[..]].concat());
        assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{}", ran.err);
        ran.err.replace(&format!("{}/", self.0.path().display()), "")
    }
}

fn hours(hours: i64) -> SignedDuration {
    SignedDuration::from_hours(hours)
}

const UNUSABLE: &str = "Error: failed to verify issuer certs stored on disk";

#[test]
fn out_of_their_time() {
    let now = Timestamp::now();
    let said = Files::new(NAME, now - hours(72), hours(24)).refused();
    let ended = (now - hours(48)).strftime("%Y-%m-%dT").to_string();
    assert!(said.starts_with(&format!("{UNUSABLE}: not valid anymore. Expired on {ended}")), "{said}");
    assert!(said.ends_with(" (issuer.crt)\n"), "{said}");
    let said = Files::new(NAME, now + hours(72), hours(24)).refused();
    let begins = (now + hours(72) - SignedDuration::from_secs(20)).strftime("%Y-%m-%dT").to_string();
    assert!(said.starts_with(&format!("{UNUSABLE}: not valid before: {begins}")), "{said}");
}

#[test]
fn for_another_name() {
    let said = Files::new("identity.other.cluster.local", Timestamp::now(), hours(24)).refused();
    assert!(said.starts_with(UNUSABLE) && said.contains(NAME), "{said}");
}

#[test]
fn of_another_curve() {
    let files = Files::good();
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
    let mut params = rcgen::CertificateParams::new(vec![NAME.to_owned()]).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let certificate = params.self_signed(&key).unwrap();
    files.write("ca.crt", &certificate.pem());
    files.write("issuer.crt", &certificate.pem());
    files.write("issuer.key", &key.serialize_pem());
    let said = files.refused();
    assert!(said.starts_with(UNUSABLE) && said.contains("P-256") && said.contains("P-384"), "{said}");
}

#[test]
fn with_the_key_of_another() {
    let (files, other) = (Files::good(), Files::good());
    files.write("issuer.key", &other.read("issuer.key"));
    assert_eq!(
        files.refused().lines().next().unwrap(),
        format!("{UNUSABLE}: the private key does not belong to the certificate (issuer.crt, issuer.key)")
    );
    files.write("issuer.crt", &other.read("issuer.crt"));
    let said = files.refused();
    assert!(said.starts_with(UNUSABLE), "an issuer of another anchor: {said}");
}

#[test]
fn with_something_behind_the_last_block() {
    let files = Files::good();
    let text = files.read("ca.crt");
    files.write("ca.crt", &format!("{text}trailing\n"));
    let line = text.lines().count() + 1;
    assert_eq!(
        files.refused().lines().next().unwrap(),
        format!("Error: ca.crt: line {line}: trailing garbage after the last PEM block")
    );
    files.write("ca.crt", "\0\0\0");
    assert!(files.refused().starts_with("Error: ca.crt: "));
}

#[test]
fn missing_in_part() {
    let files = Files::good();
    let flags = files.flags();
    let ran = run(&["install", "--ignore-cluster", &flags[0], &flags[1]]);
    assert_eq!(ran.code, 1);
    assert_eq!(
        ran.err.lines().next().unwrap(),
        "Error: a private key file must be specified if other credentials are provided"
    );
    fs::remove_file(files.0.path().join("ca.crt")).unwrap();
    assert_eq!(files.refused().lines().next().unwrap(), "Error: missing file: ca.crt");
}
