//! `linkerd profile`: a ServiceProfile, or Gateway API routes, out of a template, OpenAPI or protobuf.

mod imports;

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use mesh_core::dns::InvalidName;
use mesh_k8s::{Client, Resource};
use mesh_profile::{Operations, Target, gateway, openapi, proto};
use serde_json::Value;

use crate::context::Context;
use crate::error::{CommandError, Outcome};
use crate::output::manifest::{self, ManifestFormat};
use imports::FileImports;

/// The domain of most clusters, and of those that are not asked.
const CLUSTER_DOMAIN: &str = "cluster.local";
/// `kubectl apply` keeps a copy of an object in an annotation, and these may hold no more bytes than this.
const APPLY_LIMIT: usize = 262_144;
/// The API server's store takes no object of more bytes than this.
const STORE_LIMIT: usize = 1_572_864;
/// More warnings than these are only counted.
const MOST_WARNINGS: usize = 20;

/// Output service profile config for Kubernetes
///
/// Writes a ServiceProfile for a service, or Gateway API routes, out of what describes the service: an OpenAPI
/// document (2.0, 3.0, 3.1; JSON or YAML) or a protobuf file. With --template it writes an example to fill in.
/// Nothing in the cluster is changed.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  linkerd profile -n emojivoto --template web-svc > web-svc.yaml
  linkerd profile -n emojivoto --open-api web-svc.json web-svc | kubectl apply -f -
  linkerd profile -n emojivoto --proto voting.proto -I protos voting-svc | kubectl apply -f -
  linkerd profile --open-api - --format httproute --ignore-cluster web-svc < web-svc.yaml")]
pub struct ProfileArgs {
    /// The service that the profile is for
    #[arg(value_name = "SERVICE")]
    pub service: String,

    /// Write an example with explanations
    #[arg(long, help_heading = "Source (exactly one)")]
    pub template: bool,

    /// OpenAPI document (Swagger 2.0, OpenAPI 3.0 or 3.1; JSON or YAML); - reads stdin
    #[arg(long, value_name = "FILE", help_heading = "Source (exactly one)")]
    pub open_api: Option<PathBuf>,

    /// Protobuf file (proto2 or proto3) with services; - reads stdin
    #[arg(long, value_name = "FILE", help_heading = "Source (exactly one)")]
    pub proto: Option<PathBuf>,

    /// Folder to look for imports of the protobuf file in, before its own; may be repeated
    #[arg(short = 'I', long, value_name = "DIR")]
    pub proto_path: Vec<PathBuf>,

    /// Namespace of the service [default: that of the kubeconfig's context]
    #[arg(short, long, value_name = "NAMESPACE")]
    pub namespace: Option<String>,

    /// Do not ask the cluster for its domain; assume cluster.local
    #[arg(long)]
    pub ignore_cluster: bool,

    /// What to write
    #[arg(long, value_name = "KIND", default_value = "serviceprofile")]
    pub format: ProfileFormat,

    /// Output format
    #[arg(short, long, value_name = "FORMAT", default_value = "yaml")]
    pub output: ManifestFormat,
}

/// What `profile` writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ProfileFormat {
    /// A ServiceProfile.
    #[default]
    #[value(name = "serviceprofile")]
    ServiceProfile,
    /// HTTPRoutes of the Gateway API.
    #[value(name = "httproute")]
    HttpRoute,
    /// GRPCRoutes of the Gateway API; for --proto.
    #[value(name = "grpcroute")]
    GrpcRoute,
}

