//! The grammar of `--set`: `key=value` pairs parted by commas.
//!
//! A key is a path: names parted by `.`, indexes in `[ ]`. A value ends at a comma; `{a,b}` is a list; `\` takes the next character
//! as it is. Later pairs see what earlier ones set.

use std::iter::Peekable;
use std::str::Chars;

use serde_json::{Map, Value};

/// Largest index into a list.
pub const MAX_INDEX: usize = 65_536;
/// Most names a path may have below the first.
pub const MAX_NESTING: usize = 30;
/// Most elements all lists of one expression may be filled up with; Helm has no such bound, and `a[65536][65536]=` its price.
const MAX_FILLING: usize = 1 << 20;

/// Turns the text of a value into a value.
type Convert<'c> = &'c dyn Fn(String) -> Result<Value, String>;

/// Applies an expression to a tree.
pub(super) fn apply(
    tree: &mut Map<String, Value>,
    expression: &str,
    convert: Convert<'_>,
) -> Result<(), String> {
    let mut parser = Parser { rest: expression.chars().peekable(), convert, filling: MAX_FILLING };
    while parser.pair(tree, 0)? == More::Yes {}
    Ok(())
}

/// The value a text stands for under `--set`.
pub(super) fn typed(text: String) -> Value {
    if text.eq_ignore_ascii_case("true") {
        return Value::Bool(true);
    }
    if text.eq_ignore_ascii_case("false") {
        return Value::Bool(false);
    }
    if text.eq_ignore_ascii_case("null") {
        return Value::Null;
    }
    if text == "0" {
        return Value::from(0);
    }
    // Text with a leading zero (an octal mode, a commit) stays text.
    match text.parse::<i64>() {
        Ok(number) if !text.starts_with('0') => Value::from(number),
        _ => Value::String(text),
    }
}

/// Whether another pair may follow; after an empty value at the very end none can.
#[derive(Clone, Copy, PartialEq, Eq)]
enum More {
    Yes,
    No,
}

struct Parser<'e, 'c> {
    rest: Peekable<Chars<'e>>,
    convert: Convert<'c>,
    /// Elements lists may still be filled up with.
    filling: usize,
}

impl Parser<'_, '_> {
    /// Reads up to one of the characters in `stops`; which one it was, or none at the end.
    fn until(&mut self, stops: &str) -> (String, Option<char>) {
        let mut text = String::new();
        while let Some(character) = self.rest.next() {
            match character {
                stop if stops.contains(stop) => return (text, Some(stop)),
                '\\' => match self.rest.next() {
                    Some(literal) => text.push(literal),
                    None => break,
                },
                other => text.push(other),
            }
        }
        (text, None)
    }

    /// Reads one pair, or the rest of one from a name on, into a map.
    fn pair(&mut self, map: &mut Map<String, Value>, depth: usize) -> Result<More, String> {
        let (name, stop) = self.until("=[,.");
        match stop {
            None if name.is_empty() => Ok(More::No),
            None => Err(format!("key {name:?} has no value")),
            Some(',') => Err(format!("key {name:?} has no value (cannot end with ,)")),
            Some('=') => {
                let (value, more) = self.value()?;
                put(map, name, value);
                Ok(more)
            }
            Some('.') => self.nested(map, name, depth + 1),
            Some(_) => {
                let index = self.index()?;
                // Taken, not copied: on an error the caller drops the whole tree.
                let mut list = match map.get_mut(&name) {
                    None => Vec::new(),
                    Some(Value::Array(items)) => std::mem::take(items),
                    Some(_) => return Err(format!("{name:?} is not a list")),
                };
                let more = self.item(&mut list, index, depth)?;
                put(map, name, Value::Array(list));
                Ok(more)
            }
        }
    }

