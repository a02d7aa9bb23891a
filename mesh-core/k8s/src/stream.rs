//! A question to the API server whose answer goes on and on, such as tap.

use bytes::Bytes;
use futures::{Stream, StreamExt};
use http::Request;
use kube::client::Body;

use crate::{Client, Error};

impl Client {
    /// Posts `body` to a path and hands on the answer as it comes. There is no limit of time once it has begun.
    pub async fn post_stream(
        &self,
        call: &str,
        path: &str,
        body: Vec<u8>,
    ) -> Result<impl Stream<Item = Result<Bytes, Error>> + Send + Unpin + use<>, Error> {
        let request = Request::post(path)
            .header(http::header::CONTENT_TYPE, "application/octet-stream")
            .body(Body::from(body))
            .map_err(|error| Error::Answer { call: call.to_owned(), cause: error.to_string() })?;
        let response = self.call(call.to_owned(), self.kube.send(request)).await?;
        let status = response.status();
        let mut chunks = http_body_util::BodyDataStream::new(response.into_body());
        if !status.is_success() {
            let mut text = Vec::new();
            while let Some(Ok(chunk)) = chunks.next().await {
                text.extend_from_slice(&chunk);
                if text.len() > 64 * 1024 {
                    break;
                }
            }
            return Err(refused(call, status.as_u16(), &text));
        }
        let call = call.to_owned();
        Ok(chunks.map(move |chunk| {
            chunk.map_err(|error| Error::Unreachable { call: call.clone(), cause: error.to_string() })
        }))
    }
}

/// What the server says: a Status object, or any text.
fn refused(call: &str, code: u16, body: &[u8]) -> Error {
    let status: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    let message = status
        .as_ref()
        .and_then(|status| status["message"].as_str())
        .map_or_else(|| String::from_utf8_lossy(body).trim().to_owned(), str::to_owned);
    let call = call.to_owned();
    match code {
        401 | 403 => Error::Denied { call, message },
        code => Error::Refused { call, message, code },
    }
}
