//! Query parameters that a rule looks for.

use std::borrow::Cow;

use linkerd2_proxy_api::http_route as api;

use super::header::FIELD_MAX;
use super::pattern::Pattern;
use crate::model::error::{InvalidMessage, Problem, required};

/// A parameter that has to be there with such a value. Of several with the name, one suffices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryMatch {
    name: Box<str>,
    value: ValueMatch,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum ValueMatch {
    Exact(Box<str>),
    Regex(Pattern),
}

// === impl QueryMatch ===

impl QueryMatch {
    /// Whether such a parameter is there.
    #[must_use]
    pub fn matches(&self, query: &[u8]) -> bool {
        query.split(|octet| *octet == b'&').filter(|pair| !pair.is_empty()).any(|pair| {
            let (name, value) = match pair.iter().position(|octet| *octet == b'=') {
                Some(mark) => (&pair[..mark], &pair[mark + 1..]),
                None => (pair, &b""[..]),
            };
            *decode(name) == *self.name.as_bytes()
                && match &self.value {
                    ValueMatch::Exact(exact) => *decode(value) == *exact.as_bytes(),
                    ValueMatch::Regex(pattern) => pattern.matches(&decode(value)),
                }
        })
    }
}

impl TryFrom<api::QueryParamMatch> for QueryMatch {
    type Error = InvalidMessage;

    fn try_from(message: api::QueryParamMatch) -> Result<Self, InvalidMessage> {
        if message.name.is_empty() || message.name.len() > FIELD_MAX {
            return Err(InvalidMessage::with_value("name", Problem::Name, message.name));
        }
        let value = match required(message.value, "value")? {
            api::query_param_match::Value::Exact(text) if text.len() > FIELD_MAX => {
                return Err(InvalidMessage::with_value("value", Problem::TooLarge, text));
            }
            api::query_param_match::Value::Exact(text) => ValueMatch::Exact(text.into()),
            api::query_param_match::Value::Regex(text) => ValueMatch::Regex(Pattern::new(&text)?),
        };
        Ok(Self { name: message.name.into(), value })
    }
}

// === helpers ===

/// Undoes form encoding; a lone `%` stands for itself.
fn decode(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.iter().any(|octet| matches!(octet, b'%' | b'+')) {
        return Cow::Borrowed(text);
    }
    let hex = |octet: Option<&u8>| octet.and_then(|octet| char::from(*octet).to_digit(16));
    let mut decoded = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(octet) = text.get(at) {
        match (octet, hex(text.get(at + 1)), hex(text.get(at + 2))) {
            (b'%', Some(high), Some(low)) => {
                decoded.push((high * 16 + low) as u8);
                at += 2;
            }
            (b'+', ..) => decoded.push(b' '),
            _ => decoded.push(*octet),
        }
        at += 1;
    }
    Cow::Owned(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exact(name: &str, value: &str) -> QueryMatch {
        let value = Some(api::query_param_match::Value::Exact(value.into()));
        QueryMatch::try_from(api::QueryParamMatch { name: name.into(), value }).unwrap()
    }

    #[test]
    fn parameters_are_decoded_before_they_are_compared() {
        assert!(exact("a", "1").matches(b"b=2&a=1"));
        assert!(exact("a b", "ä+%").matches(b"x&a+b=%C3%a4%2B%"));
        assert!(exact("a", "").matches(b"&&a&b"));
        assert!(exact("a", "1=2").matches(b"a=1=2"));
        assert!(!exact("a", "1").matches(b"A=1&aa=1&a=11") && !exact("a", "").matches(b""));
        assert_eq!(*decode(b"%zz%4"), *b"%zz%4");
    }

    #[test]
    fn an_expression_matches_the_decoded_value() {
        let value = Some(api::query_param_match::Value::Regex("[a-z ]+".into()));
        let query = QueryMatch::try_from(api::QueryParamMatch { name: "q".into(), value }).unwrap();
        assert!(query.matches(b"q=a+b") && !query.matches(b"q=a%2B"));
    }

    #[test]
    fn empty_and_huge_messages_are_errors() {
        let empty = api::QueryParamMatch { name: "a".into(), value: None };
        assert_eq!(QueryMatch::try_from(empty).unwrap_err().problem(), Problem::Missing);
        let value = Some(api::query_param_match::Value::Exact("a".repeat(1 << 20)));
        let huge = api::QueryParamMatch { name: "a".into(), value };
        assert_eq!(QueryMatch::try_from(huge).unwrap_err().problem(), Problem::TooLarge);
    }
}
