//! The process that keeps a cluster's parts together and removes what they leave behind.
//!
//! It is a shell that runs `supervise.sh`. Its standard input is a pipe held by the test process alone, so it learns of
//! the end of the test process even when that one was killed and could not say anything.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

const SCRIPT: &str = include_str!("supervise.sh");

/// A running supervisor. Dropping it takes its cluster down and waits for that.
pub(super) struct Supervisor {
    shell: Child,
    lifeline: Option<ChildStdin>,
    dir: PathBuf,
}

impl Supervisor {
    /// Starts `DIR/init.sh` in namespaces of its own: a PID namespace, and those that `unshare_options` name.
    ///
    /// `cgroup` names a control group to remove at the end. `dir` is removed then too.
    ///
    /// # Errors
    /// When the shell cannot be started.
    pub(super) fn start(dir: &Path, cgroup: Option<&str>, unshare_options: &[&str]) -> Result<Self> {
        let log_path = dir.join("logs/supervise.log");
        let log = File::create(&log_path).with_context(|| format!("cannot create {}", log_path.display()))?;
        let mut shell = Command::new("sh")
            .args(["-c", SCRIPT, "supervise.sh"])
            .arg(dir)
            .arg(cgroup.unwrap_or("none"))
            .args(unshare_options)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log)
            // A signal for the test's process group (Ctrl-C, a runner's time limit) must not reach the supervisor.
            .process_group(0)
            .spawn()
            .context("cannot start the supervisor of the test cluster")?;
        let lifeline = shell.stdin.take();
        let supervisor = Self { shell, lifeline, dir: dir.to_owned() };
        let pid = supervisor.shell.id().to_string();
        fs::write(dir.join("supervisor.pid"), pid).context("cannot note the supervisor's process")?;
        Ok(supervisor)
    }

    /// The number of the first process of the cluster's PID namespace, as this process sees it.
    ///
    /// # Errors
    /// When it does not come up within 10 seconds.
    pub(super) fn init_pid(&mut self) -> Result<u32> {
        let path = self.dir.join("init.pid");
        let text = self.wait_for("the cluster's first process", Duration::from_secs(10), || {
            Ok(fs::read_to_string(&path).ok())
        })?;
        text.trim().parse().with_context(|| format!("{} holds no process number: {text:?}", path.display()))
    }

    /// Asks `probe` until it has an answer.
    ///
    /// # Errors
    /// When `probe` fails, when a part of the cluster ends meanwhile, or when `limit` is over; the error carries the
    /// end of the parts' logs.
    pub(super) fn wait_for<T>(
        &mut self,
        what: &str,
        limit: Duration,
        mut probe: impl FnMut() -> Result<Option<T>>,
    ) -> Result<T> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(answer) = probe()? {
                return Ok(answer);
            }
            self.require_alive().with_context(|| format!("while waiting for {what}"))?;
            if Instant::now() > deadline {
                bail!("no sign of {what} within {limit:?}\n{}", self.log_tails());
            }
            sleep(Duration::from_millis(50));
        }
    }

    /// Fails when the supervisor or a part of the cluster has ended.
    ///
    /// # Errors
    /// Names the part and shows the end of the logs.
    pub(super) fn require_alive(&mut self) -> Result<()> {
        let ended = fs::read_to_string(self.dir.join("ended")).unwrap_or_default();
        if !ended.is_empty() {
            bail!(
                "a part of the test cluster ended: {}\n{}{}",
                ended.trim(),
                self.logs_of(&ended),
                self.log_tails()
            );
        }
        if let Some(status) = self.shell.try_wait().context("cannot ask after the supervisor")? {
            bail!("the supervisor of the test cluster ended with {status}\n{}", self.log_tails());
        }
        Ok(())
    }

    /// What the parts that ended said last, at more length than the others: it holds the reason.
    fn logs_of(&self, ended: &str) -> String {
        let names = ended.lines().filter_map(|line| line.split(' ').next());
        names.map(|name| log_tail(&self.dir.join("logs").join(format!("{name}.log")), 40)).collect()
    }

    fn log_tails(&self) -> String {
        let Ok(entries) = fs::read_dir(self.dir.join("logs")) else { return String::new() };
        let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        paths.sort();
        paths.iter().map(|path| log_tail(path, 12)).collect()
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        drop(self.lifeline.take());
        // Nothing useful can be done about a supervisor that cannot be waited for.
        let _ = self.shell.wait();
    }
}

fn log_tail(path: &Path, lines: usize) -> String {
    let bytes = fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let all: Vec<&str> = text.lines().collect();
    let tail = &all[all.len().saturating_sub(lines)..];
    if tail.is_empty() {
        return String::new();
    }
    format!("--- {}\n{}\n", path.display(), tail.join("\n"))
}
