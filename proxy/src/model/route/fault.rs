//! Failures that a route makes on purpose.

use linkerd2_proxy_api::grpc_route as api_grpc;
use linkerd2_proxy_api::http_route as api;

use crate::model::error::{InvalidMessage, Problem, Within};

/// Longest message of a failure.
const MESSAGE_MAX: usize = 1024;

/// Answers a share of requests with a failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailureInjector {
    /// What the client gets.
    pub failure: Failure,
    /// The share of requests.
    pub ratio: Ratio,
}

/// A failure and its message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// A status of 200 to 599.
    Http(u16, Box<str>),
    /// A gRPC status of 0 to 16.
    Grpc(u8, Box<str>),
}

/// A share; the numerator is at most the denominator, which is not 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ratio {
    numerator: u32,
    denominator: u32,
}

// === impl Ratio ===

impl Ratio {
    /// Every time.
    pub const ALWAYS: Self = Self { numerator: 1, denominator: 1 };

    /// A share from a message.
    ///
    /// # Errors
    /// When it is not one.
    pub fn new(numerator: u32, denominator: u32) -> Result<Self, InvalidMessage> {
        if denominator == 0 || numerator > denominator {
            let value = format_args!("{numerator}/{denominator}");
            return Err(InvalidMessage::with_value("ratio", Problem::Range, value));
        }
        Ok(Self { numerator, denominator })
    }

    /// Whether a random number, uniform in 64 bits, falls into the share.
    #[must_use]
    pub fn hits(self, random: u64) -> bool {
        let draw = ((random >> 32) * u64::from(self.denominator)) >> 32;
        draw < u64::from(self.numerator)
    }
}

// === impl FailureInjector ===

impl TryFrom<api::HttpFailureInjector> for FailureInjector {
    type Error = InvalidMessage;

    fn try_from(message: api::HttpFailureInjector) -> Result<Self, InvalidMessage> {
        let status = u16::try_from(message.status).ok().filter(|status| (200..=599).contains(status));
        let status =
            status.ok_or_else(|| InvalidMessage::with_value("status", Problem::Status, message.status))?;
        Ok(Self { failure: Failure::Http(status, text(message.message)?), ratio: ratio(message.ratio)? })
    }
}

impl TryFrom<api_grpc::GrpcFailureInjector> for FailureInjector {
    type Error = InvalidMessage;

    fn try_from(message: api_grpc::GrpcFailureInjector) -> Result<Self, InvalidMessage> {
        let code = u8::try_from(message.code).ok().filter(|code| *code <= 16);
        let code = code.ok_or_else(|| InvalidMessage::with_value("code", Problem::Status, message.code))?;
        Ok(Self { failure: Failure::Grpc(code, text(message.message)?), ratio: ratio(message.ratio)? })
    }
}

// === helpers ===

fn ratio(message: Option<api::Ratio>) -> Result<Ratio, InvalidMessage> {
    message.map_or(Ok(Ratio::ALWAYS), |ratio| Ratio::new(ratio.numerator, ratio.denominator).within("ratio"))
}

fn text(message: String) -> Result<Box<str>, InvalidMessage> {
    if message.len() > MESSAGE_MAX {
        return Err(InvalidMessage::with_value("message", Problem::TooLarge, message));
    }
    Ok(message.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_hits_as_often_as_it_says() {
        const STEP: u64 = u64::MAX / 1000;
        let hits = |ratio: Ratio| (0..1000u64).filter(|index| ratio.hits(index * STEP + STEP / 2)).count();
        assert_eq!(hits(Ratio::new(1, 4).unwrap()), 250);
        assert_eq!((hits(Ratio::ALWAYS), hits(Ratio::new(0, 7).unwrap())), (1000, 0));
        assert!(Ratio::new(u32::MAX, u32::MAX).unwrap().hits(u64::MAX));
        assert!(Ratio::new(1, 0).is_err() && Ratio::new(2, 1).is_err());
    }

    #[test]
    fn only_statuses_that_can_be_sent_are_taken() {
        let http = |status| {
            FailureInjector::try_from(api::HttpFailureInjector {
                status,
                message: String::new(),
                ratio: None,
            })
        };
        assert_eq!(http(503).unwrap().failure, Failure::Http(503, "".into()));
        for status in [0, 100, 199, 600, 65_736] {
            assert_eq!(http(status).unwrap_err().problem(), Problem::Status);
        }
        let grpc = |code, message: &str| {
            let message = message.to_owned();
            FailureInjector::try_from(api_grpc::GrpcFailureInjector { code, message, ratio: None })
        };
        assert_eq!(grpc(14, "no").unwrap().failure, Failure::Grpc(14, "no".into()));
        assert_eq!(grpc(17, "").unwrap_err().problem(), Problem::Status);
        assert_eq!(grpc(1, &"x".repeat(1 << 20)).unwrap_err().problem(), Problem::TooLarge);
    }
}
