//! Files that change under us: mounted Secrets and ConfigMaps.
//!
//! The kubelet replaces the contents of a mount by renaming a symbolic link (`..data`) in it. A watch on the folder sees
//! that at once; a timer sees it where a watch cannot be had, and where an event was lost.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use inotify::{EventMask, Inotify, WatchMask};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

/// How often files are read again when nothing was seen to change.
pub const POLL: Duration = Duration::from_secs(30);
/// How long after a change the files are read: several are replaced one after another.
const SETTLE: Duration = Duration::from_millis(50);
/// Largest file that is read, in bytes.
pub const MAX_FILE: u64 = 4 * 1024 * 1024;

/// Says when to read the files of some folders again.
pub struct Changes {
    seen: mpsc::Receiver<()>,
    poll: Duration,
    next: Instant,
}

/// Why a file could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot read {}: {problem}", path.display())]
pub struct Unreadable {
    path: PathBuf,
    problem: String,
}

impl Changes {
    /// Watches `folders`, and reads every `poll` anyway.
    pub fn of(folders: &[&Path], poll: Duration) -> Self {
        let (sender, seen) = mpsc::channel(1);
        // The watch is there before this returns: what changes after the first reading is seen.
        match inotify(folders) {
            Ok(inotify) => {
                let watching = std::thread::Builder::new().name("files".to_owned());
                // The thread sleeps in the kernel and ends with the process.
                if let Err(error) = watching.spawn(move || watch(inotify, &sender)) {
                    tracing::warn!(%error, "files are not watched, but read every {poll:?}");
                }
            }
            Err(error) => tracing::warn!(%error, "files are not watched, but read every {poll:?}"),
        }
        Self { seen, poll, next: Instant::now() }
    }

    /// Resolves at the first call, and then whenever something may have changed.
    pub async fn next(&mut self) {
        tokio::select! {
            () = sleep_until(self.next) => {}
            () = async {
                // A closed channel means that there is no watch: the timer remains.
                if self.seen.recv().await.is_none() {
                    std::future::pending::<()>().await;
                }
            } => {
                tokio::time::sleep(SETTLE).await;
                let _ = self.seen.try_recv();
            }
        }
        self.next = Instant::now() + self.poll;
    }
}

/// Reads a file, up to [`MAX_FILE`].
///
/// # Errors
/// Names the file and what is wrong with it.
pub fn read(path: &Path) -> Result<Vec<u8>, Unreadable> {
    let failed = |problem: String| Unreadable { path: path.to_owned(), problem };
    let size = std::fs::metadata(path).map_err(|error| failed(error.to_string()))?.len();
    if size > MAX_FILE {
        return Err(failed(format!("{size} bytes are more than the {MAX_FILE} that are read")));
    }
    std::fs::read(path).map_err(|error| failed(error.to_string()))
}

/// A watch on folders; those that are not there are left to the timer.
fn inotify(folders: &[&Path]) -> std::io::Result<Inotify> {
    let inotify = Inotify::init()?;
    let mask = WatchMask::CREATE
        | WatchMask::DELETE
        | WatchMask::MOVED_TO
        | WatchMask::CLOSE_WRITE
        | WatchMask::DELETE_SELF
        | WatchMask::MOVE_SELF;
    for folder in folders {
        if let Err(error) = inotify.watches().add(folder, mask) {
            tracing::warn!(folder = %folder.display(), %error, "folder is not watched, but read every {POLL:?}");
        }
    }
    Ok(inotify)
}

fn watch(mut inotify: Inotify, sender: &mpsc::Sender<()>) {
    let mut buffer = [0; 4_096];
    loop {
        let changed = match inotify.read_events_blocking(&mut buffer) {
            Ok(mut events) => events.any(|event| is_change(event.mask, event.name)),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => false,
            Err(error) => {
                tracing::warn!(%error, "files are not watched any more, but read every {POLL:?}");
                return;
            }
        };
        if changed && sender.is_closed() {
            return;
        }
        if changed {
            // A full channel already says it.
            let _ = sender.try_send(());
        }
    }
}

/// Whether an event is worth reading the files: not those of the kubelet's temporary entries.
fn is_change(mask: EventMask, name: Option<&OsStr>) -> bool {
    !mask.contains(EventMask::IGNORED) && name.is_none_or(|name| name != "..data_tmp")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::time::Duration;

    use super::{Changes, read};

    const SOON: Duration = Duration::from_secs(5);
    const NEVER: Duration = Duration::from_secs(3_600);

    #[tokio::test]
    async fn a_swapped_link_is_seen_at_once() {
        let mount = tempfile::tempdir().unwrap();
        for version in ["..1", "..2"] {
            fs::create_dir(mount.path().join(version)).unwrap();
            fs::write(mount.path().join(version).join("file"), version).unwrap();
        }
        symlink("..1", mount.path().join("..data")).unwrap();
        symlink("..data/file", mount.path().join("file")).unwrap();
        let mut changes = Changes::of(&[mount.path()], NEVER);
        changes.next().await;
        assert_eq!(read(&mount.path().join("file")).unwrap(), b"..1");
        // Give the thread the time to watch: until it does there is nothing to be seen.
        tokio::time::sleep(Duration::from_millis(200)).await;
        symlink("..2", mount.path().join("..data_tmp")).unwrap();
        fs::rename(mount.path().join("..data_tmp"), mount.path().join("..data")).unwrap();
        tokio::time::timeout(SOON, changes.next()).await.unwrap();
        assert_eq!(read(&mount.path().join("file")).unwrap(), b"..2");
    }

    #[tokio::test]
    async fn without_a_watch_the_timer_remains() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("missing");
        let mut changes = Changes::of(&[&missing], Duration::from_millis(20));
        for _ in 0..3 {
            tokio::time::timeout(SOON, changes.next()).await.unwrap();
        }
        let error = read(&missing).unwrap_err().to_string();
        assert!(error.contains("missing: No such file"), "{error}");
    }
}
