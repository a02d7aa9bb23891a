//! Redirects that a route answers with.

use linkerd2_proxy_api::http_route as api;
use linkerd2_proxy_api::http_types;

use super::parts::Parts;
use crate::model::error::{InvalidMessage, Problem, required};
use crate::model::name::Authority;

/// Longest part of a path.
const PATH_MAX: usize = 4096;

/// Where a client is sent instead; what is none stays as the request had it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// The status, 300 to 399.
    pub status: u16,
    scheme: Option<Scheme>,
    host: Option<Box<str>>,
    port: Option<u16>,
    path: Option<PathChange>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    Http,
    Https,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum PathChange {
    Full(Box<str>),
    Prefix(Box<str>),
}

/// Why a request cannot be redirected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RedirectError {
    /// There is neither a host in the rule nor one in the request.
    NoHost,
    /// The prefix is to be replaced, but the rule did not match by one.
    NoPrefix,
}

// === impl Redirect ===

impl Redirect {
    /// The value of `location`; none if that is where the request went already.
    ///
    /// # Errors
    /// When a part is neither in the rule nor in the request.
    pub fn location(
        &self,
        parts: &Parts<'_>,
        prefix: Option<usize>,
    ) -> Result<Option<Vec<u8>>, RedirectError> {
        let is_https = parts.scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"https"));
        let old = if is_https { Scheme::Https } else { Scheme::Http };
        let scheme = self.scheme.unwrap_or(old);
        let host = self.host.as_ref().map_or(parts.host, |host| host.as_bytes());
        if host.is_empty() {
            return Err(RedirectError::NoHost);
        }
        let mut target = scheme.text().to_vec();
        target.extend_from_slice(b"://");
        target.extend_from_slice(host);
        // A new scheme means its own port, unless the rule names one.
        let kept = if self.scheme.is_none() { parts.port() } else { None };
        let port = self.port.map(|port| port.to_string().into_bytes()).or_else(|| kept.map(<[u8]>::to_vec));
        if let Some(port) = port.filter(|port| port != scheme.port()) {
            target.push(b':');
            target.extend_from_slice(&port);
        }
        self.push_path(&mut target, parts, prefix)?;
        let same_authority = target.strip_prefix(old.text()).and_then(|rest| rest.strip_prefix(b"://"));
        let asked = [parts.authority, &full_path(parts)].concat();
        Ok((same_authority != Some(&*asked)).then_some(target))
    }

    fn push_path(
        &self,
        target: &mut Vec<u8>,
        parts: &Parts<'_>,
        prefix: Option<usize>,
    ) -> Result<(), RedirectError> {
        match &self.path {
            None => target.extend_from_slice(parts.path),
            Some(PathChange::Full(path)) => target.extend_from_slice(path.as_bytes()),
            Some(PathChange::Prefix(new)) => {
                let matched = prefix.ok_or(RedirectError::NoPrefix)?;
                let rest = parts.path.get(matched..).unwrap_or_default();
                let rest = rest.strip_prefix(b"/").unwrap_or(rest);
                let new = new.strip_suffix('/').unwrap_or(new);
                target.extend_from_slice(new.as_bytes());
                if !rest.is_empty() || new.is_empty() {
                    target.push(b'/');
                }
                target.extend_from_slice(rest);
            }
        }
        let query = match &self.path {
            Some(PathChange::Full(path)) if path.contains('?') => None,
            _ => parts.query,
        };
        if let Some(query) = query {
            target.push(b'?');
            target.extend_from_slice(query);
        }
        Ok(())
    }
}

impl TryFrom<api::RequestRedirect> for Redirect {
    type Error = InvalidMessage;

    fn try_from(message: api::RequestRedirect) -> Result<Self, InvalidMessage> {
        let status = match message.status {
            0 => 301,
            status @ 300..=399 => status as u16,
            status => return Err(InvalidMessage::with_value("redirect.status", Problem::Status, status)),
        };
        let port = match message.port {
            0 => None,
            port => Some(crate::model::endpoint::port(port, "redirect.port")?),
        };
        let host = match message.host {
            host if host.is_empty() => None,
            host => match host.parse::<Authority>() {
                Ok(authority) if authority.port().is_none() => Some(authority.as_str().into()),
                _ => return Err(InvalidMessage::with_value("redirect.host", Problem::Name, host)),
            },
        };
        Ok(Self {
            status,
            scheme: message.scheme.map(Scheme::try_from).transpose()?,
            host,
            port,
            path: message.path.map(PathChange::try_from).transpose()?,
        })
    }
}

// === impl Scheme ===

impl Scheme {
    fn text(self) -> &'static [u8] {
        match self {
            Self::Http => b"http",
            Self::Https => b"https",
        }
    }

    fn port(self) -> &'static [u8] {
        match self {
            Self::Http => b"80",
            Self::Https => b"443",
        }
    }
}

impl TryFrom<http_types::Scheme> for Scheme {
    type Error = InvalidMessage;

    fn try_from(message: http_types::Scheme) -> Result<Self, InvalidMessage> {
        use http_types::scheme::{Registered, Type};
        let unknown = |value: String| InvalidMessage::with_value("redirect.scheme", Problem::Unknown, value);
        match required(message.r#type, "redirect.scheme")? {
            Type::Registered(number) => match Registered::try_from(number) {
                Ok(Registered::Http) => Ok(Self::Http),
                Ok(Registered::Https) => Ok(Self::Https),
                Err(_) => Err(unknown(number.to_string())),
            },
            Type::Unregistered(name) if name.eq_ignore_ascii_case("http") => Ok(Self::Http),
            Type::Unregistered(name) if name.eq_ignore_ascii_case("https") => Ok(Self::Https),
            Type::Unregistered(name) => Err(unknown(name)),
        }
    }
}

