//! What a rule of a gRPC route looks for.

use linkerd2_proxy_api::grpc_route as api;

use super::header::{FIELD_MAX, HeaderMatch};
use super::parts::Parts;
use super::{HasPrefix, Match};
use crate::model::error::{InvalidMessage, Problem, each};

/// All of these have to match.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GrpcMatch {
    service: Option<Box<str>>,
    method: Option<Box<str>>,
    headers: Vec<HeaderMatch>,
}

/// How closely a call matches: by service, then by method, then by number of headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GrpcScore {
    service: usize,
    method: usize,
    headers: usize,
}

// === impl GrpcMatch ===

impl Match for GrpcMatch {
    type Score = GrpcScore;

    fn score(&self, parts: &Parts<'_>) -> Option<GrpcScore> {
        if self.service.is_some() || self.method.is_some() {
            let (service, method) = rpc(parts.path)?;
            let same = |wanted: &Option<Box<str>>, is: &[u8]| {
                wanted.as_ref().is_none_or(|text| text.as_bytes() == is)
            };
            if !same(&self.service, service) || !same(&self.method, method) {
                return None;
            }
        }
        let length = |text: &Option<Box<str>>| text.as_ref().map_or(0, |text| text.len());
        self.headers.iter().all(|header| header.matches(parts.head)).then(|| GrpcScore {
            service: length(&self.service),
            method: length(&self.method),
            headers: self.headers.len(),
        })
    }

    fn unconditional() -> GrpcScore {
        GrpcScore { service: 0, method: 0, headers: 0 }
    }
}

impl TryFrom<api::GrpcRouteMatch> for GrpcMatch {
    type Error = InvalidMessage;

    fn try_from(message: api::GrpcRouteMatch) -> Result<Self, InvalidMessage> {
        let rpc = message.rpc.unwrap_or_default();
        Ok(Self {
            service: segment(rpc.service, "rpc.service")?,
            method: segment(rpc.method, "rpc.method")?,
            headers: each(message.headers, "headers", HeaderMatch::try_from)?,
        })
    }
}

// === impl GrpcScore ===

impl HasPrefix for GrpcScore {
    fn prefix(&self) -> Option<usize> {
        None
    }
}

// === helpers ===

/// Service and method of a call's path, `/package.Service/Method`.
fn rpc(path: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = path.strip_prefix(b"/")?;
    let slash = rest.iter().position(|octet| *octet == b'/')?;
    let (service, method) = (&rest[..slash], &rest[slash + 1..]);
    (!service.is_empty() && !method.is_empty() && !method.contains(&b'/')).then_some((service, method))
}

/// Empty is any.
fn segment(text: String, field: &'static str) -> Result<Option<Box<str>>, InvalidMessage> {
    if text.len() > FIELD_MAX || text.contains('/') {
        return Err(InvalidMessage::with_value(field, Problem::Name, text));
    }
    Ok((!text.is_empty()).then(|| text.into()))
}
