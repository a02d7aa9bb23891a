//! Reading and writing: what Kubernetes reads, what is refused, and that hostile text costs little.
#![expect(clippy::unwrap_used, clippy::format_push_string, reason = "a test may panic and need not be fast")]

use std::time::{Duration, Instant};

use mesh_yaml::check::NASTY;
use mesh_yaml::{Error, KeyOrder, from_str, from_stream, to_stream, to_string, to_string_ordered};
use serde_json::{Value, json};

/// Texts with what Kubernetes' own reader makes of them as a value and as a key; null where it refuses.
const KUBERNETES: &str = include_str!("kubernetes-scalars.jsonl");

#[track_caller]
fn read(text: &str) -> Value {
    from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

#[track_caller]
fn refused(text: &str) -> String {
    from_str(text).unwrap_err().to_string()
}

#[test]
fn scalars_read_as_kubernetes_reads_them() {
    let mut count = 0;
    for line in KUBERNETES.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let text = case["text"].as_str().unwrap();
        let value = from_str(&format!("k: {text}\n")).unwrap_or(Value::Null);
        let key = from_str(&format!("{text}: 1\n")).unwrap_or(Value::Null);
        assert_eq!(value, case["value"], "value {text:?}");
        assert_eq!(key, case["key"], "key {text:?}");
        count += 1;
    }
    assert!(count > 130);
}

#[test]
fn strings_survive_writing() {
    let strings = NASTY.iter().copied().chain([
        "a\nb",
        "a\n",
        "\n",
        "a\n\n",
        " a\nb",
        "\ta",
        "a\r\nb",
        "a\u{85}b",
        "\u{feff}a",
        "\u{2028}",
        "a\u{0}b",
        "  ",
        "\n\n",
        "a \nb",
        "key: |\n  x",
    ]);
    for text in strings {
        let value = json!({"v": text, "list": [text, {"v": text}], text: {text: text}});
        let written = to_string(&value).unwrap();
        assert_eq!(read(&written), value, "{text:?}\n{written}");
    }
}

#[test]
fn long_lines_are_not_wrapped() {
    let value = json!({"v": "word ".repeat(100) + "end"});
    assert_eq!(to_string(&value).unwrap().lines().count(), 1);
}

#[test]
fn keys_are_written_in_order() {
    let value = json!({"b": 1, "a": {"d": 1, "c": 2}});
    assert_eq!(to_string(&value).unwrap(), "b: 1\na:\n  d: 1\n  c: 2\n");
    assert_eq!(to_string_ordered(&value, KeyOrder::Sorted).unwrap(), "a:\n  c: 2\n  d: 1\nb: 1\n");
    let stream = to_stream([&value, &json!([1])]).unwrap();
    assert_eq!(from_stream(&stream).unwrap(), [value, json!([1])]);
}

#[test]
fn documents() {
    assert_eq!(read(""), Value::Null);
    assert_eq!(read("# nothing\n"), Value::Null);
    assert_eq!(read("---\na: 1\n...\n"), json!({"a": 1}));
    assert_eq!(from_stream("---\n# c\n---\na: 1\n---\n").unwrap(), [json!({"a": 1})]);
    assert!(refused("a: 1\n---\nb: 2\n").contains("more than one document"));
    let many = "---\na: 1\n".repeat(5_000);
    assert_eq!(from_stream(&many).unwrap().len(), 5_000);
}

#[test]
fn merge_keys_and_aliases() {
    let text = "base: &b {x: 1, z: 2}\nme:\n  <<: *b\n  z: 3\nlist:\n  <<: [{x: 5}, *b]\n";
    assert_eq!(
        read(text),
        json!({"base": {"x": 1, "z": 2}, "me": {"x": 1, "z": 3}, "list": {"x": 5, "z": 2}})
    );
    assert_eq!(read("'<<': 1\n"), json!({"<<": 1}));
    assert!(refused("a: {<<: 1}\n").contains("merge key"));
}

