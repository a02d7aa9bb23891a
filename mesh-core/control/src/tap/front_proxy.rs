//! The API server, when it passes a user's request on: how it proves itself, and where it says who the user is.
//!
//! Both are in a ConfigMap that every cluster has, and both change while the cluster runs. So that is followed.

use std::pin::pin;
use std::sync::Arc;

use futures::StreamExt;
use http::HeaderMap;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::Api;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use mesh_pki::{Bundle, Certificate};
use rustls::RootCertStore;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use tokio::sync::watch;

use crate::runtime::{Runtime, Shutdown};
use crate::webhook::pair::Pair;
use crate::webhook::server::{self, Configs, Peer};

const NAMESPACE: &str = "kube-system";
const NAME: &str = "extension-apiserver-authentication";
/// Longest user name, group or extra value that is passed on, in bytes.
const MAX_VALUE: usize = 1_024;
/// Most groups and extra values that are passed on.
const MAX_VALUES: usize = 256;

/// The user whose request it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// Name.
    pub name: String,
    /// Groups.
    pub groups: Vec<String>,
    /// Whatever else the authenticator said, by key.
    pub extra: Vec<(String, Vec<String>)>,
}

/// What the ConfigMap says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    authorities: Bundle,
    names: Vec<String>,
    user_headers: Vec<String>,
    group_headers: Vec<String>,
    extra_prefixes: Vec<String>,
}

/// Why a request does not come from the API server, or names nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unknown {
    /// The rules are not there yet.
    #[error("the rules for requests passed on by the API server have not been read yet")]
    NoRules,
    /// No certificate was shown.
    #[error("no client certificate was shown; ask the API server, which passes the request on")]
    NoCertificate,
    /// A certificate of somebody else.
    #[error("the client certificate is not that of the API server's front proxy")]
    OtherName,
    /// No user in the header fields.
    #[error("the request names no user")]
    NoUser,
}

/// Follows the rules. Cheap to clone.
#[derive(Clone)]
pub struct FrontProxy {
    rules: watch::Receiver<Option<Arc<Rules>>>,
    configs: Configs,
}

// === impl FrontProxy ===

impl FrontProxy {
    /// Starts following, and makes TLS settings from the rules and the serving certificates `pairs`.
    pub fn follow(
        runtime: &Runtime,
        client: kube::Client,
        pairs: watch::Receiver<Option<Arc<Pair>>>,
    ) -> Self {
        let gate = runtime.readiness.gate("front_proxy");
        let (sender, rules) = watch::channel(None::<Arc<Rules>>);
        let shutdown = runtime.shutdown.clone();
        tokio::spawn(async move {
            let api: Api<ConfigMap> = Api::namespaced(client, NAMESPACE);
            let only = watcher::Config::default().fields(&format!("metadata.name={NAME}"));
            let mut changes = pin!(watcher(api, only).default_backoff());
            while let Some(Some(change)) = shutdown.unless(changes.next()).await {
                let found = match change {
                    Ok(Event::Apply(found) | Event::InitApply(found)) => found,
                    Ok(Event::Init | Event::InitDone) => continue,
                    Ok(Event::Delete(_)) => {
                        tracing::warn!("ConfigMap {NAMESPACE}/{NAME} is gone; its last rules stay");
                        continue;
                    }
                    Err(error) => {
                        tracing::warn!(%error, "ConfigMap {NAMESPACE}/{NAME}: the watch");
                        continue;
                    }
                };
                match Rules::read(&found) {
                    Ok(rules) => {
                        sender.send_if_modified(|known| {
                            let is_new = known.as_deref() != Some(&rules);
                            *known = Some(Arc::new(rules));
                            is_new
                        });
                        gate.open();
                    }
                    Err(problem) => {
                        tracing::warn!(problem, "ConfigMap {NAMESPACE}/{NAME}; the last rules stay");
                        if sender.borrow().is_none() {
                            gate.close(problem);
                        }
                    }
                }
            }
        });
        let configs = configs(rules.clone(), pairs, runtime.shutdown.clone());
        Self { rules, configs }
    }

