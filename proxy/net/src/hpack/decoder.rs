//! The decoder: header blocks into a [`HeaderList`].

use super::table::{FieldHash, Table};
use super::{HpackError, huffman, integer, statics};
use crate::headers::{FIELD_OVERHEAD, HeaderList, Sensitivity};

/// Size of the dynamic table before any settings (RFC 9113 §6.5.2).
const INITIAL_TABLE: u32 = 4096;

/// Bounds on what one header block may decode to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Octets of the list as RFC 7541 §4.1 counts them (`SETTINGS_MAX_HEADER_LIST_SIZE`).
    pub list_size: usize,
    /// Number of fields.
    pub count: usize,
}

/// How much of a block is in the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// All of it.
    Whole,
    /// A part: the block exceeds the limits. The tables still agree, so only this message has to be refused.
    OverLimit,
}

/// Decodes the header blocks of one connection.
pub struct Decoder {
    table: Table,
    /// What our settings allow; the peer may choose less.
    allowed: u32,
    /// Where an oversized string is decoded when it must enter the table but not the list.
    scratch: Vec<u8>,
}

struct Output<'a> {
    list: &'a mut HeaderList,
    limits: Limits,
    state: Decoded,
}

// === impl Limits ===

impl Default for Limits {
    fn default() -> Self {
        Self { list_size: 16 * 1024, count: 128 }
    }
}

// === impl Decoder ===

impl Decoder {
    /// A decoder whose peer may use a table of `table_size` octets, once it knows: until it has acknowledged our settings it
    /// may use the protocol's initial 4,096.
    #[must_use]
    pub fn new(table_size: u32) -> Self {
        Self {
            table: Table::new(INITIAL_TABLE as usize),
            allowed: table_size.max(INITIAL_TABLE),
            scratch: Vec::new(),
        }
    }

    /// Call when the peer has acknowledged settings with this table size: its next block must not use more.
    pub fn acknowledge_table_size(&mut self, table_size: u32) {
        self.allowed = table_size;
    }

    /// Decodes a whole block and appends its fields to `list`.
    ///
    /// # Errors
    /// Any [`HpackError`]; the connection cannot go on after it.
    pub fn decode(
        &mut self,
        block: &[u8],
        limits: Limits,
        list: &mut HeaderList,
    ) -> Result<Decoded, HpackError> {
        let mut output = Output { list, limits, state: Decoded::Whole };
        let mut at = self.size_updates(block)?;
        while at < block.len() {
            let first = block[at];
            if first & 0x80 != 0 {
                let index = integer::read(block, &mut at, 7)?;
                let (name, value) = self.field(index)?;
                output.push(name, value, Sensitivity::Plain);
            } else if first & 0x40 != 0 {
                self.literal(block, &mut at, 6, Sensitivity::Plain, &mut output)?;
            } else if first & 0x20 != 0 {
                return Err(HpackError::MisplacedSizeUpdate);
            } else if first & 0x10 != 0 {
                self.literal(block, &mut at, 4, Sensitivity::Secret, &mut output)?;
            } else {
                self.literal(block, &mut at, 4, Sensitivity::Plain, &mut output)?;
            }
        }
        Ok(output.state)
    }

    fn size_updates(&mut self, block: &[u8]) -> Result<usize, HpackError> {
        let mut at = 0;
        let mut updates = 0;
        while block.get(at).is_some_and(|octet| octet & 0xe0 == 0x20) {
            updates += 1;
            if updates > 2 {
                return Err(HpackError::SizeUpdateFlood);
            }
            let asked = integer::read(block, &mut at, 5)?;
            if asked > self.allowed {
                return Err(HpackError::TableSize { asked, limit: self.allowed });
            }
            self.table.set_max_size(asked as usize);
        }
        // An acknowledged, smaller size has to be taken up before the first field.
        if at < block.len() && self.table.max_size() > self.allowed as usize {
            return Err(HpackError::MisplacedSizeUpdate);
        }
        Ok(at)
    }

    /// A literal field whose prefix has `bits`; those with 6 enter the table.
    #[inline]
    fn literal(
        &mut self,
        block: &[u8],
        at: &mut usize,
        bits: u32,
        sensitivity: Sensitivity,
        output: &mut Output<'_>,
    ) -> Result<(), HpackError> {
        let index = integer::read(block, at, bits)?;
        let keep = output.has_room();
        let (target, start) = if keep {
            output.list.open_field()
        } else {
            self.scratch.clear();
            (&mut self.scratch, 0)
        };
        if index == 0 {
            string(block, at, target)?;
        } else {
            target.extend_from_slice(name_of(&self.table, index)?);
        }
        let name_len = target.len() - start;
        string(block, at, target)?;
        if bits == 6 {
            let (name, value) = target[start..].split_at(name_len);
            self.table.insert(name, value, FieldHash::default());
        }
        if keep {
            output.close(start, name_len, sensitivity);
        }
        Ok(())
    }

    #[inline]
    fn field(&self, index: u32) -> Result<(&[u8], &[u8]), HpackError> {
        let position = index as usize;
        match position {
            0 => Err(HpackError::BadIndex(index)),
            1..=statics::COUNT => Ok(statics::FIELDS[position - 1]),
            _ => self.table.get(position - 1 - statics::COUNT).ok_or(HpackError::BadIndex(index)),
        }
    }

    #[cfg(test)]
    pub(super) fn table_size(&self) -> usize {
        self.table.size()
    }
}

// === impl Output ===

impl Output<'_> {
    fn has_room(&self) -> bool {
        self.state == Decoded::Whole
    }

    #[inline]
    fn push(&mut self, name: &[u8], value: &[u8], sensitivity: Sensitivity) {
        let size = self.list.size() + name.len() + value.len() + FIELD_OVERHEAD;
        if !self.has_room() || size > self.limits.list_size || self.list.len() >= self.limits.count {
            self.state = Decoded::OverLimit;
            return;
        }
        self.list.push_with(name, value, sensitivity);
    }

    /// Keeps the field that was decoded in place, or takes it back when it is beyond the limits.
    #[inline]
    fn close(&mut self, start: usize, name_len: usize, sensitivity: Sensitivity) {
        self.list.close_field(start, name_len, sensitivity);
        if self.list.size() > self.limits.list_size || self.list.len() > self.limits.count {
            self.list.pop();
            self.state = Decoded::OverLimit;
        }
    }
}

fn name_of(table: &Table, index: u32) -> Result<&[u8], HpackError> {
    let position = index as usize;
    if position <= statics::COUNT {
        return Ok(statics::FIELDS[position - 1].0);
    }
    table.get(position - 1 - statics::COUNT).map(|field| field.0).ok_or(HpackError::BadIndex(index))
}

/// Appends a string literal (RFC 7541 §5.2).
#[inline]
fn string(block: &[u8], at: &mut usize, target: &mut Vec<u8>) -> Result<(), HpackError> {
    let coded = block.get(*at).ok_or(HpackError::Truncated)? & 0x80 != 0;
    let length = integer::read(block, at, 7)? as usize;
    let octets = block.get(*at..).and_then(|rest| rest.get(..length)).ok_or(HpackError::Truncated)?;
    *at += length;
    if coded {
        return huffman::decode(octets, target);
    }
    target.extend_from_slice(octets);
    Ok(())
}
