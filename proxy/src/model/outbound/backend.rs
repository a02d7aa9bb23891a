//! Backends: one endpoint or a balanced destination, with queue, load estimate and circuit breaking.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use linkerd2_proxy_api::outbound as api;
use linkerd2_proxy_api::outbound::backend as api_backend;
use linkerd2_proxy_api::outbound::backend::balance_p2c as api_load;
use linkerd2_proxy_api::outbound::failure_accrual as api_accrual;

use crate::model::endpoint::Endpoint;
use crate::model::error::{InvalidMessage, Problem, Within, required};
use crate::model::meta::Meta;
use crate::model::name::NameAddr;
use crate::model::{limit, required_duration};

/// Where traffic goes, and how it waits.
#[derive(Clone, Debug, PartialEq)]
pub struct Backend {
    /// Where the user wrote it.
    pub meta: Meta,
    /// What it is.
    pub kind: BackendKind,
    /// How requests wait while no endpoint is ready.
    pub queue: Queue,
}

/// What a backend is.
#[derive(Clone, Debug, PartialEq)]
pub enum BackendKind {
    /// One endpoint.
    Forward(Arc<Endpoint>),
    /// A destination whose endpoints are looked up.
    Balance {
        /// What is looked up.
        addr: NameAddr,
        /// How load is estimated.
        load: Load,
    },
    /// Nothing that this version could reach; requests fail.
    None,
}

/// How the load of an endpoint is estimated (spec: peak EWMA).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Load {
    /// Latency of an endpoint before the first response.
    pub default_rtt: Duration,
    /// The window.
    pub decay: Duration,
    /// What a rejecting response counts as.
    pub penalty: Option<Penalty>,
}

/// What a response that says "too much" counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Penalty {
    /// At least this latency.
    pub penalty: Duration,
    /// The window in which a penalty fades.
    pub decay: Duration,
    /// A hint of the server counts at most as this.
    pub max_retry_after: Duration,
}

/// How requests wait while no endpoint is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Queue {
    /// How many.
    pub capacity: u32,
    /// How long.
    pub failfast: Duration,
}

/// When an endpoint is left alone, and for how long. At least one of the two rules is there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FailureAccrual {
    /// After so many failures in a row.
    pub consecutive: Option<NonZeroU32>,
    /// Below a rate of success.
    pub success_rate: Option<SuccessRate>,
    /// Until the next probe.
    pub backoff: Backoff,
    /// So many endpoints of a backend stay in use whatever they answer.
    pub min_ready: u32,
}

/// A rate of success.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SuccessRate {
    /// Above 0, at most 1.
    pub threshold: f64,
    /// The window.
    pub decay: Duration,
    /// Below so many requests in the window nothing happens.
    pub min_requests: u32,
}

/// Waiting times that double.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Backoff {
    /// The first; not zero.
    pub min: Duration,
    /// The longest; not below `min`.
    pub max: Duration,
    /// A random part of the time is added, up to this ratio.
    pub jitter: f32,
    /// Whether a hint of the server (`retry-after`) is taken instead, within the bounds.
    pub respect_hint: bool,
}

/// Largest number of requests in a rule on success rates.
const MIN_REQUESTS_MAX: u32 = 1_000_000;
/// Shortest window of a rule on success rates.
const DECAY_MIN: Duration = Duration::from_millis(10);
const DEFAULT_DECAY: Duration = Duration::from_secs(10);
/// Largest ratio of jitter that is no mistake.
const JITTER_MAX: f32 = 100.0;

// === impl Backend ===

impl TryFrom<api::Backend> for Backend {
    type Error = InvalidMessage;

    fn try_from(message: api::Backend) -> Result<Self, InvalidMessage> {
        let kind = match message.kind {
            None => BackendKind::None,
            Some(api_backend::Kind::Forward(addr)) => {
                BackendKind::Forward(Arc::new(Endpoint::try_from(addr).within("forward")?))
            }
            Some(api_backend::Kind::Balancer(balancer)) => balance(balancer).within("balancer")?,
        };
        let queue = required(message.queue, "queue").and_then(Queue::try_from)?;
        Ok(Self { meta: Meta::outbound(message.metadata)?, kind, queue })
    }
}

fn balance(message: api_backend::BalanceP2c) -> Result<BackendKind, InvalidMessage> {
    let discovery = message.discovery.and_then(|discovery| discovery.kind);
    let api_backend::endpoint_discovery::Kind::Dst(get) = required(discovery, "discovery")?;
    let wrong = |_| InvalidMessage::with_value("discovery.dst.path", Problem::Name, &get.path);
    let addr = get.path.parse().map_err(wrong)?;
    let load = match required(message.load, "load")? {
        api_load::Load::PeakEwma(load) => Load::plain(load).within("peak_ewma")?,
        api_load::Load::PenaltyPeakEwma(load) => Load::with_penalty(load).within("penalty_peak_ewma")?,
    };
    Ok(BackendKind::Balance { addr, load })
}

