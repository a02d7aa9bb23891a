//! `test-cluster`: a test cluster for a person, and what CI does ahead of the tests.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for people; it has no other output"
)]

use std::io::Read;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Result, bail};
use mesh_tests::cluster::build::{Group, tools};
use mesh_tests::cluster::{Cluster, Level, abandoned, leftovers, remove_abandoned};

const USAGE: &str = "\
usage: test-cluster up [--level LEVEL]     start a cluster and keep it until Ctrl-C or the end of input
       test-cluster build [--level LEVEL]  fill the cache of built programs and say where it is
       test-cluster doctor [--remove]      name what clusters that were cut off left behind, and remove it
LEVEL is storage, apiserver (the default) or node.
";

/// What to do with the remains of a cluster.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Remains {
    Report,
    Remove,
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &[String]) -> Result<()> {
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["up"] => up(Level::ApiServer),
        ["up", "--level", level] => up(level.parse()?),
        ["build"] => build(Level::ApiServer),
        ["build", "--level", level] => build(level.parse()?),
        ["doctor"] => doctor(Remains::Report),
        ["doctor", "--remove"] => doctor(Remains::Remove),
        ["help" | "-h" | "--help"] => {
            print!("{USAGE}");
            Ok(())
        }
        _ => bail!("unknown arguments {words:?}\n{USAGE}"),
    }
}

fn up(level: Level) -> Result<()> {
    let begin = Instant::now();
    let cluster = Cluster::start(level)?;
    println!(
        "# level {level}, ready after {:.1} s; files and logs in {}",
        begin.elapsed().as_secs_f64(),
        cluster.dir().display()
    );
    println!("export KUBECONFIG={}", cluster.kubeconfig_path().display());
    println!("# kubectl: {}", cluster.kubectl([""; 0]).get_program().display());
    println!("# Ctrl-C, or the end of standard input, takes it down.");
    let mut ignored = Vec::new();
    std::io::stdin().read_to_end(&mut ignored)?;
    Ok(())
}

fn build(level: Level) -> Result<()> {
    for group in [Group::Kubernetes, Group::CoreDns, Group::Helm] {
        let begin = Instant::now();
        let built = tools(group, level)?;
        println!("{} ({:.0} s)", built.dir().display(), begin.elapsed().as_secs_f64());
    }
    Ok(())
}

fn doctor(remains: Remains) -> Result<()> {
    let dirs = abandoned()?;
    for dir in &dirs {
        for line in leftovers(dir)? {
            println!("{line}");
        }
        if remains == Remains::Remove {
            remove_abandoned(dir)?;
            println!("removed {}", dir.display());
        }
    }
    if !dirs.is_empty() && remains == Remains::Report {
        bail!("{} abandoned test clusters; `test-cluster doctor --remove` removes them", dirs.len());
    }
    Ok(())
}
