//! From an overlay to edits of the text.

use std::cmp::Reverse;

use memchr::{memchr, memrchr};
use serde_json::Value;

use crate::{
    tree::{Node, Style, Tree},
    view::View,
};

use super::{
    emit::{Emitter, Layout, Strings, json, json_string},
    overlay::{Patch, Slot},
};

/// Why the text cannot be edited.
type Fit<T> = Result<T, &'static str>;

/// How many nodes are looked at to learn how a document is indented.
const STYLE_SAMPLE: usize = 256;

/// A new entry: under a key, or in a list.
type New<'v> = (Option<&'v str>, &'v Value);

/// One replacement in the text.
#[derive(Debug)]
struct Edit {
    start: usize,
    end: usize,
    text: String,
    /// Of insertions at one place the one indented most comes first.
    column: usize,
}

/// Where a node stands.
#[derive(Debug, Clone, Copy)]
enum Place {
    Root,
    /// In a block collection whose entries are at this column.
    Block(usize),
    Flow,
}

/// The edits of one document.
pub(super) struct Plan<'a> {
    tree: &'a Tree<'a>,
    text: &'a str,
    edits: Vec<Edit>,
    /// Nodes that aliases stand for.
    targets: Vec<u32>,
    layout: Option<Layout>,
    is_crlf: bool,
    /// Whether what is written so far ends without a line break at the end of the text.
    is_open: bool,
    wrote_blocks: bool,
    keep_break: bool,
}

impl<'a> Plan<'a> {
    pub(super) fn new(tree: &'a Tree<'a>) -> Self {
        let text = tree.text();
        let is_crlf =
            memchr(b'\n', text.as_bytes()).is_some_and(|at| at > 0 && text.as_bytes()[at - 1] == b'\r');
        Self {
            tree,
            text,
            edits: Vec::new(),
            targets: tree.alias_targets(),
            layout: None,
            is_crlf,
            is_open: !text.ends_with('\n'),
            wrote_blocks: false,
            keep_break: false,
        }
    }

    pub(super) fn emit_root(&mut self, patch: &Patch<'_>) -> Fit<()> {
        self.emit(patch, Place::Root)?;
        self.edits.sort_by_key(|edit| (edit.start, edit.start < edit.end, Reverse(edit.column)));
        let is_apart = self.edits.windows(2).all(|pair| pair[0].end <= pair[1].start);
        if is_apart { Ok(()) } else { Err("edits that touch each other") }
    }

