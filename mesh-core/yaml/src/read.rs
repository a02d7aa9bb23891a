//! Reading: events of the YAML library's parser turned into values as Kubernetes reads them.
//!
//! The library's own reading for unknown types cannot tell a plain key from a quoted one, so keys such as `on` would not read as
//! Kubernetes reads them; the parser beneath it says which is which.

use std::{borrow::Cow, collections::HashMap};

use granit_parser::{Event, Marker, Parser, ScalarStyle, Span, StrInput, Tag};
use serde_json::{Map, Value, map::Entry};

use crate::{
    error::Error,
    scalar::{self, Scalar},
};

/// Deepest nesting that is read, aliases included; what JSON readers accept.
pub const MAX_DEPTH: usize = 127;
/// Most nodes that aliases may add to one document.
pub const MAX_ALIAS_NODES: usize = 1_000_000;
/// Most bytes of text that aliases may add to one document.
pub const MAX_ALIAS_BYTES: usize = 64 << 20;

/// Reads one document; an empty text is `null`.
///
/// # Errors
/// On text that is no YAML, on more than one document, on duplicate keys, and on what JSON cannot hold.
pub fn from_str(text: &str) -> Result<Value, Error> {
    let mut reader = Reader::new(text)?;
    let first = reader.document()?.unwrap_or(Value::Null);
    match reader.document()? {
        None => Ok(first),
        Some(_) => Err(invalid(&reader.mark, "more than one document where one was expected")),
    }
}

/// Reads every document of a stream, leaving out empty ones.
///
/// # Errors
/// As [`from_str`], at the first document that does not read.
pub fn from_stream(text: &str) -> Result<Vec<Value>, Error> {
    let mut reader = Reader::new(text)?;
    let mut documents = Vec::new();
    while let Some(document) = reader.document()? {
        if !document.is_null() {
            documents.push(document);
        }
    }
    Ok(documents)
}

/// An anchored value with what it costs to use again.
struct Anchor {
    value: Value,
    cost: Cost,
    height: usize,
}

/// What a value weighs.
#[derive(Clone, Copy, Default)]
struct Cost {
    nodes: usize,
    bytes: usize,
}

/// A value just read.
struct Read {
    value: Value,
    height: usize,
}

