//! Paths of the aggregated API, and who may ask for what.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use bytes::{BufMut, Bytes, BytesMut};
use futures::StreamExt;
use http::{HeaderMap, StatusCode, header};
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use kube::api::{Api, PostParams};
use mesh_api::tap::TapRequest;
use prost::Message;
use serde_json::{Value, json};

use super::fan_in::Tap;
use super::front_proxy::{FrontProxy, User};
use super::target::{KINDS, Target};
use crate::runtime::metrics::{Counter, Family};
use crate::runtime::{CALL_LIMIT, Shutdown};
use crate::webhook::server::Peer;

/// The group of the API.
pub const GROUP: &str = "tap.linkerd.io";
/// Its version.
pub const VERSION: &str = "v1alpha1";
/// Largest question that is read, in bytes.
const MAX_QUESTION: usize = 64 * 1024;

/// What the API needs.
#[derive(Clone)]
pub struct Parts {
    /// The way to the API server.
    pub client: kube::Client,
    /// Who asks.
    pub front_proxy: FrontProxy,
    /// Who answers.
    pub tap: Arc<Tap>,
    /// Counts.
    pub outcomes: Family<Counter>,
    /// Ends the streams.
    pub shutdown: Shutdown,
}

/// A refusal: status, a word for the metric, text.
struct Refused(StatusCode, &'static str, String);

/// The routes of the API.
pub fn router(parts: Parts) -> Router {
    let group = format!("/apis/{GROUP}");
    let version = format!("{group}/{VERSION}");
    Router::new()
        .route("/", get(async || Json(json!({"paths": ["/apis", "/healthz", "/version"]}))))
        .route("/healthz", get(async || "ok"))
        .route("/healthz/{*check}", get(async || "ok"))
        .route("/livez", get(async || "ok"))
        .route("/readyz", get(async || "ok"))
        .route(
            "/version",
            get(async || Json(json!({"major": "0", "minor": "1", "gitVersion": mesh_core::version::CLI}))),
        )
        .route("/openapi/v2", get(async || Json(openapi())))
        .route("/apis", get(async || Json(group_list())))
        .route(&group, get(async || Json(api_group())))
        .route(&version, get(async || Json(resources())))
        .route(&format!("{version}/watch/namespaces/{{namespace}}/tap"), post(tap_namespace))
        .route(
            &format!("{version}/watch/namespaces/{{namespace}}/{{plural}}/{{name}}/tap"),
            post(tap_workload),
        )
        .fallback(async || Refused(StatusCode::NOT_FOUND, "not_found", "no such path".to_owned()))
        .with_state(parts)
}

async fn tap_namespace(
    State(parts): State<Parts>,
    Path(namespace): Path<String>,
    Extension(peer): Extension<Peer>,
    request: Request,
) -> Response {
    answer(&parts, &peer, "namespaces", &namespace, &namespace, request).await
}

async fn tap_workload(
    State(parts): State<Parts>,
    Path((namespace, plural, name)): Path<(String, String, String)>,
    Extension(peer): Extension<Peer>,
    request: Request,
) -> Response {
    answer(&parts, &peer, &plural, &namespace, &name, request).await
}

async fn answer(
    parts: &Parts,
    peer: &Peer,
    plural: &str,
    namespace: &str,
    name: &str,
    request: Request,
) -> Response {
    let (head, body) = request.into_parts();
    let outcome = stream(parts, peer, &head.headers, (plural, namespace, name), body).await;
    match outcome {
        Ok(response) => {
            parts.outcomes.with(&["streamed"]).inc();
            response
        }
        Err(refused) => {
            parts.outcomes.with(&[refused.1]).inc();
            tracing::info!(reason = refused.1, text = ?refused.2, "a request to tap was refused");
            refused.into_response()
        }
    }
}

async fn stream(
    parts: &Parts,
    peer: &Peer,
    headers: &HeaderMap,
    (plural, namespace, name): (&str, &str, &str),
    body: Body,
) -> Result<Response, Refused> {
    let user = parts
        .front_proxy
        .user(peer, headers)
        .map_err(|error| Refused(StatusCode::UNAUTHORIZED, "not_authenticated", error.to_string()))?;
    let target = Target::new(plural, namespace, name)
        .map_err(|error| Refused(StatusCode::NOT_FOUND, "unknown_kind", error.to_string()))?;
    authorize(&parts.client, &user, &target).await?;
    let body = to_bytes(body, MAX_QUESTION).await.map_err(|_| {
        Refused(StatusCode::PAYLOAD_TOO_LARGE, "too_large", "the request is too large".to_owned())
    })?;
    let bad = |text: String| Refused(StatusCode::BAD_REQUEST, "bad_request", text);
    let question =
        TapRequest::decode(body).map_err(|error| bad(format!("the body is no tap request: {error}")))?;
    target.agrees(question.target.as_ref()).map_err(&bad)?;
    let labels = question.target.as_ref().map(|it| it.label_selector.clone()).unwrap_or_default();
    let question = super::matches::Question::read(&question).map_err(&bad)?;
    let events = parts.tap.open(&target, &labels, question).await.map_err(|problem| {
        let status = if problem.is_client { StatusCode::NOT_FOUND } else { StatusCode::SERVICE_UNAVAILABLE };
        Refused(status, problem.reason, problem.text)
    })?;
    tracing::info!(user = ?user.name, %target, "tap begins");
    let frames = events.map(|event| Ok::<Bytes, std::convert::Infallible>(frame(&event)));
    let frames = frames.take_until(parts.shutdown.signaled());
    let body = Body::from_stream(frames);
    Ok(([(header::CONTENT_TYPE, "application/octet-stream")], body).into_response())
}

/// A length of four bytes, little-endian, and the message.
pub fn frame(event: &impl Message) -> Bytes {
    let length = event.encoded_len();
    let mut out = BytesMut::with_capacity(4 + length);
    out.put_u32_le(u32::try_from(length).unwrap_or(u32::MAX));
    // Encoding fails only where there is no room, and a buffer that grows always has it.
    let _ = event.encode(&mut out);
    out.freeze()
}

/// Asks the API server whether the user may tap this.
async fn authorize(client: &kube::Client, user: &User, target: &Target) -> Result<(), Refused> {
    let review = SubjectAccessReview {
        spec: SubjectAccessReviewSpec {
            user: Some(user.name.clone()),
            groups: Some(user.groups.clone()),
            extra: (!user.extra.is_empty()).then(|| user.extra.iter().cloned().collect()),
            resource_attributes: Some(ResourceAttributes {
                verb: Some("watch".to_owned()),
                group: Some(GROUP.to_owned()),
                version: Some(VERSION.to_owned()),
                resource: Some(target.plural().to_owned()),
                subresource: Some("tap".to_owned()),
                namespace: Some(target.namespace.clone()),
                name: Some(target.name.clone()),
                ..ResourceAttributes::default()
            }),
            ..SubjectAccessReviewSpec::default()
        },
        ..SubjectAccessReview::default()
    };
    let failed = |text: String| Refused(StatusCode::SERVICE_UNAVAILABLE, "not_reviewed", text);
    let (api, params) = (Api::<SubjectAccessReview>::all(client.clone()), PostParams::default());
    let asked = tokio::time::timeout(CALL_LIMIT, api.create(&params, &review)).await;
    let answer = asked
        .map_err(|_| failed(format!("the API server did not say within {CALL_LIMIT:?} who may tap")))?
        .map_err(|error| failed(format!("the API server does not say who may tap: {error}")))?;
    let status = answer.status.unwrap_or_default();
    if status.allowed && status.denied != Some(true) {
        return Ok(());
    }
    let text = format!(
        "user {:?} may not tap {target}: no right to watch {}/tap in {GROUP}; see https://linkerd.io/tap-rbac",
        user.name,
        target.plural()
    );
    Err(Refused(StatusCode::FORBIDDEN, "forbidden", text))
}

impl IntoResponse for Refused {
    /// As the API server says it.
    fn into_response(self) -> Response {
        let Self(status, _, message) = self;
        let reason = match status {
            StatusCode::UNAUTHORIZED => "Unauthorized",
            StatusCode::FORBIDDEN => "Forbidden",
            StatusCode::NOT_FOUND => "NotFound",
            StatusCode::BAD_REQUEST => "BadRequest",
            StatusCode::PAYLOAD_TOO_LARGE => "RequestEntityTooLarge",
            _ => "ServiceUnavailable",
        };
        let body = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": message, "reason": reason, "code": status.as_u16()});
        (status, Json(body)).into_response()
    }
}

fn api_group() -> Value {
    let version = json!({"groupVersion": format!("{GROUP}/{VERSION}"), "version": VERSION});
    json!({"kind": "APIGroup", "apiVersion": "v1", "name": GROUP, "versions": [version],
        "preferredVersion": version})
}

fn group_list() -> Value {
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": [api_group()]})
}

/// What can be tapped; without short names, which would clash with those of the kinds themselves.
fn resources() -> Value {
    let mut resources = Vec::new();
    for kind in KINDS {
        let namespaced = kind.plural != "namespaces";
        for name in [kind.plural.to_owned(), format!("{}/tap", kind.plural)] {
            resources.push(json!({"name": name, "singularName": kind.singular, "namespaced": namespaced,
                "kind": "Tap", "verbs": ["watch"]}));
        }
    }
    json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": format!("{GROUP}/{VERSION}"),
        "resources": resources})
}

fn openapi() -> Value {
    json!({"swagger": "2.0", "info": {"title": "Tap", "version": VERSION}, "paths": {}})
}
