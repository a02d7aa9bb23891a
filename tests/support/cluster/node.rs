//! The nodes of a cluster: containerd, kubelet and kube-proxy, each node in a network namespace of its own.

use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::build::Tools;
use super::control_plane::ControlPlane;
use super::images::TestImage;
use super::pki::User;
use super::script::{InitScript, Part};

/// How many nodes a cluster has.
pub const NODES: u8 = 2;

/// The control plane's address on the fabric, the bridge between the nodes.
pub(super) const FABRIC_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 200, 0, 1);

/// The addresses of all pods; node N has 10.244.N.0/24.
const POD_RANGE: &str = "10.244.0.0/16";

/// Where the container runtime of a node looks for network configuration and for plugins, from the root of the node. Below
/// the node's folder the same paths hold what differs from the machine's.
const CNI_CONFIGS: &str = "etc/cni/net.d";
const CNI_PLUGINS: &str = "opt/cni/bin";

/// The network, the mounts and the control groups, in shell.
const FABRIC: &str = include_str!("fabric.sh");

const START_KUBELET: &str = include_str!("start-kubelet.sh");

/// A node: a name, an address on the fabric, and a folder.
pub(super) struct Node {
    number: u8,
    dir: PathBuf,
}

/// Adds the lines that make the namespaces, mounts and control groups of the nodes.
pub(super) fn prepare_fabric(script: &mut InitScript, cgroup: &str) {
    script.line(&format!("nodes={NODES}"));
    script.line(&format!("cgroup={cgroup}"));
    script.line(FABRIC);
}

/// The nodes of the cluster in `dir`.
pub(super) fn nodes(dir: &Path) -> Vec<Node> {
    (1..=NODES).map(|number| Node { number, dir: dir.join(format!("node{number}")) }).collect()
}

impl Node {
    /// The name of the node in Kubernetes.
    pub(super) fn name(&self) -> String {
        format!("node{}", self.number)
    }

    /// The socket of its containerd.
    pub(super) fn containerd_socket(&self) -> PathBuf {
        self.dir.join("containerd.sock")
    }

