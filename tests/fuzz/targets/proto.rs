//! Any protobuf text, with imports among the pieces it is cut into, ends in routes or an error.
#![no_main]

use mesh_profile::proto::{Imported, Imports, read};

/// Pieces of the input as files: `a.proto`, `b.proto`, ...
struct Pieces<'a>(Vec<&'a [u8]>);

impl Imports for Pieces<'_> {
    fn load(&mut self, path: &str, _: Option<&str>) -> Result<Option<Imported>, String> {
        let letter = path.strip_suffix(".proto").and_then(|name| name.bytes().next());
        let index = letter.and_then(|letter| letter.checked_sub(b'a')).map(usize::from);
        let content = index.and_then(|index| self.0.get(index));
        Ok(content.map(|content| Imported { identity: path.to_owned(), content: content.to_vec() }))
    }
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut pieces = Pieces(bytes.split(|&byte| byte == 0).collect());
    let first = pieces.0[0];
    let _ = read("a.proto", Some("a.proto"), first, &mut pieces);
});
