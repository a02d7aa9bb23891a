//! Certificates for those who ask, and the ways in which that can fail.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use linkerd2_proxy_api::identity::identity_server::Identity;
use linkerd2_proxy_api::identity::{CertifyRequest, CertifyResponse};
use parking_lot::Mutex;
use tonic::{Code, Request, Response, Status};

use super::State;
use crate::mesh::authority::{Authority, PAST};

/// How requests for certificates are answered.
#[derive(Clone, Debug)]
pub enum Certify {
    /// With a certificate that lives so long.
    Issue(Duration),
    /// Not at all.
    Silence,
    /// With an error.
    Refuse(Code),
    /// With a certificate for somebody else.
    WrongName(String),
    /// With a certificate of an authority that nobody trusts.
    Foreign(Arc<Authority>),
    /// With octets that are no certificate.
    Garbage,
    /// With a certificate whose end is in the past.
    Expired,
}

#[derive(Debug)]
pub(super) struct Identities {
    authority: Mutex<Arc<Authority>>,
    certify: Mutex<Certify>,
    tokens: Mutex<HashMap<String, String>>,
}

// === impl Identities ===

impl Identities {
    pub(super) fn new(authority: Arc<Authority>) -> Self {
        Self {
            authority: Mutex::new(authority),
            certify: Mutex::new(Certify::Issue(Duration::from_secs(86_400))),
            tokens: Mutex::default(),
        }
    }

    pub(super) fn authority(&self) -> Arc<Authority> {
        self.authority.lock().clone()
    }

    pub(super) fn set_authority(&self, authority: Arc<Authority>) {
        *self.authority.lock() = authority;
    }

    pub(super) fn set(&self, certify: Certify) {
        *self.certify.lock() = certify;
    }

    pub(super) fn set_token(&self, identity: &str, token: &str) {
        self.tokens.lock().insert(identity.to_owned(), token.to_owned());
    }

    fn check_token(&self, request: &CertifyRequest) -> Result<(), Status> {
        match self.tokens.lock().get(&request.identity) {
            Some(token) if token.as_bytes() != request.token => {
                Err(Status::unauthenticated("the token is not the identity's"))
            }
            _ => Ok(()),
        }
    }
}

#[tonic::async_trait]
impl Identity for State {
    async fn certify(&self, request: Request<CertifyRequest>) -> Result<Response<CertifyResponse>, Status> {
        let request = request.into_inner();
        self.record("Identity/Certify", &request.identity, &String::from_utf8_lossy(&request.token));
        self.identities.check_token(&request)?;
        let certify = self.identities.certify.lock().clone();
        let authority = self.identities.authority();
        let day = Duration::from_secs(86_400);
        let (csr, identity) = (&request.certificate_signing_request, &request.identity);
        let (leaf, lifetime) = match certify {
            Certify::Issue(lifetime) => (authority.certify(csr, identity, lifetime), lifetime),
            Certify::WrongName(name) => (authority.certify_as(csr, &name, day), day),
            Certify::Foreign(other) => (other.certify(csr, identity, day), day),
            Certify::Garbage => (Ok(b"no certificate".to_vec()), day),
            Certify::Expired => (authority.certify_past(csr), Duration::ZERO),
            Certify::Refuse(code) => return Err(Status::new(code, "as the script says")),
            Certify::Silence => std::future::pending().await,
        };
        let leaf_certificate = leaf.map_err(|error| Status::invalid_argument(format!("{error:#}")))?;
        #[allow(clippy::disallowed_methods, reason = "certificates are valid from now")]
        let now = SystemTime::now();
        let end = if lifetime.is_zero() { now - PAST } else { now + lifetime };
        let valid_until = Some(prost_types::Timestamp::from(end));
        let intermediate_certificates = Vec::new();
        Ok(Response::new(CertifyResponse { leaf_certificate, intermediate_certificates, valid_until }))
    }
}
