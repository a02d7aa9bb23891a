//! The program `linkerd-controller`: the first argument names the component to be.

use std::process::ExitCode;

use clap::Parser;
use mesh_control::args::{Cli, Component};
use mesh_control::runtime::log;
use mesh_control::runtime::spans::{Exporter, Handle};
use mesh_control::{
    RunError, Runtime, destination, heartbeat, identity, injector, public_api, sp_validator, tap, web,
};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let spans = match log::init(cli.component.common()) {
        Ok(spans) => spans,
        Err(error) => {
            tracing::error!(error = %error.chain(), "the component cannot be started");
            return ExitCode::FAILURE;
        }
    };
    // A second provider in the process would make the first use of TLS a panic; nothing has used it yet.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "cannot start the threads of the process");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(traced(&cli.component, spans)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = %error.chain(), component = cli.component.name(), "the component ends");
            ExitCode::FAILURE
        }
    }
}

/// Runs a component, and sends the spans of its requests where they are asked for.
async fn traced(component: &Component, spans: Option<(Exporter, Handle)>) -> Result<(), RunError> {
    let Some((exporter, spans)) = spans else { return run(component, None).await };
    let exporting = tokio::spawn(exporter.run(component.name(), component.common().pod_name.clone()));
    let ended = run(component, Some(&spans)).await;
    spans.end();
    let _ = exporting.await;
    ended
}

async fn run(component: &Component, spans: Option<&Handle>) -> Result<(), RunError> {
    let runtime = Runtime::start(component).await?;
    spans.iter().for_each(|spans| spans.register(&runtime.registry));
    match component {
        Component::Destination(args) => destination::component::run(args, &runtime).await?,
        Component::Identity(args) => identity::run(args, &runtime).await?,
        Component::ProxyInjector(args) => injector::run(args, &runtime).await?,
        Component::SpValidator(args) => sp_validator::run(args, &runtime).await?,
        Component::Tap(args) => tap::run(args, &runtime).await?,
        Component::PublicApi(args) => public_api::run(args, &runtime).await?,
        Component::Web(args) => web::run(args, &runtime).await?,
        Component::Heartbeat(args) => heartbeat::run(args, &runtime).await?,
    }
    runtime.finish().await
}
