//! Any values are accepted by the charts' schemas or refused by name.
#![no_main]

use manifests::{Chart, schema};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let Ok(value) = mesh_yaml::from_str(text) else { return };
    for chart in Chart::ALL {
        for problem in schema::check(chart, &value).expect("the embedded charts compile") {
            assert!(!format!("{problem:?}").is_empty());
        }
    }
});
