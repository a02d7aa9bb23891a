//! What a list of changes makes of a tree, before any text is touched.

use std::borrow::Cow;

use serde_json::Value;

use crate::{
    error::Error,
    pointer::{self, Fit, Op},
    tree::{Node, Style, Tree},
    view::View,
};

/// A node and what became of it.
#[derive(Debug)]
pub(super) enum Patch<'a> {
    Keep(Node<'a>),
    Replaced(Node<'a>, Cow<'a, Value>),
    /// An item that was not there.
    New(Cow<'a, Value>),
    Mapping(Node<'a>, Vec<Slot<'a>>),
    /// Items that are left; what is not among them is removed.
    Sequence(Node<'a>, Vec<Patch<'a>>),
}

/// An entry of a mapping.
#[derive(Debug)]
pub(super) enum Slot<'a> {
    Old { key: Cow<'a, str>, node: Node<'a>, patch: Option<Patch<'a>> },
    New { key: &'a str, value: Cow<'a, Value> },
}

impl Slot<'_> {
    fn key(&self) -> &str {
        match self {
            Self::Old { key, .. } => key,
            Self::New { key, .. } => key,
        }
    }
}

/// Lays all changes over the tree.
pub(super) fn overlay<'a>(tree: &'a Tree<'a>, ops: &'a [Op]) -> Result<Patch<'a>, Error> {
    let mut root = Patch::Keep(tree.root());
    for op in ops {
        change(&mut root, op.path().tokens(), op).map_err(|reason| op.error(reason))?;
    }
    Ok(root)
}

fn change<'a>(patch: &mut Patch<'a>, tokens: &'a [String], op: &'a Op) -> Fit<()> {
    let Some((token, rest)) = tokens.split_first() else { return replace_whole(patch, op) };
    expand(patch)?;
    match patch {
        Patch::Replaced(_, value) | Patch::New(value) => pointer::apply_at(value.to_mut(), tokens, op),
        Patch::Mapping(_, slots) if rest.is_empty() => change_entry(slots, token, op),
        Patch::Mapping(_, slots) => match slots.iter_mut().find(|slot| slot.key() == token.as_str()) {
            Some(Slot::Old { patch: Some(patch), .. }) => change(patch, rest, op),
            Some(Slot::New { value, .. }) => pointer::apply_at(value.to_mut(), rest, op),
            _ => Err("no such key on the way"),
        },
        Patch::Sequence(_, items) if rest.is_empty() => change_item(items, token, op),
        Patch::Sequence(_, items) => {
            let index = pointer::existing(token, items.len())?;
            change(&mut items[index], rest, op)
        }
        Patch::Keep(_) => Err("a scalar on the way"),
    }
}

fn replace_whole<'a>(patch: &mut Patch<'a>, op: &'a Op) -> Fit<()> {
    let (Op::Add { value, .. } | Op::Replace { value, .. }) = op else {
        return Err("a document cannot be removed");
    };
    *patch = match patch {
        Patch::Keep(node) | Patch::Replaced(node, _) | Patch::Mapping(node, _) | Patch::Sequence(node, _) => {
            Patch::Replaced(*node, Cow::Borrowed(value))
        }
        Patch::New(_) => Patch::New(Cow::Borrowed(value)),
    };
    Ok(())
}

/// Opens a collection that was left alone so far; an alias gets a copy of its own.
fn expand(patch: &mut Patch<'_>) -> Fit<()> {
    let Patch::Keep(node) = patch else { return Ok(()) };
    let node = *node;
    *patch = match node.style() {
        Style::Alias => Patch::Replaced(node, Cow::Owned(node.to_value())),
        Style::BlockMapping | Style::FlowMapping => {
            let slots =
                node.entries().map(|(key, node)| Slot::Old { key, node, patch: Some(Patch::Keep(node)) });
            Patch::Mapping(node, slots.collect())
        }
        Style::BlockSequence | Style::FlowSequence => {
            Patch::Sequence(node, node.items().map(Patch::Keep).collect())
        }
        _ => return Err("the parent is neither mapping nor list"),
    };
    Ok(())
}

fn change_entry<'a>(slots: &mut Vec<Slot<'a>>, token: &'a str, op: &'a Op) -> Fit<()> {
    let found = slots.iter().position(|slot| slot.key() == token);
    let is_gone = |slot: &Slot<'a>| matches!(slot, Slot::Old { patch: None, .. });
    match (op, found) {
        (Op::Add { value, .. }, None) => {
            slots.push(Slot::New { key: token, value: Cow::Borrowed(value) });
        }
        (Op::Replace { .. } | Op::Remove { .. }, None) => return Err("no such key"),
        (Op::Replace { .. } | Op::Remove { .. }, Some(at)) if is_gone(&slots[at]) => {
            return Err("no such key");
        }
        (Op::Add { value, .. } | Op::Replace { value, .. }, Some(at)) => match &mut slots[at] {
            Slot::Old { node, patch, .. } => *patch = Some(Patch::Replaced(*node, Cow::Borrowed(value))),
            Slot::New { value: old, .. } => *old = Cow::Borrowed(value),
        },
        (Op::Remove { .. }, Some(at)) => match &mut slots[at] {
            Slot::Old { patch, .. } => *patch = None,
            Slot::New { .. } => {
                slots.remove(at);
            }
        },
    }
    Ok(())
}

fn change_item<'a>(items: &mut Vec<Patch<'a>>, token: &str, op: &'a Op) -> Fit<()> {
    match op {
        Op::Add { value, .. } => {
            let index = pointer::index(token, items.len())?;
            items.insert(index, Patch::New(Cow::Borrowed(value)));
        }
        Op::Remove { .. } => {
            let index = pointer::existing(token, items.len())?;
            items.remove(index);
        }
        Op::Replace { .. } => {
            let index = pointer::existing(token, items.len())?;
            replace_whole(&mut items[index], op)?;
        }
    }
    Ok(())
}
