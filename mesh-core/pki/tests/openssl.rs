//! Cross-checks with the `openssl` command: it accepts what is made here, and what it makes is read and judged here.
//! Without the command these tests fail.
#![expect(clippy::unwrap_used, reason = "a test that fails is what is wanted")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use jiff::{SignedDuration, Timestamp};
use mesh_pki::generate::{self, Authority, Request};
use mesh_pki::{
    Bundle, Problem, SystemEntropy, chain_to, parse_bundle, parse_certificates, parse_issuer, parse_key,
};
use tempfile::TempDir;

const NAME: &str = "identity.linkerd.cluster.local";

struct Scratch(TempDir);

impl Scratch {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        path
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    /// Runs openssl in the scratch directory; the words are split at blanks.
    fn openssl(&self, words: &str) -> String {
        openssl(self.0.path(), &words.split(' ').collect::<Vec<_>>())
    }

    /// A self-signed authority of the name, made by openssl with the key of `genpkey` words: `FILE.crt`, `FILE.key`.
    fn authority(&self, file: &str, key: &str, more: &str) {
        self.openssl(&format!("genpkey {key} -out {file}.key"));
        self.openssl(&format!(
            "req -x509 -new -days 30 -key {file}.key -out {file}.crt -subj /CN={NAME} -addext subjectAltName=DNS:{NAME}{more}"
        ));
    }

    /// What keeps the authority of `FILE.crt` from being an issuer under itself.
    fn said_of(&self, file: &str) -> Vec<String> {
        let crt = self.read(&format!("{file}.crt"));
        let now = moment_of(&crt);
        let certificate = &parse_certificates(&crt).unwrap()[0];
        let texts = Problem::of_crypto(certificate).into_iter().chain(Problem::of_authority(certificate));
        let anchors = parse_bundle(&crt).unwrap();
        let chain = chain_to(certificate, &[], &anchors, now).err().map(Problem::Chain);
        texts.chain(chain).map(|problem| problem.to_string()).collect()
    }
}

fn openssl(directory: &Path, words: &[&str]) -> String {
    let output = Command::new("openssl")
        .args(words)
        .current_dir(directory)
        .output()
        .expect("the openssl command is needed for this test (Debian package openssl)");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "openssl {words:?}: {out}{err}");
    out.into_owned()
}

/// A moment at which a certificate just made by openssl is valid.
fn moment_of(pem: &[u8]) -> Timestamp {
    parse_certificates(pem).unwrap()[0].validity().not_before + SignedDuration::from_hours(1)
}

fn problems(scratch: &Scratch, file: &str) -> Vec<String> {
    let crt = scratch.read(&format!("{file}.crt"));
    let issuer = parse_issuer(&crt, &scratch.read(&format!("{file}.key"))).unwrap();
    let anchors = parse_bundle(&crt).unwrap();
    issuer.problems(&anchors, NAME, moment_of(&crt)).iter().map(ToString::to_string).collect()
}

#[test]
fn openssl_accepts_what_is_generated() {
    let scratch = Scratch::new();
    let now: Timestamp = "2024-03-01T12:00:00Z".parse().unwrap();
    let anchor = Request::new("root.linkerd.cluster.local", now, generate::ANCHOR_LIFETIME);
    let issuer = Request::new(NAME, now, generate::ISSUER_LIFETIME);
    let made = generate::identity(&anchor, &issuer, &mut SystemEntropy::new()).unwrap();
    scratch.write("ca.crt", &made.anchor.certificate.to_pem());
    scratch.write("issuer.crt", &made.issuer.certificate_pem());
    scratch.write("issuer.key", &made.issuer.key_pem());
    let verified = scratch.openssl("verify -x509_strict -attime 1709294400 -CAfile ca.crt issuer.crt");
    assert_eq!(verified, "issuer.crt: OK\n");
    let text = scratch.openssl("x509 -in issuer.crt -noout -text");
    for expected in [
        "Version: 3 (0x2)",
        "Signature Algorithm: ecdsa-with-SHA256",
        "Issuer: CN = root.linkerd.cluster.local",
        "Subject: CN = identity.linkerd.cluster.local",
        "NIST CURVE: P-256",
        "CA:TRUE, pathlen:0",
        "Certificate Sign, CRL Sign",
        "DNS:identity.linkerd.cluster.local",
        "X509v3 Authority Key Identifier",
    ] {
        assert!(text.contains(expected), "{expected} is missing in\n{text}");
    }
    assert!(
        text.contains("X509v3 Basic Constraints: critical") && text.contains("X509v3 Key Usage: critical")
    );
    let from_key = scratch.openssl("pkey -in issuer.key -pubout");
    assert_eq!(from_key, scratch.openssl("x509 -in issuer.crt -noout -pubkey"));
    let fingerprint =
        scratch.openssl("x509 -in issuer.crt -noout -fingerprint -sha256").to_lowercase().replace(':', "");
    assert!(fingerprint.trim().ends_with(&made.issuer.certificate().summary().sha256), "{fingerprint}");
    let serial = scratch.openssl("x509 -in issuer.crt -noout -serial").to_lowercase();
    assert!(
        serial.trim().ends_with(&made.issuer.certificate().summary().serial_hex.replace(':', "")),
        "{serial}"
    );
}

