//! Texts and changes grown from arbitrary bytes, in more styles than any one manifest has.

use serde_json::{Value, json};

use crate::pointer::{Op, Pointer};

/// Plain text that readers disagree about, or that looks like syntax.
pub const NASTY: &[&str] = &[
    "yes",
    "no",
    "on",
    "off",
    "y",
    "n",
    "Y",
    "N",
    "Yes",
    "NO",
    "On",
    "OFF",
    "true",
    "True",
    "TRUE",
    "false",
    "False",
    "FALSE",
    "yES",
    "tRUE",
    "null",
    "Null",
    "NULL",
    "nULL",
    "~",
    "~a",
    "",
    "0",
    "-0",
    "+0",
    "00",
    "007",
    "08",
    "017",
    "-017",
    "0o17",
    "0O17",
    "0o18",
    "0x10",
    "0X1F",
    "-0x10",
    "0xg",
    "0b101",
    "0B11",
    "-0b11",
    "0b2",
    "1_000",
    "1__0",
    "_1",
    "1_",
    "685_230.15",
    "0b1010_0111",
    "1e3",
    "1E3",
    "1e+3",
    "1e-3",
    "1.5",
    "1.",
    ".5",
    "+.5",
    "-.5",
    ".",
    "..",
    "1.0",
    "-1.0",
    "1e400",
    "1e21",
    "123456789012345678",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "-9223372036854775808",
    "-9223372036854775809",
    "190:20:30",
    "1:30",
    "2001-12-14",
    "2001-12-14t21:59:43.10-05:00",
    "2001-12-14 21:59:43.10 -5",
    "12-34",
    "1.2.3",
    "10.0.0.1",
    "500m",
    "64Mi",
    "1Gi",
    ".inf",
    "-.inf",
    "+.INF",
    ".nan",
    "inf",
    "nan",
    "=",
    "<<",
    "-",
    "--",
    "-a",
    "?a",
    ":a",
    "a:b",
    "a#b",
    "a b",
    "http://x:80/y",
    "@a",
    "%a",
    "`a",
    "!a",
    "&a",
    "*a",
    "|a",
    ">a",
    "{a",
    "a}",
    "[a",
    "a]",
    ",a",
    "a,b",
    "é",
    "日本",
    "😀",
    "a\u{a0}b",
    "a'b",
    "a\"b",
    "'",
    "\"",
    "\\",
    "a\\nb",
    "#a",
    "---",
    "...",
    "--- a",
    "key: value",
    "a ",
    " a",
    "a\tb",
    "a: ",
    "1 # 2",
    "0777",
    "0755",
    "1e",
    "e1",
    "0.0",
    "6.02e23",
    "5e-324",
];

/// Bytes spent as choices; zeros when they run out.
struct Choices<'a> {
    bytes: std::slice::Iter<'a, u8>,
}

impl Choices<'_> {
    fn below(&mut self, count: usize) -> usize {
        let low = self.bytes.next().copied().unwrap_or(0);
        usize::from(low) % count.max(1)
    }

    fn wide(&mut self, count: usize) -> usize {
        let high = usize::from(self.bytes.next().copied().unwrap_or(0));
        let low = usize::from(self.bytes.next().copied().unwrap_or(0));
        (high * 256 + low) % count.max(1)
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == count - 1
    }

    fn is_over(&self) -> bool {
        self.bytes.len() == 0
    }
}

struct Texts<'a> {
    choices: Choices<'a>,
    out: String,
    anchors: usize,
    keys: usize,
}

/// A text that is mostly YAML.
pub fn text_from(bytes: &[u8]) -> String {
    let mut texts =
        Texts { choices: Choices { bytes: bytes.iter() }, out: String::new(), anchors: 0, keys: 0 };
    texts.document();
    texts.out
}

