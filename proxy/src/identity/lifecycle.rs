//! Getting certificates, renewing them, and following the trust bundle.
//!
//! One task owns all of it, so that a new leaf and a new bundle cannot pass each other. Whatever fails leaves the last good
//! state in force. A bundle that the present leaf does not lead to waits for the next leaf, which is then asked for at once:
//! proxies that show a leaf nobody trusts help nobody.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use mesh_pki::Bundle;
use tokio::sync::{mpsc, watch};

use super::schedule::{Moment, Schedule};
use super::state::{Metrics, State};
use super::{Credentials, CredentialsError, Id, Leaf, Trust};

/// The longest sleep: after it the wall's clock is looked at again.
const LONGEST_SLEEP: Duration = Duration::from_secs(5);
/// How often a process without a certificate says so.
const REMINDER: Duration = Duration::from_secs(15);

/// A leaf as it was got, not verified.
pub(super) struct Issued {
    /// DER, the leaf first.
    pub(super) chain: Vec<Vec<u8>>,
    /// PKCS#8 in DER.
    pub(super) key: Vec<u8>,
    /// When its maker says it ends.
    pub(super) valid_until: Option<SystemTime>,
}

/// Who makes leaves.
pub(super) trait Issuer {
    /// Asks for one; the error is for a log, and names the cause.
    fn issue(&mut self) -> impl Future<Output = Result<Issued, String>> + Send;

    /// Returns when it has another leaf before that is due, or wants to be asked again; never where it only answers.
    fn news(&mut self) -> impl Future<Output = ()> + Send {
        std::future::pending()
    }
}

/// What the task works with, whoever makes leaves.
pub(super) struct Life {
    pub(super) id: Id,
    pub(super) schedule: Schedule,
    pub(super) state: watch::Sender<State>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) clock: fn() -> SystemTime,
    /// Bundles as they are learned.
    pub(super) bundles: mpsc::Receiver<Bundle>,
}

/// The task.
pub(super) struct Lifecycle<I> {
    life: Life,
    issuer: I,
    /// A bundle that the present leaf does not lead to.
    pending: Option<Trust>,
    generation: u64,
}

// === impl Lifecycle ===

impl<I: Issuer> Lifecycle<I> {
    pub(super) fn new(life: Life, issuer: I) -> Self {
        Self { life, issuer, pending: None, generation: 0 }
    }

    /// Runs until its task is dropped.
    pub(super) async fn run(mut self) {
        let mut failures = 0;
        let mut next = Moment::after(Duration::ZERO, (self.life.clock)(), Instant::now());
        loop {
            self.wait(&next).await;
            let issued = self.issuer.issue().await;
            // Anchors that came with a leaf are what it leads to.
            while let Ok(bundle) = self.life.bundles.try_recv() {
                self.adopt(bundle);
            }
            let now = (self.life.clock)();
            let wait =
                match issued.and_then(|issued| self.take(issued, now).map_err(|error| error.to_string())) {
                    Ok(expires) => {
                        failures = 0;
                        self.life.schedule.refresh(now, expires)
                    }
                    Err(error) => {
                        self.life.metrics.refresh_failed();
                        let wait = self.life.schedule.retry(now, self.expires(), failures, rand::random());
                        failures = failures.saturating_add(1);
                        tracing::warn!(id = %self.life.id, %error, ?wait, "no certificate; retrying");
                        wait
                    }
                };
            next = Moment::after(wait, now, Instant::now());
        }
    }

    /// Waits for a moment, taking bundles meanwhile; one that needs another leaf ends the wait, and so does news of one.
    async fn wait(&mut self, moment: &Moment) {
        let mut reminder = tokio::time::interval(REMINDER);
        reminder.tick().await;
        while let Some(left) = moment.left((self.life.clock)(), Instant::now()) {
            tokio::select! {
                () = tokio::time::sleep(left.min(LONGEST_SLEEP)) => {}
                Some(bundle) = self.life.bundles.recv() => {
                    if self.adopt(bundle) == Adopted::NeedsLeaf {
                        return;
                    }
                }
                () = self.issuer.news() => return,
                _ = reminder.tick(), if self.life.state.borrow().credentials.is_none() => {
                    tracing::warn!(id = %self.life.id, "still without a certificate: connections of the mesh cannot be served");
                }
            }
        }
    }

    fn expires(&self) -> Option<SystemTime> {
        self.life.state.borrow().credentials.as_ref().map(|credentials| credentials.leaf().not_after())
    }

    /// Puts a leaf in force if peers would take it: with the newest bundle if it leads there, else with the present one.
    fn take(&mut self, issued: Issued, now: SystemTime) -> Result<SystemTime, CredentialsError> {
        let present = self.life.state.borrow().trust.clone();
        let Issued { chain, key, valid_until } = issued;
        let with = |trust: &Trust| Leaf::verify(chain.clone(), &key, &self.life.id, trust, now);
        let (leaf, trust) = match self.pending.as_ref().map(|pending| (with(pending), pending)) {
            Some((Ok(leaf), pending)) => (leaf, pending.clone()),
            Some((Err(_), _)) | None => (with(&present)?, present),
        };
        let expires = valid_until.map_or(leaf.not_after(), |until| until.min(leaf.not_after()));
        if expires <= now {
            return Err(CredentialsError::Ended);
        }
        self.generation += 1;
        let generation = self.generation;
        let credentials = Credentials::new(self.life.id.clone(), leaf, trust.clone(), generation, now)?;
        if self.pending.as_ref().is_some_and(|pending| pending.same_as(&trust)) {
            self.pending = None;
        }
        self.life.metrics.refreshed(now, expires);
        tracing::info!(id = %self.life.id, generation, expires = %jiff_text(expires), "certified");
        self.life.state.send_replace(State { trust, credentials: Some(Arc::new(credentials)) });
        Ok(expires)
    }

    /// Puts a bundle in force, or keeps it until there is a leaf for it.
    fn adopt(&mut self, bundle: Bundle) -> Adopted {
        let state = self.life.state.borrow().clone();
        if state.trust.bundle().trusts_same(&bundle) {
            self.pending = None;
            return Adopted::Done;
        }
        let anchors = bundle.names();
        let trust = match state.trust.with_bundle(bundle) {
            Ok(trust) => trust,
            Err(error) => {
                self.life.metrics.bundle(false);
                tracing::warn!(%error, "the new trust bundle is not used");
                return Adopted::Done;
            }
        };
        self.life.metrics.bundle(true);
        self.generation += 1;
        let now = (self.life.clock)();
        let credentials = state.credentials.as_ref().map(|present| {
            Credentials::new(
                self.life.id.clone(),
                present.leaf().clone(),
                trust.clone(),
                self.generation,
                now,
            )
        });
        match credentials.transpose() {
            Ok(credentials) => {
                tracing::info!(?anchors, "the trust bundle has changed");
                self.pending = None;
                self.life.state.send_replace(State { trust, credentials: credentials.map(Arc::new) });
                Adopted::Done
            }
            Err(error) => {
                tracing::warn!(?anchors, %error, "the new trust bundle does not fit our certificate; asking for another");
                self.pending = Some(trust);
                Adopted::NeedsLeaf
            }
        }
    }
}

/// What became of a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Adopted {
    /// It is in force, or refused.
    Done,
    /// It waits for a leaf that leads to it.
    NeedsLeaf,
}

fn jiff_text(time: SystemTime) -> String {
    jiff::Timestamp::try_from(time).map_or_else(|_| "never".to_owned(), |time| time.to_string())
}
