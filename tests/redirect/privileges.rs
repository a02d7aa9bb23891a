//! What happens without privileges, without tools and with bad arguments.

use std::{
    fs,
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    process::Command,
};

use crate::world::{BINARY, World, text};

#[test]
fn file_capabilities_suffice_for_a_user_that_is_not_root() {
    let folder = tempfile::tempdir().unwrap();
    let everybody = fs::Permissions::from_mode(0o777);
    fs::set_permissions(folder.path(), everybody).unwrap();
    let binary = folder.path().join("linkerd-init");
    fs::copy(BINARY, &binary).unwrap();
    let given = Command::new("setcap").arg("cap_net_admin,cap_net_raw+ep").arg(&binary).output().unwrap();
    assert!(given.status.success(), "setcap: {}", text(&given));
    for mode in ["--iptables-mode=nft", "--iptables-mode=legacy"] {
        let world = World::silent();
        let mut command = Command::new(&binary);
        command.arg(mode).uid(65534).gid(65534).env("XTABLES_LOCKFILE", folder.path().join("lock"));
        let output = world.pod.output(&mut command);
        assert!(output.status.success(), "{mode}: {}", text(&output));
        assert!(!text(&output).contains("WARN"), "{}", text(&output));
        world.init(&["validate-network", "--timeout=5s"]);
    }
}

#[test]
fn a_missing_capability_is_named() {
    let world = World::silent();
    let output = world.pod.output(Command::new(BINARY).uid(65534));
    assert_eq!(output.status.code(), Some(69), "{}", text(&output));
    assert!(text(&output).contains("lacks the capability NET_ADMIN; add NET_ADMIN"), "{}", text(&output));
}

#[test]
fn nftables_needs_no_tool_and_takes_over_from_one_that_is_missing() {
    let hidden = format!("mount -t tmpfs none /usr/sbin && exec {BINARY} \"$0\"");
    for (mode, warns) in [("nft", false), ("legacy", true)] {
        let world = World::silent();
        let mode = format!("--iptables-mode={mode}");
        let output =
            world.pod.output(Command::new("unshare").args(["--mount", "/bin/sh", "-c", &hidden, &mode]));
        assert!(output.status.success(), "{}", text(&output));
        assert!(
            text(&output).contains("IPv6 is redirected, and the rules were read back (nft)"),
            "{}",
            text(&output)
        );
        let warning = "iptables-legacy-restore cannot be used: not found";
        assert_eq!(text(&output).contains(warning), warns, "{}", text(&output));
        world.init(&["validate-network", "--timeout=5s"]);
    }
}

#[test]
fn small_images_without_names_of_protocols_and_users_suffice() {
    let hide = "for file in protocols services passwd group; do \
        [ ! -e /etc/$file ] || mount --bind /dev/null /etc/$file || exit 99; done; exec \"$0\" \"$@\"";
    for mode in ["nft", "legacy", "plain"] {
        let world = World::silent();
        let mut command = Command::new("unshare");
        command.args(["--mount", "/bin/sh", "-c", hide, BINARY, "--proxy-uid=2102", "--proxy-gid=2103"]);
        command.args(["--outbound-ports-to-ignore=25,443", &format!("--iptables-mode={mode}")]);
        let output = world.pod.output(&mut command);
        assert!(output.status.success(), "{}", text(&output));
        assert!(!text(&output).contains("WARN"), "{}", text(&output));
    }
}

#[test]
fn a_family_that_the_tool_refuses_is_a_failure() {
    let folder = tempfile::tempdir().unwrap();
    let shim = folder.path().join("ip6tables-legacy-restore");
    let refuses = "#!/bin/sh\n\
        [ \"$1\" = --noflush ] || exec /usr/sbin/ip6tables-legacy-restore \"$@\"\n\
        echo 'no NAT for ip6 here' >&2; exit 1\n";
    fs::write(&shim, refuses).unwrap();
    fs::set_permissions(&shim, fs::Permissions::from_mode(0o755)).unwrap();
    let world = World::silent();
    let path = format!("{}:/usr/sbin:/usr/bin:/bin", folder.path().display());
    let output = world.pod.output(Command::new(BINARY).env("PATH", path).arg("--iptables-mode=legacy"));
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(
        text(&output).contains("cannot redirect IPv6: ip6tables-legacy-restore failed: no NAT for ip6 here"),
        "{}",
        text(&output)
    );
}

#[test]
fn bad_arguments_are_refused_by_name() {
    for (args, part) in [
        (["--incoming-proxy-port=0"], "--incoming-proxy-port"),
        (["--inbound-ports-to-ignore=80-"], "--inbound-ports-to-ignore"),
        (["--outbound-ports-to-ignore=9-8"], "upper-bound must be greater"),
        (["--subnets-to-ignore=10.0.0.0/33"], "it is not a network"),
        (["--iptables-mode=ipvs"], "one of nft, legacy and plain"),
        (["--proxy-uid=-2"], "--proxy-uid"),
        (["--log-level=loud"], "one of error, warn, info, debug and trace"),
        (["--no-such"], "--no-such"),
    ] {
        let output = Command::new(BINARY).args(args).output().unwrap();
        assert_eq!(output.status.code(), Some(64), "{args:?}: {}", text(&output));
        assert!(text(&output).contains(part), "{args:?}: {}", text(&output));
    }
}

#[test]
fn the_kernel_setting_is_written_last() {
    let world = World::silent();
    let said = world.init(&["--timeout-close-wait-secs=3600"]);
    assert!(said.contains("half-closed connections after 3600 s"), "{said}");
    let output = world
        .pod
        .output(Command::new("cat").arg("/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_close_wait"));
    assert_eq!(text(&output), "3600\n");
}
