//! Any expression of `--set` is understood or refused, and leaves a map of bounded size.
#![no_main]

use manifests::values::{MAX_INDEX, Overrides};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let mut overrides = Overrides::new();
    for line in text.lines().take(8) {
        let _ = overrides.set(line);
        let _ = overrides.set_string(line);
        let _ = overrides.set_file(line, |path| Ok(path.to_owned()));
    }
    assert!(overrides.as_map().len() <= text.len() + 1);
    let items = text.matches('[').count() * 3 * (MAX_INDEX + 1);
    assert!(overrides.into_value().to_string().len() <= 64 * text.len() + 8 * items + 64);
});
