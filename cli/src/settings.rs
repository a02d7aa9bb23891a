//! What the environment says, read once. The command's only reader of the environment, but for the two flags
//! that clap itself fills from it (`-L` and `--cni-namespace`, see [`crate::global`]) and the kubeconfig search.

use std::ffi::OsString;

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
