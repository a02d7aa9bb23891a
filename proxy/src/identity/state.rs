//! What the rest of the process sees of the identity, and what is counted of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use super::{Credentials, Trust};

/// The identity at this moment.
#[derive(Clone, Debug)]
pub struct State {
    /// The anchors in force.
    pub trust: Trust,
    /// The present generation; none before the first certificate.
    pub credentials: Option<Arc<Credentials>>,
}

/// Counts of certificates and bundles.
#[derive(Debug, Default)]
pub struct Metrics {
    expires: AtomicU64,
    refreshed: AtomicU64,
    refreshes: [AtomicU64; 2],
    bundles: [AtomicU64; 2],
}

/// The counts at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// When the leaf ends, in seconds since the epoch; 0 before the first.
    pub expires: u64,
    /// When it was got, in seconds since the epoch; 0 before the first.
    pub refreshed: u64,
    /// Certificates that were taken.
    pub refreshes_ok: u64,
    /// Attempts that failed.
    pub refreshes_error: u64,
    /// Bundles that were taken.
    pub bundles_ok: u64,
    /// Bundles that were not.
    pub bundles_error: u64,
}

// === impl Metrics ===

impl Metrics {
    /// The counts.
    pub fn snapshot(&self) -> Snapshot {
        let load = |cell: &AtomicU64| cell.load(Ordering::Relaxed);
        Snapshot {
            expires: load(&self.expires),
            refreshed: load(&self.refreshed),
            refreshes_ok: load(&self.refreshes[0]),
            refreshes_error: load(&self.refreshes[1]),
            bundles_ok: load(&self.bundles[0]),
            bundles_error: load(&self.bundles[1]),
        }
    }

    pub(super) fn refreshed(&self, now: SystemTime, expires: SystemTime) {
        self.expires.store(seconds(expires), Ordering::Relaxed);
        self.refreshed.store(seconds(now), Ordering::Relaxed);
        self.refreshes[0].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn refresh_failed(&self) {
        self.refreshes[1].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn bundle(&self, taken: bool) {
        self.bundles[usize::from(!taken)].fetch_add(1, Ordering::Relaxed);
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs()
}