    /// Appends the edited text.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let mut at = 0;
        for edit in &self.edits {
            out.extend_from_slice(&self.text.as_bytes()[at..edit.start]);
            out.extend_from_slice(edit.text.as_bytes());
            at = edit.end;
        }
        out.extend_from_slice(&self.text.as_bytes()[at..]);
        let was_open = !self.text.ends_with('\n');
        if was_open && !self.is_open && !self.wrote_blocks && !self.keep_break {
            for byte in [b'\n', b'\r'] {
                if out.last() == Some(&byte) {
                    out.pop();
                }
            }
        }
    }

    fn emit(&mut self, patch: &Patch<'_>, place: Place) -> Fit<()> {
        match patch {
            Patch::Keep(_) => Ok(()),
            Patch::New(_) => Err("new item out of place"),
            Patch::Replaced(node, value) => self.replace(*node, value, place),
            Patch::Mapping(node, slots) => {
                self.check_shared(*node)?;
                if node.style() == Style::FlowMapping {
                    self.flow_mapping(*node, slots)
                } else {
                    self.block_mapping(*node, slots, place)
                }
            }
            Patch::Sequence(node, items) => {
                self.check_shared(*node)?;
                if node.style() == Style::FlowSequence {
                    self.flow_sequence(*node, items)
                } else {
                    self.block_sequence(*node, items, place)
                }
            }
        }
    }

    fn check_shared(&self, node: Node<'_>) -> Fit<()> {
        let is_shared = self.targets.contains(&node.id());
        if is_shared { Err("change of what an alias stands for") } else { Ok(()) }
    }

    /// What goes must not be needed by an alias elsewhere.
    fn check_gone(&self, node: Node<'_>) -> Fit<()> {
        if self.targets.is_empty() {
            return Ok(());
        }
        let range = node.id()..=last_descendant(node).id();
        let is_needed = self.targets.iter().any(|target| range.contains(target));
        if is_needed { Err("removal of what an alias stands for") } else { Ok(()) }
    }

    fn push(&mut self, start: usize, end: usize, text: String) {
        self.push_at(start, end, text, 0);
    }

    fn push_at(&mut self, start: usize, end: usize, text: String, column: usize) {
        let text = if self.is_crlf { text.replace('\n', "\r\n") } else { text };
        self.edits.push(Edit { start, end, text, column });
    }

    fn block_mapping(&mut self, node: Node<'_>, slots: &[Slot<'_>], place: Place) -> Fit<()> {
        let olds: Vec<(Node<'_>, Option<&Patch<'_>>)> = slots
            .iter()
            .filter_map(|slot| match slot {
                Slot::Old { node, patch, .. } => Some((*node, patch.as_ref())),
                Slot::New { .. } => None,
            })
            .collect();
        let news: Vec<New<'_>> = slots
            .iter()
            .filter_map(|slot| match slot {
                Slot::New { key, value } => Some((Some(*key), value.as_ref())),
                Slot::Old { .. } => None,
            })
            .collect();
        if olds.iter().all(|(_, patch)| patch.is_none()) {
            let map = news.iter().map(|(key, value)| (key.unwrap_or_default().to_owned(), (*value).clone()));
            return self.replace(node, &Value::Object(map.collect()), place);
        }
        let column = node.indent();
        self.block_olds(&olds, column)?;
        self.insert_lines(column, &news, &olds)
    }

    fn block_sequence(&mut self, node: Node<'_>, items: &[Patch<'_>], place: Place) -> Fit<()> {
        let olds = pair_items(node, items);
        if olds.iter().all(|(_, patch)| patch.is_none()) {
            let news = items.iter().filter_map(new_value).cloned().collect();
            return self.replace(node, &Value::Array(news), place);
        }
        let column = node.indent();
        // New items in front of kept ones, before anything at the same place.
        let mut waiting: Vec<New<'_>> = Vec::new();
        for item in items {
            if let Patch::New(value) = item {
                waiting.push((None, value.as_ref()));
                continue;
            }
            if waiting.is_empty() {
                continue;
            }
            let index = olds.iter().position(|(old, _)| Some(old.id()) == node_of(item).map(Node::id));
            let index = index.ok_or("item that was not there")?;
            let at = match index.checked_sub(1) {
                Some(before) => self.after_line(olds[before].0.span().end),
                None => self.own_line(olds[0].0).ok_or("item before the first of a nested list")?,
            };
            let lines = self.lines(&std::mem::take(&mut waiting), column, at)?;
            self.push_at(at, at, lines, column);
        }
        self.block_olds(&olds, column)?;
        self.insert_lines(column, &waiting, &olds)
    }

    /// Changes and removals of the entries of a block collection, of which some stay.
    fn block_olds(&mut self, olds: &[(Node<'_>, Option<&Patch<'_>>)], column: usize) -> Fit<()> {
        let mut first = 0;
        if olds[0].1.is_none() && self.own_line(olds[0].0).is_none() {
            // The first entry shares its line with a dash: the next one that stays moves up.
            let stays = olds.iter().position(|(_, patch)| patch.is_some()).unwrap_or(0);
            for (node, _) in &olds[..stays] {
                self.check_gone(*node)?;
            }
            self.push(olds[0].0.entry_start(), olds[stays].0.entry_start(), String::new());
            first = stays;
        }
        for (index, (node, patch)) in olds.iter().enumerate().skip(first) {
            if let Some(patch) = patch {
                self.emit(patch, Place::Block(column))?;
                continue;
            }
            self.check_gone(*node)?;
            let start = self.own_line(*node).ok_or("entry that shares its line")?;
            let end = self.after_line(node.span().end);
            let before = olds[..index].iter().rev().find(|(_, patch)| patch.is_some());
            self.check_behind_block(before.map(|(node, _)| *node), end, column)?;
            if end == self.text.len() && self.is_open {
                self.is_open = false;
                self.keep_break |= before.is_none_or(|(node, _)| ends_in_block(*node));
            }
            self.push(start, end, String::new());
        }
        Ok(())
    }

    /// What follows a removed entry must not become part of a block scalar before it.
    fn check_behind_block(&self, before: Option<Node<'_>>, end: usize, column: usize) -> Fit<()> {
        let Some(before) = before.map(last_descendant) else { return Ok(()) };
        let is_block = matches!(before.style(), Style::Literal | Style::Folded);
        if !is_block && !self.wrote_blocks {
            return Ok(());
        }
        let line = self.text[end..].split('\n').next().unwrap_or_default();
        // The scalar's own parent may stand further in than the collection that loses an entry.
        let column = match self.wrote_blocks {
            true => column,
            false => before.indent().saturating_sub(1),
        };
        let takes_blanks = is_block && before.takes_blank_lines();
        let is_blank = end < self.text.len() && line.trim().is_empty();
        match (takes_blanks && is_blank) || self.is_deep_behind(end, column) {
            true => Err("lines that a block scalar would take in"),
            false => Ok(()),
        }
    }

    /// Puts new entries behind the last one.
    fn insert_lines(
        &mut self,
        column: usize,
        news: &[New<'_>],
        olds: &[(Node<'_>, Option<&Patch<'_>>)],
    ) -> Fit<()> {
        if news.is_empty() {
            return Ok(());
        }
        let last = olds[olds.len() - 1].0;
        let at = self.after_line(last.span().end);
        let mut lines = self.lines(news, column, at)?;
        if at == self.text.len() && !self.text.ends_with('\n') {
            if self.is_open && ends_in_block(last) {
                return Err("block scalar at the end of a text without a final line break");
            }
            lines.pop();
            if self.is_open {
                lines.insert(0, '\n');
            }
            self.is_open = true;
        }
        self.push_at(at, at, lines, column);
        Ok(())
    }

    /// Lines of new entries at a column, to stand at a position in the text.
    fn lines(&mut self, news: &[New<'_>], column: usize, at: usize) -> Fit<String> {
        let is_last = at == self.text.len() && !self.text.ends_with('\n');
        // Lines behind could be taken for text of a block scalar, or its last break be missing.
        let strings = match is_last || self.is_deep_behind(at, column) {
            true => Strings::Quoted,
            false => Strings::Block,
        };
        let mut emitter = Emitter::new(self.layout(), strings);
        for (key, value) in news {
            match key {
                Some(key) => emitter.entry(column, key, value),
                None => emitter.item(column, value),
            }
        }
        self.finish(emitter)
    }

    fn finish(&mut self, emitter: Emitter) -> Fit<String> {
        self.wrote_blocks |= emitter.has_blocks;
        if emitter.has_long_key { Err("key that is too long for its line") } else { Ok(emitter.out) }
    }

    /// Whether lines that follow would be text of a block scalar whose parent is at `column`: all up to the next with anything on
    /// it that are indented further.
    fn is_deep_behind(&self, at: usize, column: usize) -> bool {
        let rest = &self.text[at.min(self.text.len())..];
        let is_deep = |line: &str| line.len() - line.trim_start_matches(' ').len() > column;
        for line in rest.split('\n') {
            let is_blank = line.trim().is_empty();
            // Blanks alone on a line count whatever their number: a block scalar's span would reach over them.
            if is_deep(line) || (is_blank && line.starts_with(' ')) {
                return true;
            }
            if !is_blank {
                return false;
            }
        }
        false
    }

    fn layout(&mut self) -> Layout {
        let tree = self.tree;
        *self.layout.get_or_insert_with(|| sample_layout(tree.root()))
    }

    fn replace(&mut self, node: Node<'_>, value: &Value, place: Place) -> Fit<()> {
        self.check_gone(node)?;
        let span = node.span();
        match place {
            Place::Flow => {
                self.push(span.start, span.end, json_text(value));
                Ok(())
            }
            Place::Root => Err("change of the whole document"),
            Place::Block(column) => self.replace_block(node, value, column),
        }
    }

    /// A new value behind a key or a dash that stays.
    fn replace_block(&mut self, node: Node<'_>, value: &Value, column: usize) -> Fit<()> {
        let span = node.span();
        if node.style() == Style::Empty && node.has_anchor() {
            return Err("anchor on nothing");
        }
        let (start, is_key) = match node.key_span() {
            Some(key) => {
                let colon = memchr(b':', &self.text.as_bytes()[key.end..]).ok_or("key without a colon")?;
                (key.end + colon + 1, true)
            }
            None => (node.entry_start() + 1, false),
        };
        let is_filled = matches!(value, Value::Object(map) if !map.is_empty())
            || matches!(value, Value::Array(items) if !items.is_empty());
        if node.style() == Style::Empty && is_key && is_filled {
            // Blanks inside of the brackets tell that nothing was written here before.
            let text = json_text(value);
            let inner = &text[1..text.len() - 1];
            let text = format!(" {} {inner} {}", &text[..1], &text[text.len() - 1..]);
            self.push_at(start, start, text, usize::MAX);
            return Ok(());
        }
        if value.is_null() && is_key && node.emptied() == crate::view::Emptied::Null {
            self.push(start, span.end, String::new());
            return Ok(());
        }
        let mut end = span.end;
        let had_break = end > start && self.text.as_bytes()[end - 1] == b'\n';
        let line_end = if had_break { end } else { self.after_line(end) };
        let is_last = line_end == self.text.len() && !self.text.ends_with('\n');
        let strings = match is_last || self.is_deep_behind(line_end, column) {
            true => Strings::Quoted,
            false => Strings::Block,
        };
        let mut emitter = Emitter::new(self.layout(), strings);
        match is_key {
            true => emitter.behind_key(column, value),
            false => emitter.behind_dash(column, value),
        }
        let mut text = self.finish(emitter)?;
        text.pop();
        if had_break {
            text.push('\n');
        } else if text.contains('\n') {
            // A comment behind the old value has no place behind a block.
            let line = &self.text[end..line_end];
            end += line.trim_end_matches(['\n', '\r']).len();
        }
        self.push_at(start, end, text, usize::MAX);
        Ok(())
    }

    fn flow_mapping(&mut self, node: Node<'_>, slots: &[Slot<'_>]) -> Fit<()> {
        let mut olds = Vec::new();
        let mut news = Vec::new();
        for slot in slots {
            match slot {
                Slot::Old { node, patch, .. } => olds.push((*node, patch.as_ref())),
                Slot::New { key, value } => {
                    let mut text = String::new();
                    json_string(key, &mut text);
                    text.push_str(": ");
                    json(value, &mut text);
                    news.push(text);
                }
            }
        }
        self.flow_olds(node, &olds, &news)
    }

    fn flow_sequence(&mut self, node: Node<'_>, items: &[Patch<'_>]) -> Fit<()> {
        let olds = pair_items(node, items);
        let has_kept = olds.iter().any(|(_, patch)| patch.is_some());
        let mut waiting = Vec::new();
        for item in items {
            match (new_value(item), node_of(item)) {
                (Some(value), _) => waiting.push(json_text(value)),
                (None, Some(old)) if has_kept && !waiting.is_empty() => {
                    let text = format!("{}, ", waiting.join(", "));
                    waiting.clear();
                    self.push(old.entry_start(), old.entry_start(), text);
                }
                _ => {}
            }
        }
        self.flow_olds(node, &olds, &waiting)
    }

    /// Changes and removals in a flow collection, and what is added behind its last entry.
    fn flow_olds(
        &mut self,
        node: Node<'_>,
        olds: &[(Node<'_>, Option<&Patch<'_>>)],
        news: &[String],
    ) -> Fit<()> {
        let bytes = self.text.as_bytes();
        let Some((last, _)) = olds.last() else {
            let at = node.span().start + 1;
            self.push(at, at, news.join(", "));
            return Ok(());
        };
        let last_end = last.span().end;
        for (gone, _) in olds.iter().filter(|(_, patch)| patch.is_none()) {
            self.check_gone(*gone)?;
        }
        let Some(first) = olds.iter().position(|(_, patch)| patch.is_some()) else {
            let mut end = last_end;
            let blanks = bytes[end..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            if bytes.get(end + blanks) == Some(&b',') {
                end += blanks + 1;
            } else if bytes.get(end + blanks) == Some(&b'#') {
                return Err("comment behind the last entry of a flow collection");
            }
            self.push(olds[0].0.entry_start(), end, news.join(", "));
            return Ok(());
        };
        if first > 0 {
            self.push(olds[0].0.entry_start(), olds[first].0.entry_start(), String::new());
        }
        for (index, (old, patch)) in olds.iter().enumerate().skip(first) {
            match patch {
                Some(patch) => self.emit(patch, Place::Flow)?,
                None => self.push(olds[index - 1].0.span().end, old.span().end, String::new()),
            }
        }
        if news.is_empty() {
            return Ok(());
        }
        let separator = match self.own_line(*last) {
            Some(line) if olds.len() > 1 || line > node.span().start => {
                format!(",\n{}", &self.text[line..last.entry_start()])
            }
            _ => ", ".to_owned(),
        };
        let text: String = news.iter().flat_map(|new| [separator.as_str(), new.as_str()]).collect();
        self.push(last_end, last_end, text);
        Ok(())
    }

    /// Start of the line of an entry that is the first on it.
    fn own_line(&self, node: Node<'_>) -> Option<usize> {
        let start = node.entry_start();
        let line = memrchr(b'\n', &self.text.as_bytes()[..start]).map_or(0, |newline| newline + 1);
        self.text[line..start].bytes().all(|byte| byte == b' ').then_some(line)
    }

    /// Start of the line behind a position; the position itself, if it is behind a line break.
    fn after_line(&self, at: usize) -> usize {
        let bytes = self.text.as_bytes();
        let limit = self.tree.limit();
        if at > 0 && bytes[at - 1] == b'\n' {
            return at;
        }
        memchr(b'\n', &bytes[at..limit]).map_or(limit, |offset| at + offset + 1)
    }
}

