//! The program `linkerd-controller`: the first argument names the component to be.

use std::process::ExitCode;

use clap::Parser;
use mesh_control::args::{Cli, Component};
use mesh_control::{
    RunError, Runtime, destination, heartbeat, identity, injector, public_api, sp_validator, tap, web,
};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let common = cli.component.common();
    mesh_control::runtime::log::init(common);
    // A second provider in the process would make the first use of TLS a panic; nothing has used it yet.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "cannot start the threads of the process");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run(&cli.component)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = %error.chain(), component = cli.component.name(), "the component ends");
            ExitCode::FAILURE
        }
    }
}

async fn run(component: &Component) -> Result<(), RunError> {
    let runtime = Runtime::start(component).await?;
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