    /// TLS settings under which a client that shows a certificate has to show one of the front proxy's authority.
    pub fn configs(&self) -> Configs {
        self.configs.clone()
    }

    /// The user of a request, if the API server says so.
    ///
    /// # Errors
    /// When it comes from somebody else, or names nobody.
    pub fn user(&self, peer: &Peer, headers: &HeaderMap) -> Result<User, Unknown> {
        let rules = self.rules.borrow().clone().ok_or(Unknown::NoRules)?;
        rules.user(peer.certificate.as_deref(), headers)
    }
}

// === impl Rules ===

impl Rules {
    fn read(found: &ConfigMap) -> Result<Self, String> {
        let data = found.data.as_ref().ok_or("it is empty")?;
        let authorities = data.get("requestheader-client-ca-file").ok_or(
            "requestheader-client-ca-file is missing: the API server runs without --requestheader-client-ca-file",
        )?;
        let authorities = Bundle::parse(authorities.as_bytes())
            .map_err(|error| format!("requestheader-client-ca-file: {error}"))?;
        let list = |key: &str| -> Result<Vec<String>, String> {
            let Some(text) = data.get(key) else { return Ok(Vec::new()) };
            serde_json::from_str(text).map_err(|error| format!("{key}: {error}"))
        };
        Ok(Self {
            authorities,
            names: list("requestheader-allowed-names")?,
            user_headers: list("requestheader-username-headers")?,
            group_headers: list("requestheader-group-headers")?,
            extra_prefixes: list("requestheader-extra-headers-prefix")?,
        })
    }

    /// The verifier of client certificates: none is needed, one that is shown must be good.
    fn verifier(&self) -> Result<Arc<dyn ClientCertVerifier>, String> {
        let mut roots = RootCertStore::empty();
        for authority in self.authorities.certificates() {
            roots.add(authority.der().clone()).map_err(|error| error.to_string())?;
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
            .allow_unauthenticated()
            .build()
            .map_err(|error| error.to_string())
    }

    fn user(&self, certificate: Option<&[u8]>, headers: &HeaderMap) -> Result<User, Unknown> {
        let certificate = certificate.ok_or(Unknown::NoCertificate)?;
        let certificate = Certificate::from_der(certificate.to_vec()).map_err(|_| Unknown::NoCertificate)?;
        // The connection may be older than the rules: its certificate is held against those in force.
        let signed =
            self.authorities.certificates().iter().any(|it| mesh_pki::signed_by_key(&certificate, it));
        let listed = |name: &str| self.names.iter().any(|allowed| allowed == name);
        let named = self.names.is_empty()
            || certificate.common_name().is_some_and(listed)
            || certificate.subject_names().iter().filter_map(|name| name.as_dns()).any(listed);
        if !signed || !named {
            return Err(Unknown::OtherName);
        }
        let name = self.user_headers.iter().flat_map(|header| values(headers, header)).next();
        let name = name.filter(|name| !name.is_empty()).ok_or(Unknown::NoUser)?;
        let groups = self.group_headers.iter().flat_map(|header| values(headers, header));
        let mut extra: Vec<(String, Vec<String>)> = Vec::new();
        for header in headers.keys().take(MAX_VALUES) {
            let prefixes = self.extra_prefixes.iter().map(|prefix| prefix.to_ascii_lowercase());
            let Some(key) = prefixes
                .into_iter()
                .find_map(|prefix| header.as_str().strip_prefix(prefix.as_str()).map(str::to_owned))
            else {
                continue;
            };
            extra.push((unescaped(&key), values(headers, header.as_str()).take(MAX_VALUES).collect()));
        }
        Ok(User { name, groups: groups.take(MAX_VALUES).collect(), extra })
    }
}

fn configs(
    mut rules: watch::Receiver<Option<Arc<Rules>>>,
    mut pairs: watch::Receiver<Option<Arc<Pair>>>,
    shutdown: Shutdown,
) -> Configs {
    let (sender, current) = watch::channel(None);
    tokio::spawn(async move {
        loop {
            let now = (rules.borrow_and_update().clone(), pairs.borrow_and_update().clone());
            if let (Some(rules), Some(pair)) = now {
                let made = rules.verifier().and_then(|verifier| {
                    server::verifying(&pair, verifier).map_err(|error| error.to_string())
                });
                match made {
                    Ok(config) => drop(sender.send_replace(Some(Arc::new(config)))),
                    Err(error) => tracing::error!(error, "no TLS settings for the front proxy's authority"),
                }
            }
            let changed = shutdown.unless(async {
                tokio::select! {
                    changed = rules.changed() => changed,
                    changed = pairs.changed() => changed,
                }
            });
            if !matches!(changed.await, Some(Ok(()))) {
                return;
            }
        }
    });
    Configs::of(current)
}

fn values<'a>(headers: &'a HeaderMap, name: &str) -> impl Iterator<Item = String> + use<'a> {
    headers.get_all(name.to_ascii_lowercase()).into_iter().filter_map(|value| {
        let text = value.to_str().ok()?;
        (text.len() <= MAX_VALUE).then(|| text.to_owned())
    })
}

