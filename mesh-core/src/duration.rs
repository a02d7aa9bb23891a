//! Durations as Go and the Gateway API write them: parsed and printed.
