//! Requests and their answers: pages of a list, and the beginning of a watch.

use std::time::Duration;

use http::header::RETRY_AFTER;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use kube::client::Body;
use tokio::task::JoinHandle;

use super::{Ended, Follower, LONGEST_WISH};
use crate::record::{Kind, Page};

/// Objects a page: what the API server's own clients ask for.
const OBJECTS: u32 = 500;
/// Longest page that is read, in bytes.
const LONGEST: usize = 256 << 20;
/// Longest answer that says why there is none.
const LONGEST_REASON: usize = 64 << 10;

/// A page that is being decoded, beside whatever else goes on.
pub(super) struct Decoding(JoinHandle<Result<Page, serde_json::Error>>);

// === impl Decoding ===

impl Decoding {
    pub(super) fn start(kind: Kind, text: String) -> Self {
        Self(tokio::spawn(async move { kind.decode_list(&text) }))
    }

    pub(super) async fn page(self) -> Result<Page, Ended> {
        let decoded = self.0.await.map_err(|error| Ended::Failed(error.to_string()))?;
        decoded.map_err(|error| Ended::Failed(format!("the list cannot be read: {error}")))
    }
}

// === impl Follower ===

impl Follower {
    /// The text of the page that begins at `next`; of the first when that is empty.
    pub(super) async fn page(&self, next: &str) -> Result<String, Ended> {
        let query = if next.is_empty() {
            format!("limit={OBJECTS}")
        } else {
            format!("limit={OBJECTS}&continue={next}")
        };
        let answer = self.send(self.request(&query, "List")?).await?;
        text(answer, LONGEST).await
    }

    /// An answer that says yes; every other one is told apart by what it means for a list or a watch.
    pub(super) async fn send(&self, request: Request<Vec<u8>>) -> Result<Response<Body>, Ended> {
        let answer = self.client.send(request.map(Body::from)).await;
        let answer = answer.map_err(|error| Ended::Failed(error.to_string()))?;
        match answer.status() {
            status if status.is_success() => Ok(answer),
            StatusCode::NOT_FOUND => Err(Ended::Absent),
            StatusCode::GONE => Err(Ended::TooOld),
            status => {
                if let Some(wish) = wish(&answer) {
                    return Err(Ended::Busy(wish));
                }
                let reason =
                    text(answer, LONGEST_REASON).await.unwrap_or_else(|_| "no reason given".to_owned());
                let said: Option<serde_json::Value> = serde_json::from_str(&reason).ok();
                let message = said.as_ref().and_then(|said| said.get("message")?.as_str()).unwrap_or(&reason);
                let message = format!("{status}: {}", message.chars().take(512).collect::<String>());
                Err(if status == StatusCode::FORBIDDEN {
                    Ended::Forbidden(message)
                } else {
                    Ended::Failed(message)
                })
            }
        }
    }
}

/// After how long the API server wants to be asked again, where it says so.
fn wish(answer: &Response<Body>) -> Option<Duration> {
    if !matches!(answer.status(), StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
        return None;
    }
    let seconds: u64 = answer.headers().get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds.max(1)).min(LONGEST_WISH))
}

async fn text(answer: Response<Body>, longest: usize) -> Result<String, Ended> {
    let body = Limited::new(answer.into_body(), longest).collect().await;
    let body = body.map_err(|error| Ended::Failed(format!("the answer cannot be read: {error}")))?;
    String::from_utf8(body.to_bytes().into()).map_err(|_| Ended::Failed("the answer is no UTF-8".to_owned()))
}
