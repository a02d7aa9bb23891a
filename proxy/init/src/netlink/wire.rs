//! Netlink messages and attributes, written and read.
//!
//! A message is a header of 16 octets (length, type, flags, sequence, port), for this subsystem 4 more (family, version,
//! resource), then attributes: length and type of 16 bits each, the value, and zeros up to a multiple of four.

/// The answer to a request, or to a message of a transaction: an error number, 0 for none.
pub const ERROR: u16 = 2;
/// The end of a dump.
pub const DONE: u16 = 3;
/// The begin of a transaction.
pub const BATCH_BEGIN: u16 = 0x10;
/// Its end.
pub const BATCH_END: u16 = 0x11;
/// The subsystem of the packet filter, the high octet of a message's type.
pub const NF_TABLES: u16 = 10;

/// Every request carries this.
pub const REQUEST: u16 = 0x1;
/// An answer is wanted.
pub const ACK: u16 = 0x4;
/// The dump was disturbed by a change.
pub const DUMP_DISTURBED: u16 = 0x10;
/// All objects are asked for.
pub const DUMP: u16 = 0x300;
/// The object is made if it does not exist.
pub const CREATE: u16 = 0x400;
/// The object goes behind those that are there.
pub const APPEND: u16 = 0x800;

/// Marks an attribute that holds attributes.
const NESTED: u16 = 0x8000;
/// The part of an attribute's type that names it.
const NAME: u16 = 0x3fff;
const HEADER: usize = 16;
/// `EPROTO`: what is said of an answer that is too short to hold a number.
const PROTOCOL_ERROR: i32 = 71;

/// Messages that are being written.
#[derive(Debug, Default)]
pub struct Messages {
    bytes: Vec<u8>,
    start: usize,
}

impl Messages {
    /// The messages written so far.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Writes one message. `resource` is 0 but for the begin and the end of a transaction.
    pub fn message(
        &mut self,
        kind: u16,
        flags: u16,
        family: u8,
        resource: u16,
        body: impl FnOnce(&mut Self),
    ) {
        self.start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(&flags.to_ne_bytes());
        self.bytes.extend_from_slice(&[0; 8]);
        self.bytes.extend_from_slice(&[family, 0]);
        self.bytes.extend_from_slice(&resource.to_be_bytes());
        body(self);
        let length = u32::try_from(self.bytes.len() - self.start).unwrap_or(u32::MAX);
        self.bytes[self.start..self.start + 4].copy_from_slice(&length.to_ne_bytes());
    }

    /// Writes an attribute.
    pub fn bytes(&mut self, name: u16, value: &[u8]) {
        let at = self.open(name);
        self.bytes.extend_from_slice(value);
        self.close(at);
    }

    /// Writes a number, most significant octet first as this subsystem has it.
    pub fn number(&mut self, name: u16, value: u32) {
        self.bytes(name, &value.to_be_bytes());
    }

    /// Writes a text with its final zero.
    pub fn text(&mut self, name: u16, value: &str) {
        let at = self.open(name);
        self.bytes.extend_from_slice(value.as_bytes());
        self.bytes.push(0);
        self.close(at);
    }

    /// Writes an attribute that holds attributes.
    pub fn nested(&mut self, name: u16, body: impl FnOnce(&mut Self)) {
        let at = self.open(name | NESTED);
        body(self);
        self.close(at);
    }

    fn open(&mut self, name: u16) -> usize {
        let at = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 2]);
        self.bytes.extend_from_slice(&name.to_ne_bytes());
        at
    }

    fn close(&mut self, at: usize) {
        let length = u16::try_from(self.bytes.len() - at).unwrap_or(u16::MAX);
        self.bytes[at..at + 2].copy_from_slice(&length.to_ne_bytes());
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

/// A message that was read.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// Its type.
    pub kind: u16,
    /// Its flags.
    pub flags: u16,
    /// What follows the header of 16 octets.
    pub body: &'a [u8],
}

