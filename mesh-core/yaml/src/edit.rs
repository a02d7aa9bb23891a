//! Edits: a list of changes carried out on the text, so that all around them stays as it is, comments included.
//!
//! What is added to block style is written in block style, after the last entry and at its column; what is added to flow style is
//! written as JSON. Removing what was added gives back the original bytes: see [`View::emptied`](crate::View::emptied) for parents.

mod emit;
mod overlay;
mod plan;

use crate::{
    error::Error,
    pointer::{Op, apply_to_value},
    read,
    tree::{Buffer, Tree},
    write,
};

/// How changes were carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Applied {
    /// By edits of the text.
    Text,
    /// By writing the document anew: comments, anchors and layout are lost.
    Rewritten {
        /// What kept the text from being edited.
        reason: &'static str,
    },
}

/// Carries out `ops` on one document, appending the result to `out`.
///
/// # Errors
/// [`Error::Unsupported`] where the text cannot be edited without harm, [`Error::Patch`] where a change does not fit; `out` is then
/// as it was.
pub fn apply<'a>(tree: &'a Tree<'a>, ops: &'a [Op], out: &mut Vec<u8>) -> Result<(), Error> {
    if ops.is_empty() {
        out.extend_from_slice(tree.text().as_bytes());
        return Ok(());
    }
    let patch = overlay::overlay(tree, ops)?;
    let mut plan = plan::Plan::new(tree);
    plan.emit_root(&patch).map_err(|reason| Error::Unsupported { line: 1, reason })?;
    plan.write(out);
    Ok(())
}

/// Carries out `ops` on one document's text, by writing it anew if it cannot be edited.
///
/// # Errors
/// When the text is no YAML or a change does not fit; `out` is then as it was.
pub fn edit(text: &str, ops: &[Op], out: &mut Vec<u8>) -> Result<Applied, Error> {
    let result = Tree::parse_in(text, Buffer::default()).and_then(|tree| apply(&tree, ops, out));
    match result {
        Ok(()) => Ok(Applied::Text),
        Err(Error::Unsupported { reason, .. }) => {
            rewrite(text, ops, out)?;
            Ok(Applied::Rewritten { reason })
        }
        Err(error) => Err(error),
    }
}

/// Reads, changes and writes the document; what stands before its content stays.
fn rewrite(text: &str, ops: &[Op], out: &mut Vec<u8>) -> Result<(), Error> {
    let mut value = read::from_str(text)?;
    apply_to_value(&mut value, ops)?;
    let body = write::to_string(&value)?;
    let mut prefix = 0;
    for line in text.split_inclusive('\n') {
        let bare = line.trim_end();
        if !(bare.is_empty() || bare.starts_with('#') || bare == "---") || !line.ends_with('\n') {
            // Content on the line of the marker: the marker alone stays.
            if bare.starts_with("--- ") {
                out.extend_from_slice(&text.as_bytes()[..prefix]);
                out.extend_from_slice(b"---\n");
                out.extend_from_slice(body.as_bytes());
                return Ok(());
            }
            break;
        }
        prefix += line.len();
    }
    out.extend_from_slice(&text.as_bytes()[..prefix]);
    out.extend_from_slice(body.as_bytes());
    Ok(())
}
