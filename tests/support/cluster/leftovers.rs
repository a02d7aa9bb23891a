//! What test clusters leave on a machine, and whether it is anything.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::{DIR_PREFIX, cgroup_name};

/// Everything on this machine that belongs to the cluster in `dir`, one line each: the folder itself, processes,
/// mounts and control groups. Empty once the cluster is down.
///
/// # Errors
/// When `/proc` or the control groups cannot be read.
pub fn leftovers(dir: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    if dir.exists() {
        found.push(format!("folder {}", dir.display()));
    }
    let cgroup = cgroup_name(dir);
    found.extend(processes(dir, &cgroup)?);
    found.extend(mounts(dir)?);
    found.extend(cgroups(&cgroup).into_iter().map(|path| format!("control group {}", path.display())));
    Ok(found)
}

/// The folders of clusters whose supervisor is gone: they were cut off in the middle, by a crash of the machine or a
/// kill of the supervisor itself.
///
/// # Errors
/// When the folder of temporary files cannot be read.
pub fn abandoned() -> Result<Vec<PathBuf>> {
    let parent = std::env::temp_dir();
    let entries = fs::read_dir(&parent).with_context(|| format!("cannot read {}", parent.display()))?;
    let dirs = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(DIR_PREFIX)));
    Ok(dirs.filter(|dir| !is_supervised(dir)).collect())
}

/// Removes the folder and the control groups of an abandoned cluster. Processes are left alone: they are reported.
///
/// # Errors
/// When something cannot be removed.
pub fn remove_abandoned(dir: &Path) -> Result<()> {
    for path in cgroups(&cgroup_name(dir)) {
        fs::remove_dir(&path).with_context(|| format!("cannot remove {}", path.display()))?;
    }
    fs::remove_dir_all(dir).with_context(|| format!("cannot remove {}", dir.display()))
}

/// Whether the process noted in `supervisor.pid` still is that cluster's supervisor.
///
/// A folder without the note is that of a start (or of a handle on an existing cluster) in progress.
fn is_supervised(dir: &Path) -> bool {
    let Ok(pid) = fs::read_to_string(dir.join("supervisor.pid")) else { return true };
    let command = fs::read(format!("/proc/{}/cmdline", pid.trim())).unwrap_or_default();
    contains(&command, dir.as_os_str().as_encoded_bytes())
}

fn processes(dir: &Path, cgroup: &str) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").context("cannot read /proc")?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.bytes().all(|byte| byte.is_ascii_digit()) {
            continue;
        }
        // A process may end while it is looked at.
        let command = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let groups = fs::read(entry.path().join("cgroup")).unwrap_or_default();
        let named = contains(&command, dir.as_os_str().as_encoded_bytes());
        if named || contains(&groups, format!("/{cgroup}").as_bytes()) {
            let words = String::from_utf8_lossy(&command).replace('\0', " ");
            found.push(format!("process {name} {}", words.chars().take(80).collect::<String>()));
        }
    }
    Ok(found)
}

fn mounts(dir: &Path) -> Result<Vec<String>> {
    let dir = dir.display().to_string();
    let table = fs::read_to_string("/proc/self/mounts").context("cannot read /proc/self/mounts")?;
    let points = table.lines().filter_map(|line| line.split(' ').nth(1));
    Ok(points.filter(|point| point.starts_with(&dir)).map(|point| format!("mount {point}")).collect())
}

/// The control groups called `name` and those below them, deepest first.
fn cgroups(name: &str) -> Vec<PathBuf> {
    let root = Path::new("/sys/fs/cgroup");
    let hierarchies = fs::read_dir(root).into_iter().flatten().flatten().map(|entry| entry.path());
    let tops = hierarchies.chain([root.to_owned()]).map(|dir| dir.join(name)).filter(|dir| dir.is_dir());
    let mut found = Vec::new();
    for top in tops {
        push_deepest_first(&top, &mut found);
    }
    found
}

fn push_deepest_first(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            push_deepest_first(&entry.path(), found);
        }
    }
    found.push(dir.to_owned());
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}