/// Keys of extra values are percent-encoded where a header name could not hold them.
fn unescaped(key: &str) -> String {
    let mut out = Vec::with_capacity(key.len());
    let mut rest = key.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let hex = tail.get(..2).filter(|_| byte == b'%').and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(decoded) => {
                out.push(decoded);
                rest = &tail[2..];
            }
            None => {
                out.push(byte);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue};
    use jiff::{SignedDuration, Timestamp};
    use mesh_pki::SystemEntropy;
    use mesh_pki::generate::{Authority, Request, anchor, issuer};

    use super::*;

    fn authority() -> Authority {
        let request = Request::new("front-proxy", Timestamp::now(), SignedDuration::from_hours(1));
        anchor(&request, &mut SystemEntropy::new()).unwrap()
    }

    fn client(name: &str, signer: &Authority) -> Vec<u8> {
        let request = Request::new(name, Timestamp::now(), SignedDuration::from_mins(30));
        let made = issuer(&request, signer, &mut SystemEntropy::new()).unwrap();
        made.certificate().der().to_vec()
    }

    fn rules(authority: &Authority, names: &[&str]) -> Rules {
        Rules {
            authorities: Bundle::of(authority.certificate.clone()),
            names: names.iter().map(ToString::to_string).collect(),
            user_headers: vec!["X-Remote-User".into()],
            group_headers: vec!["X-Remote-Group".into()],
            extra_prefixes: vec!["X-Remote-Extra-".into()],
        }
    }

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |&(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value));
        let mut map = HeaderMap::new();
        for (name, value) in pairs.iter().map(pair) {
            map.append(name, value);
        }
        map
    }

    #[test]
    fn only_the_front_proxy_names_users() {
        let (ours, other) = (authority(), authority());
        let rules = rules(&ours, &["front-proxy-client"]);
        let named = headers(&[
            ("x-remote-user", "eve"),
            ("x-remote-group", "a"),
            ("x-remote-group", "b"),
            ("x-remote-extra-scopes%2fx", "1"),
        ]);
        let good = client("front-proxy-client", &ours);
        let user = rules.user(Some(&good), &named).unwrap();
        assert_eq!(user.name, "eve");
        assert_eq!(user.groups, ["a", "b"]);
        assert_eq!(user.extra, [("scopes/x".to_owned(), vec!["1".to_owned()])]);
        assert_eq!(rules.user(None, &named), Err(Unknown::NoCertificate));
        assert_eq!(rules.user(Some(&good), &HeaderMap::new()), Err(Unknown::NoUser));
        assert_eq!(rules.user(Some(&client("kubelet", &ours)), &named), Err(Unknown::OtherName));
        assert_eq!(rules.user(Some(&client("front-proxy-client", &other)), &named), Err(Unknown::OtherName));
    }
}
