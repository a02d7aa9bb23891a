//! YAML as Go's library (the one behind Kubernetes and Helm's `toYaml`) writes it, byte for byte.
//!
//! Keys are sorted, lists stand at the indentation of their key, text is plain where YAML 1.1 reads it back as text, and long plain
//! or quoted text is folded at 80 columns.

use super::data::Data;
use super::format;

mod order;
mod scalar;

/// Column after which text is folded at the next space.
const WIDTH: usize = 80;

/// Writes a value the way Helm's `toYaml` does: without the final line feed.
pub(crate) fn to_yaml(value: &Data) -> String {
    let mut writer = Writer { out: String::new(), line_start: 0 };
    writer.value(value, Place::Top);
    // One line feed, as Helm's TrimSuffix: a block that keeps its blank lines keeps them.
    writer.out.pop();
    writer.out
}

/// Where a value stands.
#[derive(Clone, Copy)]
enum Place {
    /// The document itself.
    Top,
    /// Behind `key:`, at the indentation of the key.
    Map(usize),
    /// Behind `-`, at the indentation of the dash.
    List(usize),
}

struct Writer {
    out: String,
    line_start: usize,
}

impl Writer {
    fn value(&mut self, value: &Data, place: Place) {
        match value {
            Data::List(_) | Data::Map(_) if self.out.len() > super::machine::BYTES => {}
            Data::Map(entries) if !entries.is_empty() => {
                let indent = match place {
                    Place::Top => 0,
                    Place::Map(indent) | Place::List(indent) => indent + 2,
                };
                let mut first = self.open(place);
                for (key, value) in order::sorted(entries) {
                    self.start(indent, &mut first);
                    self.text(key, indent, scalar::Role::Key);
                    self.out.push(':');
                    self.value(value, Place::Map(indent));
                }
            }
            Data::List(items) if !items.is_empty() => {
                let indent = match place {
                    Place::Top => 0,
                    // A list under a key is not indented further; one within a list is.
                    Place::Map(indent) => indent,
                    Place::List(indent) => indent + 2,
                };
                let mut first = self.open(place);
                for item in items.iter() {
                    self.start(indent, &mut first);
                    self.out.push('-');
                    self.value(item, Place::List(indent));
                }
            }
            scalar => {
                if !matches!(place, Place::Top) {
                    self.out.push(' ');
                }
                let indent = match place {
                    Place::Top => 0,
                    Place::Map(indent) | Place::List(indent) => indent,
                };
                self.atom(scalar, indent);
                if !self.out.ends_with('\n') {
                    self.line();
                }
            }
        }
    }

    /// Ends the line of a key before its nested value; whether the first entry goes on the same line.
    fn open(&mut self, place: Place) -> bool {
        match place {
            Place::Top => false,
            Place::Map(_) => {
                self.line();
                false
            }
            Place::List(_) => {
                self.out.push(' ');
                true
            }
        }
    }

    fn start(&mut self, indent: usize, first: &mut bool) {
        if !std::mem::take(first) {
            self.out.extend(std::iter::repeat_n(' ', indent));
        }
    }

    fn line(&mut self) {
        self.out.push('\n');
        self.line_start = self.out.len();
    }

    fn atom(&mut self, value: &Data, indent: usize) {
        match value {
            Data::Nil => self.out.push_str("null"),
            Data::Float(number) => float(&mut self.out, *number),
            Data::Text(text) => self.text(text, indent, scalar::Role::Value),
            Data::List(_) => self.out.push_str("[]"),
            Data::Map(_) => self.out.push_str("{}"),
            other => format::print(&mut self.out, other),
        }
    }

    fn text(&mut self, text: &str, indent: usize, role: scalar::Role) {
        let column = self.out[self.line_start..].chars().count();
        scalar::write(&mut self.out, text, scalar::Spot { column, indent, role });
        self.line_start = self.out.rfind('\n').map_or(0, |last| last + 1);
    }
}

/// A float: whole numbers within 64 bits in full, all others as `%g`.
fn float(out: &mut String, number: f64) {
    if number.fract() == 0.0 && (-9.223_372_036_854_776e18..1.844_674_407_370_955_2e19).contains(&number) {
        let mut text = String::new();
        format::json_float(&mut text, number);
        out.push_str(&text);
    } else {
        format::float(out, number);
    }
}
