//! Addresses of servers of the control plane.
//!
//! Headless Services are asked for SRV first: each pod has a record of its own there, with its port. What the cluster's DNS does not
//! answer that way is asked for by address.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::rr::{RData, Record, RecordType};
use parking_lot::Mutex;

use crate::config::{Dns, Host, HostPort};

/// The shortest time an answer is used, whatever it says of itself.
const MIN_TTL: Duration = Duration::from_secs(5);
/// The longest; answers do say a week.
const MAX_TTL: Duration = Duration::from_secs(3_600);
/// Addresses that are used of one answer.
const MAX_ADDRESSES: usize = 256;

/// Asks the DNS of the system.
#[derive(Debug)]
pub struct Resolver {
    config: Dns,
    /// Made at the first question: addresses need none, and a missing `resolv.conf` may appear.
    resolver: Arc<Mutex<Option<TokioResolver>>>,
    counts: Counts,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// The addresses, without duplicates and not empty.
    pub addrs: Vec<SocketAddr>,
    /// How long they are good.
    pub ttl: Duration,
}

/// Why there are no addresses.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// The name is not there, or has no address.
    #[error("no address is known for {name}")]
    NotFound {
        /// The name.
        name: String,
        /// How long that is good.
        ttl: Duration,
    },
    /// The question was not answered.
    #[error("{name} could not be resolved: {source}")]
    Failed {
        /// The name.
        name: String,
        /// Why.
        source: NetError,
    },
}

/// Questions by type and outcome.
#[derive(Debug, Default)]
struct Counts {
    cells: [[AtomicU64; 3]; 2],
}

/// Types of questions, for metrics.
pub const RECORD_TYPES: [&str; 2] = ["SRV", "A/AAAA"];
/// Outcomes of questions, for metrics.
pub const RESULTS: [&str; 3] = ["ok", "not_found", "error"];

// === impl Resolver ===

impl Resolver {
    /// A resolver by the configuration of the system.
    pub fn new(config: Dns) -> Self {
        Self { config, resolver: Arc::default(), counts: Counts::default() }
    }

    /// The same resolver for another client, counted apart.
    pub fn sibling(&self) -> Self {
        Self { config: self.config, resolver: self.resolver.clone(), counts: Counts::default() }
    }

    /// The addresses of a host.
    ///
    /// # Errors
    /// When there are none, or nobody answers.
    pub async fn resolve(&self, target: &HostPort) -> Result<Resolved, ResolveError> {
        let name = match &target.host {
            Host::Addr(ip) => return Ok(Resolved::fixed(SocketAddr::new(*ip, target.port))),
            Host::Name(name) if name == "localhost" => {
                return Ok(Resolved::fixed(SocketAddr::from((Ipv4Addr::LOCALHOST, target.port))));
            }
            Host::Name(name) if target.absolute => format!("{name}."),
            Host::Name(name) => name.clone(),
        };
        let failed = |source| ResolveError::Failed { name: name.clone(), source };
        let resolver = self.resolver().map_err(failed)?;
        if let Ok(lookup) = self.count(0, resolver.lookup(name.as_str(), RecordType::SRV).await)
            && let Some(resolved) = self.resolved(from_srv(lookup.answers(), target.port), lookup.answers())
        {
            return Ok(resolved);
        }
        match self.count(1, resolver.lookup_ip(name.as_str()).await) {
            Ok(lookup) => {
                let records = lookup.as_lookup().answers();
                let found = self.resolved(from_addresses(records, target.port), records);
                found.ok_or_else(|| self.not_found(&name, None))
            }
            Err(NetError::Dns(DnsError::NoRecordsFound(none))) => {
                let ttl = none.negative_ttl.map(|seconds| Duration::from_secs(seconds.into()));
                Err(self.not_found(&name, ttl))
            }
            Err(source) => Err(failed(source)),
        }
    }

    /// Questions so far, by [`RECORD_TYPES`] and [`RESULTS`].
    pub fn counts(&self) -> [[u64; 3]; 2] {
        self.counts.cells.each_ref().map(|row| row.each_ref().map(|cell| cell.load(Ordering::Relaxed)))
    }

    fn resolver(&self) -> Result<TokioResolver, NetError> {
        let mut made = self.resolver.lock();
        if let Some(resolver) = &*made {
            return Ok(resolver.clone());
        }
        let mut builder = TokioResolver::builder_tokio()?;
        // Answers are kept by those who asked, and for no longer than they are good.
        builder.options_mut().cache_size = 0;
        let resolver = builder.build()?;
        *made = Some(resolver.clone());
        Ok(resolver)
    }

    fn count<T>(&self, row: usize, result: Result<T, NetError>) -> Result<T, NetError> {
        let column = match &result {
            Ok(_) => 0,
            Err(NetError::Dns(DnsError::NoRecordsFound(_))) => 1,
            Err(_) => 2,
        };
        self.counts.cells[row][column].fetch_add(1, Ordering::Relaxed);
        result
    }

