//! Octets on their way to the socket.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::AsyncWrite;
use tokio::net::TcpStream;

/// What a slow client has not taken yet; empty, and without room, while the client keeps up.
#[derive(Default)]
pub(super) struct Outgoing {
    octets: Vec<u8>,
    at: usize,
}

// === impl Outgoing ===

impl Outgoing {
    /// Ready once everything is with the kernel.
    pub(super) fn flush(&mut self, io: &mut TcpStream, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.at < self.octets.len() {
            let rest = self.octets.get(self.at..).unwrap_or_default();
            let taken = ready!(Pin::new(&mut *io).poll_write(context, rest))?;
            if taken == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.at += taken;
        }
        if self.at > 0 {
            *self = Self::default();
        }
        Poll::Ready(Ok(()))
    }

    /// Writes what is in `out`, which is empty afterwards; what the kernel does not take is kept. Nothing may be
    /// waiting from before.
    pub(super) fn write(
        &mut self,
        io: &mut TcpStream,
        out: &mut Vec<u8>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let mut at = 0;
        while at < out.len() {
            let rest = out.get(at..).unwrap_or_default();
            match Pin::new(&mut *io).poll_write(context, rest) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(taken)) => at += taken,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    self.octets.extend_from_slice(rest);
                    out.clear();
                    return Poll::Pending;
                }
            }
        }
        out.clear();
        Poll::Ready(Ok(()))
    }
}
