//! Session tickets with an end.
//!
//! The library accepts a ticket for as long as it has the key. Here each carries the time until which it is good: an hour at
//! most, and never longer than the leaf that it was given under.

use std::sync::Arc;
use std::time::Duration;

use rustls::server::ProducesTickets;
use rustls_pki_types::UnixTime;

/// The longest life of a ticket. Clients that come back at all come back within it.
const LONGEST: Duration = Duration::from_secs(3_600);
/// Octets of the time in front of a ticket's content.
const STAMP: usize = 8;

/// Tickets that end.
pub(super) struct EndingTickets {
    inner: Arc<dyn ProducesTickets>,
    /// When the leaf ends, in seconds since the epoch.
    leaf_ends: u64,
    clock: fn() -> UnixTime,
}

// === impl EndingTickets ===

impl EndingTickets {
    /// Tickets of a new key, none of which is good after `leaf_ends`.
    pub(super) fn new(leaf_ends: u64, clock: fn() -> UnixTime) -> Result<Self, rustls::Error> {
        Ok(Self { inner: rustls::crypto::aws_lc_rs::Ticketer::new()?, leaf_ends, clock })
    }

    fn deadline(&self) -> u64 {
        (self.clock)().as_secs().saturating_add(LONGEST.as_secs()).min(self.leaf_ends)
    }
}

impl std::fmt::Debug for EndingTickets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EndingTickets").field("leaf_ends", &self.leaf_ends).finish_non_exhaustive()
    }
}

impl ProducesTickets for EndingTickets {
    fn enabled(&self) -> bool {
        true
    }

    /// What clients are told, in seconds.
    fn lifetime(&self) -> u32 {
        let left = self.deadline().saturating_sub((self.clock)().as_secs());
        u32::try_from(left).unwrap_or(u32::MAX)
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let mut stamped = Vec::with_capacity(STAMP + plain.len());
        stamped.extend_from_slice(&self.deadline().to_be_bytes());
        stamped.extend_from_slice(plain);
        self.inner.encrypt(&stamped)
    }

    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        let mut stamped = self.inner.decrypt(cipher)?;
        let (stamp, _) = stamped.split_first_chunk::<STAMP>()?;
        if (self.clock)().as_secs() >= u64::from_be_bytes(*stamp) {
            return None;
        }
        Some(stamped.split_off(STAMP))
    }
}
