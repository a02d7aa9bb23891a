//! Measures the data plane: two proxies with mutual TLS between them, beside HAProxy, nginx and Envoy set up the same way.
//! `docs/performance.md` explains the figures.
//!
//! ```text
//! cargo bench-data-plane [-- --rounds N] [--seconds N] [--systems a,b] [--workloads a,b] [--quick]
//! ```
//!
//! Every system is a pair of processes in two network namespaces of its own, with the redirection of `linkerd-init`. Both
//! proxies run on the last core, client and server on the first. Rounds are interleaved: each workload visits all systems, in an order that
//! rotates. Ratios are taken within a round, and their median is given. `LINKERD_BENCH_PROXIES=name=FILE,…` adds other binaries that take
//! `LINKERD2_PROXY_*` variables.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a program for people, and one that measures"
)]

mod client;
mod options;
mod pair;
mod peers;
mod report;
mod server;
mod system;
mod workload;

use std::process::ExitCode;

use anyhow::{Context, Result, bail};

use crate::options::Options;
use crate::pair::Pairs;
use crate::report::Report;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let result = match words.first().map(String::as_str) {
        Some(client::COMMAND) => client::run(&words[1..]),
        Some(server::COMMAND) => server::run(),
        _ => Options::parse(&words).and_then(bench),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn bench(options: Options) -> Result<()> {
    mesh_tests::mesh::check_prerequisites()?;
    let systems = system::prepare(&options)?;
    let mut pairs = Pairs::new(options.seconds)?;
    let mut report = Report::default();
    for round in 0..options.rounds {
        for workload in &options.workloads {
            for turn in 0..systems.len() {
                let system = &systems[(turn + round) % systems.len()];
                if !system.can(*workload) {
                    continue;
                }
                let run = pairs
                    .measure(system, *workload)
                    .with_context(|| format!("{} of {}", workload.name(), system.name()));
                match run {
                    Ok(run) => {
                        eprintln!(
                            "round {round} {:<14} {:<12} {}",
                            workload.name(),
                            system.name(),
                            run.line()
                        );
                        report.add(*workload, system, round, run);
                    }
                    Err(error) => {
                        eprintln!("round {round} {error:#}");
                        report.fail(*workload, system, round);
                    }
                }
            }
        }
    }
    println!("{report}");
    let missed = report.missed();
    if missed.is_empty() { Ok(()) } else { bail!("missed: {}", missed.join("; ")) }
}
