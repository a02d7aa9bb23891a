//! Runs the command with bounds: the kernel ends it when it takes more memory, the test when it takes more time.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// The most memory a run may map, in KiB.
pub(crate) const MEMORY_KIB: u32 = 300 * 1024;
/// The longest a run may take, also when the machine is busy and the build is not optimised.
const PATIENCE: Duration = Duration::from_secs(120);

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Ran {
    /// The exit code; a signal ends a test.
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// A file with the given content, in a folder that goes away with it.
pub(crate) struct Sample {
    folder: TempDir,
    name: &'static str,
}

impl Sample {
    pub(crate) fn new(name: &'static str, content: impl AsRef<[u8]>) -> Self {
        Self::written(name, |file| file.write_all(content.as_ref()).unwrap())
    }

    /// A file that is too large to be held here.
    pub(crate) fn written(name: &'static str, write: impl FnOnce(&mut dyn Write)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut file = std::io::BufWriter::new(File::create(folder.path().join(name)).unwrap());
        write(&mut file);
        file.flush().unwrap();
        Self { folder, name }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join(self.name)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// The command with bounded memory, not yet started.
pub(crate) fn command(args: &[&str]) -> Command {
    let mut command = Command::new("sh");
    command
        .arg("-c")
        .arg(format!("ulimit -v {MEMORY_KIB}; exec env --default-signal=INT,PIPE \"$0\" \"$@\""))
        .arg(env!("CARGO_BIN_EXE_linkerd"))
        .args(args)
        .env("KUBECONFIG", "/nonexistent")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Runs it to its end.
pub(crate) fn run(args: &[&str]) -> Ran {
    finish(command(args).spawn().unwrap())
}

/// Runs a command on a sample, whose path takes the place of `FILE`.
pub(crate) fn run_on(sample: &Sample, args: &[&str]) -> Ran {
    let path = sample.path();
    let args: Vec<&str> =
        args.iter().map(|arg| if *arg == "FILE" { path.to_str().unwrap() } else { arg }).collect();
    run(&args)
}

/// Waits for the end, and kills what does not come to one.
pub(crate) fn finish(mut child: Child) -> Ran {
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    std::thread::scope(|scope| {
        let out = scope.spawn(move || all_of(stdout));
        let err = scope.spawn(move || all_of(stderr));
        let begin = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            if begin.elapsed() > PATIENCE {
                child.kill().unwrap();
                child.wait().unwrap();
                panic!("still running after {PATIENCE:?}");
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        let (out, err) = (out.join().unwrap(), err.join().unwrap());
        let Some(code) = status.code() else { panic!("{status}: {err}") };
        assert!(!err.contains("panicked"), "{err}");
        Ran { code, out, err }
    })
}

fn all_of(pipe: Option<impl Read>) -> String {
    let mut bytes = Vec::new();
    if let Some(mut pipe) = pipe {
        pipe.read_to_end(&mut bytes).unwrap();
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

impl Ran {
    /// Asserts that it failed as it should: nothing on stdout, exit code 1, and an error that says all of `words`.
    #[track_caller]
    pub(crate) fn refused(&self, words: &[&str]) {
        let start: String = self.err.chars().take(2_000).collect();
        assert_eq!((self.code, self.out.len()), (1, 0), "{start}");
        for word in words {
            assert!(start.contains(word), "no {word:?} in: {start}");
        }
        assert!(self.err.len() < 20_000, "an error of {} bytes", self.err.len());
    }

    /// Asserts that it worked.
    #[track_caller]
    pub(crate) fn accepted(&self) {
        let start: String = self.err.chars().take(2_000).collect();
        assert_eq!(self.code, 0, "{start}");
    }
}
