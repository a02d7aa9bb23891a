//! The corpus and the ways to inject it.

use std::path::PathBuf;

use mesh_inject::{Cached, ChartSource, Flags, Format, Mode, Notice, Settings, StreamError, Task, run_text};

/// Where the tests of injection live.
pub(crate) fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/inject")
}

/// Names and texts of all manifests.
pub(crate) fn manifests() -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = std::fs::read_dir(folder().join("corpus"))
        .expect("the corpus is there")
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .map(|path| {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            (name, std::fs::read_to_string(path).unwrap())
        })
        .collect();
    found.sort();
    assert!(found.len() >= 60, "the corpus has only {} manifests", found.len());
    found
}

/// The chart's sidecars, with anchors that are easy to recognise.
pub(crate) fn source() -> Cached<ChartSource> {
    let mut values = manifests::Chart::Control.defaults().unwrap().clone();
    values["global"]["identityTrustAnchorsPEM"] =
        "-----BEGIN CERTIFICATE-----\nbm90IGEgY2VydGlmaWNhdGU=\n-----END CERTIFICATE-----\n".into();
    values["global"]["linkerdVersion"] = "stable-test".into();
    Cached::new(ChartSource::new(values).unwrap())
}

/// Settings of a run without flags.
pub(crate) fn settings() -> Settings {
    Flags::default().settings("linkerd/cli test".to_owned()).unwrap()
}

/// Settings of a run with flags that add annotations everywhere.
pub(crate) fn flagged() -> Settings {
    let flags = Flags {
        skip_inbound_ports: vec!["25,3000-3010".to_owned()],
        opaque_ports: vec!["3306".to_owned()],
        proxy_log_level: Some("debug".to_owned()),
        enable_debug_sidecar: true,
        ..Flags::default()
    };
    flags.settings("linkerd/cli test".to_owned()).unwrap()
}

/// Injects a text.
pub(crate) fn inject(
    text: &str,
    settings: &Settings,
    mode: Mode<'_>,
) -> Result<(String, Vec<Notice>), StreamError> {
    run_text(Task::Inject { settings, mode }, Format::Text, "test", text)
}

/// Uninjects a text.
pub(crate) fn uninject(text: &str) -> (String, Vec<Notice>) {
    run_text(Task::Uninject, Format::Text, "test", text).unwrap()
}
