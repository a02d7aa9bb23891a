//! Admission reviews (v1 and v1beta1): what the API server asks, and the answer.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::future::BoxFuture;
use http::{StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::runtime::metrics::{Counter, Family, Histogram, Registry};

/// Largest review that is read, in bytes: an object of up to 1.5 MiB in etcd, twice, with room for JSON.
pub const MAX_REVIEW: usize = 10 * 1024 * 1024;

/// Reviews that are read and decided about at once; others wait for their turn.
const AT_ONCE: usize = 64;
/// How long a review may take to be read.
const READ_LIMIT: Duration = Duration::from_secs(10);

/// Decides about objects.
pub trait Admit: Send + Sync + 'static {
    /// Decides about one.
    fn admit<'a>(&'a self, request: &'a AdmissionRequest) -> BoxFuture<'a, Verdict>;
}

/// What the API server asks.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AdmissionRequest {
    /// Identifies the question.
    pub uid: String,
    /// The object's kind.
    #[serde(default)]
    pub kind: GroupVersionKind,
    /// Its name; empty for one that is generated.
    #[serde(default)]
    pub name: String,
    /// Its namespace; empty for objects of the cluster.
    #[serde(default)]
    pub namespace: String,
    /// `CREATE`, `UPDATE`, `DELETE` or `CONNECT`.
    #[serde(default)]
    pub operation: String,
    /// The object as it is to be; null on deletion.
    #[serde(default)]
    pub object: Value,
    /// The object as it is; null on creation.
    #[serde(default)]
    pub old_object: Value,
    /// Nothing will be stored, and no traces may be left.
    #[serde(default)]
    pub dry_run: Option<bool>,
}

/// A kind by group and version.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct GroupVersionKind {
    /// Empty for the core.
    #[serde(default)]
    pub group: String,
    /// For instance `v1`.
    #[serde(default)]
    pub version: String,
    /// For instance `Pod`.
    #[serde(default)]
    pub kind: String,
}

/// The answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// What happens.
    pub decision: Decision,
    /// What the user is shown beside it.
    pub warnings: Vec<String>,
    /// A word for the metric.
    pub outcome: &'static str,
}

/// What happens with the object.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// It is taken as it is.
    Allow,
    /// It is taken with these changes, a JSON patch.
    Patch(Value),
    /// It is refused, and this says why.
    Deny(String),
    /// Nothing can be said about it; the API server's failure policy decides.
    Fail(String),
}

#[derive(Deserialize)]
struct Review {
    #[serde(default, rename = "apiVersion")]
    api_version: String,
    request: Option<AdmissionRequest>,
}

/// What a router of reviews needs.
#[derive(Clone)]
struct Parts {
    admit: Arc<dyn Admit>,
    reviews: Family<Counter>,
    duration: Histogram,
    room: Arc<Semaphore>,
}

impl Verdict {
    /// Taken as it is.
    pub fn allow(outcome: &'static str) -> Self {
        Self { decision: Decision::Allow, warnings: Vec::new(), outcome }
    }

    /// No answer.
    pub fn fail(outcome: &'static str, why: impl Into<String>) -> Self {
        Self { decision: Decision::Fail(why.into()), warnings: Vec::new(), outcome }
    }

    /// Refused.
    pub fn deny(outcome: &'static str, why: impl Into<String>) -> Self {
        Self { decision: Decision::Deny(why.into()), warnings: Vec::new(), outcome }
    }
}

/// Answers reviews at `/` by `admit`.
pub fn router(admit: Arc<dyn Admit>, registry: &Registry) -> Router {
    let parts = Parts {
        admit,
        reviews: registry.counters(
            "admission_reviews_total",
            "Admission reviews by kind of object, operation and outcome.",
            &["kind", "operation", "outcome"],
        ),
        duration: registry.latencies("admission_review_seconds", "Time a review takes.", &[]).with(&[]),
        room: Arc::new(Semaphore::new(AT_ONCE)),
    };
    Router::new().route("/", post(review)).with_state(parts)
}

async fn review(State(parts): State<Parts>, body: Body) -> Response {
    let started = Instant::now();
    // Bodies are large: only so many are in memory at once.
    let _permit = parts.room.acquire().await;
    let body = match tokio::time::timeout(READ_LIMIT, to_bytes(body, MAX_REVIEW)).await {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => return (StatusCode::PAYLOAD_TOO_LARGE, "the review is too large\n").into_response(),
        Err(_) => return (StatusCode::REQUEST_TIMEOUT, "the review did not come in time\n").into_response(),
    };
    let review: Review = match serde_json::from_slice(&body) {
        Ok(review) => review,
        Err(error) => return refused(&format!("no admission review: {error}")),
    };
    if !matches!(review.api_version.as_str(), "admission.k8s.io/v1" | "admission.k8s.io/v1beta1") {
        return refused("only AdmissionReview of admission.k8s.io/v1 and v1beta1 is understood");
    }
    let Some(request) = review.request else { return refused("the review has no request") };
    let verdict = parts.admit.admit(&request).await;
    parts.duration.observe(started.elapsed().as_secs_f64());
    let operation = match request.operation.as_str() {
        known @ ("CREATE" | "UPDATE" | "DELETE") => known,
        _ => "other",
    };
    parts.reviews.with(&[&request.kind.kind, operation, verdict.outcome]).inc();
    let mut response = json!({"uid": request.uid, "allowed": true});
    match verdict.decision {
        Decision::Allow => {}
        Decision::Patch(patch) => {
            response["patchType"] = "JSONPatch".into();
            response["patch"] = STANDARD.encode(patch.to_string()).into();
        }
        Decision::Deny(why) => {
            response["allowed"] = false.into();
            response["status"] =
                json!({"status": "Failure", "message": why, "reason": "Invalid", "code": 422});
        }
        Decision::Fail(why) => {
            tracing::error!(namespace = request.namespace, name = request.name, why, "a review failed");
            return (StatusCode::INTERNAL_SERVER_ERROR, format!("{why}\n")).into_response();
        }
    }
    if !verdict.warnings.is_empty() {
        response["warnings"] = verdict.warnings.into();
    }
    let answer = json!({"apiVersion": review.api_version, "kind": "AdmissionReview", "response": response});
    ([(header::CONTENT_TYPE, "application/json")], answer.to_string()).into_response()
}

fn refused(why: &str) -> Response {
    (StatusCode::BAD_REQUEST, format!("{why}\n")).into_response()
}
