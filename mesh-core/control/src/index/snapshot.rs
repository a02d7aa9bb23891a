//! An immutable answer together with its encoded frames, which all subscribers share.

use std::net::SocketAddr;

use bytes::{BufMut, Bytes, BytesMut};
use linkerd2_proxy_api::destination::{DestinationProfile, NoEndpoints, Update, update};
use linkerd2_proxy_api::{inbound, net, outbound};
use mesh_api::faults::FaultSet;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint};

/// Addresses a message carries at most: some 300 kB, far below the 4 MiB that clients accept.
const ADDRESSES_A_MESSAGE: usize = 1000;

/// What a topic answers.
pub enum Content {
    /// Addresses of a Service.
    Endpoints(EndpointSet),
    /// A profile.
    Profile(Box<DestinationProfile>),
    /// What a port of a workload allows.
    Inbound(Box<inbound::Server>),
    /// Where traffic to a target goes.
    Outbound(Box<outbound::OutboundPolicy>),
    /// Faults that somebody asked for.
    Faults(Box<FaultSet>),
}

/// Addresses, each with its encoded `WeightedAddr`.
#[derive(Default)]
pub struct EndpointSet {
    /// Whether the Service exists.
    pub exists: bool,
    /// The labels that all addresses share, as encoded fields of `WeightedAddrSet`.
    pub labels: Vec<u8>,
    /// Sorted by address, each once.
    pub addresses: Vec<(SocketAddr, Vec<u8>)>,
}

/// One state of a topic.
pub struct Snapshot {
    number: u64,
    /// The snapshot that `delta` goes on from.
    predecessor: Option<u64>,
    full: Bytes,
    delta: Bytes,
    body: Body,
}

enum Body {
    /// A message that is sent whole.
    Whole(Message),
    /// Where the encoded address of each endpoint lies in `full`.
    Addresses { exists: bool, labels: Box<[u8]>, table: Box<[Place]> },
}

#[derive(Clone, Copy)]
enum Message {
    Profile,
    Inbound,
    Outbound,
    Faults,
}

#[derive(Clone, Copy)]
struct Place {
    address: SocketAddr,
    start: u32,
    length: u32,
}

// === impl Snapshot ===

impl Snapshot {
    /// The first state of a topic.
    pub fn first(number: u64, content: Content) -> Self {
        match content {
            Content::Endpoints(set) => Self::of_set(number, set),
            content => {
                let (full, body) = (whole(&content), Body::Whole(Message::of(&content)));
                Self { number, predecessor: None, full, delta: Bytes::new(), body }
            }
        }
    }

    /// The state after `self`, or none when no subscriber could tell them apart.
    pub fn after(&self, number: u64, content: Content) -> Option<Self> {
        match content {
            Content::Endpoints(set) => {
                let mut next = Self::of_set(number, set);
                next.delta = self.difference(&next)?;
                next.predecessor = Some(self.number);
                Some(next)
            }
            content => {
                let full = whole(&content);
                let body = Body::Whole(Message::of(&content));
                let next = Self { number, predecessor: None, full, delta: Bytes::new(), body };
                self.difference(&next).is_some().then_some(next)
            }
        }
    }

    /// Distinguishes snapshots; unique in an index.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Octets of the whole state.
    pub fn size(&self) -> usize {
        self.full.len()
    }

    /// Frames for a subscriber that has nothing.
    pub fn full(&self) -> Bytes {
        self.full.clone()
    }

    /// Frames that bring a subscriber from `known` to this state; none when it is there already.
    pub fn since(&self, known: &Self) -> Option<Bytes> {
        if self.number == known.number {
            return None;
        }
        if self.predecessor == Some(known.number) {
            return Some(self.delta.clone());
        }
        known.difference(self)
    }

    /// The message of a whole snapshot, without its frame.
    pub fn message(&self) -> Bytes {
        self.full.slice(5.min(self.full.len())..)
    }

    fn of_set(number: u64, set: EndpointSet) -> Self {
        let EndpointSet { exists, labels, addresses } = set;
        let mut full = BytesMut::new();
        let mut table = Vec::with_capacity(addresses.len());
        if addresses.is_empty() {
            put_empty(&mut full, exists);
        }
        for chunk in addresses.chunks(ADDRESSES_A_MESSAGE) {
            let encoded: Vec<&[u8]> = chunk.iter().map(|(_, encoded)| encoded.as_slice()).collect();
            put_add(&mut full, &encoded, &labels, |at, start| {
                let (address, encoded) = &chunk[at];
                let length = u32::try_from(encoded.len()).unwrap_or(u32::MAX);
                table.push(Place {
                    address: *address,
                    start: u32::try_from(start).unwrap_or(u32::MAX),
                    length,
                });
            });
        }
        let body = Body::Addresses { exists, labels: labels.into(), table: table.into() };
        Self { number, predecessor: None, full: full.freeze(), delta: Bytes::new(), body }
    }