    /// Writes every configuration file, certificate and kubeconfig of the node.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub(super) fn prepare(&self, plane: &ControlPlane, cgroup: &str) -> Result<()> {
        for dir in ["", CNI_CONFIGS, CNI_PLUGINS, "kubelet", "kubelet/pki", "pod-logs"] {
            let path = self.dir.join(dir);
            fs::create_dir_all(&path).with_context(|| format!("cannot create {}", path.display()))?;
        }
        for plugin in ["bridge", "host-local", "loopback", "portmap"] {
            let link = self.dir.join(CNI_PLUGINS).join(plugin);
            symlink(Path::new("/usr/lib/cni").join(plugin), &link)
                .with_context(|| format!("cannot create {}", link.display()))?;
        }
        let name = self.name();
        let serving = plane.authority.server(&name, &[&name, &self.address().to_string()])?;
        serving.write(&self.dir, "kubelet")?;
        let user = User { name: &format!("system:node:{name}"), groups: &["system:nodes"] };
        plane.write_kubeconfig(&format!("{name}/kubelet"), &user)?;
        plane.write_kubeconfig(
            &format!("{name}/kube-proxy"),
            &User { name: "system:kube-proxy", groups: &[] },
        )?;
        self.write("containerd.toml", &self.containerd_config())?;
        self.write(&format!("{CNI_CONFIGS}/10-pods.conflist"), &self.cni_config().to_string())?;
        self.write("kubelet.yaml", &self.kubelet_config(plane, cgroup).to_string())?;
        self.write("kube-proxy.yaml", &self.kube_proxy_config().to_string())?;
        self.write("resolv.conf", "")
    }

    /// The programs of the node in the order of their start.
    pub(super) fn parts(&self, tools: &Tools, pause_image: &Path) -> Vec<Part> {
        let name = self.name();
        let socket = self.containerd_socket().display().to_string();
        let containerd = Part::new(&format!("{name}-containerd"), Path::new("containerd"))
            .flags([("config", self.file("containerd.toml"))]);
        let kubelet = Part::new(&format!("{name}-kubelet"), &tools.path("kubelet"))
            .flags([
                ("config", self.file("kubelet.yaml")),
                ("kubeconfig", self.file("kubelet.kubeconfig")),
                ("root-dir", self.file("kubelet")),
                ("cert-dir", self.file("kubelet/pki")),
                ("hostname-override", name.clone()),
                ("node-ip", self.address().to_string()),
            ])
            .within(&[
                "sh",
                "-c",
                START_KUBELET,
                "start-kubelet.sh",
                &socket,
                &pause_image.display().to_string(),
            ]);
        let kube_proxy = Part::new(&format!("{name}-kube-proxy"), &tools.path("kube-proxy"))
            .flags([("config", self.file("kube-proxy.yaml"))]);
        // `ip netns exec` would hide the control groups from the kubelet.
        let (network, mounts) = (format!("--net=/run/netns/{name}"), format!("--mount=/run/mounts/{name}"));
        let within = |part: Part| part.within(&["nsenter", &network, &mounts, "--"]);
        [containerd, kubelet, kube_proxy].map(within).into()
    }

    fn address(&self) -> Ipv4Addr {
        Ipv4Addr::new(10, 200, 0, 10 + self.number)
    }

    fn file(&self, name: &str) -> String {
        self.dir.join(name).display().to_string()
    }

    fn write(&self, name: &str, text: &str) -> Result<()> {
        let path = self.dir.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    }

    fn containerd_config(&self) -> String {
        format!(
            "version = 2\n\
             root = \"{dir}/containerd\"\n\
             state = \"{dir}/containerd-state\"\n\
             [grpc]\n\
             address = \"{socket}\"\n\
             [plugins.\"io.containerd.internal.v1.opt\"]\n\
             path = \"{dir}/containerd-opt\"\n\
             [plugins.\"io.containerd.grpc.v1.cri\"]\n\
             sandbox_image = \"{pause}\"\n\
             disable_tcp_service = true\n\
             restrict_oom_score_adj = true\n\
             [plugins.\"io.containerd.grpc.v1.cri\".cni]\n\
             conf_dir = \"/{CNI_CONFIGS}\"\n\
             bin_dir = \"/{CNI_PLUGINS}\"\n",
            dir = self.dir.display(),
            socket = self.containerd_socket().display(),
            pause = TestImage::Pause.name(),
        )
    }

    fn cni_config(&self) -> Value {
        json!({
            "cniVersion": "0.4.0",
            "name": "pods",
            "plugins": [
                {
                    "type": "bridge",
                    "bridge": "pods",
                    "isGateway": true,
                    "hairpinMode": true,
                    "ipam": {
                        "type": "host-local",
                        "dataDir": self.file("addresses"),
                        "ranges": [[{"subnet": format!("10.244.{}.0/24", self.number)}]],
                        "routes": [{"dst": "0.0.0.0/0"}],
                    },
                },
                {"type": "portmap", "capabilities": {"portMappings": true}},
            ],
        })
    }

    fn kubelet_config(&self, plane: &ControlPlane, cgroup: &str) -> Value {
        json!({
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "address": self.address().to_string(),
            "authentication": {
                "anonymous": {"enabled": false},
                "webhook": {"enabled": true},
                "x509": {"clientCAFile": plane.authority_file()},
            },
            "authorization": {"mode": "Webhook"},
            "tlsCertFile": self.file("kubelet.crt"),
            "tlsPrivateKeyFile": self.file("kubelet.key"),
            "containerRuntimeEndpoint": format!("unix://{}", self.containerd_socket().display()),
            "cgroupDriver": "cgroupfs",
            "clusterDNS": [FABRIC_ADDRESS.to_string()],
            "clusterDomain": "cluster.local",
            "cgroupRoot": format!("/{cgroup}/{}", self.name()),
            "enforceNodeAllocatable": [],
            "evictionHard": {},
            "failSwapOn": false,
            "localStorageCapacityIsolation": false,
            "podLogsDir": self.file("pod-logs"),
            "volumePluginDir": self.file("volume-plugins"),
            "resolvConf": self.file("resolv.conf"),
            "syncFrequency": "5s",
        })
    }

    fn kube_proxy_config(&self) -> Value {
        // These limits belong to the machine and cannot be written from a network namespace: 0 leaves them alone.
        json!({
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "mode": "iptables",
            "clusterCIDR": POD_RANGE,
            "hostnameOverride": self.name(),
            "clientConnection": {"kubeconfig": self.file("kube-proxy.kubeconfig")},
            "conntrack": {
                "maxPerCore": 0,
                "min": 0,
                "tcpEstablishedTimeout": "0s",
                "tcpCloseWaitTimeout": "0s",
            },
        })
    }
}
