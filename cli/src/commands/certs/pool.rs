//! Certificates with the places they were found in, so that one can be said to be signed by another.

use jiff::Timestamp;
use mesh_pki::{Bundle, Certificate, Problem, chain_to};

use crate::output::cert::{CertificateRow, Role};

/// All certificates looked at, with their places.
#[derive(Debug, Default)]
pub struct Pool(Vec<(String, Certificate)>);

/// The clock and the warning time of one report.
#[derive(Clone, Copy, Debug)]
pub struct Judge {
    /// Now.
    pub now: Timestamp,
    /// Days before the end from which a certificate expires soon.
    pub warning_days: i64,
}

impl Pool {
    /// Adds the certificates of one place; those after the first are numbered.
    pub fn add(&mut self, place: &str, certificates: &[Certificate]) -> Vec<(String, Certificate)> {
        let numbered = |index: usize| match index {
            0 => place.to_owned(),
            _ => format!("{place} #{}", index + 1),
        };
        let placed: Vec<_> =
            certificates.iter().enumerate().map(|(index, found)| (numbered(index), found.clone())).collect();
        self.0.extend(placed.iter().cloned());
        placed
    }

    /// All certificates, with their places.
    pub fn all(&self) -> &[(String, Certificate)] {
        &self.0
    }

    /// All certificates.
    pub fn certificates(&self) -> Vec<Certificate> {
        self.0.iter().map(|(_, certificate)| certificate.clone()).collect()
    }

    /// Where the first certificate of the same authority as `certificate` is.
    fn place_of(&self, certificate: &Certificate) -> Option<String> {
        let same = |(_, known): &&(String, Certificate)| known.is_same_authority(certificate);
        self.0.iter().find(same).map(|(place, _)| place.clone())
    }

    /// Where the certificate is that signed `certificate`, among these.
    fn signer_of(&self, certificate: &Certificate) -> Option<String> {
        if certificate.is_self_issued() && mesh_pki::signed_by_key(certificate, certificate) {
            return Some("itself".to_owned());
        }
        let signer = self.0.iter().find(|(_, known)| mesh_pki::signed_by_key(certificate, known))?;
        self.place_of(&signer.1)
    }

    /// The row of a certificate; its time is judged here, everything else by the caller.
    pub fn row(
        &self,
        place: String,
        role: Role,
        certificate: &Certificate,
        problems: &[Problem],
        judge: Judge,
    ) -> CertificateRow {
        let time = Problem::of_validity(certificate, judge.now);
        let mut texts: Vec<String> = time.iter().chain(problems).map(ToString::to_string).collect();
        texts.dedup();
        let mut row = CertificateRow::new(place, role, certificate, texts, judge.now, judge.warning_days);
        if let Some(facts) = &mut row.certificate {
            facts.signed_by = self.signer_of(certificate);
        }
        row
    }
}

/// What keeps `certificate` from leading to one of `anchors`, if anything.
pub fn chain_problem(
    certificate: &Certificate,
    intermediates: &[Certificate],
    anchors: &Bundle,
    now: Timestamp,
) -> Option<Problem> {
    chain_to(certificate, intermediates, anchors, now).err().map(Problem::Chain)
}
