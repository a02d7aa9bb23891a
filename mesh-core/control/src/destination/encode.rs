//! Encodes addresses so that equal ones are equal bytes.
//!
//! Generated messages hold labels in hash maps, whose order differs from one map to the next. Here labels are written
//! in the order of their names; concatenated encodings are one message, so the rest is left to the generated code.

use linkerd2_proxy_api::destination::WeightedAddr;
use prost::Message as _;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint};

/// Number of the field `metric_labels` in `WeightedAddr`.
const ADDRESS_LABELS: u32 = 4;
/// Number of the field `metric_labels` in `WeightedAddrSet`.
const SET_LABELS: u32 = 2;

/// Labels in the order of their names.
pub type Labels = Vec<(&'static str, String)>;

/// An address with its labels.
pub fn address(address: &WeightedAddr, labels: &Labels) -> Vec<u8> {
    let mut encoded = address.encode_to_vec();
    put_labels(&mut encoded, ADDRESS_LABELS, labels);
    encoded
}

/// The labels all addresses of a set share.
pub fn set_labels(labels: &Labels) -> Vec<u8> {
    let mut encoded = Vec::new();
    put_labels(&mut encoded, SET_LABELS, labels);
    encoded
}

fn put_labels(encoded: &mut Vec<u8>, field: u32, labels: &Labels) {
    let text = |text: &str| 1 + encoded_len_varint(text.len() as u64) + text.len();
    for (name, value) in labels {
        encode_key(field, WireType::LengthDelimited, encoded);
        encode_varint((text(name) + text(value)) as u64, encoded);
        for (number, part) in [(1, *name), (2, value.as_str())] {
            encode_key(number, WireType::LengthDelimited, encoded);
            encode_varint(part.len() as u64, encoded);
            encoded.extend_from_slice(part.as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_what_generated_code_reads() {
        let plain = WeightedAddr { weight: 10_000, ..WeightedAddr::default() };
        let labels = vec![("pod", "web-0".to_owned()), ("zone", String::new())];
        let read = WeightedAddr::decode(address(&plain, &labels).as_slice()).unwrap();
        assert_eq!(read.weight, 10_000);
        assert_eq!(read.metric_labels.len(), 2);
        assert_eq!(read.metric_labels["pod"], "web-0");
    }
}
