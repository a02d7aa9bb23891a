//! Limits of requests a second: one for all, one for each client.
//!
//! The generic cell rate algorithm: one number says when the bucket will be full again. It is an atomic, so that every worker of the
//! process draws on the same bucket without a lock. A bucket that is full says nothing, so it can be forgotten at any time.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ahash::AHashMap;
use parking_lot::Mutex;

const SECOND: u64 = 1_000_000_000;

/// A bucket that takes `rate` requests at once and is filled again within a second.
#[derive(Debug)]
pub struct Gcra {
    epoch: Instant,
    /// Nanoseconds that one request stands for.
    interval: u64,
    /// When the bucket will be full, in nanoseconds since the epoch.
    full_at: AtomicU64,
}

/// Limits, as they are configured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LimitConfig {
    /// For all clients together.
    pub total: Option<NonZeroU32>,
    /// For each client; those without an identity share one bucket.
    pub client: Option<NonZeroU32>,
    /// Instead of `client` for these identities; none is no limit.
    pub overrides: Vec<(Box<str>, Option<NonZeroU32>)>,
}

/// Limits at work.
#[derive(Debug)]
pub struct Limits {
    config: LimitConfig,
    epoch: Instant,
    total: Option<Gcra>,
    anonymous: Bucket,
    /// For identities beyond `most`.
    overflow: Bucket,
    clients: Mutex<AHashMap<Box<str>, Arc<Gcra>>>,
    most: usize,
}

/// The bucket of one client; to be kept with its connection.
#[derive(Clone, Debug, Default)]
pub struct Bucket(Option<Arc<Gcra>>);

/// Which limit refused a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// That of all clients together.
    Total,
    /// That of one client.
    Client,
}

/// A request above a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("request rate is above the limit; the next is taken in {wait:?}")]
pub struct Limited {
    /// Which limit.
    pub scope: Scope,
    /// When a request would be taken.
    pub wait: Duration,
}

// === impl Gcra ===

impl Gcra {
    /// A full bucket; `epoch` is any time that has passed.
    #[must_use]
    pub fn new(rate: NonZeroU32, epoch: Instant) -> Self {
        Self { epoch, interval: (SECOND / u64::from(rate.get())).max(1), full_at: AtomicU64::new(0) }
    }

    /// Takes one request from the bucket.
    ///
    /// # Errors
    /// How long to wait, where the bucket is empty.
    pub fn take(&self, now: Instant) -> Result<(), Duration> {
        let now = self.since_epoch(now);
        let update = |full_at: u64| self.next(full_at, now).ok();
        match self.full_at.fetch_update(Ordering::Relaxed, Ordering::Relaxed, update) {
            Ok(_) => Ok(()),
            Err(full_at) => self.next(full_at, now).map(|_| ()),
        }
    }

    /// Whether a request would be taken.
    ///
    /// # Errors
    /// As for [`take`](Self::take).
    pub fn check(&self, now: Instant) -> Result<(), Duration> {
        self.next(self.full_at.load(Ordering::Relaxed), self.since_epoch(now)).map(|_| ())
    }

    /// Whether the bucket is full, and so as good as a new one.
    fn is_full(&self, now: Instant) -> bool {
        self.full_at.load(Ordering::Relaxed) <= self.since_epoch(now)
    }

    fn next(&self, full_at: u64, now: u64) -> Result<u64, Duration> {
        let next = full_at.max(now) + self.interval;
        match next.checked_sub(now + SECOND) {
            None | Some(0) => Ok(next),
            Some(excess) => Err(Duration::from_nanos(excess)),
        }
    }

    fn since_epoch(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.epoch).as_nanos() as u64
    }
}

// === impl Limits ===

impl Limits {
    /// Limits with full buckets, for at most `most` identities at a time; those beyond share one bucket.
    #[must_use]
    pub fn new(config: LimitConfig, most: usize, epoch: Instant) -> Self {
        let bucket = || Bucket(config.client.map(|rate| Arc::new(Gcra::new(rate, epoch))));
        Self {
            total: config.total.map(|rate| Gcra::new(rate, epoch)),
            anonymous: bucket(),
            overflow: bucket(),
            clients: Mutex::new(AHashMap::new()),
            config,
            epoch,
            most,
        }
    }

    /// What they were made of.
    #[must_use]
    pub fn config(&self) -> &LimitConfig {
        &self.config
    }

    /// The bucket of a client, by its identity.
    #[must_use]
    pub fn bucket(&self, client: Option<&str>, now: Instant) -> Bucket {
        let Some(client) = client else { return self.anonymous.clone() };
        let own = self.config.overrides.iter().find(|(name, _)| **name == *client).map(|(_, rate)| *rate);
        let Some(rate) = own.unwrap_or(self.config.client) else { return Bucket(None) };
        let mut clients = self.clients.lock();
        if let Some(found) = clients.get(client) {
            return Bucket(Some(found.clone()));
        }
        if clients.len() >= self.most {
            clients.retain(|_, bucket| Arc::strong_count(bucket) > 1 || !bucket.is_full(now));
        }
        if clients.len() >= self.most && own.is_none() {
            return self.overflow.clone();
        }
        let bucket = Arc::new(Gcra::new(rate, self.epoch));
        clients.insert(client.into(), bucket.clone());
        Bucket(Some(bucket))
    }

