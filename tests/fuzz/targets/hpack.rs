//! Header blocks: a decoder takes or refuses them within its limits, and reads back what the encoder makes of what it took.
#![no_main]

use libfuzzer_sys::fuzz_target;
use proxy_net::headers::{HeaderList, Sensitivity};
use proxy_net::hpack::{Decoded, Decoder, Encoder, Limits};

fuzz_target!(|input: &[u8]| {
    let limits = Limits { list_size: 16 * 1024, count: 100 };
    let (mut decoder, mut encoder, mut mirror) = (Decoder::new(4096), Encoder::new(), Decoder::new(4096));
    // Blocks of one connection, each with its length in front.
    let mut rest = input;
    while let Some((length, after)) = rest.split_first() {
        let (block, next) = after.split_at(usize::from(*length).min(after.len()));
        rest = next;
        let mut fields = HeaderList::new();
        match decoder.decode(block, limits, &mut fields) {
            Err(_) => return,
            Ok(Decoded::OverLimit) => continue,
            Ok(_) => {}
        }
        assert!(fields.size() <= limits.list_size && fields.len() <= limits.count);
        let (mut out, mut again) = (Vec::new(), HeaderList::new());
        encoder.encode(fields.iter(), &mut out);
        mirror.decode(&out, limits, &mut again).expect("what we encode is decoded");
        // What is secret may become so on the way, and never the reverse.
        for (field, read) in fields.iter().zip(again.iter()) {
            assert_eq!((read.name, read.value), (field.name, field.value));
            assert!(field.sensitivity == Sensitivity::Plain || read.sensitivity == Sensitivity::Secret);
        }
        assert_eq!(again.len(), fields.len());
    }
});
