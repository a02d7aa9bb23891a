//! Requests to tap: whatever a client asks for is taken or refused, within bounds.
#![no_main]

use libfuzzer_sys::fuzz_target;
use linkerd2_proxy::tap::Filter;
use linkerd2_proxy_api::tap::ObserveRequest;
use prost::Message as _;

fuzz_target!(|octets: &[u8]| {
    if let Ok(request) = ObserveRequest::decode(octets) {
        match Filter::try_from(request.r#match) {
            Ok(filter) => drop(filter),
            Err(error) => assert!(error.to_string().starts_with("match: ")),
        }
    }
});
