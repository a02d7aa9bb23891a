//! What the targets of injection share.
#![allow(dead_code, reason = "not every target uses all of it")]

use mesh_inject::{Cached, ChartSource, Flags, Format, Mode, Notice, Settings, StreamError, Task, run_text};

/// The containers of the embedded chart with its default values.
pub fn source() -> Cached<ChartSource> {
    let values = manifests::Chart::Control.defaults().expect("the embedded chart compiles").clone();
    Cached::new(ChartSource::new(values).expect("the default values render"))
}

/// What is asked for without flags.
pub fn settings() -> Settings {
    Flags::default().settings("linkerd/cli fuzz".to_owned()).expect("no flags are good flags")
}

/// Injects and takes it back: a text that carries nothing of ours comes back as it was.
pub fn comes_back(text: &str, settings: &Settings, mode: Mode<'_>) -> Result<(), StreamError> {
    let task = Task::Inject { settings, mode };
    let (injected, notices) = run_text(task, Format::Text, "input", text)?;
    let (back, _) = run_text(Task::Uninject, Format::Text, "input", &injected)?;
    let is_rewritten = notices.iter().any(|notice| matches!(notice, Notice::Rewritten { .. }));
    // A key can be spelled with escapes, so what reads as ours counts as well.
    let values = mesh_yaml::from_stream(text).map(|values| format!("{values:?}")).unwrap_or_default();
    let is_clean = |text: &str| {
        !["linkerd", "istio", "envoy", "proxy", "contour"].iter().any(|mark| text.contains(mark))
    };
    if is_clean(text) && is_clean(&values) && !is_rewritten {
        assert_eq!(back, text, "injected:\n{injected}");
    }
    Ok(())
}
