//! `linkerd stat`: traffic of workloads, pods, services and namespaces.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::Args;
use mesh_api::public::{Resource, StatRequest, StatRow};
use serde_json::{Map, Value, json};

use crate::api;
use crate::args::duration::go_duration;
use crate::args::resource::{ResourceArg, TYPES, Type, several};
use crate::context::Context;
use crate::error::{CommandError, Kind, Outcome};
use crate::output::stat::{self as text, Columns, Group};

/// Display traffic stats about one or many resources
///
/// Resources are TYPE, TYPE/NAME, or one TYPE and names. Numbers come from the control plane: from Prometheus where it has
/// one, else from what it scraped itself.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n  \
    linkerd stat deploy                          # all Deployments of the namespace\n  \
    linkerd stat deploy/web --from deploy/front  # what web gets from front\n  \
    linkerd stat ns -o json                      # all namespaces, for a program\n\n\
    A column UNAUTHORIZED is there when policy denied requests; linkerd tap says why.")]
pub struct StatArgs {
    /// Resources: TYPE, TYPE/NAME, or TYPE and names
    #[arg(value_name = "RESOURCE", required = true)]
    resources: Vec<String>,
    /// Namespace of the resources [default: that of the context]
    #[arg(short, long, value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// Show resources of all namespaces
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    /// Traffic to this resource only
    #[arg(long, value_name = "RESOURCE")]
    to: Option<ResourceArg>,
    /// Namespace of --to [default: that of the resources]
    #[arg(long, value_name = "NAMESPACE")]
    to_namespace: Option<String>,
    /// Traffic from this resource only
    #[arg(long, value_name = "RESOURCE")]
    from: Option<ResourceArg>,
    /// Namespace of --from [default: that of the resources]
    #[arg(long, value_name = "NAMESPACE")]
    from_namespace: Option<String>,
    /// How far to look back
    #[arg(short, long, value_name = "DURATION", default_value = "1m", value_parser = go_duration)]
    time_window: Duration,
    /// Labels that resources must have
    #[arg(short = 'l', long, value_name = "SELECTOR", default_value = "")]
    selector: String,
    /// Show resources without proxies, too
    #[arg(long)]
    unmeshed: bool,
    /// Output format: table, wide or json
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: String,
}

/// Runs the command.
pub fn run(context: &mut Context<'_>, args: &StatArgs) -> Result<Outcome, CommandError> {
    let columns = match args.output.as_str() {
        "table" | "" => Columns::Usual,
        "wide" => Columns::Wide,
        "json" => Columns::Json,
        _ => return Err(refused("--output currently only supports table, json and wide")),
    };
    let targets = several(&args.resources).map_err(CommandError::failure)?;
    let namespace = namespace(context, args)?;
    let requests = requests(args, &targets, &namespace).map_err(refused)?;
    let client = api::connect(context)?;
    let answers = futures::future::join_all(requests.into_iter().map(|request| {
        let mut client = client.clone();
        async move { client.stat(request).await }
    }));
    let mut rows: Vec<StatRow> = Vec::new();
    let mut window = args.time_window;
    for answer in context.block_on(answers)? {
        let answer = answer.map_err(|status| api::refused(&status))?.into_inner();
        // A window that is not full yet would make every rate too small.
        if answer.window_seconds > 0 {
            window = window.min(Duration::from_secs(answer.window_seconds.into()));
        }
        rows.extend(answer.rows);
    }
    let keep_unmeshed = args.unmeshed || args.from.is_some() || args.to.is_some();
    rows.retain(|row| {
        keep_unmeshed || row.meshed_pods > 0 || kind(row) == "authority" || kind(row) == "service"
    });
    if columns == Columns::Json {
        let items: Vec<Value> = rows.iter().map(|row| object(row, window)).collect();
        context.ui.data(&crate::output::json(&items)?)?;
        return Ok(Outcome::Success);
    }
    if rows.is_empty() {
        context.ui.note("No traffic found.");
        return Ok(Outcome::Success);
    }
    let groups = groups(rows);
    context.ui.data(&text::tables(&groups, columns, args.all_namespaces, window))?;
    Ok(Outcome::Success)
}

fn refused(message: impl std::fmt::Display) -> CommandError {
    let text = format!("error creating metrics request while making stats request: {message}");
    CommandError::new(Kind::Usage, text)
}

/// The namespace asked for; empty for all.
fn namespace(context: &mut Context<'_>, args: &StatArgs) -> Result<String, CommandError> {
    if args.all_namespaces {
        return match args.namespace {
            Some(_) => Err(refused("--all-namespaces and --namespace flags are mutually exclusive")),
            None => Ok(String::new()),
        };
    }
    match &args.namespace {
        Some(namespace) => Ok(namespace.clone()),
        None => Ok(context.client()?.default_namespace().to_owned()),
    }
}

