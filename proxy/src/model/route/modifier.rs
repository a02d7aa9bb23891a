//! Header fields that a route adds, sets and removes.

use linkerd2_proxy_api::http_route as api;
use linkerd2_proxy_api::http_types;
use proxy_net::headers::HeaderList;

use super::header::{field_name, field_value};
use crate::model::error::{InvalidMessage, Problem, Within, each};

/// Fields that frame a message or belong to one connection; a route that changed them would let readers disagree.
const FRAMING: [&[u8]; 8] = [
    b"connection",
    b"content-length",
    b"keep-alive",
    b"proxy-connection",
    b"te",
    b"trailer",
    b"transfer-encoding",
    b"upgrade",
];

/// Changes of a head, in this order: add, set, remove.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderModifier {
    add: Vec<Field>,
    set: Vec<Field>,
    remove: Vec<Box<[u8]>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Field {
    name: Box<[u8]>,
    value: Box<[u8]>,
}

// === impl HeaderModifier ===

impl HeaderModifier {
    /// Changes a head.
    pub fn apply(&self, head: &mut HeaderList) {
        for field in &self.add {
            head.push(&field.name, &field.value);
        }
        for field in &self.set {
            set(head, &field.name, &field.value);
        }
        for name in &self.remove {
            head.remove(name);
        }
    }

    fn new(
        add: Option<http_types::Headers>,
        set: Option<http_types::Headers>,
        remove: Vec<String>,
    ) -> Result<Self, InvalidMessage> {
        let fields = |headers: Option<http_types::Headers>, kind| {
            each(headers.unwrap_or_default().headers, "headers", Field::try_from).within(kind)
        };
        Ok(Self {
            add: fields(add, "add")?,
            set: fields(set, "set")?,
            remove: each(remove, "remove", |name| changeable(&name))?,
        })
    }
}

impl TryFrom<api::RequestHeaderModifier> for HeaderModifier {
    type Error = InvalidMessage;

    fn try_from(message: api::RequestHeaderModifier) -> Result<Self, InvalidMessage> {
        Self::new(message.add, message.set, message.remove)
    }
}

impl TryFrom<api::ResponseHeaderModifier> for HeaderModifier {
    type Error = InvalidMessage;

    fn try_from(message: api::ResponseHeaderModifier) -> Result<Self, InvalidMessage> {
        Self::new(message.add, message.set, message.remove)
    }
}

// === impl Field ===

impl TryFrom<http_types::headers::Header> for Field {
    type Error = InvalidMessage;

    fn try_from(message: http_types::headers::Header) -> Result<Self, InvalidMessage> {
        Ok(Self { name: changeable(&message.name)?, value: field_value(message.value)? })
    }
}

// === helpers ===

/// The host is a pseudo-header in a list, and those come first.
fn set(head: &mut HeaderList, name: &[u8], value: &[u8]) {
    if name != b"host" {
        head.set(name, value);
    } else if head.value(b":authority").is_some() {
        head.set(b":authority", value);
    } else {
        head.insert(1, b":authority", value);
    }
}

fn changeable(text: &str) -> Result<Box<[u8]>, InvalidMessage> {
    let name = field_name(text)?;
    if FRAMING.contains(&&*name) {
        return Err(InvalidMessage::with_value("name", Problem::Header, text));
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&str, &str)]) -> Option<http_types::Headers> {
        let header = |(name, value): &(&str, &str)| http_types::headers::Header {
            name: (*name).into(),
            value: (*value).into(),
        };
        Some(http_types::Headers { headers: pairs.iter().map(header).collect() })
    }

    #[test]
    fn fields_are_added_then_set_then_removed() {
        let modifier = HeaderModifier::new(
            headers(&[("A", "2"), ("b", "2")]),
            headers(&[("b", "3"), ("Host", "other")]),
            vec!["C".into()],
        )
        .unwrap();
        let mut head: HeaderList = [
            (&b":method"[..], &b"GET"[..]),
            (b":authority", b"web"),
            (b"a", b"1"),
            (b"b", b"1"),
            (b"c", b"1"),
        ]
        .into_iter()
        .collect();
        modifier.apply(&mut head);
        let want: HeaderList = [
            (&b":method"[..], &b"GET"[..]),
            (b":authority", b"other"),
            (b"a", b"1"),
            (b"b", b"3"),
            (b"a", b"2"),
        ]
        .into_iter()
        .collect();
        assert_eq!(head, want);
    }

    #[test]
    fn framing_is_no_business_of_routes() {
        for name in ["Content-Length", "transfer-encoding", "connection", "te", "a b", ":path"] {
            for (add, remove) in [(headers(&[(name, "1")]), Vec::new()), (None, vec![name.to_owned()])] {
                let error = HeaderModifier::new(add, None, remove).unwrap_err();
                assert_eq!(error.problem(), Problem::Header, "{name}");
            }
        }
    }
}
