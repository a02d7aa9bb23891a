//! What must hold for every text: the scanner reads as the library does, and edits mean what the patch means.

use mesh_yaml::check::{
    Taken, edits_agree, ops_from, split_agrees, split_restores, text_from, tree_agrees, undo_restores,
    writing_restores,
};
use mesh_yaml::{Pointer, Tree, View};
use proptest::{prelude::*, strategy::ValueTree};
use serde_json::{Value, json};

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..160)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, ..ProptestConfig::default() })]

    #[test]
    fn the_tree_reads_as_the_library(bytes in bytes()) {
        let text = text_from(&bytes);
        tree_agrees(&text).map_err(|error| TestCaseError::fail(format!("{error}\n{text:?}\n{text}")))?;
    }

    #[test]
    fn documents_are_the_stream(parts in prop::collection::vec(bytes(), 0..5), step in 1usize..90) {
        let texts: Vec<String> = parts.iter().map(|part| text_from(part)).collect();
        let text = texts.join("\n---\n");
        split_restores(text.as_bytes(), step).map_err(|error| TestCaseError::fail(format!("{error}\n{text:?}")))?;
        split_agrees(&text).map_err(|error| TestCaseError::fail(format!("{error}\n{text:?}\n{text}")))?;
    }

    #[test]
    fn what_is_read_can_be_written(bytes in bytes()) {
        writing_restores(&text_from(&bytes)).map_err(TestCaseError::fail)?;
    }

    #[test]
    fn edits_mean_what_the_patch_means(bytes in bytes(), choices in bytes()) {
        let text = text_from(&bytes);
        let Ok(tree) = Tree::parse(&text) else { return Ok(()) };
        let ops = ops_from(&tree.root().to_value(), &choices);
        edits_agree(&text, &ops)
            .map_err(|error| TestCaseError::fail(format!("{error}\n{ops:?}\n{text:?}\n{text}")))?;
    }

    #[test]
    fn what_was_added_can_be_removed(bytes in bytes(), which in any::<usize>()) {
        let text = text_from(&bytes);
        let Ok(tree) = Tree::parse(&text) else { return Ok(()) };
        let mut mappings = Vec::new();
        collect(&tree.root().to_value(), Pointer::root(), &mut mappings);
        let Some(parent) = mappings.get(which % mappings.len().max(1)) else { return Ok(()) };
        let entries = [
            ("linkerd.io/inject".to_owned(), json!("enabled")),
            ("zz".to_owned(), json!({"a": ["b", {"c": "d\ne\n"}]})),
        ];
        undo_restores(&text, parent, &entries)
            .map_err(|error| TestCaseError::fail(format!("{error}\n{parent}\n{text:?}\n{text}")))?;
    }
}

/// Paths of all mappings.
fn collect(value: &Value, path: Pointer, found: &mut Vec<Pointer>) {
    match value {
        Value::Object(map) => {
            found.push(path.clone());
            map.iter().for_each(|(key, value)| collect(value, path.join(key), found));
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                collect(item, path.join(index.to_string()), found);
            }
        }
        _ => {}
    }
}

#[test]
fn most_texts_are_scanned_and_not_left_to_the_library() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut scanned, mut readable) = (0, 0);
    for _ in 0..2_000 {
        let bytes = bytes().new_tree(&mut runner).unwrap().current();
        let text = text_from(&bytes);
        if mesh_yaml::from_str(&text).is_ok() {
            readable += 1;
            scanned += usize::from(tree_agrees(&text) == Ok(Taken::Scanned));
        }
    }
    assert!(readable > 600, "only {readable} of 2000 are YAML");
    assert!(scanned * 10 > readable * 8, "{scanned} scanned of {readable}");
}