#[test]
fn keys_of_openssl_are_read_in_both_forms() {
    let scratch = Scratch::new();
    scratch.openssl("ecparam -name prime256v1 -genkey -out sec1.pem");
    scratch.openssl("pkey -in sec1.pem -out pkcs8.pem");
    scratch.openssl("ec -in sec1.pem -no_public -out bare.pem");
    let sec1 = parse_key(&scratch.read("sec1.pem")).unwrap();
    for file in ["pkcs8.pem", "bare.pem"] {
        assert_eq!(parse_key(&scratch.read(file)).unwrap().to_pem(), sec1.to_pem(), "{file}");
    }
    assert!(String::from_utf8(scratch.read("sec1.pem")).unwrap().contains("EC PARAMETERS"));
    assert!(String::from_utf8(scratch.read("sec1.pem")).unwrap().ends_with(&sec1.to_pem()));
}

#[test]
fn keys_of_other_kinds_are_named() {
    let scratch = Scratch::new();
    scratch.openssl("ecparam -name secp384r1 -genkey -noout -out p384.pem");
    scratch.openssl("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-521 -out p521.pem");
    scratch.openssl("genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out rsa.pem");
    scratch.openssl("pkey -in rsa.pem -traditional -out rsa1.pem");
    scratch.openssl("genpkey -algorithm ED25519 -out ed.pem");
    scratch.openssl("ecparam -name prime256v1 -genkey -noout -out plain.pem");
    scratch.openssl("pkcs8 -topk8 -in plain.pem -passout pass:secret -out locked.pem");
    scratch.openssl("ec -in plain.pem -aes128 -passout pass:secret -out locked1.pem");
    let said = |file: &str| parse_key(&scratch.read(file)).unwrap_err().to_string();
    assert_eq!(said("p384.pem"), "line 1: must use P-256 curve for the private key, instead P-384 was used");
    assert_eq!(said("p521.pem"), "line 1: must use P-256 curve for the private key, instead P-521 was used");
    assert_eq!(said("rsa.pem"), "line 1: must use ECDSA for the private key, instead RSA was used");
    assert_eq!(said("rsa1.pem"), "line 1: must use ECDSA for the private key, instead RSA was used");
    assert_eq!(said("ed.pem"), "line 1: must use ECDSA for the private key, instead Ed25519 was used");
    assert!(said("locked.pem").starts_with("line 1: the private key is encrypted"));
    assert!(said("locked1.pem").starts_with("line 2: the EC PRIVATE KEY block is encrypted"));
}

#[test]
fn certificates_of_other_algorithms_are_named() {
    let scratch = Scratch::new();
    let ec = |curve: &str| format!("-algorithm EC -pkeyopt ec_paramgen_curve:{curve}");
    scratch.authority("p521", &ec("P-521"), " -sha512");
    scratch.authority("p384", &ec("P-384"), " -sha256");
    scratch.authority("rsa", "-algorithm RSA -pkeyopt rsa_keygen_bits:2048", "");
    scratch.authority("ed", "-algorithm ED25519", "");
    scratch.authority("sha384", &ec("P-256"), " -sha384");
    assert_eq!(
        scratch.said_of("p521"),
        [
            "must use P-256 curve for public key, instead P-521 was used",
            "must be signed by an ECDSA P-256 key, instead ECDSA-SHA512 was used"
        ]
    );
    assert_eq!(scratch.said_of("p384"), ["must use P-256 curve for public key, instead P-384 was used"]);
    assert_eq!(
        scratch.said_of("rsa"),
        [
            "must use ECDSA for public key algorithm, instead RSA was used",
            "must be signed by an ECDSA P-256 key, instead SHA256-RSA was used"
        ]
    );
    assert_eq!(
        scratch.said_of("ed"),
        [
            "must use ECDSA for public key algorithm, instead Ed25519 was used",
            "must be signed by an ECDSA P-256 key, instead Ed25519 was used"
        ]
    );
    assert_eq!(
        scratch.said_of("sha384"),
        ["must be signed by an ECDSA P-256 key, instead ECDSA-SHA384 was used"]
    );
    assert_eq!(parse_certificates(&scratch.read("rsa.crt")).unwrap()[0].key_type().to_string(), "RSA 2048");
}

