//! Every frame there and back, every length rule, and any input at all.

use proptest::prelude::*;

use super::*;
use crate::h2::error::Scope;
use crate::h2::settings::{ExtendedConnect, PushSetting, Sender, Settings};

const MAX: u32 = 16_384;

fn raw(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    head(payload.len() as u32, kind, flags, stream, &mut out);
    out.extend_from_slice(payload);
    out
}

fn bad(bytes: &[u8]) -> FrameError {
    match parse(bytes, MAX) {
        Parsed::Bad(error, _) => error,
        other => panic!("not refused: {other:?}"),
    }
}

fn whole(bytes: &[u8]) -> Frame<'_> {
    for end in 0..bytes.len() {
        assert!(
            matches!(parse(&bytes[..end], MAX), Parsed::Partial { needed } if needed > end),
            "cut at {end}"
        );
    }
    match parse(bytes, MAX) {
        Parsed::Frame(frame, taken) => {
            assert_eq!(taken, bytes.len());
            frame
        }
        other => panic!("not a frame: {other:?}"),
    }
}

#[test]
fn written_frames_are_read_back() {
    let mut out = Vec::new();
    write_data(3, b"abc", End::Stream, &mut out);
    assert_eq!(whole(&out), Frame::Data { stream: 3, data: b"abc", flow: 3, end: End::Stream });
    out.clear();
    write_reset(5, ErrorCode::CANCEL, &mut out);
    assert_eq!(whole(&out), Frame::Reset { stream: 5, code: ErrorCode::CANCEL });
    out.clear();
    write_ping(*b"12345678", 0, &mut out);
    assert_eq!(whole(&out), Frame::Ping(*b"12345678"));
    out.clear();
    write_ping(*b"12345678", ACK, &mut out);
    assert_eq!(whole(&out), Frame::Pong(*b"12345678"));
    out.clear();
    write_go_away(7, ErrorCode(0x99), b"why", &mut out);
    assert_eq!(whole(&out), Frame::GoAway { last_stream: 7, code: ErrorCode(0x99), debug: b"why" });
    out.clear();
    write_window_update(0, 9, &mut out);
    assert_eq!(whole(&out), Frame::WindowUpdate { stream: 0, increment: 9 });
    out.clear();
    write_settings_ack(&mut out);
    assert_eq!(whole(&out), Frame::SettingsAck);
}

#[test]
fn settings_are_read_back_and_checked() {
    let ours = Settings {
        header_table_size: 0,
        max_concurrent_streams: 100,
        initial_window_size: 1 << 20,
        max_frame_size: 1 << 15,
        max_header_list_size: 9000,
        extended_connect: ExtendedConnect::On,
    };
    let mut out = Vec::new();
    ours.write(PushSetting::Disable, &mut out);
    let Frame::Settings(frame) = whole(&out) else { panic!("not settings") };
    assert_eq!(frame.len(), 7);
    let mut theirs = Settings::default();
    frame.apply(Sender::Client, &mut theirs).unwrap();
    assert_eq!(theirs, ours);

    let refuse = |id: u8, value: u32, from| {
        let [a, b, c, d] = value.to_be_bytes();
        SettingsFrame(&[0, id, a, b, c, d]).apply(from, &mut Settings::default()).unwrap_err().code
    };
    assert_eq!(refuse(2, 2, Sender::Client), ErrorCode::PROTOCOL_ERROR);
    assert_eq!(refuse(2, 1, Sender::Server), ErrorCode::PROTOCOL_ERROR);
    assert_eq!(refuse(4, 1 << 31, Sender::Client), ErrorCode::FLOW_CONTROL_ERROR);
    assert_eq!(refuse(5, 16_383, Sender::Client), ErrorCode::PROTOCOL_ERROR);
    assert_eq!(refuse(5, 1 << 24, Sender::Client), ErrorCode::PROTOCOL_ERROR);
    assert_eq!(refuse(8, 2, Sender::Server), ErrorCode::PROTOCOL_ERROR);
}

#[test]
fn padding_and_priority_are_taken_off() {
    let padded = raw(kind::DATA, PADDED | END_STREAM, 1, b"\x03abc\0\0\0");
    assert_eq!(whole(&padded), Frame::Data { stream: 1, data: b"abc", flow: 7, end: End::Stream });
    let headers = raw(kind::HEADERS, PADDED | PRIORITY | END_HEADERS, 1, b"\x02\x80\0\0\x03\x10block\0\0");
    assert_eq!(
        whole(&headers),
        Frame::Headers { stream: 1, block: b"block", end: End::More, rest: Block::Whole }
    );
    assert_eq!(bad(&raw(kind::DATA, PADDED, 1, b"\x04abc")).reason, Reason::Padding);
    assert_eq!(bad(&raw(kind::DATA, PADDED, 1, b"")).reason, Reason::FrameLength);
    assert_eq!(bad(&raw(kind::HEADERS, PRIORITY, 1, b"\0\0\0\x01\0")).reason, Reason::SelfDependency);
}

