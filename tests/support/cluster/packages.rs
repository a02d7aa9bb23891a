//! The Debian packages a level needs (`tests/cluster/debian-packages.txt`), and whether they are here.

use anyhow::{Context, Result, bail};

use super::level::Level;
use super::run::find_program;

const LIST: &str = include_str!("../../cluster/debian-packages.txt");

/// One line of the list: a package, the level from which on it is needed, and a program that shows it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Package {
    name: &'static str,
    level: Level,
    program: &'static str,
}

/// Fails unless every package of `level` is installed.
///
/// # Errors
/// Names what is missing and the command that installs it.
pub(super) fn require(level: Level) -> Result<()> {
    require_with(level, is_present)
}

fn require_with(level: Level, is_present: impl Fn(&str) -> bool) -> Result<()> {
    let missing: Vec<&str> = packages()?
        .into_iter()
        .filter(|package| package.level <= level && !is_present(package.program))
        .map(|package| package.name)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names = missing.join(" ");
    bail!(
        "a test cluster of level {level} needs Debian packages that are not installed: {names}\n\
         hint: apt-get update && apt-get install --yes --no-install-recommends {names}"
    )
}

fn packages() -> Result<Vec<Package>> {
    let lines = LIST.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(parse_line).collect()
}

fn parse_line(line: &'static str) -> Result<Package> {
    let mut words = line.split_whitespace();
    let mut word = || words.next().with_context(|| format!("debian-packages.txt: incomplete line {line:?}"));
    Ok(Package { name: word()?, level: word()?.parse()?, program: word()? })
}

fn is_present(program: &str) -> bool {
    if program.starts_with('/') {
        return std::path::Path::new(program).exists();
    }
    find_program(program).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named_with_the_command_that_installs_it() {
        let without_etcd = |program: &str| program != "etcd" && program != "runc";
        let error = require_with(Level::ApiServer, without_etcd).unwrap_err().to_string();
        assert!(error.ends_with("apt-get install --yes --no-install-recommends etcd-server"), "{error}");
        let error = require_with(Level::Node, without_etcd).unwrap_err().to_string();
        assert!(error.ends_with("--no-install-recommends etcd-server runc"), "{error}");
        assert!(require_with(Level::Node, |_| true).is_ok());
    }

    #[test]
    fn every_line_is_well_formed_and_both_levels_occur() {
        let all = packages().unwrap();
        assert!(all.iter().any(|package| package.level == Level::Storage));
        assert!(all.iter().any(|package| package.level == Level::Node));
    }

    #[test]
    fn a_program_nobody_has_is_absent() {
        assert!(!is_present("no-such-program-anywhere"));
        assert!(!is_present("/no/such/file"));
        assert!(is_present("sh"));
    }
}
