//! What somebody sees who listens on the cable between the nodes.

use std::fs;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use mesh_tests::cluster::Place;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::kit::{self, Mesh};

/// Part of a path that only the two ends may read.
pub(crate) const SECRET: &str = "/only-for-the-shop";

/// A running capture of what passes the cable of node 1.
pub(crate) struct Wire {
    child: Child,
    folder: tempfile::TempDir,
}

impl Wire {
    pub(crate) fn tap(mesh: &Mesh) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let mut command = mesh.command_at(Place::ControlPlane, "tcpdump");
        command.args(["-i", "cable1", "-U", "--immediate-mode", "-Z", "root", "-s", "0", "-B", "8192", "-w"]);
        command.arg(folder.path().join("pcap")).args(["tcp", "and", "net", "10.244.0.0/16"]);
        let child = command.stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let wire = Self { child, folder };
        kit::until("tcpdump listens", || {
            let log = fs::read_to_string(wire.folder.path().join("log")).unwrap();
            log.contains("listening on").then_some(()).ok_or(log)
        });
        wire
    }

    /// Ends the capture and says what it saw of the calls between the client and the servers.
    ///
    /// The client is on node 2, and one of the servers on node 1. The test itself calls the client from node 1 without a mesh.
    pub(crate) fn judge(mut self, mesh: &Mesh) {
        let seen = |selector: &str| {
            let addresses = mesh.addresses("shop", selector);
            addresses.iter().map(|address| format!("host {address}")).collect::<Vec<_>>().join(" or ")
        };
        let (client, servers) = (seen("app=client"), seen("app=server"));
        // The last packets are in the kernel's buffer for a moment.
        thread::sleep(Duration::from_millis(300));
        self.end();
        let between = self.packets(&format!("({client}) and ({servers})"));
        let to_client = self.packets(&format!("({client}) and not ({servers})"));
        assert!(contains(&to_client, SECRET.as_bytes()), "the capture shows nothing, so it proves nothing");
        assert!(has_tls13_server_hello(&between), "no TLS 1.3 in {} octets", between.len());
        for word in [SECRET, "server@", "HTTP/1.1 200"] {
            assert!(!contains(&between, word.as_bytes()), "{word} can be read between the nodes");
        }
    }

    fn packets(&self, filter: &str) -> Vec<u8> {
        let mut command = std::process::Command::new("tcpdump");
        command.arg("-r").arg(self.folder.path().join("pcap")).args(["-Z", "root", "-w", "-", filter]);
        command.output().unwrap().stdout
    }

    fn end(&mut self) {
        let pid = Pid::from_raw(self.child.id().try_into().unwrap());
        let _ = kill(pid, Signal::SIGINT);
        let deadline = Instant::now() + Duration::from_secs(5);
        while self.child.try_wait().unwrap().is_none() {
            if Instant::now() > deadline {
                self.child.kill().unwrap();
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.end();
    }
}

fn contains(octets: &[u8], word: &[u8]) -> bool {
    octets.windows(word.len()).any(|window| window == word)
}

/// Whether a ServerHello with TLS 1.3 among its extensions (`supported_versions`, two octets, 0x0304) was seen.
fn has_tls13_server_hello(octets: &[u8]) -> bool {
    contains(octets, &[0, 43, 0, 2, 3, 4])
}
