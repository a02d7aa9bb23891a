//! Protobuf services as operations; no `protoc` is needed.
//!
//! Each `rpc` of the file is `POST /package.Service/Method`, in file order, streaming ones included. Options:
//! `idempotency_level` of `NO_SIDE_EFFECTS` or `IDEMPOTENT` makes a route retryable, unless the method streams, for
//! a stream cannot be sent twice. `google.api.http` makes no route: its paths are served by a gateway in front of
//! the service, not by the service.
//!
//! Imports are read to find circles and to tell a mistyped message from one declared elsewhere. A file that is not
//! found is worth a warning, no more: routes need no messages. The files of `google/protobuf` are known.

mod imports;
mod syntax;

use mesh_core::suggest;
use prost_types::method_options::IdempotencyLevel;
use prost_types::{FileDescriptorProto, MethodDescriptorProto};

use crate::error::{Error, text};
use crate::operation::{Operation, Operations, Rpc};
use crate::path::PathPattern;

pub use imports::{Imported, Imports, NoImports};

/// Reads a file. `file` names it in errors; `identity` is what [`Imports`] would call it, where it is known.
///
/// # Errors
/// Text that is not protobuf of syntax 2 or 3, imports in a circle, unknown message types, no services.
pub fn read(
    file: &str,
    identity: Option<&str>,
    source: &[u8],
    imports: &mut dyn Imports,
) -> Result<Operations, Error> {
    let text = text(file, source)?;
    let parsed = syntax::parse(file, text)?;
    let mut out = Operations::default();
    let known = imports::load(file, identity, &parsed, imports, &mut out.warnings)?;
    let package = parsed.package.as_deref().unwrap_or_default();
    for (service_index, service) in parsed.service.iter().enumerate() {
        let name = match package {
            "" => service.name().to_owned(),
            package => format!("{package}.{}", service.name()),
        };
        for (method_index, method) in service.method.iter().enumerate() {
            for wanted in [method.input_type(), method.output_type()] {
                if !known.is_known(&name, wanted) {
                    let place = syntax::place(&parsed, &[6, service_index, 2, method_index]);
                    return Err(unknown_type(file, place, method, wanted, known.names()));
                }
            }
            out.operations.push(operation(&name, method));
        }
    }
    warn_about_twins(file, &parsed, &mut out.warnings);
    if out.operations.is_empty() {
        return Err(Error::Empty { file: file.to_owned(), what: "services" });
    }
    Ok(out)
}

fn operation(service: &str, method: &MethodDescriptorProto) -> Operation {
    let name = method.name().to_owned();
    let streams = method.client_streaming() || method.server_streaming();
    Operation {
        method: "POST",
        path: PathPattern::literal(&format!("/{service}/{name}")),
        rpc: Some(Rpc { service: service.to_owned(), method: name.clone() }),
        name,
        statuses: Vec::new(),
        retryable: !streams && is_idempotent(method),
        timeout: None,
    }
}

/// Options are kept as they were written, since what declares them is not read.
fn is_idempotent(method: &MethodDescriptorProto) -> bool {
    let Some(options) = &method.options else { return false };
    let written = options.uninterpreted_option.iter().any(|option| {
        let name = matches!(option.name.as_slice(), [part] if part.name_part == "idempotency_level" && !part.is_extension);
        name && matches!(option.identifier_value(), "NO_SIDE_EFFECTS" | "IDEMPOTENT")
    });
    written || options.idempotency_level() != IdempotencyLevel::IdempotencyUnknown
}

/// Methods of one name in two services have one metrics label; that is worth knowing.
fn warn_about_twins(file: &str, parsed: &FileDescriptorProto, warnings: &mut Vec<String>) {
    let mut seen: std::collections::BTreeMap<&str, Vec<&str>> = std::collections::BTreeMap::new();
    for service in &parsed.service {
        for method in &service.method {
            seen.entry(method.name()).or_default().push(service.name());
        }
    }
    for (method, services) in seen.iter().filter(|(_, services)| services.len() > 1) {
        warnings.push(format!(
            "{file}: {} have a method {method} each; their routes share that name",
            services.join(" and ")
        ));
    }
}

fn unknown_type<'k>(
    file: &str,
    (line, column): (usize, usize),
    method: &MethodDescriptorProto,
    wanted: &str,
    known: impl Iterator<Item = &'k str>,
) -> Error {
    let short = |name: &'k str| name.rsplit('.').next().unwrap_or(name);
    let near = suggest::nearest(wanted, known.map(short));
    let near = near.map(|near| format!(" (did you mean {near}?)")).unwrap_or_default();
    let cause = format!("rpc {}: no message {wanted} here or in the imports{near}", method.name());
    Error::Syntax { file: file.to_owned(), line, column, cause }
}
