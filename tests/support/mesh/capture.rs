//! What goes over a cable.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;

use super::namespace::Namespace;
use super::process::{Process, Start};

/// A capture of all TCP packets on an interface.
#[derive(Debug)]
pub struct Capture {
    process: Process,
    file: PathBuf,
}

// === impl Capture ===

impl Capture {
    /// Begins one, and waits until it listens.
    ///
    /// # Errors
    /// When `tcpdump` does not start.
    pub fn start(namespace: &Namespace, interface: &str, folder: &Path) -> Result<Self> {
        let file = folder.join("capture.pcap");
        let start = Start::new("tcpdump")
            .args(["-i", interface, "-U", "--immediate-mode", "-Z", "root", "-s", "0", "-w"])
            .args([file.as_os_str()])
            .args(["tcp"]);
        let mut process = Process::start(namespace, "tcpdump", folder, start)?;
        for _ in 0..500 {
            if process.log().contains("listening on") {
                return Ok(Self { process, file });
            }
            if !process.is_running()? {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        bail!("tcpdump does not listen: {}", process.log())
    }

    /// Ends it; all octets that were seen, with the headers of packets.
    ///
    /// # Errors
    /// When `tcpdump` does not end, or its file cannot be read.
    pub fn finish(mut self) -> Result<Vec<u8>> {
        // The last packets are in the kernel's buffer for a moment.
        std::thread::sleep(Duration::from_millis(200));
        self.process.signal(Signal::SIGINT)?;
        self.process.wait(Duration::from_secs(5))?;
        std::fs::read(&self.file).context("no capture")
    }
}
