//! Puts the plugin on the node, keeps it there, and takes it out again.
//!
//! Once a second the node's folders are compared with what they should hold, and what differs is written anew: another
//! program may rewrite the network configuration at any time, and the token in the kubeconfig is replaced every hour. The entry is appended to the
//! configuration that the node uses; a node without one has no network yet, and is waited for. Every file is written beside its
//! place and then renamed, so that a runtime never reads half of one.

mod conflist;
mod files;

use std::{fs, io, path::Path, process::ExitCode, time::Duration};

use proxy_init::{
    exit,
    log::{Level, Log},
};
use serde_json::Value;
use tokio::signal::unix::{SignalKind, signal};

use crate::args::{Install, Node};
use files::Folders;

/// How often the node is looked at.
const INTERVAL: Duration = Duration::from_secs(1);

/// Why the plugin is not in place.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InstallError {
    /// A file cannot be read or written.
    #[error("cannot {verb} {path}: {source}")]
    File {
        /// What was tried.
        verb: &'static str,
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// A file does not hold what it should.
    #[error("{path}: {reason}")]
    Content {
        /// The file, or where the text comes from.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The node has no network configuration to append to.
    #[error(
        "{0} holds no network configuration yet: the plugin is chained behind that of the cluster's network"
    )]
    NoNetwork(String),
}

/// Runs the installer until SIGTERM or SIGINT.
pub fn main(args: &Install) -> ExitCode {
    let log = args.log.open();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            log.say(Level::Error, &format!("no runtime: {error}"));
            return exit::FAILED.into();
        }
    };
    match runtime.block_on(keep(args, &log)) {
        Ok(()) => exit::OK.into(),
        Err(error) => {
            log.say(Level::Error, &error.to_string());
            exit::FAILED.into()
        }
    }
}

/// Says whether the plugin and its entry are in place.
pub fn status(node: &Node) -> ExitCode {
    let folders = Folders::of(node);
    match in_place(&folders) {
        Ok(()) => exit::OK.into(),
        Err(error) => {
            proxy_init::log::print(&format!("{error}\n"));
            exit::FAILED.into()
        }
    }
}

async fn keep(args: &Install, log: &Log) -> Result<(), InstallError> {
    let folders = Folders::of(&args.node);
    let signals = |kind| {
        signal(kind).map_err(|source| file_error("handle signals of", Path::new("this process"), source))
    };
    let (mut terminate, mut interrupt) =
        (signals(SignalKind::terminate())?, signals(SignalKind::interrupt())?);
    files::install_binary(&folders)?;
    let mut said = String::new();
    loop {
        let line = match step(args, &folders) {
            Ok(None) => String::new(),
            Ok(Some(done)) => {
                log.say(Level::Info, &done);
                String::new()
            }
            Err(error) => error.to_string(),
        };
        // The same trouble is told once.
        if !line.is_empty() && line != said {
            log.say(Level::Warn, &line);
        }
        said = line;
        tokio::select! {
            () = tokio::time::sleep(INTERVAL) => {}
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
        }
    }
    remove(&folders)?;
    log.say(Level::Info, "the plugin is out of the node's network configuration");
    Ok(())
}

/// Puts everything in place that is not; says what was done.
fn step(args: &Install, folders: &Folders) -> Result<Option<String>, InstallError> {
    let mut done = Vec::new();
    if files::refresh_kubeconfig(args, folders)? {
        done.push("kubeconfig written".to_owned());
    }
    if files::install_binary(folders)? {
        done.push("plugin copied".to_owned());
    }
    let entry = files::entry(args, folders)?;
    let active = active(folders)?;
    let (text, is_list) = (read(&active)?, active.extension().is_some_and(|it| it == "conflist"));
    if let Some(changed) =
        conflist::with_entry(&text, is_list, &entry).map_err(|reason| content(&active, reason))?
    {
        let target = active.with_extension("conflist");
        files::replace(&target, changed.as_bytes(), 0o644)?;
        if !is_list {
            // Kept under a name that no runtime reads, to be put back.
            let saved = files::saved(&active);
            fs::rename(&active, &saved).map_err(|source| file_error("rename", &active, source))?;
        }
        done.push(format!("entry appended to {}", target.display()));
    }
    Ok((!done.is_empty()).then(|| done.join(", ")))
}

/// Takes the entry and the kubeconfig out. The binary stays: pods that are deleted later still name it.
fn remove(folders: &Folders) -> Result<(), InstallError> {
    for path in files::configurations(folders)? {
        let text = read(&path)?;
        let Ok(Some(changed)) = conflist::without_entry(&text) else { continue };
        let single = path.with_extension("conf");
        let saved = files::saved(&single);
        if saved.exists() {
            fs::rename(&saved, &single).map_err(|source| file_error("rename", &saved, source))?;
            fs::remove_file(&path).map_err(|source| file_error("remove", &path, source))?;
        } else {
            files::replace(&path, changed.as_bytes(), 0o644)?;
        }
    }
    match fs::remove_file(folders.kubeconfig()) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(file_error("remove", &folders.kubeconfig(), error))
        }
        _ => Ok(()),
    }
}

fn in_place(folders: &Folders) -> Result<(), InstallError> {
    for path in [folders.binary(), folders.kubeconfig()] {
        fs::metadata(&path).map_err(|source| file_error("read", &path, source))?;
    }
    let active = active(folders)?;
    match conflist::without_entry(&read(&active)?).map_err(|reason| content(&active, reason))? {
        Some(_) => Ok(()),
        None => Err(content(&active, "the entry of linkerd-cni is not in it".to_owned())),
    }
}

/// The configuration that a runtime uses: the first by name.
fn active(folders: &Folders) -> Result<std::path::PathBuf, InstallError> {
    let first = files::configurations(folders)?.into_iter().next();
    first.ok_or_else(|| InstallError::NoNetwork(folders.net.display().to_string()))
}

fn read(path: &Path) -> Result<String, InstallError> {
    fs::read_to_string(path).map_err(|source| file_error("read", path, source))
}

fn file_error(verb: &'static str, path: &Path, source: io::Error) -> InstallError {
    InstallError::File { verb, path: path.display().to_string(), source }
}

fn content(path: &Path, reason: String) -> InstallError {
    InstallError::Content { path: path.display().to_string(), reason }
}

/// Reads JSON or says why not.
fn json(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))
}

#[cfg(test)]
mod tests;
