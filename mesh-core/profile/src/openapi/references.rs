//! `$ref`: followed within the document, never out of it and never in a circle.

use std::cell::OnceCell;
use std::collections::HashSet;

use serde::Deserialize;
use serde_json::Value;

use super::model::{Document, PathItem, Response, Strict};
use crate::error::Error;

/// A chain of references longer than this is refused.
const LONGEST: usize = 64;

/// The parts of a document that references lead to.
pub(super) struct References<'a, 'd> {
    file: &'a str,
    source: &'a str,
    document: &'d Document<'a>,
    /// The document as a value, for references to unusual places; read when the first is met.
    whole: &'a OnceCell<Value>,
    /// Responses known to be there.
    sound: HashSet<String>,
}

/// A path item in the model, or one that was read for a reference to an unusual place.
pub(super) enum Item<'a, 'd> {
    Model(&'d PathItem<'a>),
    Read(Box<PathItem<'a>>),
}

impl<'a> std::ops::Deref for Item<'a, '_> {
    type Target = PathItem<'a>;

    fn deref(&self) -> &PathItem<'a> {
        match self {
            Self::Model(item) => item,
            Self::Read(item) => item,
        }
    }
}

impl<'a, 'd> References<'a, 'd> {
    pub(super) fn new(
        file: &'a str,
        source: &'a str,
        document: &'d Document<'a>,
        whole: &'a OnceCell<Value>,
    ) -> Self {
        Self { file, source, document, whole, sound: HashSet::new() }
    }

    /// A path item and those it refers to, nearest first.
    pub(super) fn items(&self, at: &str, first: &'d PathItem<'a>) -> Result<Vec<Item<'a, 'd>>, Error> {
        let mut items = vec![Item::Model(first)];
        let mut chain: Vec<String> = Vec::new();
        while let Some(reference) = items.last().and_then(|item| item.reference.as_ref()) {
            let reference = reference.as_str().to_owned();
            self.advance(at, &mut chain, &reference)?;
            let item = self.item(at, &reference)?;
            items.push(item);
        }
        Ok(items)
    }

    /// Makes sure that a reference to a response leads to one. The status is known without it, so one to another
    /// document is but worth a warning.
    pub(super) fn check_response(
        &mut self,
        at: impl Fn() -> String,
        reference: &str,
        warnings: &mut Vec<String>,
    ) -> Result<(), Error> {
        if self.sound.contains(reference) {
            return Ok(());
        }
        let mut chain: Vec<String> = Vec::new();
        let mut next = Some(reference.to_owned());
        while let Some(reference) = next {
            if !reference.starts_with('#') {
                let external =
                    Error::ExternalReference { file: self.file.to_owned(), field: at(), reference };
                warnings.push(format!("{external}; the status is known without it"));
                break;
            }
            self.advance(&at(), &mut chain, &reference)?;
            next = self.response(&at(), &reference)?;
        }
        self.sound.insert(reference.to_owned());
        Ok(())
    }

    /// Takes a step, unless it leads back or too far.
    fn advance(&self, at: &str, chain: &mut Vec<String>, reference: &str) -> Result<(), Error> {
        let circle = chain.iter().any(|before| before == reference);
        chain.push(reference.to_owned());
        if circle {
            return Err(Error::CyclicReference {
                file: self.file.to_owned(),
                field: at.to_owned(),
                chain: std::mem::take(chain),
            });
        }
        if chain.len() > LONGEST {
            return Err(self.wrong(at, format!("more than {LONGEST} $ref lead from one to the next")));
        }
        Ok(())
    }

    fn item(&self, at: &str, reference: &str) -> Result<Item<'a, 'd>, Error> {
        let pointer = self.pointer(at, reference)?;
        let components = self.document.components.as_ref();
        let section = match pointer.as_slice() {
            [one, name] if one == "paths" => self.document.paths.as_ref().zip(Some(name)),
            [one, two, name] if one == "components" && two == "pathItems" => {
                components.and_then(|components| components.0.path_items.as_ref()).zip(Some(name))
            }
            _ => None,
        };
        if let Some(item) = section.and_then(|(section, name)| section.find(name)) {
            return Ok(Item::Model(&item.0));
        }
        let value = self.anywhere(at, reference, &pointer)?;
        let item = Strict::<PathItem<'a>>::deserialize(value)
            .map_err(|error| self.wrong(at, format!("$ref \"{reference}\": {error}")))?;
        Ok(Item::Read(Box::new(item.0)))
    }

    /// The reference that stands in a response, if it is but one.
    fn response(&self, at: &str, reference: &str) -> Result<Option<String>, Error> {
        let pointer = self.pointer(at, reference)?;
        let components = self.document.components.as_ref();
        let section = match pointer.as_slice() {
            [one, name] if one == "responses" => self.document.responses.as_ref().zip(Some(name)),
            [one, two, name] if one == "components" && two == "responses" => {
                components.and_then(|components| components.0.responses.as_ref()).zip(Some(name))
            }
            _ => None,
        };
        let owned =
            |response: &Response<'_>| response.reference.as_ref().map(|next| next.as_str().to_owned());
        if let Some(response) = section.and_then(|(section, name)| section.find(name)) {
            return Ok(owned(&response.0));
        }
        let value = self.anywhere(at, reference, &pointer)?;
        let response = Strict::<Response<'a>>::deserialize(value)
            .map_err(|error| self.wrong(at, format!("$ref \"{reference}\": {error}")))?;
        Ok(owned(&response.0))
    }

    /// The steps of a reference within this document.
    fn pointer(&self, at: &str, reference: &str) -> Result<Vec<String>, Error> {
        let Some(fragment) = reference.strip_prefix('#') else {
            let (file, field) = (self.file.to_owned(), at.to_owned());
            return Err(Error::ExternalReference { file, field, reference: reference.to_owned() });
        };
        let dangling = || self.dangling(at, reference);
        let steps = fragment.strip_prefix('/').ok_or_else(dangling)?;
        let decoded = percent_decoded(steps).ok_or_else(dangling)?;
        Ok(decoded.split('/').map(|step| step.replace("~1", "/").replace("~0", "~")).collect())
    }

    fn anywhere(&self, at: &str, reference: &str, pointer: &[String]) -> Result<&'a Value, Error> {
        let mut value = self.whole()?;
        for step in pointer {
            let next = match value {
                Value::Object(fields) => fields.get(step),
                Value::Array(values) => step.parse().ok().and_then(|index: usize| values.get(index)),
                _ => None,
            };
            value = next.ok_or_else(|| self.dangling(at, reference))?;
        }
        Ok(value)
    }

    fn whole(&self) -> Result<&'a Value, Error> {
        if let Some(value) = self.whole.get() {
            return Ok(value);
        }
        let value =
            serde_json::from_str(self.source).map_err(|error| super::explain::syntax(self.file, &error))?;
        Ok(self.whole.get_or_init(|| value))
    }

    fn dangling(&self, at: &str, reference: &str) -> Error {
        Error::DanglingReference {
            file: self.file.to_owned(),
            field: at.to_owned(),
            reference: reference.to_owned(),
        }
    }

    fn wrong(&self, at: &str, cause: String) -> Error {
        Error::Field { file: self.file.to_owned(), field: at.to_owned(), cause }
    }
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        if first == b'%' {
            let digits = std::str::from_utf8(after.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &after[2..];
        } else {
            bytes.push(first);
            rest = after;
        }
    }
    String::from_utf8(bytes).ok()
}
