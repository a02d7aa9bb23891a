//! Answers of the control plane: whatever comes is taken into the proxy's model or refused with a short reason, and what was taken
//! can be used.
#![no_main]

use std::error::Error;
use std::fmt::Display;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use linkerd2_proxy::model::route::Parts;
use linkerd2_proxy::model::{EndpointsUpdate, InboundPolicy, InvalidMessage, OutboundPolicy, Profile};
use linkerd2_proxy_api::{destination, inbound, outbound};
use prost::Message;
use proxy_net::headers::HeaderList;

/// A request that routes are tried on.
static REQUEST: LazyLock<HeaderList> = LazyLock::new(|| {
    let fields: [(&[u8], &[u8]); 6] = [
        (b":method", b"GET"),
        (b":scheme", b"http"),
        (b":authority", b"web.test.svc.cluster.local:80"),
        (b":path", b"/a/b?c=d"),
        (b"x-a", b"b"),
        (b"content-type", b"application/grpc"),
    ];
    fields.into_iter().collect()
});

/// Converts a message; an error has to be fit for a log and a label, whatever the message held.
fn convert<M, T>(octets: &[u8]) -> Option<T>
where
    M: Message + Default,
    T: TryFrom<M, Error = InvalidMessage>,
    InvalidMessage: Error + Display,
{
    let error = match T::try_from(M::decode(octets).ok()?) {
        Ok(model) => return Some(model),
        Err(error) => error,
    };
    let text = error.to_string();
    assert!(text.len() < 2048 && !error.reason().is_empty(), "{} octets: {text}", text.len());
    None
}

fuzz_target!(|input: &[u8]| {
    let Some((kind, octets)) = input.split_first() else { return };
    match kind % 4 {
        0 => {
            if let Some(profile) = convert::<destination::DestinationProfile, Profile>(octets) {
                let found = profile.find(&Parts::of(&REQUEST));
                assert!(found.is_none_or(|_| profile.has_routes()));
            }
        }
        1 => drop(convert::<outbound::OutboundPolicy, OutboundPolicy>(octets)),
        2 => drop(convert::<inbound::Server, InboundPolicy>(octets)),
        _ => drop(convert::<destination::Update, EndpointsUpdate>(octets)),
    }
});
