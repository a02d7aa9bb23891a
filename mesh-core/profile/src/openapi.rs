//! Swagger 2.0 and OpenAPI 3, JSON or YAML, as operations.
//!
//! One model serves all versions, for routes need only what they share: paths, methods, statuses. It borrows from
//! the text and skips what it does not need, so that a JSON document costs little more than its own size.
//!
//! Rules, next to those of the specifications:
//! * Paths come in alphabetical order, methods as DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT, TRACE.
//! * `basePath` or the path of the `servers` leads each path. Servers of a path or an operation win over those of
//!   the document. Several servers with different paths are alternatives in the regular expression; the route is
//!   named by the first. A variable stands for its `enum`, else its `default`.
//! * `x-linkerd-retryable` and `x-linkerd-timeout` count for an operation, and as defaults on a path and on the
//!   whole document.
//! * `2XX` is a range of statuses; `default` is not a class of its own.
//! * A query or fragment in a path is cut off: a route sees the path alone.

mod explain;
mod model;
mod references;
mod servers;

use std::cell::OnceCell;

use mesh_core::profile::{InvalidDuration, StatusRange, WrittenDuration};
use serde::Deserialize;
use serde_json::Value;

use crate::error::{Error, text};
use crate::operation::{Operation, Operations};
use crate::path::PathPattern;
use model::{Document, Method, PathItem, Strict, Text};
use references::References;
use servers::Base;

/// Reads a document. `file` names it in errors.
///
/// # Errors
/// Text that is neither JSON nor YAML, a field of the wrong type, references in a circle or to other documents,
/// no operations.
pub fn read(file: &str, document: &[u8]) -> Result<Operations, Error> {
    let source = text(file, document)?;
    let whole = OnceCell::new();
    let json_error = match serde_json::from_str::<Strict<Document<'_>>>(source) {
        Ok(document) => return Reader::new(file, source, &document.0, &whole)?.read(),
        Err(error) => error,
    };
    if source.trim_start().starts_with('{') && json_error.is_data() {
        return Err(explain::wrong_field(file, source, &json_error));
    }
    let value = match mesh_yaml::from_str(source) {
        Ok(value) => value,
        // A text in braces was meant as JSON; what its reader has to say is more to the point.
        Err(_) if source.trim_start().starts_with('{') => return Err(explain::syntax(file, &json_error)),
        Err(error) => return Err(explain::yaml(file, error)),
    };
    let value = whole.get_or_init(|| value);
    let document = Strict::<Document<'_>>::deserialize(value)
        .map_err(|error| explain::wrong_value(file, value, &error))?;
    Reader::new(file, source, &document.0, &whole)?.read()
}

/// What an operation inherits from its path and its document.
#[derive(Clone, Default)]
struct Defaults {
    base: Base,
    retryable: bool,
    timeout: Option<WrittenDuration>,
}

struct Reader<'a, 'd> {
    file: &'a str,
    document: &'d Document<'a>,
    references: References<'a, 'd>,
    defaults: Defaults,
    out: Operations,
}

impl<'a, 'd> Reader<'a, 'd> {
    fn new(
        file: &'a str,
        source: &'a str,
        document: &'d Document<'a>,
        whole: &'a OnceCell<Value>,
    ) -> Result<Self, Error> {
        let mut out = Operations::default();
        let version = version(document);
        match version {
            Version::Swagger2 | Version::OpenApi3 => {}
            Version::Missing => out.warnings.push(format!(
                "{file}: neither `swagger` nor `openapi` says which version this is; reading it as Swagger 2.0"
            )),
            Version::Other(name, found) => {
                let cause = format!("version {found} is not supported; 2.0, 3.0 and 3.1 are");
                return Err(Error::Field { file: file.to_owned(), field: name.to_owned(), cause });
            }
        }
        let base = match version {
            Version::OpenApi3 => Base::of_servers(document.servers.as_deref(), &Base::default()),
            _ => Base::of_path(document.base_path.as_ref().map_or("", Text::as_str)),
        };
        let timeout = timeout(file, "x-linkerd-timeout", document.timeout.as_ref())?;
        let defaults = Defaults { base, retryable: document.retryable.unwrap_or(false), timeout };
        let references = References::new(file, source, document, whole);
        Ok(Self { file, document, references, defaults, out })
    }

    fn read(mut self) -> Result<Operations, Error> {
        let document = self.document;
        let entries = document.paths.as_ref().map_or(&[][..], |paths| paths.0.as_slice());
        for (path, item) in entries {
            if let Some(item) = item {
                self.path(path.as_str(), &item.0)?;
            }
        }
        if self.out.operations.is_empty() {
            return Err(Error::Empty { file: self.file.to_owned(), what: "operations" });
        }
        Ok(self.out)
    }

    fn path(&mut self, path: &str, item: &'d PathItem<'a>) -> Result<(), Error> {
        let at = format!("paths[{path:?}]");
        let items = self.references.items(&at, item)?;
        let mut defaults = self.defaults.clone();
        // Innermost last: what stands beside a reference wins over what the reference leads to.
        for item in items.iter().rev() {
            defaults =
                self.inherit(&at, &defaults, item.servers.as_deref(), item.retryable, item.timeout.as_ref())?;
        }
        let (pattern, shown) = self.pattern(path)?;
        for method in Method::ALL {
            let Some(operation) = items.iter().find_map(|item| item.operation(method)) else { continue };
            let at = format!("{at}.{}", method.key());
            let defaults = self.inherit(
                &at,
                &defaults,
                operation.servers.as_deref(),
                operation.retryable,
                operation.timeout.as_ref(),
            )?;
            let statuses = self.statuses(&at, operation)?;
            self.out.operations.push(Operation {
                name: format!("{} {}{shown}", method.name(), defaults.base.name),
                method: method.name(),
                path: defaults.base.pattern.clone().then(&pattern),
                rpc: None,
                statuses,
                retryable: defaults.retryable,
                timeout: defaults.timeout,
            });
        }
        Ok(())
    }

