//! The span tree of a text says what the library reads: of the text as it comes, and of one grown from its bytes.
#![no_main]

use mesh_yaml::check::{text_from, tree_agrees};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(text) = std::str::from_utf8(bytes) {
        tree_agrees(text).unwrap_or_else(|error| panic!("{error}"));
    }
    let text = text_from(bytes);
    tree_agrees(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
});
