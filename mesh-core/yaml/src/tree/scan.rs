//! The scanner: block structure and the scalars in it.

use memchr::{memchr, memchr2};

use crate::{
    error::Error,
    read::MAX_DEPTH,
    scalar::{self, Scalar},
};

use super::{Buffer, Data, NONE, Style, text};

/// Longest key; YAML's own bound.
const MAX_KEY: usize = 1024;
/// Most nodes and bytes that anchors and aliases may stand for; far below what the library allows, which decides beyond.
const MAX_ALIAS_NODES: usize = 100_000;
const MAX_ALIAS_BYTES: usize = 8 << 20;
/// Mappings up to this size are searched for duplicate keys pair by pair.
const SMALL_MAPPING: usize = 24;

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

/// What a value follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum After {
    Nothing,
    Dash,
    Key,
}

/// A key or dash just read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key {
    pub(super) style: Style,
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) hash: u32,
}

impl Key {
    pub(super) const fn none(at: usize) -> Self {
        Self { style: Style::Empty, start: at, end: at, hash: 0 }
    }
}

/// Anchor waiting for its node.
#[derive(Debug, Clone, Copy)]
struct Pending {
    index: usize,
    deepest: usize,
}

pub(super) type Scan<T> = Result<T, &'static str>;

pub(super) struct Scanner<'t> {
    pub(super) source: &'t str,
    pub(super) text: &'t [u8],
    pub(super) pos: usize,
    limit: usize,
    pub(super) line_start: usize,
    /// Whether the token at `pos` is the first of its line.
    fresh: bool,
    has_tabs: bool,
    pub(super) depth: usize,
    deepest: usize,
    spent_nodes: usize,
    spent_bytes: usize,
    pub(super) buffer: Buffer,
}

/// Scans a document: the tree's memory, its root, and where content ends.
pub(super) fn scan(source: &str, mut buffer: Buffer) -> Result<(Buffer, u32, usize), Error> {
    buffer.nodes.clear();
    buffer.anchors.clear();
    let mut scanner = Scanner {
        source,
        text: source.as_bytes(),
        pos: 0,
        limit: source.len(),
        line_start: 0,
        fresh: true,
        has_tabs: false,
        depth: 0,
        deepest: 0,
        spent_nodes: 0,
        spent_bytes: 0,
        buffer,
    };
    match scanner.document() {
        Ok(root) => Ok((scanner.buffer, root, scanner.limit)),
        Err(reason) => Err(Error::Unsupported { line: crate::position(source, scanner.pos).0, reason }),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "documents of 4 GiB and more are refused first")]
pub(super) fn small(at: usize) -> u32 {
    at as u32
}

