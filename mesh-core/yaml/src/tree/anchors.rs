//! Anchors and aliases, and what they may stand for together.

use crate::read::MAX_DEPTH;

use super::{
    NONE, Style,
    scan::{Key, Scan, Scanner, small},
};

/// Most anchors of one document; aliases are looked for among them one by one.
const MAX_ANCHORS: usize = 1_000;
/// Most nodes and bytes that anchors and aliases may stand for; far below what the library allows, which decides beyond.
const MAX_ALIAS_NODES: usize = 100_000;
const MAX_ALIAS_BYTES: usize = 8 << 20;

/// A name given to a node.
#[derive(Debug, Clone)]
pub(super) struct Anchor {
    name: (u32, u32),
    node: u32,
    is_open: bool,
    nodes: usize,
    bytes: usize,
    height: usize,
}

/// Anchor waiting for its node.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pending {
    index: usize,
    deepest: usize,
}

impl Scanner<'_> {
    pub(super) fn anchor(&mut self) -> Scan<Pending> {
        if self.buffer.anchors.len() >= MAX_ANCHORS {
            return Err("more anchors than a person writes");
        }
        let (start, end) = self.name()?;
        self.pos = end;
        self.buffer.anchors.push(Anchor {
            name: (small(start), small(end)),
            node: NONE,
            is_open: true,
            nodes: 0,
            bytes: 0,
            height: 0,
        });
        let pending = Pending { index: self.buffer.anchors.len() - 1, deepest: self.deepest };
        self.deepest = self.depth;
        Ok(pending)
    }

    pub(super) fn name(&self) -> Scan<(usize, usize)> {
        let start = self.pos + 1;
        let mut end = start;
        while !self.is_blank(end) && !b",[]{}".contains(&self.byte(end)) {
            end += 1;
        }
        if end == start || self.text[end - 1] == b':' {
            return Err("name of an anchor");
        }
        Ok((start, end))
    }

    pub(super) fn close_anchor(&mut self, pending: Pending, id: u32) -> Scan<()> {
        if self.node(id).style == Style::Alias {
            return Err("anchor on an alias");
        }
        self.node(id).has_anchor = true;
        let (mut nodes, mut bytes) = (0, self.node(id).end as usize - self.node(id).start as usize);
        for data in &self.buffer.nodes[id as usize..] {
            nodes += 1;
            if data.style == Style::Alias
                && let Some(anchor) = self.buffer.anchors.iter().find(|a| a.node == data.child)
            {
                nodes += anchor.nodes;
                bytes += anchor.bytes;
            }
        }
        let height = self.deepest - self.depth.min(self.deepest);
        self.deepest = self.deepest.max(pending.deepest);
        let anchor = &mut self.buffer.anchors[pending.index];
        anchor.node = id;
        anchor.is_open = false;
        (anchor.nodes, anchor.bytes, anchor.height) = (nodes, bytes, height);
        self.spend(nodes, bytes)
    }

    pub(super) fn spend(&mut self, nodes: usize, bytes: usize) -> Scan<()> {
        self.spent_nodes += nodes;
        self.spent_bytes += bytes;
        match self.spent_nodes > MAX_ALIAS_NODES || self.spent_bytes > MAX_ALIAS_BYTES {
            true => Err("aliases expand to much"),
            false => Ok(()),
        }
    }

    pub(super) fn alias(&mut self, key: Key) -> Scan<u32> {
        let start = self.pos;
        let (name_start, end) = self.name()?;
        let name = &self.text[name_start..end];
        let is_named = |anchor: &&Anchor| &self.text[anchor.name.0 as usize..anchor.name.1 as usize] == name;
        let anchor = self.buffer.anchors.iter().rev().find(is_named).ok_or("alias without an anchor")?;
        if anchor.is_open {
            return Err("alias to a node that contains it");
        }
        let (node, nodes, bytes, height) = (anchor.node, anchor.nodes, anchor.bytes, anchor.height);
        if self.depth + height > MAX_DEPTH {
            return Err("nested too deep through aliases");
        }
        self.deepest = self.deepest.max(self.depth + height);
        self.spend(nodes, bytes)?;
        self.pos = end;
        let id = self.push(Style::Alias, start, end, key);
        self.node(id).child = node;
        Ok(id)
    }
}
