//! A list of header fields in one byte buffer, as routing code reads it and as codecs fill it.

/// Octets that RFC 7541 §4.1 adds to each field when it speaks of the size of a list.
pub const FIELD_OVERHEAD: usize = 32;

/// Whether a field may enter a compression table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sensitivity {
    /// An ordinary field.
    #[default]
    Plain,
    /// A secret: it is sent as a never-indexed literal, and every hop keeps it so.
    Secret,
}

/// One field of a [`HeaderList`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// The name as received; HTTP/2 names are lower case, HTTP/1 names are lowered by the parser.
    pub name: &'a [u8],
    /// The value without surrounding blanks.
    pub value: &'a [u8],
    /// Whether the field may be indexed.
    pub sensitivity: Sensitivity,
}

/// Header fields in order, in one reusable buffer.
///
/// [`clear`](Self::clear) keeps the memory, so a list that is reused allocates nothing.
#[derive(Clone, Default)]
pub struct HeaderList {
    bytes: Vec<u8>,
    fields: Vec<Field>,
}

#[derive(Clone, Copy)]
struct Field {
    start: u32,
    name_len: u32,
    value_len: u32,
    sensitivity: Sensitivity,
}

// === impl HeaderList ===

impl HeaderList {
    /// An empty list that has allocated nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self { bytes: Vec::new(), fields: Vec::new() }
    }

    /// Removes every field and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.fields.clear();
    }

    /// Number of fields.
    #[must_use]
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether there is no field.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Size in octets as RFC 7541 §4.1 and `SETTINGS_MAX_HEADER_LIST_SIZE` count it.
    #[must_use]
    pub fn size(&self) -> usize {
        self.bytes.len() + self.fields.len() * FIELD_OVERHEAD
    }

    /// Appends a field.
    pub fn push(&mut self, name: &[u8], value: &[u8]) {
        self.push_with(name, value, Sensitivity::Plain);
    }

    /// Appends a field and says whether it is a secret.
    pub fn push_with(&mut self, name: &[u8], value: &[u8], sensitivity: Sensitivity) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(name);
        self.bytes.extend_from_slice(value);
        self.close_field(start, name.len(), sensitivity);
    }

    /// Appends a field whose name is written in lower case.
    pub fn push_lowered(&mut self, name: &[u8], value: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(name);
        self.bytes[start..].make_ascii_lowercase();
        self.bytes.extend_from_slice(value);
        self.close_field(start, name.len(), Sensitivity::Plain);
    }

    /// The field at `index`, if there is one.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<Header<'_>> {
        self.fields.get(index).map(|field| self.view(*field))
    }

    /// All fields in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Header<'_>> + Clone {
        self.fields.iter().map(|field| self.view(*field))
    }

    /// The value of the first field called `name`, which must be in lower case.
    #[must_use]
    pub fn value(&self, name: &[u8]) -> Option<&[u8]> {
        self.iter().find(|header| header.name == name).map(|header| header.value)
    }

    /// The values of all fields called `name`, which must be in lower case.
    pub fn values<'a>(&'a self, name: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        self.iter().filter(move |header| header.name == name).map(|header| header.value)
    }

    /// The buffer and, for a field that is being written into it, the place where it starts.
    pub(crate) fn open_field(&mut self) -> (&mut Vec<u8>, usize) {
        let start = self.bytes.len();
        (&mut self.bytes, start)
    }

    /// Removes the last field.
    pub(crate) fn pop(&mut self) {
        if let Some(field) = self.fields.pop() {
            self.bytes.truncate(field.start as usize);
        }
    }

    /// Turns what was written since [`open_field`](Self::open_field) into a field.
    pub(crate) fn close_field(&mut self, start: usize, name_len: usize, sensitivity: Sensitivity) {
        let value_len = self.bytes.len() - start - name_len;
        self.fields.push(Field {
            start: start as u32,
            name_len: name_len as u32,
            value_len: value_len as u32,
            sensitivity,
        });
    }

    fn view(&self, field: Field) -> Header<'_> {
        let name_end = (field.start + field.name_len) as usize;
        Header {
            name: &self.bytes[field.start as usize..name_end],
            value: &self.bytes[name_end..name_end + field.value_len as usize],
            sensitivity: field.sensitivity,
        }
    }
}

impl std::fmt::Debug for HeaderList {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut map = f.debug_map();
        for header in self.iter() {
            match header.sensitivity {
                Sensitivity::Plain => map
                    .entry(&header.name.escape_ascii().to_string(), &header.value.escape_ascii().to_string()),
                Sensitivity::Secret => map.entry(&header.name.escape_ascii().to_string(), &"(secret)"),
            };
        }
        map.finish()
    }
}

impl PartialEq for HeaderList {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for HeaderList {}

impl<'a> FromIterator<(&'a [u8], &'a [u8])> for HeaderList {
    fn from_iter<I: IntoIterator<Item = (&'a [u8], &'a [u8])>>(fields: I) -> Self {
        let mut list = Self::new();
        for (name, value) in fields {
            list.push(name, value);
        }
        list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_come_back_in_order_and_are_counted() {
        let mut list = HeaderList::new();
        list.push(b":path", b"/");
        list.push_lowered(b"X-Thing", b"One");
        list.push_with(b"authorization", b"t0ken", Sensitivity::Secret);
        list.push(b"x-thing", b"two");
        assert_eq!(list.value(b"x-thing"), Some(&b"One"[..]));
        assert_eq!(list.values(b"x-thing").count(), 2);
        assert_eq!(list.size(), 6 + 10 + 18 + 10 + 4 * FIELD_OVERHEAD);
        assert!(!format!("{list:?}").contains("t0ken"), "a secret was printed");
        list.clear();
        assert!(list.is_empty() && list.get(0).is_none());
    }
}
