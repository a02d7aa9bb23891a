//! The examples of RFC 7541 Appendix C, limits, hostile blocks and round trips.

use proptest::prelude::*;

use super::*;
use crate::headers::{HeaderList, Sensitivity};

const WIDE: Limits = Limits { list_size: 1 << 20, count: 4096 };

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn list(fields: &[(&str, &str)]) -> HeaderList {
    fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect()
}

fn decode(decoder: &mut Decoder, block: &[u8]) -> Result<HeaderList, HpackError> {
    let mut out = HeaderList::new();
    assert_eq!(decoder.decode(block, WIDE, &mut out)?, Decoded::Whole);
    Ok(out)
}

fn first_requests() -> [HeaderList; 3] {
    let common = [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "www.example.com")];
    let second: Vec<_> = common.into_iter().chain([("cache-control", "no-cache")]).collect();
    let third = [
        (":method", "GET"),
        (":scheme", "https"),
        (":path", "/index.html"),
        (":authority", "www.example.com"),
        ("custom-key", "custom-value"),
    ];
    [list(&common), list(&second), list(&third)]
}

#[test]
fn decodes_the_request_examples_with_and_without_huffman() {
    let plain = [
        "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
        "8286 84be 5808 6e6f 2d63 6163 6865",
        "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
    ];
    let coded = [
        "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
        "8286 84be 5886 a8eb 1064 9cbf",
        "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
    ];
    for blocks in [plain, coded] {
        let mut decoder = Decoder::new(4096);
        for ((block, expected), size) in blocks.iter().zip(first_requests()).zip([57, 110, 164]) {
            assert_eq!(decode(&mut decoder, &hex(block)).unwrap(), expected);
            assert_eq!(decoder.table_size(), size);
        }
    }
}

#[test]
fn encodes_the_request_examples_as_the_standard_does() {
    let mut encoder = Encoder::new();
    let blocks = [
        "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
        "8286 84be 5886 a8eb 1064 9cbf",
        "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
    ];
    for (fields, block) in first_requests().iter().zip(blocks) {
        let mut out = Vec::new();
        encoder.encode(fields.iter(), &mut out);
        assert_eq!(out, hex(block));
    }
}

#[test]
fn decodes_the_response_examples_with_eviction() {
    let blocks = [
        "3fe1 01 4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 \
         e9ae 82ae 43d3",
        "4883 640e ffc1 c0bf",
        "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 \
         d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07",
    ];
    let rest = |status, date| {
        [
            (":status", status),
            ("cache-control", "private"),
            ("date", date),
            ("location", "https://www.example.com"),
        ]
    };
    let mut third = rest("200", "Mon, 21 Oct 2013 20:13:22 GMT").to_vec();
    third.push(("content-encoding", "gzip"));
    third.push(("set-cookie", "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1"));
    let expected = [
        list(&rest("302", "Mon, 21 Oct 2013 20:13:21 GMT")),
        list(&rest("307", "Mon, 21 Oct 2013 20:13:21 GMT")),
        list(&third),
    ];
    let mut decoder = Decoder::new(4096);
    for ((block, fields), size) in blocks.iter().zip(expected).zip([222, 222, 215]) {
        assert_eq!(decode(&mut decoder, &hex(block)).unwrap(), fields);
        assert_eq!(decoder.table_size(), size);
    }
}

#[test]
fn integers_stop_at_32_bits() {
    let read = |text: &str, bits| integer::read(&hex(text), &mut 0, bits);
    assert_eq!(read("0a", 5), Ok(10));
    assert_eq!(read("1f9a0a", 5), Ok(1337));
    assert_eq!(read("2a", 8), Ok(42));
    assert_eq!(read("ff80feffff0f", 8), Ok(u32::MAX));
    assert_eq!(read("ff81feffff0f", 8), Err(HpackError::IntegerOverflow));
    assert_eq!(read("ff808080808000", 8), Err(HpackError::IntegerOverflow));
    assert_eq!(read("ff8080", 8), Err(HpackError::Truncated));
}

#[test]
fn hostile_blocks_are_named() {
    let fails = |text: &str| decode(&mut Decoder::new(4096), &hex(text)).unwrap_err();
    assert_eq!(fails("80"), HpackError::BadIndex(0));
    assert_eq!(fails("be"), HpackError::BadIndex(62));
    assert_eq!(fails("7f8080808010"), HpackError::IntegerOverflow);
    assert_eq!(fails("400a61"), HpackError::Truncated);
    assert_eq!(fails("3fe21f"), HpackError::TableSize { asked: 4097, limit: 4096 });
    assert_eq!(fails("8220"), HpackError::MisplacedSizeUpdate);
    assert_eq!(fails("202020"), HpackError::SizeUpdateFlood);
    // End of string, 8 bits of padding, and padding with a zero.
    assert_eq!(fails("0084ffffffff00"), HpackError::BadHuffman);
    assert_eq!(fails("0082 1fff 00"), HpackError::BadHuffman);
    assert_eq!(fails("0081 18 00"), HpackError::BadHuffman);
}

