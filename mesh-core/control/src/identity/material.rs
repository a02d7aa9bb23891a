//! Issuer and trust anchors as they are now, read from files that change.
//!
//! What cannot be used never takes the place of what can: the good one stays, and an event, a metric and the log say so.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use mesh_pki::{Bundle, Issuer, LeafSigner, Problem};
use tokio::sync::watch;

use super::{Clock, NAME};
use crate::args::{IdentityArgs, IssuerScheme};
use crate::files::{self, Changes, POLL};
use crate::runtime::events::{Events, Happening, Severity, deployment};
use crate::runtime::metrics::{Counter, Family};
use crate::runtime::{Gate, Runtime, Shutdown};

/// An issuer with less than this left does not take the place of one that lasts longer.
const NEAR_END: SignedDuration = SignedDuration::from_hours(1);

/// Where the files are.
#[derive(Clone, Debug)]
pub struct Files {
    issuer: PathBuf,
    anchors: PathBuf,
    certificate: &'static str,
    key: &'static str,
}

/// What there is to sign with and to trust. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Material(watch::Receiver<Arc<Current>>);

/// One state of it.
#[derive(Clone, Debug, Default)]
pub struct Current {
    /// The last issuer that was good when it was read.
    pub usable: Option<Arc<Usable>>,
    /// The last anchors that could be read.
    pub bundle: Option<Bundle>,
}

/// An issuer that was good when it was read.
#[derive(Debug)]
pub struct Usable {
    /// Ready to sign.
    pub signer: LeafSigner,
    /// The end of the certificate that ends first on the way to the anchor, anchor included.
    limit: Timestamp,
    /// What has become wrong with it since.
    invalid: Option<Problem>,
    /// The texts it was read from.
    source: Arc<Pair>,
}

/// Certificate and key as read.
#[derive(PartialEq, Eq)]
struct Pair {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

/// Keeps [`Material`] in step with the files.
pub struct Follower {
    files: Files,
    issuer_name: String,
    namespace: String,
    events: Events,
    clock: Clock,
    sender: watch::Sender<Arc<Current>>,
    gate: Gate,
    reloads: Family<Counter>,
    /// The complaint last told, so that it is told once.
    told: Option<String>,
    /// The same for the anchors.
    told_anchors: Option<String>,
}

// === impl Files ===

impl Files {
    /// Where the arguments say.
    pub fn new(args: &IdentityArgs) -> Self {
        let (certificate, key) = match args.identity_scheme {
            IssuerScheme::Linkerd => ("crt.pem", "key.pem"),
            IssuerScheme::Kubernetes => ("tls.crt", "tls.key"),
        };
        Self { issuer: args.issuer_dir.clone(), anchors: args.trust_roots_dir.clone(), certificate, key }
    }

    /// Reads certificate and key from one version of the mount: it may be replaced between the two.
    fn pair(&self) -> Result<Pair, files::Unreadable> {
        let data = self.issuer.join("..data");
        let folder = data.canonicalize().unwrap_or_else(|_| self.issuer.clone());
        Ok(Pair {
            certificate: files::read(&folder.join(self.certificate))?,
            key: files::read(&folder.join(self.key))?,
        })
    }

    fn bundle(&self) -> Result<Bundle, String> {
        let path = self.anchors.join("ca-bundle.crt");
        let text = files::read(&path).map_err(|error| error.to_string())?;
        Bundle::parse(&text).map_err(|error| format!("{}: {error}", path.display()))
    }
}

// === impl Material ===

impl Material {
    /// What there is now.
    pub fn current(&self) -> Arc<Current> {
        self.0.borrow().clone()
    }

    /// What there is now, and whatever takes its place.
    pub fn watch(&self) -> watch::Receiver<Arc<Current>> {
        self.0.clone()
    }
}

// === impl Usable ===

impl Usable {
    /// Judges an issuer in PEM: it must sign for `name`, chain to `bundle` and be valid at `now`.
    /// Otherwise the error says what speaks against it.
    fn judge(source: Arc<Pair>, name: &str, bundle: &Bundle, now: Timestamp) -> Result<Self, String> {
        let issuer = Issuer::parse(&source.certificate, &source.key).map_err(|error| error.to_string())?;
        issuer.verify(bundle, name, now).map_err(|problem| problem.to_string())?;
        let limit = limit(&issuer, bundle, now).map_err(|problem| problem.to_string())?;
        let signer = LeafSigner::new(issuer).map_err(|error| error.to_string())?;
        Ok(Self { signer, limit, invalid: None, source })
    }

    /// Last second that a leaf may live to.
    pub fn limit(&self) -> Timestamp {
        self.limit
    }

    /// What keeps it from signing at `now`, if anything.
    pub fn problem(&self, now: Timestamp) -> Option<Problem> {
        self.invalid.clone().or_else(|| Problem::of_validity(self.signer.issuer().certificate(), now))
    }

