//! `linkerd check`: may we install, is what was installed still there, and does it work?

use std::process::{Command, Stdio};
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use mesh_api::public::SelfCheckRequest;
use mesh_health::categories::{self, Redirection, Scope};
use mesh_health::facts::{Clock, Known, SelfCheck, SelfCheckRow};
use mesh_health::{Category, CategoryReport, Facts, Limits, Observer};
use serde_json::Value;

use crate::api;
use crate::args::duration::go_duration;
use crate::context::Context;
use crate::error::{CommandError, Kind, Outcome};
use crate::install;
use crate::output::check::{self as text, Detail};
use crate::ui::Stream;

/// Check the Linkerd installation for potential problems
///
/// Exits with 1 if a check failed that is not a mere warning. A check that could not be determined is shown as
/// such and fails nothing.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n  \
    linkerd check --pre                  # is this cluster ready for an install?\n  \
    linkerd check --pre -o json          # the same for a program\n  \
    linkerd check config                 # did `linkerd install config` do all it should?\n  \
    linkerd check                        # does the control plane work?\n  \
    linkerd check --proxy -n shop        # do the proxies of a namespace?")]
pub struct CheckArgs {
    /// Check only whether the control plane can be installed
    #[arg(long)]
    pub pre: bool,
    /// With --pre: check the CNI plugin, too
    #[arg(long)]
    pub linkerd_cni_enabled: bool,
    /// Check the data plane, too
    #[arg(long)]
    pub proxy: bool,
    /// Namespace whose data plane is checked (default: all)
    #[arg(short, long, value_name = "NAMESPACE")]
    namespace: Option<String>,
    #[command(flatten)]
    common: CommonArgs,
    #[command(subcommand)]
    stage: Option<Stage>,
}

/// A stage of the install to check.
#[derive(Clone, Debug, Subcommand)]
pub enum Stage {
    /// Check what `linkerd install config` made
    Config(CommonArgs),
}

/// Flags of every form.
#[derive(Args, Clone, Debug)]
pub struct CommonArgs {
    /// Version that everything should have
    #[arg(long, value_name = "VERSION")]
    expected_version: Option<String>,
    /// Version to take for this command's own
    #[arg(long, value_name = "VERSION")]
    cli_version_override: Option<String>,
    /// Output format
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: CheckFormat,
    /// How long to wait for checks that may still pass
    #[arg(long, value_name = "DURATION", default_value = "5m0s", value_parser = go_duration)]
    wait: Duration,
}

/// How the report is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum CheckFormat {
    /// Every check, as text.
    #[default]
    Table,
    /// Problems only, as text.
    Short,
    /// JSON.
    Json,
}

/// Runs the command.
pub fn run(context: &mut Context<'_>, args: &CheckArgs) -> Result<Outcome, CommandError> {
    match &args.stage {
        Some(Stage::Config(common)) => {
            let rendered = |context: &mut Context<'_>| install::expected_objects(context);
            check(context, common, None, categories::config(), rendered)
        }
        None if args.pre && args.proxy => Err(invalid("--pre and --proxy flags are mutually exclusive")),
        None if args.pre => {
            let redirection = if args.linkerd_cni_enabled { Redirection::Cni } else { Redirection::Init };
            check(context, &args.common, None, categories::pre(redirection), install::default_objects)
        }
        None if args.linkerd_cni_enabled => Err(invalid("--linkerd-cni-enabled can only be used with --pre")),
        None => {
            let scope = if args.proxy { Scope::DataPlane } else { Scope::ControlPlane };
            let namespace = args.namespace.clone();
            check(context, &args.common, namespace, categories::installed(scope), install::expected_objects)
        }
    }
}

fn invalid(message: &str) -> CommandError {
    CommandError::verbatim(Kind::Usage, format!("Validation error when executing check command: {message}"))
}