struct Reader<'a> {
    parser: Parser<'a, StrInput<'a>>,
    anchors: HashMap<usize, Anchor>,
    spent: Cost,
    mark: Marker,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str) -> Result<Self, Error> {
        if let Some(at) = memchr::memchr(0, text.as_bytes()) {
            let (line, column) = crate::position(text, at);
            return Err(Error::Invalid { line, column, reason: "NUL byte".to_owned() });
        }
        let options = granit_parser::options! {
            emit_comments: false,
            block_scalar_eof_without_line_feed: true,
            flow_nesting_limit: MAX_DEPTH + 1,
            block_nesting_limit: MAX_DEPTH + 1,
        };
        Ok(Self {
            parser: Parser::new_from_str_with_options(text, options),
            anchors: HashMap::new(),
            spent: Cost::default(),
            mark: Marker::default(),
        })
    }

    fn next(&mut self) -> Result<(Event<'a>, Span), Error> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => {
                self.mark = span.start;
                Ok((event, span))
            }
            Some(Err(error)) => Err(invalid(error.marker(), &error.info())),
            None => Ok((Event::StreamEnd, Span::empty(self.mark))),
        }
    }

    fn document(&mut self) -> Result<Option<Value>, Error> {
        loop {
            match self.next()?.0 {
                Event::StreamEnd => return Ok(None),
                Event::DocumentStart(..) => break,
                _ => {}
            }
        }
        self.anchors.clear();
        self.spent = Cost::default();
        let event = self.next()?.0;
        let read = self.node(event, 0)?;
        Ok(Some(read.value))
    }

    fn node(&mut self, event: Event<'a>, depth: usize) -> Result<Read, Error> {
        let mark = self.mark;
        if depth > MAX_DEPTH {
            return Err(limit(&mark, "nested too deep"));
        }
        let (read, anchor) = match event {
            Event::Alias(id) => return self.alias(id, depth),
            Event::Scalar(text, style, anchor, tag) => {
                let value = typed(text, style, tag.as_deref()).map_err(|reason| invalid(&mark, reason))?;
                (Read { value, height: 0 }, anchor)
            }
            Event::SequenceStart(_, anchor, _) => (self.sequence(depth)?, anchor),
            Event::MappingStart(_, anchor, _) => (self.mapping(depth)?, anchor),
            _ => return Err(invalid(&mark, "a value was expected")),
        };
        if anchor != 0 {
            let cost = cost(&read.value);
            self.spend(cost, &mark)?;
            let kept = Anchor { value: read.value.clone(), cost, height: read.height };
            self.anchors.insert(anchor, kept);
        }
        Ok(read)
    }

    fn alias(&mut self, id: usize, depth: usize) -> Result<Read, Error> {
        let mark = self.mark;
        let Some(anchor) = self.anchors.get(&id) else {
            return Err(invalid(&mark, "alias to a node that contains it"));
        };
        let (cost, height) = (anchor.cost, anchor.height);
        if depth + height > MAX_DEPTH {
            return Err(limit(&mark, "nested too deep through aliases"));
        }
        self.spend(cost, &mark)?;
        Ok(Read { value: self.anchors[&id].value.clone(), height })
    }

    fn spend(&mut self, cost: Cost, mark: &Marker) -> Result<(), Error> {
        self.spent.nodes = self.spent.nodes.saturating_add(cost.nodes);
        self.spent.bytes = self.spent.bytes.saturating_add(cost.bytes);
        if self.spent.nodes > MAX_ALIAS_NODES || self.spent.bytes > MAX_ALIAS_BYTES {
            return Err(limit(mark, "aliases expand to too much"));
        }
        Ok(())
    }

    fn sequence(&mut self, depth: usize) -> Result<Read, Error> {
        let mut items = Vec::new();
        let mut height = 0;
        loop {
            let event = self.next()?.0;
            if event == Event::SequenceEnd {
                return Ok(Read { value: Value::Array(items), height: height + 1 });
            }
            let item = self.node(event, depth + 1)?;
            height = height.max(item.height);
            items.push(item.value);
        }
    }

    fn mapping(&mut self, depth: usize) -> Result<Read, Error> {
        let mut entries = Entries::default();
        let mut height = 0;
        loop {
            let event = self.next()?.0;
            let mark = self.mark;
            let key = match event {
                Event::MappingEnd => {
                    return Ok(Read { value: Value::Object(entries.map), height: height + 1 });
                }
                event => self.key(event, &mark)?,
            };
            let event = self.next()?.0;
            let value = self.node(event, depth + 1)?;
            match key {
                Some(key) => {
                    height = height.max(value.height);
                    entries.add(key, value.value).map_err(|reason| invalid(&mark, &reason))?;
                }
                None => {
                    height = height.max(value.height.saturating_sub(1));
                    entries.merge(value.value).map_err(|reason| invalid(&mark, reason))?;
                }
            }
        }
    }

    /// The key as text; `None` for a merge key.
    fn key(&mut self, event: Event<'a>, mark: &Marker) -> Result<Option<String>, Error> {
        let null = || invalid(mark, "a key must not be null");
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let is_merge = match tag.as_deref() {
                    None => style == ScalarStyle::Plain,
                    Some(tag) => tag.suffix_in_namespace("tag:yaml.org,2002:").as_deref() == Some("merge"),
                };
                if text == "<<" && is_merge {
                    return Ok(None);
                }
                let value = typed(text.clone(), style, tag.as_deref());
                let key = match (&tag, style) {
                    (None, ScalarStyle::Plain) => Some(scalar::key(&text).ok_or_else(null)?.into_owned()),
                    _ => None,
                };
                let value = match (value, &key) {
                    (Ok(value), _) => value,
                    // An infinite key is text all the same.
                    (Err(_), Some(key)) => Value::String(key.clone()),
                    (Err(reason), None) => return Err(invalid(mark, reason)),
                };
                let key = match key {
                    Some(key) => key,
                    None => text_key(&value).ok_or_else(null)?,
                };
                if anchor != 0 {
                    let cost = cost(&value);
                    self.spend(cost, mark)?;
                    self.anchors.insert(anchor, Anchor { value, cost, height: 0 });
                }
                Ok(Some(key))
            }
            Event::Alias(id) => {
                let value = self.alias(id, 0)?.value;
                text_key(&value).map(Some).ok_or_else(|| invalid(mark, "a key must be a scalar"))
            }
            _ => Err(invalid(mark, "a key must be a scalar")),
        }
    }
}

