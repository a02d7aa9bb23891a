//! Names of the containers and volumes that injection adds to a pod, and of others' sidecars.

/// The proxy.
pub const PROXY: &str = "linkerd-proxy";
/// The init container that programs the redirection.
pub const INIT: &str = "linkerd-init";
/// The init container that proves the redirection when the CNI plugin programs it.
pub const NETWORK_VALIDATOR: &str = "linkerd-network-validator";
/// The container with network tools.
pub const DEBUG: &str = "linkerd-debug";

/// Every container that injection may add to a pod, as init container or not.
pub const INJECTED: &[&str] = &[PROXY, INIT, NETWORK_VALIDATOR, DEBUG];

/// Volume of the proxy's key and certificate, in memory.
pub const IDENTITY_VOLUME: &str = "linkerd-identity-end-entity";
/// Volume of the token with which the proxy asks for its certificate.
pub const TOKEN_VOLUME: &str = "linkerd-identity-token";
/// Volume of the pod's labels, for spans.
pub const PODINFO_VOLUME: &str = "podinfo";
/// Volume of the pod's labels, for spans, under the name that cannot be mistaken for the user's own.
pub const LINKERD_PODINFO_VOLUME: &str = "linkerd-podinfo";
/// Volume of the init container's lock file.
pub const XTABLES_LOCK_VOLUME: &str = "linkerd-proxy-init-xtables-lock";

/// Every volume that injection may add to a pod.
pub const INJECTED_VOLUMES: &[&str] =
    &[IDENTITY_VOLUME, TOKEN_VOLUME, PODINFO_VOLUME, LINKERD_PODINFO_VOLUME, XTABLES_LOCK_VOLUME];

/// Where Kubernetes mounts a ServiceAccount's token.
pub const SERVICE_ACCOUNT_MOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// Names of sidecars and images whose presence means that a pod already has a proxy.
#[derive(Clone, Copy, Debug)]
pub struct Foreign {
    /// Names of the container or init container.
    pub names: &'static [&'static str],
    /// Prefixes of its image, up to and with the colon before the tag.
    pub images: &'static [&'static str],
}

/// Sidecars among `containers`.
pub const FOREIGN_CONTAINERS: Foreign = Foreign {
    names: &[PROXY, "istio-proxy"],
    images: &[
        "gcr.io/linkerd-io/proxy:",
        "ghcr.io/linkerd/proxy:",
        "cr.l5d.io/linkerd/proxy:",
        "gcr.io/istio-release/proxyv2:",
        "docker.io/istio/proxyv2:",
    ],
};

/// Sidecars and redirection among `initContainers`.
pub const FOREIGN_INIT_CONTAINERS: Foreign = Foreign {
    names: &[PROXY, INIT, NETWORK_VALIDATOR, "istio-init", "istio-proxy"],
    images: &[
        "gcr.io/linkerd-io/proxy-init:",
        "ghcr.io/linkerd/proxy-init:",
        "cr.l5d.io/linkerd/proxy-init:",
        "gcr.io/istio-release/proxy_init:",
    ],
};

impl Foreign {
    /// Whether a container of this name and image is one of these.
    pub fn matches(&self, name: &str, image: &str) -> bool {
        self.names.contains(&name) || self.images.iter().any(|prefix| image.starts_with(prefix))
    }
}
