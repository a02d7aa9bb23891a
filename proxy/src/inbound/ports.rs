//! Policies of ports, and the tunnels that they let through.

use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ahash::AHashMap;
use proxy_net::engine::ConnId;

use super::series::{SeriesCache, TlsKey};
use super::settings::Settings;
use crate::model::InboundPolicy;
use crate::model::inbound::Peer;

/// All ports that were asked for.
#[derive(Default)]
pub(crate) struct Ports {
    ports: AHashMap<u16, Port>,
}

/// A port.
pub(crate) struct Port {
    /// Its policy, or the default.
    pub(crate) policy: Arc<InboundPolicy>,
    /// Counts up with each policy.
    pub(crate) generation: u32,
    /// What is counted for its clients.
    pub(crate) series: SeriesCache,
    /// Connections that look at it.
    users: u32,
    /// When the last of them went.
    idle_since: Instant,
    pinned: bool,
    /// Connections that pass octets by its leave.
    tunnels: AHashMap<ConnId, Rc<Tunnel>>,
}

/// Whose octets pass, and how that is counted.
#[derive(Debug)]
pub(crate) struct Tunnel {
    pub(crate) client: IpAddr,
    pub(crate) peer: Peer,
    pub(crate) target: SocketAddr,
    pub(crate) tls: TlsKey,
}

// === impl Ports ===

impl Ports {
    /// The port, and whether it was not known before: then its policy is to be looked up.
    pub(crate) fn open(&mut self, settings: &Settings, number: u16, now: Instant) -> (&mut Port, bool) {
        let mut is_new = false;
        let port = self.ports.entry(number).or_insert_with(|| {
            is_new = true;
            Port {
                policy: settings.default_policy(number),
                generation: 0,
                series: SeriesCache::default(),
                users: 0,
                idle_since: now,
                pinned: settings.pinned.contains(number),
                tunnels: AHashMap::new(),
            }
        });
        (port, is_new)
    }

    /// A port that was opened.
    pub(crate) fn get(&mut self, number: u16) -> Option<&mut Port> {
        self.ports.get_mut(&number)
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u16, &Port)> {
        self.ports.iter().map(|(number, port)| (*number, port))
    }

    /// All of them, to change.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Port> {
        self.ports.values_mut()
    }

    /// Takes a new policy, and says which tunnels it no longer lets through.
    pub(crate) fn update(&mut self, number: u16, policy: &Arc<InboundPolicy>) -> Vec<(ConnId, Rc<Tunnel>)> {
        let Some(port) = self.ports.get_mut(&number) else { return Vec::new() };
        let keeps = matches!((policy.limit(), port.policy.limit()), (Some(new), Some(old))
            if new.limits.config() == old.limits.config());
        port.policy = if keeps {
            let mut policy = (**policy).clone();
            policy.keep_limits_of(&port.policy);
            Arc::new(policy)
        } else {
            policy.clone()
        };
        port.generation = port.generation.wrapping_add(1);
        port.series.retire();
        let revoked = |tunnel: &Tunnel| port.policy.authorize(tunnel.client, &tunnel.peer).is_none();
        port.tunnels
            .iter()
            .filter(|(_, tunnel)| revoked(tunnel))
            .map(|(id, tunnel)| (*id, tunnel.clone()))
            .collect()
    }

    /// Forgets ports that nobody has used for this long, and says which.
    pub(crate) fn evict(&mut self, now: Instant, idle: Duration) -> Vec<(u16, Port)> {
        let is_idle = |port: &Port| {
            !port.pinned && port.users == 0 && now.saturating_duration_since(port.idle_since) >= idle
        };
        self.ports.extract_if(|_, port| is_idle(port)).collect()
    }
}

// === impl Port ===

impl Port {
    /// A connection looks at it.
    pub(crate) fn enter(&mut self) {
        self.users += 1;
    }

    /// A connection looks at it no more.
    pub(crate) fn leave(&mut self, id: ConnId, now: Instant) {
        self.users = self.users.saturating_sub(1);
        self.idle_since = now;
        self.tunnels.remove(&id);
    }

    /// A connection passes octets by its leave.
    pub(crate) fn add_tunnel(&mut self, id: ConnId, tunnel: Tunnel) {
        self.tunnels.insert(id, Rc::new(tunnel));
    }

    /// A connection that passed octets does no longer: its client began to talk.
    pub(crate) fn remove_tunnel(&mut self, id: ConnId) {
        self.tunnels.remove(&id);
    }

    /// How many connections look at it.
    pub(crate) fn users(&self) -> u32 {
        self.users
    }
}