/// The entries of one mapping while it is read.
#[derive(Default)]
struct Entries {
    map: Map<String, Value>,
    /// Keys that came from a merge only, and may be given again.
    merged: Vec<String>,
    has_merge: bool,
}

impl Entries {
    fn add(&mut self, key: String, value: Value) -> Result<(), String> {
        let is_merged = self.has_merge && self.merged.contains(&key);
        match self.map.entry(key) {
            Entry::Vacant(entry) => {
                entry.insert(value);
            }
            Entry::Occupied(mut entry) if is_merged => {
                self.merged.retain(|merged| merged != entry.key());
                entry.insert(value);
            }
            Entry::Occupied(entry) => return Err(format!("duplicate key {:?}", entry.key())),
        }
        Ok(())
    }

    /// Takes in `<<`. Kubernetes' reader sets entries in the order they are written, so what stands last wins.
    fn merge(&mut self, value: Value) -> Result<(), &'static str> {
        const SHAPE: &str = "a merge key takes a mapping or a list of mappings";
        let sources = match value {
            Value::Object(map) => vec![map],
            Value::Array(items) => items
                .into_iter()
                // Of a list the first has precedence.
                .rev()
                .map(|item| match item {
                    Value::Object(map) => Ok(map),
                    _ => Err(SHAPE),
                })
                .collect::<Result<_, _>>()?,
            _ => return Err(SHAPE),
        };
        self.has_merge = true;
        for (key, value) in sources.into_iter().flatten() {
            if !self.map.contains_key(&key) {
                self.merged.push(key.clone());
            }
            self.map.insert(key, value);
        }
        Ok(())
    }
}

/// A scalar's value under its style and tag.
fn typed(text: Cow<'_, str>, style: ScalarStyle, tag: Option<&Tag>) -> Result<Value, &'static str> {
    const NON_FINITE: &str = "infinite and not-a-number values have no place in a manifest";
    let core = tag.and_then(|tag| tag.suffix_in_namespace("tag:yaml.org,2002:"));
    let core = core.as_deref();
    let meaning = match (tag, core) {
        (None, _) if style == ScalarStyle::Plain => scalar::resolve(&text),
        (None, _) => Scalar::String,
        (_, Some("binary")) => return Err("!!binary is not supported; give the text in base64"),
        (_, Some(kind @ ("null" | "bool" | "int" | "float"))) => {
            let meaning = scalar::resolve(&text);
            match (&meaning, kind) {
                (Scalar::Null, "null") | (Scalar::Bool(_), "bool") | (Scalar::NonFinite, "float") => {}
                (Scalar::Number(number), "int") if !number.is_f64() => {}
                (Scalar::Number(_), "float") => {}
                _ => return Err("the value is not what its tag says"),
            }
            meaning
        }
        _ => Scalar::String,
    };
    meaning.into_value(text).ok_or(NON_FINITE)
}

fn text_key(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn cost(value: &Value) -> Cost {
    let mut total = Cost { nodes: 1, bytes: 0 };
    let mut add = |cost: Cost| {
        total.nodes += cost.nodes;
        total.bytes += cost.bytes;
    };
    match value {
        Value::String(text) => add(Cost { nodes: 0, bytes: text.len() }),
        Value::Array(items) => items.iter().for_each(|item| add(cost(item))),
        Value::Object(map) => map.iter().for_each(|(key, value)| {
            add(Cost { nodes: 0, bytes: key.len() });
            add(cost(value));
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
    total
}

fn invalid(mark: &Marker, reason: &str) -> Error {
    Error::Invalid { line: mark.line().max(1), column: mark.col() + 1, reason: reason.to_owned() }
}

fn limit(mark: &Marker, reason: &str) -> Error {
    Error::Limit { line: mark.line().max(1), reason: reason.to_owned() }
}
