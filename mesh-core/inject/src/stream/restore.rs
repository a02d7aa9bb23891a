//! Puts back how nulls and aliases were written, which a list of changes cannot say.

use mesh_yaml::{Op, Pointer, Tree, View, apply, apply_to_value};
use serde_json::Value;

/// The edited text with `written` put back; `None` where there is nothing to put back, or where the text would then
/// mean something else than the changes do.
pub(super) fn restored(tree: &Tree<'_>, ops: &[Op], written: &[(Pointer, String)]) -> Option<String> {
    if written.is_empty() {
        return None;
    }
    let mut expected = tree.root().to_value();
    apply_to_value(&mut expected, ops).ok()?;
    // A placeholder stands for each text until the edit is done.
    let is_put_back = |op: &&Op| !written.iter().any(|(path, _)| is_at_or_below(op.path(), path));
    let mut edits: Vec<Op> = ops.iter().filter(is_put_back).cloned().collect();
    for (index, (path, _)) in written.iter().enumerate() {
        edits.push(Op::Replace { path: path.clone(), value: Value::String(placeholder(index)) });
    }
    let mut out = Vec::new();
    apply(tree, &edits, &mut out).ok()?;
    let mut text = String::from_utf8(out).ok()?;
    for (index, (_, how)) in written.iter().enumerate() {
        let placeholder = placeholder(index);
        if text.matches(&placeholder).count() != 1 {
            return None;
        }
        let quoted = format!("\"{placeholder}\"");
        text = if text.contains(&quoted) {
            text.replacen(&quoted, how, 1)
        } else {
            text.replacen(&placeholder, how, 1)
        };
    }
    let is_same = Tree::parse(&text).is_ok_and(|tree| tree.root().to_value() == expected);
    is_same.then_some(text)
}

fn is_at_or_below(path: &Pointer, base: &Pointer) -> bool {
    path.tokens().starts_with(base.tokens())
}

fn placeholder(index: usize) -> String {
    format!("linkerd-placeholder-{index}-end")
}
