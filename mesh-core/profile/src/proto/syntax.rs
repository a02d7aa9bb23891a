//! One protobuf file: parsed, with places in lines and columns.

use prost_types::FileDescriptorProto;

use crate::error::{Error, position};

/// Parses a file.
pub(super) fn parse(file: &str, text: &str) -> Result<FileDescriptorProto, Error> {
    let fail = |offset: usize, cause: String| {
        let (line, column) = position(text, offset);
        Error::Syntax { file: file.to_owned(), line, column, cause }
    };
    if let Some(offset) = text.find('\0') {
        return Err(fail(offset, "a NUL byte; is this a text file?".to_owned()));
    }
    let start = first_statement(text);
    if is_edition(&text[start..]) {
        let statement = text[start..].split(';').next().unwrap_or_default().trim();
        let cause = format!("{statement:.60} is not supported; proto2 and proto3 are");
        return Err(fail(start, cause));
    }
    protox_parse::parse(file, text).map_err(|error| {
        let offset = error.span().map_or(text.len(), |span| span.start);
        fail(offset, error.to_string())
    })
}

/// Line and column, both from 1, of the element at this path of field numbers and indices; the top of the file if
/// it is not known.
pub(super) fn place(file: &FileDescriptorProto, path: &[usize]) -> (usize, usize) {
    let locations = file.source_code_info.as_ref().map_or(&[][..], |info| info.location.as_slice());
    let wanted = |found: &[i32]| {
        found.len() == path.len()
            && found.iter().zip(path).all(|(found, step)| usize::try_from(*found) == Ok(*step))
    };
    let span =
        locations.iter().find(|location| wanted(&location.path)).map_or(&[][..], |location| &location.span);
    let at = |index: usize| span.get(index).and_then(|number| usize::try_from(*number).ok()).unwrap_or(0);
    (at(0) + 1, at(1) + 1)
}

fn is_edition(text: &str) -> bool {
    let rest = text.strip_prefix("edition").map(str::trim_start);
    rest.is_some_and(|rest| rest.starts_with('='))
}

/// Where the first statement starts, behind blanks and comments.
fn first_statement(text: &str) -> usize {
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        rest = if rest.starts_with("//") {
            rest.find('\n').map_or("", |end| &rest[end..])
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or("", |end| &rest[end + 2..])
        } else {
            return text.len() - rest.len();
        };
    }
}