    /// Takes one request of a client from its bucket and that of all.
    ///
    /// A client above its own limit takes nothing from what all share, so it cannot use it up.
    ///
    /// # Errors
    /// Which limit refused it; the common one is looked at first.
    pub fn take(&self, bucket: &Bucket, now: Instant) -> Result<(), Limited> {
        let total = |wait| Limited { scope: Scope::Total, wait };
        if let Some(all) = &self.total {
            all.check(now).map_err(total)?;
        }
        if let Some(own) = &bucket.0 {
            own.take(now).map_err(|wait| Limited { scope: Scope::Client, wait })?;
        }
        self.total.as_ref().map_or(Ok(()), |all| all.take(now)).map_err(total)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(rate: u32) -> Option<NonZeroU32> {
        NonZeroU32::new(rate)
    }

    fn limits(total: u32, client: u32, overrides: &[(&str, u32)], t0: Instant) -> Limits {
        let overrides = overrides.iter().map(|(name, own)| ((*name).into(), rate(*own))).collect();
        Limits::new(LimitConfig { total: rate(total), client: rate(client), overrides }, 2, t0)
    }

    /// How many of `of` requests of a client are taken.
    fn taken(limits: &Limits, client: Option<&str>, now: Instant, of: u32) -> u32 {
        let bucket = limits.bucket(client, now);
        (0..of).filter(|_| limits.take(&bucket, now).is_ok()).count() as u32
    }

    #[test]
    fn a_bucket_takes_a_second_at_once_and_then_the_rate() {
        let t0 = Instant::now();
        let bucket = Gcra::new(NonZeroU32::new(10).unwrap(), t0);
        assert_eq!((0..20).filter(|_| bucket.take(t0).is_ok()).count(), 10);
        assert_eq!(bucket.take(t0), Err(Duration::from_millis(100)));
        assert_eq!(bucket.check(t0 + Duration::from_millis(99)), Err(Duration::from_millis(1)));
        let later = t0 + Duration::from_millis(350);
        assert_eq!((0..20).filter(|_| bucket.take(later).is_ok()).count(), 3);
        assert_eq!((0..20).filter(|_| bucket.take(t0 + Duration::from_secs(60)).is_ok()).count(), 10);
    }

    #[test]
    fn clients_without_an_identity_share_a_bucket_and_others_have_their_own() {
        let t0 = Instant::now();
        let limits = limits(0, 5, &[], t0);
        assert_eq!(taken(&limits, None, t0, 3), 3);
        assert_eq!(taken(&limits, None, t0, 9), 2);
        assert_eq!(taken(&limits, Some("a"), t0, 9), 5);
        assert_eq!(taken(&limits, Some("b"), t0, 9), 5);
        assert_eq!(taken(&limits, Some("a"), t0, 9), 0);
    }

    #[test]
    fn an_override_takes_the_place_of_the_limit_of_a_client() {
        let t0 = Instant::now();
        let limits = limits(100, 5, &[("a", 20), ("b", 0)], t0);
        assert_eq!(taken(&limits, Some("a"), t0, 30), 20);
        assert_eq!(taken(&limits, Some("b"), t0, 100), 80, "only what all share is left");
        let refused = limits.take(&limits.bucket(Some("b"), t0), t0).unwrap_err();
        assert_eq!(refused.scope, Scope::Total);
    }

    // The original takes from the common bucket first, so one client that is refused for its own limit starves the others.
    #[test]
    fn a_client_above_its_own_limit_does_not_use_up_what_all_share() {
        let t0 = Instant::now();
        let limits = limits(10, 2, &[], t0);
        assert_eq!(taken(&limits, Some("noisy"), t0, 1000), 2);
        assert_eq!(taken(&limits, Some("quiet"), t0, 2), 2);
        let refused = limits.take(&limits.bucket(Some("noisy"), t0), t0).unwrap_err();
        assert_eq!(refused.scope, Scope::Client);
    }

    #[test]
    fn identities_are_bounded_and_full_buckets_are_forgotten() {
        let t0 = Instant::now();
        let limits = limits(0, 5, &[("d", 7)], t0);
        assert_eq!(taken(&limits, Some("a"), t0, 5) + taken(&limits, Some("b"), t0, 5), 10);
        assert_eq!(taken(&limits, Some("c"), t0, 9), 5, "the bucket of those beyond");
        assert_eq!(taken(&limits, Some("e"), t0, 9), 0, "is shared");
        assert_eq!(taken(&limits, Some("d"), t0, 9), 7, "an override has its own always");
        assert_eq!(taken(&limits, Some("a"), t0, 9), 0, "a bucket in use is kept");
        let later = t0 + Duration::from_secs(2);
        assert_eq!(taken(&limits, Some("e"), later, 9), 5);
        assert!(limits.clients.lock().len() <= 2);
    }

    proptest::proptest! {
        #[test]
        fn no_window_sees_more_than_the_burst_and_the_rate(
            rate in 1u32..200, pauses in proptest::collection::vec(0u64..40_000, 1..400),
        ) {
            let t0 = Instant::now();
            let bucket = Gcra::new(NonZeroU32::new(rate).unwrap(), t0);
            let (mut now, mut times) = (t0, Vec::new());
            for pause in pauses {
                now += Duration::from_micros(pause);
                if bucket.take(now).is_ok() { times.push(now); }
            }
            for (first, start) in times.iter().enumerate() {
                for (last, end) in times.iter().enumerate().skip(first) {
                    let most = f64::from(rate) * (1.0 + (*end - *start).as_secs_f64()) + 1.0;
                    proptest::prop_assert!(((last - first + 1) as f64) < most + 1e-3);
                }
            }
        }
    }
}
