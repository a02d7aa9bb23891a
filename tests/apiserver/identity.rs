//! Identity files, as a user would bring them.

use std::path::PathBuf;

use jiff::{SignedDuration, Timestamp};
use mesh_pki::SystemEntropy;
use mesh_pki::generate::{Identity, Request, identity};
use tempfile::TempDir;

/// A trust anchor, an issuer and the issuer's key in files.
pub(crate) struct Files {
    dir: TempDir,
    pub(crate) anchors: String,
    pub(crate) issuer: String,
    pub(crate) key: String,
}

impl Files {
    /// For the control plane in `namespace`, valid from now on.
    pub(crate) fn of(namespace: &str) -> Self {
        Self::signed_at(namespace, Timestamp::now(), SignedDuration::from_hours(24 * 90))
    }

    /// Both have ended a day ago.
    pub(crate) fn expired(namespace: &str) -> Self {
        let start = Timestamp::now() - SignedDuration::from_hours(72);
        Self::signed_at(namespace, start, SignedDuration::from_hours(48))
    }

    fn signed_at(namespace: &str, start: Timestamp, lifetime: SignedDuration) -> Self {
        let anchor = Request::new("root.linkerd.cluster.local", start, lifetime);
        let name = format!("identity.{namespace}.cluster.local");
        let issuer = Request::new(name, start, lifetime);
        let made: Identity = identity(&anchor, &issuer, &mut SystemEntropy::new()).unwrap();
        let files = Self {
            dir: tempfile::tempdir().unwrap(),
            anchors: made.bundle().to_pem(),
            issuer: made.issuer.certificate_pem(),
            key: made.issuer.key_pem(),
        };
        for (name, text) in
            [("ca.crt", &files.anchors), ("issuer.crt", &files.issuer), ("issuer.key", &files.key)]
        {
            std::fs::write(files.path(name), text).unwrap();
        }
        files
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The flag for the anchors.
    pub(crate) fn anchor_flag(&self) -> String {
        format!("--identity-trust-anchors-file={}", self.path("ca.crt").display())
    }

    /// The flags for the issuer.
    pub(crate) fn issuer_flags(&self) -> [String; 2] {
        [
            format!("--identity-issuer-certificate-file={}", self.path("issuer.crt").display()),
            format!("--identity-issuer-key-file={}", self.path("issuer.key").display()),
        ]
    }

    /// All three flags.
    pub(crate) fn flags(&self) -> Vec<String> {
        let mut flags = vec![self.anchor_flag()];
        flags.extend(self.issuer_flags());
        flags
    }

    /// As a Secret that somebody else maintains.
    pub(crate) fn external_secret(&self, namespace: &str) -> String {
        let secret = serde_json::json!({
            "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
            "metadata": {"name": "linkerd-identity-issuer", "namespace": namespace},
            "stringData": {"ca.crt": self.anchors, "tls.crt": self.issuer, "tls.key": self.key},
        });
        secret.to_string()
    }
}
