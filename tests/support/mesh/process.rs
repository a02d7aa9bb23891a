//! Processes of a namespace, with what they said and what they cost.

use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::namespace::Namespace;

/// Who a process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum User {
    /// Root, like an application whose connections are redirected.
    Root,
    /// The proxy's user, whose connections are left alone.
    Proxy,
}

/// The user that the redirection exempts.
pub(super) const PROXY_UID: u32 = 2102;

/// What to start.
#[derive(Clone, Debug)]
pub struct Start {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Its whole environment, apart from `PATH`.
    pub env: Vec<(String, String)>,
    /// Who it is.
    pub user: User,
    /// The cores it may run on; any when empty.
    pub cores: Vec<usize>,
}

/// A running program; ended when dropped, at the latest with the namespace's thread.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
    status: Option<ExitStatus>,
}

// === impl Start ===

impl Start {
    /// A program without arguments, as an application.
    #[must_use]
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            args: Vec::new(),
            env: Vec::new(),
            user: User::Root,
            cores: Vec::new(),
        }
    }

    /// Adds arguments.
    #[must_use]
    pub fn args(mut self, args: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets who it is.
    #[must_use]
    pub fn user(mut self, user: User) -> Self {
        self.user = user;
        self
    }

    /// Binds it to cores.
    #[must_use]
    pub fn cores(mut self, cores: &[usize]) -> Self {
        self.cores = cores.to_vec();
        self
    }
}

// === impl Process ===

impl Process {
    /// Starts a program inside a namespace; all that it says goes to `NAME.log` in `folder`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(namespace: &Namespace, name: &str, folder: &Path, start: Start) -> Result<Self> {
        let log = folder.join(format!("{name}.log"));
        let output = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let errors = output.try_clone().context("cannot share a log")?;
        let program = match start.user {
            User::Root => start.program.clone(),
            User::Proxy => within_reach(&start.program, folder, name)?,
        };
        // The kernel ends the process with the thread that started it, which is the namespace's.
        let mut command = Command::new("setpriv");
        command.arg("--pdeathsig=KILL");
        if start.user == User::Proxy {
            command.args([
                &format!("--reuid={PROXY_UID}"),
                &format!("--regid={PROXY_UID}"),
                "--clear-groups",
                "--inh-caps=-all",
            ]);
        }
        command.arg("--");
        if !start.cores.is_empty() {
            let cores: Vec<String> = start.cores.iter().map(ToString::to_string).collect();
            command.args(["taskset", "--cpu-list", &cores.join(",")]);
        }
        command.arg(&program).args(&start.args);
        command.env_clear().env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        command.envs(start.env);
        command.stdin(Stdio::null()).stdout(output).stderr(errors);
        let child = namespace
            .call(move || command.spawn())
            .with_context(|| format!("cannot start {}", start.program.display()))?;
        Ok(Self { name: name.to_owned(), child, log, status: None })
    }

    /// Its identifier.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// All that it said so far.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read(&self.log)
            .map_or_else(|error| error.to_string(), |text| String::from_utf8_lossy(&text).into_owned())
    }

    /// Whether it still runs.
    ///
    /// # Errors
    /// When the kernel does not tell.
    pub fn is_running(&mut self) -> Result<bool> {
        if self.status.is_none() {
            self.status = self.child.try_wait().context("cannot wait for a process")?;
        }
        Ok(self.status.is_none())
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When it does not end in time.
    pub fn wait(&mut self, limit: Duration) -> Result<ExitStatus> {
        let start = Instant::now();
        while self.is_running()? {
            if start.elapsed() > limit {
                bail!("{} still runs after {limit:?}:\n{}", self.name, self.log());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        self.status.context("no status")
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// When it is gone.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let id = i32::try_from(self.id()).context("a process identifier")?;
        kill(Pid::from_raw(id), signal).with_context(|| format!("cannot signal {}", self.name))
    }

    /// Asks it to end.
    ///
    /// # Errors
    /// When it is gone.
    pub fn terminate(&self) -> Result<()> {
        self.signal(Signal::SIGTERM)
    }

    /// This process and those that it started.
    #[must_use]
    pub fn family(&self) -> Vec<u32> {
        let mut family = vec![self.id()];
        let mut at = 0;
        while let Some(id) = family.get(at).copied() {
            let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
            family.extend(children.split_whitespace().filter_map(|word| word.parse::<u32>().ok()));
            at += 1;
        }
        family
    }

    /// CPU time that the family has taken.
    ///
    /// # Errors
    /// When `/proc` does not tell.
    pub fn cpu(&self) -> Result<Duration> {
        let mut nanoseconds = 0;
        for id in self.family() {
            for task in fs::read_dir(format!("/proc/{id}/task")).context("no tasks")? {
                let text = fs::read_to_string(task?.path().join("schedstat"))
                    .context("the kernel keeps no schedstat")?;
                let first = text.split_whitespace().next().unwrap_or_default();
                nanoseconds += first.parse::<u64>().context("schedstat is no number")?;
            }
        }
        Ok(Duration::from_nanos(nanoseconds))
    }

    /// Resident memory of the family, in octets.
    ///
    /// # Errors
    /// When `/proc` does not tell.
    pub fn resident(&self) -> Result<u64> {
        let mut sum = 0;
        for id in self.family() {
            let text = fs::read_to_string(format!("/proc/{id}/status")).context("no status of a process")?;
            let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
            let kibibytes = line.and_then(|line| line.trim().split(' ').next()?.parse::<u64>().ok());
            sum += kibibytes.context("no VmRSS")? * 1024;
        }
        Ok(sum)
    }
}

/// A name of a program that the proxy's user may follow, which a path through somebody's home may be not.
fn within_reach(program: &Path, folder: &Path, name: &str) -> Result<PathBuf> {
    if program.starts_with("/usr") {
        return Ok(program.to_owned());
    }
    let reachable = folder.join(format!("{name}.bin"));
    // Another start of the same process leaves the file.
    let _ = fs::remove_file(&reachable);
    if fs::hard_link(program, &reachable).is_err() {
        fs::copy(program, &reachable).with_context(|| format!("cannot copy {}", program.display()))?;
    }
    let shared = std::env::temp_dir();
    for ours in folder.ancestors().take_while(|ancestor| *ancestor != shared && ancestor.starts_with(&shared))
    {
        fs::set_permissions(ours, fs::Permissions::from_mode(0o755)).context("cannot open a folder")?;
    }
    Ok(reachable)
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.status.is_none() {
            // What it started outlives it when it cannot say goodbye. All of this fails only when it has ended by itself.
            for id in self.family().into_iter().filter_map(|id| i32::try_from(id).ok()) {
                let _ = kill(Pid::from_raw(id), Signal::SIGKILL);
            }
            let _ = self.child.wait();
        }
        if std::thread::panicking() {
            let log = self.log();
            let from = log.char_indices().rev().nth(6000).map_or(0, |(at, _)| at);
            #[allow(clippy::print_stderr, reason = "what a proxy said explains why its test failed")]
            {
                eprintln!("--- {}\n{}---", self.name, &log[from..]);
            }
        }
    }
}