    fn resolved(&self, mut addrs: Vec<SocketAddr>, records: &[Record]) -> Option<Resolved> {
        addrs.sort_unstable();
        addrs.dedup();
        addrs.truncate(MAX_ADDRESSES);
        let ttl = records.iter().map(|record| record.ttl).min().unwrap_or(0);
        let ttl = self.bounded(Duration::from_secs(ttl.into()));
        (!addrs.is_empty()).then_some(Resolved { addrs, ttl })
    }

    fn not_found(&self, name: &str, ttl: Option<Duration>) -> ResolveError {
        ResolveError::NotFound { name: name.to_owned(), ttl: self.bounded(ttl.unwrap_or(MIN_TTL)) }
    }

    fn bounded(&self, ttl: Duration) -> Duration {
        let min = self.config.min_ttl.unwrap_or(MIN_TTL).max(MIN_TTL);
        let max = self.config.max_ttl.unwrap_or(MAX_TTL).max(min);
        ttl.clamp(min, max)
    }
}

// === impl Resolved ===

impl Resolved {
    fn fixed(addr: SocketAddr) -> Self {
        Self { addrs: vec![addr], ttl: MAX_TTL }
    }
}

/// Pods have SRV targets that begin with their address, dots and colons written as dashes. A Service with several ports has
/// records of each, so that those with the wanted port are enough, where there are any.
fn from_srv(records: &[Record], port: u16) -> Vec<SocketAddr> {
    let found: Vec<SocketAddr> = records
        .iter()
        .filter_map(|record| match &record.data {
            RData::SRV(srv) if srv.port != 0 => {
                let target = srv.target.to_string();
                dashed(target.split('.').next()?).map(|ip| SocketAddr::new(ip, srv.port))
            }
            _ => None,
        })
        .collect();
    let wanted: Vec<SocketAddr> = found.iter().copied().filter(|addr| addr.port() == port).collect();
    if wanted.is_empty() { found } else { wanted }
}

fn from_addresses(records: &[Record], port: u16) -> Vec<SocketAddr> {
    let addresses = records.iter().filter_map(|record| match &record.data {
        RData::A(address) => Some(IpAddr::V4(address.0)),
        RData::AAAA(address) => Some(IpAddr::V6(address.0)),
        _ => None,
    });
    addresses.map(|ip| SocketAddr::new(ip, port)).collect()
}

fn dashed(label: &str) -> Option<IpAddr> {
    let v4 = label.replace('-', ".").parse().map(IpAddr::V4);
    v4.or_else(|_| label.replace('-', ":").parse().map(IpAddr::V6)).ok()
}

#[cfg(test)]
mod tests {
    use hickory_resolver::proto::rr::Name;
    use hickory_resolver::proto::rr::rdata::SRV;

    use super::*;

    fn srv(target: &str, port: u16) -> Record {
        let name: Name = "dst.linkerd.svc.cluster.local.".parse().unwrap();
        Record::from_rdata(name, 5, RData::SRV(SRV::new(0, 0, port, target.parse().unwrap())))
    }

    #[test]
    fn pods_are_found_by_the_names_of_their_records() {
        let records = [
            srv("10-1-2-3.dst.linkerd.svc.cluster.local.", 8086),
            srv("fd00--7.dst.linkerd.svc.cluster.local.", 8086),
            srv("10-1-2-3.dst.linkerd.svc.cluster.local.", 8090),
            srv("web-0.dst.linkerd.svc.cluster.local.", 8086),
        ];
        let expected: Vec<SocketAddr> =
            ["10.1.2.3:8086", "[fd00::7]:8086"].map(|a| a.parse().unwrap()).into();
        assert_eq!(from_srv(&records, 8086), expected);
        assert_eq!(from_srv(&records[..1], 80), expected[..1], "a port that maps to another");
        assert_eq!(from_srv(&records[3..], 80), []);
    }

    #[test]
    fn answers_are_used_within_bounds() {
        let resolver = Resolver::new(Dns { min_ttl: None, max_ttl: Some(Duration::from_secs(60)) });
        assert_eq!(resolver.bounded(Duration::ZERO), MIN_TTL);
        assert_eq!(resolver.bounded(Duration::from_secs(600)), Duration::from_secs(60));
        let records = [srv("10-1-2-3.dst.", 1), srv("10-1-2-3.dst.", 1)];
        let resolved = resolver.resolved(from_srv(&records, 1), &records).unwrap();
        assert_eq!(resolved.addrs.len(), 1);
        assert_eq!(resolved.ttl, Duration::from_secs(5));
    }

    #[tokio::test]
    async fn addresses_need_no_question() {
        let resolver = Resolver::new(Dns::default());
        let target = |host| HostPort { host, port: 7, absolute: true };
        let local = resolver.resolve(&target(Host::Name("localhost".into()))).await.unwrap();
        assert_eq!(local.addrs, ["127.0.0.1:7".parse().unwrap()]);
        let fixed = resolver.resolve(&target(Host::Addr("fd00::1".parse().unwrap()))).await.unwrap();
        assert_eq!(fixed.addrs, ["[fd00::1]:7".parse().unwrap()]);
        assert_eq!(resolver.counts(), [[0; 3]; 2]);
    }
}
