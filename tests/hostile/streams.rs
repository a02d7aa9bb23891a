//! Large streams, and streams that end badly: nothing is written by halves.

use std::fs::{File, read_dir};
use std::io::Write;
use std::process::Stdio;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::run::{Sample, command, finish, run_on};

const DEPLOYMENT: &str = "---\nkind: Deployment\nmetadata:\n  name: a\nspec:\n  template:\n    spec:\n      containers:\n      - name: a\n";

/// More than is held in memory before output goes to a file.
const MANY: usize = 200_000;

fn many(to: &mut dyn Write, count: usize) {
    for _ in 0..count {
        to.write_all(DEPLOYMENT.as_bytes()).unwrap();
    }
}

#[test]
fn a_bad_document_anywhere_keeps_everything_back() {
    let lines = DEPLOYMENT.lines().count();
    for (before, after) in [(MANY / 2, MANY / 2), (MANY, 0), (0, MANY)] {
        let sample = Sample::written("stream.yaml", |file| {
            many(file, before);
            file.write_all(b"---\nkind: Deployment\nspec: [\n").unwrap();
            many(file, after);
        });
        // The error is found where the next document starts, within a few lines of its cause.
        let (document, line) = (before + 1, before * lines);
        let ran = run_on(&sample, &["inject", "FILE"]);
        ran.refused(&["stream.yaml", &format!("document {document},")]);
        let told = ran.err.split("line ").nth(1).and_then(|rest| rest.split(':').next()).unwrap();
        let told: usize = told.parse().unwrap();
        assert!((line + 1..=line + 4).contains(&told), "{told} is not near {line}: {}", ran.err);
    }
}

#[test]
fn a_million_empty_documents_are_nothing() {
    let sample = Sample::new("empty.yaml", "---\n".repeat(1_000_000));
    let ran = run_on(&sample, &["inject", "FILE"]);
    ran.accepted();
    assert_eq!(ran.out.len(), 4_000_000);
}

#[test]
fn a_line_of_100_megabytes_is_taken_or_refused() {
    for (before, after) in
        [("kind: Pod\nspec: {}\nx: ", "\n"), ("", ""), ("kind: Pod\nx: \"", "\"\n"), ("# ", "\n")]
    {
        let sample = Sample::written("line.yaml", |file| {
            file.write_all(before.as_bytes()).unwrap();
            let piece = vec![b'a'; 1 << 20];
            (0..100).for_each(|_| file.write_all(&piece).unwrap());
            file.write_all(after.as_bytes()).unwrap();
        });
        let begin = Instant::now();
        let ran = run_on(&sample, &["uninject", "FILE"]);
        if ran.code == 0 {
            assert_eq!(ran.out.len(), before.len() + (100 << 20) + after.len());
        } else {
            ran.refused(&["line.yaml", "document 1"]);
        }
        assert!(begin.elapsed() < Duration::from_secs(60));
    }
}

#[test]
fn closed_stdin_is_an_empty_stream_or_an_error() {
    let mut closed = std::process::Command::new("sh");
    closed.args(["-c", "exec \"$0\" inject - <&-", env!("CARGO_BIN_EXE_linkerd")]);
    let ran = finish(closed.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap());
    assert!([0, 1].contains(&ran.code) && ran.out.is_empty(), "{ran:?}");
}

#[test]
fn a_full_disk_is_told() {
    let sample = Sample::written("stream.yaml", |file| many(file, 1_000));
    let path = sample.path();
    for args in [
        vec!["inject", path.to_str().unwrap()],
        vec!["install", "--ignore-cluster"],
        vec!["version", "--client"],
    ] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let ran = finish(command(&args).stdout(full).spawn().unwrap());
        assert_eq!(ran.code, 1, "{args:?}: {}", ran.err);
        assert!(ran.err.contains("No space left"), "{args:?}: {}", ran.err);
    }
}

#[test]
fn a_reader_that_goes_away_ends_it() {
    let sample = Sample::written("stream.yaml", |file| many(file, 20_000));
    let mut child = command(&["inject", sample.path().to_str().unwrap()]).spawn().unwrap();
    drop(child.stdout.take());
    let ran = finish(child);
    assert_eq!(ran.code, 141, "{}", ran.err);
    assert!(!ran.err.contains("rror"), "{}", ran.err);
}

#[test]
fn an_interrupt_leaves_no_file() {
    let temporary = tempfile::tempdir().unwrap();
    let mut child =
        command(&["inject", "-"]).env("TMPDIR", temporary.path()).stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // Enough for a temporary file, and no end.
    many(&mut stdin, MANY);
    let names = || read_dir(temporary.path()).unwrap().count();
    assert_eq!(names(), 0, "the file has no name while it is used");
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
    kill(pid, Signal::SIGINT).unwrap();
    let begin = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        assert!(begin.elapsed() < Duration::from_secs(20), "an interrupt is not heard");
        std::thread::sleep(Duration::from_millis(5));
    };
    assert!(!status.success());
    assert_eq!(names(), 0);
    drop(stdin);
}
