//! ServiceProfiles of names that clients ask for: their routes are counted, and nothing else is done with them here.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ahash::AHashMap;
use proxy_net::headers::HeaderList;

use super::headers::DST_CANONICAL;
use crate::config::Suffixes;
use crate::metrics::{Direction, Id as SeriesId, Metrics, ProfileRoute, RequestLabels, Requests};
use crate::model::route::Parts;
use crate::model::{Labels, NameAddr, Profile};

/// Names are the clients' choice, so there is a bound to how many are looked up at a time.
const MOST: usize = 256;
/// The longest name that is looked at, with its port.
const NAME_MAX: usize = 260;

/// Profiles by name.
#[derive(Default)]
pub(crate) struct Profiles {
    by_name: AHashMap<NameAddr, Entry>,
}

struct Entry {
    profile: Option<Arc<Profile>>,
    /// Where requests of each route are counted, the last for those without one. Empty where there is no profile.
    series: Vec<SeriesId<Requests>>,
    used: Instant,
}

/// The profile of the name that a connection's requests ask for; mostly the same for all of them.
#[derive(Default)]
pub(crate) struct Watched {
    text: Vec<u8>,
    name: Option<NameAddr>,
}

// === impl Profiles ===

impl Profiles {
    /// Finds the name that a request asks for, and says which one is to be looked up for the first time.
    pub(crate) fn watch(
        &mut self,
        watched: &mut Watched,
        head: &HeaderList,
        port: u16,
        suffixes: &Suffixes,
        now: Instant,
    ) -> Option<NameAddr> {
        if suffixes.is_empty() {
            return None;
        }
        let text = head.value(DST_CANONICAL).or_else(|| head.value(b":authority")).unwrap_or_default();
        if watched.text != text {
            watched.name = name_of(text, port, suffixes);
            watched.text.clear();
            watched.text.extend_from_slice(&text[..text.len().min(NAME_MAX)]);
        }
        let name = watched.name.as_ref()?;
        if let Some(entry) = self.by_name.get_mut(name) {
            entry.used = now;
            return None;
        }
        if self.by_name.len() >= MOST {
            return None;
        }
        self.by_name.insert(name.clone(), Entry { profile: None, series: Vec::new(), used: now });
        Some(name.clone())
    }

    /// Counts a request for the route of its profile, and says where the response is to be counted.
    pub(crate) fn count(
        &self,
        metrics: &mut Metrics,
        watched: &Watched,
        head: &HeaderList,
    ) -> Option<SeriesId<Requests>> {
        let entry = self.by_name.get(watched.name.as_ref()?)?;
        let profile = entry.profile.as_ref()?;
        let route = profile.find(&Parts::of(head)).unwrap_or(profile.routes.len());
        let id = *entry.series.get(route)?;
        metrics.requests[id].requests += 1;
        Some(id)
    }

    /// Takes what discovery says of a name.
    pub(crate) fn set(
        &mut self,
        metrics: &mut Metrics,
        name: &NameAddr,
        profile: Option<Arc<Profile>>,
        now: Instant,
    ) {
        let Some(entry) = self.by_name.get_mut(name) else { return };
        entry.release(metrics, now);
        let Some(profile) = profile else { return };
        let dst = name.to_string();
        let none = Labels::default();
        let labels = profile.routes.iter().map(|route| &route.labels).chain([&none]);
        entry.series = labels
            .map(|labels| {
                let route = ProfileRoute { direction: Direction::Inbound, dst: &dst, labels };
                metrics.requests.register(&RequestLabels::Route(route))
            })
            .collect();
        entry.profile = Some(profile);
    }

    /// Forgets names that nobody has asked for this long, and says which.
    pub(crate) fn evict(&mut self, metrics: &mut Metrics, now: Instant, idle: Duration) -> Vec<NameAddr> {
        let is_idle = |entry: &Entry| now.saturating_duration_since(entry.used) >= idle;
        let gone = self.by_name.extract_if(|_, entry| is_idle(entry));
        gone.map(|(name, mut entry)| {
            entry.release(metrics, now);
            name
        })
        .collect()
    }
}

// === impl Entry ===

impl Entry {
    fn release(&mut self, metrics: &mut Metrics, now: Instant) {
        self.profile = None;
        for id in self.series.drain(..) {
            metrics.requests.release(id, now);
        }
    }
}

/// A name of the mesh; addresses and names of others have no profile.
fn name_of(text: &[u8], port: u16, suffixes: &Suffixes) -> Option<NameAddr> {
    let text = std::str::from_utf8(text).ok().filter(|text| text.len() <= NAME_MAX)?;
    let name = NameAddr::parse_or_port(text, port).ok()?;
    suffixes.contains(name.name.as_str()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asks(authority: &str, canonical: Option<&str>) -> HeaderList {
        let mut head = HeaderList::new();
        head.push(b":authority", authority.as_bytes());
        if let Some(canonical) = canonical {
            head.push(DST_CANONICAL, canonical.as_bytes());
        }
        head
    }

    #[test]
    fn names_are_looked_up_once_and_bounded() {
        let suffixes = Suffixes::default();
        let now = Instant::now();
        let (mut profiles, mut watched) = (Profiles::default(), Watched::default());
        assert_eq!(
            profiles.watch(&mut watched, &asks("web.ns.svc.cluster.local", None), 80, &suffixes, now),
            None
        );
        let suffixes = crate::config::Suffixes::of(&["svc.cluster.local"]);
        let mut watch = |head: &HeaderList| {
            profiles.watch(&mut watched, head, 80, &suffixes, now).map(|name| name.to_string())
        };
        assert_eq!(
            watch(&asks("Web.ns.svc.cluster.local", None)).as_deref(),
            Some("web.ns.svc.cluster.local:80")
        );
        assert_eq!(watch(&asks("Web.ns.svc.cluster.local", None)), None, "it is known");
        let canonical = asks("10.0.0.1", Some("api.ns.svc.cluster.local:81"));
        assert_eq!(watch(&canonical).as_deref(), Some("api.ns.svc.cluster.local:81"));
        for other in ["10.0.0.1:80", "example.com", "", "[::1]"] {
            assert_eq!(watch(&asks(other, None)), None, "{other}");
        }
        let names = (0..2 * MOST)
            .filter(|index| watch(&asks(&format!("n{index}.svc.cluster.local"), None)).is_some());
        assert_eq!(names.count(), MOST - 2);
    }
}
