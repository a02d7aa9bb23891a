//! Choosing an endpoint: two at random, the less loaded wins ("power of two choices").
//!
//! [`Candidates`] knows weights and zones and is made anew when endpoints change; [`PeakEwma`] is what one endpoint is
//! remembered by. Neither has a clock or a source of randomness of its own.

mod candidates;
mod ewma;
mod penalty;
mod retry_after;

pub use candidates::{Candidates, Locality};
pub use ewma::{EwmaConfig, PeakEwma, PenaltyConfig};
pub use penalty::Signal;
pub use retry_after::{grpc_pushback, retry_after};

/// A sequence of numbers from one seed (SplitMix64): enough for choices, not for secrets.
#[derive(Clone, Copy, Debug)]
pub struct Random(u64);

// === impl Random ===

impl Random {
    /// The sequence of this seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, which must not be zero; each with the same chance, up to one part in 2^64 / `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next_u64()) * u128::from(bound)) >> 64) as u64
    }

    /// A number from 0 up to, not including, 1.
    pub fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }
}
