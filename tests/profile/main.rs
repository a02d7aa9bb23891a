//! `linkerd profile` as it is run: flags, files, stdin, errors and exit codes.

use std::fs;
use std::path::Path;

use assert_cmd::Command;

struct Ran {
    code: i32,
    out: String,
    err: String,
}

fn samples() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/profile"))
}

fn run_with(args: &[&str], input: &[u8]) -> Ran {
    let ran = Command::new(env!("CARGO_BIN_EXE_linkerd"))
        .current_dir(samples())
        .env("KUBECONFIG", "/nonexistent")
        .arg("profile")
        .args(args)
        .write_stdin(input)
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran { code: ran.status.code().unwrap(), out: text(ran.stdout), err: text(ran.stderr) }
}

fn run(args: &[&str]) -> Ran {
    run_with(args, b"")
}

/// A golden file of the library, without its header.
fn golden(name: &str) -> String {
    let text = fs::read_to_string(samples().join(format!("golden/{name}.snap"))).unwrap();
    text.splitn(3, "---\n").nth(2).unwrap().trim_end().to_owned()
}

const BOOKS: [&str; 4] = ["books", "-n", "library", "--ignore-cluster"];

#[test]
fn writes_what_the_library_makes_from_files_and_stdin() {
    let file = samples().join("openapi/library-2.0.yaml");
    let ran = run(&[&BOOKS[..], &["--open-api", file.to_str().unwrap()]].concat());
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    assert_eq!(ran.out.trim_end(), golden("library-2.0"));
    let piped = run_with(&[&BOOKS[..], &["--open-api", "-"]].concat(), &fs::read(file).unwrap());
    assert_eq!(piped.out, ran.out);
    let routes =
        run(&[&BOOKS[..], &["--open-api", "openapi/library-3.1.yaml", "--format", "httproute"]].concat());
    assert_eq!(routes.out.trim_end(), golden("library-3.1-httproute"));
    let json = run(&[&BOOKS[..], &["--open-api", "openapi/library-3.0.yaml", "-o", "json"]].concat());
    let value: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(value["spec"]["routes"].as_array().unwrap().len(), 3);
}

#[test]
fn finds_imports_in_the_folders_given() {
    let file = "proto/shop/orders.proto";
    let ran = run(&[&BOOKS[..], &["--proto", file, "-I", "proto"]].concat());
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    assert_eq!(ran.out.trim_end(), golden("orders"));
    let without = run(&[&BOOKS[..], &["--proto", file]].concat());
    assert_eq!((without.code, without.out.as_str()), (0, ran.out.as_str()));
    assert!(
        without.err.contains("warning: proto/shop/orders.proto: import \"shop/types.proto\" is not found")
    );
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.proto"), "import \"b.proto\"; service S {}").unwrap();
    fs::write(folder.path().join("b.proto"), "import \"a.proto\";").unwrap();
    let circle = run(&[&BOOKS[..], &["--proto", folder.path().join("a.proto").to_str().unwrap()]].concat());
    assert_eq!((circle.code, circle.out.as_str()), (1, ""));
    assert!(circle.err.starts_with("Error: imports go in a circle: "), "{}", circle.err);
}

#[test]
fn refuses_with_reasons() {
    let refused = |args: &[&str], words: &str| {
        let ran = run(args);
        assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{args:?}");
        assert!(ran.err.contains(words), "{args:?}: {}", ran.err);
    };
    let one = "Error: You must specify exactly one of --template or --open-api or --proto\n";
    refused(&BOOKS, one);
    refused(&[&BOOKS[..], &["--template", "--proto", "x"]].concat(), one);
    refused(
        &["--template", "1books", "--ignore-cluster"],
        "Error: invalid service \"1books\": [a DNS-1035 label must consist of",
    );
    refused(
        &["--template", "books", "-n", "No"],
        "Error: invalid namespace \"No\": [a lowercase RFC 1123 label must",
    );
    refused(&[&BOOKS[..], &["--open-api", "gone.yaml"]].concat(), "Error: cannot read gone.yaml: ");
    refused(
        &[&BOOKS[..], &["--template", "--format", "httproute"]].concat(),
        "--template writes a ServiceProfile",
    );
    refused(&[&BOOKS[..], &["--open-api", "proto/plain.proto"]].concat(), "Error: proto/plain.proto");
    refused(
        &[&BOOKS[..], &["--open-api", "openapi/library-2.0.yaml", "--format", "grpcroute"]].concat(),
        "a GRPCRoute needs gRPC methods",
    );
    refused(&["books", "-n", "library", "--template"], "Error: ");
}

#[test]
fn the_template_needs_no_cluster_when_told_so() {
    let ran = run(&["books", "--template", "--ignore-cluster"]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    assert!(ran.out.starts_with("### ServiceProfile for books.default ###\n"));
    let json = run(&["books", "--template", "--ignore-cluster", "-o", "json"]);
    let value: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(value["metadata"]["name"], "books.default.svc.cluster.local");
}
