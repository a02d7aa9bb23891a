//! Parts of a cluster that go away for a while.
//!
//! `init.sh` starts a part again when it finds a file of the part's name once the part has ended, and not before that file
//! is gone.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How long a process may take to be gone after it was killed.
const END: Duration = Duration::from_secs(10);

/// The name of the file that keeps a part away; `init.sh` has it too.
fn file_of(part: &str) -> String {
    format!("away.{part}")
}

/// Ends a part as a crash does, and keeps it away while `meanwhile` runs.
///
/// # Errors
/// When the part does not run, or does not end.
pub(super) fn without<T>(dir: &Path, part: &str, meanwhile: impl FnOnce() -> T) -> Result<T> {
    let process = process_of(dir, part)?.with_context(|| format!("{part} does not run"))?;
    let file = dir.join(file_of(part));
    fs::write(&file, "").with_context(|| format!("cannot write {}", file.display()))?;
    kill(process, Signal::SIGKILL).with_context(|| format!("cannot end {part}"))?;
    let killed = Instant::now();
    while process_of(dir, part)?.is_some() {
        if killed.elapsed() > END {
            bail!("{part} runs on {END:?} after it was killed");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let result = meanwhile();
    fs::remove_file(&file).with_context(|| format!("cannot remove {}", file.display()))?;
    Ok(result)
}

/// The process whose program is `part` and whose arguments name the cluster's folder, which no other cluster has.
fn process_of(dir: &Path, part: &str) -> Result<Option<Pid>> {
    let dir = dir.as_os_str().as_bytes();
    for entry in fs::read_dir("/proc").context("cannot list processes")?.flatten() {
        let Some(number) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // A process that ended meanwhile has no command line any more.
        let Ok(line) = fs::read(entry.path().join("cmdline")) else { continue };
        let program = line.split(|byte| *byte == 0).next().unwrap_or_default();
        let is_part =
            Path::new(std::ffi::OsStr::from_bytes(program)).file_name().is_some_and(|name| name == part);
        if is_part && line.windows(dir.len()).any(|part| part == dir) {
            return Ok(Some(Pid::from_raw(number)));
        }
    }
    Ok(None)
}
