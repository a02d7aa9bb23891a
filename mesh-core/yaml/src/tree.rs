//! The span tree: what a document holds and where each part of it stands in the text.
//!
//! The scanner is much faster than a YAML library because it copies nothing and resolves a scalar only when asked. It knows the part
//! of YAML that manifests are written in, and says [`Error::Unsupported`] to everything else; what it accepts means what
//! [`from_str`](crate::from_str) reads.

mod anchors;
mod flow;
mod scalars;
mod scan;
mod text;

use std::{borrow::Cow, ops::Range};

use serde_json::{Map, Value};

use crate::{
    error::Error,
    scalar::{self, Scalar},
    view::{Emptied, Kind, View},
};

/// No node, or no position.
const NONE: u32 = u32::MAX;

/// How a node is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Style {
    /// Nothing is written where a value may stand.
    Empty,
    /// Text without quotes.
    Plain,
    /// `'text'`.
    SingleQuoted,
    /// `"text"`.
    DoubleQuoted,
    /// `|`.
    Literal,
    /// `>`.
    Folded,
    /// Lines of `key: value`.
    BlockMapping,
    /// Lines of `- item`.
    BlockSequence,
    /// `{key: value}`.
    FlowMapping,
    /// `[item]`.
    FlowSequence,
    /// `*name`.
    Alias,
}

/// One node as the scanner keeps it. Nodes lie in the order they are written, children behind their parent.
#[derive(Debug, Clone)]
struct Data {
    style: Style,
    key_style: Style,
    has_anchor: bool,
    /// Where the node's own text starts and ends, anchor and comments left out.
    start: u32,
    end: u32,
    /// The key's text with its quotes; of a block sequence's item, where the dash is.
    key_start: u32,
    key_end: u32,
    key_hash: u32,
    /// Column of a block collection's entries, of a block scalar's lines.
    column: u32,
    /// The next entry of the same parent.
    next: u32,
    /// First entry; an alias' target; where a block scalar's lines start.
    child: u32,
}

/// Memory of a tree, to be used for the next one.
#[derive(Debug, Default)]
pub struct Buffer {
    nodes: Vec<Data>,
    anchors: Vec<anchors::Anchor>,
    hashes: Vec<(u32, u32)>,
}

/// A scanned document.
#[derive(Debug)]
pub struct Tree<'t> {
    text: &'t str,
    buffer: Buffer,
    root: u32,
    /// Where the document's content may reach: before `...`, or the end of the text.
    limit: usize,
}

impl<'t> Tree<'t> {
    /// Scans one document.
    ///
    /// # Errors
    /// [`Error::Unsupported`] on anything that is not surely understood, malformed text included: the library then decides.
    pub fn parse(text: &'t str) -> Result<Self, Error> {
        Self::parse_in(text, Buffer::default())
    }

    /// Scans one document into memory that was used before.
    ///
    /// # Errors
    /// As [`parse`](Self::parse); the memory is lost with the error.
    pub fn parse_in(text: &'t str, buffer: Buffer) -> Result<Self, Error> {
        let (buffer, root, limit) = scan::scan(text, buffer)?;
        Ok(Self { text, buffer, root, limit })
    }

    /// The document's value.
    pub fn root(&self) -> Node<'_> {
        Node { tree: self, id: self.root }
    }

    /// The scanned text.
    pub fn text(&self) -> &'t str {
        self.text
    }

    /// Gives the memory back.
    pub fn into_buffer(self) -> Buffer {
        self.buffer
    }

    /// Whether any node has an anchor.
    pub fn has_anchors(&self) -> bool {
        !self.buffer.anchors.is_empty()
    }

    /// Where content may stand at most: before a closing `...`, else the whole text.
    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// Nodes that aliases stand for.
    pub(crate) fn alias_targets(&self) -> Vec<u32> {
        if !self.has_anchors() {
            return Vec::new();
        }
        let aliases = self.buffer.nodes.iter().filter(|data| data.style == Style::Alias);
        aliases.map(|data| data.child).collect()
    }

    fn data(&self, id: u32) -> &Data {
        &self.buffer.nodes[id as usize]
    }
}