    /// The same issuer with what has become wrong with it.
    fn with(&self, invalid: Problem) -> Result<Self, String> {
        let issuer = Issuer::parse(&self.source.certificate, &self.source.key).map_err(|e| e.to_string())?;
        let signer = LeafSigner::new(issuer).map_err(|error| error.to_string())?;
        Ok(Self { signer, limit: self.limit, invalid: Some(invalid), source: Arc::clone(&self.source) })
    }
}

// === impl Follower ===

impl Follower {
    /// Follows `files`; events are about the identity Deployment.
    pub fn new(files: Files, issuer_name: String, runtime: &Runtime, events: Events, clock: Clock) -> Self {
        let (sender, receiver) = watch::channel(Arc::new(Current::default()));
        let reloads = runtime.registry.counters(
            "identity_reloads_total",
            "Issuers and trust anchors that were read, by what became of them.",
            &["what", "outcome"],
        );
        let at = Arc::clone(&clock);
        runtime.registry.collector(move |out| write_ages(&receiver.borrow(), at(), out));
        Self {
            files,
            issuer_name,
            namespace: runtime.namespace.clone(),
            events,
            clock,
            sender,
            gate: runtime.readiness.gate("issuer"),
            reloads,
            told: None,
            told_anchors: None,
        }
    }

    /// What is kept in step.
    pub fn material(&self) -> Material {
        Material(self.sender.subscribe())
    }

    /// Follows until the end begins.
    pub async fn run(mut self, shutdown: Shutdown) {
        let folders = [self.files.issuer.clone(), self.files.anchors.clone()];
        let folders: Vec<&Path> = folders.iter().map(PathBuf::as_path).collect();
        let mut changes = Changes::of(&folders, POLL);
        // What a step reads is the whole, so it does not matter which of the two woke it.
        while shutdown.unless(tokio::time::timeout(self.until_end(), changes.next())).await.is_some() {
            self.step();
        }
    }

    /// How long the issuer in use lasts: its end is told when it comes, not when the files are looked at next.
    fn until_end(&self) -> Duration {
        let current = self.sender.borrow();
        let Some(good) = current.usable.as_ref().filter(|usable| usable.invalid.is_none()) else {
            return POLL;
        };
        // A certificate is valid through its last second.
        let left = good.limit.duration_since((self.clock)()).saturating_add(SignedDuration::from_secs(1));
        Duration::try_from(left).unwrap_or_default().clamp(Duration::from_millis(100), POLL)
    }

    /// Reads everything once.
    pub fn step(&mut self) {
        let before = self.sender.borrow().clone();
        let mut now = Current::clone(&before);
        self.read_bundle(&mut now);
        if let Some(bundle) = now.bundle.clone() {
            self.read_issuer(&mut now, &bundle);
        }
        match &now.usable {
            Some(_) => self.gate.open(),
            None => self.gate.close(self.told.clone().or(self.told_anchors.clone()).unwrap_or_default()),
        }
        let changed = now.bundle != before.bundle
            || now.usable.as_ref().map(Arc::as_ptr) != before.usable.as_ref().map(Arc::as_ptr);
        if changed {
            self.sender.send_replace(Arc::new(now));
        }
    }

    fn read_bundle(&mut self, now: &mut Current) {
        match self.files.bundle() {
            Ok(bundle) if now.bundle.as_ref() == Some(&bundle) => self.told_anchors = None,
            Ok(bundle) => {
                self.told_anchors = None;
                self.reloads.with(&["anchors", "updated"]).inc();
                let note = format!("trust anchors: {}", bundle.names().join(", "));
                tracing::info!("{note}");
                if now.bundle.is_some() {
                    self.tell(Severity::Normal, "TrustAnchorsUpdated", note);
                }
                now.bundle = Some(bundle);
            }
            Err(problem) => {
                if self.told_anchors.as_ref() != Some(&problem) {
                    self.reloads.with(&["anchors", "skipped"]).inc();
                    let note = format!("new trust anchors cannot be used, the old ones stay: {problem}");
                    tracing::warn!("{note}");
                    self.tell(Severity::Warning, "TrustAnchorsUpdateSkipped", note);
                    self.told_anchors = Some(problem);
                }
            }
        }
    }

    fn read_issuer(&mut self, now: &mut Current, bundle: &Bundle) {
        let pair = match self.files.pair() {
            Ok(pair) => Arc::new(pair),
            Err(error) => return self.complain(now, &error.to_string()),
        };
        let moment = (self.clock)();
        match &now.usable {
            Some(good) if good.source == pair => self.review(now, Arc::clone(good).as_ref(), bundle, moment),
            good => {
                let found = Usable::judge(pair, &self.issuer_name, bundle, moment)
                    .and_then(|new| outlasts(new, good.as_deref(), moment));
                match found {
                    Ok(new) => self.adopt(now, new),
                    Err(problem) => self.complain(now, &problem),
                }
            }
        }
    }

