//! The images of our own that test pods run, built from the programs in `tests/node/images`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::environment;
use super::image::{Image, ImageFile, sha256_hex};
use super::run::{find_program, stdout_of};

/// A program of ours in an image of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TestImage {
    /// Holds a pod's namespaces.
    Pause,
    /// A small HTTP server; `tests/node/images/web.rs` says how it is called.
    Web,
}

impl TestImage {
    /// The name by which pods call for it; with `imagePullPolicy: Never`, for there is no registry.
    pub fn name(self) -> &'static str {
        match self {
            TestImage::Pause => "localhost/linkerd-tests/pause:1",
            TestImage::Web => "localhost/linkerd-tests/web:1",
        }
    }

    fn program(self) -> &'static str {
        match self {
            TestImage::Pause => "pause",
            TestImage::Web => "web",
        }
    }

    /// The image as a tar file in the cache, built if it is not there yet.
    ///
    /// # Errors
    /// When the program does not compile or the cache cannot be written.
    pub fn file(self) -> Result<PathBuf> {
        const FLAGS: &[&str] =
            &["--edition=2024", "-Copt-level=s", "-Cstrip=symbols", "-Ctarget-feature=+crt-static"];
        let program = self.program();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("node/images/{program}.rs"));
        let text =
            fs::read_to_string(&source).with_context(|| format!("cannot read {}", source.display()))?;
        let rustc = find_program("rustc").context("no `rustc` found\nhint: install Rust with rustup")?;
        let version = stdout_of(Command::new(&rustc).arg("--version"))?;
        let key = sha256_hex(format!("{version}\n{FLAGS:?}\n{text}").as_bytes());
        let path = environment::cache_dir()?.join(format!("images/{program}-{}.tar", &key[..12]));
        if path.is_file() {
            return Ok(path);
        }
        let building = tempfile::tempdir().context("cannot create a folder")?;
        let binary = building.path().join(program);
        stdout_of(Command::new(&rustc).args(FLAGS).arg("-o").arg(&binary).arg(&source))?;
        let bytes = fs::read(&binary).with_context(|| format!("cannot read {}", binary.display()))?;
        let entrypoint = format!("/{program}");
        let files = [ImageFile { path: program, bytes: &bytes, mode: 0o755, capabilities: &[] }];
        Image { name: self.name(), files: &files, entrypoint: &[&entrypoint] }.write(&path)?;
        Ok(path)
    }
}
