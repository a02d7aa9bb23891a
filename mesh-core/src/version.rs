//! Channels and versions: parsed and compared.

use std::fmt;
use std::str::FromStr;

/// The version of this build, `<channel>-<version>`, as Linkerd writes them.
pub const CLI: &str = concat!("stable-", env!("CARGO_PKG_VERSION"));

/// The oldest Kubernetes that serves every kind the charts use (`policy/v1`, `batch/v1` CronJob: 1.21; admission
/// with `matchConditions`-free webhooks works from there on).
pub const MINIMUM_KUBERNETES: (u32, u32) = (1, 21);

/// `<channel>-<version>`: `stable-2.8.1`, `edge-24.11.8`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelVersion {
    /// `stable`, `edge`, or the channel of a private build.
    pub channel: String,
    /// What follows the first dash.
    pub version: String,
}

/// Why a text is no version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unsupported version format: {0}")]
pub struct UnsupportedFormat(pub String);

/// Why a running version is not the expected one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// Another version of the same channel.
    #[error("is running version {running} but the latest {channel} version is {latest}")]
    Outdated {
        /// Version found.
        running: String,
        /// Its channel.
        channel: String,
        /// Version expected.
        latest: String,
    },
    /// Another channel.
    #[error("mismatched channels: running {running} but retrieved {latest}")]
    Channels {
        /// Version found.
        running: ChannelVersion,
        /// Version expected.
        latest: ChannelVersion,
    },
    /// Not a version at all.
    #[error(transparent)]
    Format(#[from] UnsupportedFormat),
}

impl FromStr for ChannelVersion {
    type Err = UnsupportedFormat;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('-') {
            Some((channel, version)) if !channel.is_empty() && !version.is_empty() => {
                Ok(Self { channel: channel.to_owned(), version: version.to_owned() })
            }
            _ => Err(UnsupportedFormat(text.to_owned())),
        }
    }
}

impl fmt::Display for ChannelVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.channel, self.version)
    }
}

/// Compares a running version with the expected one.
pub fn compare(running: &str, latest: &str) -> Result<(), Mismatch> {
    let (running, latest): (ChannelVersion, ChannelVersion) = (running.parse()?, latest.parse()?);
    if running.channel != latest.channel {
        return Err(Mismatch::Channels { running, latest });
    }
    if running.version != latest.version {
        let ChannelVersion { channel, version } = running;
        return Err(Mismatch::Outdated { running: version, channel, latest: latest.version });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{ChannelVersion, compare};

    #[test]
    fn says_how_versions_differ() {
        let text = |running, latest| compare(running, latest).unwrap_err().to_string();
        assert!(compare("stable-2.8.1", "stable-2.8.1").is_ok());
        assert_eq!(
            text("stable-2.8.0", "stable-2.8.1"),
            "is running version 2.8.0 but the latest stable version is 2.8.1"
        );
        assert_eq!(
            text("edge-20.5.1", "stable-2.8.1"),
            "mismatched channels: running edge-20.5.1 but retrieved stable-2.8.1"
        );
        assert_eq!(text("banana", "stable-2.8.1"), "unsupported version format: banana");
    }

    #[test]
    fn the_first_dash_ends_the_channel() {
        let version: ChannelVersion = "git-a-b".parse().unwrap();
        assert_eq!((version.channel.as_str(), version.version.as_str()), ("git", "a-b"));
        assert_eq!(version.to_string(), "git-a-b");
    }
}