    fn nested(&mut self, map: &mut Map<String, Value>, name: String, depth: usize) -> Result<More, String> {
        if depth > MAX_NESTING {
            return Err(too_deep());
        }
        let mut inner = match map.get_mut(&name) {
            None => Map::new(),
            Some(Value::Object(entries)) => std::mem::take(entries),
            Some(_) => return Err(format!("{name:?} is not a map")),
        };
        let more = self.pair(&mut inner, depth)?;
        if inner.is_empty() && more == More::Yes {
            return Err(format!("key map {name:?} has no value"));
        }
        if !inner.is_empty() {
            put(map, name, Value::Object(inner));
        }
        Ok(more)
    }

    fn index(&mut self) -> Result<usize, String> {
        let (text, stop) = self.until("]");
        if stop.is_none() {
            return Err("error parsing index: ] is missing".to_owned());
        }
        let number: i64 =
            text.parse().map_err(|_| format!("error parsing index: {text:?} is not a number"))?;
        let index = usize::try_from(number).map_err(|_| format!("negative {number} index not allowed"))?;
        if index > MAX_INDEX {
            return Err(format!("index of {index} is greater than maximum supported index of {MAX_INDEX}"));
        }
        Ok(index)
    }

    /// Reads what follows an index, into the list.
    fn item(&mut self, list: &mut Vec<Value>, index: usize, depth: usize) -> Result<More, String> {
        if depth > MAX_NESTING {
            return Err(too_deep());
        }
        let (text, stop) = self.until("[.=");
        if !text.is_empty() {
            return Err(format!("unexpected data at end of array index: {text:?}"));
        }
        let old = list.get_mut(index).map(Value::take).unwrap_or_default();
        let (value, more) = match stop {
            None => return Err(format!("index {index} has no value")),
            Some('=') => self.value()?,
            Some('.') => {
                let mut inner = if let Value::Object(entries) = old { entries } else { Map::new() };
                let more = self.pair(&mut inner, depth)?;
                (Value::Object(inner), more)
            }
            Some(_) => {
                let next = self.index()?;
                let mut inner = match old {
                    Value::Array(items) => items,
                    Value::Null => Vec::new(),
                    _ => return Err(format!("element {index} is not a list")),
                };
                let more = self.item(&mut inner, next, depth + 1)?;
                (Value::Array(inner), more)
            }
        };
        self.put_at(list, index, value)?;
        Ok(more)
    }

    fn put_at(&mut self, list: &mut Vec<Value>, index: usize, value: Value) -> Result<(), String> {
        let missing = (index + 1).saturating_sub(list.len());
        self.filling = self.filling.checked_sub(missing).ok_or("the lists get too long")?;
        if missing > 0 {
            list.resize(index + 1, Value::Null);
        }
        list[index] = value;
        Ok(())
    }

    /// Reads a value: a list in braces, or text up to a comma.
    fn value(&mut self) -> Result<(Value, More), String> {
        match self.rest.peek() {
            None => return Ok((Value::String(String::new()), More::No)),
            Some('{') => {
                self.rest.next();
                return self.list();
            }
            Some(_) => {}
        }
        let (text, _) = self.until(",");
        Ok(((self.convert)(text)?, More::Yes))
    }

    fn list(&mut self) -> Result<(Value, More), String> {
        let mut items = Vec::new();
        loop {
            let (text, stop) = self.until(",}");
            match stop {
                None => return Err("list must terminate with '}'".to_owned()),
                Some('}') => {
                    items.push((self.convert)(text)?);
                    self.rest.next_if_eq(&',');
                    return Ok((Value::Array(items), More::Yes));
                }
                Some(_) => items.push((self.convert)(text)?),
            }
        }
    }
}

fn too_deep() -> String {
    format!("value name nested level is greater than maximum supported nested level of {MAX_NESTING}")
}

/// Sets a key; an empty name sets nothing.
fn put(map: &mut Map<String, Value>, name: String, value: Value) {
    if !name.is_empty() {
        map.insert(name, value);
    }
}