fn requests(args: &StatArgs, targets: &[ResourceArg], namespace: &str) -> Result<Vec<StatRequest>, String> {
    if args.to.is_some() && args.from.is_some() {
        return Err("--to and --from flags are mutually exclusive".to_owned());
    }
    if args.to_namespace.is_some() && args.from_namespace.is_some() {
        return Err("--to-namespace and --from-namespace flags are mutually exclusive".to_owned());
    }
    if args.time_window < Duration::from_secs(15) {
        return Err("metrics time window needs to be at least 15s".to_owned());
    }
    if args.all_namespaces && targets.iter().any(|target| !target.name.is_empty()) {
        return Err("stats for a resource cannot be retrieved by name across all namespaces".to_owned());
    }
    if args.from.as_ref().is_some_and(|from| from.kind.name == "authority") {
        return Err("cannot query traffic --from an authority".to_owned());
    }
    let other = |arg: &ResourceArg, own: &Option<String>| Resource {
        namespace: own.clone().unwrap_or_else(|| namespace.to_owned()),
        r#type: arg.kind.name.to_owned(),
        name: arg.name.clone(),
    };
    let mut requests = Vec::new();
    for target in targets {
        let is_namespace = target.kind.name == "namespace";
        if is_namespace && (args.to_namespace.is_some() || args.from_namespace.is_some()) {
            let flag = if args.to_namespace.is_some() { "--to-namespace" } else { "--from-namespace" };
            return Err(format!("{flag} flag is incompatible with namespace resource type"));
        }
        requests.push(StatRequest {
            target: Some(Resource {
                namespace: if is_namespace { String::new() } else { namespace.to_owned() },
                r#type: target.kind.name.to_owned(),
                name: target.name.clone(),
            }),
            label_selector: args.selector.clone(),
            to: args.to.as_ref().map(|to| other(to, &args.to_namespace)),
            from: args.from.as_ref().map(|from| other(from, &args.from_namespace)),
            window_seconds: u32::try_from(args.time_window.as_secs()).unwrap_or(u32::MAX),
        });
    }
    Ok(requests)
}

fn kind(row: &StatRow) -> &str {
    row.resource.as_ref().map_or("", |resource| resource.r#type.as_str())
}

/// Rows by kind, in the order of tables.
fn groups(rows: Vec<StatRow>) -> Vec<Group> {
    let mut by_kind: BTreeMap<usize, Vec<StatRow>> = BTreeMap::new();
    for row in rows {
        let place = TYPES.iter().position(|it| it.name == kind(&row)).unwrap_or(TYPES.len());
        by_kind.entry(place).or_default().push(row);
    }
    let kind = |place: usize| -> Option<&'static Type> { TYPES.get(place) };
    by_kind.into_iter().filter_map(|(place, rows)| Some(Group { kind: kind(place)?, rows })).collect()
}

/// A row for programs.
fn object(row: &StatRow, window: Duration) -> Value {
    let resource = row.resource.clone().unwrap_or_default();
    let mut object = Map::new();
    object.insert("namespace".to_owned(), resource.namespace.into());
    object.insert("kind".to_owned(), resource.r#type.as_str().into());
    object.insert("name".to_owned(), resource.name.into());
    if resource.r#type != "authority" {
        object.insert("meshed".to_owned(), format!("{}/{}", row.meshed_pods, row.running_pods).into());
    }
    let seen = row.requests.as_ref().filter(|it| it.success + it.failure > 0);
    object.insert("success".to_owned(), json!(seen.map(text::success)));
    object.insert("rps".to_owned(), json!(seen.map(|it| text::rate(it.success + it.failure, window))));
    if row.denied_requests > 0 {
        object.insert("unauthorized_rps".to_owned(), json!(text::rate(row.denied_requests, window)));
    }
    object.insert("latency_ms_p50".to_owned(), json!(seen.map(|it| it.latency_ms_p50)));
    object.insert("latency_ms_p95".to_owned(), json!(seen.map(|it| it.latency_ms_p95)));
    object.insert("latency_ms_p99".to_owned(), json!(seen.map(|it| it.latency_ms_p99)));
    if let (Some(tcp), Some(_)) = (&row.tcp, seen) {
        object.insert("tcp_open_connections".to_owned(), tcp.open_connections.into());
        object.insert("tcp_read_bytes_rate".to_owned(), json!(text::rate(tcp.read_bytes, window)));
        object.insert("tcp_write_bytes_rate".to_owned(), json!(text::rate(tcp.write_bytes, window)));
    }
    object.into()
}
