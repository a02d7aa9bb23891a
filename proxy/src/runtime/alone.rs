//! Whether the proxy is alone in its pod, so that a Job ends.
//!
//! A Job's pod is done when all its containers are, and a proxy that is an ordinary container never is. Native sidecars
//! are the way out where the cluster has them. Where it has not, the pod says `shareProcessNamespace: true`: then the processes of the other
//! containers are to be seen, and the proxy leaves some seconds after the last of them. Processes of the
//! same user as ours are the mesh's own; the first process is the pod's, which holds the namespace.

use std::collections::HashSet;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often it looks.
const INTERVAL: Duration = Duration::from_secs(2);
/// How often in a row it has to be alone: a container that restarts is away for a moment.
const TIMES: u32 = 5;

/// Looks at the processes of a pod.
#[derive(Debug)]
pub(super) struct Watcher {
    proc: PathBuf,
    uid: u32,
}

/// Why there is nothing to look at.
#[derive(Debug, thiserror::Error)]
pub(super) enum CannotWatch {
    /// The processes of other containers are not to be seen.
    #[error(
        "the pod does not share its process namespace; set `shareProcessNamespace: true` in its spec, or use native sidecars"
    )]
    NotShared,
    /// The list cannot be read.
    #[error("{0}: {1}")]
    Proc(PathBuf, io::Error),
}

// === impl Watcher ===

impl Watcher {
    /// For the processes of the namespace that the process with this number is in.
    pub(super) fn new(proc: &Path, pid: u32, uid: u32) -> Result<Self, CannotWatch> {
        if pid == 1 {
            return Err(CannotWatch::NotShared);
        }
        let watcher = Self { proc: proc.to_owned(), uid };
        watcher.others().map_err(|error| CannotWatch::Proc(proc.to_owned(), error))?;
        Ok(watcher)
    }

    /// Returns once others have been there, and all of them have gone.
    pub(super) async fn alone(self) {
        let mut seen = false;
        let mut alone = 0;
        loop {
            tokio::time::sleep(INTERVAL).await;
            match self.others() {
                Ok(others) if others.is_empty() => alone += u32::from(seen),
                Ok(_) => (seen, alone) = (true, 0),
                Err(error) => tracing::debug!(%error, "the processes of the pod cannot be listed"),
            }
            if alone >= TIMES {
                return;
            }
        }
    }

    /// Processes that are neither the pod's first nor of our user.
    fn others(&self) -> io::Result<HashSet<u32>> {
        let mut others = HashSet::new();
        for entry in std::fs::read_dir(&self.proc)? {
            let Ok(entry) = entry else { continue };
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
                continue;
            };
            // One that has ended since is no other.
            let Ok(metadata) = entry.metadata() else { continue };
            if pid != 1 && metadata.uid() != self.uid && !self.is_zombie(pid) {
                others.insert(pid);
            }
        }
        Ok(others)
    }

    /// Whether a process has ended and only waits for its parent to notice.
    fn is_zombie(&self, pid: u32) -> bool {
        let stat = std::fs::read_to_string(self.proc.join(pid.to_string()).join("stat")).unwrap_or_default();
        stat.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with('Z'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(proc: &Path, pid: u32, state: &str) {
        std::fs::create_dir_all(proc.join(pid.to_string())).unwrap();
        std::fs::write(proc.join(pid.to_string()).join("stat"), format!("{pid} (a b) c) {state} 1 1"))
            .unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_alone_after_others_have_been_and_gone() {
        let dir = tempfile::tempdir().unwrap();
        let proc = dir.path().to_owned();
        // Whoever runs this test owns the files, so another user is taken for ours.
        let uid = std::fs::metadata(&proc).unwrap().uid() + 1;
        process(&proc, 1, "S");
        let watcher = Watcher::new(&proc, 7, uid).unwrap();
        let alone = tokio::spawn(watcher.alone());
        tokio::time::sleep(INTERVAL * 20).await;
        assert!(!alone.is_finished(), "nobody has come yet");
        process(&proc, 8, "R");
        tokio::time::sleep(INTERVAL * 2).await;
        process(&proc, 8, "Z");
        tokio::time::sleep(INTERVAL * 2).await;
        process(&proc, 9, "S");
        tokio::time::sleep(INTERVAL * 20).await;
        assert!(!alone.is_finished(), "it was restarted");
        std::fs::remove_dir_all(proc.join("9")).unwrap();
        tokio::time::timeout(INTERVAL * 20, alone).await.unwrap().unwrap();
    }

    #[test]
    fn a_namespace_of_its_own_is_told_apart() {
        let error = Watcher::new(Path::new("/proc"), 1, 0).unwrap_err().to_string();
        assert!(error.contains("shareProcessNamespace"), "{error}");
        assert!(matches!(Watcher::new(Path::new("/nowhere"), 7, 0), Err(CannotWatch::Proc(..))));
    }
}
