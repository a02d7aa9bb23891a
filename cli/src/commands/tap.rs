//! `linkerd tap`: requests as they pass the proxies of a workload.

use bytes::BytesMut;
use clap::Args;
use futures::StreamExt;
use mesh_api::published::tap::TapEvent;
use mesh_api::tap::extract::http as extract_http;
use mesh_api::tap::r#match as condition;
use mesh_api::tap::{Extract, Match, Resource, Selection, TapRequest, extract};
use prost::Message;

use crate::args::resource::{ResourceArg, several};
use crate::context::Context;
use crate::error::{CommandError, Kind, Outcome};
use crate::output::tap as text;

/// Largest event that is taken, in bytes.
const MAX_EVENT: usize = 4 * 1024 * 1024;

/// Listen to a traffic stream
///
/// Goes through the Kubernetes API server, which asks whether you may: see linkerd.io/tap-rbac.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n  \
    linkerd tap deploy/web                         # all requests of web\n  \
    linkerd tap ns/shop --to svc/db --path /books  # those of a namespace to db, below a path")]
pub struct TapArgs {
    /// Resource: TYPE/NAME, or TYPE NAME
    #[arg(value_name = "RESOURCE", required = true, num_args = 1..=2)]
    resource: Vec<String>,
    /// Namespace of the resource [default: that of the context]
    #[arg(short, long, value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// Requests to this resource only
    #[arg(long, value_name = "RESOURCE")]
    to: Option<ResourceArg>,
    /// Namespace of --to [default: any]
    #[arg(long, value_name = "NAMESPACE")]
    to_namespace: Option<String>,
    /// Most requests a second
    #[arg(long, value_name = "N", default_value_t = 100.0, allow_negative_numbers = true, value_parser = max_rps)]
    max_rps: f32,
    /// Requests of this scheme only
    #[arg(long, value_name = "SCHEME")]
    scheme: Option<String>,
    /// Requests of this method only
    #[arg(long, value_name = "METHOD")]
    method: Option<String>,
    /// Requests for this authority only
    #[arg(long, value_name = "AUTHORITY")]
    authority: Option<String>,
    /// Requests for paths that start with this only
    #[arg(long, value_name = "PREFIX")]
    path: Option<String>,
    /// Labels that the pods must have
    #[arg(short = 'l', long, value_name = "SELECTOR", default_value = "")]
    selector: String,
    /// Output format: wide or json
    #[arg(short, long, value_name = "FORMAT", default_value = "")]
    output: String,
}

/// How events are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Line,
    Wide,
    Json,
}

/// Runs the command.
pub fn run(context: &mut Context<'_>, args: &TapArgs) -> Result<Outcome, CommandError> {
    let shape = match args.output.as_str() {
        "" => Shape::Line,
        "wide" => Shape::Wide,
        "json" => Shape::Json,
        other => {
            let text = format!(
                "validation error when executing tap command: output format \"{other}\" not recognized"
            );
            return Err(CommandError::usage(text));
        }
    };
    let target = target(&args.resource)?;
    let client = context.client()?;
    let is_namespace = target.kind.name == "namespace";
    let namespace = match (is_namespace, &args.namespace) {
        (true, _) => target.name.clone(),
        (false, Some(namespace)) => namespace.clone(),
        (false, None) => client.default_namespace().to_owned(),
    };
    let request = request(args, &target, &namespace, shape)?;
    let base = format!("/apis/tap.linkerd.io/v1alpha1/watch/namespaces/{namespace}");
    let path = match is_namespace {
        true => format!("{base}/tap"),
        false => format!("{base}/{}/{}/tap", target.kind.plural, target.name),
    };
    let call = format!("tap {}/{}", target.kind.name, target.name);
    let opened = context.block_on(client.post_stream(&call, &path, request.encode_to_vec()))?;
    let mut chunks = opened.map_err(refused)?;
    let mut buffer = BytesMut::new();
    while let Some(chunk) = context.block_on(chunks.next())? {
        buffer.extend_from_slice(&chunk?);
        while let Some(event) = next_event(&mut buffer)? {
            let line = match shape {
                Shape::Line => text::line(&event, None),
                Shape::Wide => text::line(&event, Some(target.kind)),
                Shape::Json => Some(crate::output::json(&text::object(&event))?),
            };
            if let Some(line) = line {
                context.ui.data(&line)?;
            }
        }
        context.ui.flush()?;
    }
    Ok(Outcome::Success)
}

/// A rate that lets something through.
fn max_rps(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(rate) if rate.is_finite() && rate > 0.0 => Ok(rate),
        _ => Err("must be a number above 0".to_owned()),
    }
}

