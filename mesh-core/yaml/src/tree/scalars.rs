//! Scalars: where plain, quoted and block scalars end.

use memchr::{memchr, memchr2};

use crate::scalar::{self, Scalar};

use super::{
    Style,
    scan::{Key, Scan, Scanner, small},
    text,
};

impl Scanner<'_> {
    pub(super) fn quoted(&mut self, style: Style, end: usize, indent: Option<usize>, key: Key) -> Scan<u32> {
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
    pub(super) fn plain_end(&mut self, indent: Option<usize>) -> Scan<usize> {
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
    pub(super) fn plain_line(&self, start: usize, line_end: usize) -> Scan<(usize, bool)> {
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
    pub(super) fn continuation(&self, line_end: usize, indent: Option<usize>) -> Scan<Option<usize>> {
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

    pub(super) fn block_scalar(&mut self, indent: Option<usize>, key: Key) -> Scan<u32> {
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
    pub(super) fn back_to_break(&mut self, line: usize) {
        while self.pos < self.limit && self.text[self.pos] == b' ' {
            self.pos += 1;
        }
        self.line_start = line;
    }

    /// Width given in a block scalar's header, and whether it keeps trailing lines.
    pub(super) fn block_header(&self, start: usize, end: usize) -> Scan<(Option<usize>, bool)> {
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
