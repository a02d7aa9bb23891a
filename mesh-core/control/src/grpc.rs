//! gRPC served straight on HTTP/2, for methods whose answers are shared frames.
//!
//! A generated server encodes every message for every stream and keeps a boxed stream for each. Here a stream is the
//! body of a response: a subscription and the snapshot it sent last. Nothing is copied but the bytes on the wire.

mod body;
mod server;

pub use body::Body;
pub use server::{Limits, Method, Serve, serve};

use bytes::{Buf, Bytes};
use http::HeaderValue;
use http_body_util::{BodyExt as _, Limited};

use crate::index::Refusal;

/// Longest request: a request names a target and a token.
const LONGEST_REQUEST: usize = 64 << 10;

/// Reads the one message of a request.
pub(crate) async fn message<M: prost::Message + Default, B>(body: B) -> Result<M, Refusal>
where
    B: http_body::Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let collected = Limited::new(body, LONGEST_REQUEST).collect().await;
    let mut bytes = collected
        .map_err(|error| Refusal::exhausted(format!("the request could not be read: {error}")))?
        .to_bytes();
    if bytes.len() < 5 {
        return Err(Refusal::invalid("the request has no message"));
    }
    if bytes.get_u8() != 0 {
        return Err(Refusal::unimplemented("compressed requests are not taken"));
    }
    let length = bytes.get_u32() as usize;
    if length != bytes.len() {
        return Err(Refusal::invalid("the request is not one whole message"));
    }
    M::decode(bytes).map_err(|error| Refusal::invalid(format!("the request is no such message: {error}")))
}

/// Status and message as headers or trailers. What is not plain is written as `%XX`.
pub(crate) fn status_headers(refusal: &Refusal) -> http::HeaderMap {
    let mut headers = http::HeaderMap::with_capacity(2);
    headers.insert("grpc-status", HeaderValue::from(refusal.code));
    if !refusal.message.is_empty() {
        let mut escaped = String::with_capacity(refusal.message.len());
        // Long messages would not fit into the headers that clients take.
        for byte in refusal.message.bytes().take(1024) {
            match byte {
                b' '..=b'~' if byte != b'%' => escaped.push(char::from(byte)),
                _ => {
                    use std::fmt::Write as _;
                    let _ = write!(escaped, "%{byte:02X}");
                }
            }
        }
        if let Ok(value) = HeaderValue::from_str(&escaped) {
            headers.insert("grpc-message", value);
        }
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_fit_into_headers_whatever_is_in_them() {
        let headers = status_headers(&Refusal::invalid(format!("a\nb%ü{}", "x".repeat(100_000))));
        assert_eq!(headers["grpc-status"], "3");
        let message = headers["grpc-message"].to_str().unwrap();
        assert!(message.starts_with("a%0Ab%25%C3%BC") && message.len() < 4096, "{message}");
    }
}
