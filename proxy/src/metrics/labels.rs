//! Label sets as text: written, escaped and bounded when a series is registered, copied when it is scraped.

use std::fmt::{self, Display, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;

use crate::model::Meta;

/// Labels in the form `a="x",b="y"`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelText(String);

/// A label set that a series can be registered with.
pub trait LabelSet {
    /// The prefixes of the families, one for each variant, and what a family of it is about.
    const PREFIXES: &'static [&'static str];

    /// Which of `PREFIXES` these labels belong to.
    fn variant(&self) -> Variant {
        Variant(0)
    }

    /// Appends the labels in their order.
    fn write(&self, labels: &mut LabelText);
}

/// An index into [`LabelSet::PREFIXES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Variant(pub u8);

/// Which way traffic goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Towards the application beside the proxy.
    Inbound,
    /// Away from it.
    Outbound,
}

/// What is known of TLS on an accepted connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerTls<'a> {
    /// Terminated here; the client's identity, empty if it has none.
    Established(&'a str),
    /// Passed through, with this server name.
    Opaque(&'a str),
    /// None, for this reason.
    None(NoServerTls),
    /// The proxy has no identity.
    Disabled,
}

/// Why an accepted connection has no TLS of the mesh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoServerTls {
    /// It came from the same pod.
    Loopback,
    /// Its port is not looked at.
    PortSkipped,
    /// The client did not begin it.
    NoTlsFromRemote,
}

/// What is known of TLS to an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientTls<'a> {
    /// To a server with this identity.
    Established(&'a str),
    /// None, for this reason.
    None(NoClientTls),
    /// The proxy has no identity.
    Disabled,
}

/// Why a connection to an endpoint has no TLS of the mesh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoClientTls {
    /// It stays in the same pod.
    Loopback,
    /// Discovery knows no identity.
    NotProvidedByServiceDiscovery,
    /// In ingress mode, a request without `l5d-dst-override`.
    IngressWithoutOverride,
}

/// A resource of the cluster, as policies name it. Parts that do not apply are empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resource<'a> {
    /// API group.
    pub group: &'a str,
    /// Kind.
    pub kind: &'a str,
    /// Namespace.
    pub namespace: &'a str,
    /// Name.
    pub name: &'a str,
    /// Section.
    pub section: &'a str,
    /// Port.
    pub port: Option<u16>,
}

/// The longest label value, in octets; the rest is cut off.
const MAX_VALUE: usize = 1024;

// === impl LabelText ===

impl LabelText {
    /// Appends a label. The name has to be valid.
    pub fn add(&mut self, name: &str, value: impl Display) {
        self.name("", name);
        // Writing into a `String` does not fail.
        let _ = write!(Escaped { out: &mut self.0, room: MAX_VALUE }, "{value}");
        self.0.push('"');
    }

    /// Appends labels whose names come from somebody else: each gets the prefix, and octets that are not allowed become `_`.
    pub fn add_foreign<'a>(&mut self, prefix: &str, labels: impl IntoIterator<Item = (&'a str, &'a str)>) {
        for (name, value) in labels {
            self.name(prefix, name);
            let _ = write!(Escaped { out: &mut self.0, room: MAX_VALUE }, "{value}");
            self.0.push('"');
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// How many octets it has.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Goes back to an earlier length.
    pub(super) fn truncate(&mut self, len: usize) {
        self.0.truncate(len);
    }

    /// Forgets all labels, and keeps the memory.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    fn name(&mut self, prefix: &str, name: &str) {
        if !self.0.is_empty() {
            self.0.push(',');
        }
        self.0.push_str(prefix);
        for c in name.chars().take(MAX_VALUE) {
            self.0.push(if c.is_ascii_alphanumeric() { c } else { '_' });
        }
        self.0.push_str("=\"");
    }
}

impl From<LabelText> for Arc<str> {
    fn from(text: LabelText) -> Self {
        text.0.into()
    }
}

/// Escapes what the text format wants escaped, and cuts at a bound.
struct Escaped<'a> {
    out: &'a mut String,
    room: usize,
}

impl fmt::Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            self.room = self.room.saturating_sub(c.len_utf8());
            if self.room == 0 {
                break;
            }
            match c {
                '\\' => self.out.push_str("\\\\"),
                '"' => self.out.push_str("\\\""),
                '\n' => self.out.push_str("\\n"),
                c => self.out.push(c),
            }
        }
        Ok(())
    }
}

// === impl Direction ===

impl Direction {
    /// Appends `direction`.
    pub fn write(self, labels: &mut LabelText) {
        let text = match self {
            Self::Inbound => "inbound",
            Self::Outbound => "outbound",
        };
        labels.add("direction", text);
    }
}

// === impl ServerTls ===

impl ServerTls<'_> {
    /// Appends `tls` and what explains it.
    pub fn write(self, labels: &mut LabelText) {
        match self {
            Self::Established(client) => {
                labels.add("tls", "true");
                labels.add("client_id", client);
            }
            Self::Opaque(sni) => {
                labels.add("tls", "opaque");
                labels.add("sni", sni);
            }
            Self::None(reason) => {
                labels.add("tls", "no_identity");
                labels.add("no_tls_reason", reason.text());
            }
            Self::Disabled => labels.add("tls", "disabled"),
        }
    }
}

