//! The text for iptables-restore.

use super::*;
use crate::{render::sample, rules::Family};

const GOLDEN: &str = "*nat
:PROXY_INIT_REDIRECT - [0:0]
:PROXY_INIT_OUTPUT - [0:0]
-A PROXY_INIT_REDIRECT -p tcp -m multiport --dports 25,4190:4191 -m comment --comment \"proxy-init/skip-inbound-ports\" -j RETURN
-A PROXY_INIT_REDIRECT -s 10.0.0.0/8 -m comment --comment \"proxy-init/skip-subnet\" -j RETURN
-A PROXY_INIT_REDIRECT -s 192.0.2.7/32 -m comment --comment \"proxy-init/skip-subnet\" -j RETURN
-A PROXY_INIT_REDIRECT -p tcp -m comment --comment \"proxy-init/redirect-inbound\" -j REDIRECT --to-ports 4143
-A PREROUTING -m comment --comment \"proxy-init/inbound\" -j PROXY_INIT_REDIRECT
-A PROXY_INIT_OUTPUT -m owner --uid-owner 2102 -m comment --comment \"proxy-init/skip-proxy-user\" -j RETURN
-A PROXY_INIT_OUTPUT -m owner --gid-owner 2103 -m comment --comment \"proxy-init/skip-proxy-group\" -j RETURN
-A PROXY_INIT_OUTPUT -o lo -m comment --comment \"proxy-init/skip-loopback\" -j RETURN
-A PROXY_INIT_OUTPUT -p tcp -m multiport --dports 443 -m comment --comment \"proxy-init/skip-outbound-ports\" -j RETURN
-A PROXY_INIT_OUTPUT -p tcp -m comment --comment \"proxy-init/redirect-outbound\" -j REDIRECT --to-ports 4140
-A OUTPUT -m comment --comment \"proxy-init/outbound\" -j PROXY_INIT_OUTPUT
COMMIT
";

#[test]
fn the_script_declares_its_chains_and_enters_them() {
    assert_eq!(script(&sample().rules(Family::V4), ""), GOLDEN);
}

#[test]
fn jumps_that_exist_are_not_doubled() {
    let listing = "-A PREROUTING -m comment --comment \"theirs -j X\" -j THEIRS\n\
                   -A PREROUTING -m comment --comment \"proxy-init/inbound\" -j PROXY_INIT_REDIRECT\n\
                   -A PREROUTING -j PROXY_INIT_REDIRECT\n";
    let text = script(&sample().rules(Family::V4), listing);
    let deleted: Vec<&str> = text.lines().filter(|line| line.starts_with("-D")).collect();
    assert_eq!(
        deleted,
        [
            "-D PREROUTING -m comment --comment \"proxy-init/inbound\" -j PROXY_INIT_REDIRECT",
            "-D PREROUTING -j PROXY_INIT_REDIRECT"
        ]
    );
    assert!(text.find("-D PREROUTING") < text.find("-A PREROUTING"));
}

#[test]
fn a_listing_with_chains_of_others_is_compared() {
    let rules = sample().rules(Family::V4);
    let listing = format!("# Generated\n{GOLDEN}:OUTPUT ACCEPT [0:0]\n-A OUTPUT -j THEIRS\n# Completed\n");
    assert_eq!(difference(&rules, &listing), None);
    assert_eq!(difference(&rules, &listing.replace('"', "")), None);
    let found = difference(&rules, &listing.replace("--uid-owner 2102", "--uid-owner 2103")).unwrap();
    assert!(found.found.contains("2103"), "{found}");
    let twice = format!("{listing}-A OUTPUT -j PROXY_INIT_OUTPUT\n");
    assert!(difference(&rules, &twice).is_some(), "a doubled jump is a difference");
    let none: String =
        listing.lines().filter(|line| !line.starts_with("-A OUTPUT")).map(|l| format!("{l}\n")).collect();
    assert_eq!(difference(&rules, &none).unwrap().found, "");
}

#[test]
fn cleanup_takes_out_what_is_ours_alone() {
    assert_eq!(cleanup(":PREROUTING ACCEPT [0:0]\n-A OUTPUT -j THEIRS\n"), None);
    let listing =
        ":PROXY_INIT_OUTPUT - [0:0]\n:THEIRS - [0:0]\n-A OUTPUT -j THEIRS\n-A OUTPUT -j PROXY_INIT_OUTPUT\n";
    let text = cleanup(listing).unwrap();
    assert_eq!(
        text,
        "*nat\n-D OUTPUT -j PROXY_INIT_OUTPUT\n-F PROXY_INIT_OUTPUT\n-X PROXY_INIT_OUTPUT\nCOMMIT\n"
    );
}

#[test]
fn a_network_of_everything_is_written_as_it_is_listed() {
    let mut settings = sample();
    settings.skip_sources = vec!["0.0.0.0/0".parse().unwrap()];
    let text = script(&settings.rules(Family::V4), "");
    assert!(
        text.contains("-A PROXY_INIT_REDIRECT -m comment --comment \"proxy-init/skip-subnet\" -j RETURN\n"),
        "{text}"
    );
}