#[test]
fn certificates_that_may_not_sign_are_named() {
    let scratch = Scratch::new();
    let p256 = "-algorithm EC -pkeyopt ec_paramgen_curve:P-256";
    scratch.authority("leaf", p256, " -addext basicConstraints=critical,CA:FALSE");
    scratch.authority("usage", p256, " -addext keyUsage=critical,digitalSignature");
    assert_eq!(scratch.said_of("leaf"), ["issuer cert is not a CA"]);
    assert_eq!(scratch.said_of("usage"), ["its key usage does not include certificate signing"]);
}

#[test]
fn an_issuer_is_signed_by_an_anchor_of_openssl() {
    let scratch = Scratch::new();
    scratch.authority(
        "ca",
        "-algorithm EC -pkeyopt ec_paramgen_curve:P-256",
        " -addext keyUsage=critical,keyCertSign,cRLSign",
    );
    let certificate = parse_certificates(&scratch.read("ca.crt")).unwrap().remove(0);
    let now = moment_of(&scratch.read("ca.crt"));
    let ca = Authority { certificate, key: parse_key(&scratch.read("ca.key")).unwrap() };
    let request = Request::new(NAME, now, generate::ISSUER_LIFETIME).within(&ca.certificate);
    let issuer = generate::issuer(&request, &ca, &mut SystemEntropy::new()).unwrap();
    issuer.verify(&Bundle::of(ca.certificate), NAME, now).unwrap();
    scratch.write("issuer.crt", &issuer.certificate_pem());
    assert_eq!(
        scratch
            .openssl(&format!("verify -x509_strict -attime {} -CAfile ca.crt issuer.crt", now.as_second())),
        "issuer.crt: OK\n"
    );
}

#[test]
fn a_chain_over_an_intermediate_is_followed() {
    let scratch = Scratch::new();
    let p256 = "-algorithm EC -pkeyopt ec_paramgen_curve:P-256";
    scratch.authority("root", p256, "");
    for (file, parent, constraint) in
        [("middle", "root", "CA:TRUE"), ("issuer", "middle", "CA:TRUE,pathlen:0")]
    {
        scratch.openssl(&format!("genpkey {p256} -out {file}.key"));
        let name = if file == "issuer" { NAME } else { "middle.example" };
        scratch.openssl(&format!("req -new -key {file}.key -subj /CN={name} -out {file}.csr"));
        scratch.write("ext", &format!("basicConstraints=critical,{constraint}\nsubjectAltName=DNS:{name}\n"));
        scratch.openssl(&format!(
            "x509 -req -in {file}.csr -CA {parent}.crt -CAkey {parent}.key -CAcreateserial -days 20 -extfile ext -out {file}.crt"
        ));
    }
    let anchors = parse_bundle(&scratch.read("root.crt")).unwrap();
    let now = moment_of(&scratch.read("issuer.crt"));
    let key = scratch.read("issuer.key");
    let mut chain = scratch.read("issuer.crt");
    let alone = parse_issuer(&chain, &key).unwrap();
    assert_eq!(
        alone.verify(&anchors, NAME, now).unwrap_err().to_string(),
        format!("signed by CN=middle.example, which is not among the trust anchors: {NAME}")
    );
    chain.extend(scratch.read("middle.crt"));
    let issuer = parse_issuer(&chain, &key).unwrap();
    issuer.verify(&anchors, NAME, now).unwrap();
    let path = chain_to(issuer.certificate(), issuer.intermediates(), &anchors, now).unwrap();
    assert_eq!(
        path.iter().map(|step| step.display_name()).collect::<Vec<_>>(),
        [NAME, "middle.example", NAME]
    );
    assert_eq!(issuer.certificate_pem(), String::from_utf8(chain).unwrap());
}

#[test]
fn a_pair_without_alternative_names_is_accepted_by_its_common_name() {
    let scratch = Scratch::new();
    scratch.openssl("ecparam -name prime256v1 -genkey -noout -out old.key");
    scratch.openssl(&format!(
        "req -x509 -new -key old.key -days 30 -sha256 -subj /CN={NAME} -out old.crt -set_serial 1 \
         -addext keyUsage=critical,keyCertSign,cRLSign -addext extendedKeyUsage=serverAuth,clientAuth"
    ));
    assert_eq!(problems(&scratch, "old"), Vec::<String>::new());
    let certificate = &parse_certificates(&scratch.read("old.crt")).unwrap()[0];
    assert_eq!((certificate.summary().serial.as_str(), certificate.subject_names().len()), ("1", 0));
}