impl Texts<'_> {
    fn document(&mut self) {
        let is_crlf = self.choices.one_in(8);
        let is_cut = self.choices.one_in(4);
        if self.choices.one_in(4) {
            self.out.push_str("# head\n\n");
        }
        if self.choices.one_in(3) {
            self.out.push_str("---\n");
        }
        match self.choices.below(8) {
            0 => self.flow(0, 3),
            1 => self.sequence(0, 4),
            2 => self.scalar(0),
            _ => self.mapping(0, 4),
        }
        if !self.out.ends_with('\n') {
            self.out.push('\n');
        }
        if self.choices.one_in(6) {
            self.out.push_str("# tail\n");
        }
        if self.choices.one_in(8) {
            self.out.push_str("...\n# over\n");
        }
        if is_cut {
            self.out.pop();
        }
        for _ in 0..self.choices.below(4).saturating_sub(2) {
            self.damage();
        }
        if is_crlf {
            self.out = self.out.replace('\n', "\r\n");
        }
    }

    /// Puts in, takes out or doubles something anywhere.
    fn damage(&mut self) {
        const BITS: &[&str] = &[
            " ", "  ", "\n", ":", ": ", "- ", "#", " #", "\"", "'", "{", "}", "[", "]", ",", "|", ">", "&a ",
            "*a", "\t", "x", "---\n", "? ", "!!str ", "%",
        ];
        let mut at = self.choices.wide(self.out.len() + 1);
        while !self.out.is_char_boundary(at) {
            at -= 1;
        }
        match self.choices.below(2) {
            0 if at < self.out.len() => {
                self.out.remove(at);
            }
            _ => {
                let bit = BITS[self.choices.below(BITS.len())];
                self.out.insert_str(at, bit);
            }
        }
    }

    fn pad(&mut self, indent: usize) {
        self.out.extend(std::iter::repeat_n(' ', indent));
    }

    fn line_end(&mut self, indent: usize) {
        if !self.out.ends_with('\n') {
            match self.choices.below(10) {
                0 => self.out.push_str("  # why"),
                1 => self.out.push(' '),
                _ => {}
            }
            self.out.push('\n');
        }
        match self.choices.below(16) {
            0 => self.out.push('\n'),
            1 => {
                self.pad(indent);
                self.out.push_str("# note: x\n");
            }
            2 => self.out.push_str("# left\n"),
            3 => {
                self.pad(indent + 3);
                self.out.push_str("# deep\n");
            }
            _ => {}
        }
    }

    fn mapping(&mut self, indent: usize, depth: usize) {
        for index in 0..=self.choices.below(4) {
            if index > 0 {
                self.pad(indent);
            }
            self.key();
            self.out.push(':');
            self.value(indent, depth, true);
            self.line_end(indent);
            if self.choices.is_over() {
                break;
            }
        }
    }

    fn key(&mut self) {
        self.keys += 1;
        match self.choices.below(12) {
            0 => {
                let nasty = NASTY[self.choices.below(NASTY.len())];
                self.out.push_str(nasty);
            }
            1 => {
                let key = format!("\"k {}\\u00e9\"", self.keys);
                self.out.push_str(&key);
            }
            2 => {
                let key = format!("'it''s {}'", self.keys);
                self.out.push_str(&key);
            }
            3 => {
                let key = format!("a key {} ", self.keys);
                self.out.push_str(&key);
            }
            _ => {
                let key = format!("k{}", self.keys);
                self.out.push_str(&key);
            }
        }
    }

    fn sequence(&mut self, indent: usize, depth: usize) {
        for index in 0..=self.choices.below(4) {
            if index > 0 {
                self.pad(indent);
            }
            self.out.push('-');
            self.value(indent, depth, false);
            self.line_end(indent);
            if self.choices.is_over() {
                break;
            }
        }
    }

    fn value(&mut self, indent: usize, depth: usize, is_key: bool) {
        if self.choices.one_in(10) {
            self.anchors += 1;
            let anchor = format!(" &a{}", self.anchors);
            self.out.push_str(&anchor);
        }
        let step = [2, 2, 4, 1, 3][self.choices.below(5)];
        match self.choices.below(if depth == 0 { 5 } else { 12 }) {
            0 if self.choices.one_in(2) => {}
            0..=3 => {
                self.out.push(' ');
                self.scalar(indent);
            }
            4 if self.anchors > 0 => {
                let alias = format!(" *a{}", self.choices.below(self.anchors) + 1);
                self.out.push_str(&alias);
            }
            4 | 5 => {
                self.out.push(' ');
                self.flow(indent, depth.min(3));
            }
            6 | 7 if !is_key && step > 1 => {
                self.pad(step - 1);
                self.mapping(indent + step, depth - 1);
            }
            8 if !is_key && step > 1 => {
                self.pad(step - 1);
                self.sequence(indent + step, depth - 1);
            }
            9 if is_key => {
                self.line_end(indent);
                self.pad(indent);
                self.sequence(indent, depth - 1);
            }
            10 => {
                self.line_end(indent);
                self.pad(indent + step);
                self.sequence(indent + step, depth - 1);
            }
            _ => {
                self.line_end(indent);
                self.pad(indent + step);
                self.mapping(indent + step, depth - 1);
            }
        }
    }

    fn scalar(&mut self, indent: usize) {
        match self.choices.below(12) {
            0 => self.block(indent),
            1 => self.block(indent),
            2 => {
                self.out.push_str("one two");
                self.more_lines(indent);
                self.out.push_str("three");
            }
            3 => {
                self.out.push_str("'it''s");
                self.more_lines(indent);
                self.out.push_str(" so '");
            }
            4 => {
                self.out.push_str("\"a\\t\\u263a\\\" ");
                self.more_lines(indent);
                self.out.push_str("b \\\\\"");
            }
            5 => self.out.push_str("\"x: y # z\""),
            6 => self.out.push_str("''"),
            7 => {
                let text = format!("'{}'", NASTY[self.choices.below(NASTY.len())].replace('\'', "''"));
                self.out.push_str(&text);
            }
            8 | 9 => self.out.push_str("plain text"),
            _ => {
                let nasty = NASTY[self.choices.below(NASTY.len())];
                self.out.push_str(nasty);
            }
        }
    }

    /// Breaks a scalar over lines, sometimes.
    fn more_lines(&mut self, indent: usize) {
        for _ in 0..self.choices.below(3) {
            if self.choices.one_in(4) {
                self.out.push(' ');
            }
            self.out.push('\n');
            if self.choices.one_in(3) {
                self.out.push('\n');
            }
            let more = self.choices.below(4) + 1;
            self.pad(indent + more);
            self.out.push_str(["and", "- x", "it's", "x#y"][self.choices.below(4)]);
            self.out.push(' ');
        }
    }

    fn block(&mut self, indent: usize) {
        self.out.push(['|', '>'][self.choices.below(2)]);
        let step = self.choices.below(3) + 1;
        let is_explicit = self.choices.one_in(5);
        if is_explicit {
            let digit = step.to_string();
            self.out.push_str(&digit);
        }
        self.out.push_str(["", "-", "+"][self.choices.below(3)]);
        if self.choices.one_in(6) {
            self.out.push_str(" # block");
        }
        self.out.push('\n');
        for _ in 0..self.choices.below(6) {
            if self.choices.one_in(4) {
                let blanks = self.choices.below(4);
                self.pad(blanks);
                self.out.push('\n');
                continue;
            }
            self.pad(indent + step);
            const LINES: &[&str] = &[
                "text",
                "  more",
                "# no comment",
                "- x",
                "a: b",
                "--- ",
                "...",
                "x  ",
                "\ttab",
                "é",
                "'",
                "key:",
            ];
            self.out.push_str(LINES[self.choices.below(LINES.len())]);
            self.out.push('\n');
        }
    }

    fn flow(&mut self, indent: usize, depth: usize) {
        let is_mapping = self.choices.one_in(2);
        self.out.push(if is_mapping { '{' } else { '[' });
        let count = self.choices.below(4);
        for index in 0..count {
            self.flow_blank(indent);
            if is_mapping {
                self.keys += 1;
                let key = format!("{0}f{1}{0}: ", ["", "\"", "'"][self.choices.below(3)], self.keys);
                self.out.push_str(&key);
            }
            match self.choices.below(8) {
                0 | 1 if depth > 0 => self.flow(indent, depth - 1),
                2 => self.out.push_str("\"q, \\n\""),
                3 => self.out.push_str("'s ''t'"),
                4 if self.anchors > 0 => self.out.push_str("*a1"),
                5 => {
                    let nasty = NASTY[self.choices.below(NASTY.len())];
                    self.out.push_str(nasty);
                }
                _ => self.out.push_str("plain x"),
            }
            self.flow_blank(indent);
            if index + 1 < count || self.choices.one_in(6) {
                self.out.push(',');
            }
        }
        self.out.push(if is_mapping { '}' } else { ']' });
    }

    fn flow_blank(&mut self, indent: usize) {
        match self.choices.below(10) {
            0 => self.out.push(' '),
            1 => {
                self.out.push('\n');
                let more = self.choices.below(4);
                self.pad(indent + more);
            }
            2 => {
                self.out.push_str(" # flow\n");
                self.pad(indent + 2);
            }
            _ => {}
        }
    }
}

