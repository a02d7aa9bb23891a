//! The scanner: block structure and the scalars in it.

use memchr::memchr;

use crate::{error::Error, read::MAX_DEPTH, scalar};

use super::{Buffer, Data, NONE, Style, text};

/// Longest key; YAML's own bound.
const MAX_KEY: usize = 1024;
/// Mappings up to this size are searched for duplicate keys pair by pair.
const SMALL_MAPPING: usize = 24;

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

pub(super) type Scan<T> = Result<T, &'static str>;

pub(super) struct Scanner<'t> {
    pub(super) source: &'t str,
    pub(super) text: &'t [u8],
    pub(super) pos: usize,
    pub(super) limit: usize,
    pub(super) line_start: usize,
    /// Whether the token at `pos` is the first of its line.
    pub(super) fresh: bool,
    pub(super) has_tabs: bool,
    pub(super) depth: usize,
    pub(super) deepest: usize,
    pub(super) spent_nodes: usize,
    pub(super) spent_bytes: usize,
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
    pub(super) fn document(&mut self) -> Scan<u32> {
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
    pub(super) fn check_tail(&mut self) -> Scan<()> {
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
    pub(super) fn check_characters(&mut self) -> Scan<()> {
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

    pub(super) fn is_marker(&self, at: usize) -> bool {
        let rest = &self.text[at..];
        (rest.starts_with(b"---") || rest.starts_with(b"..."))
            && matches!(rest.get(3), None | Some(b' ' | b'\t' | b'\r' | b'\n'))
    }

    pub(super) fn line_end(&self, at: usize) -> usize {
        memchr(b'\n', &self.text[at..self.limit]).map_or(self.limit, |offset| at + offset)
    }

    /// Moves to the next token: over blanks, comments and line breaks.
    pub(super) fn skip(&mut self) -> Scan<()> {
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
    pub(super) fn block(
        &mut self,
        column: usize,
        indent: Option<usize>,
        key: Key,
        has_anchor: bool,
    ) -> Scan<u32> {
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

    pub(super) fn enter(&mut self) -> Scan<()> {
        self.depth += 1;
        self.deepest = self.deepest.max(self.depth);
        if self.depth > MAX_DEPTH { Err("nested too deep") } else { Ok(()) }
    }

    pub(super) fn enter_flow(&mut self) -> Scan<()> {
        self.enter()
    }

    pub(super) fn mapping(&mut self, column: usize, first: Key, key: Key) -> Scan<u32> {
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
    pub(super) fn close(&mut self, id: u32, last: u32) {
        self.depth -= 1;
        let end = self.node(last).end;
        let node = self.node(id);
        node.end = end.max(node.end);
    }

    /// A key at `pos`, if the line has one there; moves behind its colon.
    pub(super) fn key(&mut self) -> Scan<Option<Key>> {
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
    pub(super) fn plain_key(&self, start: usize) -> Option<(usize, usize)> {
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

    pub(super) fn quoted_key(&self, start: usize, end: usize) -> Option<(usize, usize)> {
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
    pub(super) fn inline(&mut self, indent: Option<usize>, key: Key) -> Scan<u32> {
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
}

/// Whether a sequence stands at its key's own column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Indentless {
    Yes,
    No,
}
