//! What a rule of an HTTP route looks for.

use linkerd2_proxy_api::http_route as api;

use super::header::HeaderMatch;
use super::method::Method;
use super::parts::Parts;
use super::path::{PathMatch, PathScore};
use super::query::QueryMatch;
use super::{HasPrefix, Match};
use crate::model::error::{InvalidMessage, Within, each};

/// All of these have to match.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpMatch {
    path: Option<PathMatch>,
    headers: Vec<HeaderMatch>,
    query: Vec<QueryMatch>,
    method: Option<Method>,
}

/// How closely a request matches: by path, then by numbers of headers and parameters, then by method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HttpScore {
    path: PathScore,
    headers: usize,
    query: usize,
    method: bool,
}

// === impl HttpMatch ===

impl Match for HttpMatch {
    type Score = HttpScore;

    fn score(&self, parts: &Parts<'_>) -> Option<HttpScore> {
        if self.method.as_ref().is_some_and(|method| !method.matches(parts.method)) {
            return None;
        }
        let path = match &self.path {
            Some(path) => path.score(parts.path)?,
            None => PathScore::ANY,
        };
        let found = self.headers.iter().all(|header| header.matches(parts.head))
            && self.query.iter().all(|param| parts.query.is_some_and(|query| param.matches(query)));
        let (headers, query) = (self.headers.len(), self.query.len());
        found.then_some(HttpScore { path, headers, query, method: self.method.is_some() })
    }

    fn unconditional() -> HttpScore {
        HttpScore { path: PathScore::ANY, headers: 0, query: 0, method: false }
    }
}

impl TryFrom<api::HttpRouteMatch> for HttpMatch {
    type Error = InvalidMessage;

    fn try_from(message: api::HttpRouteMatch) -> Result<Self, InvalidMessage> {
        Ok(Self {
            path: message.path.map(PathMatch::try_from).transpose().within("path")?,
            headers: each(message.headers, "headers", HeaderMatch::try_from)?,
            query: each(message.query_params, "query_params", QueryMatch::try_from)?,
            method: message.method.map(Method::try_from).transpose()?,
        })
    }
}

// === impl HttpScore ===

impl HasPrefix for HttpScore {
    fn prefix(&self) -> Option<usize> {
        self.path.prefix()
    }
}
