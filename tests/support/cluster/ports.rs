//! Free ports on loopback.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::net::{Ipv4Addr, TcpListener};

use anyhow::{Result, bail};

/// Below the range from which the kernel picks ports for clients, and below that of node ports.
const RANGE: std::ops::Range<u16> = 20_000..29_000;

/// Finds `N` different ports on which nothing listens.
///
/// They are free at the time of the answer; the random choice makes a clash with another process unlikely.
///
/// # Errors
/// When hardly any port is free.
pub(super) fn free_ports<const N: usize>() -> Result<[u16; N]> {
    let mut held = Vec::with_capacity(N);
    for _ in 0..1_000 {
        if held.len() == N {
            break;
        }
        // Two listeners cannot share a port, so the ports are different as long as all are held.
        held.extend(TcpListener::bind((Ipv4Addr::LOCALHOST, random_port())));
    }
    let mut ports = [0; N];
    if held.len() < N {
        bail!("found no {N} free ports in {RANGE:?} on loopback");
    }
    for (port, listener) in ports.iter_mut().zip(&held) {
        *port = listener.local_addr()?.port();
    }
    Ok(ports)
}

fn random_port() -> u16 {
    // Each RandomState has other keys, seeded by the system: enough chance for a port.
    let random = RandomState::new().build_hasher().finish();
    let width = u64::from(RANGE.end - RANGE.start);
    RANGE.start + u16::try_from(random % width).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_differ_and_can_be_bound() {
        let mut ports = free_ports::<8>().unwrap();
        ports.sort_unstable();
        assert!(ports.windows(2).all(|pair| pair[0] != pair[1]), "{ports:?}");
        assert!(ports.iter().all(|port| RANGE.contains(port)), "{ports:?}");
    }
}
