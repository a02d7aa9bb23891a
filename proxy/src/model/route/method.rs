//! Methods.

use linkerd2_proxy_api::http_types as api;

use crate::model::error::{InvalidMessage, Problem, required};

/// Longest method of a rule.
const METHOD_MAX: usize = 64;

/// A method that a rule is for; case matters.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Method(Box<str>);

// === impl Method ===

impl Method {
    /// Whether the request has it.
    #[must_use]
    pub fn matches(&self, method: &[u8]) -> bool {
        self.0.as_bytes() == method
    }
}

impl TryFrom<api::HttpMethod> for Method {
    type Error = InvalidMessage;

    fn try_from(message: api::HttpMethod) -> Result<Self, InvalidMessage> {
        match required(message.r#type, "method")? {
            api::http_method::Type::Registered(number) => {
                let registered = api::http_method::Registered::try_from(number)
                    .map_err(|_| InvalidMessage::with_value("method", Problem::Unknown, number))?;
                Ok(Self(registered.as_str_name().into()))
            }
            api::http_method::Type::Unregistered(name) => {
                if name.len() > METHOD_MAX || http::Method::from_bytes(name.as_bytes()).is_err() {
                    return Err(InvalidMessage::with_value("method", Problem::Name, name));
                }
                Ok(Self(name.into()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_registered_or_tokens() {
        use api::http_method::Type;
        let convert = |r#type| Method::try_from(api::HttpMethod { r#type }).map_err(|error| error.problem());
        assert!(convert(Some(Type::Registered(1))).unwrap().matches(b"POST"));
        assert!(convert(Some(Type::Unregistered("PURGE".into()))).unwrap().matches(b"PURGE"));
        assert!(!convert(Some(Type::Registered(0))).unwrap().matches(b"get"));
        assert_eq!(convert(Some(Type::Registered(99))), Err(Problem::Unknown));
        assert_eq!(convert(Some(Type::Unregistered("A B".into()))), Err(Problem::Name));
        assert_eq!(convert(None), Err(Problem::Missing));
    }
}