#[test]
fn wrong_lengths_and_streams_are_classified() {
    let size = ErrorCode::FRAME_SIZE_ERROR;
    let long = raw(kind::DATA, 0, 1, &[0; 16_385]);
    assert_eq!(bad(&long[..HEADER_LEN]), FrameError::connection(size, Reason::FrameTooLong));
    type Case<'a> = (u8, u8, u32, &'a [u8], Scope, ErrorCode);
    let cases: [Case<'_>; 14] = [
        (kind::RST_STREAM, 0, 1, b"123", Scope::Connection, size),
        (kind::PING, 0, 0, b"1234567", Scope::Connection, size),
        (kind::SETTINGS, 0, 0, b"12345", Scope::Connection, size),
        (kind::SETTINGS, ACK, 0, b"123456", Scope::Connection, size),
        (kind::GOAWAY, 0, 0, b"1234567", Scope::Connection, size),
        (kind::WINDOW_UPDATE, 0, 1, b"12345", Scope::Connection, size),
        (kind::PRIORITY, 0, 3, b"1234", Scope::Stream(3), size),
        (kind::WINDOW_UPDATE, 0, 3, b"\0\0\0\0", Scope::Stream(3), ErrorCode::PROTOCOL_ERROR),
        (kind::WINDOW_UPDATE, 0, 0, b"\x80\0\0\0", Scope::Connection, ErrorCode::PROTOCOL_ERROR),
        (kind::DATA, 0, 0, b"x", Scope::Connection, ErrorCode::PROTOCOL_ERROR),
        (kind::HEADERS, 0, 0, b"x", Scope::Connection, ErrorCode::PROTOCOL_ERROR),
        (kind::SETTINGS, 0, 1, b"", Scope::Connection, ErrorCode::PROTOCOL_ERROR),
        (kind::PING, 0, 1, b"12345678", Scope::Connection, ErrorCode::PROTOCOL_ERROR),
        (kind::CONTINUATION, 0, 0, b"x", Scope::Connection, ErrorCode::PROTOCOL_ERROR),
    ];
    for (kind, flags, stream, payload, scope, code) in cases {
        let error = bad(&raw(kind, flags, stream, payload));
        assert_eq!((error.scope, error.code), (scope, code), "type {kind}");
    }
    assert_eq!(whole(&raw(0xbe, 0xff, 9, b"??")), Frame::Unknown { kind: 0xbe });
}

#[test]
fn a_long_block_continues_in_further_frames() {
    let block: Vec<u8> = (0..=255).cycle().take(40_000).collect();
    let mut out = b"before".to_vec();
    write_headers(1, End::Stream, MAX, &mut out, |out| out.extend_from_slice(&block));
    let mut rest = &out[6..];
    let mut joined = Vec::new();
    let mut kinds = Vec::new();
    while let Parsed::Frame(frame, taken) = parse(rest, MAX) {
        match frame {
            Frame::Headers { block, end: End::Stream, rest, .. } => {
                joined.extend_from_slice(block);
                kinds.push(rest);
            }
            Frame::Continuation { block, rest, .. } => {
                joined.extend_from_slice(block);
                kinds.push(rest);
            }
            other => panic!("{other:?}"),
        }
        rest = &rest[taken..];
    }
    assert!(rest.is_empty());
    assert_eq!(joined, block);
    assert_eq!(kinds, [Block::Open, Block::Open, Block::Whole]);
}

#[test]
fn reasons_have_names_of_their_own() {
    let mut labels: Vec<_> = Reason::ALL.iter().map(|reason| reason.label()).collect();
    labels.sort_unstable();
    labels.dedup();
    assert_eq!(labels.len(), Reason::ALL.len());
}

proptest! {
    #[test]
    fn any_input_is_a_frame_an_error_or_partial(input in prop::collection::vec(any::<u8>(), 0..200), kind in 0u8..11, length in 0u8..60) {
        let mut shaped = input;
        if shaped.len() >= HEADER_LEN {
            shaped[..4].copy_from_slice(&[0, 0, length, kind]);
        }
        match parse(&shaped, MAX) {
            Parsed::Frame(_, taken) => prop_assert!(taken <= shaped.len()),
            Parsed::Bad(error, taken) => prop_assert!(taken <= shaped.len() || error.scope == Scope::Connection),
            Parsed::Partial { needed } => prop_assert!(needed > shaped.len()),
        }
    }
}
