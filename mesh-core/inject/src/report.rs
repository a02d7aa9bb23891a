//! What happened to each object, as facts; printing them is the command's business.

use std::fmt;

use crate::Skip;

/// An object as reports name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// Its kind in lower case.
    pub kind: String,
    /// Its name, or what its name will start with.
    pub name: String,
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.name)
    }
}

/// What was done with an object.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// It gets a proxy, now or from the injector.
    Injected,
    /// It was given annotations only.
    Annotated,
    /// The proxy was taken away.
    Uninjected,
    /// It was left as it is.
    Skipped(Skip),
}

/// What is to be said about one object of the input.
#[derive(Clone, Debug)]
pub struct Fact {
    /// Which; `None` where the document has no `kind`.
    pub resource: Option<Resource>,
    /// What was done.
    pub outcome: Outcome,
    /// Its pods use the network of their node.
    pub host_network: bool,
    /// Its pods have a sidecar already.
    pub sidecar: bool,
    /// Its pods refuse injection.
    pub disabled: bool,
    /// Its pods have UDP ports, which bypass the proxy.
    pub udp: bool,
    /// What is odd about its annotations.
    pub warnings: Vec<Warning>,
}

impl Fact {
    /// A fact about an object that is left as it is.
    pub fn skipped(resource: Option<Resource>, skip: Skip) -> Self {
        Self {
            resource,
            outcome: Outcome::Skipped(skip),
            host_network: false,
            sidecar: false,
            disabled: false,
            udp: false,
            warnings: Vec::new(),
        }
    }
}

/// Something odd that does not stop injection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Warning {
    /// An annotation with a prefix of ours that means nothing.
    UnknownAnnotation {
        /// The key.
        name: String,
        /// What was probably meant.
        suggestion: Option<&'static str>,
    },
    /// A value that cannot be read; the configured one stays.
    BadValue {
        /// The annotation.
        name: String,
        /// Its value.
        value: String,
        /// What is wrong with it.
        reason: String,
    },
    /// An annotation that no longer has an effect.
    NoEffect {
        /// The annotation.
        name: String,
        /// Why.
        reason: &'static str,
    },
    /// A name too long for a label, which is left out.
    LongName {
        /// The label.
        label: &'static str,
        /// The name.
        name: String,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownAnnotation { name, suggestion: Some(near) } => {
                write!(f, "unknown annotation \"{name}\", did you mean \"{near}\"?")
            }
            Self::UnknownAnnotation { name, suggestion: None } => write!(f, "unknown annotation \"{name}\""),
            Self::BadValue { name, value, reason } => {
                write!(f, "annotation \"{name}\" is ignored: value \"{value}\": {reason}")
            }
            Self::NoEffect { name, reason } => write!(f, "annotation \"{name}\" has no effect: {reason}"),
            Self::LongName { label, name } => {
                write!(f, "label \"{label}\" is left out: \"{name}\" is longer than 63 characters")
            }
        }
    }
}
