//! Imports of protobuf files, from folders.

use std::fs;
use std::path::{Path, PathBuf};

use mesh_profile::proto::{Imported, Imports};

/// Looks in the folders given, then beside the importing file, then beside the first one.
pub(super) struct FileImports {
    folders: Vec<PathBuf>,
    first: PathBuf,
}

impl FileImports {
    /// For a file given by the user; `-`, stdin, lies in the current folder.
    pub(super) fn new(file: &Path, folders: &[PathBuf]) -> Self {
        let first = file.parent().filter(|_| file != Path::new("-")).unwrap_or(Path::new(""));
        Self { folders: folders.to_vec(), first: first.to_owned() }
    }

    /// What [`Imports::load`] would call this file.
    pub(super) fn identity_of(&self, file: &Path) -> Option<String> {
        if file == Path::new("-") {
            return None;
        }
        fs::canonicalize(file).ok().map(|path| path.display().to_string())
    }
}

impl Imports for FileImports {
    fn load(&mut self, path: &str, importer: Option<&str>) -> Result<Option<Imported>, String> {
        let beside = importer.and_then(|importer| Path::new(importer).parent());
        let folders = self.folders.iter().map(PathBuf::as_path).chain(beside).chain([self.first.as_path()]);
        for folder in folders {
            // Anything but a regular file (a pipe, a device) might never end.
            let Ok(found) = fs::canonicalize(folder.join(path)) else { continue };
            if !found.is_file() {
                continue;
            }
            let content =
                fs::read(&found).map_err(|error| format!("cannot read {}: {error}", found.display()))?;
            return Ok(Some(Imported { identity: found.display().to_string(), content }));
        }
        Ok(None)
    }
}
