//! The methods that are served, and how their requests and refusals look on the wire.

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::index::shared::Shared;
use crate::index::{Refusal, Request};

/// A method: how its request is read, and how often it is answered.
pub struct Method {
    /// `/package.Service/Method`.
    pub path: &'static str,
    /// Reads the message of a request; the second argument is the domain of the cluster.
    ///
    /// # Errors
    /// What the client is told about a message that cannot be answered.
    pub read: fn(&[u8], &str) -> Result<Request, Refusal>,
    /// How often it is answered.
    pub answers: Answers,
}

/// How often a method is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answers {
    /// Once.
    One,
    /// Whenever the answer changes, until the client hangs up.
    All,
}

/// Methods over an index.
pub struct Api {
    index: Shared,
    cluster_domain: String,
    methods: Vec<&'static Method>,
}

// === impl Api ===

impl Api {
    /// These methods, answered from this index.
    pub fn new(index: Shared, methods: impl IntoIterator<Item = &'static Method>) -> Self {
        let cluster_domain = index.lock().config().cluster_domain.clone();
        Self { index, cluster_domain, methods: methods.into_iter().collect() }
    }

    pub(super) fn index(&self) -> &Shared {
        &self.index
    }

    /// The method of a path.
    pub(super) fn method(&self, path: &[u8]) -> Result<&'static Method, Refusal> {
        let found = self.methods.iter().copied().find(|method| method.path.as_bytes() == path);
        found.ok_or_else(|| {
            let path: String = String::from_utf8_lossy(path).chars().take(200).collect();
            Refusal::unimplemented(format!("no method {path}"))
        })
    }

    /// Reads the one message of a request.
    pub(super) fn request(&self, method: &Method, body: &[u8]) -> Result<Request, Refusal> {
        let (compressed, length, message) = match body {
            [compressed, a, b, c, d, message @ ..] => {
                (*compressed, u32::from_be_bytes([*a, *b, *c, *d]), message)
            }
            _ => return Err(Refusal::invalid("the request has no message")),
        };
        if compressed != 0 {
            return Err(Refusal::unimplemented("compressed requests are not taken"));
        }
        if length as usize != message.len() {
            return Err(Refusal::invalid("the request is not one whole message"));
        }
        (method.read)(message, &self.cluster_domain)
    }
}

/// Decodes the message of a request.
///
/// # Errors
/// When the octets are no such message.
pub fn decode<M: prost::Message + Default>(message: &[u8]) -> Result<M, Refusal> {
    M::decode(message).map_err(|error| Refusal::invalid(format!("the request is no such message: {error}")))
}

/// The text of a status as a header carries it: what is not plain is written as `%XX`.
pub(super) fn escaped(message: &str) -> Cow<'_, str> {
    // Long messages would not fit into the headers that clients take.
    let kept = message.as_bytes().get(..1024).unwrap_or(message.as_bytes());
    let plain = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'%';
    if kept.len() == message.len() && kept.iter().all(|byte| plain(*byte)) {
        return Cow::Borrowed(message);
    }
    let mut text = String::with_capacity(kept.len());
    for byte in kept {
        if plain(*byte) {
            text.push(char::from(*byte));
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
    }
    Cow::Owned(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_fit_into_headers_whatever_is_in_them() {
        assert_eq!(escaped("plain text"), "plain text");
        let long = format!("a\nb%ü{}", "x".repeat(100_000));
        let text = escaped(&long);
        assert!(text.starts_with("a%0Ab%25%C3%BC") && text.len() < 4096, "{text}");
    }
}
