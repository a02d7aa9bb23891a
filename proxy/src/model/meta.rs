//! What a route, a backend or a policy is called where the user wrote it.

use std::fmt;
use std::sync::Arc;

use linkerd2_proxy_api::meta as api;

use super::error::{InvalidMessage, Problem};

/// Longest name of a resource; Kubernetes allows 253.
const NAME_MAX: usize = 253;

/// The resource that something comes from.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Meta {
    /// Nothing that a user wrote; the name of a default.
    Default(Arc<str>),
    /// An object in the cluster.
    Resource(Arc<Resource>),
}

/// An object in the cluster, or a part of one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Resource {
    /// API group, without version; `core` for the core group.
    pub group: String,
    /// Kind.
    pub kind: String,
    /// Name.
    pub name: String,
    /// Namespace; empty where the message may leave it out.
    pub namespace: String,
    /// Section, such as the name of a rule; may be empty.
    pub section: String,
    /// Port, 0 for none.
    pub port: u16,
}

// === impl Meta ===

impl Meta {
    /// A default by its name.
    pub fn new_default(name: impl Into<Arc<str>>) -> Self {
        Self::Default(name.into())
    }

    /// Converts a message where the namespace has to be there (outbound).
    ///
    /// # Errors
    /// When a part is missing or too long.
    pub fn outbound(message: Option<api::Metadata>) -> Result<Self, InvalidMessage> {
        let meta = Self::try_from(super::error::required(message, "metadata")?)?;
        match &meta {
            Self::Resource(resource) if resource.namespace.is_empty() => {
                Err(InvalidMessage::new("metadata.namespace", Problem::Missing))
            }
            _ => Ok(meta),
        }
    }

    /// API group, empty for a default.
    #[must_use]
    pub fn group(&self) -> &str {
        self.resource().map_or("", |resource| &resource.group)
    }

    /// Kind, `default` for a default.
    #[must_use]
    pub fn kind(&self) -> &str {
        self.resource().map_or("default", |resource| &resource.kind)
    }

    /// Name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Default(name) => name,
            Self::Resource(resource) => &resource.name,
        }
    }

    /// Namespace, empty for a default.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.resource().map_or("", |resource| &resource.namespace)
    }

    /// Section, mostly empty.
    #[must_use]
    pub fn section(&self) -> &str {
        self.resource().map_or("", |resource| &resource.section)
    }

    /// Port, if there is one.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.resource().map(|resource| resource.port).filter(|port| *port != 0)
    }

    fn resource(&self) -> Option<&Resource> {
        match self {
            Self::Default(_) => None,
            Self::Resource(resource) => Some(resource),
        }
    }
}

impl TryFrom<api::Metadata> for Meta {
    type Error = InvalidMessage;

    fn try_from(message: api::Metadata) -> Result<Self, InvalidMessage> {
        let kind = super::error::required(message.kind, "metadata.kind")?;
        let resource = match kind {
            api::metadata::Kind::Default(name) => return Ok(Self::Default(part("default", name)?.into())),
            api::metadata::Kind::Resource(resource) => resource,
        };
        Ok(Self::Resource(Arc::new(Resource {
            group: part("group", resource.group)?,
            kind: part("kind", resource.kind)?,
            name: part("name", resource.name)?,
            namespace: short("namespace", resource.namespace)?,
            section: short("section", resource.section)?,
            port: u16::try_from(resource.port)
                .map_err(|_| InvalidMessage::with_value("metadata.port", Problem::Port, resource.port))?,
        })))
    }
}

impl fmt::Display for Meta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default(name) => write!(f, "default/{name}"),
            Self::Resource(it) if it.namespace.is_empty() => write!(f, "{}/{}", it.kind, it.name),
            Self::Resource(it) => write!(f, "{}/{}/{}", it.kind, it.namespace, it.name),
        }
    }
}

// === helpers ===

fn part(field: &str, text: String) -> Result<String, InvalidMessage> {
    if text.is_empty() {
        return Err(InvalidMessage::new(format_args!("metadata.{field}"), Problem::Missing));
    }
    short(field, text)
}

fn short(field: &str, text: String) -> Result<String, InvalidMessage> {
    if text.len() > NAME_MAX {
        return Err(InvalidMessage::with_value(format_args!("metadata.{field}"), Problem::TooLarge, text));
    }
    Ok(text)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn resource(kind: &str, name: &str) -> api::Metadata {
        let resource = api::Resource {
            group: "core".into(),
            kind: kind.into(),
            name: name.into(),
            namespace: "ns".into(),
            section: String::new(),
            port: 80,
        };
        api::Metadata { kind: Some(api::metadata::Kind::Resource(resource)) }
    }

    #[test]
    fn a_resource_needs_its_parts() {
        let meta = Meta::outbound(Some(resource("Service", "web"))).unwrap();
        assert_eq!(
            (meta.kind(), meta.name(), meta.namespace(), meta.port()),
            ("Service", "web", "ns", Some(80))
        );
        assert_eq!(Meta::outbound(None).unwrap_err().problem(), Problem::Missing);
        assert_eq!(
            Meta::outbound(Some(api::Metadata { kind: None })).unwrap_err().problem(),
            Problem::Missing
        );
        let huge = Meta::outbound(Some(resource("Service", &"x".repeat(1 << 20)))).unwrap_err();
        assert_eq!(huge.problem(), Problem::TooLarge);
        assert!(Meta::outbound(Some(resource("", "web"))).is_err());
    }

    #[test]
    fn a_default_has_a_name_alone() {
        let message = api::Metadata { kind: Some(api::metadata::Kind::Default("fallback".into())) };
        let meta = Meta::outbound(Some(message)).unwrap();
        assert_eq!(
            (meta.group(), meta.kind(), meta.name(), meta.to_string()),
            ("", "default", "fallback", "default/fallback".to_owned())
        );
    }
}
