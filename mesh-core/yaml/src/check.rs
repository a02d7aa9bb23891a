//! Promises of this module as functions, for property tests and fuzzing.

mod texts;

use serde_json::Value;

use crate::{
    edit::apply,
    error::Error,
    pointer::{Op, Pointer, apply_to_value},
    read::{from_str, from_stream},
    split::Splitter,
    tree::{Style, Tree},
    view::{Kind, View},
    write::to_string,
};

pub use texts::{NASTY, ops_from, text_from};

/// How the scanner took a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It scanned.
    Scanned,
    /// It was left to the library.
    Left,
}

/// Whether the span tree of a text, if it has one, says what the library reads.
///
/// # Errors
/// With both readings, where they differ.
pub fn tree_agrees(text: &str) -> Result<Taken, String> {
    let tree = match Tree::parse(text) {
        Ok(tree) => tree,
        Err(Error::Unsupported { .. }) => return Ok(Taken::Left),
        Err(error) => return Err(format!("{error}")),
    };
    let read =
        from_str(text).map_err(|error| format!("the scanner took what the library refuses: {error}"))?;
    let scanned = tree.root().to_value();
    if scanned == read {
        views_agree(tree.root(), &read)?;
        return Ok(Taken::Scanned);
    }
    Err(format!("scanned {scanned}\n   read {read}"))
}

/// Whether a node looks like its value in every way a view can.
fn views_agree<'a>(node: impl View<'a>, value: &Value) -> Result<(), String> {
    let is_same = node.kind() == value.kind()
        && node.as_str().as_deref() == value.as_str()
        && node.as_bool() == value.as_bool()
        && node.as_i64() == value.as_i64()
        && node.count() == value.count();
    if !is_same {
        return Err(format!("views differ at {value}"));
    }
    if node.kind() == Kind::Mapping {
        for (key, child) in node.entries() {
            let found = node.get(&key).ok_or_else(|| format!("no entry {key:?}"))?;
            if found.kind() != child.kind() {
                return Err(format!("another entry under {key:?}"));
            }
            views_agree(child, &value[key.as_ref()])?;
        }
    }
    for (index, child) in node.items().enumerate() {
        views_agree(child, &value[index])?;
    }
    Ok(())
}

/// Whether edits of a text, where it can be edited, mean what the same patch means to its value.
///
/// # Errors
/// With text and values, where they differ.
pub fn edits_agree(text: &str, ops: &[Op]) -> Result<Taken, String> {
    let Ok(tree) = Tree::parse(text) else { return Ok(Taken::Left) };
    let mut expected = tree.root().to_value();
    let patched = apply_to_value(&mut expected, ops);
    let mut out = Vec::new();
    match (apply(&tree, ops, &mut out), patched) {
        (Err(Error::Unsupported { .. }), _) => Ok(Taken::Left),
        (Err(Error::Patch { .. }), Err(_)) => Ok(Taken::Left),
        (Ok(()), Ok(())) => {
            let out = String::from_utf8(out).map_err(|error| error.to_string())?;
            let read = from_str(&out).map_err(|error| format!("{error} in\n{out}"))?;
            match read == expected {
                true => Ok(Taken::Scanned),
                false => Err(format!("read {read}\nwant {expected}\nin\n{out}")),
            }
        }
        (edited, patched) => Err(format!("edited {edited:?}, patched {patched:?}")),
    }
}

/// Whether adding entries to a collection and removing them again gives back the text.
///
/// # Errors
/// With the text that came out instead.
pub fn undo_restores(text: &str, parent: &Pointer, entries: &[(String, Value)]) -> Result<Taken, String> {
    let Ok(tree) = Tree::parse(text) else { return Ok(Taken::Left) };
    let mut node = Some(tree.root());
    for token in parent.tokens() {
        node = node.and_then(|node| {
            let item = token.parse().ok().and_then(|index| node.items().nth(index));
            item.or_else(|| node.get(token))
        });
        if node.is_none_or(|node| node.style() == Style::Alias) {
            // The copy that an alias gets stays.
            return Ok(Taken::Left);
        }
    }
    let add = |(key, value): &(String, Value)| Op::Add { path: parent.join(key), value: value.clone() };
    let adds: Vec<Op> = entries.iter().map(add).collect();
    let removes: Vec<Op> = entries.iter().map(|(key, _)| Op::Remove { path: parent.join(key) }).collect();
    let mut added = Vec::new();
    if apply(&tree, &adds, &mut added).is_err() {
        return Ok(Taken::Left);
    }
    let added = String::from_utf8(added).map_err(|error| error.to_string())?;
    let tree = Tree::parse(&added).map_err(|error| format!("{error} in\n{added}"))?;
    let mut back = Vec::new();
    apply(&tree, &removes, &mut back).map_err(|error| format!("{error} in\n{added}"))?;
    match back == text.as_bytes() {
        true => Ok(Taken::Scanned),
        false => Err(format!("{added}\nbecame\n{}", String::from_utf8_lossy(&back))),
    }
}

/// Whether a text that reads is written so that it reads the same.
///
/// # Errors
/// With what was written, where it does not.
pub fn writing_restores(text: &str) -> Result<Taken, String> {
    let Ok(value) = from_str(text) else { return Ok(Taken::Left) };
    let written = to_string(&value).map_err(|error| error.to_string())?;
    match from_str(&written) {
        Ok(read) if read == value => Ok(Taken::Scanned),
        read => Err(format!("{value}\nwritten as\n{written}\nreads {read:?}")),
    }
}

/// Whether the documents of a stream are the stream, when it arrives in pieces of `step` bytes.
///
/// # Errors
/// With what is different.
pub fn split_restores(bytes: &[u8], step: usize) -> Result<Taken, String> {
    let reader = std::io::BufReader::with_capacity(step.max(1), bytes);
    let mut splitter = Splitter::new(reader);
    let (mut at, mut line, mut number) = (0, 1, 0);
    loop {
        match splitter.next_document() {
            Ok(Some(document)) => {
                number += 1;
                let end = at + document.text.len();
                if bytes.get(at..end) != Some(document.text.as_bytes()) {
                    return Err(format!("document {number} differs"));
                }
                if (document.line, document.number) != (line, number) {
                    return Err(format!("document {number} says it is {document:?}"));
                }
                line += memchr::memchr_iter(b'\n', document.text.as_bytes()).count();
                at = end;
            }
            Ok(None) if at == bytes.len() => return Ok(Taken::Scanned),
            Ok(None) => return Err(format!("{} bytes are missing", bytes.len() - at)),
            Err(_) => return Ok(Taken::Left),
        }
    }
}

/// Whether reading the documents of a stream one by one gives what reading it whole gives.
///
/// # Errors
/// With both, where they differ.
pub fn split_agrees(text: &str) -> Result<Taken, String> {
    let Ok(whole) = from_stream(text) else { return Ok(Taken::Left) };
    let mut splitter = Splitter::new(text.as_bytes());
    let mut values = Vec::new();
    while let Some(document) = splitter.next_document().map_err(|error| error.to_string())? {
        let value = from_str(document.text).map_err(|error| format!("{error} in {document:?}"))?;
        values.extend((!value.is_null()).then_some(value));
    }
    if values == whole { Ok(Taken::Scanned) } else { Err(format!("{values:?}\nwhole {whole:?}")) }
}