impl<'a> Message<'a> {
    /// The attributes behind the subsystem's header.
    pub fn attributes(&self) -> Attributes<'a> {
        Attributes(self.body.get(4..).unwrap_or_default())
    }

    /// The error number of an [`ERROR`] message; 0 is success.
    pub fn error(&self) -> i32 {
        let number = self.body.first_chunk().copied().map_or(-PROTOCOL_ERROR, i32::from_ne_bytes);
        number.saturating_neg()
    }
}

/// The messages of a buffer; what is cut off at its end is left out.
pub fn messages(mut bytes: &[u8]) -> impl Iterator<Item = Message<'_>> {
    std::iter::from_fn(move || {
        let length = u32::from_ne_bytes(*bytes.first_chunk()?) as usize;
        let message = bytes.get(..length).filter(|message| message.len() >= HEADER)?;
        let word = |at: usize| u16::from_ne_bytes([message[at], message[at + 1]]);
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(Message { kind: word(4), flags: word(6), body: &message[HEADER..] })
    })
}

/// Attributes in order.
#[derive(Clone, Copy, Debug)]
pub struct Attributes<'a>(pub &'a [u8]);

impl<'a> Attributes<'a> {
    /// The value of the first attribute with this name.
    pub fn get(mut self, name: u16) -> Option<&'a [u8]> {
        self.find(|(found, _)| *found == name).map(|(_, value)| value)
    }

    /// A number.
    pub fn number(self, name: u16) -> Option<u32> {
        self.get(name)?.first_chunk().copied().map(u32::from_be_bytes)
    }

    /// A text without its final zero.
    pub fn text(self, name: u16) -> Option<&'a str> {
        let value = self.get(name)?;
        let end = value.iter().position(|octet| *octet == 0).unwrap_or(value.len());
        std::str::from_utf8(&value[..end]).ok()
    }

    /// The attributes that an attribute holds.
    pub fn nested(self, name: u16) -> Option<Self> {
        self.get(name).map(Self)
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let [a, b, c, d] = *self.0.first_chunk()?;
        let length = usize::from(u16::from_ne_bytes([a, b]));
        let value = self.0.get(4..length)?;
        self.0 = self.0.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((u16::from_ne_bytes([c, d]) & NAME, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_back() {
        let mut out = Messages::default();
        out.message(0xa06, REQUEST | ACK, 2, 0, |out| {
            out.text(1, "linkerd");
            out.nested(4, |out| {
                out.number(2, 0x0102_0304);
                out.bytes(3, &[7; 5]);
            });
        });
        out.message(BATCH_END, REQUEST, 0, NF_TABLES, |_| {});
        let bytes = out.into_bytes();
        let all: Vec<Message<'_>> = messages(&bytes).collect();
        assert_eq!(all.len(), 2);
        assert_eq!((all[0].kind, all[0].flags), (0xa06, REQUEST | ACK));
        assert_eq!(all[0].attributes().text(1), Some("linkerd"));
        let inner = all[0].attributes().nested(4).unwrap();
        assert_eq!(inner.number(2), Some(0x0102_0304));
        assert_eq!(inner.get(3), Some(&[7; 5][..]));
        assert_eq!(inner.get(9), None);
        assert_eq!(all[1].kind, BATCH_END);
    }

    #[test]
    fn damaged_input_ends_the_reading() {
        let mut out = Messages::default();
        out.message(1, 0, 0, 0, |out| out.number(1, 1));
        let bytes = out.into_bytes();
        for end in 0..bytes.len() {
            assert_eq!(messages(&bytes[..end]).count(), 0, "{end} octets");
        }
        assert_eq!(messages(&[255; 64]).count(), 0);
        assert_eq!(messages(&[0; 64]).count(), 0, "a length of zero must not go round for ever");
        assert_eq!(Attributes(&[0; 8]).count(), 0, "nor must an attribute's");
        assert_eq!(Attributes(&[3, 0, 1, 0]).count(), 0);
    }
}
