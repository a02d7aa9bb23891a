//! The cluster's own certificate authority, and kubeconfigs for those who hold a certificate of it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose,
};

/// A certificate authority whose key stays in memory, apart from the copy that the controller manager signs with.
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate_pem: String,
    key_pem: String,
}

/// Who a client certificate speaks for.
#[derive(Clone, Debug)]
pub(super) struct User<'a> {
    /// The user name (the certificate's common name).
    pub(super) name: &'a str,
    /// The groups (the certificate's organizations), two at most.
    pub(super) groups: &'a [&'a str],
}

/// A certificate and its private key, both PEM.
#[derive(Clone, Debug)]
pub(super) struct Pair {
    /// The certificate.
    pub(super) certificate: String,
    /// The private key, PKCS#8.
    pub(super) key: String,
}

/// The files of a pair.
#[derive(Clone, Debug)]
pub(super) struct PairFiles {
    /// Where the certificate is.
    pub(super) certificate: PathBuf,
    /// Where the key is.
    pub(super) key: PathBuf,
}

impl Authority {
    /// Makes a self-signed authority.
    ///
    /// # Errors
    /// When the key cannot be made.
    pub(super) fn new(name: &str) -> Result<Self> {
        let mut params = CertificateParams::default();
        params.distinguished_name = distinguished_name(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages =
            vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().context("cannot make the key of the cluster's authority")?;
        let certificate = params.self_signed(&key).context("cannot sign the cluster's authority")?;
        let (certificate_pem, key_pem) = (certificate.pem(), key.serialize_pem());
        Ok(Self { issuer: Issuer::new(params, key), certificate_pem, key_pem })
    }

    /// The authority's certificate, PEM.
    pub(super) fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// The authority's own certificate and key.
    pub(super) fn pair(&self) -> Pair {
        Pair { certificate: self.certificate_pem.clone(), key: self.key_pem.clone() }
    }

    /// A certificate with which a server proves one of `names` (DNS names or addresses).
    ///
    /// # Errors
    /// When a name is no DNS name and no address.
    pub(super) fn server(&self, common_name: &str, names: &[&str]) -> Result<Pair> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).context("unusable server name")?;
        params.distinguished_name = distinguished_name(common_name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.issue(params)
    }

    /// A certificate with which a client proves to be `user`.
    ///
    /// # Errors
    /// When it cannot be signed, or for more than two groups.
    pub(super) fn client(&self, user: &User<'_>) -> Result<Pair> {
        let mut params = CertificateParams::default();
        params.distinguished_name = user_name(user)?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.issue(params)
    }

    fn issue(&self, mut params: CertificateParams) -> Result<Pair> {
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().context("cannot make a key")?;
        let certificate = params.signed_by(&key, &self.issuer).context("cannot sign a certificate")?;
        Ok(Pair { certificate: certificate.pem(), key: key.serialize_pem() })
    }
}

impl Pair {
    /// Writes `DIR/NAME.crt` and `DIR/NAME.key`.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub(super) fn write(&self, dir: &Path, name: &str) -> Result<PairFiles> {
        let files =
            PairFiles { certificate: dir.join(format!("{name}.crt")), key: dir.join(format!("{name}.key")) };
        write_private(&files.certificate, &self.certificate)?;
        write_private(&files.key, &self.key)?;
        Ok(files)
    }
}

/// A key pair without a certificate, both halves PEM.
#[derive(Clone, Debug)]
pub(super) struct BareKey {
    /// The private key, PKCS#8.
    pub(super) private: String,
    /// The public key.
    pub(super) public: String,
}

/// Makes a key pair, such as service-account tokens are signed with.
///
/// # Errors
/// When the key cannot be made.
pub(super) fn bare_key() -> Result<BareKey> {
    let key = KeyPair::generate().context("cannot make a key")?;
    Ok(BareKey { private: key.serialize_pem(), public: key.public_key_pem() })
}

/// A kubeconfig with everything in it: one cluster, one user, one context.
pub(super) fn kubeconfig(server: &str, authority_pem: &str, user: &str, pair: &Pair) -> String {
    let [ca, certificate, key] =
        [authority_pem, &pair.certificate, &pair.key].map(|pem| BASE64.encode(pem.as_bytes()));
    // Quoted by JSON's rules, which YAML shares: a user name such as `system:admin` needs it.
    let user = serde_json::Value::from(user);
    format!(
        "apiVersion: v1\n\
         kind: Config\n\
         clusters:\n\
         - name: test\n\
         \x20 cluster:\n\
         \x20   server: {server}\n\
         \x20   certificate-authority-data: {ca}\n\
         users:\n\
         - name: {user}\n\
         \x20 user:\n\
         \x20   client-certificate-data: {certificate}\n\
         \x20   client-key-data: {key}\n\
         contexts:\n\
         - name: test\n\
         \x20 context:\n\
         \x20   cluster: test\n\
         \x20   user: {user}\n\
         current-context: test\n"
    )
}

/// Writes a file that its owner alone may read.
///
/// # Errors
/// When it cannot be written.
pub(super) fn write_private(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))
        .with_context(|| format!("cannot protect {}", path.display()))
}

/// The subject of a user's certificate.
///
/// The library keeps one value for each kind of attribute, and an organization can be named in two ways: as itself and
/// by its number. Hence two groups at most.
pub(super) fn user_name(user: &User<'_>) -> Result<DistinguishedName> {
    const ORGANIZATION: &[u64] = &[2, 5, 4, 10];
    if user.groups.len() > 2 {
        bail!(
            "user {:?} has {} groups, but a test certificate holds two at most",
            user.name,
            user.groups.len()
        );
    }
    let kinds = [DnType::OrganizationName, DnType::CustomDnType(ORGANIZATION.to_vec())];
    let mut name = distinguished_name(user.name);
    for (kind, group) in kinds.into_iter().zip(user.groups) {
        name.push(kind, *group);
    }
    Ok(name)
}

fn distinguished_name(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name
}
