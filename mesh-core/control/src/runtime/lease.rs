//! Leases: which replica writes. Every replica serves; only the holder of a lease writes.
//!
//! A holder believes in its lease only until a moment of its own monotonic clock that lies before the moment at which
//! another replica may take it. One that was frozen therefore finds its lease over when it wakes, and does not
//! have to ask anybody. Others go by how long *they* saw the lease unchanged, so no two clocks are compared.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::{Api, PostParams};
use tokio::sync::watch;
use tokio::time::Instant;

use super::{CALL_LIMIT, Gauge, Runtime, Shutdown};

/// When a lease is renewed, believed in, and taken over.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// After how long without a renewal others may take it.
    pub duration: Duration,
    /// How often the holder renews it, and others look.
    pub period: Duration,
    /// By how much earlier than `duration` the holder stops believing in it.
    pub margin: Duration,
}

/// What is known of a lease by one who wants it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Leadership {
    until: watch::Receiver<Option<Instant>>,
}

/// One who wants a lease.
struct Candidate {
    api: Api<Lease>,
    name: &'static str,
    holder: String,
    timing: Timing,
    until: watch::Sender<Option<Instant>>,
    held: Gauge,
    /// The version last seen of somebody else's lease, and since when.
    seen: Option<(Option<String>, Instant)>,
}

// === impl Timing ===

impl Default for Timing {
    /// 30 s, as all components of the mesh have it.
    fn default() -> Self {
        Self {
            duration: Duration::from_secs(30),
            period: Duration::from_secs(5),
            margin: Duration::from_secs(5),
        }
    }
}

// === impl Leadership ===

impl Leadership {
    /// Starts wanting the lease `name` in the control plane's namespace, until the end of the process.
    pub fn campaign(runtime: &Runtime, client: kube::Client, name: &'static str, timing: Timing) -> Self {
        let held = runtime
            .registry
            .gauges("lease_held", "Whether this replica holds the lease.", &["lease"])
            .with(&[name]);
        let (sender, until) = watch::channel(None);
        let candidate = Candidate {
            api: Api::namespaced(client, &runtime.namespace),
            name,
            holder: runtime.pod.clone(),
            timing,
            until: sender,
            held,
            seen: None,
        };
        runtime.vital("the candidacy for a lease", candidate.run(runtime.shutdown.clone()));
        Self { until }
    }

    /// Whether the lease is held now. To be asked right before each write.
    pub fn is_held(&self) -> bool {
        self.until.borrow().is_some_and(|until| Instant::now() < until)
    }

    /// Resolves when the lease is held; pends for ever once the process ends.
    pub async fn held(&mut self) {
        while !self.is_held() {
            if self.until.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}

// === impl Candidate ===

impl Candidate {
    async fn run(mut self, shutdown: Shutdown) {
        loop {
            if let Err(error) = self.step().await {
                tracing::warn!(lease = self.name, %error, "cannot take or renew the lease");
            }
            let held = self.until.borrow().is_some_and(|until| Instant::now() < until);
            self.held.set(f64::from(u8::from(held)));
            if shutdown.unless(tokio::time::sleep(self.timing.period)).await.is_none() {
                break;
            }
        }
        if self.until.send_replace(None).is_some() {
            self.give_up().await;
        }
    }

    /// Looks at the lease and takes or renews it where that is allowed.
    async fn step(&mut self) -> Result<(), kube::Error> {
        // What is believed counts from before the request: the server may have taken it at any time since.
        let started = Instant::now();
        let found = within(self.api.get_opt(self.name)).await?;
        let Some(mut lease) = found else {
            let lease = self.lease(None, 0);
            match within(self.api.create(&PostParams::default(), &lease)).await {
                Ok(_) => self.believe(started),
                Err(error) if is_conflict(&error) => self.lose(),
                Err(error) => return Err(error),
            }
            return Ok(());
        };
        let spec = lease.spec.clone().unwrap_or_default();
        let is_ours = spec.holder_identity.as_deref() == Some(&self.holder);
        let is_free = spec.holder_identity.as_deref().is_none_or(str::is_empty);
        if !is_ours && !is_free && !self.has_lapsed(&lease, &spec) {
            self.lose();
            return Ok(());
        }
        let transitions = spec.lease_transitions.unwrap_or(0).saturating_add(i32::from(!is_ours));
        let acquired = spec.acquire_time.filter(|_| is_ours);
        let renewed = self.lease(acquired, transitions);
        lease.spec = renewed.spec;
        // The version read goes along, so only one of several candidates can win.
        match within(self.api.replace(self.name, &PostParams::default(), &lease)).await {
            Ok(_) => self.believe(started),
            Err(error) if is_conflict(&error) => self.lose(),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Whether somebody else's lease was seen unchanged for longer than it lasts.
    fn has_lapsed(&mut self, lease: &Lease, spec: &LeaseSpec) -> bool {
        let version = lease.metadata.resource_version.clone();
        let seconds = spec.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
        let duration = seconds.map_or(self.timing.duration, Duration::from_secs);
        match &self.seen {
            Some((known, since)) if *known == version => since.elapsed() > duration,
            _ => {
                self.seen = Some((version, Instant::now()));
                false
            }
        }
    }

    fn believe(&mut self, started: Instant) {
        self.seen = None;
        let until = started + self.timing.duration.saturating_sub(self.timing.margin);
        if self.until.send_replace(Some(until)).is_none() {
            tracing::info!(lease = self.name, holder = self.holder, "lease taken");
        }
    }

    fn lose(&mut self) {
        if self.until.send_replace(None).is_some() {
            tracing::warn!(lease = self.name, "lease lost");
        }
    }

    /// Lets the next one have it at once.
    async fn give_up(&self) {
        let Ok(Some(mut lease)) = within(self.api.get_opt(self.name)).await else { return };
        let Some(spec) = &mut lease.spec else { return };
        if spec.holder_identity.as_deref() == Some(&self.holder) {
            spec.holder_identity = Some(String::new());
            // When this fails the lease lapses by itself.
            let _ = within(self.api.replace(self.name, &PostParams::default(), &lease)).await;
        }
    }

    fn lease(&self, acquired: Option<MicroTime>, transitions: i32) -> Lease {
        let now = MicroTime(Timestamp::now());
        Lease {
            metadata: ObjectMeta { name: Some(self.name.to_owned()), ..ObjectMeta::default() },
            spec: Some(LeaseSpec {
                holder_identity: Some(self.holder.clone()),
                lease_duration_seconds: i32::try_from(self.timing.duration.as_secs().max(1)).ok(),
                acquire_time: Some(acquired.unwrap_or_else(|| now.clone())),
                renew_time: Some(now),
                lease_transitions: Some(transitions),
                ..LeaseSpec::default()
            }),
        }
    }
}

async fn within<T>(call: impl Future<Output = Result<T, kube::Error>>) -> Result<T, kube::Error> {
    match tokio::time::timeout(CALL_LIMIT, call).await {
        Ok(answer) => answer,
        Err(_) => Err(kube::Error::Service("no answer from the API server in time".into())),
    }
}

/// Whether somebody else was faster.
fn is_conflict(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 409)
}
