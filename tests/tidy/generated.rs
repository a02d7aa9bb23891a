//! `completions/` and `docs/reference/` are what the code says.

use std::collections::BTreeSet;
use std::fs;

use crate::tree::{none, paths, root};

/// What to do about a file that differs.
enum Mode {
    Write,
    Check,
}

impl Mode {
    #[expect(clippy::disallowed_methods, reason = "how a person asks for the files to be written")]
    fn from_environment() -> Self {
        if std::env::var_os("UPDATE_GENERATED").is_some() { Self::Write } else { Self::Check }
    }
}

#[test]
fn generated_files_are_up_to_date() {
    let mode = Mode::from_environment();
    let mut files = linkerd_cli::generate::files().unwrap();
    files.push(("docs/reference/metrics.md".to_owned(), linkerd2_proxy::metrics::page()));
    files.push(("docs/reference/proxy-env.md".to_owned(), linkerd2_proxy::config::page()));
    let mut broken = Vec::new();
    for (path, text) in &files {
        let file = root().join(path);
        match mode {
            Mode::Write => {
                fs::create_dir_all(file.parent().unwrap()).unwrap();
                fs::write(&file, text).unwrap();
            }
            Mode::Check if fs::read_to_string(&file).ok().as_ref() != Some(text) => broken.push(path.clone()),
            Mode::Check => {}
        }
    }
    none("write these with `UPDATE_GENERATED=1 cargo tidy` and commit them", &broken);

    let made: BTreeSet<&str> = files.iter().map(|(path, _)| path.as_str()).collect();
    let here = paths().into_iter().map(|path| path.to_str().unwrap().to_owned());
    let generated =
        here.filter(|path| path.starts_with("completions/") || path.starts_with("docs/reference/"));
    let stray: Vec<String> = generated.filter(|path| !made.contains(path.as_str())).collect();
    none("only generated files belong there", &stray);
}
