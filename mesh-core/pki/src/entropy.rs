//! Where randomness comes from: a parameter, so that tests know every byte.

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use thiserror::Error;

/// A source of random bytes.
pub trait Entropy {
    /// Fills `out` with random bytes.
    ///
    /// # Errors
    /// When the source has none.
    fn fill(&mut self, out: &mut [u8]) -> Result<(), NoEntropy>;
}

/// The source of randomness failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("no randomness is available")]
pub struct NoEntropy;

/// The generator of the operating system, through the TLS library.
#[derive(Debug, Default)]
pub struct SystemEntropy(SystemRandom);

impl SystemEntropy {
    /// The generator of this machine.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Entropy for SystemEntropy {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), NoEntropy> {
        self.0.fill(out).map_err(|_| NoEntropy)
    }
}
