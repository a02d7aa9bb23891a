//! The proxy's own identity.

use std::path::PathBuf;
use std::time::Duration;

use mesh_core::names::env as injected;
use mesh_pki::Bundle;

use super::control::Service;
use super::env::{Form, Reader};
use super::process::ID;
use super::sockets::{duration, flag};
use super::{names, parse};
use crate::identity::Id;

/// The proxy's own identity.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Who the proxy is.
    pub id: Id,
    /// The name that clients ask for in TLS.
    pub server_name: String,
    /// The anchors to start with.
    pub anchors: Bundle,
    /// Who makes certificates.
    pub source: Source,
    /// Shortest time between renewals.
    pub min_refresh: Duration,
    /// Longest time between renewals.
    pub max_refresh: Duration,
    /// How long connections wait for the first certificate.
    pub initial_timeout: Duration,
    /// The lowest version of TLS.
    pub min_version: TlsVersion,
}

/// Who makes certificates.
#[derive(Clone, Debug)]
pub enum Source {
    /// The identity service of the mesh.
    Service {
        /// The server.
        service: Service,
        /// The token that proves who we are; read again each time.
        token_file: PathBuf,
        /// Where a key and a request may lie ready.
        dir: PathBuf,
        /// Whether changes of the trust anchors are followed there.
        follow_bundle: bool,
    },
    /// A SPIFFE Workload API on a socket of this machine.
    Spire {
        /// The socket.
        socket: PathBuf,
        /// Whether the agent's trust anchors are trusted as well.
        follow_bundle: bool,
    },
}

/// Versions of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// 1.2, and 1.3 with those who can.
    Tls12,
    /// 1.3 alone.
    Tls13,
}

const PEM: Form = Form("certificates in PEM");
const PATH: Form = Form("the path of a file, such as /var/run/secrets/tokens/linkerd-identity-token");
const DIR: Form = Form("the path of a folder, such as /var/run/linkerd/identity/end-entity");
const NAME: Form = Form("a domain name, such as web.prod.serviceaccount.identity.linkerd.cluster.local");
const SPIFFE: Form = Form("a SPIFFE identity, such as spiffe://example.org/web");
const UNSET: Form = Form("it not to be set: without identity there is no mesh");
const VERSION: Form = Form("1.3 or 1.2");

// === impl Identity ===

impl Identity {
    pub(super) fn read(reader: &Reader<'_>) -> Option<Self> {
        if let Some(text) = reader.text(names::IDENTITY_DISABLED) {
            reader.refuse(names::IDENTITY_DISABLED, Some(text), "is not supported", UNSET);
        }
        let anchors = reader.required_parsed(injected::IDENTITY_TRUST_ANCHORS, PEM, |text| {
            mesh_pki::parse_bundle(text.as_bytes()).map_err(|error| format!("is no bundle: {error}"))
        });
        let spire = reader
            .text(names::IDENTITY_SPIRE_WORKLOAD_API_ADDRESS)
            .or_else(|| reader.text(names::IDENTITY_SPIRE_SOCKET));
        let names_ = local_names(reader, spire.is_some());
        let source = match spire {
            Some(socket) => Some(Source::Spire {
                socket: socket.strip_prefix("unix:").unwrap_or(socket).into(),
                follow_bundle: follow_bundle(reader),
            }),
            None => Source::service(reader),
        };
        let time =
            |name: &str, default: u64| duration(reader, name).unwrap_or_else(|| Duration::from_secs(default));
        let min_refresh = time(names::IDENTITY_MIN_REFRESH, 10).max(Duration::from_secs(1));
        let max_refresh = time(names::IDENTITY_MAX_REFRESH, 86_400).max(min_refresh);
        let initial_timeout = time(names::IDENTITY_INITIAL_TIMEOUT, 10);
        let min_version = reader.parsed(names::TLS_MIN_VERSION, VERSION, |text| match text {
            "1.3" => Ok(TlsVersion::Tls13),
            "1.2" => Ok(TlsVersion::Tls12),
            _ => Err("is neither"),
        });
        let (id, server_name) = names_?;
        Some(Self {
            id,
            server_name,
            anchors: anchors?,
            source: source?,
            min_refresh,
            max_refresh,
            initial_timeout,
            min_version: min_version.unwrap_or(TlsVersion::Tls13),
        })
    }
}

// === impl Source ===

impl Source {
    fn service(reader: &Reader<'_>) -> Option<Self> {
        let service = Service::required(reader, injected::IDENTITY_SVC_ADDR, injected::IDENTITY_SVC_NAME);
        let token_file = reader.required(injected::IDENTITY_TOKEN_FILE, PATH);
        let dir = reader.required(injected::IDENTITY_DIR, DIR);
        Some(Self::Service {
            service: service?,
            token_file: token_file?.into(),
            dir: dir?.into(),
            follow_bundle: follow_bundle(reader),
        })
    }
}

fn follow_bundle(reader: &Reader<'_>) -> bool {
    flag(reader, names::IDENTITY_TRUST_BUNDLE_WATCH).unwrap_or(true)
}

/// One name for both, or an identity and a server name.
fn local_names(reader: &Reader<'_>, spire: bool) -> Option<(Id, String)> {
    let domain = |text: &str| parse::domain(text).ok_or("is no domain name");
    let id_name = injected::IDENTITY_SERVER_ID;
    if let (false, Some(name)) = (spire, reader.text(injected::IDENTITY_LOCAL_NAME)) {
        let name = reader.keep(injected::IDENTITY_LOCAL_NAME, name, NAME, domain(name))?;
        return Some((Id::dns(&name)?, name));
    }
    let absent = |name: &str| reader.text(name).is_none();
    if !spire && absent(id_name) && absent(injected::IDENTITY_SERVER_NAME) {
        reader.refuse(injected::IDENTITY_LOCAL_NAME, None, "is not set", NAME);
        return None;
    }
    let id = reader.required_parsed(id_name, if spire { SPIFFE } else { ID }, str::parse::<Id>);
    let server_name = reader.required_parsed(injected::IDENTITY_SERVER_NAME, NAME, domain);
    let (id, server_name) = (id?, server_name?);
    let matches = match &id {
        Id::Uri(_) => spire,
        Id::Dns(name) => !spire && **name == *server_name,
    };
    if !matches {
        let cause = if spire {
            "is no SPIFFE identity, which a SPIFFE Workload API gives".to_owned()
        } else {
            format!("is not {}", injected::IDENTITY_SERVER_NAME)
        };
        reader.refuse(id_name, reader.text(id_name), cause, if spire { SPIFFE } else { NAME });
        return None;
    }
    Some((id, server_name))
}
