//! Where `destination` reads the cluster from: the stand-in, a real API server, or a directory of manifests.

use std::path::Path;

use crate::api_server::ApiServer;
use crate::content::Size;
use crate::files::Files;
use crate::live::Live;

/// What holds the cluster, and changes it.
pub(crate) enum Source {
    StandIn(ApiServer),
    Live(Box<Live>),
    Files(Files),
}

/// How a component is led to the cluster.
pub(crate) enum Origin<'a> {
    /// By the kubeconfig of an API server.
    Kubeconfig(&'a Path),
    /// By the directory itself.
    Manifests(&'a Path),
}

// === impl Source ===

impl Source {
    /// Every source, as the command line names it.
    pub(crate) const NAMES: [&str; 3] = ["stand-in", "api-server", "files"];

    /// Brings up a source and writes the cluster to it.
    ///
    /// # Panics
    /// When there is no source of that name.
    pub(crate) async fn start(name: &str, size: &Size) -> Self {
        match name {
            "stand-in" => Self::StandIn(ApiServer::start(size).await),
            "api-server" => Self::Live(Box::new(Live::start(size).await)),
            "files" => Self::Files(Files::start(size)),
            other => panic!("there is no source `{other}`: {}", Self::NAMES.join(", ")),
        }
    }

    pub(crate) fn origin(&self) -> Origin<'_> {
        match self {
            Self::StandIn(api) => Origin::Kubeconfig(api.kubeconfig()),
            Self::Live(live) => Origin::Kubeconfig(live.kubeconfig()),
            Self::Files(files) => Origin::Manifests(files.folder()),
        }
    }

    /// Makes the last endpoint of a Service ready, or not.
    pub(crate) async fn toggle(&self, service: usize) {
        match self {
            Self::StandIn(api) => api.toggle(service),
            Self::Live(live) => live.toggle(service).await,
            Self::Files(files) => files.toggle(service),
        }
    }

    /// Replaces a pod of the large Service: the new one comes, the slice names it instead, the old one goes.
    pub(crate) async fn replace(&self, at: usize) {
        match self {
            Self::StandIn(api) => api.replace(at),
            Self::Live(live) => live.replace(at).await,
            Self::Files(files) => files.replace(at),
        }
    }
}

// === impl Origin ===

impl Origin<'_> {
    /// The argument that says so.
    pub(crate) fn argument(&self) -> String {
        match self {
            Self::Kubeconfig(path) => format!("--kubeconfig={}", path.display()),
            Self::Manifests(path) => format!("--manifests={}", path.display()),
        }
    }
}