    /// Looks at the issuer in use again: its time may be over, or its anchor gone.
    fn review(&mut self, now: &mut Current, good: &Usable, bundle: &Bundle, moment: Timestamp) {
        let issuer = good.signer.issuer();
        let verdict = issuer.verify(bundle, &self.issuer_name, moment);
        match (verdict, &good.invalid) {
            (Ok(()), None) => self.told = None,
            (Ok(()), Some(_)) => {
                // An anchor that came back makes it good again.
                match Usable::judge(Arc::clone(&good.source), &self.issuer_name, bundle, moment) {
                    Ok(new) => self.adopt(now, new),
                    Err(problem) => self.complain(now, &problem),
                }
            }
            (Err(problem), known) => {
                if known.as_ref() == Some(&problem) {
                    return;
                }
                self.reloads.with(&["issuer", "invalid"]).inc();
                let note = format!("the issuer cannot sign any more: {problem}");
                tracing::error!("{note}");
                self.tell(Severity::Warning, "IssuerValidationFailed", note);
                match good.with(problem) {
                    Ok(invalid) => now.usable = Some(Arc::new(invalid)),
                    Err(error) => tracing::error!(error, "the issuer in use cannot be read again"),
                }
            }
        }
    }

    fn adopt(&mut self, now: &mut Current, new: Usable) {
        self.told = None;
        self.reloads.with(&["issuer", "updated"]).inc();
        let certificate = new.signer.issuer().certificate();
        let note = format!(
            "issuer {} in use, valid until {}",
            certificate.display_name(),
            certificate.validity().not_after
        );
        tracing::info!("{note}");
        if now.usable.is_some() {
            self.tell(Severity::Normal, "IssuerUpdated", note);
        }
        now.usable = Some(Arc::new(new));
    }

    /// Says once that what lies there cannot be used.
    fn complain(&mut self, now: &Current, problem: &str) {
        if self.told.as_deref() == Some(problem) {
            return;
        }
        let (reason, outcome, note) = match &now.usable {
            Some(_) => {
                let note = format!("the new issuer cannot be used, the old one stays: {problem}");
                ("IssuerUpdateSkipped", "skipped", note)
            }
            None => ("IssuerValidationFailed", "invalid", format!("the issuer cannot be used: {problem}")),
        };
        self.reloads.with(&["issuer", outcome]).inc();
        tracing::warn!("{note}");
        self.tell(Severity::Warning, reason, note);
        self.told = Some(problem.to_owned());
    }

    fn tell(&self, severity: Severity, reason: &'static str, note: String) {
        let happening = Happening { severity, reason, action: "Rotation", note };
        self.events.tell(deployment(&self.namespace, NAME), happening);
    }
}

impl std::fmt::Debug for Pair {
    /// Shows nothing of the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pair")
    }
}

/// An issuer at its end does not replace one that lasts longer.
fn outlasts(new: Usable, good: Option<&Usable>, now: Timestamp) -> Result<Usable, String> {
    let left = new.limit.duration_since(now);
    match good {
        Some(good) if left < NEAR_END && good.problem(now).is_none() && good.limit > new.limit => {
            Err(format!("it ends on {}, sooner than the one in use ({})", new.limit, good.limit))
        }
        _ => Ok(new),
    }
}

fn limit(issuer: &Issuer, bundle: &Bundle, now: Timestamp) -> Result<Timestamp, Problem> {
    let path = mesh_pki::chain_to(issuer.certificate(), issuer.intermediates(), bundle, now)?;
    let end = path.iter().map(|certificate| certificate.validity().not_after).min();
    Ok(end.unwrap_or(issuer.certificate().validity().not_after))
}

/// The metrics of what is left of issuer and anchors.
fn write_ages(current: &Current, now: Timestamp, out: &mut String) {
    use std::fmt::Write as _;
    if let Some(usable) = &current.usable {
        let left = usable.signer.issuer().certificate().validity().not_after.duration_since(now);
        let _ = write!(
            out,
            "# HELP issuer_cert_ttl_seconds Time left of the issuer's certificate.\n\
             # TYPE issuer_cert_ttl_seconds gauge\nissuer_cert_ttl_seconds {}\n\
             # HELP issuer_cert_usable Whether the issuer can sign.\n\
             # TYPE issuer_cert_usable gauge\nissuer_cert_usable {}\n",
            left.as_secs(),
            u8::from(usable.problem(now).is_none())
        );
    }
    if let Some(bundle) = &current.bundle {
        let ends = bundle.certificates().iter().map(|anchor| anchor.validity().not_after.duration_since(now));
        let first = ends.min().unwrap_or_default().as_secs();
        let _ = write!(
            out,
            "# HELP trust_anchor_ttl_seconds Time left of the trust anchor that ends first.\n\
             # TYPE trust_anchor_ttl_seconds gauge\ntrust_anchor_ttl_seconds {first}\n"
        );
    }
}