    /// Frames from this state to `next`; none when they are alike. One pass over two sorted lists.
    fn difference(&self, next: &Self) -> Option<Bytes> {
        let (exists, labels, table, next_exists, next_labels, next_table) = match (&self.body, &next.body) {
            (
                Body::Addresses { exists, labels, table },
                Body::Addresses { exists: next_exists, labels: next_labels, table: next_table },
            ) => (exists, labels, table, next_exists, next_labels, next_table),
            (Body::Whole(kind), Body::Whole(_)) => {
                // Maps encode in any order, so different bytes are compared once more by what they mean.
                let same = self.full == next.full || kind.same(self.message(), next.message());
                return (!same).then(|| next.full.clone());
            }
            _ => return Some(next.full.clone()),
        };
        if next_table.is_empty() {
            // Said outright: silence would leave a subscriber that reconnects with what it had.
            return (!table.is_empty() || exists != next_exists).then(|| next.full.clone());
        }
        if table.is_empty() || labels != next_labels {
            return Some(with_removals(next, &gone(table, next_table)));
        }
        let mut changed: Vec<&[u8]> = Vec::new();
        let mut old = table.iter().peekable();
        for place in next_table {
            while old.peek().is_some_and(|known| known.address < place.address) {
                old.next();
            }
            let same = old.peek().is_some_and(|known| {
                known.address == place.address && self.encoded(known) == next.encoded(place)
            });
            if !same {
                changed.push(next.encoded(place));
            }
        }
        let gone = gone(table, next_table);
        if changed.is_empty() && gone.is_empty() {
            return None;
        }
        let mut frames = BytesMut::new();
        for chunk in changed.chunks(ADDRESSES_A_MESSAGE) {
            put_add(&mut frames, chunk, next_labels, |_, _| {});
        }
        put_removals(&mut frames, &gone);
        Some(frames.freeze())
    }

    fn encoded(&self, place: &Place) -> &[u8] {
        let start = place.start as usize;
        self.full.get(start..start + place.length as usize).unwrap_or_default()
    }
}

// === impl Message ===

impl Message {
    fn of(content: &Content) -> Self {
        match content {
            Content::Inbound(_) => Self::Inbound,
            Content::Outbound(_) => Self::Outbound,
            Content::Faults(_) => Self::Faults,
            Content::Profile(_) | Content::Endpoints(_) => Self::Profile,
        }
    }

    fn same(self, one: Bytes, other: Bytes) -> bool {
        fn equal<M: prost::Message + Default + PartialEq>(one: Bytes, other: Bytes) -> bool {
            matches!((M::decode(one), M::decode(other)), (Ok(one), Ok(other)) if one == other)
        }
        match self {
            Self::Profile => equal::<DestinationProfile>(one, other),
            Self::Inbound => equal::<inbound::Server>(one, other),
            Self::Outbound => equal::<outbound::OutboundPolicy>(one, other),
            Self::Faults => equal::<FaultSet>(one, other),
        }
    }
}

/// Every address again, and those that are no more.
fn with_removals(next: &Snapshot, gone: &[SocketAddr]) -> Bytes {
    let mut frames = BytesMut::from(next.full.as_ref());
    put_removals(&mut frames, gone);
    frames.freeze()
}

/// Addresses of the first table that are not in the second.
fn gone(old: &[Place], new: &[Place]) -> Vec<SocketAddr> {
    let there = |place: &&Place| new.binary_search_by(|other| other.address.cmp(&place.address)).is_err();
    old.iter().filter(there).map(|place| place.address).collect()
}

fn whole(content: &Content) -> Bytes {
    let mut frames = BytesMut::new();
    match content {
        Content::Endpoints(_) => {}
        Content::Profile(profile) => put_message(&mut frames, profile.as_ref()),
        Content::Inbound(server) => put_message(&mut frames, server.as_ref()),
        Content::Outbound(policy) => put_message(&mut frames, policy.as_ref()),
        Content::Faults(faults) => put_message(&mut frames, faults.as_ref()),
    }
    frames.freeze()
}

/// A gRPC frame: not compressed, four bytes of length, the message.
fn put_prefix(frames: &mut BytesMut, length: usize) {
    frames.put_u8(0);
    frames.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
}

fn put_message(frames: &mut BytesMut, message: &impl prost::Message) {
    let length = message.encoded_len();
    frames.reserve(length + 5);
    put_prefix(frames, length);
    // Cannot fail: the buffer grows.
    let _ = message.encode(frames);
}

fn put_empty(frames: &mut BytesMut, exists: bool) {
    put_message(frames, &Update { update: Some(update::Update::NoEndpoints(NoEndpoints { exists })) });
}

fn put_removals(frames: &mut BytesMut, gone: &[SocketAddr]) {
    for chunk in gone.chunks(ADDRESSES_A_MESSAGE) {
        let addrs = chunk.iter().map(|address| net::TcpAddress::from(*address)).collect();
        let set = linkerd2_proxy_api::destination::AddrSet { addrs };
        put_message(frames, &Update { update: Some(update::Update::Remove(set)) });
    }
}

/// Writes `Update { add: WeightedAddrSet { addrs, metric_labels } }` from encoded parts and tells where each lies.
fn put_add(frames: &mut BytesMut, addresses: &[&[u8]], labels: &[u8], mut at: impl FnMut(usize, usize)) {
    let field = |length: usize| 1 + encoded_len_varint(length as u64) + length;
    let set = addresses.iter().map(|encoded| field(encoded.len())).sum::<usize>() + labels.len();
    let message = field(set);
    frames.reserve(message + 5);
    put_prefix(frames, message);
    encode_key(1, WireType::LengthDelimited, frames);
    encode_varint(set as u64, frames);
    for (position, encoded) in addresses.iter().enumerate() {
        encode_key(1, WireType::LengthDelimited, frames);
        encode_varint(encoded.len() as u64, frames);
        at(position, frames.len());
        frames.put_slice(encoded);
    }
    frames.put_slice(labels);
}
