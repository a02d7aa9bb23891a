//! Writing a certificate and its key: both or neither, never half a file, never over another without being told.

use std::fs::Permissions;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use jiff::{SignedDuration, Timestamp};
use mesh_core::identity::{MeshNames, TrustDomain};
use tempfile::NamedTempFile;

use crate::args::duration::go_duration;
use crate::error::CommandError;

/// Flags that both kinds of certificate share.
#[derive(Args, Clone, Debug)]
pub struct NewFileArgs {
    /// How long the certificate is valid (8760h), or its last second (2030-01-01T00:00:00Z)
    #[arg(long, value_name = "WHEN", value_parser = end)]
    pub not_after: Option<End>,
    /// Trust domain that the default name ends in
    #[arg(long, value_name = "DOMAIN", default_value = "cluster.local")]
    pub identity_trust_domain: TrustDomain,
    /// Replace files that exist
    #[arg(long, short)]
    pub force: bool,
}

/// The end of a certificate's validity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// So long after now.
    After(Duration),
    /// At this second.
    At(Timestamp),
}

/// What to do with files that exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// Leave them, and fail.
    Keep,
    /// Replace them.
    Replace,
}

/// A certificate's file and its key's.
#[derive(Clone, Copy, Debug)]
pub struct Pair<'a> {
    /// The certificate's.
    pub certificate: &'a Path,
    /// The key's.
    pub key: &'a Path,
}

impl NewFileArgs {
    /// The names of the mesh whose control plane runs in `namespace`.
    pub fn names(&self, namespace: &str) -> MeshNames {
        MeshNames::new(namespace, self.identity_trust_domain.clone())
    }

    /// What to do with files that exist.
    pub fn existing(&self) -> Existing {
        if self.force { Existing::Replace } else { Existing::Keep }
    }
}

impl End {
    /// The last second of a certificate made `now`.
    pub fn timestamp(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(end) => end,
            Self::After(duration) => SignedDuration::try_from(duration)
                .ok()
                .and_then(|duration| now.checked_add(duration).ok())
                .unwrap_or(Timestamp::MAX),
        }
    }
}

impl Pair<'_> {
    /// Makes sure that both files may be written, before anything is done for them.
    pub fn check(&self, existing: Existing) -> Result<(), CommandError> {
        if self.certificate == self.key {
            return Err(CommandError::usage(format!(
                "certificate and key cannot be the same file: {}",
                self.key.display()
            )));
        }
        for path in [self.key, self.certificate] {
            let found = path.symlink_metadata();
            if found.as_ref().is_ok_and(std::fs::Metadata::is_dir) {
                return Err(CommandError::usage(format!("not a file: {}", path.display())));
            }
            if found.is_ok() && existing == Existing::Keep {
                return Err(exists(path));
            }
        }
        Ok(())
    }

    /// Writes both. The key is readable by its owner alone. When the second cannot be put in place, the first is
    /// taken away again unless it replaced another.
    pub fn write(&self, certificate: &str, key: &str, existing: Existing) -> Result<(), CommandError> {
        self.check(existing)?;
        let key_file = prepared(self.key, key, 0o600)?;
        let certificate_file = prepared(self.certificate, certificate, 0o644)?;
        place(key_file, self.key, existing)?;
        place(certificate_file, self.certificate, existing).inspect_err(|_| {
            if existing == Existing::Keep {
                // Nothing more can be done if this fails, too; the first error is the one to report.
                let _ = std::fs::remove_file(self.key);
            }
        })
    }
}

/// A complete file beside its final place.
fn prepared(path: &Path, text: &str, mode: u32) -> Result<NamedTempFile, CommandError> {
    let failed =
        |error: std::io::Error| CommandError::failure(format!("cannot write {}: {error}", path.display()));
    let directory = match path.parent() {
        Some(parent) if parent != Path::new("") => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    let mut file = NamedTempFile::new_in(directory).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    file.as_file().set_permissions(Permissions::from_mode(mode)).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    Ok(file)
}

fn place(file: NamedTempFile, path: &Path, existing: Existing) -> Result<(), CommandError> {
    let placed = match existing {
        Existing::Keep => file.persist_noclobber(path),
        Existing::Replace => file.persist(path),
    };
    placed.map(drop).map_err(|error| match error.error.kind() {
        std::io::ErrorKind::AlreadyExists => exists(path),
        _ => CommandError::failure(format!("cannot write {}: {}", path.display(), error.error)),
    })
}

fn exists(path: &Path) -> CommandError {
    CommandError::usage(format!("{} exists already", path.display())).hint("--force replaces it")
}

fn end(text: &str) -> Result<End, String> {
    if let Ok(end) = text.parse::<Timestamp>() {
        return Ok(End::At(end));
    }
    match go_duration(text) {
        Ok(duration) if !duration.is_zero() => Ok(End::After(duration)),
        _ => {
            Err(format!("{text} is neither a duration such as 8760h nor a time such as 2030-01-01T00:00:00Z"))
        }
    }
}
