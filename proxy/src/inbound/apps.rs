//! The application's addresses, each an endpoint that all clients share.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use ahash::AHashMap;
use proxy_net::engine::{Control, EndpointId};

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
        });
        entry.used = now;
        entry.id
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