#[test]
fn tags() {
    assert_eq!(read("[!!str 1, !!int '2', !!float 3, ! 4, !x y]"), json!(["1", 2, 3, "4", "y"]));
    assert!(refused("!!int x").contains("tag"));
    assert!(refused("!!binary aGk=").contains("!!binary"));
}

#[test]
fn errors_say_where() {
    assert_eq!(
        refused("a: 1\nb:\n  c: 2\n  c: 3\n"),
        "invalid YAML at line 4, column 3: duplicate key \"c\""
    );
    assert_eq!(
        refused("a: .inf\n"),
        "invalid YAML at line 1, column 4: infinite and not-a-number values have no place in a manifest"
    );
    assert!(refused("a: 1\nb: \"x\n").starts_with("invalid YAML at line "));
    assert_eq!(refused("a: x\0y"), "invalid YAML at line 1, column 5: NUL byte");
    assert_eq!(refused("? [a]\n: b\n"), "invalid YAML at line 1, column 3: a key must be a scalar");
}

/// Runs a check and fails if it takes long.
#[track_caller]
fn quick(text: &str) -> Result<Value, Error> {
    let start = Instant::now();
    let result = from_str(text);
    let scanned = mesh_yaml::Tree::parse(text).map(|tree| mesh_yaml::View::to_value(tree.root()));
    if let (Ok(read), Ok(scanned)) = (&result, &scanned) {
        assert_eq!(read, scanned);
    }
    assert!(result.is_ok() || scanned.is_err(), "scanned what is refused");
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    result
}

#[test]
fn alias_bombs_end_in_an_error() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let alias = format!("*a{}", level - 1);
        text += &format!("a{level}: &a{level} [{}]\n", [alias.as_str(); 9].join(", "));
    }
    assert!(matches!(quick(&text), Err(Error::Limit { .. })));
    let long = format!("a: &a {}\nb: [{}]\n", "x".repeat(1 << 20), ["*a"; 100].join(", "));
    assert!(matches!(quick(&long), Err(Error::Limit { .. })));
    assert!(quick("a: &a [*a]\n").is_err());
}

#[test]
fn deep_nesting_ends_in_an_error() {
    for text in [
        "[".repeat(10_000),
        "[".repeat(10_000) + &"]".repeat(10_000),
        "{a: ".repeat(10_000),
        "- ".repeat(10_000) + "a",
        (0..10_000).map(|depth| format!("{}a:\n", " ".repeat(depth % 4_000))).collect(),
        (0..1_000).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect(),
        "? ".repeat(10_000),
        "&a ".repeat(10_000),
        "!a ".repeat(10_000),
    ] {
        assert!(quick(&text).is_err(), "{}", &text[..20]);
    }
    let fine = "[".repeat(100) + &"]".repeat(100);
    assert!(quick(&fine).is_ok());
    let mut value = json!(1);
    for _ in 0..200 {
        value = json!([value]);
    }
    assert!(to_string(&value).is_err());
}

#[test]
fn large_and_odd_input_ends_soon() {
    assert!(quick(&format!("a: {}\n", "9".repeat(1 << 20))).is_ok());
    assert!(quick(&format!("a: {}\n", "x".repeat(1 << 20))).is_ok());
    assert!(quick(&format!("a: \"{}\"\n", "x\\n".repeat(1 << 20))).is_ok());
    assert!(quick(&format!("{}: 1\n", "x".repeat(1 << 20))).is_err());
    assert!(quick(&"a: 'x\n".repeat(100_000)).is_err());
    let wide: String = (0..100_000).map(|n| format!("k{n}: {n}\n")).collect();
    assert!(quick(&wide).is_ok());
    assert!(quick(&"k: 1\n".repeat(100_000)).is_err());
    assert!(quick(&"\n".repeat(1 << 20)).is_ok());
    assert!(quick(&"#\n".repeat(1 << 20)).is_ok());
    assert!(quick(&"*".repeat(1 << 16)).is_err());
    let anchors: String = (0..3_000).map(|n| format!("k{n}: &a{n} x\n")).collect();
    let aliases: String = (0..3_000).map(|n| format!("l{n}: *a{n}\n")).collect();
    assert!(quick(&(anchors + &aliases)).is_ok());
}
