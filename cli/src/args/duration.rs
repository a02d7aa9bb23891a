//! Durations on the command line, as Go writes them: `5m0s`, `1h30m`, `250ms`.

use std::time::Duration;

use mesh_core::duration::GoDuration;

/// A duration of zero or more.
pub fn go_duration(text: &str) -> Result<Duration, String> {
    let parsed: GoDuration = text.parse().map_err(|error| format!("{error}"))?;
    parsed.to_std().ok_or_else(|| format!("{text} is negative"))
}
