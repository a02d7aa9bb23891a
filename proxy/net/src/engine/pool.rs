//! Buffers and header lists that go from hand to hand, so that nothing is allocated while things are steady.

use crate::headers::HeaderList;

/// What a worker has in reserve.
pub(super) struct Pool {
    buffers: Vec<Vec<u8>>,
    lists: Vec<HeaderList>,
}

/// Octets of a pooled buffer; reads of this size are where a larger one brings no more throughput.
pub(super) const BUFFER: usize = 64 * 1024;
/// Room beside that for what TLS adds: records around the content, and the start of one more.
pub(super) const MARGIN: usize = 2048;
/// What a buffer may have grown by and still be kept.
const SLACK: usize = 2 * MARGIN;
/// Buffers in reserve.
const BUFFERS: usize = 16;
/// Lists in reserve, and the largest that is kept.
const LISTS: usize = 256;
const LIST: usize = 16 * 1024;

// === impl Pool ===

impl Pool {
    pub(super) const fn new() -> Self {
        Self { buffers: Vec::new(), lists: Vec::new() }
    }

    /// An empty buffer with room for [`BUFFER`] octets, and a little more.
    pub(super) fn buffer(&mut self) -> Vec<u8> {
        self.buffers.pop().unwrap_or_else(|| Vec::with_capacity(BUFFER + MARGIN))
    }

    /// Takes back a buffer; one of another size is freed.
    pub(super) fn give(&mut self, mut buffer: Vec<u8>) {
        if self.buffers.len() < BUFFERS && (BUFFER..=BUFFER + SLACK).contains(&buffer.capacity()) {
            buffer.clear();
            self.buffers.push(buffer);
        }
    }

    /// A buffer's content for keeping: a small one is copied, so that the large buffer can be used again.
    pub(super) fn keep(&mut self, buffer: Vec<u8>) -> Vec<u8> {
        if buffer.len() * 4 > buffer.capacity() {
            return buffer;
        }
        let kept = buffer.as_slice().to_vec();
        self.give(buffer);
        kept
    }

    /// An empty list.
    pub(super) fn list(&mut self) -> HeaderList {
        self.lists.pop().unwrap_or_default()
    }

    /// Takes back a list.
    pub(super) fn give_list(&mut self, mut list: HeaderList) {
        if self.lists.len() < LISTS && list.size() <= LIST {
            list.clear();
            self.lists.push(list);
        }
    }
}
