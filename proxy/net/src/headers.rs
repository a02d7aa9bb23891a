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
    /// Octets of `bytes` that no field uses any more.
    unused: usize,
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
        Self { bytes: Vec::new(), fields: Vec::new(), unused: 0 }
    }

    /// Removes every field and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.fields.clear();
        self.unused = 0;
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
        self.bytes.len() - self.unused + self.fields.len() * FIELD_OVERHEAD
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

    /// Puts a field before the one at `index`, or at the end.
    pub fn insert(&mut self, index: usize, name: &[u8], value: &[u8]) {
        self.push(name, value);
        let last = self.fields.len() - 1;
        self.fields[index.min(last)..].rotate_right(1);
    }

    /// Removes every field called `name`, which must be in lower case, and says how many there were.
    pub fn remove(&mut self, name: &[u8]) -> usize {
        let Self { bytes, fields, unused } = self;
        let before = fields.len();
        fields.retain(|field| {
            let keep = field.name(bytes) != name;
            if !keep {
                *unused += field.len();
            }
            keep
        });
        before - fields.len()
    }

    /// Gives the first field called `name`, which must be in lower case, this value and removes the others;
    /// appends it where there is none. A secret stays one.
    pub fn set(&mut self, name: &[u8], value: &[u8]) {
        let Some(first) = self.fields.iter().position(|field| field.name(&self.bytes) == name) else {
            return self.push(name, value);
        };
        self.replace_value(first, value);
        let mut index = first + 1;
        while let Some(field) = self.fields.get(index) {
            if field.name(&self.bytes) == name {
                self.unused += field.len();
                self.fields.remove(index);
            } else {
                index += 1;
            }
        }
    }

    /// Writes a value over the old one where it fits, and behind everything else where it does not.
    fn replace_value(&mut self, index: usize, value: &[u8]) {
        let field = self.fields[index];
        let (start, name_len) = (field.start as usize, field.name_len as usize);
        if value.len() <= field.value_len as usize {
            self.bytes[start + name_len..][..value.len()].copy_from_slice(value);
            self.unused += field.value_len as usize - value.len();
        } else {
            self.fields[index].start = self.bytes.len() as u32;
            self.bytes.extend_from_within(start..start + name_len);
            self.bytes.extend_from_slice(value);
            self.unused += field.len();
        }
        self.fields[index].value_len = value.len() as u32;
    }

    /// The buffer and, for a field that is being written into it, the place where it starts.
    pub(crate) fn open_field(&mut self) -> (&mut Vec<u8>, usize) {
        let start = self.bytes.len();
        (&mut self.bytes, start)
    }

    /// Removes the last field.
    pub(crate) fn pop(&mut self) {
        if let Some(field) = self.fields.pop() {
            if field.start as usize + field.len() == self.bytes.len() {
                self.bytes.truncate(field.start as usize);
            } else {
                self.unused += field.len();
            }
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

// === impl Field ===

impl Field {
    fn len(self) -> usize {
        self.name_len as usize + self.value_len as usize
    }

    fn name(self, bytes: &[u8]) -> &[u8] {
        &bytes[self.start as usize..][..self.name_len as usize]
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

    #[test]
    fn fields_are_set_inserted_and_removed_in_place() {
        let mut list: HeaderList =
            [(&b":path"[..], &b"/a"[..]), (b"x", b"1"), (b"y", b"2"), (b"x", b"3")].into_iter().collect();
        list.set(b"x", b"");
        list.set(b"y", b"longer than before");
        list.insert(1, b":authority", b"web");
        list.push(b"z", b"4");
        let fields = |list: &HeaderList| -> Vec<(Vec<u8>, Vec<u8>)> {
            list.iter().map(|header| (header.name.to_vec(), header.value.to_vec())).collect()
        };
        let text =
            [(":path", "/a"), (":authority", "web"), ("x", ""), ("y", "longer than before"), ("z", "4")];
        let want: Vec<_> = text.iter().map(|(n, v)| (n.as_bytes().to_vec(), v.as_bytes().to_vec())).collect();
        assert_eq!(fields(&list), want);
        let octets: usize = text.iter().map(|(name, value)| name.len() + value.len()).sum();
        assert_eq!(list.size(), octets + 5 * FIELD_OVERHEAD);
        assert_eq!((list.remove(b"y"), list.remove(b"y")), (1, 0));
        list.pop();
        assert_eq!(fields(&list), want[..3]);
        list.set(b"n", b"new");
        assert_eq!(list.value(b"n"), Some(&b"new"[..]));
    }
}