impl Scanner<'_> {
    fn document(&mut self) -> Scan<u32> {
        if self.text.len() >= NONE as usize {
            return Err("document of 4 GiB or more");
        }
        self.check_characters()?;
        self.skip()?;
        // The marker has been taken for an end, as it would be anywhere but here.
        if self.text[self.pos..].starts_with(b"---") && self.pos == self.limit {
            self.pos += 3;
            self.limit = self.text.len();
            self.fresh = false;
            self.skip()?;
            if !self.is_end() && !self.fresh {
                return Err("content on the line of ---");
            }
        }
        self.fresh = true;
        let root = self.value(None, After::Nothing, Key::none(self.pos))?;
        self.skip()?;
        if !self.is_end() {
            return Err("text after the document's value");
        }
        self.check_tail()?;
        Ok(root)
    }

    /// Only blanks and comments may follow `...`.
    fn check_tail(&mut self) -> Scan<()> {
        let content_end = self.limit;
        if content_end == self.text.len() {
            return Ok(());
        }
        if self.text[content_end] == b'-' {
            return Err("more than one document");
        }
        self.pos = content_end + 3;
        self.limit = self.text.len();
        self.skip()?;
        if self.pos < self.text.len() {
            return Err("text after ...");
        }
        self.limit = content_end;
        Ok(())
    }

    /// Characters whose standing differs between readers are left to the library.
    fn check_characters(&mut self) -> Scan<()> {
        let mut odd = 0u8;
        let mut high = 0u8;
        for &byte in self.text {
            odd |= u8::from(byte < 0x20 && byte != b'\n') | u8::from(byte == 0x7F);
            high |= byte;
        }
        if odd != 0 {
            for (at, &byte) in self.text.iter().enumerate() {
                match byte {
                    b'\t' => self.has_tabs = true,
                    b'\r' if self.text.get(at + 1) == Some(&b'\n') => {}
                    b'\n' | b' '..=b'~' | 0x80.. => {}
                    _ => {
                        self.pos = at;
                        return Err("control character");
                    }
                }
            }
        }
        if high < 0x80 {
            return Ok(());
        }
        let is_odd = |char: char| {
            matches!(
                char,
                '\u{80}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'
            )
        };
        match self.source.char_indices().find(|&(_, char)| char >= '\u{80}' && is_odd(char)) {
            Some((at, _)) => {
                self.pos = at;
                Err("byte-order mark, control character or line separator")
            }
            None => Ok(()),
        }
    }

    pub(super) fn is_end(&self) -> bool {
        self.pos >= self.limit
    }

    /// The byte at a position; a line feed behind the end.
    pub(super) fn byte(&self, at: usize) -> u8 {
        if at < self.limit { self.text[at] } else { b'\n' }
    }

    pub(super) fn is_blank(&self, at: usize) -> bool {
        matches!(self.byte(at), b' ' | b'\n' | b'\r' | b'\t')
    }

    fn is_marker(&self, at: usize) -> bool {
        let rest = &self.text[at..];
        (rest.starts_with(b"---") || rest.starts_with(b"..."))
            && matches!(rest.get(3), None | Some(b' ' | b'\t' | b'\r' | b'\n'))
    }

    fn line_end(&self, at: usize) -> usize {
        memchr(b'\n', &self.text[at..self.limit]).map_or(self.limit, |offset| at + offset)
    }

    /// Moves to the next token: over blanks, comments and line breaks.
    fn skip(&mut self) -> Scan<()> {
        while self.pos < self.limit {
            match self.text[self.pos] {
                b' ' => self.pos += 1,
                b'\n' => {
                    self.pos += 1;
                    self.line_start = self.pos;
                    self.fresh = true;
                    while self.pos < self.limit && self.text[self.pos] == b' ' {
                        self.pos += 1;
                    }
                }
                b'\r' => self.pos += 1,
                b'#' => {
                    if self.pos > self.line_start && self.text[self.pos - 1] != b' ' {
                        return Err("# without a blank before it");
                    }
                    self.pos = self.line_end(self.pos);
                }
                b'\t' => return Err("tab between tokens"),
                b'-' | b'.' if self.pos == self.line_start && self.is_marker(self.pos) => {
                    self.limit = self.pos;
                }
                _ => return Ok(()),
            }
        }
        Ok(())
    }

    pub(super) fn push(&mut self, style: Style, start: usize, end: usize, key: Key) -> u32 {
        let id = small(self.buffer.nodes.len());
        self.buffer.nodes.push(Data {
            style,
            key_style: key.style,
            has_anchor: false,
            start: small(start),
            end: small(end),
            key_start: small(key.start),
            key_end: small(key.end),
            key_hash: key.hash,
            column: 0,
            next: NONE,
            child: NONE,
        });
        id
    }

    pub(super) fn node(&mut self, id: u32) -> &mut Data {
        &mut self.buffer.nodes[id as usize]
    }

    /// Appends a child; `last` is the one before it.
    pub(super) fn link(&mut self, parent: u32, last: &mut u32, child: u32) {
        match *last {
            NONE => self.node(parent).child = child,
            last => self.node(last).next = child,
        }
        *last = child;
    }

    /// A value behind a key, a dash, or at the top; `indent` is the parent's column.
    fn value(&mut self, indent: Option<usize>, after: After, key: Key) -> Scan<u32> {
        let mut at = self.pos;
        self.skip()?;
        let mut pending = None;
        if !self.is_end() && self.text[self.pos] == b'&' && !self.fresh {
            pending = Some(self.anchor()?);
            at = self.pos;
            self.skip()?;
        }
        let id = if self.is_end() {
            self.push(Style::Empty, at, at, key)
        } else if self.fresh {
            let column = self.pos - self.line_start;
            if indent.is_none_or(|indent| column > indent) {
                self.block(column, indent, key, pending.is_some())?
            } else if after == After::Key && Some(column) == indent && self.is_dash() {
                self.sequence(column, Indentless::Yes, key)?
            } else {
                self.push(Style::Empty, at, at, key)
            }
        } else if after == After::Dash && pending.is_none() {
            let column = self.pos - self.line_start;
            self.block(column, indent, key, false)?
        } else {
            self.inline(indent, key)?
        };
        if let Some(pending) = pending {
            self.close_anchor(pending, id)?;
        }
        Ok(id)
    }

    pub(super) fn is_dash(&self) -> bool {
        self.byte(self.pos) == b'-' && self.is_blank(self.pos + 1)
    }

    /// A node that may be a block collection; `pos` is at its first token.
    fn block(&mut self, column: usize, indent: Option<usize>, key: Key, has_anchor: bool) -> Scan<u32> {
        match self.text[self.pos] {
            b'-' if self.is_blank(self.pos + 1) => self.sequence(column, Indentless::No, key),
            b'&' => Err("anchor at the start of a line or before a key"),
            b'{' | b'[' | b'|' | b'>' | b'*' => self.inline(indent, key),
            _ => match self.key()? {
                Some(first) => self.mapping(column, first, key),
                // Between an anchor and text on the next line nothing can go wrong, but it is too rare to prove.
                None if has_anchor => Err("anchor on the line before a scalar"),
                None => self.inline(indent, key),
            },
        }
    }

    fn enter(&mut self) -> Scan<()> {
        self.depth += 1;
        self.deepest = self.deepest.max(self.depth);
        if self.depth > MAX_DEPTH { Err("nested too deep") } else { Ok(()) }
    }

    pub(super) fn enter_flow(&mut self) -> Scan<()> {
        self.enter()
    }

    fn mapping(&mut self, column: usize, first: Key, key: Key) -> Scan<u32> {
        self.enter()?;
        let id = self.push(Style::BlockMapping, first.start, first.start, key);
        self.node(id).column = small(column);
        let (mut last, mut next) = (NONE, first);
        loop {
            let child = self.value(Some(column), After::Key, next)?;
            self.link(id, &mut last, child);
            self.skip()?;
            if self.is_end() {
                break;
            }
            if !self.fresh {
                return Err("text after a value");
            }
            match (self.pos - self.line_start).cmp(&column) {
                std::cmp::Ordering::Less => break,
                std::cmp::Ordering::Greater => return Err("line indented further than its mapping"),
                std::cmp::Ordering::Equal => {}
            }
            next = self.key()?.ok_or("line without a key in a mapping")?;
        }
        self.close(id, last);
        self.check_duplicates(id)?;
        Ok(id)
    }

    fn sequence(&mut self, column: usize, indentless: Indentless, key: Key) -> Scan<u32> {
        self.enter()?;
        let id = self.push(Style::BlockSequence, self.pos, self.pos, key);
        self.node(id).column = small(column);
        let mut last = NONE;
        loop {
            let dash = Key::none(self.pos);
            self.pos += 1;
            self.fresh = false;
            let child = self.value(Some(column), After::Dash, dash)?;
            self.link(id, &mut last, child);
            self.skip()?;
            if self.is_end() {
                break;
            }
            if !self.fresh {
                return Err("text after an item");
            }
            match (self.pos - self.line_start).cmp(&column) {
                std::cmp::Ordering::Less => break,
                std::cmp::Ordering::Greater => return Err("line indented further than its list"),
                std::cmp::Ordering::Equal if self.is_dash() => {}
                std::cmp::Ordering::Equal if indentless == Indentless::Yes => break,
                std::cmp::Ordering::Equal => return Err("line without a dash in a list"),
            }
        }
        self.close(id, last);
        Ok(id)
    }

    /// Ends a block collection where its last entry ends.
    fn close(&mut self, id: u32, last: u32) {
        self.depth -= 1;
        let end = self.node(last).end;
        let node = self.node(id);
        node.end = end.max(node.end);
    }

    /// A key at `pos`, if the line has one there; moves behind its colon.
    fn key(&mut self) -> Scan<Option<Key>> {
        let start = self.pos;
        let (style, end) = match self.text[start] {
            b'"' => (Style::DoubleQuoted, self.double_end(start)?),
            b'\'' => (Style::SingleQuoted, self.single_end(start)?),
            b'-' | b'?' | b':' if self.is_blank(start + 1) => {
                return Err("explicit key, empty key or misplaced dash");
            }
            b',' | b'[' | b']' | b'{' | b'}' | b'#' | b'&' | b'*' | b'!' | b'|' | b'>' | b'%' | b'@'
            | b'`' => return Err("tag, directive, anchored key or reserved character"),
            _ => (Style::Plain, start),
        };
        let key = match style {
            Style::Plain => self.plain_key(start),
            _ => self.quoted_key(start, end),
        };
        let Some((end, colon)) = key else { return Ok(None) };
        if colon - start > MAX_KEY {
            return Err("key longer than YAML allows");
        }
        let hash = self.key_hash(start, end, style)?;
        self.pos = colon + 1;
        self.fresh = false;
        Ok(Some(Key { style, start, end, hash }))
    }

    /// End of a plain key and its colon.
    fn plain_key(&self, start: usize) -> Option<(usize, usize)> {
        let mut at = start;
        loop {
            match self.byte(at) {
                b':' if self.is_blank(at + 1) => break,
                b'\n' | b'\r' => return None,
                b'#' if self.text[at - 1] == b' ' => return None,
                _ => at += 1,
            }
        }
        let mut end = at;
        while self.text[end - 1] == b' ' {
            end -= 1;
        }
        Some((end, at))
    }

    fn quoted_key(&self, start: usize, end: usize) -> Option<(usize, usize)> {
        let mut colon = end;
        while self.byte(colon) == b' ' {
            colon += 1;
        }
        let is_key = self.byte(colon) == b':' && self.is_blank(colon + 1);
        // Keys over more than one line are no keys, and the value's reader will stumble over the colon.
        (is_key && memchr(b'\n', &self.text[start..end]).is_none()).then_some((end, colon))
    }

    pub(super) fn key_hash(&self, start: usize, end: usize, style: Style) -> Scan<u32> {
        if self.has_tabs && memchr(b'\t', &self.text[start..end]).is_some() {
            return Err("tab in a key");
        }
        let source = &self.source[start..end];
        Ok(match style {
            Style::Plain => {
                if source == "<<" {
                    return Err("merge key");
                }
                text::hash(scalar::key(source).ok_or("null or huge key")?.as_bytes())
            }
            Style::SingleQuoted => text::hash(text::single(source).as_bytes()),
            _ => text::hash(text::double(source).ok_or("escape in a key")?.as_bytes()),
        })
    }

    pub(super) fn check_duplicates(&mut self, id: u32) -> Scan<()> {
        let mut hashes = std::mem::take(&mut self.buffer.hashes);
        hashes.clear();
        let mut child = self.node(id).child;
        while child != NONE {
            let data = self.node(child);
            hashes.push((data.key_hash, child));
            child = data.next;
        }
        let same = |a: u32, b: u32| {
            let name = |id: u32| {
                let data = &self.buffer.nodes[id as usize];
                text::key(self.source, data.key_start as usize, data.key_end as usize, data.key_style)
            };
            name(a) == name(b)
        };
        let found = if hashes.len() <= SMALL_MAPPING {
            hashes.iter().enumerate().any(|(at, &(hash, id))| {
                hashes[..at].iter().any(|&(other, before)| other == hash && same(id, before))
            })
        } else {
            hashes.sort_unstable();
            // A hash that many keys share is a collision made on purpose: the library may take its time.
            hashes.windows(2).any(|pair| pair[0].0 == pair[1].0)
        };
        self.buffer.hashes = hashes;
        if found { Err("duplicate key") } else { Ok(()) }
    }

    /// A value that is no block collection.
    fn inline(&mut self, indent: Option<usize>, key: Key) -> Scan<u32> {
        let start = self.pos;
        self.fresh = false;
        match self.text[start] {
            b'"' => {
                let end = self.double_end(start)?;
                self.quoted(Style::DoubleQuoted, end, indent, key)
            }
            b'\'' => {
                let end = self.single_end(start)?;
                self.quoted(Style::SingleQuoted, end, indent, key)
            }
            b'{' | b'[' => self.flow(indent, key),
            b'|' | b'>' => self.block_scalar(indent, key),
            b'*' => self.alias(key),
            b'-' | b'?' | b':' if self.is_blank(start + 1) => Err("block collection on the line of a key"),
            b',' | b']' | b'}' | b'#' | b'&' | b'!' | b'%' | b'@' | b'`' => {
                Err("tag, second anchor or reserved character")
            }
            _ => {
                let end = self.plain_end(indent)?;
                self.check_plain(start, end)?;
                self.pos = end;
                Ok(self.push(Style::Plain, start, end, key))
            }
        }
    }

    fn quoted(&mut self, style: Style, end: usize, indent: Option<usize>, key: Key) -> Scan<u32> {
        let start = self.pos;
        self.check_lines(start, end, indent)?;
        if style == Style::DoubleQuoted && text::double(&self.source[start..end]).is_none() {
            return Err("escape");
        }
        self.pos = end;
        Ok(self.push(style, start, end, key))
    }

    /// Lines of a quoted scalar after the first must be indented and no markers.
    pub(super) fn check_lines(&self, start: usize, end: usize, indent: Option<usize>) -> Scan<()> {
        let mut at = start;
        while let Some(offset) = memchr(b'\n', &self.text[at..end]) {
            let line = at + offset + 1;
            at = line;
            while self.byte(at) == b' ' {
                at += 1;
            }
            match self.text[at] {
                b'\n' | b'\r' => {}
                b'\t' => return Err("tab at the start of a quoted line"),
                _ if indent.is_some_and(|indent| at - line <= indent) => {
                    return Err("quoted line indented too little");
                }
                b'-' | b'.' if at == line => return Err("quoted line that may be a marker"),
                _ => {}
            }
        }
        Ok(())
    }

    pub(super) fn double_end(&self, start: usize) -> Scan<usize> {
        let mut at = start + 1;
        loop {
            let found = memchr2(b'"', b'\\', &self.text[at.min(self.limit)..self.limit]);
            at += found.ok_or("quote that does not end")?;
            if self.text[at] == b'"' {
                return Ok(at + 1);
            }
            at += 2;
        }
    }

    pub(super) fn single_end(&self, start: usize) -> Scan<usize> {
        let mut at = start + 1;
        loop {
            at += memchr(b'\'', &self.text[at..self.limit]).ok_or("quote that does not end")?;
            if self.byte(at + 1) != b'\'' {
                return Ok(at + 1);
            }
            at += 2;
        }
    }

    /// Infinite values are the library's to refuse.
    pub(super) fn check_plain(&self, start: usize, end: usize) -> Scan<()> {
        let source = &self.source[start..end];
        let may_be = matches!(self.text[start], b'.' | b'-' | b'+');
        if may_be && scalar::resolve(source) == Scalar::NonFinite {
            return Err("infinite number");
        }
        if self.has_tabs && memchr(b'\t', source.as_bytes()).is_some() {
            return Err("tab in plain text");
        }
        Ok(())
    }

    /// End of a plain scalar in block context, over as many lines as it has.
    fn plain_end(&mut self, indent: Option<usize>) -> Scan<usize> {
        let mut line = self.pos;
        loop {
            let line_end = self.line_end(line);
            let (end, has_comment) = self.plain_line(line, line_end)?;
            if has_comment {
                return Ok(end);
            }
            match self.continuation(line_end, indent)? {
                Some(next) => line = next,
                None => return Ok(end),
            }
        }
    }

    /// End of plain text within one line, and whether a comment ends it.
    fn plain_line(&self, start: usize, line_end: usize) -> Scan<(usize, bool)> {
        let mut end = line_end;
        let mut has_comment = false;
        let mut at = start;
        while let Some(offset) = memchr2(b':', b'#', &self.text[at..line_end]) {
            at += offset;
            if self.text[at] == b'#' {
                if at > start && matches!(self.text[at - 1], b' ' | b'\t') {
                    (end, has_comment) = (at, true);
                    break;
                }
            } else if self.is_blank(at + 1) {
                self.text.get(at).ok_or("")?;
                return Err("key inside of a value");
            }
            at += 1;
        }
        while end > start && matches!(self.text[end - 1], b' ' | b'\r' | b'\t') {
            end -= 1;
        }
        Ok((end, has_comment))
    }

    /// Where plain text goes on after a line, if it does.
    fn continuation(&self, line_end: usize, indent: Option<usize>) -> Scan<Option<usize>> {
        let mut line = line_end + 1;
        while line < self.limit {
            let mut at = line;
            while self.byte(at) == b' ' && at < self.limit {
                at += 1;
            }
            match self.byte(at) {
                b'\r' => line = at + 2,
                b'\n' => line = at + 1,
                b'\t' => return Err("tab at the start of a line"),
                b'#' => return Ok(None),
                b'-' | b'.' if at == line && self.is_marker(at) => return Ok(None),
                _ => {
                    let goes_on = indent.is_none_or(|indent| at - line > indent);
                    return Ok(goes_on.then_some(at));
                }
            }
        }
        Ok(None)
    }

    fn anchor(&mut self) -> Scan<Pending> {
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

    fn name(&self) -> Scan<(usize, usize)> {
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

    fn close_anchor(&mut self, pending: Pending, id: u32) -> Scan<()> {
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

    fn spend(&mut self, nodes: usize, bytes: usize) -> Scan<()> {
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

    fn block_scalar(&mut self, indent: Option<usize>, key: Key) -> Scan<u32> {
        let Some(indent) = indent else { return Err("block scalar as the whole document") };
        let start = self.pos;
        let style = if self.text[start] == b'|' { Style::Literal } else { Style::Folded };
        let header_end = self.line_end(start);
        let (width, keeps) = self.block_header(start + 1, header_end)?;
        let lines = (header_end + 1).min(self.limit);
        let mut column = width.map(|width| indent + width);
        let mut widest_blank = 0;
        // Blanks on lines behind the text could become text if something else moved there.
        let mut has_loose = false;
        let (mut line, mut end) = (lines, lines);
        while line < self.limit {
            let line_end = self.line_end(line);
            let mut at = line;
            let stop = column.map_or(line_end, |column| line_end.min(line + column));
            while at < stop && self.text[at] == b' ' {
                at += 1;
            }
            let is_blank = at == line_end || (self.text[at] == b'\r' && at + 1 == line_end);
            if is_blank && (at < stop || column.is_none() || at - line <= column.unwrap_or(0)) {
                widest_blank = widest_blank.max(at - line);
                has_loose |= at > line;
            } else {
                if column.is_none() {
                    if at - line <= indent {
                        break;
                    }
                    if widest_blank > at - line {
                        return Err("blank line longer than the block's indentation");
                    }
                    column = Some(at - line);
                }
                if Some(at - line) != column {
                    if self.text[at] == b'\t' {
                        return Err("tab in the indentation of a block");
                    }
                    if at - line > indent {
                        return Err("line between a block scalar's indentation and its parent's");
                    }
                    break;
                }
                end = line_end;
                has_loose = false;
            }
            line = (line_end + 1).min(self.limit);
            if line_end == self.limit {
                break;
            }
        }
        if column.is_none() && widest_blank > 0 {
            return Err("block of blank lines");
        }
        // Without trailing lines the span ends before the last break, unless those lines count.
        let has_break = end > lines && end < self.limit;
        let has_content = end > lines;
        let end = if keeps || has_loose || !has_content {
            line
        } else if has_break {
            end + 1
        } else {
            end
        };
        self.pos = line;
        self.line_start = line;
        self.fresh = true;
        self.back_to_break(line);
        let id = self.push(style, start, end, key);
        let node = self.node(id);
        node.column = small(column.unwrap_or(indent + 1));
        node.child = small(lines);
        Ok(id)
    }

    /// The token after a block scalar starts a line of its own.
    fn back_to_break(&mut self, line: usize) {
        while self.pos < self.limit && self.text[self.pos] == b' ' {
            self.pos += 1;
        }
        self.line_start = line;
    }

    /// Width given in a block scalar's header, and whether it keeps trailing lines.
    fn block_header(&self, start: usize, end: usize) -> Scan<(Option<usize>, bool)> {
        let (mut width, mut chomp, mut at) = (None, None, start);
        while at < end {
            match self.text[at] {
                digit @ b'1'..=b'9' if width.is_none() => width = Some(usize::from(digit - b'0')),
                sign @ (b'+' | b'-') if chomp.is_none() => chomp = Some(sign),
                _ => break,
            }
            at += 1;
        }
        let rest = self.source[at..end].trim_end_matches('\r');
        let is_fine = rest.trim_start_matches(' ').is_empty()
            || (rest.starts_with(' ') && rest.trim_start_matches(' ').starts_with('#'));
        match is_fine {
            true => Ok((width, chomp == Some(b'+'))),
            false => Err("header of a block scalar"),
        }
    }
}

/// Whether a sequence stands at its key's own column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Indentless {
    Yes,
    No,
}
