//! Kubeconfig, context and impersonation become a client.

use std::path::PathBuf;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use kube::config::{KubeConfigOptions, Kubeconfig};

use crate::Error;

/// How long one call may take before it is given up.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// How to reach the cluster: the global flags of the command.
#[derive(Clone, Debug, Default)]
pub struct ClientConfig {
    /// `--kubeconfig`; else `$KUBECONFIG`, `~/.kube/config`, then the in-cluster account.
    pub kubeconfig: Option<PathBuf>,
    /// `--context`; else the current one.
    pub context: Option<String>,
    /// `--as`.
    pub impersonate_user: Option<String>,
    /// `--as-group`, repeated.
    pub impersonate_groups: Vec<String>,
}

/// A connected API client; cheap to clone.
#[derive(Clone)]
pub struct Client {
    pub(crate) kube: kube::Client,
    server: String,
    namespace: String,
    timeout: Duration,
}

impl Client {
    /// Reads the kubeconfig and prepares a client; talks to no server yet.
    pub async fn connect(config: &ClientConfig) -> Result<Self, Error> {
        let mut kube_config = load(config).await?;
        kube_config.connect_timeout = Some(Duration::from_secs(10));
        kube_config.read_timeout = None;
        // Tried again and again, an answer that says what is wrong (a 503 of an API whose server is gone) would end as a timeout.
        kube_config.default_retry = false;
        kube_config.headers.extend(impersonation(config, &kube_config)?);
        let server = kube_config.cluster_url.to_string();
        let namespace = kube_config.default_namespace.clone();
        let kube =
            kube::Client::try_from(kube_config).map_err(|error| Error::Kubeconfig(error.to_string()))?;
        Ok(Self { kube, server, namespace, timeout: CALL_TIMEOUT })
    }

    /// The same client with another limit per call.
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The API server's URL.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// The namespace of the context; `default` when it names none.
    pub fn default_namespace(&self) -> &str {
        &self.namespace
    }

    /// Runs one call under the limit, and names it in any error.
    pub(crate) async fn call<T>(
        &self,
        call: String,
        future: impl Future<Output = Result<T, kube::Error>>,
    ) -> Result<T, Error> {
        match tokio::time::timeout(self.timeout, future).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(Error::from_kube(call, error)),
            Err(_) => Err(Error::Timeout { call, after: self.timeout }),
        }
    }
}

async fn load(config: &ClientConfig) -> Result<kube::Config, Error> {
    let options = KubeConfigOptions { context: config.context.clone(), ..KubeConfigOptions::default() };
    let unusable = |error: kube::config::KubeconfigError| Error::Kubeconfig(error.to_string());
    if let Some(path) = &config.kubeconfig {
        let file = Kubeconfig::read_from(path).map_err(unusable)?;
        return kube::Config::from_custom_kubeconfig(file, &options).await.map_err(unusable);
    }
    match kube::Config::from_kubeconfig(&options).await {
        Ok(found) => Ok(found),
        // A named context must come from a kubeconfig; only without one may the pod's own account serve.
        Err(error) if config.context.is_some() => Err(unusable(error)),
        Err(error) => kube::Config::incluster().map_err(|_| unusable(error)),
    }
}

/// The impersonation headers: flags first, else what the kubeconfig's user entry says (`as`, `as-groups`).
fn impersonation(
    config: &ClientConfig,
    kube_config: &kube::Config,
) -> Result<Vec<(HeaderName, HeaderValue)>, Error> {
    let from_flags = config.impersonate_user.is_some() || !config.impersonate_groups.is_empty();
    let (user, groups) = if from_flags {
        (config.impersonate_user.clone(), config.impersonate_groups.clone())
    } else {
        let auth = &kube_config.auth_info;
        (auth.impersonate.clone(), auth.impersonate_groups.clone().unwrap_or_default())
    };
    if user.is_none() && !groups.is_empty() {
        return Err(Error::Kubeconfig(
            "a group can be impersonated only together with a user: add --as".into(),
        ));
    }
    let user = user.into_iter().map(|user| ("impersonate-user", user));
    let groups = groups.into_iter().map(|group| ("impersonate-group", group));
    user.chain(groups)
        .map(|(name, value)| {
            HeaderValue::from_str(&value).map(|header| (HeaderName::from_static(name), header)).map_err(
                |_| Error::Kubeconfig(format!("{value:?} cannot be impersonated: not a header value")),
            )
        })
        .collect()
}
