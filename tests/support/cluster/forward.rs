//! Ports on the machine's loopback that lead into a network namespace.
//!
//! A socket belongs to the namespace in which it was made, for good. So a listener made out here and a connection made
//! by a thread that has entered the namespace can be joined by one process, and neither network has to know the other.

use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use anyhow::{Context, Result};
use nix::sched::{CloneFlags, setns};

/// A listener whose connections end at an address in another network namespace. Dropping it stops the
/// listening; connections go on until one side ends them.
pub struct Forward {
    local: SocketAddr,
    stop: Arc<AtomicBool>,
}

impl Forward {
    /// Listens on a loopback port (`0` for any) and forwards to `target` as seen in the namespace behind the file
    /// `namespace`.
    ///
    /// # Errors
    /// When the port is taken.
    pub fn start(port: u16, namespace: &Path, target: SocketAddr) -> Result<Self> {
        Self::at(SocketAddr::from((Ipv4Addr::LOCALHOST, port)), namespace, target)
    }

    /// As [`start`](Self::start), on an address of the caller's network.
    ///
    /// # Errors
    /// When the address is taken, or none of this network.
    pub fn at(address: SocketAddr, namespace: &Path, target: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind(address).with_context(|| format!("cannot listen on {address}"))?;
        let local = listener.local_addr().context("the listener has no address")?;
        let stop = Arc::new(AtomicBool::new(false));
        let (stopping, namespace) = (Arc::clone(&stop), Arc::new(namespace.to_owned()));
        thread::spawn(move || accept(&listener, &stopping, &namespace, target));
        Ok(Self { local, stop })
    }

    /// Where to connect to.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }
}

impl Drop for Forward {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // The thread sees the flag when it next accepts; if nothing listens any more, it has ended already.
        let _ = TcpStream::connect(self.local);
    }
}

fn accept(listener: &TcpListener, stop: &AtomicBool, namespace: &Arc<PathBuf>, target: SocketAddr) {
    for stream in listener.incoming() {
        if stop.load(Ordering::SeqCst) {
            return;
        }
        let Ok(client) = stream else { continue };
        let namespace = Arc::clone(namespace);
        // A failure shows as a closed connection, which is what the other network would show.
        thread::spawn(move || connect_in(&namespace, target).and_then(|server| join(client, server)));
    }
}

/// Enters the namespace with this thread, for good, and connects.
fn connect_in(namespace: &Path, target: SocketAddr) -> io::Result<TcpStream> {
    setns(File::open(namespace)?, CloneFlags::CLONE_NEWNET)?;
    TcpStream::connect(target)
}

fn join(client: TcpStream, server: TcpStream) -> io::Result<()> {
    let (from_client, to_server) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || copy(from_client, to_server));
    copy(server, client)
}

fn copy(mut from: TcpStream, mut to: TcpStream) -> io::Result<()> {
    let copied = io::copy(&mut from, &mut to);
    // Either end may be gone by now.
    let _ = to.shutdown(Shutdown::Write);
    copied.map(|_| ())
}
