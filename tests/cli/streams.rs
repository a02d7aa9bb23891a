//! Streams that end early, are closed, or hold what no manifest holds.

use std::io::Read;

use crate::{command, finish, run, run_on};

#[test]
fn a_reader_that_leaves_ends_the_command() {
    let mut child = command(&["install", "--ignore-cluster"]).spawn().unwrap();
    let mut start = [0; 4];
    child.stdout.take().unwrap().read_exact(&mut start).unwrap();
    // The pipe is closed here, with most of the output unread.
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(141));
    assert_eq!(output.stderr, b"", "a reader that leaves is no error worth a word");
}

#[test]
fn a_full_disk_is_an_error() {
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let ran = finish(command(&["install", "--ignore-cluster"]).stdout(full));
    assert_eq!((ran.code, ran.err.as_str()), (1, "Error: No space left on device (os error 28)\n"));
}

#[test]
fn a_closed_stdin_is_an_empty_one() {
    let mut shell = std::process::Command::new("/bin/sh");
    shell.args(["-c", "exec \"$0\" inject - <&-", env!("CARGO_BIN_EXE_linkerd")]);
    let ran = finish(&mut shell);
    assert_eq!((ran.code, ran.out.as_str()), (0, ""), "{}", ran.err);
    assert!(ran.err.contains("no supported objects found"), "{}", ran.err);
}

#[test]
fn nul_bytes_are_named_by_line() {
    for name in ["inject", "uninject"] {
        let ran = run_on(&[name, "-"], b"a: 1\nb: \0\n");
        assert_eq!((ran.code, ran.out.as_str()), (1, ""));
        assert!(ran.err.contains("document 1, line 2") && ran.err.contains("NUL"), "{}", ran.err);
    }
}

#[test]
fn nothing_of_a_stream_is_printed_when_its_last_document_fails() {
    let pod = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: p\nspec:\n  containers:\n  - name: c\n    image: i\n---\n";
    let mut text = pod.repeat(5000);
    text.push_str("kind: [\n");
    let ran = run_on(&["inject", "-"], text.as_bytes());
    assert_eq!((ran.code, ran.out.len()), (1, 0));
    assert!(ran.err.contains("document 5001"), "{}", ran.err);
}

#[test]
fn huge_and_deep_inputs_end_in_an_error() {
    let deep = "[".repeat(100_000);
    let wide = format!("a: {}\n", "x".repeat(64 << 20));
    for args in [&["install", "--ignore-cluster", "-f", "-"][..], &["upgrade", "--from-manifests", "-"]] {
        for text in [&deep, &wide] {
            let ran = run_on(args, text.as_bytes());
            assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{args:?}");
            assert!(ran.err.len() < 10_000, "{args:?}: an error of {} bytes", ran.err.len());
        }
    }
}

#[test]
fn the_same_input_renders_the_same_bytes() {
    let files = crate::pem::Files::good();
    let flags = files.flags();
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let args = [&["install", "--ignore-cluster", "--ha"], &flags[..]].concat();
    let first = run(&args);
    assert_eq!(first.code, 0, "{}", first.err);
    assert_eq!(first.out, run(&args).out);
    assert_ne!(
        run(&["install", "--ignore-cluster"]).out,
        run(&["install", "--ignore-cluster"]).out,
        "keys are new"
    );
}
