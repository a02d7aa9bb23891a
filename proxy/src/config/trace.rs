//! Where spans go.

use std::path::PathBuf;

use mesh_core::names::env as injected;

use super::control::Service;
use super::env::{Environment, Reader};
use super::names;

/// Attributes that are taken, at most.
const MAX_ATTRIBUTES: usize = 256;
/// What the protocol that is spoken is called.
const PROTOCOLS: [&str; 3] = ["opentelemetry", "otlp", "grpc"];

/// The export of spans.
#[derive(Clone, Debug)]
pub struct Trace {
    /// The collector.
    pub collector: Service,
    /// Name of the service in spans.
    pub service_name: Option<String>,
    /// A file of lines `key="value"` with further attributes.
    pub attributes_path: Option<PathBuf>,
    /// Further attributes; later ones win over earlier ones and over the file.
    pub attributes: Vec<(String, String)>,
    /// Name of the host.
    pub host_name: Option<String>,
}

// === impl Trace ===

impl Trace {
    pub(super) fn read(
        environment: &Environment,
        reader: &Reader<'_>,
        warnings: &mut Vec<String>,
    ) -> Option<Self> {
        protocol(reader, warnings);
        let collector =
            Service::read(reader, injected::TRACE_COLLECTOR_SVC_ADDR, injected::TRACE_COLLECTOR_SVC_NAME)?;
        let mut attributes = pairs(reader.raw(injected::TRACE_EXTRA_ATTRIBUTES).unwrap_or_default(), &['\n']);
        // By the specification of OpenTelemetry commas separate; lines are what Linkerd's proxy reads here.
        attributes
            .extend(pairs(environment.text("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default(), &['\n', ',']));
        attributes.truncate(MAX_ATTRIBUTES);
        Some(Self {
            collector,
            service_name: reader.text(injected::TRACE_SERVICE_NAME).map(str::to_owned),
            attributes_path: reader
                .text(injected::TRACE_ATTRIBUTES_PATH)
                .or_else(|| reader.text(names::TRACE_ANNOTATIONS_PATH))
                .map(PathBuf::from),
            attributes,
            host_name: environment.text("HOSTNAME").map(str::to_owned),
        })
    }
}

/// There is one protocol. Whoever asked for another learns that its collector has to speak this one.
fn protocol(reader: &Reader<'_>, warnings: &mut Vec<String>) {
    let name = injected::TRACE_PROTOCOL;
    if let Some(other) = reader.text(name).filter(|text| !PROTOCOLS.contains(text)) {
        warnings.push(format!("{name}={other}: spans are sent by OTLP over gRPC all the same, as to a collector of OpenTelemetry"));
    }
}

fn pairs(text: &str, separators: &[char]) -> Vec<(String, String)> {
    text.split(separators)
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(key, _)| !key.trim().is_empty())
        .map(|(key, value)| (key.trim().to_owned(), value.trim().trim_matches('"').to_owned()))
        .collect()
}
