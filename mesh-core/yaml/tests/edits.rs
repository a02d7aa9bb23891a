//! Edits of text: what they leave alone, what they write, and that they can be undone.
#![expect(clippy::unwrap_used, reason = "a test may panic and need not be fast")]

use mesh_yaml::{Applied, Emptied, Op, Pointer, Tree, View, edit};
use serde_json::{Value, json};

fn add(path: &str, value: Value) -> Op {
    Op::Add { path: path.parse().unwrap(), value }
}

fn remove(path: &str) -> Op {
    Op::Remove { path: path.parse().unwrap() }
}

fn replace(path: &str, value: Value) -> Op {
    Op::Replace { path: path.parse().unwrap(), value }
}

#[track_caller]
fn edited(text: &str, ops: &[Op]) -> String {
    let mut out = Vec::new();
    assert_eq!(edit(text, ops, &mut out).unwrap(), Applied::Text, "{text}");
    let out = String::from_utf8(out).unwrap();
    mesh_yaml::check::edits_agree(text, ops).unwrap();
    out
}

const DEPLOYMENT: &str = "\
# who looks after this
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web   # the front
  labels: {app: web}
spec:
  template:
    metadata:
      labels:
        app: web
    spec:
      # comment on containers
      containers:
      - name: web
        image: \"web:1\"
        # ports
        ports:
        - containerPort: 80
";

#[test]
fn a_list_of_changes_touches_only_its_lines() {
    let ops = [
        add("/metadata/labels/version", json!("yes")),
        add("/spec/template/metadata/annotations", json!({})),
        add("/spec/template/metadata/annotations/linkerd.io~1inject", json!("enabled")),
        add("/spec/template/spec/containers/-", json!({"name": "proxy", "args": ["a", "b"]})),
        replace("/spec/template/spec/containers/0/image", json!("web:2")),
    ];
    let expected = DEPLOYMENT
        .replace("{app: web}", "{app: web, \"version\": \"yes\"}")
        .replace(
            "        app: web\n",
            "        app: web\n      annotations:\n        linkerd.io/inject: enabled\n",
        )
        .replace("\"web:1\"", "web:2")
        + "      - name: proxy\n        args:\n        - a\n        - b\n";
    assert_eq!(edited(DEPLOYMENT, &ops), expected);
}

#[test]
fn the_same_list_is_a_json_patch() {
    let ops = [add("/a~1b/-", json!(1)), remove("/c")];
    assert_eq!(
        mesh_yaml::to_json_patch(&ops),
        json!([{"op": "add", "path": "/a~1b/-", "value": 1}, {"op": "remove", "path": "/c"}])
    );
    assert_eq!(ops[0].path(), &Pointer::new(["a/b", "-"]));
}

#[test]
fn places_to_add_to() {
    let entry = |text: &str, path: &str| edited(text, &[add(path, json!({"x": "1"}))]);
    assert_eq!(entry("a:\n", "/a"), "a: { \"x\": \"1\" }\n");
    assert_eq!(entry("a: {}\n", "/a/b"), "a: {\"b\": {\"x\": \"1\"}}\n");
    assert_eq!(entry("a: []\n", "/a/-"), "a: [{\"x\": \"1\"}]\n");
    assert_eq!(entry("a: 1", "/b"), "a: 1\nb:\n  x: \"1\"");
    assert_eq!(entry("a: 1\r\nb: 2\r\n", "/c"), "a: 1\r\nb: 2\r\nc:\r\n  x: \"1\"\r\n");
    assert_eq!(entry("a:\n    b: 1\n", "/c"), "a:\n    b: 1\nc:\n    x: \"1\"\n");
    assert_eq!(entry("a: 1\n# end\n...\n# more\n", "/b"), "a: 1\nb:\n  x: \"1\"\n# end\n...\n# more\n");
    assert_eq!(entry("---\na: &x\n  b: 1\nc: 2\n", "/a/d"), "---\na: &x\n  b: 1\n  d:\n    x: \"1\"\nc: 2\n");
    assert_eq!(
        entry("{\n  \"a\": 1,\n  \"b\": 2\n}\n", "/c"),
        "{\n  \"a\": 1,\n  \"b\": 2,\n  \"c\": {\"x\": \"1\"}\n}\n"
    );
    assert_eq!(entry("- 1\n- 2\n", "/1"), "- 1\n- x: \"1\"\n- 2\n");
    assert_eq!(entry("a:\n  - 1\n", "/a/0"), "a:\n  - x: \"1\"\n  - 1\n");
}

