//! Puts a pod's rules in force in its network namespace, or looks whether they are.

use std::{path::Path, thread};

use proxy_init::{
    apply::{self, ApplyError},
    host::{self, HostError, Ipv6, Programs},
    rules::{Family, Settings},
};

use crate::config::Config;

/// Why a pod is not redirected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RedirectError {
    /// The namespace cannot be entered, or the process lacks a right.
    #[error("{0}; {hint}", hint = .0.hint())]
    Host(#[from] HostError),
    /// The rules cannot be put in force, or others are.
    #[error("{0}; {hint}", hint = .0.hint())]
    Apply(#[from] ApplyError),
    /// The thread that works in the namespace is gone.
    #[error("the work in the network namespace was cut short")]
    Lost,
}

/// Programs every family of the namespace; returns a line about each.
///
/// # Errors
/// When a family cannot be programmed. What was programmed stays: the pod must not start.
pub fn apply(config: &Config, settings: &Settings, namespace: &Path) -> Result<Vec<String>, RedirectError> {
    in_namespace(config, namespace, |family| {
        let applied = apply::apply(&mut Programs, config.mode, &settings.rules(family))?;
        Ok(format!("{family} is redirected ({})", applied.backend))
    })
}

/// Looks whether exactly these rules are in force.
///
/// # Errors
/// [`ApplyError::Unlike`] when they are not.
pub fn verify(config: &Config, settings: &Settings, namespace: &Path) -> Result<(), RedirectError> {
    let verified = in_namespace(config, namespace, |family| {
        let backend = apply::verify(&mut Programs, config.mode, &settings.rules(family))?;
        Ok(backend.to_string())
    });
    verified.map(drop)
}

/// Does something for each family on a thread of its own, since entering a namespace cannot be taken back.
fn in_namespace(
    config: &Config,
    namespace: &Path,
    each: impl Fn(Family) -> Result<String, ApplyError> + Sync,
) -> Result<Vec<String>, RedirectError> {
    thread::scope(|scope| {
        let worker = scope.spawn(|| {
            host::enter_namespace(namespace)?;
            host::share_capabilities()?;
            let with_ipv6 = config.ipv6 && host::ipv6()? != Ipv6::Absent;
            let families = Family::ALL.into_iter().filter(|family| *family == Family::V4 || with_ipv6);
            families.map(|family| each(family).map_err(RedirectError::from)).collect()
        });
        worker.join().unwrap_or(Err(RedirectError::Lost))
    })
}