fn check(
    context: &mut Context<'_>,
    args: &CommonArgs,
    data_plane_namespace: Option<String>,
    categories: Vec<Category>,
    rendered: impl FnOnce(&mut Context<'_>) -> Result<Vec<Value>, CommandError>,
) -> Result<Outcome, CommandError> {
    let config = context.global.client_config();
    let client = context.block_on(async move { mesh_k8s::Client::connect(&config).await })?;
    // Without a client nothing of it is asked.
    let rendered = if client.is_ok() { rendered(context)? } else { Vec::new() };
    let control_plane_version = match &client {
        Ok(client) => super::version::installed(context, client),
        Err(_) => None,
    };
    let self_check = client.as_ref().ok().map(|client| self_check(context, client.clone()));
    // The init container is rendered into the control plane's own pods unless the plugin does its work.
    let cni = !rendered.is_empty() && !rendered.iter().any(has_init_container);
    let known = Known {
        namespace: context.global.linkerd_namespace.clone(),
        cni_namespace: context.global.cni_namespace.clone(),
        cli_version: args.cli_version_override.clone().unwrap_or_else(|| context.settings.version.clone()),
        expected_version: args.expected_version.clone(),
        rendered,
        kubectl_version: kubectl_version(),
        data_plane_namespace,
        control_plane_version,
        cni,
        self_check,
        clock: Clock(jiff::Timestamp::now),
    };
    let facts = Facts::new(client, known);
    let limits = Limits { wait: args.wait, ..Limits::default() };
    let mut printer = Printer::new(context.ui.is_terminal(Stream::Err) && args.output != CheckFormat::Json);
    let reports = context.block_on(mesh_health::run(categories, &facts, limits, &mut printer))?;
    printer.spinner.finish_and_clear();
    print(context, args.output, &reports)?;
    Ok(if text::succeeds(&reports) { Outcome::Success } else { Outcome::Exit(1) })
}

/// The control plane's own check, reached as every question to it is.
fn self_check(context: &Context<'_>, client: mesh_k8s::Client) -> SelfCheck {
    let (addr, namespace) = (context.global.api_addr.clone(), context.global.linkerd_namespace.clone());
    SelfCheck::new(move || {
        let (client, addr, namespace) = (client.clone(), addr.clone(), namespace.clone());
        async move {
            let connected = match addr {
                Some(addr) => api::direct(addr).await,
                None => api::forwarded(client, namespace).await,
            };
            let mut api = connected.map_err(|error| error.to_string())?;
            let answer = api.self_check(SelfCheckRequest {}).await;
            let checks = answer.map_err(|status| status.message().to_owned())?.into_inner().checks;
            let row = |check: mesh_api::public::SelfCheck| SelfCheckRow {
                subsystem: check.subsystem,
                description: check.description,
                error: Some(check.error).filter(|error| !error.is_empty()),
            };
            Ok(checks.into_iter().map(row).collect())
        }
    })
}

fn has_init_container(object: &Value) -> bool {
    let containers = object.pointer("/spec/template/spec/initContainers").and_then(Value::as_array);
    containers.is_some_and(|all| all.iter().any(|container| container["name"] == "linkerd-init"))
}

fn print(
    context: &mut Context<'_>,
    format: CheckFormat,
    reports: &[CategoryReport],
) -> Result<(), CommandError> {
    let detail = match format {
        CheckFormat::Json => return context.ui.data(&text::json(reports)?),
        CheckFormat::Table => Detail::All,
        CheckFormat::Short => Detail::Problems,
    };
    let mut whole: Vec<String> =
        reports.iter().map(|report| text::category(context.ui, report, detail)).collect();
    whole.retain(|category| !category.is_empty());
    whole.push(text::status(context.ui, reports));
    context.ui.data(&whole.join("\n"))
}

/// Shows on a terminal what is waited for.
struct Printer {
    spinner: ProgressBar,
}

impl Printer {
    fn new(visible: bool) -> Self {
        let spinner = if visible { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
        spinner.set_style(
            ProgressStyle::with_template("{spinner} {wide_msg}")
                .unwrap_or_else(|_| ProgressStyle::default_spinner()),
        );
        Self { spinner }
    }
}

impl Observer for Printer {
    fn retrying(&self, description: &str, error: &str) {
        self.spinner.enable_steady_tick(Duration::from_millis(100));
        self.spinner.set_message(format!("{description}: {error} -- waiting for check to complete"));
    }

    fn finished(&mut self, _: &CategoryReport) {
        self.spinner.disable_steady_tick();
        self.spinner.set_message("");
    }
}

/// What kubectl says of itself, if there is one.
fn kubectl_version() -> Option<String> {
    let output = Command::new("kubectl")
        .args(["version", "--client", "-o", "json"])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let report: Value = serde_json::from_slice(&output.stdout).ok()?;
    Some(report.pointer("/clientVersion/gitVersion")?.as_str()?.to_owned())
}
