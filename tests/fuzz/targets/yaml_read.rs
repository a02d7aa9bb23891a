//! Reading any text ends in a value or an error, and what is written reads back.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| {
    mesh_yaml::check::writing_restores(text).unwrap_or_else(|error| panic!("{error}"));
});
