//! The application's addresses, each an endpoint that all clients share.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use ahash::AHashMap;
use proxy_net::engine::{Control, EndpointEvent, EndpointId};

use super::Engine;
use super::settings::Settings;

/// What is remembered of an address of the application.
#[derive(Debug)]
pub struct App {
    addr: SocketAddr,
}

/// All of them.
#[derive(Default)]
pub(crate) struct Apps {
    by_addr: AHashMap<SocketAddr, Entry>,
}

struct Entry {
    id: EndpointId,
    used: Instant,
    /// Since when it cannot be connected to.
    away: Option<Instant>,
}

// === impl App ===

impl App {
    /// The address.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }
}

// === impl Apps ===

impl Apps {
    /// The endpoint of an address. Nothing is dialled before a request or tunnel needs it.
    pub(crate) fn open<E: Engine>(
        &mut self,
        ctl: &mut Control<'_, E>,
        settings: &Settings,
        addr: SocketAddr,
    ) -> EndpointId {
        let now = ctl.now();
        let entry = self.by_addr.entry(addr).or_insert_with(|| Entry {
            id: ctl.add_endpoint(settings.app(addr), E::Endpoint::from(App { addr })),
            used: now,
            away: None,
        });
        entry.used = now;
        entry.id
    }

    /// Something happened to an address.
    pub(crate) fn event(&mut self, addr: SocketAddr, now: Instant, event: EndpointEvent) {
        let Some(entry) = self.by_addr.get_mut(&addr) else { return };
        match event {
            EndpointEvent::Ready | EndpointEvent::Opened => entry.away = None,
            EndpointEvent::Unready(_) => {
                entry.away.get_or_insert(now);
            }
            EndpointEvent::Closed { .. } | EndpointEvent::Octets { .. } => {}
        }
    }

    /// Whether an address has been away for longer than this, so that nothing need wait for it.
    pub(crate) fn is_away(&self, addr: SocketAddr, now: Instant, limit: Duration) -> bool {
        let away = self.by_addr.get(&addr).and_then(|entry| entry.away);
        away.is_some_and(|since| now.saturating_duration_since(since) >= limit)
    }

    /// Addresses with what is remembered of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (SocketAddr, EndpointId)> {
        self.by_addr.iter().map(|(addr, entry)| (*addr, entry.id))
    }

    /// Lets go of addresses that have nothing to do and were not asked for this long.
    pub(crate) fn evict<E: Engine>(&mut self, ctl: &mut Control<'_, E>, idle: Duration) {
        let now = ctl.now();
        self.by_addr.retain(|_, entry| {
            let load = ctl.load(entry.id);
            let keep = load.requests > 0 || now.saturating_duration_since(entry.used) < idle;
            if !keep {
                ctl.remove_endpoint(entry.id);
            }
            keep
        });
    }
}