/// A node of a [`Tree`].
#[derive(Debug, Clone, Copy)]
pub struct Node<'a> {
    tree: &'a Tree<'a>,
    id: u32,
}

impl<'a> Node<'a> {
    fn data(self) -> &'a Data {
        self.tree.data(self.id)
    }

    /// How the node is written; an alias is an [`Style::Alias`].
    pub fn style(self) -> Style {
        self.data().style
    }

    /// The bytes of the node's own text, without anchor, key and comments.
    pub fn span(self) -> Range<usize> {
        self.data().start as usize..self.data().end as usize
    }

    /// The bytes of the key this node stands under, with its quotes.
    pub fn key_span(self) -> Option<Range<usize>> {
        let data = self.data();
        (data.key_style != Style::Empty).then_some(data.key_start as usize..data.key_end as usize)
    }

    /// The key this node stands under.
    pub fn key(self) -> Option<Cow<'a, str>> {
        let data = self.data();
        (data.key_style != Style::Empty).then(|| {
            text::key(self.tree.text, data.key_start as usize, data.key_end as usize, data.key_style)
        })
    }

    /// Column (in bytes, from 0) of a block collection's entries.
    pub fn indent(self) -> usize {
        self.data().column as usize
    }

    /// Whether an anchor stands before the node.
    pub fn has_anchor(self) -> bool {
        self.data().has_anchor
    }

    /// Line of the node's start, from 1.
    pub fn line(self) -> usize {
        crate::position(self.tree.text, self.data().start as usize).0
    }

    /// The node itself, or what an alias stands for.
    #[must_use]
    pub fn resolved(self) -> Self {
        match self.data().style {
            Style::Alias => Self { id: self.data().child, ..self },
            _ => self,
        }
    }

    /// Number of the node; children follow their parent.
    pub(crate) fn id(self) -> u32 {
        self.id
    }

    /// Where the entry starts: its key, or its dash.
    pub(crate) fn entry_start(self) -> usize {
        self.data().key_start as usize
    }

    /// Whether blank lines behind a block scalar are or would become part of its text.
    pub(crate) fn takes_blank_lines(self) -> bool {
        let data = self.data();
        let header = &self.tree.text[data.start as usize..data.child as usize];
        let lines = &self.tree.text[data.child as usize..(data.end as usize).max(data.child as usize)];
        header.split([' ', '#']).next().is_some_and(|header| header.contains('+')) || lines.trim().is_empty()
    }

    /// Entries as they are written, aliases not followed.
    pub(crate) fn children(self) -> Children<'a> {
        let data = self.data();
        let is_collection = matches!(
            data.style,
            Style::BlockMapping | Style::BlockSequence | Style::FlowMapping | Style::FlowSequence
        );
        Children { tree: self.tree, next: if is_collection { data.child } else { NONE } }
    }

    fn source(self) -> &'a str {
        &self.tree.text[self.span()]
    }

    fn scalar(self) -> Scalar {
        match self.data().style {
            Style::Empty => Scalar::Null,
            Style::Plain => scalar::resolve(self.source()),
            _ => Scalar::String,
        }
    }

    fn text(self) -> Cow<'a, str> {
        let data = self.data();
        match data.style {
            Style::Plain => text::plain(self.source()),
            Style::SingleQuoted => text::single(self.source()),
            // The scanner has decoded it once before.
            Style::DoubleQuoted => text::double(self.source()).unwrap_or_default(),
            Style::Literal | Style::Folded => text::block(
                self.tree.text,
                data.start as usize,
                data.child as usize,
                data.end as usize,
                data.column as usize,
            ),
            _ => Cow::Borrowed(""),
        }
    }
}

