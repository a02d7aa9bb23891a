//! What the benchmark is asked for.

use anyhow::{Context, Result, bail};

use crate::workload::Workload;

const USAGE: &str =
    "usage: bench-data-plane [--rounds N] [--seconds N] [--systems a,b] [--workloads a,b] [--quick] [--dev]";

/// What the benchmark is asked for.
pub(crate) struct Options {
    pub(crate) rounds: usize,
    /// How long one workload runs.
    pub(crate) seconds: u64,
    /// Names of systems; all when empty.
    pub(crate) systems: Vec<String>,
    pub(crate) workloads: Vec<Workload>,
    /// Whether our proxy is built without optimisation, to see that the benchmark works.
    pub(crate) dev: bool,
}

// === impl Options ===

impl Options {
    /// Reads the arguments.
    pub(crate) fn parse(words: &[String]) -> Result<Self> {
        let mut options = Self {
            rounds: 5,
            seconds: 2,
            systems: Vec::new(),
            workloads: Workload::ALL.to_vec(),
            dev: false,
        };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().with_context(|| format!("{word} needs a value\n{USAGE}"));
            match word.as_str() {
                "--rounds" => options.rounds = value()?.parse().context("--rounds")?,
                "--seconds" => options.seconds = value()?.parse().context("--seconds")?,
                "--systems" => options.systems = value()?.split(',').map(str::to_owned).collect(),
                "--workloads" => {
                    options.workloads = value()?.split(',').map(str::parse).collect::<Result<_>>()?;
                }
                "--quick" => (options.rounds, options.seconds) = (1, 1),
                "--dev" => options.dev = true,
                _ => bail!("unknown argument {word}\n{USAGE}"),
            }
        }
        Ok(options)
    }
}
