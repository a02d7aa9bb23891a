//! Flow collections: `{key: value}`, `[item]`, and so JSON.

use super::{
    NONE, Style,
    scan::{Key, Scan, Scanner},
};

impl Scanner<'_> {
    /// A flow collection at `pos`; `indent` is the column of the block collection around it.
    pub(super) fn flow(&mut self, indent: Option<usize>, key: Key) -> Scan<u32> {
        self.enter_flow()?;
        let start = self.pos;
        let is_mapping = self.text[start] == b'{';
        let (style, close) = match is_mapping {
            true => (Style::FlowMapping, b'}'),
            false => (Style::FlowSequence, b']'),
        };
        let id = self.push(style, start, start, key);
        self.pos += 1;
        let mut last = NONE;
        loop {
            self.flow_skip(indent)?;
            if self.byte(self.pos) == close {
                break;
            }
            let key = match is_mapping {
                true => self.flow_key(indent)?,
                false => Key::none(self.pos),
            };
            let child = self.flow_value(indent, key)?;
            self.link(id, &mut last, child);
            self.flow_skip(indent)?;
            match self.byte(self.pos) {
                b',' => self.pos += 1,
                byte if byte == close => break,
                _ => return Err("entry of a flow collection"),
            }
        }
        self.pos += 1;
        self.depth -= 1;
        let end = super::scan::small(self.pos);
        self.node(id).end = end;
        if is_mapping {
            self.check_duplicates(id)?;
        }
        Ok(id)
    }

    fn flow_value(&mut self, indent: Option<usize>, key: Key) -> Scan<u32> {
        let start = self.pos;
        match self.text[start] {
            b'{' | b'[' => self.flow(indent, key),
            b'"' => {
                let end = self.double_end(start)?;
                self.check_lines(start, end, indent)?;
                if super::text::double(&self.source[start..end]).is_none() {
                    return Err("escape");
                }
                self.pos = end;
                Ok(self.push(Style::DoubleQuoted, start, end, key))
            }
            b'\'' => {
                let end = self.single_end(start)?;
                self.check_lines(start, end, indent)?;
                self.pos = end;
                Ok(self.push(Style::SingleQuoted, start, end, key))
            }
            b'*' => self.alias(key),
            _ => {
                let end = self.flow_plain(start)?;
                self.check_plain(start, end)?;
                self.pos = end;
                Ok(self.push(Style::Plain, start, end, key))
            }
        }
    }

    /// A key with its colon, all on one line, and the blanks before the value.
    fn flow_key(&mut self, indent: Option<usize>) -> Scan<Key> {
        let start = self.pos;
        let (style, end) = match self.text[start] {
            b'"' => (Style::DoubleQuoted, self.double_end(start)?),
            b'\'' => (Style::SingleQuoted, self.single_end(start)?),
            _ => (Style::Plain, self.flow_plain(start)?),
        };
        if memchr::memchr(b'\n', &self.text[start..end]).is_some() || end - start > 1000 {
            return Err("long or broken key");
        }
        let mut colon = end;
        while self.byte(colon) == b' ' {
            colon += 1;
        }
        let is_key = self.byte(colon) == b':' && (style != Style::Plain || self.is_blank(colon + 1));
        if !is_key || colon - end > 16 {
            return Err("flow mapping entry without a value");
        }
        let hash = self.key_hash(start, end, style)?;
        self.pos = colon + 1;
        self.flow_skip(indent)?;
        Ok(Key { style, start, end, hash })
    }

    /// End of plain text in flow context; it must stand on one line.
    fn flow_plain(&self, start: usize) -> Scan<usize> {
        match self.byte(start) {
            b'-' | b'?' | b':' if self.is_blank(start + 1) || b",[]{}".contains(&self.byte(start + 1)) => {
                return Err("indicator in a flow collection");
            }
            b',' | b'[' | b']' | b'{' | b'}' | b'#' | b'&' | b'*' | b'!' | b'|' | b'>' | b'%' | b'@'
            | b'`' | b'"' | b'\'' => return Err("tag, anchor or reserved character"),
            _ => {}
        }
        let mut at = start;
        loop {
            match self.byte(at) {
                b',' | b'[' | b']' | b'{' | b'}' | b'\n' | b'\r' => break,
                b':' if self.is_blank(at + 1) || b",[]{}".contains(&self.byte(at + 1)) => break,
                b'#' if matches!(self.text[at - 1], b' ' | b'\t') => break,
                _ => at += 1,
            }
        }
        while matches!(self.text[at - 1], b' ' | b'\t') {
            at -= 1;
        }
        Ok(at)
    }

    /// Blanks, breaks and comments between tokens of a flow collection.
    fn flow_skip(&mut self, indent: Option<usize>) -> Scan<()> {
        let mut is_fresh = false;
        while !self.is_end() {
            match self.text[self.pos] {
                b' ' | b'\r' => self.pos += 1,
                b'\n' => {
                    self.pos += 1;
                    self.line_start = self.pos;
                    is_fresh = true;
                }
                b'#' if self.pos == self.line_start || self.text[self.pos - 1] == b' ' => {
                    while self.byte(self.pos) != b'\n' {
                        self.pos += 1;
                    }
                }
                b'\t' => return Err("tab in a flow collection"),
                byte => return self.check_flow_line(indent, is_fresh, byte),
            }
        }
        Err("flow collection that does not end")
    }

    fn check_flow_line(&self, indent: Option<usize>, is_fresh: bool, byte: u8) -> Scan<()> {
        if !is_fresh {
            return Ok(());
        }
        let column = self.pos - self.line_start;
        let is_closing = matches!(byte, b']' | b'}');
        match indent {
            Some(indent) if column < indent || (column == indent && !is_closing) => {
                Err("flow line indented too little")
            }
            _ if column == 0 && matches!(byte, b'-' | b'.') => Err("flow line that may be a marker"),
            _ => Ok(()),
        }
    }
}