/// Where routes come from.
enum Source<'a> {
    Template,
    OpenApi(&'a Path),
    Proto(&'a Path),
}

/// Runs the command.
pub fn run(context: &mut Context<'_>, args: &ProfileArgs) -> Result<Outcome, CommandError> {
    let source = source(args)?;
    if matches!(source, Source::Template) && args.format != ProfileFormat::ServiceProfile {
        return Err(CommandError::usage(
            "--template writes a ServiceProfile; --format is for --open-api and --proto",
        ));
    }
    if !args.proto_path.is_empty() && !matches!(source, Source::Proto(_)) {
        return Err(CommandError::usage("--proto-path is for --proto"));
    }
    let mut target = names(context, args)?;
    let read = match source {
        Source::Template => None,
        Source::OpenApi(file) => Some(openapi::read(&shown(file), &content(file)?).map_err(refused)?),
        Source::Proto(file) => Some(read_proto(file, &args.proto_path)?),
    };
    // The cluster is asked last, so that a mistake in the input is told at once.
    if !args.ignore_cluster && args.format == ProfileFormat::ServiceProfile {
        target.cluster_domain = cluster_domain(context)?;
    }
    let text = match read {
        None => template(&target, args.output)?,
        Some(read) => {
            warn(context, &read.warnings);
            generated(context, &target, read, args)?
        }
    };
    context.ui.data(&text)?;
    Ok(Outcome::Success)
}

fn source(args: &ProfileArgs) -> Result<Source<'_>, CommandError> {
    match (args.template, &args.open_api, &args.proto) {
        (true, None, None) => Ok(Source::Template),
        (false, Some(file), None) => Ok(Source::OpenApi(file)),
        (false, None, Some(file)) => Ok(Source::Proto(file)),
        _ => Err(CommandError::usage("You must specify exactly one of --template or --open-api or --proto")),
    }
}

/// Service and namespace, with the domain that is assumed.
fn names(context: &mut Context<'_>, args: &ProfileArgs) -> Result<Target, CommandError> {
    let invalid = |what: &str, text: &str, error: &InvalidName| {
        CommandError::usage(format!("invalid {what} {text:?}: [{}]", error.reasons().join(" ")))
    };
    let service = args.service.parse().map_err(|error| invalid("service", &args.service, &error))?;
    let namespace = match &args.namespace {
        Some(namespace) => namespace.clone(),
        // Without a cluster there need not be a kubeconfig either.
        None => match context.client() {
            Ok(client) => client.default_namespace().to_owned(),
            Err(_) if args.ignore_cluster => "default".to_owned(),
            Err(error) => return Err(error),
        },
    };
    let namespace = namespace.parse().map_err(|error| invalid("namespace", &namespace, &error))?;
    let cluster_domain = CLUSTER_DOMAIN.parse().expect("a DNS name");
    Ok(Target { service, namespace, cluster_domain })
}

fn read_proto(file: &Path, folders: &[PathBuf]) -> Result<Operations, CommandError> {
    let content = content(file)?;
    let mut imports = FileImports::new(file, folders);
    let identity = imports.identity_of(file);
    proto::read(&shown(file), identity.as_deref(), &content, &mut imports).map_err(refused)
}

fn template(target: &Target, output: ManifestFormat) -> Result<String, CommandError> {
    let text = mesh_profile::template(target);
    match output {
        ManifestFormat::Yaml => Ok(text),
        ManifestFormat::Json => json(&mesh_yaml::from_str(&text)?),
    }
}

fn generated(
    context: &mut Context<'_>,
    target: &Target,
    read: Operations,
    args: &ProfileArgs,
) -> Result<String, CommandError> {
    let routes = match args.format {
        ProfileFormat::ServiceProfile => {
            let profile = mesh_profile::service_profile(target, read.operations).to_value();
            let text = match args.output {
                ManifestFormat::Yaml => mesh_yaml::to_string(&profile)?,
                ManifestFormat::Json => json(&profile)?,
            };
            warn_about_size(context, &text, &profile);
            return Ok(text);
        }
        ProfileFormat::HttpRoute => gateway::http_routes(target, &read.operations),
        ProfileFormat::GrpcRoute => gateway::grpc_routes(target, &read.operations),
    };
    manifest::stream(&routes.map_err(refused)?, args.output)
}

fn warn(context: &mut Context<'_>, warnings: &[String]) {
    for warning in warnings.iter().take(MOST_WARNINGS) {
        context.ui.warn(warning);
    }
    if let Some(more) = warnings.len().checked_sub(MOST_WARNINGS).filter(|more| *more > 0) {
        context.ui.warn(&format!("{more} more warnings are left out"));
    }
}

/// A profile of thousands of routes may be more than the API takes.
fn warn_about_size(context: &mut Context<'_>, text: &str, profile: &Value) {
    // What is sent is JSON without blanks, about as long as the text; only near the limits is it worth counting.
    if text.len() < APPLY_LIMIT / 2 {
        return;
    }
    let size = profile.to_string().len();
    if size > STORE_LIMIT {
        context.ui.warn(&format!(
            "the profile has {size} bytes, more than the {STORE_LIMIT} that Kubernetes stores"
        ));
    } else if size > APPLY_LIMIT {
        context.ui.warn(&format!(
            "the profile has {size} bytes; apply it with `kubectl apply --server-side`, for plain apply takes {APPLY_LIMIT}"
        ));
    }
}