    fn inherit(
        &self,
        at: &str,
        defaults: &Defaults,
        servers: Option<&[Strict<model::Server<'_>>]>,
        retryable: Option<bool>,
        own_timeout: Option<&Text<'_>>,
    ) -> Result<Defaults, Error> {
        let base = match (servers, version(self.document)) {
            (Some(servers), Version::OpenApi3) => Base::of_servers(Some(servers), &defaults.base),
            _ => defaults.base.clone(),
        };
        let timeout = match own_timeout {
            Some(_) => timeout(self.file, &format!("{at}.x-linkerd-timeout"), own_timeout)?,
            None => defaults.timeout.clone(),
        };
        Ok(Defaults { base, retryable: retryable.unwrap_or(defaults.retryable), timeout })
    }

    /// The pattern of a path, and how it is shown in the route's name.
    fn pattern(&mut self, path: &str) -> Result<(PathPattern, String), Error> {
        if path.chars().any(char::is_control) {
            let cause = "a path cannot hold control characters".to_owned();
            return Err(Error::Field {
                file: self.file.to_owned(),
                field: format!("paths[{path:?}]"),
                cause,
            });
        }
        let shown = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        let cut = outside_braces(&shown, |character| matches!(character, '?' | '#')).unwrap_or(shown.len());
        if cut < shown.len() {
            let rest = &shown[cut..];
            self.out.warnings.push(format!(
                "{}: path {path:?}: a route sees no query or fragment; {rest:?} is left out of its condition",
                self.file
            ));
        }
        Ok((PathPattern::template(&shown[..cut]), shown))
    }

    fn statuses(&mut self, at: &str, operation: &model::Operation<'_>) -> Result<Vec<StatusRange>, Error> {
        let mut statuses = Vec::new();
        let entries = operation.responses.as_ref().map_or(&[][..], |responses| responses.0.as_slice());
        for (code, response) in entries {
            if let Some(reference) = response.as_ref().and_then(|response| response.0.reference.as_ref()) {
                let at = || format!("{at}.responses[{:?}]", code.as_str());
                self.references.check_response(at, reference.as_str(), &mut self.out.warnings)?;
            }
            match status(code.as_str()) {
                Some(range) => statuses.push(range),
                None if code.as_str() == "default" => {}
                None => self.out.warnings.push(format!(
                    "{}: {at}.responses: {:?} is not a status from 100 to 599 or a range such as 5XX; it is left out",
                    self.file,
                    code.as_str()
                )),
            }
        }
        statuses.sort_unstable();
        statuses.dedup();
        Ok(statuses)
    }
}

#[derive(Clone, Copy)]
enum Version<'d> {
    Swagger2,
    OpenApi3,
    Missing,
    Other(&'static str, &'d str),
}

fn version<'d>(document: &'d Document<'_>) -> Version<'d> {
    let major = |text: &str| text.split('.').next().unwrap_or_default().to_owned();
    match (&document.openapi, &document.swagger) {
        (Some(found), _) if major(found.as_str()) == "3" => Version::OpenApi3,
        (Some(found), _) => Version::Other("openapi", found.as_str()),
        (None, Some(found)) if major(found.as_str()) == "2" => Version::Swagger2,
        (None, Some(found)) => Version::Other("swagger", found.as_str()),
        (None, None) => Version::Missing,
    }
}

fn timeout(file: &str, field: &str, text: Option<&Text<'_>>) -> Result<Option<WrittenDuration>, Error> {
    let Some(text) = text else { return Ok(None) };
    let wrong = |cause| Error::Field { file: file.to_owned(), field: field.to_owned(), cause };
    text.as_str().parse().map(Some).map_err(|error: InvalidDuration| wrong(error.to_string()))
}

/// `404`, or `4XX` for all from 400 to 499.
fn status(code: &str) -> Option<StatusRange> {
    let bytes: [u8; 3] = code.as_bytes().try_into().ok()?;
    if bytes[0].is_ascii_digit() && bytes[1..].eq_ignore_ascii_case(b"xx") {
        let first = u16::from(bytes[0] - b'0') * 100;
        return (100..=500).contains(&first).then(|| StatusRange::new(first, first + 99));
    }
    if !bytes.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let status = code.parse().ok().filter(|status| (100..=599).contains(status))?;
    Some(StatusRange::new(status, status))
}

/// The first character outside `{name}`s for which this holds.
fn outside_braces(text: &str, wanted: impl Fn(char) -> bool) -> Option<usize> {
    let mut at = 0;
    for part in crate::path::parts(text) {
        match part {
            crate::path::Part::Text(text) => {
                if let Some(found) = text.find(&wanted) {
                    return Some(at + found);
                }
                at += text.len();
            }
            crate::path::Part::Name(name) => at += name.len() + 2,
        }
    }
    None
}
