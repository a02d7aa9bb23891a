//! What the environment says, read once. The command's only reader of the environment, but for the two flags
//! that clap itself fills from it (`-L` and `--cni-namespace`, see [`crate::global`]) and the kubeconfig search.

use std::ffi::OsString;

/// Every variable the command reads, with what it is for: the reference page is made of this list.
pub const VARIABLES: &[(&str, &str)] = &[
    ("LINKERD_NAMESPACE", "Namespace of the control plane; `--linkerd-namespace`"),
    ("LINKERD_CNI_NAMESPACE", "Namespace of the CNI plugin; `--cni-namespace`"),
    ("LINKERD_DOCKER_REGISTRY", "Registry of our images; `--registry`"),
    (
        "LINKERD_CONTAINER_VERSION_OVERRIDE",
        "The version this command gives as its own, and so the tag of our images",
    ),
    ("KUBECONFIG", "Kubeconfig files, separated by colons; `--kubeconfig`"),
    ("HOME", "Where `.kube/config` is looked for when no kubeconfig is named"),
    ("PATH", "Searched for extensions, programs called `linkerd-NAME`"),
    ("NO_COLOR", "No colour, when set and not empty; `--color`"),
    ("CLICOLOR_FORCE", "Colour even where no terminal reads, unless `0`; `--color`"),
    ("TERM", "No colour on a `dumb` terminal"),
    ("LC_ALL", "The first set one of LC_ALL, LC_CTYPE and LANG tells whether `√ ‼ ×` can be shown"),
    ("LC_CTYPE", "See LC_ALL"),
    ("LANG", "See LC_ALL"),
];

/// The environment, as far as it matters here.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `NO_COLOR` is set and not empty, or `TERM` is `dumb`.
    pub no_color: bool,
    /// `CLICOLOR_FORCE` is set and not `0`.
    pub force_color: bool,
    /// The locale can show `√ ‼ ×` (`LC_ALL`, `LC_CTYPE` or `LANG` names UTF-8).
    pub utf8: bool,
    /// `PATH`, searched for extensions.
    pub path: Option<OsString>,
    /// The version this command gives as its own.
    pub version: String,
    /// `LINKERD_DOCKER_REGISTRY`: the default of `--registry`.
    pub registry: Option<String>,
}

impl Settings {
    /// Reads the environment.
    #[expect(clippy::disallowed_methods, reason = "this is the place where the environment is read")]
    pub fn from_environment() -> Self {
        let text = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let locale = text("LC_ALL").or_else(|| text("LC_CTYPE")).or_else(|| text("LANG"));
        Self {
            no_color: text("NO_COLOR").is_some() || text("TERM").as_deref() == Some("dumb"),
            force_color: text("CLICOLOR_FORCE").is_some_and(|value| value != "0"),
            utf8: locale.is_none_or(|locale| {
                let locale = locale.to_lowercase();
                locale.contains("utf-8") || locale.contains("utf8")
            }),
            path: std::env::var_os("PATH"),
            version: text("LINKERD_CONTAINER_VERSION_OVERRIDE")
                .unwrap_or_else(|| mesh_core::version::CLI.to_owned()),
            registry: text("LINKERD_DOCKER_REGISTRY"),
        }
    }
}

impl Default for Settings {
    /// An empty environment.
    fn default() -> Self {
        Self {
            no_color: true,
            force_color: false,
            utf8: true,
            path: None,
            version: mesh_core::version::CLI.to_owned(),
            registry: None,
        }
    }
}
