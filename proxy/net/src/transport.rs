//! Sockets: listeners, options of connections, and where a redirected client wanted to go.

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::os::fd::AsFd;
use std::time::Duration;

use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, TcpKeepalive, Type};

/// Options of a TCP connection. `TCP_NODELAY` is always set: output is gathered before it is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SocketOptions {
    /// TCP keep-alive: idle time before the first probe.
    pub keep_alive: Option<Duration>,
    /// `TCP_USER_TIMEOUT`: how long sent octets may stay unacknowledged.
    pub user_timeout: Option<Duration>,
}

/// How a listening socket is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListenOptions {
    /// Connections that wait to be accepted.
    pub backlog: u16,
    /// Whether other sockets may listen on the same address, as the workers of a process do.
    pub share: Share,
}

/// Whether an address is shared by several listening sockets (`SO_REUSEPORT`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// It is this socket's alone.
    Exclusive,
    /// The kernel spreads connections over the sockets.
    Port,
}

/// Where the original destination of a connection comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OriginalDst {
    /// From the kernel's redirection (`SO_ORIGINAL_DST`); a connection without one is closed.
    Redirected,
    /// The local address: nothing is redirected.
    Local,
    /// Always this address.
    Fixed(SocketAddr),
}

// === impl ListenOptions ===

impl Default for ListenOptions {
    fn default() -> Self {
        Self { backlog: 4096, share: Share::Exclusive }
    }
}

/// A listening socket that does not block; an IPv6 wildcard address takes IPv4 too.
///
/// # Errors
/// When the operating system refuses.
pub fn listen(addr: SocketAddr, options: ListenOptions) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    if addr.is_ipv6() {
        socket.set_only_v6(!addr.ip().is_unspecified())?;
    }
    socket.set_reuse_address(true)?;
    if options.share == Share::Port {
        socket.set_reuse_port(true)?;
    }
    socket.bind(&SockAddr::from(addr))?;
    socket.listen(i32::from(options.backlog))?;
    Ok(socket.into())
}

/// Begins to connect; the socket is writable when that has succeeded or failed.
pub(crate) fn connect(addr: SocketAddr, options: SocketOptions) -> io::Result<std::net::TcpStream> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    apply(&SockRef::from(&socket), options)?;
    match socket.connect(&SockAddr::from(addr)) {
        Ok(()) => {}
        Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => {}
        Err(error) => return Err(error),
    }
    Ok(socket.into())
}

/// Sets the options of a connection.
pub(crate) fn configure(socket: &impl AsFd, options: SocketOptions) -> io::Result<()> {
    apply(&SockRef::from(socket), options)
}

fn apply(socket: &SockRef<'_>, options: SocketOptions) -> io::Result<()> {
    socket.set_tcp_nodelay(true)?;
    if let Some(idle) = options.keep_alive {
        socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(idle).with_interval(idle))?;
    }
    if options.user_timeout.is_some() {
        socket.set_tcp_user_timeout(options.user_timeout)?;
    }
    Ok(())
}

/// The destination before redirection.
pub(crate) fn original_dst(
    socket: &impl AsFd,
    peer: SocketAddr,
    local: SocketAddr,
    source: OriginalDst,
) -> io::Result<SocketAddr> {
    match source {
        OriginalDst::Local => Ok(local),
        OriginalDst::Fixed(addr) => Ok(addr),
        OriginalDst::Redirected => {
            let socket = SockRef::from(socket);
            let addr = if peer.is_ipv4() { socket.original_dst_v4()? } else { socket.original_dst_v6()? };
            addr.as_socket().map(unmapped).ok_or_else(|| io::ErrorKind::AddrNotAvailable.into())
        }
    }
}

/// Has a close send a reset.
pub(crate) fn reset_on_close(socket: &impl AsFd) {
    // A socket that is gone already needs no reset.
    let _ = SockRef::from(socket).set_linger(Some(Duration::ZERO));
}

/// Writes an IPv4-mapped address as IPv4.
#[must_use]
pub fn unmapped(addr: SocketAddr) -> SocketAddr {
    match addr {
        SocketAddr::V6(v6) => match Ipv6Addr::to_ipv4_mapped(v6.ip()) {
            Some(v4) => SocketAddr::new(IpAddr::V4(v4), v6.port()),
            None => addr,
        },
        SocketAddr::V4(_) => addr,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_of_ipv6_takes_ipv4_and_names_the_peer_so() {
        let listener = listen("[::]:0".parse().unwrap(), ListenOptions::default()).unwrap();
        let port = listener.local_addr().unwrap().port();
        let client = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        let (_, peer) = loop {
            match listener.accept() {
                Ok(accepted) => break accepted,
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
            }
        };
        assert_eq!(unmapped(peer), client.local_addr().unwrap());
    }

    #[test]
    fn two_workers_share_a_port() {
        let options = ListenOptions { share: Share::Port, ..ListenOptions::default() };
        let first = listen("127.0.0.1:0".parse().unwrap(), options).unwrap();
        listen(first.local_addr().unwrap(), options).unwrap();
        assert!(listen(first.local_addr().unwrap(), ListenOptions::default()).is_err());
    }
}