/// Old items in order, each with what became of it.
fn pair_items<'p, 'a>(node: Node<'a>, items: &'p [Patch<'a>]) -> Vec<(Node<'a>, Option<&'p Patch<'a>>)> {
    let mut left = items.iter().filter(|item| node_of(item).is_some()).peekable();
    node.items()
        .map(|old| {
            let is_left = left.peek().is_some_and(|item| node_of(item).map(Node::id) == Some(old.id()));
            (old, if is_left { left.next() } else { None })
        })
        .collect()
}

fn node_of<'a>(patch: &Patch<'a>) -> Option<Node<'a>> {
    match patch {
        Patch::Keep(node) | Patch::Replaced(node, _) | Patch::Mapping(node, _) | Patch::Sequence(node, _) => {
            Some(*node)
        }
        Patch::New(_) => None,
    }
}

fn new_value<'p>(patch: &'p Patch<'_>) -> Option<&'p Value> {
    match patch {
        Patch::New(value) => Some(value),
        _ => None,
    }
}

fn json_text(value: &Value) -> String {
    let mut text = String::new();
    json(value, &mut text);
    text
}

fn last_descendant(node: Node<'_>) -> Node<'_> {
    let mut last = node;
    while let Some(child) = last.children().last() {
        last = child;
    }
    last
}

fn ends_in_block(node: Node<'_>) -> bool {
    matches!(last_descendant(node).style(), Style::Literal | Style::Folded)
}

/// How the document indents, from its first nested mapping and its first list under a key.
fn sample_layout(root: Node<'_>) -> Layout {
    let (mut step, mut compact_lists) = (None, None);
    let mut queue = vec![root];
    let mut seen = 0;
    while let Some(node) = queue.pop() {
        seen += 1;
        if seen > STYLE_SAMPLE || (step.is_some() && compact_lists.is_some()) {
            break;
        }
        for child in node.children() {
            if node.style() == Style::BlockMapping {
                match child.style() {
                    Style::BlockMapping if step.is_none() => step = Some(child.indent() - node.indent()),
                    Style::BlockSequence if compact_lists.is_none() => {
                        compact_lists = Some(child.indent() == node.indent());
                    }
                    _ => {}
                }
            }
            queue.push(child);
        }
    }
    Layout { step: step.unwrap_or(2).clamp(1, 8), compact_lists: compact_lists.unwrap_or(true) }
}
