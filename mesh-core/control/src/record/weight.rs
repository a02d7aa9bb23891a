//! How much of the traffic of a Service an endpoint is to get.

use super::meta::Meta;

/// The annotation of a pod or external workload.
const ANNOTATION: &str = "balancer.linkerd.io/weight";
/// Weight of a workload that says nothing, on the wire.
const ONE: u32 = 10_000;
/// Largest weight that is taken: the sums of a thousand such endpoints fit into 32 bits.
const LARGEST: f64 = 400.0;

/// The weight of an endpoint; only the proportion among those of a Service counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weight(u32);

// === impl Weight ===

impl Weight {
    /// What the annotation of a workload says. One that cannot be read counts as not there, and is named in the log.
    pub(super) fn of(metadata: &Meta) -> Self {
        let Some(text) = metadata.annotation(ANNOTATION) else { return Self::default() };
        Self::parse(text).unwrap_or_else(|| {
            tracing::warn!(
                object = %metadata.key(),
                value = %text.chars().take(32).collect::<String>(),
                "annotation {ANNOTATION} is no number from 0 to {LARGEST}; the weight is 1"
            );
            Self::default()
        })
    }

    /// A weight of 1 is 10 000 on the wire; less than that of a thousandth of a thousandth is none.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 4 000 000")]
    fn parse(text: &str) -> Option<Self> {
        let weight: f64 = text.trim().parse().ok()?;
        (0.0..=LARGEST).contains(&weight).then(|| Self((weight * f64::from(ONE)).round() as u32))
    }

    /// As the destination API has it.
    pub const fn on_the_wire(self) -> u32 {
        self.0
    }
}

impl Default for Weight {
    fn default() -> Self {
        Self(ONE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_proportions_and_nonsense_is_none() {
        for (text, weight) in [("1", 10_000), (" 0.25", 2_500), ("0", 0), ("400", 4_000_000), ("1e-9", 0)] {
            assert_eq!(Weight::parse(text).map(Weight::on_the_wire), Some(weight), "{text}");
        }
        for text in ["", "-1", "401", "NaN", "inf", "half", "1,5"] {
            assert_eq!(Weight::parse(text), None, "{text}");
        }
    }
}
