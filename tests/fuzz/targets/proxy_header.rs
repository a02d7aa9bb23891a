//! The PROXY protocol: a header is whole at one place only, whatever is before or behind.
#![no_main]

use proxy_net::http1::Parsed;
use proxy_net::proxy_header::{MAX_OCTETS, ProxyHeader};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Ok(Parsed::Whole(header, taken)) = ProxyHeader::decode(input) else { return };
    assert!(taken <= input.len() && taken <= MAX_OCTETS);
    assert_eq!(ProxyHeader::decode(&input[..taken]), Ok(Parsed::Whole(header, taken)));
    for end in 0..taken {
        assert_eq!(ProxyHeader::decode(&input[..end]), Ok(Parsed::Partial));
    }
});
