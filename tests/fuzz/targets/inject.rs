//! Injection into any text ends in an error or in a text that uninjection turns back.
#![no_main]

use std::cell::LazyCell;

use mesh_inject::{Cached, ChartSource, Mode};
use mesh_yaml::check::text_from;

mod support;

thread_local! {
    static SOURCE: LazyCell<Cached<ChartSource>> = LazyCell::new(support::source);
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let settings = support::settings();
    let grown = text_from(bytes);
    // A pod around text that was grown, so that most inputs have something to inject into.
    let pod = format!(
        "kind: Pod\nspec:\n  containers:\n  - name: a\nmetadata:\n  annotations:\n  x:\n{}",
        indented(&grown)
    );
    SOURCE.with(|source| {
        for text in [std::str::from_utf8(bytes).ok(), Some(&pod)].into_iter().flatten() {
            for mode in [Mode::Annotate, Mode::Manual { source: &**source }] {
                let _ = support::comes_back(text, &settings, mode);
            }
        }
    });
});

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("    {line}\n")).collect()
}
