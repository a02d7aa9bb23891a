//! Where connections end up, with each tool.

use crate::world::{OUTSIDE, POD, POD_SKIPPED, Sender, World, address};

const PROXY: Sender = Sender { uid: 2102, gid: 0 };
const PROXY_GROUP: Sender = Sender { uid: 0, gid: 2104 };
const ROOT: Sender = Sender { uid: 0, gid: 0 };

/// A way to program the rules, with the programs that show and damage them.
struct Tool {
    mode: &'static str,
    name: &'static str,
    list: [&'static str; 2],
    damage: [&'static str; 2],
    foreign: [&'static str; 2],
}

const NFT: Tool = Tool {
    mode: "--iptables-mode=nft",
    name: "(nft)",
    list: ["nft list ruleset ip", "nft list ruleset ip6"],
    damage: [
        "nft flush chain ip linkerd PROXY_INIT_OUTPUT",
        "nft flush chain ip6 linkerd PROXY_INIT_REDIRECT",
    ],
    foreign: ["nft add table ip theirs", "nft add table ip6 theirs"],
};

const LEGACY: Tool = Tool {
    mode: "--iptables-mode=legacy",
    name: "(iptables-legacy)",
    list: ["iptables-legacy-save -t nat", "ip6tables-legacy-save -t nat"],
    damage: ["iptables-legacy -t nat -F PROXY_INIT_OUTPUT", "ip6tables-legacy -t nat -D PREROUTING 1"],
    foreign: ["iptables-legacy -t nat -N theirs", "ip6tables-legacy -t nat -N theirs"],
};

const PLAIN: Tool = Tool {
    mode: "--iptables-mode=plain",
    name: "(iptables)",
    list: ["iptables-save -t nat", "ip6tables-save -t nat"],
    damage: ["iptables -t nat -F PROXY_INIT_OUTPUT", "ip6tables -t nat -F PROXY_INIT_REDIRECT"],
    foreign: ["iptables -t nat -N theirs", "ip6tables -t nat -N theirs"],
};

/// What the manifests give, with everything that can be skipped.
const ARGS: [&str; 7] = [
    "--incoming-proxy-port=4143",
    "--outgoing-proxy-port=4140",
    "--proxy-uid=2102",
    "--proxy-gid=2104",
    "--inbound-ports-to-ignore=4190,4191,4567-4568",
    "--outbound-ports-to-ignore=443,6443",
    "--subnets-to-ignore=10.8.0.0/24,fd08::/64",
];

#[test]
fn nft_redirects_again_and_again_and_no_longer() {
    lifetime(&NFT);
}

#[test]
fn iptables_legacy_redirects_again_and_again_and_no_longer() {
    lifetime(&LEGACY);
}

#[test]
fn plain_iptables_redirects_again_and_again_and_no_longer() {
    lifetime(&PLAIN);
}

/// Programmed, run again, damaged and repaired, removed.
fn lifetime(tool: &Tool) {
    let world = World::new();
    tool.foreign.iter().for_each(|line| drop(world.pod.run(line)));
    expect_untouched(&world);
    let args: Vec<&str> = ARGS.into_iter().chain([tool.mode]).collect();

    let said = world.init(&args);
    assert_eq!(said.matches("rules were read back").count(), 2, "{said}");
    assert_eq!(said.matches(tool.name).count(), 2, "{said}");
    expect_redirected(&world);

    let before = tool.list.map(|line| listed(&world, line));
    let said = world.init(&args);
    assert_eq!(said.matches("already by exactly these rules").count(), 2, "{said}");
    assert_eq!(tool.list.map(|line| listed(&world, line)), before);

    tool.damage.iter().for_each(|line| drop(world.pod.run(line)));
    let said = world.init(&args);
    assert_eq!(said.matches("rules were read back").count(), 2, "{said}");
    assert_eq!(tool.list.map(|line| listed(&world, line)), before);
    expect_redirected(&world);

    world.init(&["cleanup"]);
    expect_untouched(&world);
    for line in tool.list {
        let left = listed(&world, line).join("\n");
        assert!(!left.contains("proxy-init") && !left.contains("PROXY_INIT"), "{left}");
        assert!(left.contains("theirs"), "what belongs to others stays: {left}");
    }
    // There is nothing left to remove, which is what was asked for.
    world.init(&["cleanup"]);
}

/// What a tool lists, in an order of its own choice and without counters and times.
fn listed(world: &World, line: &str) -> Vec<String> {
    let text = world.pod.run(line);
    let mut lines: Vec<String> = text
        .lines()
        .filter(|line| !line.starts_with(['#', ':']) || line.contains("theirs"))
        .map(str::to_owned)
        .collect();
    lines.sort();
    lines
}

fn expect_redirected(world: &World) {
    let World { pod, outside } = world;
    for (family, host) in POD.into_iter().enumerate() {
        // Inbound: any port goes to the proxy, which learns where the client wanted to go.
        for port in [8080, 9999, 4143] {
            assert_eq!(outside.dial(ROOT, host, port), format!("inbound {}", address(host, port)));
        }
        expect_service("admin", &outside.dial(ROOT, host, 4190));
        expect_service("app", &outside.dial(ROOT, POD_SKIPPED[family], 8080));

        // Outbound: whoever is not the proxy goes through it.
        let far = OUTSIDE[family];
        for port in [80, 7777] {
            assert_eq!(pod.dial(ROOT, far, port), format!("outbound {}", address(far, port)));
            assert_eq!(
                pod.dial(Sender { uid: 1000, gid: 1000 }, far, port),
                format!("outbound {}", address(far, port))
            );
        }
        expect_service("tls", &pod.dial(ROOT, far, 443));
        expect_service("web", &pod.dial(PROXY, far, 80));
        expect_service("web", &pod.dial(PROXY_GROUP, far, 80));
        expect_local(world, family);
    }
}

fn expect_untouched(world: &World) {
    for (family, host) in POD.into_iter().enumerate() {
        expect_service("app", &world.outside.dial(ROOT, host, 8080));
        expect_service("web", &world.pod.dial(ROOT, OUTSIDE[family], 80));
        expect_local(world, family);
    }
}

/// What stays within the pod is never redirected.
fn expect_local(world: &World, family: usize) {
    for host in [["127.0.0.1", "::1"][family], POD[family]] {
        expect_service("app", &world.pod.dial(ROOT, host, 8080));
    }
}

fn expect_service(name: &str, answer: &str) {
    assert_eq!(answer.split(' ').next(), Some(name), "{answer}");
}

#[test]
fn listed_ports_alone_are_redirected_when_there_are_any() {
    for tool in [NFT, LEGACY] {
        let world = World::new();
        world.init(&["--ports-to-redirect=7000-7010,9999", tool.mode]);
        for host in POD {
            for port in [7005, 9999] {
                assert_eq!(world.outside.dial(ROOT, host, port), format!("inbound {}", address(host, port)));
            }
            expect_service("app", &world.outside.dial(ROOT, host, 8080));
        }
    }
}

#[test]
fn many_ports_are_taken_in_one_go_and_read_back() {
    let single: Vec<String> = (1..2000).map(|n| (n * 20).to_string()).collect();
    let ranges: Vec<String> = (1..500).map(|n| format!("{}-{}", 40_000 + n * 20, 40_009 + n * 20)).collect();
    let ports = format!("--outbound-ports-to-ignore=0,{},{},65000-65535", single.join(","), ranges.join(","));
    for tool in [NFT, LEGACY, PLAIN] {
        let world = World::new();
        let said = world.init(&[&ports, tool.mode]);
        assert_eq!(said.matches("rules were read back").count(), 2, "{said}");
        expect_service("web", &world.pod.dial(ROOT, OUTSIDE[0], 80));
        assert_eq!(world.pod.dial(ROOT, OUTSIDE[1], 443), format!("outbound {}", address(OUTSIDE[1], 443)));
    }
}

#[test]
fn other_settings_take_the_place_of_the_first() {
    for tool in [NFT, LEGACY, PLAIN] {
        let world = World::new();
        world.init(&["--inbound-ports-to-ignore=8080", "--subnets-to-ignore=10.77.0.1,::/0", tool.mode]);
        expect_service("app", &world.outside.dial(ROOT, POD[0], 8080));
        world.init(&["--inbound-ports-to-ignore=4190", tool.mode]);
        for host in POD {
            assert_eq!(world.outside.dial(ROOT, host, 8080), format!("inbound {}", address(host, 8080)));
        }
    }
}

#[test]
fn ipv6_is_left_alone_on_demand_and_that_is_said() {
    let world = World::new();
    let said = world.init(&["--ipv6=false"]);
    assert!(said.contains("WARN there are IPv6 addresses, but --ipv6=false"), "{said}");
    expect_service("app", &world.outside.dial(ROOT, POD[1], 8080));
    assert_eq!(world.outside.dial(ROOT, POD[0], 8080), format!("inbound {}", address(POD[0], 8080)));
}

#[test]
fn a_simulation_prints_and_programs_nothing() {
    let world = World::new();
    for (tool, part) in
        [(NFT, "table ip6 linkerd {"), (LEGACY, "# IPv6, for ip6tables-legacy-restore\n*nat\n")]
    {
        let said = world.init(&["--simulate", tool.mode]);
        assert!(said.contains(part), "{said}");
    }
    assert_eq!(world.pod.run("nft list ruleset"), "");
    expect_untouched(&world);
}

#[test]
fn a_namespace_is_programmed_from_outside() {
    let world = World::new();
    let path = format!("--netns={}", world.pod.path().display());
    let output = world.outside.output(std::process::Command::new(crate::world::BINARY).arg(&path));
    assert!(output.status.success(), "{}", crate::world::text(&output));
    assert_eq!(world.outside.dial(ROOT, POD[0], 8080), format!("inbound {}", address(POD[0], 8080)));
    let output =
        world.outside.output(std::process::Command::new(crate::world::BINARY).arg("--netns=/no/such"));
    assert_eq!(output.status.code(), Some(69), "{}", crate::world::text(&output));
}
