//! The files of the node, and how they are written.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use base64::Engine as _;
use serde_json::{Value, json};

use super::{InstallError, content, file_error, json as parse, read};
use crate::args::{Install, Node};

/// Where the node's folders are seen from here.
pub(super) struct Folders {
    /// The folder of network configurations.
    pub(super) net: PathBuf,
    /// The folder of plugins.
    pub(super) bin: PathBuf,
    /// How the node names the folder of network configurations.
    on_node: PathBuf,
}

impl Folders {
    pub(super) fn of(node: &Node) -> Self {
        let below = |path: &Path| node.host_root.join(path.strip_prefix("/").unwrap_or(path));
        Self { net: below(&node.net_dir), bin: below(&node.bin_dir), on_node: node.net_dir.clone() }
    }

    /// The plugin.
    pub(super) fn binary(&self) -> PathBuf {
        self.bin.join("linkerd-cni")
    }

    /// The plugin's access to the API server.
    pub(super) fn kubeconfig(&self) -> PathBuf {
        self.net.join(KUBECONFIG)
    }
}

/// The name of the kubeconfig; no runtime takes it for a configuration.
const KUBECONFIG: &str = "linkerd-cni-kubeconfig";

/// Copies this program if the node has none, or another.
pub(super) fn install_binary(folders: &Folders) -> Result<bool, InstallError> {
    let own = Path::new("/proc/self/exe");
    let size = |path: &Path| fs::metadata(path).map(|data| data.size());
    let here = size(own).map_err(|source| file_error("read", own, source))?;
    let target = folders.binary();
    // The content is compared only when the size does not tell.
    if size(&target).is_ok_and(|there| there == here) && same(own, &target)? {
        return Ok(false);
    }
    let bytes = fs::read(own).map_err(|source| file_error("read", own, source))?;
    replace(&target, &bytes, 0o755)?;
    Ok(true)
}

fn same(own: &Path, target: &Path) -> Result<bool, InstallError> {
    use std::sync::OnceLock;
    /// Modification time and inode of the file that was last found the same.
    static KNOWN: OnceLock<(i64, i64, u64)> = OnceLock::new();
    let data = fs::metadata(target).map_err(|source| file_error("read", target, source))?;
    let stamp = (data.mtime(), data.mtime_nsec(), data.ino());
    if KNOWN.get() == Some(&stamp) {
        return Ok(true);
    }
    let content = |path: &Path| fs::read(path).map_err(|source| file_error("read", path, source));
    let same = content(own)? == content(target)?;
    if same {
        KNOWN.get_or_init(|| stamp);
    }
    Ok(same)
}

/// Writes the kubeconfig if it is not there or holds another token.
pub(super) fn refresh_kubeconfig(args: &Install, folders: &Folders) -> Result<bool, InstallError> {
    let token = read(&args.service_account.join("token"))?;
    let authority = read(&args.service_account.join("ca.crt"))?;
    let host = if args.kubernetes_host.contains(':') {
        format!("[{}]", args.kubernetes_host)
    } else {
        args.kubernetes_host.clone()
    };
    let name = "linkerd-cni";
    let kubeconfig = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "linkerd-cni-context",
        "clusters": [{"name": name, "cluster": {
            "server": format!("https://{host}:{}", args.kubernetes_port),
            "certificate-authority-data": base64::engine::general_purpose::STANDARD.encode(authority),
        }}],
        "users": [{"name": name, "user": {"token": token.trim()}}],
        "contexts": [{"name": "linkerd-cni-context", "context": {"cluster": name, "user": name}}],
    });
    // JSON is YAML.
    let text = format!("{kubeconfig:#}\n");
    let path = folders.kubeconfig();
    if fs::read_to_string(&path).is_ok_and(|there| there == text) {
        return Ok(false);
    }
    replace(&path, text.as_bytes(), 0o600)?;
    Ok(true)
}

/// The entry, its words replaced.
pub(super) fn entry(args: &Install, folders: &Folders) -> Result<Value, InstallError> {
    let text = args
        .network_config
        .replace("__KUBERNETES_SERVICE_HOST__", &args.kubernetes_host)
        .replace("__KUBERNETES_SERVICE_PORT__", &args.kubernetes_port.to_string())
        .replace("__KUBECONFIG_FILEPATH__", &folders.on_node.join(KUBECONFIG).display().to_string());
    let source = Path::new("CNI_NETWORK_CONFIG");
    let entry = parse(&text).map_err(|reason| content(source, reason))?;
    crate::config::Config::parse(&text).map_err(|error| content(source, error.to_string()))?;
    Ok(entry)
}

/// The network configurations of the node by name.
pub(super) fn configurations(folders: &Folders) -> Result<Vec<PathBuf>, InstallError> {
    let entries = fs::read_dir(&folders.net).map_err(|source| file_error("list", &folders.net, source))?;
    let mut paths: Vec<PathBuf> = entries
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|it| it == "conf" || it == "conflist" || it == "json"))
        .collect();
    paths.sort();
    Ok(paths)
}

/// Where a single configuration waits while a list stands for it.
pub(super) fn saved(single: &Path) -> PathBuf {
    let mut name = single.as_os_str().to_owned();
    name.push(".linkerd-saved");
    PathBuf::from(name)
}

/// Writes a file beside its place and renames it.
pub(super) fn replace(path: &Path, bytes: &[u8], mode: u32) -> Result<(), InstallError> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".linkerd-new");
    let beside = PathBuf::from(beside);
    let write = || {
        // A rest of an earlier run may have other rights.
        let _ = fs::remove_file(&beside);
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&beside, path)
    };
    write().map_err(|source| file_error("write", path, source))
}
