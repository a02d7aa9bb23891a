//! The installer on folders of its own.

use std::path::PathBuf;

use super::*;
use crate::args::LogArgs;

const ENTRY: &str = r#"{"name": "linkerd-cni", "type": "linkerd-cni", "log_level": "info",
    "kubernetes": {"kubeconfig": "__KUBECONFIG_FILEPATH__"},
    "policy": {"k8s_api_root": "https://__KUBERNETES_SERVICE_HOST__:__KUBERNETES_SERVICE_PORT__"},
    "linkerd": {"incoming-proxy-port": 4143, "outgoing-proxy-port": 4140}}"#;

fn installation(root: &Path) -> Install {
    let account = root.join("account");
    for folder in ["account", "etc/cni/net.d", "opt/cni/bin"] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    fs::write(account.join("token"), "first\n").unwrap();
    fs::write(account.join("ca.crt"), "authority").unwrap();
    Install {
        node: Node {
            net_dir: PathBuf::from("/etc/cni/net.d"),
            bin_dir: PathBuf::from("/opt/cni/bin"),
            host_root: root.to_owned(),
        },
        network_config: ENTRY.to_owned(),
        kubernetes_host: "fd00::1".to_owned(),
        kubernetes_port: 443,
        service_account: account,
        log: LogArgs { log_level: Level::Error, log_format: proxy_init::log::Format::Plain },
    }
}

#[test]
fn a_node_is_equipped_kept_so_and_left_as_it_was() {
    let root = tempfile::tempdir().unwrap();
    let args = installation(root.path());
    let folders = Folders::of(&args.node);
    assert!(matches!(step(&args, &folders), Err(InstallError::NoNetwork(_))), "there is no network yet");
    let single = folders.net.join("10-pods.conf");
    let original = r#"{"cniVersion": "1.0.0", "name": "pods", "type": "bridge"}"#;
    fs::write(&single, original).unwrap();

    step(&args, &folders).unwrap().unwrap();
    in_place(&folders).unwrap();
    assert!(!single.exists(), "two configurations would compete");
    let list: Value = json(&read(&folders.net.join("10-pods.conflist")).unwrap()).unwrap();
    let entry = &list["plugins"][1];
    assert_eq!(entry["kubernetes"]["kubeconfig"], "/etc/cni/net.d/linkerd-cni-kubeconfig");
    assert!(read(&folders.kubeconfig()).unwrap().contains("https://[fd00::1]:443"));
    assert_eq!(step(&args, &folders).unwrap(), None, "nothing is written twice");

    fs::write(args.service_account.join("token"), "second").unwrap();
    step(&args, &folders).unwrap().unwrap();
    assert!(read(&folders.kubeconfig()).unwrap().contains("\"second\""));
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&fs::metadata(folders.kubeconfig()).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600, "the token is for root alone");

    // The network's own installer writes its file again.
    fs::write(folders.net.join("10-pods.conflist"), r#"{"name": "pods", "plugins": [{"type": "bridge"}]}"#)
        .unwrap();
    assert!(in_place(&folders).is_err());
    step(&args, &folders).unwrap().unwrap();
    in_place(&folders).unwrap();

    remove(&folders).unwrap();
    assert_eq!(read(&single).unwrap(), original);
    assert!(!folders.net.join("10-pods.conflist").exists() && !folders.kubeconfig().exists());
}

#[test]
fn an_entry_that_the_plugin_would_refuse_is_not_installed() {
    let root = tempfile::tempdir().unwrap();
    let mut args = installation(root.path());
    args.network_config = ENTRY.replace("4143", "0");
    let folders = Folders::of(&args.node);
    fs::write(folders.net.join("a.conflist"), r#"{"plugins": [{"type": "bridge"}]}"#).unwrap();
    let error = step(&args, &folders).unwrap_err();
    assert!(error.to_string().contains("incoming-proxy-port"), "{error}");
    assert!(in_place(&folders).is_err());
}