/// An API server that has no tap API, or cannot reach it, answers with words of its own.
fn refused(error: mesh_k8s::Error) -> CommandError {
    const HINT: &str = "`linkerd check` says what is wrong with the control plane";
    match &error {
        mesh_k8s::Error::Refused { message, code: 404, .. } if message.starts_with("404 ") => {
            let text = "the cluster has no tap API (tap.linkerd.io/v1alpha1)";
            CommandError::new(Kind::Cluster, text).hint(HINT)
        }
        mesh_k8s::Error::Refused { code: 500.., .. } => CommandError::from(error).hint(HINT),
        _ => error.into(),
    }
}

/// One resource with a name; a namespace, too.
fn target(words: &[String]) -> Result<ResourceArg, CommandError> {
    let joined = words.join("/");
    let invalid =
        |error: &dyn std::fmt::Display| CommandError::usage(format!("target resource invalid: {error}"));
    let found = several(&[joined]).map_err(|error| invalid(&error))?;
    let target = found.into_iter().next().ok_or_else(|| invalid(&"none is named"))?;
    if matches!(target.kind.name, "authority" | "service") {
        return Err(invalid(&format!("unsupported resource type [{}]", target.kind.name)));
    }
    match target.name.is_empty() {
        true => Err(invalid(&format!("no name is given: write {}/NAME", target.kind.short))),
        false => Ok(target),
    }
}

fn request(
    args: &TapArgs,
    target: &ResourceArg,
    namespace: &str,
    shape: Shape,
) -> Result<TapRequest, CommandError> {
    let selection = |namespace: &str, resource: &ResourceArg| Selection {
        resource: Some(Resource {
            namespace: namespace.to_owned(),
            r#type: resource.kind.name.to_owned(),
            name: resource.name.clone(),
        }),
        label_selector: String::new(),
    };
    let mut matches = Vec::new();
    if let Some(to) = &args.to {
        if to.kind.name == "authority" {
            let text = "destination resource invalid: unsupported resource type [authority]";
            return Err(CommandError::usage(text));
        }
        let to = selection(args.to_namespace.as_deref().unwrap_or_default(), to);
        matches.push(Match { r#match: Some(condition::Match::Destinations(to)) });
    }
    let http = [
        args.scheme.clone().map(condition::http::Match::Scheme),
        args.method.clone().map(condition::http::Match::Method),
        args.authority.clone().map(condition::http::Match::Authority),
        args.path.clone().map(condition::http::Match::Path),
    ];
    matches.extend(http.into_iter().flatten().map(|http| Match {
        r#match: Some(condition::Match::Http(condition::Http { r#match: Some(http) })),
    }));
    let mut own = selection(namespace, target);
    own.label_selector.clone_from(&args.selector);
    let headers = extract::Extract::Http(extract::Http {
        extract: Some(extract_http::Extract::Headers(extract_http::Headers {})),
    });
    Ok(TapRequest {
        target: Some(own),
        r#match: Some(Match { r#match: Some(condition::Match::All(condition::Sequence { matches })) }),
        max_rps: args.max_rps,
        extract: (shape == Shape::Json).then_some(Extract { extract: Some(headers) }),
    })
}

/// Takes an event out of the front of what came, if a whole one is there.
fn next_event(buffer: &mut BytesMut) -> Result<Option<TapEvent>, CommandError> {
    let Some(length) = buffer.first_chunk::<4>() else { return Ok(None) };
    let length = u32::from_le_bytes(*length) as usize;
    if length > MAX_EVENT {
        return Err(CommandError::failure(format!("the tap API sent an event of {length} bytes")));
    }
    if buffer.len() < 4 + length {
        return Ok(None);
    }
    let frame = buffer.split_to(4 + length);
    let event = TapEvent::decode(&frame[4..]);
    event.map(Some).map_err(|error| CommandError::failure(format!("the tap API sent no event: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_rates_that_let_something_through_are_taken() {
        assert_eq!(max_rps("0.5"), Ok(0.5));
        for bad in ["-1", "0", "NaN", "inf", "", "fast"] {
            assert!(max_rps(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_cluster_without_the_api_is_told_from_a_workload_that_is_not_there() {
        let refusal = |message: &str, code| mesh_k8s::Error::Refused {
            call: "tap deployment/web".into(),
            message: message.into(),
            code,
        };
        let text = |error| refused(error).to_string();
        assert!(text(refusal("404 page not found", 404)).contains("no tap API"));
        assert!(
            text(refusal("deployment/web does not exist", 404)).contains("deployment/web does not exist")
        );
        assert!(text(refusal("service unavailable", 503)).contains("unavailable"));
    }
}
