//! What is said to a command line that makes no sense, and which programs extend the command.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::{command, finish, run};

const COMMANDS: &[&str] = &[
    "authz",
    "check",
    "completion",
    "diagnostics",
    "doc",
    "identity",
    "inject",
    "install",
    "install-cni",
    "install-sp",
    "profile",
    "prune",
    "uninject",
    "uninstall",
    "upgrade",
    "version",
];

#[test]
fn every_command_has_help() {
    for name in COMMANDS {
        let ran = run(&[name, "--help"]);
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{name}");
        assert!(ran.out.contains(&format!("Usage: linkerd {name}")), "{}", ran.out);
        assert!(ran.out.contains("--linkerd-namespace"), "{}", ran.out);
    }
    let whole = run(&["--help"]).out;
    // `doc` is for those who build the documentation.
    for name in COMMANDS.iter().filter(|name| **name != "doc") {
        assert!(whole.lines().any(|line| line.trim_start().starts_with(name)), "{name} is not in {whole}");
    }
}

#[test]
fn unknown_flags_are_refused_by_every_command() {
    for name in COMMANDS {
        let ran = run(&[name, "--nonsense"]);
        assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{name}");
        assert!(
            ran.err.starts_with("Error: unexpected argument '--nonsense' found\n"),
            "{name}: {}",
            ran.err
        );
    }
}

#[test]
fn near_misses_are_told() {
    let said = |args: &[&str]| {
        let ran = run(args);
        assert_eq!((ran.code, ran.out.as_str()), (1, ""));
        ran.err
    };
    assert_eq!(
        said(&["instal"]),
        "Error: unknown command \"instal\" for \"linkerd\"\nhint: did you mean `linkerd install`?\n"
    );
    assert!(said(&["install", "--outputt", "json"]).contains("a similar argument exists: '--output'"));
    assert_eq!(
        said(&["install", "--ignore-cluster", "--set", "global.proxy.logLevell=1"]),
        "Error: invalid value: global.proxy.logLevell: unknown key; did you mean global.proxy.logLevel?\n"
    );
}

#[test]
fn bad_values_are_named() {
    for (args, first) in [
        (
            &["install", "--controller-replicas", "0"][..],
            "Error: invalid value '0' for '--controller-replicas <N>': 0 is not in 1..=1000",
        ),
        (
            &["-L", "a b", "version"],
            "Error: invalid value 'a b' for '--linkerd-namespace <NAMESPACE>': a b is not a valid namespace",
        ),
        (
            &["install", "--registry", "a b"],
            "Error: invalid value 'a b' for '--registry <REGISTRY>': a b is not a valid registry",
        ),
        (&["install", "--ignore-cluster", "--set", "a.b=1"], "Error: invalid value: a: unknown key"),
        (
            &["install", "--ignore-cluster", "-f", "/no/file"],
            "Error: cannot read /no/file: No such file or directory (os error 2)",
        ),
        (
            &["install", "--ignore-cluster", "--addon-config", "/no/file"],
            "Error: cannot read /no/file: No such file or directory (os error 2)",
        ),
        (&["inject", "/no/file"], "Error: cannot read /no/file: No such file or directory (os error 2)"),
        (&["uninject", "/no/file"], "Error: cannot read /no/file: No such file or directory (os error 2)"),
        (&["inject"], "please specify a kubernetes resource file"),
        (
            &["check", "--linkerd-cni-enabled"],
            "Validation error when executing check command: --linkerd-cni-enabled can only be used with --pre",
        ),
        (
            &["install", "--ignore-cluster", "--identity-external-issuer"],
            "Error: --ignore-cluster is not supported when --identity-external-issuer=true",
        ),
        (
            &["upgrade", "--from-manifests", "/no/file"],
            "\u{d7} Failed to build upgrade configuration: Failed to parse Kubernetes objects from manifest: cannot \
             read /no/file: No such file or directory (os error 2)",
        ),
    ] {
        let ran = run(args);
        assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{args:?}");
        assert_eq!(ran.err.lines().next().unwrap(), first, "{args:?}");
    }
}

#[test]
fn without_a_kubeconfig_commands_fail_and_say_so() {
    for args in [
        &["install"][..],
        &["install", "control-plane"],
        &["upgrade"],
        &["uninstall"],
        &["upgrade", "--force"],
    ] {
        let ran = run(args);
        assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{args:?}: {}", ran.err);
        assert!(ran.err.contains("/nonexistent/kubeconfig"), "{args:?}: {}", ran.err);
    }
    assert_eq!(run(&["upgrade", "--diff"]).code, 2, "trouble is no difference");
    let check = run(&["check", "--pre"]);
    assert_eq!(check.code, 1);
    assert!(check.out.contains("\u{d7} can initialize the client\n"), "{}", check.out);
    assert_eq!(run(&["version", "--client", "--short"]).code, 0);
}

#[test]
fn a_program_on_the_path_is_a_command() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("linkerd-greet");
    fs::write(&file, "#!/bin/sh\necho \"hello $1 $#\"\nexit 7\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:/usr/bin:/bin", dir.path().display());
    let ran = finish(command(&["greet", "--you", "and me"]).env("PATH", &path));
    assert_eq!((ran.code, ran.out.as_str()), (7, "hello --you 2\n"), "{}", ran.err);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let ran = finish(command(&["greet"]).env("PATH", &path));
    assert_eq!(ran.code, 1, "a file that nobody may run is no command");
    assert!(ran.err.starts_with("Error: unknown command \"greet\" for \"linkerd\"\n"), "{}", ran.err);
}
