//! Runs a program and says what it took.
//!
//! The kernel keeps the peak of memory over all children of a process, so each run is started by a process of its
//! own: this same program, asked to [`run_one`].

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::resource::{UsageWho, getrusage};

/// The first word that makes this program a runner.
pub(crate) const RUN_ONE: &str = "run-one";

/// What one run took; of several, the medians.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taken {
    /// CPU time of user and kernel.
    pub(crate) cpu: Duration,
    /// Time on the clock.
    pub(crate) wall: Duration,
    /// Peak of resident memory, in bytes.
    pub(crate) memory: u64,
}

/// What a program reads.
#[derive(Clone, Copy)]
pub(crate) enum Input<'a> {
    /// Nothing.
    None,
    /// What this writes, while it is read.
    Pipe(&'a (dyn Fn(&mut dyn Write) -> std::io::Result<()> + Sync)),
}

/// Runs `words` as often as told and takes the median of each figure.
pub(crate) fn median(words: &[String], input: Input<'_>, runs: usize) -> Result<Taken> {
    let mut taken = Vec::new();
    for _ in 0..runs {
        taken.push(once(words, input)?);
    }
    Ok(Taken {
        cpu: middle(taken.iter().map(|it| it.cpu)),
        wall: middle(taken.iter().map(|it| it.wall)),
        // The highest: a bound on memory holds in every run.
        memory: taken.iter().map(|it| it.memory).max().unwrap_or_default(),
    })
}

fn middle<T: Ord + Copy>(values: impl Iterator<Item = T>) -> T {
    let mut values: Vec<T> = values.collect();
    values.sort_unstable();
    values[values.len() / 2]
}

fn once(words: &[String], input: Input<'_>) -> Result<Taken> {
    let mut runner = Command::new(std::env::current_exe()?);
    runner.arg(RUN_ONE).args(words).stdout(Stdio::piped());
    runner.stdin(if matches!(input, Input::None) { Stdio::null() } else { Stdio::piped() });
    let mut runner = runner.spawn().context("cannot start the runner")?;
    let stdin = runner.stdin.take();
    let out = std::thread::scope(|scope| {
        if let (Input::Pipe(write), Some(mut stdin)) = (input, stdin) {
            // A program that fails early stops reading; its exit code says so.
            scope.spawn(move || drop(write(&mut stdin)));
        }
        runner.wait_with_output()
    })?;
    let text = String::from_utf8(out.stdout)?;
    let mut numbers = text.split_whitespace().map(str::parse::<u64>);
    match (out.status.success(), numbers.next(), numbers.next(), numbers.next()) {
        (true, Some(Ok(cpu)), Some(Ok(wall)), Some(Ok(memory))) => {
            Ok(Taken { cpu: Duration::from_micros(cpu), wall: Duration::from_micros(wall), memory })
        }
        _ => bail!("{} failed", words.join(" ")),
    }
}

/// Runs one program with the own stdin and prints what it took: microseconds of CPU, of time, and bytes.
pub(crate) fn run_one(words: &[String]) -> Result<String> {
    let (program, args) = words.split_first().context("no program to run")?;
    let begin = Instant::now();
    let status = Command::new(program).args(args).stdout(Stdio::null()).stderr(Stdio::null()).status()?;
    let wall = begin.elapsed();
    if !status.success() {
        bail!("{program}: {status}");
    }
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let micros = |time: nix::sys::time::TimeVal| time.tv_sec() * 1_000_000 + time.tv_usec();
    let cpu = micros(usage.user_time()) + micros(usage.system_time());
    Ok(format!("{cpu} {} {}", wall.as_micros(), usage.max_rss() * 1024))
}
