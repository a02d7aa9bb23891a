//! DNS names: labels, subdomains and what Kubernetes accepts as a name.
//!
//! Three newtypes, each parsed once at the edge. A name that is refused says why in the words the
//! Kubernetes API server uses, one reason per broken rule, so that users see the text they know.

use std::fmt;
use std::str::FromStr;

/// A DNS-1035 label: what a Service may be called. At most 63 letters, digits and `-`, first a letter.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Label1035(String);

/// A DNS-1123 label: what a Namespace may be called. At most 63 letters, digits and `-`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Label1123(String);

/// A DNS-1123 subdomain: labels joined by dots, at most 253 characters. What most objects may be called.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Subdomain(String);

/// Why a text is not the kind of name asked for: at least one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidName {
    reasons: Vec<String>,
}

/// Most characters of a label.
pub const LABEL_MAX: usize = 63;
/// Most characters of a subdomain.
pub const SUBDOMAIN_MAX: usize = 253;

const LABEL_1035_FORM: &str = "[a-z]([-a-z0-9]*[a-z0-9])?";
const LABEL_1123_FORM: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const SUBDOMAIN_FORM: &str = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*";

// === impl Label1035 ===

impl FromStr for Label1035 {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let form = is_label(text) && text.starts_with(|first: char| first.is_ascii_lowercase());
        let rule = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an \
                    alphabetic character, and end with an alphanumeric character";
        refuse(text, LABEL_MAX, form, || reason(rule, &["my-name", "abc-123"], LABEL_1035_FORM))?;
        Ok(Self(text.to_owned()))
    }
}

// === impl Label1123 ===

impl FromStr for Label1123 {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let rule = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must \
                    start and end with an alphanumeric character";
        refuse(text, LABEL_MAX, is_label(text), || reason(rule, &["my-name", "123-abc"], LABEL_1123_FORM))?;
        Ok(Self(text.to_owned()))
    }
}

// === impl Subdomain ===

impl FromStr for Subdomain {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let rule = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', \
                    and must start and end with an alphanumeric character";
        let form = text.split('.').all(is_label);
        refuse(text, SUBDOMAIN_MAX, form, || reason(rule, &["example.com"], SUBDOMAIN_FORM))?;
        Ok(Self(text.to_owned()))
    }
}

macro_rules! text_of {
    ($($name:ident)*) => {$(
        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

text_of!(Label1035 Label1123 Subdomain);

// === impl InvalidName ===

impl InvalidName {
    /// One text per broken rule, never empty.
    pub fn reasons(&self) -> &[String] {
        &self.reasons
    }
}

impl fmt::Display for InvalidName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reasons.join("; "))
    }
}

impl std::error::Error for InvalidName {}

/// Whether every character may stand in a label and both ends may be ends; the length is judged apart.
fn is_label(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty() && text.bytes().all(inner) && !text.starts_with('-') && !text.ends_with('-')
}

fn refuse(text: &str, longest: usize, form: bool, rule: impl FnOnce() -> String) -> Result<(), InvalidName> {
    let mut reasons = Vec::new();
    if text.len() > longest {
        reasons.push(format!("must be no more than {longest} characters"));
    }
    if !form {
        reasons.push(rule());
    }
    if reasons.is_empty() { Ok(()) } else { Err(InvalidName { reasons }) }
}

/// A rule with examples and its form, put together as the API server does (two blanks before "or" included).
fn reason(rule: &str, examples: &[&str], form: &str) -> String {
    let examples: Vec<String> = examples.iter().map(|example| format!("'{example}', ")).collect();
    format!("{rule} (e.g. {}regex used for validation is '{form}')", examples.join(" or "))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Label1035, Label1123, Subdomain};

    #[test]
    fn reasons_are_those_of_the_api_server() {
        let error = "1web".parse::<Label1035>().unwrap_err();
        assert_eq!(
            error.reasons(),
            [
                "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic \
              character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for \
              validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"
            ]
        );
        let error = "Web.".repeat(70).parse::<Subdomain>().unwrap_err();
        assert_eq!(error.reasons()[0], "must be no more than 253 characters");
        assert_eq!(
            error.reasons()[1],
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must \
             start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
             '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
        );
        assert_eq!("-".repeat(64).parse::<Label1123>().unwrap_err().reasons().len(), 2);
    }

    #[test]
    fn accepts_and_refuses_at_the_borders() {
        for good in ["a", "web", "web-1", "a--b"] {
            assert_eq!(good.parse::<Label1035>().unwrap().as_str(), good);
        }
        for bad in ["", "-a", "a-", "A", "a.b", "a_b", "é", "1a"] {
            assert!(bad.parse::<Label1035>().is_err(), "{bad:?}");
        }
        assert!("1a".parse::<Label1123>().is_ok());
        assert!("a".repeat(63).parse::<Label1123>().is_ok());
        assert!("a".repeat(64).parse::<Label1123>().is_err());
        assert!("web.default.svc.cluster.local".parse::<Subdomain>().is_ok());
        for bad in ["", ".", "a..b", "a.", ".a", "a.-b"] {
            assert!(bad.parse::<Subdomain>().is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_published_forms(text in "[a-zA-B0-9.\\-]{0,12}") {
            let whole = |form: &str| regex::Regex::new(&format!("^(?:{form})$")).unwrap().is_match(&text);
            prop_assert_eq!(text.parse::<Label1035>().is_ok(), whole(super::LABEL_1035_FORM));
            prop_assert_eq!(text.parse::<Label1123>().is_ok(), whole(super::LABEL_1123_FORM));
            prop_assert_eq!(text.parse::<Subdomain>().is_ok(), whole(super::SUBDOMAIN_FORM));
        }
    }
}
