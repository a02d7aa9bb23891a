//! What a protobuf file imports, and what that declares.

use std::collections::{HashMap, HashSet};

use prost_types::{DescriptorProto, FileDescriptorProto};

use super::syntax;
use crate::error::{Error, text};

/// More files than these are not read.
const MOST_FILES: usize = 2_000;

/// Where imported files come from.
pub trait Imports {
    /// The file imported as `path` by the file known as `importer` (none: the one given by the user, read from a
    /// stream). `Ok(None)` if there is none.
    ///
    /// # Errors
    /// A text that says why a file that is there cannot be read.
    fn load(&mut self, path: &str, importer: Option<&str>) -> Result<Option<Imported>, String>;
}

/// An imported file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// What the file is called in errors; the same file is always called the same.
    pub identity: String,
    /// What it holds.
    pub content: Vec<u8>,
}

/// No file is found.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoImports;

impl Imports for NoImports {
    fn load(&mut self, _: &str, _: Option<&str>) -> Result<Option<Imported>, String> {
        Ok(None)
    }
}

/// The message types that a file can name.
pub(super) struct Known {
    names: HashSet<String>,
    /// Some import was not found, so any name may be declared there.
    incomplete: bool,
}

impl Known {
    /// Whether a type named `wanted` within `scope` can be one that is declared.
    pub(super) fn is_known(&self, scope: &str, wanted: &str) -> bool {
        if self.incomplete {
            return true;
        }
        if let Some(absolute) = wanted.strip_prefix('.') {
            return self.has(absolute);
        }
        let mut scope = scope;
        loop {
            if scope.is_empty() {
                return self.has(wanted);
            }
            if self.has(&format!("{scope}.{wanted}")) {
                return true;
            }
            scope = scope.rsplit_once('.').map_or("", |(outer, _)| outer);
        }
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    fn has(&self, name: &str) -> bool {
        self.names.contains(name) || name.starts_with("google.protobuf.")
    }

    fn declare(&mut self, file: &FileDescriptorProto) {
        let mut open: Vec<(String, &DescriptorProto)> = Vec::new();
        let package = file.package.clone().unwrap_or_default();
        open.extend(file.message_type.iter().map(|message| (package.clone(), message)));
        while let Some((scope, message)) = open.pop() {
            let name = if scope.is_empty() {
                message.name().to_owned()
            } else {
                format!("{scope}.{}", message.name())
            };
            open.extend(message.nested_type.iter().map(|nested| (name.clone(), nested)));
            self.names.insert(name);
        }
    }
}

/// A file on the way down: its identity and what of its imports is still to be read.
struct Step {
    identity: Option<String>,
    shown: String,
    open: std::vec::IntoIter<String>,
}

/// Reads all imports, depth first.
pub(super) fn load(
    file: &str,
    identity: Option<&str>,
    parsed: &FileDescriptorProto,
    imports: &mut dyn Imports,
    warnings: &mut Vec<String>,
) -> Result<Known, Error> {
    let mut known = Known { names: HashSet::new(), incomplete: false };
    known.declare(parsed);
    let mut done: HashMap<String, ()> = HashMap::new();
    let root = Step {
        identity: identity.map(str::to_owned),
        shown: file.to_owned(),
        open: parsed.dependency.clone().into_iter(),
    };
    let mut way = vec![root];
    while let Some(step) = way.last_mut() {
        let Some(path) = step.open.next() else {
            let finished = way.pop().and_then(|step| step.identity);
            done.extend(finished.map(|identity| (identity, ())));
            continue;
        };
        if path.starts_with("google/protobuf/") {
            continue;
        }
        let (importer, shown) = (step.identity.clone(), step.shown.clone());
        let Some(imported) = find(&path, importer.as_deref(), &shown, imports)? else {
            known.incomplete = true;
            warnings
                .push(format!("{shown}: import \"{path}\" is not found; its messages are taken on trust"));
            continue;
        };
        if let Some(start) = way.iter().position(|step| step.identity.as_deref() == Some(&imported.identity))
        {
            let mut chain: Vec<String> = way[start..].iter().map(|step| step.shown.clone()).collect();
            chain.push(way[start].shown.clone());
            return Err(Error::CyclicImport { chain });
        }
        if done.contains_key(&imported.identity) {
            continue;
        }
        if done.len() + way.len() > MOST_FILES {
            let cause = format!("more than {MOST_FILES} files are imported");
            return Err(Error::Text { file: file.to_owned(), cause });
        }
        let parsed = syntax::parse(&imported.identity, text(&imported.identity, &imported.content)?)?;
        known.declare(&parsed);
        way.push(Step {
            shown: imported.identity.clone(),
            identity: Some(imported.identity),
            open: parsed.dependency.into_iter(),
        });
    }
    Ok(known)
}

/// Asks for a file, unless its name leads out of the folders that are searched.
fn find(
    path: &str,
    importer: Option<&str>,
    shown: &str,
    imports: &mut dyn Imports,
) -> Result<Option<Imported>, Error> {
    let fail = |cause: String| Error::Text { file: shown.to_owned(), cause };
    if path.is_empty() || path.starts_with('/') || path.split('/').any(|step| matches!(step, "." | ".." | ""))
    {
        return Err(fail(format!("import {path:?} is not a plain path below a folder that is searched")));
    }
    imports.load(path, importer).map_err(|cause| fail(format!("import {path:?}: {cause}")))
}
