//! Headers with the context of a trace: whatever is read can be passed on, and is then read as the same trace.
#![no_main]

use libfuzzer_sys::fuzz_target;
use linkerd2_proxy::trace::context::{Context, SpanId};
use proxy_net::headers::HeaderList;

const NAMES: [&[u8]; 6] =
    [b"traceparent", b"grpc-trace-bin", b"x-b3-traceid", b"x-b3-spanid", b"x-b3-sampled", b"b3"];

fuzz_target!(|values: Vec<(u8, Vec<u8>)>| {
    let mut head = HeaderList::new();
    for (name, value) in values.iter().take(16) {
        head.push(NAMES[usize::from(*name) % NAMES.len()], value);
    }
    if let Some(context) = Context::parse(&head) {
        context.write(SpanId::new(7), &mut head);
        let next = Context::parse(&head).expect("what was passed on can be read");
        assert_eq!((next.trace, next.parent, next.sampled), (context.trace, SpanId::new(7), context.sampled));
    }
});
