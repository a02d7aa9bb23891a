//! What a peer may do in an interval before it is told to calm down.

use crate::h2::error::{FrameError, Reason};

/// How often a peer may do, in an interval, what costs us and gives it nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FloodLimits {
    /// Streams that it resets; each stream that ends in order allows another.
    pub resets: u32,
    /// Streams that we reset because of its errors.
    pub stream_errors: u32,
    /// SETTINGS frames.
    pub settings: u32,
    /// PING frames.
    pub pings: u32,
    /// DATA frames without content that do not end a stream.
    pub empty_data: u32,
    /// WINDOW_UPDATE frames.
    pub window_updates: u32,
    /// PRIORITY, unknown and late frames.
    pub ignored: u32,
}

pub(super) struct Budgets(FloodLimits);

// === impl FloodLimits ===

impl Default for FloodLimits {
    fn default() -> Self {
        Self {
            resets: 200,
            stream_errors: 200,
            settings: 50,
            pings: 100,
            empty_data: 200,
            window_updates: 50_000,
            ignored: 1000,
        }
    }
}

// === impl Budgets ===

impl Budgets {
    pub(super) fn new(limits: FloodLimits) -> Self {
        Self(limits)
    }

    pub(super) fn completed(&mut self) {
        self.0.resets = self.0.resets.saturating_add(1);
    }

    pub(super) fn spend(&mut self, reason: Reason) -> Result<(), FrameError> {
        let left = match reason {
            Reason::RapidReset => &mut self.0.resets,
            Reason::SettingsFlood => &mut self.0.settings,
            Reason::PingFlood => &mut self.0.pings,
            Reason::EmptyDataFlood => &mut self.0.empty_data,
            Reason::WindowFlood => &mut self.0.window_updates,
            Reason::IgnoredFlood => &mut self.0.ignored,
            _ => &mut self.0.stream_errors,
        };
        *left = left.checked_sub(1).ok_or(FrameError::flood(reason))?;
        Ok(())
    }
}