// === impl PathChange ===

impl TryFrom<api::PathModifier> for PathChange {
    type Error = InvalidMessage;

    fn try_from(message: api::PathModifier) -> Result<Self, InvalidMessage> {
        let path = |text: String| {
            let clean = text.bytes().all(|octet| octet.is_ascii_graphic());
            if text.len() > PATH_MAX || !clean || !(text.is_empty() || text.starts_with('/')) {
                return Err(InvalidMessage::with_value("redirect.path", Problem::Name, text));
            }
            Ok(text.into_boxed_str())
        };
        match required(message.replace, "redirect.path")? {
            api::path_modifier::Replace::Full(text) => path(text).map(Self::Full),
            api::path_modifier::Replace::Prefix(text) => path(text).map(Self::Prefix),
        }
    }
}

// === helpers ===

fn full_path(parts: &Parts<'_>) -> Vec<u8> {
    let mut path = parts.path.to_vec();
    if let Some(query) = parts.query {
        path.push(b'?');
        path.extend_from_slice(query);
    }
    path
}

#[cfg(test)]
mod tests {
    use proxy_net::headers::HeaderList;

    use super::*;

    fn location(
        redirect: api::RequestRedirect,
        authority: &str,
        path: &str,
        prefix: Option<usize>,
    ) -> Option<String> {
        let head: HeaderList = [
            (&b":method"[..], &b"GET"[..]),
            (b":authority", authority.as_bytes()),
            (b":path", path.as_bytes()),
        ]
        .into_iter()
        .collect();
        let redirect = Redirect::try_from(redirect).unwrap();
        let location = redirect.location(&Parts::of(&head), prefix).unwrap();
        location.map(|text| String::from_utf8(text).unwrap())
    }

    fn scheme(number: i32) -> Option<http_types::Scheme> {
        Some(http_types::Scheme { r#type: Some(http_types::scheme::Type::Registered(number)) })
    }

    fn path(replace: api::path_modifier::Replace) -> Option<api::PathModifier> {
        Some(api::PathModifier { replace: Some(replace) })
    }

    #[test]
    fn parts_that_the_rule_does_not_name_stay() {
        let https = api::RequestRedirect { scheme: scheme(1), ..Default::default() };
        assert_eq!(location(https, "web:8080", "/a?b", None).as_deref(), Some("https://web/a?b"));
        let host = api::RequestRedirect { host: "other".into(), ..Default::default() };
        assert_eq!(location(host.clone(), "web:8080", "/a", None).as_deref(), Some("http://other:8080/a"));
        assert_eq!(location(host, "web:80", "/a", None).as_deref(), Some("http://other/a"));
        let port = api::RequestRedirect { port: 81, ..Default::default() };
        assert_eq!(location(port, "web", "/", None).as_deref(), Some("http://web:81/"));
    }

    #[test]
    fn paths_are_replaced_whole_or_by_prefix() {
        let full = path(api::path_modifier::Replace::Full("/new".into()));
        let full = api::RequestRedirect { path: full, ..Default::default() };
        assert_eq!(location(full, "web", "/old/x?q", None).as_deref(), Some("http://web/new?q"));
        for (new, asked, prefix, want) in [
            ("/new", "/old/x", 4, "http://web/new/x"),
            ("/new/", "/old", 4, "http://web/new"),
            ("/", "/old/x", 4, "http://web/x"),
            ("/", "/old", 4, "http://web/"),
            ("/new", "/x", 1, "http://web/new/x"),
        ] {
            let change = path(api::path_modifier::Replace::Prefix(new.into()));
            let redirect = api::RequestRedirect { path: change, ..Default::default() };
            assert_eq!(location(redirect, "web", asked, Some(prefix)).as_deref(), Some(want));
        }
    }

    #[test]
    fn a_redirect_to_itself_is_none() {
        let same = api::RequestRedirect { host: "web".into(), ..Default::default() };
        assert_eq!(location(same.clone(), "web", "/a?b", None), None);
        assert_eq!(location(same, "web:8080", "/a", None), None);
    }

    #[test]
    fn what_is_missing_or_wrong_is_an_error() {
        let head = HeaderList::new();
        let plain = Redirect::try_from(api::RequestRedirect::default()).unwrap();
        assert_eq!(plain.status, 301);
        assert_eq!(plain.location(&Parts::of(&head), None), Err(RedirectError::NoHost));
        let change = path(api::path_modifier::Replace::Prefix("/a".into()));
        let prefix = api::RequestRedirect { path: change, host: "web".into(), ..Default::default() };
        let prefix = Redirect::try_from(prefix).unwrap();
        assert_eq!(prefix.location(&Parts::of(&head), None), Err(RedirectError::NoPrefix));
        let base = api::RequestRedirect::default;
        let problem = |message: api::RequestRedirect| Redirect::try_from(message).unwrap_err().problem();
        assert_eq!(problem(api::RequestRedirect { status: 200, ..base() }), Problem::Status);
        assert_eq!(problem(api::RequestRedirect { port: 70_000, ..base() }), Problem::Port);
        assert_eq!(problem(api::RequestRedirect { host: "a/b".into(), ..base() }), Problem::Name);
        assert_eq!(problem(api::RequestRedirect { scheme: scheme(9), ..base() }), Problem::Unknown);
        let path = Some(api::PathModifier { replace: None });
        assert_eq!(problem(api::RequestRedirect { path, ..base() }), Problem::Missing);
    }
}