#[test]
fn a_smaller_table_must_be_taken_up_after_the_acknowledgement() {
    let mut decoder = Decoder::new(0);
    decode(&mut decoder, &hex("4001610162")).unwrap();
    decoder.acknowledge_table_size(0);
    assert_eq!(decode(&mut decoder, &hex("82")), Err(HpackError::MisplacedSizeUpdate));
    decode(&mut decoder, &hex("2082")).unwrap();
    assert_eq!(decode(&mut decoder, &hex("be")), Err(HpackError::BadIndex(62)));
}

#[test]
fn a_list_over_the_limits_is_cut_and_the_tables_still_agree() {
    let mut encoder = Encoder::new();
    let mut decoder = Decoder::new(4096);
    let limits = Limits { list_size: 100, count: 2 };
    let long = list(&[("a", "1"), ("b", &"x".repeat(200)), ("c", "3")]);
    let mut block = Vec::new();
    encoder.encode(long.iter(), &mut block);
    let mut out = HeaderList::new();
    assert_eq!(decoder.decode(&block, limits, &mut out).unwrap(), Decoded::OverLimit);
    assert_eq!(out, list(&[("a", "1")]));
    let mut again = Vec::new();
    encoder.encode(long.iter(), &mut again);
    assert_eq!(again.len(), 3, "the second block should be three indices");
    assert_eq!(decode(&mut decoder, &again).unwrap(), long);
    // One octet a field that names a large one: the list stops growing at its limit.
    let mut out = HeaderList::new();
    assert_eq!(decoder.decode(&vec![0xbf; 16384], Limits::default(), &mut out).unwrap(), Decoded::OverLimit);
    assert!(out.size() <= Limits::default().list_size);
}

#[test]
fn secrets_never_enter_a_table() {
    let mut secret = HeaderList::new();
    secret.push_with(b"x-key", b"k", Sensitivity::Secret);
    secret.push(b"authorization", b"Bearer of news");
    secret.push(b"cookie", b"a=b");
    let mut encoder = Encoder::new();
    let mut decoder = Decoder::new(4096);
    for _ in 0..2 {
        let mut block = Vec::new();
        encoder.encode(secret.iter(), &mut block);
        let out = decode(&mut decoder, &block).unwrap();
        assert!(out.iter().all(|header| header.sensitivity == Sensitivity::Secret), "{out:?}");
        assert_eq!(decoder.table_size(), 0);
    }
}

#[test]
fn changes_of_the_table_size_are_announced() {
    let fields = list(&[("x-a", "one"), ("x-b", "two")]);
    let mut encoder = Encoder::new();
    let mut decoder = Decoder::new(4096);
    for sizes in [&[][..], &[0][..], &[100], &[0, 4096], &[u32::MAX], &[60, 3000]] {
        for size in sizes {
            encoder.set_table_size(*size);
        }
        for _ in 0..3 {
            let mut block = Vec::new();
            encoder.encode(fields.iter(), &mut block);
            assert_eq!(decode(&mut decoder, &block).unwrap(), fields);
        }
    }
}

fn any_fields() -> impl Strategy<Value = Vec<(Vec<u8>, Vec<u8>, bool)>> {
    let name = prop_oneof![
        "[a-c]{1,3}".prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 0..20),
        Just(b"content-type".to_vec())
    ];
    let value = prop_oneof![
        "[ -~]{0,40}".prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 0..300),
        Just(b"x".to_vec())
    ];
    prop::collection::vec((name, value, any::<bool>()), 0..20)
}

proptest! {
    #[test]
    fn what_is_encoded_comes_back(
        messages in prop::collection::vec((any_fields(), prop::option::of(0u32..6000)), 1..12),
    ) {
        let mut encoder = Encoder::new();
        let mut decoder = Decoder::new(4096);
        for (fields, size) in messages {
            if let Some(size) = size {
                encoder.set_table_size(size);
            }
            let mut sent = HeaderList::new();
            for (name, value, secret) in &fields {
                sent.push_with(name, value, if *secret { Sensitivity::Secret } else { Sensitivity::Plain });
            }
            let mut block = Vec::new();
            encoder.encode(sent.iter(), &mut block);
            prop_assert_eq!(decode(&mut decoder, &block).unwrap(), sent, "block {:?}", block);
        }
    }

    #[test]
    fn huffman_is_its_own_inverse(text in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut coded = Vec::new();
        huffman::encode(&text, &mut coded);
        prop_assert_eq!(coded.len(), huffman::encoded_len(&text));
        let mut back = Vec::new();
        huffman::decode(&coded, &mut back).unwrap();
        prop_assert_eq!(back, text);
    }

    #[test]
    fn any_block_ends(blocks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..5)) {
        let mut decoder = Decoder::new(4096);
        let mut out = HeaderList::new();
        for block in blocks {
            out.clear();
            if decoder.decode(&block, Limits::default(), &mut out).is_err() {
                break;
            }
            prop_assert!(out.size() <= Limits::default().list_size);
        }
    }
}
