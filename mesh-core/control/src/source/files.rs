//! A directory of manifests as a source: read whole at first, then again file by file as they change.
//!
//! A file that cannot be read keeps its last good state, and is named once. Objects that two files define belong to
//! the file whose name comes first. Services that have a selector and no slices get what their pods make ([`derive`]).
//! Metadata of real clusters (UIDs, versions) may be there and need not.

mod derive;

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ahash::AHashMap;
use serde_json::Value;

use super::{Event, Sink};
use crate::files::Changes;
use crate::record::{Key, Kind, Record};

/// Longest file that is read.
const LONGEST: u64 = 256 << 20;
/// How often the directory is read even if nothing was told: some file systems tell nothing.
const AT_LEAST: Duration = Duration::from_secs(30);

/// Why a directory cannot be a source.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// It cannot be read.
    #[error("cannot read the manifests in {}: {cause}", path.display())]
    Unreadable {
        /// The directory.
        path: PathBuf,
        /// The cause.
        cause: io::Error,
    },
}

/// What is known of a directory.
#[derive(Default)]
pub struct Directory {
    path: PathBuf,
    kinds: Vec<Kind>,
    files: BTreeMap<PathBuf, File>,
    /// What was told last: which record stands for an object.
    told: AHashMap<(Kind, Key), Record>,
    complete: bool,
}

#[derive(Default)]
struct File {
    stamp: Option<Stamp>,
    records: HashMap<(Kind, Key), Record>,
}

/// What tells that a file was written.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    modified: SystemTime,
    length: u64,
}

// === impl Directory ===

impl Directory {
    /// A directory that has not been read yet, of which these kinds are wanted.
    pub fn new(path: impl Into<PathBuf>, kinds: Vec<Kind>) -> Self {
        Self { path: path.into(), kinds, ..Self::default() }
    }

    /// Reads what changed and tells the difference. The first time every kind is told as a list.
    ///
    /// # Errors
    /// When the directory itself cannot be read; everything known stays.
    pub fn read(&mut self) -> Result<Vec<Event>, FilesError> {
        let unreadable = |cause| FilesError::Unreadable { path: self.path.clone(), cause };
        let mut found = BTreeMap::new();
        manifests(&self.path, 0, &mut found).map_err(unreadable)?;
        self.files.retain(|path, _| found.contains_key(path));
        for (path, stamp) in found {
            let file = self.files.entry(path.clone()).or_default();
            if file.stamp == Some(stamp) {
                continue;
            }
            file.stamp = Some(stamp);
            match read(&path, &file.records) {
                Ok(records) => file.records = records,
                Err(cause) => {
                    tracing::error!(file = %path.display(), %cause, "a manifest cannot be read; what it said before stays in force");
                }
            }
        }
        Ok(self.difference())
    }

    fn difference(&mut self) -> Vec<Event> {
        let mut now: AHashMap<(Kind, Key), Record> = AHashMap::new();
        for file in self.files.values() {
            for (place, record) in file.records.iter().filter(|((kind, _), _)| self.kinds.contains(kind)) {
                now.entry(place.clone()).or_insert_with(|| record.clone());
            }
        }
        derive::complete(&mut now);
        if !std::mem::replace(&mut self.complete, true) {
            let mut by_kind: BTreeMap<Kind, Vec<Record>> =
                self.kinds.iter().map(|kind| (*kind, Vec::new())).collect();
            for ((kind, _), record) in &now {
                by_kind.entry(*kind).or_default().push(record.clone());
            }
            self.told = now;
            return by_kind
                .into_iter()
                .map(|(kind, records)| Event::Listed { kind, records, kept: Vec::new() })
                .collect();
        }
        let mut events = Vec::new();
        for (kind, key) in self.told.keys().filter(|place| !now.contains_key(*place)) {
            events.push(Event::Deleted { kind: *kind, key: key.clone(), uid: None });
        }
        for (place, record) in &now {
            if self.told.get(place) != Some(record) {
                events.push(Event::Applied(record.clone()));
            }
        }
        self.told = now;
        events
    }
}

/// Feeds a sink from a directory until the task is dropped.
///
/// # Errors
/// When the directory cannot be read at the start.
pub async fn run(path: PathBuf, sink: Arc<dyn Sink>) -> Result<(), FilesError> {
    let unreadable = |cause| FilesError::Unreadable { path: path.clone(), cause };
    let kinds = Kind::ALL.iter().copied().filter(|kind| sink.wants(*kind)).collect();
    let mut directory = Directory::new(path.clone(), kinds);
    let mut watched: Vec<PathBuf> = Vec::new();
    let mut changes = None;
    loop {
        // The watch comes before reading, so that nothing between the two is missed.
        let mut folders = vec![path.clone()];
        below(&path, 0, &mut folders).map_err(unreadable)?;
        if folders != watched {
            let paths: Vec<&Path> = folders.iter().map(PathBuf::as_path).collect();
            changes = Some(Changes::of(&paths, AT_LEAST));
            watched = folders;
        }
        let (next, events) = read_aside(directory).await.map_err(unreadable)?;
        directory = next;
        match events {
            Ok(events) if events.is_empty() => {}
            Ok(events) => sink.take(events),
            Err(error) if directory.complete => tracing::error!(%error, "what is known stays in force"),
            Err(error) => return Err(error),
        }
        if let Some(changes) = &mut changes {
            changes.next().await;
        }
    }
}