fn json(value: &Value) -> Result<String, CommandError> {
    let mut text = serde_json::to_string_pretty(value).map_err(CommandError::failure)?;
    text.push('\n');
    Ok(text)
}

/// The cluster's domain, as the install recorded it.
fn cluster_domain(context: &mut Context<'_>) -> Result<mesh_core::dns::Subdomain, CommandError> {
    let client = context.client()?;
    let namespace = context.global.linkerd_namespace.clone();
    let config = context.block_on(find_config(&client, &namespace))??;
    let hint = "--ignore-cluster assumes cluster.local";
    let config = config.ok_or_else(|| {
        CommandError::failure(format!("ConfigMap linkerd-config is not found in namespace {namespace}"))
            .hint(hint)
    })?;
    let domain = recorded_domain(&config)?.unwrap_or_else(|| CLUSTER_DOMAIN.to_owned());
    domain.parse().map_err(|error: InvalidName| {
        CommandError::failure(format!("the cluster domain {domain:?} in ConfigMap linkerd-config: {error}"))
            .hint(hint)
    })
}

async fn find_config(client: &Client, namespace: &str) -> Result<Option<Value>, mesh_k8s::Error> {
    client.find(&Resource::CONFIG_MAP, Some(namespace), "linkerd-config").await
}

/// From the values of this version (`global.clusterDomain`) and of Linkerd's later ones (`clusterDomain`), or from
/// the JSON documents of Linkerd 2.8.
fn recorded_domain(config: &Value) -> Result<Option<String>, CommandError> {
    for (key, pointers) in [
        ("values", ["/global/clusterDomain", "/clusterDomain"]),
        ("global", ["/clusterDomain", "/cluster_domain"]),
    ] {
        let Some(text) = config["data"].get(key).and_then(Value::as_str) else { continue };
        let values = mesh_yaml::from_str(text).map_err(|error| {
            CommandError::failure(format!("ConfigMap linkerd-config, key {key}: {error}"))
        })?;
        let found = pointers.iter().find_map(|pointer| values.pointer(pointer).and_then(Value::as_str));
        if let Some(found) = found.filter(|found| !found.is_empty()) {
            return Ok(Some(found.to_owned()));
        }
    }
    Ok(None)
}

fn content(file: &Path) -> Result<Vec<u8>, CommandError> {
    let mut content = Vec::new();
    let read = if file == Path::new("-") {
        std::io::stdin().lock().read_to_end(&mut content).map(|_| content)
    } else {
        fs::read(file)
    };
    read.map_err(|error| CommandError::usage(format!("cannot read {}: {error}", shown(file))))
}

/// What a file is called in errors.
fn shown(file: &Path) -> String {
    if file == Path::new("-") { "stdin".to_owned() } else { file.display().to_string() }
}

fn refused(error: mesh_profile::Error) -> CommandError {
    let hint = match &error {
        mesh_profile::Error::ExternalReference { .. } => {
            Some("tools such as redocly or swagger-cli bundle documents")
        }
        mesh_profile::Error::Empty { what: "services", .. } => {
            Some("name the file that declares the service; imported files make no routes")
        }
        _ => None,
    };
    match hint {
        Some(hint) => CommandError::usage(error).hint(hint),
        None => CommandError::usage(error),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::recorded_domain;

    #[test]
    fn finds_the_domain_in_every_generation_of_the_config() {
        let found = |data| recorded_domain(&json!({"data": data})).unwrap();
        assert_eq!(found(json!({"values": "global:\n  clusterDomain: a.b\n"})).as_deref(), Some("a.b"));
        assert_eq!(found(json!({"values": "clusterDomain: c.d\n"})).as_deref(), Some("c.d"));
        assert_eq!(found(json!({"global": "{\"clusterDomain\":\"e.f\"}"})).as_deref(), Some("e.f"));
        assert_eq!(found(json!({"values": "global: {}\n"})), None);
        assert!(recorded_domain(&json!({"data": {"values": "a: [\n"}})).is_err());
    }
}
