//! Which certificate signed which, and whether a path leads to a trust anchor.

use jiff::Timestamp;
use thiserror::Error;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use crate::bundle::Bundle;
use crate::certificate::Certificate;
use crate::problem::Problem;

/// Longest path looked for, anchor included.
pub const MAX_CHAIN: usize = 8;

/// Signatures checked before a search is given up: hostile bundles repeat one name.
const MAX_SIGNATURES: usize = 200;

/// Why no path leads from a certificate to a trust anchor.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ChainProblem {
    /// No anchor has the name that the certificate says signed it.
    #[error("signed by {issuer}, which is not among the trust anchors: {}", anchors.join(", "))]
    UnknownIssuer {
        /// Name of the missing signer.
        issuer: String,
        /// Names of the anchors there are.
        anchors: Vec<String>,
    },
    /// A certificate of the right name did not sign it: another key of the same name.
    #[error("claims to be signed by {signer}, but the signature does not verify with its key")]
    BadSignature {
        /// Name of both.
        signer: String,
    },
    /// The signer is no certificate authority.
    #[error("signed by {signer}, which is not a CA")]
    SignerNotCa {
        /// Name of the signer.
        signer: String,
    },
    /// The signer's key usage does not cover it.
    #[error("signed by {signer}, whose key usage does not include certificate signing")]
    SignerMayNotSign {
        /// Name of the signer.
        signer: String,
    },
    /// A certificate on the path is not valid now.
    #[error("signed by {signer}, which is {problem}")]
    SignerNotValid {
        /// Name of the signer.
        signer: String,
        /// What is wrong with its time.
        problem: Box<Problem>,
    },
    /// More intermediates than an authority on the path allows.
    #[error(
        "{signer} allows no more than {allowed} intermediate certificates below it, but there are {found}"
    )]
    PathTooLong {
        /// Name of that authority.
        signer: String,
        /// Its limit.
        allowed: u32,
        /// How many there are.
        found: u32,
    },
    /// The search was given up.
    #[error("no path to a trust anchor found within {MAX_SIGNATURES} signature checks")]
    GaveUp,
    /// The verifier that proxies use refuses the path for a reason of its own.
    #[error("refused by the verifier that proxies use: {detail}")]
    Refused {
        /// What it says.
        detail: String,
    },
}

/// Whether `parent` signed `child`: names, signature, and its right to sign. Times are not looked at.
///
/// # Errors
/// What speaks against it.
pub fn signed_by(child: &Certificate, parent: &Certificate) -> Result<(), ChainProblem> {
    let signer = parent.display_name();
    if !child.names_as_issuer(parent) {
        return Err(ChainProblem::UnknownIssuer { issuer: child.issuer().to_owned(), anchors: vec![signer] });
    }
    if !signature_verifies(child, parent) {
        return Err(ChainProblem::BadSignature { signer });
    }
    if !parent.is_ca() {
        return Err(ChainProblem::SignerNotCa { signer });
    }
    match parent.may_sign_certificates() {
        true => Ok(()),
        false => Err(ChainProblem::SignerMayNotSign { signer }),
    }
}

/// Finds a path from `certificate` over `intermediates` to one of `anchors`, all valid at `now`.
///
/// The path starts with `certificate` and ends with the anchor. A certificate that is itself an anchor is a path of
/// one. The validity of `certificate` is not looked at, that of all others is.
///
/// # Errors
/// The problem of the path that came furthest.
pub fn chain_to<'a>(
    certificate: &'a Certificate,
    intermediates: &'a [Certificate],
    anchors: &'a Bundle,
    now: Timestamp,
) -> Result<Vec<&'a Certificate>, ChainProblem> {
    let mut search = Search { intermediates, anchors, now, signatures: 0, problem: None };
    let mut path = vec![certificate];
    match search.extend(&mut path) {
        true => Ok(path),
        false if search.signatures >= MAX_SIGNATURES => Err(ChainProblem::GaveUp),
        false => Err(search.problem.unwrap_or_else(|| ChainProblem::UnknownIssuer {
            issuer: certificate.issuer().to_owned(),
            anchors: anchors.names(),
        })),
    }
}

struct Search<'a> {
    intermediates: &'a [Certificate],
    anchors: &'a Bundle,
    now: Timestamp,
    signatures: usize,
    problem: Option<ChainProblem>,
}

impl<'a> Search<'a> {
    /// Extends `path` to an anchor; true when it got there.
    fn extend(&mut self, path: &mut Vec<&'a Certificate>) -> bool {
        let Some(&last) = path.last() else { return false };
        if self.anchors.contains(last) && self.lengths_hold(path) {
            return true;
        }
        if path.len() == MAX_CHAIN {
            return false;
        }
        let anchors: &'a Bundle = self.anchors;
        let intermediates: &'a [Certificate] = self.intermediates;
        let candidates = anchors.certificates().iter().chain(intermediates);
        for parent in candidates.filter(|parent| last.names_as_issuer(parent)) {
            if path.iter().any(|seen| seen.is_same_authority(parent)) || !self.accepts(last, parent) {
                continue;
            }
            path.push(parent);
            if self.extend(path) {
                return true;
            }
            path.pop();
        }
        false
    }

    fn accepts(&mut self, child: &Certificate, parent: &Certificate) -> bool {
        if self.signatures >= MAX_SIGNATURES {
            return false;
        }
        self.signatures += 1;
        let outcome = signed_by(child, parent).and_then(|()| match Problem::of_validity(parent, self.now) {
            Some(problem) => {
                let problem = Box::new(problem);
                Err(ChainProblem::SignerNotValid { signer: parent.display_name(), problem })
            }
            None => Ok(()),
        });
        outcome.map_err(|problem| self.note(problem)).is_ok()
    }

    /// Whether every authority of a complete path allows as many intermediates as there are below it.
    fn lengths_hold(&mut self, path: &[&Certificate]) -> bool {
        for (authority, below) in path.iter().skip(1).zip(1_u32..) {
            // The first certificate of the path counts as an intermediate when it signs others itself.
            let found = if path[0].is_ca() { below } else { below - 1 };
            match authority.path_length() {
                Some(allowed) if allowed < found => {
                    let signer = authority.display_name();
                    self.note(ChainProblem::PathTooLong { signer, allowed, found });
                    return false;
                }
                _ => {}
            }
        }
        true
    }

    fn note(&mut self, problem: ChainProblem) {
        let rank = |problem: &ChainProblem| match problem {
            ChainProblem::UnknownIssuer { .. } => 0,
            ChainProblem::BadSignature { .. } => 1,
            _ => 2,
        };
        if self.problem.as_ref().is_none_or(|known| rank(known) < rank(&problem)) {
            self.problem = Some(problem);
        }
    }
}

/// Whether the names fit and `parent`'s key verifies the signature of `child`, whatever `parent` is allowed to do.
pub fn signed_by_key(child: &Certificate, parent: &Certificate) -> bool {
    child.names_as_issuer(parent) && signature_verifies(child, parent)
}

fn signature_verifies(child: &Certificate, parent: &Certificate) -> bool {
    let (Ok((_, child)), Ok((_, parent))) =
        (X509Certificate::from_der(child.der()), X509Certificate::from_der(parent.der()))
    else {
        return false;
    };
    child.verify_signature(Some(parent.public_key())).is_ok()
}