impl<'a> View<'a> for Node<'a> {
    type Entries = Entries<'a>;
    type Items = Items<'a>;

    fn kind(self) -> Kind {
        let node = self.resolved();
        match node.data().style {
            Style::BlockMapping | Style::FlowMapping => Kind::Mapping,
            Style::BlockSequence | Style::FlowSequence => Kind::Sequence,
            _ => match node.scalar() {
                Scalar::Null => Kind::Null,
                Scalar::Bool(_) => Kind::Bool,
                Scalar::Number(_) | Scalar::NonFinite => Kind::Number,
                Scalar::String => Kind::String,
            },
        }
    }

    fn get(self, key: &str) -> Option<Self> {
        let node = self.resolved();
        if !matches!(node.data().style, Style::BlockMapping | Style::FlowMapping) {
            return None;
        }
        let hash = text::hash(key.as_bytes());
        node.children().find(|child| child.data().key_hash == hash && child.key().as_deref() == Some(key))
    }

    fn entries(self) -> Entries<'a> {
        let node = self.resolved();
        let is_mapping = matches!(node.data().style, Style::BlockMapping | Style::FlowMapping);
        let none = Children { tree: self.tree, next: NONE };
        Entries(if is_mapping { node.children() } else { none })
    }

    fn items(self) -> Items<'a> {
        let node = self.resolved();
        let is_sequence = matches!(node.data().style, Style::BlockSequence | Style::FlowSequence);
        let none = Children { tree: self.tree, next: NONE };
        Items(if is_sequence { node.children() } else { none })
    }

    fn as_str(self) -> Option<Cow<'a, str>> {
        let node = self.resolved();
        let is_scalar = !matches!(node.kind(), Kind::Mapping | Kind::Sequence);
        (is_scalar && node.scalar() == Scalar::String).then(|| node.text())
    }

    fn written(self) -> Option<Cow<'a, str>> {
        let span = self.span();
        match self.style() {
            Style::Alias => Some(Cow::Borrowed(self.source())),
            Style::Plain if self.kind() == Kind::Null => {
                let line = self.tree.text[span.start..].lines().next().unwrap_or_default().trim_end();
                let is_commented = line[span.len()..].trim_start().starts_with('#');
                Some(Cow::Borrowed(if is_commented { line } else { self.source() }))
            }
            _ => None,
        }
    }

    fn emptied(self) -> Emptied {
        let source = self.source().as_bytes();
        match self.data().style {
            Style::FlowMapping | Style::FlowSequence if source.get(1) == Some(&b' ') && self.count() > 0 => {
                Emptied::Null
            }
            Style::FlowMapping | Style::FlowSequence => Emptied::Keep,
            _ => Emptied::Remove,
        }
    }

    fn to_value(self) -> Value {
        let node = self.resolved();
        match node.data().style {
            Style::BlockMapping | Style::FlowMapping => Value::Object(
                node.entries()
                    .map(|(key, value)| (key.into_owned(), value.to_value()))
                    .collect::<Map<_, _>>(),
            ),
            Style::BlockSequence | Style::FlowSequence => {
                Value::Array(node.items().map(View::to_value).collect())
            }
            _ => node.scalar().into_value(node.text()).unwrap_or(Value::Null),
        }
    }
}

/// The written entries of a collection.
#[derive(Debug, Clone)]
pub(crate) struct Children<'a> {
    tree: &'a Tree<'a>,
    next: u32,
}

impl<'a> Iterator for Children<'a> {
    type Item = Node<'a>;

    fn next(&mut self) -> Option<Node<'a>> {
        if self.next == NONE {
            return None;
        }
        let node = Node { tree: self.tree, id: self.next };
        self.next = node.data().next;
        Some(node)
    }
}

/// Keys and values of a mapping.
#[derive(Debug, Clone)]
pub struct Entries<'a>(Children<'a>);

impl<'a> Iterator for Entries<'a> {
    type Item = (Cow<'a, str>, Node<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let node = self.0.next()?;
        Some((node.key().unwrap_or_default(), node))
    }
}

/// Items of a sequence.
#[derive(Debug, Clone)]
pub struct Items<'a>(Children<'a>);

impl<'a> Iterator for Items<'a> {
    type Item = Node<'a>;

    fn next(&mut self) -> Option<Node<'a>> {
        self.0.next()
    }
}
