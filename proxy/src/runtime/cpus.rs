//! How many CPUs there are for the process.

use std::path::Path;

/// What is known of the CPUs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cpus {
    /// Those that the process may use at a time, at least 1.
    pub available: usize,
    /// The container's limit, rounded up; none where there is none.
    pub limit: Option<usize>,
}

// === impl Cpus ===

impl Cpus {
    /// Those of this process.
    pub fn of_process() -> Self {
        // It knows affinity and control groups, rounds limits down, and fails only where neither can be read.
        let available = std::thread::available_parallelism().map_or(1, usize::from);
        let limit = limit(Path::new("/sys/fs/cgroup"));
        Self { available: available.max(limit.unwrap_or(1)), limit }
    }
}

/// The limit of the control group that the container sees as its root, in either version.
fn limit(root: &Path) -> Option<usize> {
    let read = |file: &str| std::fs::read_to_string(root.join(file)).ok();
    let (quota, period) = match read("cpu.max") {
        Some(text) => {
            let (quota, period) = text.trim().split_once(' ')?;
            (quota.parse().ok()?, period.parse().ok()?)
        }
        None => {
            let number = |file: &str| read(file)?.trim().parse::<i64>().ok();
            (number("cpu/cpu.cfs_quota_us")?, number("cpu/cpu.cfs_period_us")?)
        }
    };
    rounded_up(quota, period)
}

fn rounded_up(quota: i64, period: i64) -> Option<usize> {
    if quota <= 0 || period <= 0 {
        return None;
    }
    let cpus = quota.checked_add(period - 1)? / period;
    usize::try_from(cpus).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_in_both_versions() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(limit(dir.path()), None);
        std::fs::create_dir(dir.path().join("cpu")).unwrap();
        std::fs::write(dir.path().join("cpu/cpu.cfs_quota_us"), "-1\n").unwrap();
        std::fs::write(dir.path().join("cpu/cpu.cfs_period_us"), "100000\n").unwrap();
        assert_eq!(limit(dir.path()), None);
        std::fs::write(dir.path().join("cpu/cpu.cfs_quota_us"), "250000\n").unwrap();
        assert_eq!(limit(dir.path()), Some(3));
        std::fs::write(dir.path().join("cpu.max"), "max 100000\n").unwrap();
        assert_eq!(limit(dir.path()), None);
        std::fs::write(dir.path().join("cpu.max"), "100000 100000\n").unwrap();
        assert_eq!(limit(dir.path()), Some(1));
        std::fs::write(dir.path().join("cpu.max"), "9223372036854775807 100000\n").unwrap();
        assert_eq!(limit(dir.path()), None);
    }
}
