//! Splitting loses no byte, however the stream arrives.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((&step, bytes)) = bytes.split_first() else { return };
    mesh_yaml::check::split_restores(bytes, usize::from(step)).unwrap_or_else(|error| panic!("{error}"));
});
