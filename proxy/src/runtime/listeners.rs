//! The sockets of the workers, and what each is for.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use proxy_net::engine;
use proxy_net::transport::{ListenOptions, OriginalDst, Share, SocketOptions, listen};

use crate::config::{Config, Host, HostPort, TcpOptions};
use crate::discovery::Target;
use crate::worker::Listener;

/// A socket to be opened.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) purpose: Listener,
    addr: SocketAddr,
    backlog: Option<u32>,
    options: TcpOptions,
    original: OriginalDst,
    need: Need,
}

/// Whether the process can do without a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    Must,
    /// Where the kernel has no IPv6, nothing comes by it either.
    IfFamily,
}

/// A socket that cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {addr}: {source}")]
pub(super) struct ListenError {
    addr: SocketAddr,
    source: io::Error,
}

/// What a configuration wants to be listened on.
pub(super) fn plans(config: &Config) -> Vec<Plan> {
    let (inbound, outbound) = (&config.inbound, &config.outbound);
    let mut plans = Vec::new();
    for addr in &outbound.listen.addrs {
        plans.push(Plan {
            purpose: Listener::Outbound,
            addr: *addr,
            backlog: outbound.listen.backlog,
            options: outbound.accept,
            original: OriginalDst::Redirected,
            need: if addr.is_ipv6() && outbound.listen.addrs.len() > 1 { Need::IfFamily } else { Need::Must },
        });
    }
    for target in &outbound.targets {
        plans.push(Plan {
            purpose: Listener::OutboundTarget(lookup(&target.target)),
            addr: target.listen,
            backlog: outbound.listen.backlog,
            options: outbound.accept,
            original: OriginalDst::Local,
            need: Need::Must,
        });
    }
    for addr in &inbound.listen.addrs {
        plans.push(Plan {
            purpose: Listener::Inbound,
            addr: *addr,
            backlog: inbound.listen.backlog,
            options: inbound.accept,
            // Whoever names the application's addresses redirects nothing: who comes here dialled this very port.
            original: if inbound.targets.is_empty() { OriginalDst::Redirected } else { OriginalDst::Local },
            need: Need::Must,
        });
    }
    for target in &inbound.targets {
        plans.push(Plan {
            purpose: Listener::Inbound,
            addr: target.listen,
            backlog: inbound.listen.backlog,
            options: inbound.accept,
            original: OriginalDst::Fixed(target.target),
            need: Need::Must,
        });
    }
    plans
}

/// Opens the sockets of one worker. `workers` share each address.
pub(super) fn open(plans: &[Plan], workers: usize) -> Result<Vec<engine::Listener>, ListenError> {
    let share = if workers > 1 { Share::Port } else { Share::Exclusive };
    let mut listeners = Vec::new();
    for (index, plan) in plans.iter().enumerate() {
        let mut options = ListenOptions { share, ..ListenOptions::default() };
        if let Some(backlog) = plan.backlog {
            options.backlog = u16::try_from(backlog).unwrap_or(u16::MAX);
        }
        let Some(socket) = plan.open(options)? else { continue };
        listeners.push(engine::Listener {
            id: u8::try_from(index).unwrap_or(u8::MAX),
            socket,
            options: SocketOptions {
                keep_alive: plan.options.keep_alive,
                user_timeout: plan.options.user_timeout,
            },
            original: plan.original,
        });
    }
    Ok(listeners)
}

// === impl Plan ===

impl Plan {
    fn open(&self, options: ListenOptions) -> Result<Option<std::net::TcpListener>, ListenError> {
        let source = match listen(self.addr, options) {
            Ok(socket) => return Ok(Some(socket)),
            Err(source) => source,
        };
        let without = self.addr.is_ipv6() && is_without_ipv6(&source);
        if without && self.need == Need::IfFamily {
            tracing::info!(addr = %self.addr, "there is no IPv6 here, so nothing is to be accepted by it");
            return Ok(None);
        }
        if without && self.addr.ip().is_unspecified() {
            let addr = SocketAddr::from((Ipv4Addr::UNSPECIFIED, self.addr.port()));
            tracing::info!(addr = %self.addr, instead = %addr, "there is no IPv6 here");
            return listen(addr, options).map(Some).map_err(|source| ListenError { addr, source });
        }
        Err(ListenError { addr: self.addr, source })
    }
}

fn is_without_ipv6(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EAFNOSUPPORT | libc::EADDRNOTAVAIL | libc::EPROTONOSUPPORT))
}

/// An address or a name as discovery asks for it.
fn lookup(target: &HostPort) -> Target {
    match &target.host {
        Host::Addr(ip) => Target::Addr(SocketAddr::new(*ip, target.port)),
        Host::Name(name) => match name.parse() {
            Ok(name) => Target::Name(crate::model::NameAddr { name, port: target.port }),
            // A name that is an address in writing, which was parsed as a name: as an address then.
            Err(_) => Target::Addr(SocketAddr::from((Ipv4Addr::UNSPECIFIED, target.port))),
        },
    }
}
