//! The little of protobuf's wire format that a transport header needs.

/// The wire type of strings and messages.
pub(super) const LENGTH: u8 = 2;

/// The value of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    /// An integer.
    Varint(u64),
    /// A string or message.
    Bytes(&'a [u8]),
    /// Four or eight octets; no field of ours has them.
    Fixed,
}

/// The next field's number and value, removed from the start of `message`: `Some(None)` at its end, none where it is malformed.
pub(super) fn next_field<'a>(message: &mut &'a [u8]) -> Option<Option<(u32, Value<'a>)>> {
    if message.is_empty() {
        return Some(None);
    }
    let tag = u32::try_from(varint(message)?).ok()?;
    let value = match tag & 7 {
        0 => Value::Varint(varint(message)?),
        1 => skip(message, 8).map(|_| Value::Fixed)?,
        2 => {
            let length = usize::try_from(varint(message)?).ok()?;
            Value::Bytes(skip(message, length)?)
        }
        5 => skip(message, 4).map(|_| Value::Fixed)?,
        _ => return None,
    };
    match tag >> 3 {
        0 => None,
        number => Some(Some((number, value))),
    }
}

/// Appends an integer.
pub(super) fn write_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a string or message as field `number`, which is below 16.
pub(super) fn write_bytes(out: &mut Vec<u8>, number: u8, value: &[u8]) {
    out.push(number << 3 | LENGTH);
    write_varint(out, value.len() as u64);
    out.extend_from_slice(value);
}

fn skip<'a>(message: &mut &'a [u8], octets: usize) -> Option<&'a [u8]> {
    let (taken, rest) = message.split_at_checked(octets)?;
    *message = rest;
    Some(taken)
}

fn varint(message: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for (index, octet) in message.iter().take(10).enumerate() {
        let bits = u64::from(octet & 0x7f);
        if index == 9 && bits > 1 {
            return None;
        }
        value |= bits << (7 * index);
        if octet & 0x80 == 0 {
            *message = &message[index + 1..];
            return Some(value);
        }
    }
    None
}
