//! Measures the command: start-up, install, inject, uninject and profile, next to what `kubectl` takes for the same
//! input. `docs/performance.md` explains the figures.
//!
//! ```text
//! cargo run --release -p mesh-tests --bin bench-command [-- --quick] [--without-kubectl] [--binary FILE]
//! ```

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for people; it has no other output"
)]

mod inputs;
mod measure;
mod size;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use mesh_tests::cluster::{Cluster, Level};

use crate::inputs::Inputs;
use crate::measure::{Input, RUN_ONE, Taken, median};
use crate::size::Size;

const USAGE: &str = "usage: bench-command [--quick] [--without-kubectl] [--binary FILE]";

/// The case that writes most.
const LARGE_MANUAL: &str = "inject --manual, large stream";

/// What one is asked for.
struct Options {
    size: Size,
    binary: Option<PathBuf>,
    with_kubectl: bool,
}

/// What a measured run may take at most.
#[derive(Clone, Copy)]
enum Goal {
    Cpu(Duration),
    /// Bytes of input in a second of CPU.
    Speed(f64),
    /// Bytes of resident memory.
    Memory(u64),
}

/// Name, arguments, input file and goal.
type Case<'a> = (&'a str, Vec<&'a str>, Option<&'a str>, Option<Goal>);

/// One line of the table.
struct Row {
    name: String,
    /// Bytes of input.
    bytes: Option<u64>,
    taken: Taken,
    goal: Option<Goal>,
    /// CPU of the nearest other program for the same work.
    reference: Option<Duration>,
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let result = match words.split_first() {
        Some((first, rest)) if first == RUN_ONE => measure::run_one(rest).map(|line| println!("{line}")),
        _ => options(&words).and_then(bench),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn options(words: &[String]) -> Result<Options> {
    let mut options = Options { size: Size::FULL, binary: None, with_kubectl: true };
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--quick" => (options.size, options.with_kubectl) = (Size::QUICK, false),
            "--without-kubectl" => options.with_kubectl = false,
            "--binary" => options.binary = Some(words.next().context(USAGE)?.into()),
            _ => bail!("unknown argument {word}\n{USAGE}"),
        }
    }
    Ok(options)
}

fn bench(options: Options) -> Result<()> {
    let linkerd = options.binary.map_or_else(build, Ok)?;
    let linkerd = linkerd.to_str().context("the path of the command is no text")?;
    let folder = tempfile::tempdir()?;
    let inputs = Inputs::write(folder.path(), &options.size)?;
    let mut rows = rows(linkerd, folder.path(), &inputs, &options.size)?;
    if options.with_kubectl {
        add_kubectl(&mut rows, &inputs, options.size.runs)?;
    }
    let missed: Vec<String> =
        rows.iter().filter(|row| !row.is_met(options.size.slack)).map(|row| row.name.clone()).collect();
    println!("{}", table(&rows));
    if missed.is_empty() { Ok(()) } else { bail!("goals missed: {}", missed.join("; ")) }
}

/// Builds the command as it is released.
fn build() -> Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the workspace has no folder")?;
    let out = Command::new("cargo")
        .args(["build", "--release", "-p", "linkerd-cli", "--message-format=json-render-diagnostics"])
        .current_dir(root)
        .stderr(std::process::Stdio::inherit())
        .output()
        .context("cannot run cargo")?;
    let lines = String::from_utf8(out.stdout)?;
    let executable = |line: &str| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        message["executable"].as_str().map(PathBuf::from)
    };
    lines.lines().filter_map(executable).next_back().context("the command does not build")
}

fn rows(linkerd: &str, folder: &Path, inputs: &Inputs, size: &Size) -> Result<Vec<Row>> {
    let text = |path: &Path| path.display().to_string();
    let (file, stream, swagger, anchors) =
        (text(&inputs.deployments), text(&inputs.stream), text(&inputs.swagger), text(&inputs.anchors));
    let manual = ["inject", "--manual", "--ignore-cluster", "--identity-trust-anchors-file", &anchors];
    let injected = folder.join("injected.yaml");
    let made =
        Command::new(linkerd).args(["inject", &stream]).stdout(std::fs::File::create(&injected)?).output()?;
    if !made.status.success() {
        bail!("inject failed: {}", String::from_utf8_lossy(&made.stderr));
    }
    let injected = text(&injected);
    let millis = Duration::from_millis;
    let speed = Some(Goal::Speed(100e6));
    let cases: Vec<Case<'_>> = vec![
        ("start: version --client", vec!["version", "--client"], None, Some(Goal::Cpu(millis(5)))),
        ("install --ignore-cluster", vec!["install", "--ignore-cluster"], None, Some(Goal::Cpu(millis(40)))),
        ("inject, Deployments", vec!["inject", &file], Some(&file), None),
        ("inject --manual, Deployments", [&manual[..], &[&file]].concat(), Some(&file), None),
        ("inject, large stream", vec!["inject", &stream], Some(&stream), speed),
        (LARGE_MANUAL, [&manual[..], &[&stream]].concat(), Some(&stream), None),
        ("uninject, large stream", vec!["uninject", &injected], Some(&injected), None),
        (
            "profile --open-api",
            vec!["profile", "--ignore-cluster", "-n", "n", "--open-api", &swagger, "books"],
            Some(&swagger),
            Some(Goal::Cpu(Duration::from_secs(1))),
        ),
    ];
    let mut rows = Vec::new();
    for (name, args, input, goal) in cases {
        let writes_much = name == LARGE_MANUAL;
        let words: Vec<String> = [linkerd].into_iter().chain(args).map(str::to_owned).collect();
        // Nine times its input is written then, which takes a disk its time.
        let runs = if writes_much { size.runs.min(3) } else { size.runs };
        let taken = median(&words, Input::None, runs)?;
        let bytes = input.map(std::fs::metadata).transpose()?.map(|metadata| metadata.len());
        rows.push(Row { name: name.to_owned(), bytes, taken, goal, reference: None });
    }
    rows.push(piped(linkerd, size)?);
    Ok(rows)
}

