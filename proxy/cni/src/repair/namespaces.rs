//! Which network namespace is a pod's: the one that holds its addresses.

use std::{
    collections::BTreeSet,
    fs,
    net::IpAddr,
    path::{Path, PathBuf},
    thread,
};

use nix::ifaddrs::getifaddrs;
use proxy_init::host::enter_namespace;
use serde_json::Value;

/// The addresses that a pod reports.
pub(super) fn addresses(pod: &Value) -> BTreeSet<IpAddr> {
    let listed = pod.pointer("/status/podIPs").and_then(Value::as_array);
    let all = listed.into_iter().flatten().map(|entry| &entry["ip"]);
    let first = pod.pointer("/status/podIP");
    all.chain(first).filter_map(|ip| ip.as_str()?.parse().ok()).collect()
}

/// The namespace of a folder that holds one of the addresses.
///
/// # Errors
/// When the folder cannot be listed, or none does.
pub(super) fn find(folder: &Path, addresses: &BTreeSet<IpAddr>) -> Result<PathBuf, String> {
    if addresses.is_empty() {
        return Err("the pod has no address yet".to_owned());
    }
    let entries =
        fs::read_dir(folder).map_err(|error| format!("{} cannot be listed: {error}", folder.display()))?;
    let paths = entries.filter_map(Result::ok).map(|entry| entry.path());
    let mut holds = paths.filter(|path| held(path).is_some_and(|held| !held.is_disjoint(addresses)));
    holds.next().ok_or_else(|| format!("no network namespace in {} holds its address", folder.display()))
}

/// The addresses of a namespace; none when it cannot be entered, for it may be ending.
fn held(path: &Path) -> Option<BTreeSet<IpAddr>> {
    let list = || {
        enter_namespace(path).ok()?;
        let address = |storage: &nix::sys::socket::SockaddrStorage| {
            let v4 = storage.as_sockaddr_in().map(|it| IpAddr::V4(it.ip()));
            v4.or_else(|| storage.as_sockaddr_in6().map(|it| IpAddr::V6(it.ip())))
        };
        Some(
            getifaddrs()
                .ok()?
                .filter_map(|interface| address(&interface.address?))
                .filter(|it| !it.is_loopback())
                .collect(),
        )
    };
    thread::scope(|scope| scope.spawn(list).join().ok().flatten())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn all_addresses_of_a_pod_count() {
        let pod = json!({"status": {"podIP": "10.0.0.1", "podIPs": [{"ip": "10.0.0.1"}, {"ip": "fd00::1"}]}});
        assert_eq!(addresses(&pod).len(), 2);
        assert!(addresses(&Value::Null).is_empty());
        assert!(find(Path::new("/proc/self/ns"), &BTreeSet::new()).unwrap_err().contains("no address"));
    }
}
