//! What install and upgrade share: from flags and files to values, from values to manifests.

pub mod diff;
pub mod existing;
pub mod identity;
pub mod overrides;
pub mod plan;
pub mod recorded;
pub mod secrets;
pub mod snapshot;
pub mod sources;

use jiff::Timestamp;
use manifests::Chart;
use mesh_pki::SystemEntropy;
use serde_json::Value;

use crate::args::control::ControlArgs;
use crate::args::identity::{AnchorKey, Material};
use crate::args::values::ValuesArgs;
use crate::context::Context;
use crate::error::CommandError;
use overrides::Overrides;
use plan::{Parts, Plan};
use recorded::RecordedIssuer;

/// What a default install would apply: for `check --pre`, which tries whether this user may create it.
pub fn default_objects(context: &mut Context<'_>) -> Result<Vec<Value>, CommandError> {
    let plan = Plan::new(context, Overrides::default(), throwaway(context)?);
    values_of(&plan)
}

/// What the recorded install applied: for `check config`. Without records, what a default install applies.
pub fn expected_objects(context: &mut Context<'_>) -> Result<Vec<Value>, CommandError> {
    let namespace = context.global.linkerd_namespace.clone();
    let client = context.client()?;
    match context.block_on(snapshot::records(&client, &namespace))? {
        Ok(objects) if !objects.is_empty() => expected_from(context, &objects),
        // Nothing recorded, or the API says no: the checks themselves will tell.
        _ => default_objects(context),
    }
}

/// What an install renders with the settings recorded in `objects`.
pub fn expected_from(context: &mut Context<'_>, objects: &[Value]) -> Result<Vec<Value>, CommandError> {
    let namespace = context.global.linkerd_namespace.clone();
    let mut recorded = recorded::read(objects, &namespace)?;
    recorded::migrate::keep_accepted(&mut recorded)?;
    let mut material = throwaway(context)?;
    match recorded.issuer {
        RecordedIssuer::External => material.issuer = None,
        RecordedIssuer::Tls { .. } | RecordedIssuer::Missing => {}
    }
    let names = plan::mesh_names(&namespace, &recorded.overrides)?;
    if recorded.anchor.is_some() {
        // Only its presence matters here: the Secret that holds it is expected.
        material = Material {
            anchor: Material::generate(&names, AnchorKey::Kept, context.now, &mut SystemEntropy::new())?
                .anchor,
            ..material
        };
    }
    let mut overrides = recorded.overrides;
    if material.issuer.is_none() {
        overrides.set("identity.issuer.scheme", "kubernetes.io/tls");
    }
    values_of(&Plan::new(context, overrides, material))
}

/// An identity for renderings that nobody applies.
fn throwaway(context: &Context<'_>) -> Result<Material, CommandError> {
    let names = plan::mesh_names(&context.global.linkerd_namespace, &Overrides::default())?;
    Material::generate(&names, AnchorKey::Discarded, context.now, &mut SystemEntropy::new())
}

fn values_of(plan: &Plan) -> Result<Vec<Value>, CommandError> {
    Ok(plan.render(Parts::ALL)?.into_iter().map(|object| object.value).collect())
}

/// A time as Linkerd writes it into annotations: RFC 3339, whole seconds.
pub fn rfc3339(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Records `--ha`: not a chart value, but an overlay of values. An explicit number of replicas beats the overlay.
pub fn record_ha(control: &ControlArgs, overrides: &mut Overrides) {
    overrides.set_if(control.ha, recorded::migrate::HA, true);
}

/// Lays the files of `--values` and `--addon-config`, the named flags, and `--set` over each other, and holds the
/// result against the schema of the chart.
pub fn collect(args: &ValuesArgs, flags: Overrides) -> Result<Overrides, CommandError> {
    let mut values = manifests::values::Overrides::new();
    for source in args.values.iter().map(String::as_str).chain(args.addon_config_source()) {
        let text = sources::read_one(source)?;
        values.file(&snapshot::name_of(source), &text).map_err(CommandError::usage)?;
    }
    if let Value::Object(flags) = flags.into_value() {
        values.merge(flags);
    }
    for expression in &args.set {
        values.set(expression).map_err(CommandError::usage)?;
    }
    for expression in &args.set_string {
        values.set_string(expression).map_err(CommandError::usage)?;
    }
    for expression in &args.set_file {
        let read = |path: &str| sources::read_one(path).map_err(|error| error.to_string());
        values.set_file(expression, read).map_err(CommandError::usage)?;
    }
    let overrides = Overrides::from_value(values.into_value()).map_err(CommandError::usage)?;
    check(&overrides)?;
    Ok(overrides)
}

/// Holds overrides against the schema of the chart; every problem is named at once.
pub fn check(overrides: &Overrides) -> Result<(), CommandError> {
    let mut values = overrides.clone();
    match values.remove(recorded::migrate::HA) {
        None | Some(Value::Bool(_)) => {}
        Some(other) => {
            return Err(CommandError::usage(format!(
                "{}: must be true or false, not {other}",
                recorded::migrate::HA
            )));
        }
    }
    let problems =
        manifests::schema::check(Chart::Control, &values.into_value()).map_err(CommandError::failure)?;
    match problems.as_slice() {
        [] => Ok(()),
        [one] => Err(CommandError::usage(format!("invalid value: {one}"))),
        many => {
            let lines: Vec<String> = many.iter().map(|problem| format!("\n    {problem}")).collect();
            Err(CommandError::usage(format!("invalid values:{}", lines.concat())))
        }
    }
}
