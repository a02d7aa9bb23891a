//! Which packets the rules redirect.

use std::net::Ipv4Addr;

use proptest::prelude::*;

use super::*;

fn port(number: u16) -> NonZeroU16 {
    NonZeroU16::new(number).unwrap()
}

fn settings() -> Settings {
    Settings {
        inbound_port: port(4143),
        outbound_port: port(4140),
        proxy_uid: Some(2102),
        proxy_gid: None,
        capture: Capture::All,
        skip_inbound: "4190,4191".parse().unwrap(),
        skip_outbound: "443,6443".parse().unwrap(),
        skip_sources: vec!["10.1.2.3/8".parse().unwrap(), "fd00::/8".parse().unwrap()],
    }
}

#[test]
fn the_order_is_skip_ports_sources_then_redirect_and_owner_loopback_ports_then_redirect() {
    let rules = settings().rules(Family::V4);
    let kinds =
        |chain: &Chain| chain.rules.iter().map(|rule| format!("{:?}", rule.matches)).collect::<Vec<_>>();
    let inbound = kinds(&rules.chains[0]);
    assert!(inbound[0].starts_with("Ports"), "{inbound:?}");
    assert_eq!(inbound[1..], ["Source(10.0.0.0/8)", "Tcp"]);
    let outbound = kinds(&rules.chains[1]);
    assert_eq!(outbound[..2], ["Uid(2102)", "Loopback"]);
    assert!(outbound[2].starts_with("Ports"), "{outbound:?}");
    assert_eq!(outbound[3], "Tcp");
}

#[test]
fn a_family_sees_its_own_networks_only() {
    let rules = settings().rules(Family::V6);
    let sources: Vec<&Match> = rules.chains[0]
        .rules
        .iter()
        .map(|rule| &rule.matches)
        .filter(|one| matches!(one, Match::Source(_)))
        .collect();
    assert_eq!(sources, [&Match::Source("fd00::/8".parse().unwrap())]);
}

#[test]
fn root_is_never_exempt() {
    let rules = Settings { proxy_uid: Some(0), proxy_gid: Some(0), ..settings() }.rules(Family::V4);
    assert_eq!(rules.chains[1].rules[0].matches, Match::Loopback);
    let rules = Settings { proxy_gid: Some(7), ..settings() }.rules(Family::V4);
    assert_eq!(rules.chains[1].rules[1].matches, Match::Gid(7));
}

#[test]
fn groups_hold_fifteen_ports_and_a_range_counts_as_two() {
    let sizes = |text: &str| packed(&text.parse().unwrap()).iter().map(Vec::len).collect::<Vec<_>>();
    let spaced = |count: u16| (1..=count).map(|n| (n * 10).to_string()).collect::<Vec<_>>().join(",");
    assert_eq!(sizes(&spaced(15)), [15]);
    assert_eq!(sizes(&spaced(16)), [15, 1]);
    // Seven ranges are fourteen places: one more port fits, one more range does not.
    let ranges = (1..=7).map(|n| format!("{}-{}", n * 10, n * 10 + 2)).collect::<Vec<_>>().join(",");
    assert_eq!(sizes(&format!("{ranges},500")), [8]);
    assert_eq!(sizes(&format!("{ranges},500-600")), [7, 1]);
    assert_eq!(sizes(""), [0; 0]);
}

#[test]
fn overlapping_and_adjacent_ports_become_one_range() {
    let all = packed(&"80,20-30,25-40,41,80,65535,65534".parse().unwrap());
    let text: Vec<String> = all.concat().iter().map(PortRange::to_string).collect();
    assert_eq!(text, ["20-41", "80", "65534-65535"]);
}

fn ranges() -> impl Strategy<Value = PortRanges> {
    let range = (any::<u16>(), 0..300_u16).prop_map(|(low, more)| {
        PortRange::new(low, low.saturating_add(more)).expect("the bounds are in order")
    });
    prop::collection::vec(range, 0..40).prop_map(|ranges| ranges.into_iter().collect())
}

proptest! {
    /// The rules decide what the settings say, whatever they are and however they were packed.
    #[test]
    fn rules_say_what_the_settings_say(
        skip_inbound in ranges(), skip_outbound in ranges(), listed in prop::option::of(ranges()),
        uid in prop::option::of(0..3_u32), gid in prop::option::of(0..3_u32),
        network in any::<u32>(), prefix in 0..=32_u8, source in any::<u32>(),
        sender in (0..3_u32, 0..3_u32, any::<bool>()), number in any::<u16>(),
    ) {
        let network = IpNet::new(Ipv4Addr::from(network).into(), prefix).unwrap();
        let capture = listed.clone().map_or(Capture::All, Capture::Ports);
        let settings = Settings {
            proxy_uid: uid, proxy_gid: gid, capture, skip_inbound: skip_inbound.clone(),
            skip_outbound: skip_outbound.clone(), skip_sources: vec![network], ..settings()
        };
        let packet = Packet {
            source: Ipv4Addr::from(source).into(), port: number, uid: sender.0, gid: sender.1, loopback: sender.2,
        };
        let rules = settings.rules(Family::V4);
        let inbound = !skip_inbound.contains(number)
            && !network.contains(&packet.source)
            && listed.is_none_or(|ports| ports.contains(number));
        prop_assert_eq!(rules.decide(Hook::Prerouting, &packet).is_some(), inbound);
        let exempt = |own: Option<u32>, its: u32| own.is_some_and(|own| own > 0 && own == its);
        let outbound = !exempt(uid, packet.uid) && !exempt(gid, packet.gid) && !packet.loopback
            && !skip_outbound.contains(number);
        prop_assert_eq!(rules.decide(Hook::Output, &packet).is_some(), outbound);
    }

    /// No rule is longer than the packet filter takes, and no port is named twice.
    #[test]
    fn groups_are_within_bounds_and_disjoint(ports in ranges()) {
        let groups = packed(&ports);
        for group in &groups {
            let places: usize = group.iter().map(|range| if range.count() == 1 { 1 } else { 2 }).sum();
            prop_assert!((1..=MULTIPORT_LIMIT).contains(&places));
        }
        for pair in groups.concat().windows(2) {
            prop_assert!(u32::from(pair[0].high()) + 1 < u32::from(pair[1].low()));
        }
    }
}