/// Changes that mostly fit a value.
pub fn ops_from(value: &Value, bytes: &[u8]) -> Vec<Op> {
    let mut choices = Choices { bytes: bytes.iter() };
    let mut current = value.clone();
    let mut ops = Vec::new();
    for _ in 0..=choices.below(4) {
        let op = op(&current, &mut choices);
        if crate::pointer::apply_to_value(&mut current, std::slice::from_ref(&op)).is_ok() {
            ops.push(op);
        }
    }
    ops
}

fn op(value: &Value, choices: &mut Choices<'_>) -> Op {
    let (mut at, mut path) = (value, Pointer::root());
    loop {
        let is_here = choices.one_in(4);
        let next = match at {
            Value::Object(map) if !map.is_empty() && !is_here => {
                map.iter().nth(choices.below(map.len())).map(|(key, value)| (key.clone(), value))
            }
            Value::Array(items) if !items.is_empty() && !is_here => {
                let index = choices.below(items.len());
                Some((index.to_string(), &items[index]))
            }
            _ => None,
        };
        let Some((token, next)) = next else { break };
        path = path.join(token);
        at = next;
    }
    match (choices.below(4), at) {
        (0, _) => Op::Remove { path },
        (1, _) => Op::Replace { path, value: some_value(choices) },
        (_, Value::Object(_)) => Op::Add {
            path: path.join(["new", "x/y~z", "yes", "k1"][choices.below(4)]),
            value: some_value(choices),
        },
        (_, Value::Array(items)) => {
            let index = match choices.below(2) {
                0 => "-".to_owned(),
                _ => choices.below(items.len() + 1).to_string(),
            };
            Op::Add { path: path.join(index), value: some_value(choices) }
        }
        _ => Op::Add { path, value: some_value(choices) },
    }
}

/// A value to put somewhere.
fn some_value(choices: &mut Choices<'_>) -> Value {
    match choices.below(14) {
        0 => json!({}),
        1 => json!([]),
        2 => Value::Null,
        3 => json!({"a": {"b": [1, {"c": "d"}], "e": []}, "yes": "no"}),
        4 => json!([[1, "2"], {"k": null}]),
        5 => json!("line one\nline two\n"),
        6 => json!("kept\n\n\n"),
        7 => json!({"script": "#!/bin/sh\n  indented\n\nend", "n": 1.5}),
        8 => json!(["a\n b\n", ""]),
        9 => json!(" leads\n\ttab\u{2028}\u{7f}"),
        10 => json!(choices.below(256)),
        11 => json!({"a": "x # y: z", "b": "- q", "c": "\n"}),
        _ => json!(NASTY[choices.below(NASTY.len())]),
    }
}