/// Reads in a thread where blocking is allowed.
async fn read_aside(mut directory: Directory) -> io::Result<(Directory, Result<Vec<Event>, FilesError>)> {
    let read = tokio::task::spawn_blocking(move || {
        let events = directory.read();
        (directory, events)
    });
    read.await.map_err(io::Error::other)
}

/// The folders below a path, four deep.
fn below(path: &Path, depth: usize, found: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in std::fs::read_dir(path)?.flatten() {
        let path = entry.path();
        if depth < 4 && entry.file_type().is_ok_and(|kind| kind.is_dir()) && !hidden(&path) {
            found.push(path.clone());
            below(&path, depth + 1, found)?;
        }
    }
    found.sort_unstable();
    Ok(())
}

fn manifests(path: &Path, depth: usize, found: &mut BTreeMap<PathBuf, Stamp>) -> io::Result<()> {
    for entry in std::fs::read_dir(path)? {
        let path = entry?.path();
        // A file may go away between two steps; then it is not there.
        let Ok(metadata) = std::fs::metadata(&path) else { continue };
        if hidden(&path) {
            continue;
        }
        if metadata.is_dir() && depth < 4 {
            manifests(&path, depth + 1, found)?;
        }
        let named = path
            .extension()
            .and_then(|it| it.to_str())
            .is_some_and(|it| matches!(it, "yaml" | "yml" | "json"));
        if metadata.is_file() && named {
            found.insert(path, Stamp { modified: metadata.modified()?, length: metadata.len() });
        }
    }
    Ok(())
}

/// Hidden files are half-written ones of editors, and the folders that atomic updates swap.
fn hidden(path: &Path) -> bool {
    path.file_name().and_then(|name| name.to_str()).is_none_or(|name| name.starts_with('.'))
}

/// The records of a file. An object that cannot be read keeps what `before` says of it.
fn read(path: &Path, before: &HashMap<(Kind, Key), Record>) -> Result<HashMap<(Kind, Key), Record>, String> {
    let length = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
    if length > LONGEST {
        return Err(format!("it has {length} bytes, {LONGEST} are read at most: split it"));
    }
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    let objects = if path.extension().is_some_and(|it| it == "json") {
        vec![serde_json::from_str::<Value>(&text).map_err(|error| error.to_string())?]
    } else {
        mesh_yaml::from_stream(&text).map_err(|error| error.to_string())?
    };
    let mut records = HashMap::new();
    for object in objects.into_iter().flat_map(items) {
        let text = |pointer| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let Some(kind) = Kind::of(text("/apiVersion"), text("/kind")) else { continue };
        let decoded = kind.decode(with_namespace(kind, object));
        match decoded.record {
            Ok(record) => {
                records.insert((kind, record.key().clone()), record);
            }
            Err(error) => {
                tracing::warn!(file = %path.display(), "{error}");
                if let Some(record) = before.get(&(kind, decoded.key.clone())) {
                    records.insert((kind, decoded.key), record.clone());
                }
            }
        }
    }
    Ok(records)
}

/// The items of a list, or the object itself.
fn items(object: Value) -> Vec<Value> {
    let is_list = object.get("kind").and_then(Value::as_str).is_some_and(|kind| kind.ends_with("List"));
    match object {
        Value::Object(mut fields) if is_list => match fields.remove("items") {
            Some(Value::Array(items)) => items,
            _ => Vec::new(),
        },
        other => vec![other],
    }
}

/// Manifests may leave the namespace out; then it is the default one.
fn with_namespace(kind: Kind, mut object: Value) -> Value {
    if !matches!(kind, Kind::Node | Kind::Namespace)
        && let Some(Value::Object(metadata)) = object.get_mut("metadata")
    {
        metadata.entry("namespace").or_insert_with(|| "default".into());
    }
    object
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVICE: &str = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {clusterIP: 10.0.0.1, ports: [{port: 80}]}\n";

    #[test]
    fn a_bad_file_keeps_what_it_said_and_others_go_on() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("web.yaml", SERVICE);
        let mut directory = Directory::new(folder.path(), Kind::ALL.to_vec());
        let events = directory.read().unwrap();
        let listed = |event: &Event| match event {
            Event::Listed { records, .. } => records.len(),
            _ => 0,
        };
        assert_eq!(events.len(), Kind::ALL.len());
        assert_eq!(events.iter().map(listed).sum::<usize>(), 1);

        write("web.yaml", "kind: [");
        assert!(directory.read().unwrap().is_empty(), "the last good state stays");

        write("other.yaml", &SERVICE.replace("web", "other"));
        let events = directory.read().unwrap();
        assert!(matches!(events.as_slice(), [Event::Applied(record)] if &*record.key().name == "other"));

        std::fs::remove_file(folder.path().join("web.yaml")).unwrap();
        let events = directory.read().unwrap();
        assert!(
            matches!(events.as_slice(), [Event::Deleted { key, .. }] if *key == Key::new("default", "web"))
        );
    }

    #[test]
    fn an_object_that_cannot_be_read_costs_itself_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("all.yaml");
        let bad = SERVICE.replace("web", "bad").replace("80", "eighty");
        std::fs::write(&path, format!("{}---\n{SERVICE}", SERVICE.replace("web", "bad"))).unwrap();
        let mut directory = Directory::new(folder.path(), Kind::ALL.to_vec());
        directory.read().unwrap();
        std::fs::write(&path, format!("{bad}---\n{}", SERVICE.replace("10.0.0.1", "10.0.0.2"))).unwrap();
        let events = directory.read().unwrap();
        assert!(
            matches!(events.as_slice(), [Event::Applied(record)] if &*record.key().name == "web"),
            "{events:?}"
        );
    }
}
