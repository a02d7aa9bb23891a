//! Series of a route by the host that was asked for, where the configuration wants them.
//!
//! Clients choose hosts freely, so a route has series for so many of them; what comes after counts without a host.

use std::cell::RefCell;
use std::time::Instant;

use ahash::AHashMap;
use proxy_net::headers::HeaderList;

use super::resource;
use crate::metrics::{Id, Metrics, OutboundRoute, OutboundRouteLabels, RouteKind};
use crate::model::Meta;

/// The series of one route.
pub(super) struct Hosts {
    kind: RouteKind,
    parent: Meta,
    route: Meta,
    known: RefCell<AHashMap<Box<str>, Id<OutboundRoute>>>,
}

/// Hosts of a route.
const MOST: usize = 1_000;
/// Octets of a name in DNS.
const LONGEST: usize = 253;

// === impl Hosts ===

impl Hosts {
    pub(super) fn new(kind: RouteKind, parent: &Meta, route: &Meta) -> Self {
        Self { kind, parent: parent.clone(), route: route.clone(), known: RefCell::default() }
    }

    /// Where a request with this head is counted; none where its host has no series of its own.
    pub(super) fn series(&self, metrics: &mut Metrics, head: &HeaderList) -> Option<Id<OutboundRoute>> {
        let host = host(head.value(b":authority")?)?;
        let mut known = self.known.borrow_mut();
        if let Some(id) = known.get(&*host) {
            return Some(*id);
        }
        if known.len() >= MOST {
            return None;
        }
        let id = metrics.outbound_route.register(&OutboundRouteLabels {
            kind: self.kind,
            parent: resource(&self.parent),
            route: resource(&self.route),
            hostname: &host,
        });
        known.insert(host, id);
        Some(id)
    }

    /// Gives the series back.
    pub(super) fn release(&self, metrics: &mut Metrics, now: Instant) {
        for (_, id) in self.known.borrow_mut().drain() {
            metrics.outbound_route.release(id, now);
        }
    }
}

/// The host of an authority, in lower case, without the port and the dot at its end.
fn host(authority: &[u8]) -> Option<Box<str>> {
    let authority = std::str::from_utf8(authority).ok()?;
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    };
    let host = host.strip_suffix('.').unwrap_or(host);
    let is_usable = (1..=LONGEST).contains(&host.len()) && host.bytes().all(|byte| byte.is_ascii_graphic());
    is_usable.then(|| host.to_ascii_lowercase().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(authority: &str) -> HeaderList {
        [(&b":authority"[..], authority.as_bytes())].into_iter().collect()
    }

    #[test]
    fn a_host_is_told_from_its_port() {
        let text = |authority: &str| host(authority.as_bytes()).map(String::from);
        assert_eq!(text("Web.Example.:8080").as_deref(), Some("web.example"));
        assert_eq!(text("[2001:db8::1]:80").as_deref(), Some("[2001:db8::1]"));
        assert_eq!(text("[2001:db8::1]").as_deref(), Some("[2001:db8::1]"));
        for none in ["", ":80", "a b", &"x".repeat(300)] {
            assert_eq!(text(none), None, "{none}");
        }
    }

    #[test]
    fn hosts_are_bounded() {
        let mut metrics = Metrics::default();
        let meta = Meta::new_default("x");
        let hosts = Hosts::new(RouteKind::Http, &meta, &meta);
        let first = hosts.series(&mut metrics, &head("host-0")).unwrap();
        for number in 1..MOST {
            assert!(hosts.series(&mut metrics, &head(&format!("host-{number}"))).is_some());
        }
        assert_eq!(hosts.series(&mut metrics, &head("one-more")), None);
        assert_eq!(hosts.series(&mut metrics, &head("HOST-0:80")), Some(first));
        hosts.release(&mut metrics, Instant::now());
        assert!(hosts.series(&mut metrics, &head("one-more")).is_some());
    }
}
