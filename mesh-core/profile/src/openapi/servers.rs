//! The path that leads all paths: `basePath` and `servers`.

use super::model::{Server, Strict, Text, Variable};
use crate::path::{Part, PathPattern, Piece, parts};

/// What comes before each path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Base {
    /// How it is shown in the names of routes.
    pub(super) name: String,
    /// What requests carry.
    pub(super) pattern: PathPattern,
}

impl Base {
    /// Of a `basePath`, which knows no parameters.
    pub(super) fn of_path(path: &str) -> Self {
        let path = path.trim().trim_matches('/');
        if path.is_empty() {
            return Self::default();
        }
        let name = format!("/{path}");
        Self { pattern: PathPattern::literal(&name), name }
    }

    /// Of a list of servers; an empty one says nothing. Several that differ are alternatives.
    pub(super) fn of_servers(servers: Option<&[Strict<Server<'_>>]>, otherwise: &Self) -> Self {
        let mut bases: Vec<Self> = Vec::new();
        for server in servers.unwrap_or_default() {
            let base = Self::of_server(&server.0);
            if !bases.iter().any(|known| known.pattern == base.pattern) {
                bases.push(base);
            }
        }
        if bases.len() < 2 {
            return bases.pop().unwrap_or_else(|| otherwise.clone());
        }
        let name = bases[0].name.clone();
        let mut pattern = PathPattern::default();
        pattern.push(Piece::Choice(bases.into_iter().map(|base| base.pattern).collect()));
        Self { name, pattern }
    }

    fn of_server(server: &Server<'_>) -> Self {
        let url = server.url.as_ref().map_or("", Text::as_str).trim();
        let variable = |name: &str| server.variables.as_ref()?.find(name).map(|variable| &variable.0);
        let url = with_host_known(url, variable);
        let path = path_of(&url);
        let path = path.split(['?', '#']).next().unwrap_or_default().trim_matches('/');
        if path.is_empty() {
            return Self::default();
        }
        let mut base = Self { name: "/".to_owned(), pattern: PathPattern::literal("/") };
        for part in parts(path) {
            match part {
                Part::Text(text) => {
                    base.name.push_str(text);
                    base.pattern.push_literal(text);
                }
                Part::Name(name) => base.push_variable(name, variable(name)),
            }
        }
        base
    }

    fn push_variable(&mut self, name: &str, variable: Option<&Variable<'_>>) {
        let default = variable.and_then(|variable| variable.default.as_ref()).map(Text::as_str);
        let choices = variable.and_then(|variable| variable.choices.as_deref()).unwrap_or_default();
        let trimmed = |text: &str| PathPattern::literal(text.trim_matches('/'));
        match (default, choices) {
            (None, []) => {
                self.name.extend(["{", name, "}"]);
                self.pattern.push(Piece::Parameter);
            }
            (Some(default), [] | [_]) => {
                self.name.push_str(default.trim_matches('/'));
                self.pattern.push_literal(default.trim_matches('/'));
            }
            (_, choices) => {
                let shown = default.unwrap_or_else(|| choices[0].as_str());
                self.name.push_str(shown.trim_matches('/'));
                let choices = choices.iter().map(|choice| trimmed(choice.as_str())).collect();
                self.pattern.push(Piece::Choice(choices));
            }
        }
    }
}

/// A URL may begin with a variable that holds scheme and host; then it is put in.
fn with_host_known<'v>(url: &str, variable: impl Fn(&str) -> Option<&'v Variable<'v>>) -> String {
    if let Some(rest) = url.strip_prefix('{')
        && let Some((name, after)) = rest.split_once('}')
        && let Some(default) = variable(name).and_then(|variable| variable.default.as_ref())
        && default.as_str().contains("//")
    {
        return format!("{}{after}", default.as_str());
    }
    url.to_owned()
}

/// What comes behind scheme and host.
fn path_of(url: &str) -> &str {
    let behind_scheme = match url.find("//") {
        // `https://host/path` and `//host/path`; a later `//` belongs to a path.
        Some(at) if at == 0 || url[..at].ends_with(':') => &url[at + 2..],
        _ => return url,
    };
    behind_scheme.find('/').map_or("", |at| &behind_scheme[at..])
}
