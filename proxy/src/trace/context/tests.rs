//! Contexts that are read, passed on, and read again.

use proptest::prelude::*;

use super::*;

const TRACE: TraceId =
    TraceId([0x4b, 0xf9, 0x2f, 0x35, 0x77, 0xb3, 0x4d, 0xa6, 0xa3, 0xce, 0x92, 0x9d, 0x0e, 0x0e, 0x47, 0x36]);
const PARENT: SpanId = SpanId([0x00, 0xf0, 0x67, 0xaa, 0x0b, 0xa9, 0x02, 0xb7]);

fn list(fields: &[(&str, &str)]) -> HeaderList {
    fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect()
}

fn read(fields: &[(&str, &str)]) -> Option<(TraceId, SpanId, bool)> {
    Context::parse(&list(fields)).map(|context| (context.trace, context.parent, context.sampled))
}

/// The value of a field after a hop whose client span is `00000000000000ff`.
fn passed_on(fields: &[(&str, &str)], name: &str) -> String {
    let mut head = list(fields);
    let context = Context::parse(&head).unwrap();
    context.write(SpanId::new(255), &mut head);
    String::from_utf8(head.value(name.as_bytes()).unwrap().to_vec()).unwrap()
}

#[test]
fn w3c() {
    let value = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-03";
    let fields = [("traceparent", value), ("tracestate", "vendor=x")];
    assert_eq!(read(&fields), Some((TRACE, PARENT, true)));
    assert_eq!(passed_on(&fields, "traceparent"), "00-4bf92f3577b34da6a3ce929d0e0e4736-00000000000000ff-03");
    assert_eq!(passed_on(&fields, "tracestate"), "vendor=x");
    assert_eq!(read(&[("traceparent", &value.replace("-03", "-02"))]), Some((TRACE, PARENT, false)));
}

#[test]
fn grpc_binary() {
    // Version 0; trace, span and flags in that order.
    let value = "AABL+S81d7NNpqPOkp0ODkc2AQDwZ6oLqQK3AgE";
    assert_eq!(read(&[("grpc-trace-bin", value)]), Some((TRACE, PARENT, true)));
    assert_eq!(read(&[("grpc-trace-bin", &format!("{value}="))]), Some((TRACE, PARENT, true)));
    assert_eq!(encode_grpc(TRACE, PARENT, 1), value);
    let next = list(&[("grpc-trace-bin", &passed_on(&[("grpc-trace-bin", value)], "grpc-trace-bin"))]);
    assert_eq!(Context::parse(&next).unwrap().parent, SpanId::new(255));
}

#[test]
fn b3_in_several_headers() {
    let fields = [
        ("x-b3-traceid", "a3ce929d0e0e4736"),
        ("x-b3-spanid", "00f067aa0ba902b7"),
        ("x-b3-parentspanid", "05e3ac9a4f6e3b90"),
        ("x-b3-sampled", "1"),
    ];
    let (trace, parent, sampled) = read(&fields).unwrap();
    assert_eq!((&trace.0[..8], &trace.0[8..]), (&[0; 8][..], &TRACE.0[8..]));
    assert_eq!((parent, sampled), (PARENT, true));
    assert_eq!(passed_on(&fields, "x-b3-spanid"), "00000000000000ff");
    assert_eq!(passed_on(&fields, "x-b3-traceid"), "a3ce929d0e0e4736");
    assert!(!read(&fields[..3]).unwrap().2);
}

#[test]
fn b3_in_one_header() {
    let fields = [("b3", "a3ce929d0e0e4736-00f067aa0ba902b7-d-05e3ac9a4f6e3b90")];
    assert!(read(&fields).unwrap().2);
    assert_eq!(passed_on(&fields, "b3"), "a3ce929d0e0e4736-00000000000000ff-d-00f067aa0ba902b7");
    let short = [("b3", "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7")];
    assert_eq!(passed_on(&short, "b3"), "4bf92f3577b34da6a3ce929d0e0e4736-00000000000000ff");
}

#[test]
fn what_is_broken_is_no_context_and_hides_none() {
    let broken = [
        ("traceparent", "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        ("traceparent", "00-00000000000000000000000000000000-00f067aa0ba902b7-01"),
        ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01"),
        ("traceparent", "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01"),
        ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more"),
        ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7"),
        ("traceparent", "00-é"),
        ("grpc-trace-bin", "AABL"),
        ("grpc-trace-bin", "!"),
        ("b3", "0"),
        ("b3", "a3ce929d0e0e4736-00f067aa0ba902b7-x"),
    ];
    for field in broken {
        assert_eq!(read(&[field]), None, "{field:?}");
        let b3 = [field, ("x-b3-traceid", "a3ce929d0e0e4736"), ("x-b3-spanid", "00f067aa0ba902b7")];
        assert!(read(&b3).is_some(), "{field:?}");
    }
}

proptest! {
    #[test]
    fn a_context_survives_any_number_of_hops(
        trace in any::<[u8; 16]>().prop_filter("zero", |id| *id != [0; 16]),
        spans in proptest::collection::vec(1..u64::MAX, 1..5),
        flags in any::<u8>(),
        format in 0..4_u8,
    ) {
        let mut trace = trace;
        trace[15] |= 1;
        let mut hexed = String::new();
        hex(&trace, &mut hexed);
        let first = format!("{:016x}", spans[0]);
        let sampled = if flags & 1 == 1 { "1" } else { "0" };
        let mut head = match format {
            0 => list(&[("traceparent", &format!("00-{hexed}-{first}-{flags:02x}"))]),
            1 => list(&[("grpc-trace-bin", &encode_grpc(TraceId(trace), SpanId::new(spans[0]), flags))]),
            2 => list(&[("x-b3-traceid", &hexed), ("x-b3-spanid", &first), ("x-b3-sampled", sampled)]),
            _ => list(&[("b3", &format!("{hexed}-{first}-{sampled}"))]),
        };
        for (index, span) in spans.iter().enumerate() {
            let context = Context::parse(&head).unwrap();
            prop_assert_eq!(context.trace, TraceId(trace));
            prop_assert_eq!(context.parent, SpanId::new(*span));
            prop_assert_eq!(context.sampled, flags & 1 == 1);
            let next = spans.get(index + 1).copied().unwrap_or(1);
            context.write(SpanId::new(next), &mut head);
        }
    }

    #[test]
    fn no_header_breaks_the_parser(name in 0..6_usize, value in "\\PC{0,80}") {
        let names = ["traceparent", "grpc-trace-bin", "x-b3-traceid", "x-b3-spanid", "x-b3-sampled", "b3"];
        let other = ("x-b3-traceid", "a3ce929d0e0e4736");
        let mut head = list(&[(names[name], &value), other, ("x-b3-spanid", "00f067aa0ba902b7")]);
        if let Some(context) = Context::parse(&head) {
            context.write(SpanId::new(1), &mut head);
            prop_assert_eq!(Context::parse(&head).map(|context| context.trace), Some(context.trace));
        }
    }

    #[test]
    fn base64_is_read_as_it_is_written(octets in proptest::collection::vec(any::<u8>(), 0..60)) {
        prop_assert_eq!(decode_base64(&encode_base64(&octets)), Some(octets));
    }
}
