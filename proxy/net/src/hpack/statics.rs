//! The static table (RFC 7541 Appendix A).

/// Fields of the static table; index 1 is the first.
#[rustfmt::skip]
pub(super) const FIELDS: [(&[u8], &[u8]); 61] = [
    (b":authority", b""), (b":method", b"GET"), (b":method", b"POST"), (b":path", b"/"), (b":path", b"/index.html"),
    (b":scheme", b"http"), (b":scheme", b"https"), (b":status", b"200"), (b":status", b"204"), (b":status", b"206"),
    (b":status", b"304"), (b":status", b"400"), (b":status", b"404"), (b":status", b"500"), (b"accept-charset", b""),
    (b"accept-encoding", b"gzip, deflate"), (b"accept-language", b""), (b"accept-ranges", b""), (b"accept", b""),
    (b"access-control-allow-origin", b""), (b"age", b""), (b"allow", b""), (b"authorization", b""), (b"cache-control", b""),
    (b"content-disposition", b""), (b"content-encoding", b""), (b"content-language", b""), (b"content-length", b""),
    (b"content-location", b""), (b"content-range", b""), (b"content-type", b""), (b"cookie", b""), (b"date", b""), (b"etag", b""),
    (b"expect", b""), (b"expires", b""), (b"from", b""), (b"host", b""), (b"if-match", b""), (b"if-modified-since", b""),
    (b"if-none-match", b""), (b"if-range", b""), (b"if-unmodified-since", b""), (b"last-modified", b""), (b"link", b""),
    (b"location", b""), (b"max-forwards", b""), (b"proxy-authenticate", b""), (b"proxy-authorization", b""), (b"range", b""),
    (b"referer", b""), (b"refresh", b""), (b"retry-after", b""), (b"server", b""), (b"set-cookie", b""),
    (b"strict-transport-security", b""), (b"transfer-encoding", b""), (b"user-agent", b""), (b"vary", b""), (b"via", b""),
    (b"www-authenticate", b""),
];

/// Number of fields in the static table.
pub(super) const COUNT: usize = FIELDS.len();

/// Buckets of [`NAMES`].
const BUCKETS: usize = 256;

/// First static index of each name, by [`bucket`] with linear probing; 0 is empty.
static NAMES: [u8; BUCKETS] = names();

/// The index of the first field called `name`, or 0.
#[inline]
pub(super) fn index_of_name(name: &[u8]) -> usize {
    if name.is_empty() {
        return 0;
    }
    let mut at = bucket(name);
    loop {
        let index = usize::from(NAMES[at]);
        if index == 0 || FIELDS[index - 1].0 == name {
            return index;
        }
        at = (at + 1) % BUCKETS;
    }
}

/// The index of the field equal to the given one, where `first` is the index of its name; or 0.
#[inline]
pub(super) fn index_of_value(first: usize, value: &[u8]) -> usize {
    let last = match first {
        2 => 3,
        4 => 5,
        6 => 7,
        8 => 14,
        16 => 16,
        // All others have the empty value, which is worth no look.
        _ => return 0,
    };
    (first..=last).find(|index| FIELDS[index - 1].1 == value).unwrap_or(0)
}

const fn bucket(name: &[u8]) -> usize {
    let last = name[name.len() - 1] as usize;
    let middle = name[name.len() / 2] as usize;
    let first = name[0] as usize;
    (name.len() * 61 + first * 7 + middle * 31 + last * 17) % BUCKETS
}

const fn names() -> [u8; BUCKETS] {
    let mut names = [0; BUCKETS];
    let mut index = 1;
    while index <= COUNT {
        let name = FIELDS[index - 1].0;
        if index == 1 || !same(name, FIELDS[index - 2].0) {
            let mut at = bucket(name);
            while names[at] != 0 {
                at = (at + 1) % BUCKETS;
            }
            names[at] = index as u8;
        }
        index += 1;
    }
    names
}

const fn same(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    let mut at = 0;
    while at < one.len() {
        if one[at] != other[at] {
            return false;
        }
        at += 1;
    }
    true
}
