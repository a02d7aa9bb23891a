//! The trust roots bundle: the set of anchors a mesh trusts.

use jiff::Timestamp;
use thiserror::Error;

use crate::certificate::{Certificate, CertificateError, parse_certificates};
use crate::expiry::Expiry;
use crate::problem::Problem;

/// Trust anchors, at least one, each authority once.
///
/// Reading a bundle does not judge it: an expired anchor can be read, so that it can be replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle(Vec<Certificate>);

/// Why a text is no bundle.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(transparent)]
pub struct BundleError(#[from] pub CertificateError);

impl Bundle {
    /// Reads the anchors of a PEM text.
    ///
    /// # Errors
    /// The first thing that is wrong, with its line.
    pub fn parse(pem: &[u8]) -> Result<Self, BundleError> {
        let mut bundle = Self(Vec::new());
        parse_certificates(pem)?.into_iter().for_each(|anchor| bundle.add(anchor));
        Ok(bundle)
    }

    /// A bundle of one.
    pub fn of(anchor: Certificate) -> Self {
        Self(vec![anchor])
    }

    /// Adds an anchor. Of several certificates of one authority (same subject and key) the one that lasts longest
    /// stays, in the place of the first.
    pub fn add(&mut self, anchor: Certificate) {
        match self.0.iter_mut().find(|known| known.is_same_authority(&anchor)) {
            Some(known) if known.validity().not_after < anchor.validity().not_after => *known = anchor,
            Some(_) => {}
            None => self.0.push(anchor),
        }
    }

    /// The anchors, in order.
    pub fn certificates(&self) -> &[Certificate] {
        &self.0
    }

    /// What to call each anchor in a message.
    pub fn names(&self) -> Vec<String> {
        self.0.iter().map(Certificate::display_name).collect()
    }

    /// The bundle in canonical PEM, with a newline at the end.
    pub fn to_pem(&self) -> String {
        self.0.iter().map(Certificate::to_pem).collect()
    }

    /// Whether the authority of `certificate` is one of the anchors.
    pub fn contains(&self, certificate: &Certificate) -> bool {
        self.0.iter().any(|anchor| anchor.is_same_authority(certificate))
    }

    /// Whether both trust the same authorities, whatever the order, the text or the dates.
    pub fn trusts_same(&self, other: &Self) -> bool {
        let covers = |a: &Self, b: &Self| a.0.iter().all(|anchor| b.contains(anchor));
        covers(self, other) && covers(other, self)
    }

    /// The anchors in this bundle that `other` does not trust.
    pub fn without<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = &'a Certificate> {
        self.0.iter().filter(|anchor| !other.contains(anchor))
    }

    /// Anchors whose algorithms proxies do not support, with what is wrong.
    pub fn unsupported(&self) -> Vec<(&Certificate, Problem)> {
        let problems = |anchor| Problem::of_crypto(anchor).into_iter().map(move |problem| (anchor, problem));
        self.0.iter().flat_map(problems).collect()
    }

    /// Anchors that are not valid at `now`, with what is wrong.
    pub fn not_valid(&self, now: Timestamp) -> Vec<(&Certificate, Problem)> {
        self.0.iter().filter_map(|anchor| Some((anchor, Problem::of_validity(anchor, now)?))).collect()
    }

    /// Anchors that are valid at `now` but for less than `warning_days` more.
    pub fn expiring_soon(&self, now: Timestamp, warning_days: i64) -> Vec<&Certificate> {
        let soon = |anchor: &&Certificate| {
            matches!(anchor.validity().at(now, warning_days), Expiry::ExpiringSoon { .. })
        };
        self.0.iter().filter(soon).collect()
    }
}