#[test]
fn lists_follow_the_layout_of_the_document() {
    let out = edited("a:\n  - 1\n", &[add("/b", json!({"c": [1, {"d": 2}]}))]);
    assert_eq!(out, "a:\n  - 1\nb:\n  c:\n    - 1\n    - d: 2\n");
}

#[test]
fn an_alias_is_copied_before_it_is_changed() {
    let text = "a: &x {k: 1}\nb: *x # shared\n";
    assert_eq!(edited(text, &[add("/b/l", json!(2))]), "a: &x {k: 1}\nb:\n  k: 1\n  l: 2\n");
}

#[test]
fn what_an_alias_stands_for_is_written_anew() {
    let mut out = Vec::new();
    let ops = [add("/a/l", json!(2))];
    let applied = edit("# head\na: &x {k: 1}\nb: *x\n", &ops, &mut out).unwrap();
    assert!(matches!(applied, Applied::Rewritten { .. }));
    assert_eq!(String::from_utf8(out).unwrap(), "# head\na:\n  k: 1\n  l: 2\nb:\n  k: 1\n");
}

#[test]
fn removing_keeps_the_rest() {
    assert_eq!(edited("a: 1\nb: 2\nc: 3\n", &[remove("/b")]), "a: 1\nc: 3\n");
    assert_eq!(edited("a: 1\nb: 2", &[remove("/b")]), "a: 1");
    assert_eq!(edited("x:\n  a: 1\ny: 2\n", &[remove("/x/a")]), "x: {}\ny: 2\n");
    assert_eq!(edited("- a: 1\n  b: 2\n", &[remove("/0/a")]), "- b: 2\n");
    assert_eq!(edited("x: [1, 2, 3]\n", &[remove("/x/1")]), "x: [1, 3]\n");
    assert_eq!(edited("x: [1, 2, 3]\n", &[remove("/x/0")]), "x: [2, 3]\n");
    assert_eq!(edited("x: { a: 1, }\n", &[remove("/x/a")]), "x: {  }\n");
}

#[test]
fn a_change_that_does_not_fit_is_an_error() {
    for op in [remove("/b"), add("/b/c", json!(1)), replace("/a/0", json!(1)), add("/a/b", json!(1))] {
        let mut out = Vec::new();
        assert!(edit("a: 1\n", &[op], &mut out).is_err());
        assert!(out.is_empty());
    }
}

#[test]
fn a_parent_tells_how_it_came_about() {
    let cases = [
        ("a:\nb: 1\n", Emptied::Null),
        ("a:   # none yet\nb: 1\n", Emptied::Null),
        ("x:\r\n  a:\r\n", Emptied::Null),
        ("a: {}\nb: 1\n", Emptied::Keep),
        ("a: { }", Emptied::Keep),
        ("{\"a\": {}}\n", Emptied::Keep),
        ("b: 1\n", Emptied::Remove),
        ("b: 1", Emptied::Remove),
        ("b:\n  - c # d\n# end", Emptied::Remove),
    ];
    for (text, expected) in cases {
        let path = if text.starts_with('x') { "/x/a" } else { "/a" };
        let entry = format!("{path}/k~1k");
        let mut ops = vec![add(&entry, json!("v"))];
        if expected != Emptied::Keep {
            ops.insert(0, add(path, json!({})));
        }
        let added = edited(text, &ops);
        let tree = Tree::parse(&added).unwrap();
        let keys: Vec<&str> = path.split('/').skip(1).collect();
        let parent = tree.root().at(&keys).unwrap();
        assert_eq!(parent.emptied(), expected, "{added}");
        let undo = match parent.emptied() {
            Emptied::Remove => remove(path),
            Emptied::Keep => remove(&entry),
            Emptied::Null => replace(path, Value::Null),
        };
        assert_eq!(edited(&added, &[undo]), text);
    }
}
