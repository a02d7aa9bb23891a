//! Where watch events come from: an API server ([`kube`]) or a directory of manifests ([`files`]).
//!
//! Both feed the same index with the same events; nothing behind it knows which one is at work.

pub mod files;
pub mod kube;

use crate::record::{Key, Kind, Record, Uid};

/// What a source tells the index. Every event is a statement about now, so it may come twice.
#[derive(Clone, Debug)]
pub enum Event {
    /// The object is there and looks like this.
    Applied(Record),
    /// The object is gone.
    Deleted {
        /// Its kind.
        kind: Kind,
        /// Its place.
        key: Key,
        /// Its identity, so that one made again under the same name is not taken for it.
        uid: Option<Uid>,
    },
    /// These are all objects of a kind: whatever else is known of it is gone.
    Listed {
        /// The kind.
        kind: Kind,
        /// The objects.
        records: Vec<Record>,
        /// Objects that are there but cannot be read: what is known of them stays.
        kept: Vec<Key>,
    },
}

/// What takes events: the index, or a test.
pub trait Sink: Send + Sync + 'static {
    /// Takes events that belong together.
    fn take(&self, events: Vec<Event>);

    /// Whether events of a kind are of use. Endpoints are what others take who do without slices.
    fn wants(&self, kind: Kind) -> bool {
        kind != Kind::Endpoints
    }
}
