//! Manifests that `inject` and `uninject` refuse, or take without harm.

use crate::run::{Ran, Sample, run_on};
use std::fmt::Write as _;

/// Both commands, with and without the containers written in.
fn each(sample: &Sample) -> [Ran; 3] {
    [
        run_on(sample, &["inject", "FILE"]),
        run_on(sample, &["inject", "-o", "json", "FILE"]),
        run_on(sample, &["uninject", "FILE"]),
    ]
}

/// A manifest with `text` as one of its fields.
fn pod_with(text: &str) -> String {
    format!("kind: Pod\nmetadata:\n  name: a\nspec:\n  containers: []\nx: {text}\n")
}

#[test]
fn alias_bombs_are_refused() {
    let mut text = String::from("kind: Pod\na0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let one = format!("*a{}", level - 1);
        let _ = writeln!(text, "a{level}: &a{level} [{}]", vec![one; 10].join(", "));
    }
    text += "spec: *a11\n";
    let sample = Sample::new("bomb.yaml", format!("kind: Service\n---\n{text}"));
    for ran in each(&sample) {
        ran.refused(&["bomb.yaml", "document 2", "line "]);
    }
}

#[test]
fn deep_nesting_is_refused() {
    let flow = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let maps = format!("{}1{}", "{a: ".repeat(10_000), "}".repeat(10_000));
    let json = format!("{}1{}", "{\"a\":".repeat(10_000), "}".repeat(10_000));
    let block: String = (0..10_000).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
    let dashes = format!("{}1\n", "- ".repeat(10_000));
    let unclosed = "[".repeat(1_000_000);
    let texts = [
        pod_with(&flow),
        pod_with(&maps),
        json,
        format!("kind: Pod\nx:\n  {dashes}"),
        block,
        pod_with(&unclosed),
    ];
    for text in texts {
        let sample = Sample::new("deep.yaml", text);
        for ran in each(&sample) {
            ran.refused(&["deep.yaml", "document 1", "line "]);
        }
    }
}

#[test]
fn bytes_that_are_no_text_are_refused_with_their_line() {
    for (bytes, line) in
        [(&b"kind: Pod\nx: \xff\xfe\n"[..], "line 2"), (b"kind: Pod\nx: a\0b\n", "line 2"), (b"\0", "line 1")]
    {
        let sample = Sample::new("bytes.yaml", bytes);
        for ran in each(&sample) {
            ran.refused(&["bytes.yaml", "document 1", line]);
        }
    }
}

#[test]
fn unterminated_quotes_are_refused() {
    for text in ["\"no end", "'no end", "[1, 2", "{a: 1", "\"\\"] {
        let sample = Sample::new("open.yaml", format!("kind: Service\n---\n{}", pod_with(text)));
        for ran in each(&sample) {
            ran.refused(&["open.yaml", "document 2", "line "]);
        }
    }
}

#[test]
fn huge_numbers_stay_as_they_are_written() {
    let digits = "9".repeat(100_000);
    for number in ["1e400", "-1e999999999", "0x_ffffffffffffffffffffffff", &digits, "1e-400"] {
        let sample = Sample::new("number.yaml", pod_with(number));
        let ran = run_on(&sample, &["inject", "FILE"]);
        ran.accepted();
        assert!(ran.out.contains(number), "{:.200}", ran.out);
    }
}

#[test]
fn huge_ports_and_replicas_do_no_harm() {
    let text = "kind: Deployment\nspec:\n  replicas: 99999999999999999999999\n  template:\n    spec:\n      containers:\n      \
                - name: a\n        ports: [{containerPort: 1e300}, {containerPort: -5}, {containerPort: 70000}]\n";
    let sample = Sample::new("ports.yaml", text);
    run_on(&sample, &["inject", "FILE"]).accepted();
}

#[test]
fn lists_of_lists_are_refused_beyond_reason() {
    let mut text = String::new();
    for depth in 0..60 {
        let indent = "  ".repeat(depth);
        let _ = write!(
            text,
            "{}kind: List\n{indent}items:\n",
            if depth == 0 { String::new() } else { format!("{}- ", "  ".repeat(depth - 1)) }
        );
    }
    let sample = Sample::new("lists.yaml", text);
    for ran in each(&sample) {
        ran.refused(&["lists.yaml", "document 1"]);
    }
}

#[test]
fn wrong_fields_are_named() {
    let sample = Sample::new(
        "field.yaml",
        "kind: Service\n---\nkind: Deployment\nspec:\n  template:\n    spec:\n      containers: 5\n",
    );
    run_on(&sample, &["inject", "FILE"]).refused(&[
        "field.yaml",
        "document 2",
        "line 7",
        "spec.template.spec.containers",
    ]);
}
