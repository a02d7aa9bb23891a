//! Any bytes are certificates and keys or an error; what was read is written so that it reads the same.
#![no_main]

use mesh_pki::{encode_pem, parse_bundle, parse_issuer, parse_key, parse_pem};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(blocks) = parse_pem(bytes) {
        for block in blocks {
            let text = encode_pem(&block.label, &block.der);
            let again = parse_pem(text.as_bytes()).expect("what was written reads");
            assert_eq!(again.first().map(|block| &block.der), Some(&block.der));
        }
    }
    if let Ok(bundle) = parse_bundle(bytes) {
        let again = parse_bundle(bundle.to_pem().as_bytes()).expect("what was written reads");
        assert!(again.trusts_same(&bundle));
    }
    if let Ok(key) = parse_key(bytes) {
        assert_eq!(
            parse_key(key.to_pem().as_bytes()).expect("what was written reads").to_pem(),
            key.to_pem()
        );
    }
    let _ = parse_issuer(bytes, bytes);
});
