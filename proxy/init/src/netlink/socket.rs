//! The socket to the kernel.

use std::{
    io,
    os::fd::{AsRawFd as _, OwnedFd},
};

use nix::{
    errno::Errno,
    sys::{
        socket::{
            AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, send,
            setsockopt, socket, sockopt,
        },
        time::{TimeVal, TimeValLike as _},
    },
};

use super::{Kernel, Request, wire};

/// How long the kernel may take; it answers at once unless another program holds the packet filter.
const PATIENCE_SECONDS: i64 = 10;
/// The kernel sends a dump in pieces of at most 32 KiB.
const PIECE: usize = 1 << 16;
/// What every kernel lets us send without asking.
const ORDINARY_BUFFER: usize = 64 << 10;
/// More than any pod's rules, so that a foreign table of any size cannot fill the memory.
const MOST: usize = 16 << 20;

/// The kernel of this machine, in the network namespace of the calling thread.
#[derive(Clone, Copy, Debug, Default)]
pub struct ThisKernel;

impl Kernel for ThisKernel {
    fn ask(&mut self, request: &Request) -> io::Result<Vec<u8>> {
        let socket = open()?;
        let (Request::Transaction(bytes) | Request::Dump(bytes)) = request;
        // A transaction is sent in one piece; thousands of rules do not fit into the ordinary buffer.
        if bytes.len() > ORDINARY_BUFFER {
            setsockopt(&socket, sockopt::SndBufForce, &(2 * bytes.len()))?;
        }
        send(socket.as_raw_fd(), bytes, MsgFlags::empty())?;
        match request {
            Request::Transaction(bytes) => {
                let wanted = wire::messages(bytes).filter(|message| message.flags & wire::ACK != 0).count();
                acknowledged(&socket, wanted)
            }
            Request::Dump(_) => dumped(&socket),
        }
    }
}

fn open() -> io::Result<OwnedFd> {
    let socket = socket(
        AddressFamily::Netlink,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::NetlinkNetFilter,
    )?;
    bind(socket.as_raw_fd(), &NetlinkAddr::new(0, 0))?;
    setsockopt(&socket, sockopt::ReceiveTimeout, &TimeVal::seconds(PATIENCE_SECONDS))?;
    Ok(socket)
}

fn receive<'a>(socket: &OwnedFd, buffer: &'a mut [u8]) -> io::Result<&'a [u8]> {
    loop {
        match recv(socket.as_raw_fd(), buffer, MsgFlags::empty()) {
            Ok(length) => return Ok(&buffer[..length]),
            Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN) => return Err(io::ErrorKind::TimedOut.into()),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Waits for every acknowledgement that was asked for, or for the first error.
fn acknowledged(socket: &OwnedFd, mut wanted: usize) -> io::Result<Vec<u8>> {
    let mut buffer = vec![0; PIECE];
    while wanted > 0 {
        for message in wire::messages(receive(socket, &mut buffer)?) {
            if message.kind == wire::ERROR {
                checked(message.error())?;
                wanted = wanted.saturating_sub(1);
            }
        }
    }
    Ok(Vec::new())
}

/// Collects the pieces of a dump.
fn dumped(socket: &OwnedFd) -> io::Result<Vec<u8>> {
    let mut all = Vec::new();
    let mut buffer = vec![0; PIECE];
    loop {
        let piece = receive(socket, &mut buffer)?;
        for message in wire::messages(piece) {
            if message.flags & wire::DUMP_DISTURBED != 0 {
                return Err(io::Error::new(
                    io::ErrorKind::Interrupted,
                    "the rules changed while they were read",
                ));
            }
            match message.kind {
                wire::ERROR => checked(message.error())?,
                wire::DONE => return Ok(all),
                _ => {}
            }
        }
        if all.len() + piece.len() > MOST {
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                "the kernel lists more than 16 MiB of rules",
            ));
        }
        all.extend_from_slice(piece);
    }
}

fn checked(number: i32) -> io::Result<()> {
    if number == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(number)) }
}
