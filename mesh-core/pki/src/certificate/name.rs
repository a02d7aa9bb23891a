//! The alternative names of a subject.

use std::fmt;
use std::net::IpAddr;

use x509_parser::extensions::GeneralName;

use crate::certificate::printable;

/// One subject alternative name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubjectName {
    /// A DNS name.
    Dns(String),
    /// A URI, for instance a SPIFFE identity.
    Uri(String),
    /// A mail address.
    Mail(String),
    /// An IP address.
    Ip(IpAddr),
    /// Something else, named by its kind.
    Other(&'static str),
}

impl SubjectName {
    /// The DNS name, if it is one.
    pub fn as_dns(&self) -> Option<&str> {
        match self {
            Self::Dns(name) => Some(name),
            _ => None,
        }
    }

    pub(crate) fn read(name: &GeneralName<'_>) -> Self {
        match name {
            GeneralName::DNSName(name) => Self::Dns(printable(name)),
            GeneralName::URI(uri) => Self::Uri(printable(uri)),
            GeneralName::RFC822Name(mail) => Self::Mail(printable(mail)),
            GeneralName::IPAddress(bytes) => {
                match (<[u8; 4]>::try_from(*bytes), <[u8; 16]>::try_from(*bytes)) {
                    (Ok(v4), _) => Self::Ip(v4.into()),
                    (_, Ok(v6)) => Self::Ip(v6.into()),
                    _ => Self::Other("invalid IP address"),
                }
            }
            GeneralName::DirectoryName(_) => Self::Other("directory name"),
            GeneralName::Invalid(..) => Self::Other("invalid name"),
            _ => Self::Other("other name"),
        }
    }
}

impl fmt::Display for SubjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(text) | Self::Uri(text) | Self::Mail(text) => f.write_str(text),
            Self::Ip(address) => address.fmt(f),
            Self::Other(kind) => write!(f, "<{kind}>"),
        }
    }
}
