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
