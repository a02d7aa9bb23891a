//! Edits of a text mean what the same patch means to its value.
#![no_main]

use mesh_yaml::{
    Tree, View,
    check::{edits_agree, ops_from, text_from},
};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let (choices, bytes) = bytes.split_at(bytes.len() / 4);
    let grown = text_from(bytes);
    for text in [Some(grown.as_str()), std::str::from_utf8(bytes).ok()].into_iter().flatten() {
        let Ok(tree) = Tree::parse(text) else { continue };
        let ops = ops_from(&tree.root().to_value(), choices);
        edits_agree(text, &ops).unwrap_or_else(|error| panic!("{error}\n{ops:?}\n{text}"));
    }
});