// === impl NoServerTls ===

impl NoServerTls {
    /// As labels spell it.
    pub fn text(self) -> &'static str {
        match self {
            Self::Loopback => "loopback",
            Self::PortSkipped => "port_skipped",
            Self::NoTlsFromRemote => "no_tls_from_remote",
        }
    }
}

// === impl NoClientTls ===

impl NoClientTls {
    /// As labels spell it.
    pub fn text(self) -> &'static str {
        match self {
            Self::Loopback => "loopback",
            Self::NotProvidedByServiceDiscovery => "not_provided_by_service_discovery",
            Self::IngressWithoutOverride => "ingress_without_override",
        }
    }
}

// === impl ClientTls ===

impl ClientTls<'_> {
    /// Appends `tls` and what explains it.
    pub fn write(self, labels: &mut LabelText) {
        match self {
            Self::Established(server) => {
                labels.add("tls", "true");
                labels.add("server_id", server);
            }
            Self::None(reason) => {
                labels.add("tls", "no_identity");
                labels.add("no_tls_reason", reason.text());
            }
            Self::Disabled => labels.add("tls", "disabled"),
        }
    }
}

// === impl Resource ===

impl<'a> From<&'a Meta> for Resource<'a> {
    fn from(meta: &'a Meta) -> Self {
        Self {
            group: meta.group(),
            kind: meta.kind(),
            namespace: meta.namespace(),
            name: meta.name(),
            section: meta.section(),
            port: meta.port(),
        }
    }
}

impl Resource<'_> {
    /// Appends `P_group`, `P_kind`, `P_name`: how inbound families name a resource.
    pub fn write_inbound(&self, prefix: Prefix, labels: &mut LabelText) {
        let [group, kind, _, name, ..] = prefix.names();
        labels.add(group, self.group);
        labels.add(kind, self.kind);
        labels.add(name, self.name);
    }

    /// As [`Resource::write_inbound`], and `P_port`.
    pub fn write_inbound_port(&self, prefix: Prefix, labels: &mut LabelText) {
        self.write_inbound(prefix, labels);
        self.write_port(prefix, labels);
    }

    /// Appends `P_group`, `P_kind`, `P_namespace`, `P_name`: how outbound families name a route.
    pub fn write_outbound(&self, prefix: Prefix, labels: &mut LabelText) {
        let [group, kind, namespace, name, ..] = prefix.names();
        labels.add(group, self.group);
        labels.add(kind, self.kind);
        labels.add(namespace, self.namespace);
        labels.add(name, self.name);
    }

    /// As [`Resource::write_outbound`], and `P_port` and `P_section_name`: how outbound families name a parent or backend.
    pub fn write_outbound_port(&self, prefix: Prefix, labels: &mut LabelText) {
        self.write_outbound(prefix, labels);
        self.write_port(prefix, labels);
        labels.add(prefix.names()[5], self.section);
    }

    fn write_port(&self, prefix: Prefix, labels: &mut LabelText) {
        let name = prefix.names()[4];
        match self.port {
            Some(port) => labels.add(name, port),
            None => labels.add(name, ""),
        }
    }
}

/// What a resource is in a label set; the first word of its labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prefix {
    /// `parent_`.
    Parent,
    /// `route_`.
    Route,
    /// `backend_`.
    Backend,
    /// `srv_`.
    Server,
    /// `authz_`.
    Authz,
    /// `ratelimit_`.
    RateLimit,
}

macro_rules! names {
    ($prefix:literal) => {
        [
            concat!($prefix, "_group"),
            concat!($prefix, "_kind"),
            concat!($prefix, "_namespace"),
            concat!($prefix, "_name"),
            concat!($prefix, "_port"),
            concat!($prefix, "_section_name"),
        ]
    };
}

impl Prefix {
    fn names(self) -> [&'static str; 6] {
        match self {
            Self::Parent => names!("parent"),
            Self::Route => names!("route"),
            Self::Backend => names!("backend"),
            Self::Server => names!("srv"),
            Self::Authz => names!("authz"),
            Self::RateLimit => names!("ratelimit"),
        }
    }
}

/// Appends `target_addr`, `target_ip` and `target_port`.
pub fn write_target(target: SocketAddr, labels: &mut LabelText) {
    labels.add("target_addr", target);
    labels.add("target_ip", target.ip());
    labels.add("target_port", target.port());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_escaped_and_cut() {
        let mut text = LabelText::default();
        text.add("a", "quote \" back \\ line\nend");
        assert_eq!(text.as_str(), r#"a="quote \" back \\ line\nend""#);

        text.clear();
        text.add("a", "é".repeat(MAX_VALUE));
        assert!(text.as_str().len() < MAX_VALUE + 8);
    }

    #[test]
    fn foreign_names_become_valid() {
        let mut text = LabelText::default();
        text.add_foreign("dst_", [("serviceaccount", "a"), ("app.kubernetes.io/name", "b"), ("9", "c")]);
        assert_eq!(text.as_str(), r#"dst_serviceaccount="a",dst_app_kubernetes_io_name="b",dst_9="c""#);
    }
}
