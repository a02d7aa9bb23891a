//! Identity names, trust domains and service accounts.
//!
//! Every name a certificate of the mesh carries is made here, so that the command, the charts and the identity
//! component cannot disagree on a dot.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// Longest DNS name, in bytes, that a trust domain may have.
const MAX_NAME: usize = 253;
/// Longest label, in bytes, of a DNS name.
const MAX_LABEL: usize = 63;

/// The suffix all identities of one mesh share, for instance `cluster.local`.
///
/// A lower-case DNS name (RFC 1123), without a trailing dot. It is unrelated to the cluster's DNS domain, though
/// both are often the same text.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TrustDomain(String);

/// Why a text is no trust domain.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "invalid trust domain '{name}': a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character"
)]
pub struct InvalidTrustDomain {
    /// The text that was refused.
    pub name: String,
}

/// A Kubernetes service account, the thing an identity is given to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServiceAccount {
    /// Namespace the account lives in.
    pub namespace: String,
    /// Name of the account.
    pub name: String,
}

/// The names of one mesh: its trust domain and the namespace its control plane runs in.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MeshNames {
    namespace: String,
    trust_domain: TrustDomain,
}

impl TrustDomain {
    /// The domain as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for TrustDomain {
    fn default() -> Self {
        Self("cluster.local".to_owned())
    }
}

impl FromStr for TrustDomain {
    type Err = InvalidTrustDomain;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if !text.is_empty() && text.len() <= MAX_NAME && text.split('.').all(is_label) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidTrustDomain { name: text.chars().take(MAX_NAME).collect() })
        }
    }
}

impl fmt::Display for TrustDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl MeshNames {
    /// Names of the mesh whose control plane runs in `namespace`.
    pub fn new(namespace: impl Into<String>, trust_domain: TrustDomain) -> Self {
        Self { namespace: namespace.into(), trust_domain }
    }

    /// The trust domain.
    pub fn trust_domain(&self) -> &TrustDomain {
        &self.trust_domain
    }

    /// Name of the trust anchor that `install` makes: `root.<namespace>.<trust domain>`.
    pub fn anchor(&self) -> String {
        format!("root.{}.{}", self.namespace, self.trust_domain)
    }

    /// Name the issuer certificate must carry: `identity.<namespace>.<trust domain>`.
    pub fn issuer(&self) -> String {
        format!("identity.{}.{}", self.namespace, self.trust_domain)
    }

    /// Identity of the workloads that run as `account`.
    pub fn workload(&self, account: &ServiceAccount) -> String {
        format!("{}.{}.serviceaccount.{}", account.name, account.namespace, self.issuer())
    }
}

fn is_label(label: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = label.as_bytes();
    match (bytes.first(), bytes.last()) {
        (Some(&first), Some(&last)) => {
            bytes.len() <= MAX_LABEL
                && plain(first)
                && plain(last)
                && bytes.iter().all(|&byte| plain(byte) || byte == b'-')
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_a_mesh() {
        let names = MeshNames::new("linkerd", TrustDomain::default());
        assert_eq!(names.anchor(), "root.linkerd.cluster.local");
        assert_eq!(names.issuer(), "identity.linkerd.cluster.local");
        let account = ServiceAccount { namespace: "emoji".into(), name: "web".into() };
        assert_eq!(names.workload(&account), "web.emoji.serviceaccount.identity.linkerd.cluster.local");
    }

    #[test]
    fn trust_domains_are_lowercase_dns_names() {
        for good in ["cluster.local", "a", "x1-2.example", "1.2"] {
            assert_eq!(good.parse::<TrustDomain>().unwrap().to_string(), good);
        }
        let long = format!("{}.local", "a".repeat(64));
        let longer = vec!["abc"; 80].join(".");
        for bad in ["", ".", "a.", ".a", "A", "a_b", "-a", "a-", "a..b", "a b", &long, &longer] {
            let error = bad.parse::<TrustDomain>().unwrap_err();
            assert!(error.to_string().starts_with("invalid trust domain '"), "{bad}: {error}");
        }
    }
}