// === impl Load ===

impl Load {
    /// Where nobody says anything: 30 ms and 10 s.
    pub const DEFAULT: Self =
        Self { default_rtt: Duration::from_millis(30), decay: DEFAULT_DECAY, penalty: None };

    fn plain(message: api_load::PeakEwma) -> Result<Self, InvalidMessage> {
        Ok(Self {
            default_rtt: required_duration(message.default_rtt, "default_rtt")?,
            decay: required_duration(message.decay, "decay")?,
            penalty: None,
        })
    }

    fn with_penalty(message: api_load::PenaltyPeakEwma) -> Result<Self, InvalidMessage> {
        let or = |value, field, default| limit(value, field).map(|it| it.unwrap_or(default));
        Ok(Self {
            default_rtt: or(message.default_rtt, "default_rtt", Self::DEFAULT.default_rtt)?,
            decay: or(message.decay, "decay", DEFAULT_DECAY)?,
            penalty: Some(Penalty {
                penalty: or(message.penalty, "penalty", Duration::from_secs(5))?,
                decay: or(message.penalty_decay, "penalty_decay", DEFAULT_DECAY)?,
                max_retry_after: or(message.max_retry_after, "max_retry_after", Duration::from_secs(300))?,
            }),
        })
    }
}

// === impl Queue ===

impl TryFrom<api::Queue> for Queue {
    type Error = InvalidMessage;

    fn try_from(message: api::Queue) -> Result<Self, InvalidMessage> {
        let failfast = required_duration(message.failfast_timeout, "failfast_timeout").within("queue")?;
        Ok(Self { capacity: message.capacity, failfast })
    }
}

// === impl FailureAccrual ===

impl FailureAccrual {
    /// None where both rules are off.
    pub(super) fn convert(message: Option<api::FailureAccrual>) -> Result<Option<Self>, InvalidMessage> {
        let Some(message) = message else { return Ok(None) };
        let min_ready = message.ejection.map_or(0, |ejection| ejection.min_ready_endpoints);
        let accrual = match required(message.kind, "kind")? {
            api_accrual::Kind::ConsecutiveFailures(rule) => Self {
                consecutive: NonZeroU32::new(rule.max_failures),
                success_rate: None,
                backoff: Backoff::required(rule.backoff).within("consecutive_failures")?,
                min_ready,
            },
            api_accrual::Kind::Unified(rule) => Self {
                consecutive: NonZeroU32::new(rule.max_consecutive_failures),
                backoff: Backoff::required(rule.backoff).within("unified")?,
                success_rate: SuccessRate::convert(&rule).within("unified")?,
                min_ready,
            },
        };
        Ok(Some(accrual).filter(|it| it.consecutive.is_some() || it.success_rate.is_some()))
    }
}

// === impl SuccessRate ===

impl SuccessRate {
    fn convert(message: &api_accrual::Unified) -> Result<Option<Self>, InvalidMessage> {
        let threshold = message.success_rate_threshold;
        if !(0.0..=1.0).contains(&threshold) {
            return Err(InvalidMessage::with_value("success_rate_threshold", Problem::Range, threshold));
        }
        let decay = limit(message.decay, "decay")?.unwrap_or(DEFAULT_DECAY);
        if threshold == 0.0 {
            return Ok(None);
        }
        if decay < DECAY_MIN {
            return Err(InvalidMessage::with_value("decay", Problem::Range, format_args!("{decay:?}")));
        }
        if message.min_requests > MIN_REQUESTS_MAX {
            return Err(InvalidMessage::with_value("min_requests", Problem::Range, message.min_requests));
        }
        Ok(Some(Self { threshold, decay, min_requests: message.min_requests }))
    }
}

// === impl Backoff ===

impl Backoff {
    fn required(message: Option<api::ExponentialBackoff>) -> Result<Self, InvalidMessage> {
        Self::try_from(required(message, "backoff")?)
    }
}

impl TryFrom<api::ExponentialBackoff> for Backoff {
    type Error = InvalidMessage;

    fn try_from(message: api::ExponentialBackoff) -> Result<Self, InvalidMessage> {
        let convert = || {
            let min = required_duration(message.min_backoff, "min_backoff")?;
            let max = required_duration(message.max_backoff, "max_backoff")?;
            if min.is_zero() || max < min {
                return Err(InvalidMessage::with_value(
                    "max_backoff",
                    Problem::Range,
                    format_args!("{min:?}-{max:?}"),
                ));
            }
            if !(0.0..=JITTER_MAX).contains(&message.jitter_ratio) {
                return Err(InvalidMessage::with_value("jitter_ratio", Problem::Range, message.jitter_ratio));
            }
            Ok(Self {
                min,
                max,
                jitter: message.jitter_ratio,
                respect_hint: message.respect_retry_after_hint,
            })
        };
        convert().within("backoff")
    }
}
