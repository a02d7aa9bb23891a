//! The text for nft.

use super::*;
use crate::render::sample;

const GOLDEN: &str = "table ip linkerd
delete table ip linkerd
table ip linkerd {
\tchain PROXY_INIT_REDIRECT {
\t\ttcp dport { 25, 4190-4191 } return comment \"proxy-init/skip-inbound-ports\"
\t\tip saddr 10.0.0.0/8 return comment \"proxy-init/skip-subnet\"
\t\tip saddr 192.0.2.7 return comment \"proxy-init/skip-subnet\"
\t\tmeta l4proto 6 redirect to :4143 comment \"proxy-init/redirect-inbound\"
\t}

\tchain PROXY_INIT_OUTPUT {
\t\tmeta skuid 2102 return comment \"proxy-init/skip-proxy-user\"
\t\tmeta skgid 2103 return comment \"proxy-init/skip-proxy-group\"
\t\toifname \"lo\" return comment \"proxy-init/skip-loopback\"
\t\ttcp dport 443 return comment \"proxy-init/skip-outbound-ports\"
\t\tmeta l4proto 6 redirect to :4140 comment \"proxy-init/redirect-outbound\"
\t}

\tchain prerouting {
\t\ttype nat hook prerouting priority -100; policy accept;
\t\tjump PROXY_INIT_REDIRECT comment \"proxy-init/inbound\"
\t}

\tchain output {
\t\ttype nat hook output priority -100; policy accept;
\t\tjump PROXY_INIT_OUTPUT comment \"proxy-init/outbound\"
\t}
}
";

#[test]
fn the_script_replaces_the_table_as_a_whole() {
    assert_eq!(script(&sample().rules(Family::V4)), GOLDEN);
}

#[test]
fn ipv6_has_a_table_of_its_own() {
    let text = script(&sample().rules(Family::V6));
    assert!(text.starts_with("table ip6 linkerd\ndelete table ip6 linkerd\ntable ip6 linkerd {\n"), "{text}");
    assert!(text.contains("\t\tip6 saddr fd00::/8 return"), "{text}");
    assert!(!text.contains("ip saddr"), "{text}");
}

#[test]
fn a_listing_is_compared_without_regard_to_its_layout() {
    let rules = sample().rules(Family::V4);
    let listing = GOLDEN.lines().skip(2).collect::<Vec<_>>().join("\n");
    assert_eq!(difference(&rules, &listing), None);
    assert_eq!(difference(&rules, &listing.replace("{ 25, 4190", "{ 25,\n\t\t\t     4190")), None);
    let found = difference(&rules, &listing.replace("skuid 2102", "skuid 2103")).unwrap();
    assert!(found.expected.contains("2102") && found.found.contains("2103"), "{found}");
    let short = difference(&rules, listing.trim_end_matches("}\n").trim_end_matches('}')).unwrap();
    assert_eq!(short.found, "");
    difference(&rules, "").unwrap();
}
