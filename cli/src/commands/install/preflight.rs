//! What `install` asks the cluster before it renders anything.

use mesh_core::identity::MeshNames;
use mesh_health::facts::{Clock, Known};
use mesh_health::{CategoryReport, Facts, Finding, Limits, Observer, categories};
use mesh_k8s::Resource;

use crate::args::identity::Material;
use crate::context::Context;
use crate::error::{CommandError, Kind};
use crate::install::existing;

/// Fails unless the API answers and no control plane of this name is there.
pub(super) fn no_install_yet(context: &mut Context<'_>) -> Result<(), CommandError> {
    let reports = ask(context)?;
    if let Some(error) = api_error(&reports) {
        return Err(unreachable(&error));
    }
    let client = context.client()?;
    let namespace = context.global.linkerd_namespace.clone();
    let objects = context.block_on(existing::cluster_objects(&client, &namespace))??;
    // Definitions alone are no install: `install --crds` puts them there first.
    let names: Vec<String> = objects
        .iter()
        .filter(|object| object["kind"] != "CustomResourceDefinition")
        .map(|object| {
            let kind = object["kind"].as_str().unwrap_or_default();
            let kind = Resource::of_kind(kind).map_or_else(|| kind.to_lowercase(), Resource::lower_name);
            format!(
                "{kind}/{}",
                object.pointer("/metadata/name").and_then(|name| name.as_str()).unwrap_or("?")
            )
        })
        .collect();
    if names.is_empty() { Ok(()) } else { Err(installed(&names)) }
}

/// For the second stage: fails when what the first one makes is missing. A cluster that does not answer counts as
/// in place, as with Linkerd: the stage is meant for users who may see little of it.
pub(super) fn first_stage_in_place(context: &mut Context<'_>) -> Result<(), CommandError> {
    let reports = ask(context)?;
    let missing = api_error(&reports).is_none()
        && reports.iter().flat_map(|report| &report.checks).all(|check| check.finding == Finding::Pass);
    if !missing {
        return Ok(());
    }
    let namespace = &context.global.linkerd_namespace;
    Err(CommandError::failure(format!(
        "Can't install the Linkerd control plane in the '{namespace}' namespace. The required Linkerd global \
         resources are missing."
    ))
    .hint("`linkerd install config | kubectl apply -f -` comes first; --skip-checks does without this check"))
}

/// For the second stage: fails when it was done already, or has no namespace to go to.
pub(super) fn second_stage_missing(context: &mut Context<'_>) -> Result<(), CommandError> {
    let client = context.client()?;
    let namespace = context.global.linkerd_namespace.clone();
    let (own, config) = context.block_on(async {
        futures::try_join!(
            client.find(&Resource::NAMESPACE, None, &namespace),
            client.find(&Resource::CONFIG_MAP, Some(&namespace), "linkerd-config"),
        )
    })??;
    let reason = match (own, config) {
        (None, _) => format!("namespaces \"{namespace}\" not found"),
        (Some(_), Some(_)) => "'linkerd-config' config map already exists.".to_owned(),
        (Some(_), None) => return Ok(()),
    };
    Err(CommandError::failure(format!(
        "Can't install the Linkerd control plane in the '{namespace}' namespace. Reason: {reason}"
    ))
    .hint("`linkerd upgrade` changes an install; --ignore-cluster renders a new one all the same"))
}

/// The issuer that somebody else maintains.
pub(super) fn external_issuer(
    context: &mut Context<'_>,
    names: &MeshNames,
) -> Result<Material, CommandError> {
    let client = context.client()?;
    let namespace = context.global.linkerd_namespace.clone();
    let secret =
        context.block_on(client.find(&Resource::SECRET, Some(&namespace), "linkerd-identity-issuer"))??;
    let Some(secret) = secret else {
        return Err(CommandError::usage(format!(
            "secret linkerd-identity-issuer not found in namespace {namespace}"
        ))
        .hint("with --identity-external-issuer it must exist before the install, with ca.crt, tls.crt and tls.key"));
    };
    Material::external(&secret, names, context.now)
}

fn ask(context: &mut Context<'_>) -> Result<Vec<CategoryReport>, CommandError> {
    let config = context.global.client_config();
    let client = context.block_on(async move { mesh_k8s::Client::connect(&config).await })?;
    let known = Known {
        namespace: context.global.linkerd_namespace.clone(),
        clock: Clock(jiff::Timestamp::now),
        ..Known::default()
    };
    let facts = Facts::new(client, known);
    context.block_on(mesh_health::run(categories::install(), &facts, Limits::default(), &mut Silent))
}

fn api_error(reports: &[CategoryReport]) -> Option<String> {
    let api = reports.iter().find(|report| report.id == "kubernetes-api")?;
    api.checks.iter().find_map(|check| match &check.finding {
        Finding::Fail(error) | Finding::Unknown(error) => Some(error.clone()),
        _ => None,
    })
}

fn unreachable(error: &str) -> CommandError {
    CommandError::verbatim(
        Kind::Cluster,
        format!(
            "Unable to install the Linkerd control plane. Cannot connect to the Kubernetes cluster:\n\n{error}\n\n\
             You can use the --ignore-cluster flag if you just want to generate the installation config."
        ),
    )
}

fn installed(names: &[String]) -> CommandError {
    CommandError::verbatim(
        Kind::Failure,
        format!(
            "Unable to install the Linkerd control plane. It appears that there is an existing installation:\n\n{}\n\n\
             If you are sure you'd like to have a fresh install, remove these resources with:\n\n    \
             linkerd uninstall | kubectl delete -f -\n\n\
             Otherwise, you can use the --ignore-cluster flag to overwrite the existing global resources, or\n\
             `linkerd upgrade` to change the existing installation.",
            names.join("\n")
        ),
    )
}

struct Silent;

impl Observer for Silent {
    fn retrying(&self, _: &str, _: &str) {}
    fn finished(&mut self, _: &CategoryReport) {}
}
