//! Header fields that a rule looks for.

use linkerd2_proxy_api::http_route as api;
use proxy_net::headers::HeaderList;

use super::pattern::Pattern;
use crate::model::error::{InvalidMessage, Problem, required};

/// Longest name or value of a rule.
pub(super) const FIELD_MAX: usize = 8192;

/// A field that has to be there with such a value. Of several fields of the name, one suffices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderMatch {
    name: Box<[u8]>,
    value: ValueMatch,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum ValueMatch {
    Exact(Box<[u8]>),
    Regex(Pattern),
}

// === impl HeaderMatch ===

impl HeaderMatch {
    /// Whether such a field is there.
    #[must_use]
    pub fn matches(&self, head: &HeaderList) -> bool {
        head.values(&self.name).any(|value| match &self.value {
            ValueMatch::Exact(exact) => value == &**exact,
            ValueMatch::Regex(pattern) => pattern.matches(value),
        })
    }
}

impl TryFrom<api::HeaderMatch> for HeaderMatch {
    type Error = InvalidMessage;

    fn try_from(message: api::HeaderMatch) -> Result<Self, InvalidMessage> {
        let name = match field_name(&message.name)? {
            // The list has the host as a pseudo-header, whatever the version.
            name if &*name == b"host" => b":authority"[..].into(),
            name => name,
        };
        let value = match required(message.value, "value")? {
            api::header_match::Value::Exact(exact) => ValueMatch::Exact(field_value(exact)?),
            api::header_match::Value::Regex(text) => ValueMatch::Regex(Pattern::new(&text)?),
        };
        Ok(Self { name, value })
    }
}

// === helpers ===

/// A name in lower case.
pub(super) fn field_name(text: &str) -> Result<Box<[u8]>, InvalidMessage> {
    let is_name = text.len() <= FIELD_MAX && http::header::HeaderName::from_bytes(text.as_bytes()).is_ok();
    if !is_name {
        return Err(InvalidMessage::with_value("name", Problem::Header, text));
    }
    Ok(text.to_ascii_lowercase().into_bytes().into())
}

/// A value without blanks around it.
pub(super) fn field_value(value: Vec<u8>) -> Result<Box<[u8]>, InvalidMessage> {
    let is_value = value.len() <= FIELD_MAX
        && value.trim_ascii().len() == value.len()
        && http::header::HeaderValue::from_bytes(&value).is_ok();
    if !is_value {
        return Err(InvalidMessage::with_value("value", Problem::Header, value.escape_ascii()));
    }
    Ok(value.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(name: &str, value: api::header_match::Value) -> Result<HeaderMatch, InvalidMessage> {
        HeaderMatch::try_from(api::HeaderMatch { name: name.into(), value: Some(value) })
    }

    #[test]
    fn one_of_several_fields_suffices() {
        let list: HeaderList =
            [(&b":authority"[..], &b"web"[..]), (b"x", b"1"), (b"x", b"22")].into_iter().collect();
        let exact = |name, value: &str| header(name, api::header_match::Value::Exact(value.into())).unwrap();
        assert!(exact("X", "22").matches(&list) && exact("host", "web").matches(&list));
        assert!(!exact("x", "2").matches(&list) && !exact("y", "1").matches(&list));
        assert!(header("x", api::header_match::Value::Regex("[0-9]{2}".into())).unwrap().matches(&list));
        assert!(!header("x", api::header_match::Value::Regex("[0-9]{3}".into())).unwrap().matches(&list));
    }

    #[test]
    fn what_http_does_not_allow_is_an_error() {
        let exact = |name: &str, value: &[u8]| header(name, api::header_match::Value::Exact(value.into()));
        for (name, value) in
            [("", &b"v"[..]), (":path", b"v"), ("a b", b"v"), ("x", b"a\r\nb"), ("x", b" v"), ("x", b"\0")]
        {
            assert_eq!(exact(name, value).unwrap_err().problem(), Problem::Header, "{name}");
        }
        assert!(exact("x", &vec![b'a'; 1 << 20]).is_err());
        let empty = api::HeaderMatch { name: "x".into(), value: None };
        assert_eq!(HeaderMatch::try_from(empty).unwrap_err().problem(), Problem::Missing);
    }
}
