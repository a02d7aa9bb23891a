//! What `profile` and the chart's values refuse.

use crate::run::{Sample, run, run_on};

const OPEN_API: [&str; 7] = ["profile", "--ignore-cluster", "-n", "n", "--open-api", "FILE", "books"];
const PROTO: [&str; 7] = ["profile", "--ignore-cluster", "-n", "n", "--proto", "FILE", "books"];

#[test]
fn deep_documents_are_refused() {
    let json = format!("{{\"swagger\":\"2.0\",\"x\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
    let maps = format!("{{\"swagger\":\"2.0\",\"x\":{}1{}}}", "{\"a\":".repeat(10_000), "}".repeat(10_000));
    let block: String = (0..10_000).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
    for (name, text) in [("deep.json", json), ("deep.json", maps), ("deep.yaml", block)] {
        run_on(&Sample::new(name, text), &OPEN_API).refused(&[name]);
    }
}

#[test]
fn references_in_circles_are_refused() {
    let text =
        "swagger: '2.0'\nbasePath: /\npaths:\n  /a: {$ref: '#/paths/~1b'}\n  /b: {$ref: '#/paths/~1a'}\n";
    run_on(&Sample::new("circle.yaml", text), &OPEN_API).refused(&["circle.yaml"]);
    let own = "swagger: '2.0'\npaths:\n  /a: {$ref: '#/paths/~1a'}\n";
    run_on(&Sample::new("own.yaml", own), &OPEN_API).refused(&["own.yaml"]);
}

#[test]
fn bytes_that_are_no_text_are_refused() {
    for bytes in [&b"swagger: '2.0'\npaths: {/a\xff: {}}\n"[..], b"\0\0\0\0", b"", b"\"", b"{\"swagger\":"] {
        run_on(&Sample::new("bytes", bytes), &OPEN_API).refused(&["bytes"]);
        run_on(&Sample::new("bytes", bytes), &PROTO).refused(&["bytes"]);
    }
}

#[test]
fn alias_bombs_in_documents_are_refused() {
    let mut text = String::from("swagger: '2.0'\na0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        text += &format!("a{level}: &a{level} [{}]\n", vec![format!("*a{}", level - 1); 10].join(", "));
    }
    run_on(&Sample::new("bomb.yaml", text), &OPEN_API).refused(&["bomb.yaml"]);
}

#[test]
fn huge_numbers_in_documents_do_no_harm() {
    for number in ["1e400", "99999999999999999999999999", "-1"] {
        let text = format!(
            "{{\"swagger\":\"2.0\",\"paths\":{{\"/a\":{{\"get\":{{\"x-linkerd-timeout\":{number},\"responses\":{{\"{number}\":{{\"description\":\"d\"}}}}}}}}}}}}"
        );
        run_on(&Sample::new("number.json", text), &OPEN_API).refused(&["number.json"]);
    }
}

#[test]
fn imports_in_circles_are_refused() {
    let sample = Sample::new(
        "a.proto",
        "syntax = \"proto3\";\nimport \"b.proto\";\nservice S { rpc M(B) returns (B); }\n",
    );
    std::fs::write(
        sample.folder().join("b.proto"),
        "syntax = \"proto3\";\nimport \"a.proto\";\nmessage B {}\n",
    )
    .unwrap();
    run_on(&sample, &PROTO).refused(&["a.proto"]);
}

#[test]
fn deep_messages_are_refused() {
    let text = format!("syntax = \"proto3\";\n{}{}", "message A { ".repeat(10_000), "}".repeat(10_000));
    run_on(&Sample::new("deep.proto", text), &PROTO).refused(&["deep.proto"]);
    let option =
        format!("syntax = \"proto3\";\noption (x) = {}{};\n", "{ a: ".repeat(10_000), "}".repeat(10_000));
    run_on(&Sample::new("deep.proto", option), &PROTO).refused(&["deep.proto"]);
}

#[test]
fn values_out_of_reason_are_refused() {
    let nested = format!("{}=1", vec!["a"; 10_000].join("."));
    let lists = format!("global.x={}", "{".repeat(10_000));
    for expression in ["global.x[999999999999]=1", "global.x[-1]=1", &nested, &lists, "global.proxy=5"] {
        run(&["install", "--ignore-cluster", "--set", expression]).refused(&["Error"]);
    }
    let deep = format!("global: {}{}", "[".repeat(10_000), "]".repeat(10_000));
    for text in [deep.as_str(), "a: \0", "\"", "- 1\n"] {
        run_on(&Sample::new("values.yaml", text), &["install", "--ignore-cluster", "-f", "FILE"])
            .refused(&["values.yaml"]);
    }
}

#[test]
fn trust_anchors_that_are_none_are_refused() {
    let long = "A".repeat(4 << 20);
    let open = format!("-----BEGIN CERTIFICATE-----\n{long}\n");
    for text in ["", "\0", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", &long, &open] {
        let args =
            ["inject", "--manual", "--ignore-cluster", "--identity-trust-anchors-file", "FILE", "/dev/null"];
        run_on(&Sample::new("ca.crt", text), &args).refused(&["ca.crt"]);
    }
}
