//! Prefixed integers (RFC 7541 §5.1), bounded to 32 bits.

use super::HpackError;

/// Reads an integer with a prefix of `bits` (1 to 8) at `*at` and moves `*at` behind it.
///
/// # Errors
/// When the input ends first, or the value exceeds 32 bits (also by padding with zero octets).
#[inline]
pub fn read(input: &[u8], at: &mut usize, bits: u32) -> Result<u32, HpackError> {
    let first = *input.get(*at).ok_or(HpackError::Truncated)?;
    *at += 1;
    let mask = ((1u16 << bits) - 1) as u8;
    let prefix = first & mask;
    if prefix < mask {
        return Ok(u32::from(prefix));
    }
    let mut value = u64::from(mask);
    for shift in [0, 7, 14, 21, 28] {
        let octet = *input.get(*at).ok_or(HpackError::Truncated)?;
        *at += 1;
        value += u64::from(octet & 0x7f) << shift;
        if octet & 0x80 == 0 {
            return u32::try_from(value).map_err(|_| HpackError::IntegerOverflow);
        }
    }
    Err(HpackError::IntegerOverflow)
}

/// Appends `value` with a prefix of `bits`; `pattern` holds the bits above the prefix.
#[inline]
pub fn write(value: u32, bits: u32, pattern: u8, out: &mut Vec<u8>) {
    let mask = (1u32 << bits) - 1;
    if value < mask {
        out.push(pattern | value as u8);
        return;
    }
    out.push(pattern | mask as u8);
    let mut rest = value - mask;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}
