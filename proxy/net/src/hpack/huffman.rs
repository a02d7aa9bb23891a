//! The Huffman code of RFC 7541 Appendix B.
//!
//! The code is canonical: codes of one length are consecutive in the order of their symbols. So its 257 lengths say all, and
//! codes and tables are computed from them when the program is compiled.

use super::HpackError;

/// Length in bits of the code of each octet, and of the end-of-string symbol.
#[rustfmt::skip]
const LENGTHS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
    28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
    6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
    5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
    13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
    6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
    21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
    19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
    30,
];

/// The symbol that ends a string; it is never written.
const END: u16 = 256;

/// Bits that the first look-up table resolves; every common character is within.
const FAST_BITS: u32 = 10;

/// Codes of all symbols, right-aligned.
const CODES: [u32; 257] = codes();

/// Symbols in the order of their codes.
const ORDER: [u16; 257] = order();

/// For each length: the first code of the next length, left-aligned to 32 bits, the first code itself and the rank of its symbol.
const STEPS: [Step; 31] = steps();

/// `symbol << 8 | length` by the first [`FAST_BITS`] bits; 0 where the code is longer.
static FAST: [u16; 1 << FAST_BITS] = fast();

#[derive(Clone, Copy)]
struct Step {
    end: u64,
    first: u32,
    rank: u16,
}

/// Number of octets that `input` takes when encoded.
#[inline]
#[must_use]
pub fn encoded_len(input: &[u8]) -> usize {
    let bits: usize = input.iter().map(|octet| usize::from(LENGTHS[usize::from(*octet)])).sum();
    bits.div_ceil(8)
}

/// Appends `input`, encoded and padded with ones.
#[inline]
pub fn encode(input: &[u8], out: &mut Vec<u8>) {
    let mut pending = 0u64;
    let mut held = 0u32;
    for octet in input {
        let length = u32::from(LENGTHS[usize::from(*octet)]);
        pending = pending << length | u64::from(CODES[usize::from(*octet)]);
        held += length;
        if held >= 32 {
            held -= 32;
            out.extend_from_slice(&((pending >> held) as u32).to_be_bytes());
        }
    }
    if held > 0 {
        // At most 31 bits wait here; ones follow them up to the next octet.
        let padded = (pending << 32 | 0xffff_ffff) >> held;
        out.extend_from_slice(&(padded as u32).to_be_bytes()[..held.div_ceil(8) as usize]);
    }
}

/// Appends the octets that `input` encodes.
///
/// # Errors
/// [`HpackError::BadHuffman`] for an encoded end-of-string symbol and for padding that is not at most 7 ones.
#[inline]
pub fn decode(input: &[u8], out: &mut Vec<u8>) -> Result<(), HpackError> {
    // The shortest code has 5 bits.
    out.reserve(input.len() * 8 / 5 + 1);
    let mut window = 0u64;
    let mut held = 0u32;
    let mut at = 0;
    loop {
        // `window` is left-aligned; refill to more than 32 bits, which hold any code.
        if let Some(four) = input.get(at..at + 4).filter(|_| held <= 32) {
            let word = u32::from_be_bytes([four[0], four[1], four[2], four[3]]);
            window |= u64::from(word) << (32 - held);
            held += 32;
            at += 4;
        } else {
            while held <= 56 && at < input.len() {
                window |= u64::from(input[at]) << (56 - held);
                held += 8;
                at += 1;
            }
        }
        if held < 30 {
            break;
        }
        while held >= 30 {
            let (symbol, length) = lookup(window)?;
            out.push(symbol);
            window <<= length;
            held -= length;
        }
    }
    decode_tail(window, held, out)
}

/// Decodes the last bits of a string, where fewer than a longest code remain.
fn decode_tail(mut window: u64, mut held: u32, out: &mut Vec<u8>) -> Result<(), HpackError> {
    while held > 0 {
        if held < 8 && window >> (64 - held) == (1 << held) - 1 {
            return Ok(());
        }
        let (symbol, length) = lookup(window)?;
        if length > held {
            return Err(HpackError::BadHuffman);
        }
        out.push(symbol);
        window <<= length;
        held -= length;
    }
    Ok(())
}

/// The symbol at the top of `window`, and its length.
#[inline]
fn lookup(window: u64) -> Result<(u8, u32), HpackError> {
    let entry = FAST[(window >> (64 - FAST_BITS)) as usize];
    if entry != 0 {
        return Ok(((entry >> 8) as u8, u32::from(entry & 0xff)));
    }
    let top = window >> 32;
    for length in FAST_BITS + 1..=30 {
        let step = STEPS[length as usize];
        if top < step.end {
            let symbol =
                ORDER[usize::from(step.rank) + ((top >> (32 - length)) as usize - step.first as usize)];
            return match symbol {
                END => Err(HpackError::BadHuffman),
                octet => Ok((octet as u8, length)),
            };
        }
    }
    Err(HpackError::BadHuffman)
}

const fn codes() -> [u32; 257] {
    let mut codes = [0; 257];
    let mut code = 0;
    let mut length = 1;
    while length <= 30 {
        let mut symbol = 0;
        while symbol < 257 {
            if LENGTHS[symbol] == length {
                codes[symbol] = code;
                code += 1;
            }
            symbol += 1;
        }
        code <<= 1;
        length += 1;
    }
    codes
}

const fn order() -> [u16; 257] {
    let mut order = [0; 257];
    let mut rank = 0;
    let mut length = 1;
    while length <= 30 {
        let mut symbol = 0;
        while symbol < 257 {
            if LENGTHS[symbol] == length {
                order[rank] = symbol as u16;
                rank += 1;
            }
            symbol += 1;
        }
        length += 1;
    }
    order
}

const fn steps() -> [Step; 31] {
    let mut steps = [Step { end: 0, first: 0, rank: 0 }; 31];
    let mut code = 0u64;
    let mut rank = 0;
    let mut length = 1;
    while length <= 30 {
        steps[length].first = code as u32;
        steps[length].rank = rank;
        let mut symbol = 0;
        while symbol < 257 {
            if LENGTHS[symbol] as usize == length {
                code += 1;
                rank += 1;
            }
            symbol += 1;
        }
        steps[length].end = code << (32 - length);
        code <<= 1;
        length += 1;
    }
    steps
}

const fn fast() -> [u16; 1 << FAST_BITS] {
    let mut fast = [0; 1 << FAST_BITS];
    let mut symbol = 0;
    while symbol < 256 {
        let length = LENGTHS[symbol] as u32;
        if length <= FAST_BITS {
            let spare = FAST_BITS - length;
            let mut tail = 0;
            while tail < 1 << spare {
                fast[(CODES[symbol] << spare | tail) as usize] = (symbol as u16) << 8 | length as u16;
                tail += 1;
            }
        }
        symbol += 1;
    }
    fast
}
