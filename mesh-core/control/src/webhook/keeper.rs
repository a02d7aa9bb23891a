//! The Secret in which a serving certificate is kept: followed by all replicas, renewed by whichever comes first.
//!
//! A renewal is written over the version that was read, so of several replicas one wins and the others find its
//! certificate. What cannot be served never takes the place of what can.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, PostParams};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use tokio::sync::watch;

use super::pair::{Pair, Texts};
use super::trust::{Filled, Trust};
use crate::args::TlsArgs;
use crate::runtime::metrics::{Counter, Family};
use crate::runtime::{CALL_LIMIT, Gate, Runtime, Shutdown};

/// How often age and `caBundle` are looked at when nothing was seen to change.
const PERIOD: Duration = Duration::from_secs(30);
/// How soon something is tried again that failed.
const RETRY: Duration = Duration::from_secs(2);
/// How long the API server has to hear of a new `caBundle` before a new certificate is shown to it. The old one is
/// served meanwhile; where there is none, nothing is gained by waiting.
const SETTLE: Duration = Duration::from_secs(1);

/// Looks after one certificate.
pub struct Keeper {
    secrets: Api<Secret>,
    secret: String,
    /// What the certificate has to be for: `<service>.<namespace>.svc`.
    name: String,
    issues: bool,
    trust: Option<Trust>,
    sender: watch::Sender<Option<Arc<Pair>>>,
    texts: Option<Texts>,
    gate: Gate,
    told: Option<String>,
    outcomes: Family<Counter>,
}

impl Keeper {
    /// Looks after the certificate of `service` in the Secret that `tls` names.
    pub fn new(
        runtime: &Runtime,
        client: kube::Client,
        service: &str,
        tls: &TlsArgs,
        trust: Option<Trust>,
    ) -> Self {
        let (sender, receiver) = watch::channel(None::<Arc<Pair>>);
        runtime.registry.collector(move |out| {
            use std::fmt::Write as _;
            let Some(pair) = &*receiver.borrow() else { return };
            let left = pair.certificate.validity().not_after.duration_since(Timestamp::now());
            let _ = write!(
                out,
                "# HELP webhook_cert_ttl_seconds Time left of the serving certificate.\n\
                 # TYPE webhook_cert_ttl_seconds gauge\nwebhook_cert_ttl_seconds {}\n",
                left.as_secs()
            );
        });
        Self {
            secrets: Api::namespaced(client, &runtime.namespace),
            secret: tls.tls_secret.clone(),
            name: format!("{service}.{}.svc", runtime.namespace),
            issues: tls.issue_tls,
            trust,
            sender,
            texts: None,
            gate: runtime.readiness.gate("certificate"),
            told: None,
            outcomes: runtime.registry.counters(
                "webhook_cert_total",
                "What was done about the serving certificate.",
                &["outcome"],
            ),
        }
    }

    /// What is kept in step.
    pub fn pairs(&self) -> watch::Receiver<Option<Arc<Pair>>> {
        self.sender.subscribe()
    }

