//! The transport header: what is read is written so that it reads the same, and octets behind it change nothing.
#![no_main]

use proxy_net::http1::Parsed;
use proxy_net::transport_header::{Header, MAX_OCTETS, PREFACE};

libfuzzer_sys::fuzz_target!(|message: &[u8]| {
    // Raw, and behind a preface that fits, where the message itself is what is tried.
    let around = [PREFACE, &(message.len() as u32).to_be_bytes(), message].concat();
    for input in [message, &around] {
        let Ok(Parsed::Whole(header, taken)) = Header::decode(input) else { continue };
        assert!(taken <= input.len() && taken <= MAX_OCTETS);
        assert_eq!(Header::decode(&input[..taken]), Ok(Parsed::Whole(header.clone(), taken)));
        for end in 0..taken {
            assert_eq!(Header::decode(&input[..end]), Ok(Parsed::Partial));
        }
        let mut written = Vec::new();
        header.encode(&mut written);
        assert_eq!(Header::decode(&written), Ok(Parsed::Whole(header, written.len())));
    }
});
