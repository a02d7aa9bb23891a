//! Which answers say that an endpoint should be left alone for a while.

/// What an answer says about the endpoint that gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// It has too much to do; its `Retry-After` or pushback counts.
    Overloaded,
    /// It failed.
    Failed,
}

// === impl Signal ===

impl Signal {
    /// What a status says; `grpc` is the gRPC status where the response is trailers only.
    #[must_use]
    pub fn of(status: u16, grpc: Option<u32>) -> Option<Self> {
        match (status, grpc) {
            // RESOURCE_EXHAUSTED, UNAVAILABLE
            (429 | 503, _) | (_, Some(8 | 14)) => Some(Self::Overloaded),
            // UNKNOWN, DEADLINE_EXCEEDED, INTERNAL, DATA_LOSS
            (500..=599, _) | (_, Some(2 | 4 | 13 | 15)) => Some(Self::Failed),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_that_weigh() {
        for (status, grpc, signal) in [
            (200, None, None),
            (404, None, None),
            (429, None, Some(Signal::Overloaded)),
            (503, None, Some(Signal::Overloaded)),
            (500, None, Some(Signal::Failed)),
            (200, Some(0), None),
            (200, Some(7), None),
            (200, Some(8), Some(Signal::Overloaded)),
            (200, Some(13), Some(Signal::Failed)),
        ] {
            assert_eq!(Signal::of(status, grpc), signal, "{status} {grpc:?}");
        }
    }
}