    /// Looks after it until the end begins.
    pub async fn run(mut self, shutdown: Shutdown) {
        let only = watcher::Config::default().fields(&format!("metadata.name={}", self.secret));
        let mut changes = pin!(watcher(self.secrets.clone(), only).default_backoff());
        let mut pause = Duration::ZERO;
        loop {
            let wait = shutdown.unless(async {
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = changed(&mut changes) => {}
                }
            });
            if wait.await.is_none() {
                return;
            }
            pause = match self.step().await {
                Ok(()) => {
                    self.told = None;
                    PERIOD
                }
                Err(problem) => {
                    self.complain(&problem);
                    RETRY
                }
            };
        }
    }

    /// Reads the Secret, renews it where that is due, and serves what is in it.
    ///
    /// # Errors
    /// What is in the way.
    async fn step(&mut self) -> Result<(), String> {
        let found = tokio::time::timeout(CALL_LIMIT, self.secrets.get_opt(&self.secret)).await;
        let secret = match found {
            Ok(Ok(Some(secret))) => secret,
            Ok(Ok(None)) => {
                return Err("it does not exist; apply the control plane's manifest again".to_owned());
            }
            Ok(Err(error)) => return Err(format!("it cannot be read: {error}")),
            Err(_) => return Err(format!("no answer within {CALL_LIMIT:?}")),
        };
        let now = Timestamp::now();
        let texts = texts_of(&secret);
        let pair = match Pair::read(&texts, &self.name, now) {
            Ok(pair) if !self.issues || !(pair.is_due(now) || pair.authorities.is_none()) => pair,
            Err(problem) if !self.issues => return Err(problem),
            outcome => {
                if let Err(problem) = &outcome
                    && !texts.certificate.is_empty()
                {
                    tracing::warn!(secret = self.secret, problem, "the serving certificate is replaced");
                }
                return self.renew(secret, &texts, now).await;
            }
        };
        self.serve(texts, pair).await
    }

    async fn renew(&mut self, mut secret: Secret, old: &Texts, now: Timestamp) -> Result<(), String> {
        // What is served now stays trusted, even where somebody emptied the Secret.
        let mut old = old.clone();
        if let Some(served) = &self.texts {
            old.authorities.push(b'\n');
            old.authorities.extend_from_slice(&served.authorities);
        }
        let new = Texts::make(&self.name, &old, now)?;
        let pair = Pair::read(&new, &self.name, now)?;
        let data: &mut BTreeMap<String, ByteString> = secret.data.get_or_insert_default();
        for (key, text) in
            [("tls.crt", &new.certificate), ("tls.key", &new.key), ("ca.crt", &new.authorities)]
        {
            data.insert(key.to_owned(), ByteString(text.clone()));
        }
        let params = PostParams::default();
        let writing = self.secrets.replace(&self.secret, &params, &secret);
        match tokio::time::timeout(CALL_LIMIT, writing).await {
            Ok(Ok(_)) => {
                self.outcomes.with(&["renewed"]).inc();
                let until = pair.certificate.validity().not_after;
                tracing::info!(secret = self.secret, %until, "a new serving certificate was written");
                self.serve(new, pair).await
            }
            Ok(Err(kube::Error::Api(status))) if status.code == 409 => {
                self.outcomes.with(&["conflict"]).inc();
                Err("another replica was faster; its certificate is read".to_owned())
            }
            Ok(Err(error)) => Err(format!("it cannot be written: {error}")),
            Err(_) => Err(format!("no answer within {CALL_LIMIT:?}")),
        }
    }

    /// Tells the API server first, and serves then.
    async fn serve(&mut self, texts: Texts, pair: Pair) -> Result<(), String> {
        if let (Some(trust), Some(authorities)) = (&self.trust, &pair.authorities)
            && trust.fill(authorities).await? == Filled::Written
        {
            self.outcomes.with(&["bundle_filled"]).inc();
            tracing::info!("the API server was told the authorities of the serving certificate");
            if self.sender.borrow().is_some() {
                tokio::time::sleep(SETTLE).await;
            }
        }
        if self.texts.as_ref() != Some(&texts) {
            self.outcomes.with(&["served"]).inc();
            self.texts = Some(texts);
            self.sender.send_replace(Some(Arc::new(pair)));
        }
        self.gate.open();
        Ok(())
    }

    fn complain(&mut self, problem: &str) {
        let text = format!("Secret {}: {problem}", self.secret);
        if self.sender.borrow().is_none() {
            self.gate.close(text.clone());
        }
        if self.told.as_ref() != Some(&text) {
            self.outcomes.with(&["failed"]).inc();
            tracing::warn!("{text}");
            self.told = Some(text);
        }
    }
}

/// Resolves when the Secret changed. Errors of the watch are waited out by its own backoff; the timer goes on.
async fn changed(changes: &mut (impl futures::Stream<Item = Result<Event<Secret>, watcher::Error>> + Unpin)) {
    loop {
        match changes.next().await {
            Some(Ok(Event::Apply(_) | Event::Delete(_) | Event::InitDone)) => return,
            Some(Ok(Event::Init | Event::InitApply(_))) => {}
            Some(Err(error)) => tracing::debug!(%error, "the watch of the serving certificate"),
            None => std::future::pending::<()>().await,
        }
    }
}

fn texts_of(secret: &Secret) -> Texts {
    let entry = |key: &str| {
        let found = secret.data.as_ref().and_then(|data| data.get(key));
        found.map(|bytes| bytes.0.clone()).unwrap_or_default()
    };
    Texts { certificate: entry("tls.crt"), key: entry("tls.key"), authorities: entry("ca.crt") }
}