/// A stream larger than memory should ever be, made while it is read.
fn piped(linkerd: &str, size: &Size) -> Result<Row> {
    let write = |to: &mut dyn Write| {
        let mut piece = Vec::new();
        inputs::deployments(&mut piece, 1_000)?;
        (0..size.pipe).step_by(piece.len()).try_for_each(|_| to.write_all(&piece))
    };
    let words = [linkerd, "inject", "-"].map(str::to_owned);
    let taken = median(&words, Input::Pipe(&write), 1)?;
    let goal = Some(Goal::Memory(200 << 20));
    Ok(Row {
        name: "inject -, through a pipe".to_owned(),
        bytes: Some(size.pipe),
        taken,
        goal,
        reference: None,
    })
}

/// Adds what `kubectl` takes to start, and to read and print the same Deployments. Its own limit on requests makes it
/// wait most of the time, so only its CPU is compared, of one run.
fn add_kubectl(rows: &mut Vec<Row>, inputs: &Inputs, runs: usize) -> Result<()> {
    let cluster = Cluster::start(Level::ApiServer).context("--without-kubectl leaves the comparison out")?;
    let program = cluster.kubectl([""; 0]).get_program().to_string_lossy().into_owned();
    let kubeconfig = format!("--kubeconfig={}", cluster.kubeconfig_path().display());
    let words = |args: &[&str]| -> Vec<String> {
        [&program, &kubeconfig].into_iter().cloned().chain(args.iter().map(|&word| word.to_owned())).collect()
    };
    let start = median(&words(&["version", "--client"]), Input::None, runs)?;
    let file = inputs.deployments.display().to_string();
    let create = median(
        &words(&["create", "--dry-run=client", "--validate=false", "-o", "yaml", "-f", &file]),
        Input::None,
        1,
    )?;
    for row in rows.iter_mut() {
        if row.name.starts_with("start") {
            row.reference = Some(start.cpu);
        } else if row.name.ends_with(", Deployments") {
            row.reference = Some(create.cpu);
        }
    }
    let bytes = Some(std::fs::metadata(&inputs.deployments)?.len());
    let row =
        |name: &str, bytes, taken| Row { name: name.to_owned(), bytes, taken, goal: None, reference: None };
    rows.push(row("kubectl version --client", None, start));
    rows.push(row("kubectl create --dry-run=client, Deployments", bytes, create));
    Ok(())
}

impl Row {
    fn speed(&self) -> Option<f64> {
        self.bytes.map(|bytes| bytes as f64 / self.taken.cpu.as_secs_f64())
    }

    fn is_met(&self, slack: f64) -> bool {
        match self.goal {
            None => true,
            Some(Goal::Cpu(most)) => self.taken.cpu <= most.mul_f64(slack),
            Some(Goal::Speed(least)) => self.speed().is_some_and(|speed| speed * slack >= least),
            Some(Goal::Memory(most)) => self.taken.memory < most,
        }
    }

    /// What part of the goal was used; below 1 it is met.
    fn of_goal(&self) -> Option<f64> {
        Some(match self.goal? {
            Goal::Cpu(most) => self.taken.cpu.as_secs_f64() / most.as_secs_f64(),
            Goal::Speed(least) => least / self.speed()?,
            Goal::Memory(most) => self.taken.memory as f64 / most as f64,
        })
    }
}

fn table(rows: &[Row]) -> String {
    let mut lines = vec![
        "| what | CPU ms | wall ms | peak MiB | input MB | MB per CPU s | of the goal | of kubectl's CPU |"
            .to_owned(),
        "|---|---:|---:|---:|---:|---:|---:|---:|".to_owned(),
    ];
    let millis = |time: Duration| format!("{:.1}", time.as_secs_f64() * 1e3);
    let shown = |value: Option<f64>, digits: usize| {
        value.map(|value| format!("{value:.digits$}")).unwrap_or_default()
    };
    for row in rows {
        let of_kubectl = row.reference.map(|it| row.taken.cpu.as_secs_f64() / it.as_secs_f64());
        lines.push(format!(
            "| {} | {} | {} | {:.0} | {} | {} | {} | {} |",
            row.name,
            millis(row.taken.cpu),
            millis(row.taken.wall),
            row.taken.memory as f64 / f64::from(1 << 20),
            shown(row.bytes.map(|bytes| bytes as f64 / 1e6), 1),
            shown(row.speed().map(|speed| speed / 1e6), 1),
            shown(row.of_goal(), 2),
            shown(of_kubectl, 3),
        ));
    }
    lines.join("\n")
}
