//! What a command gets to work with.

use jiff::Timestamp;
use mesh_k8s::Client;

use crate::error::CommandError;
use crate::global::GlobalArgs;
use crate::settings::Settings;
use crate::ui::Ui;

/// The terminal, the global flags, the environment, the clock and the way to the cluster.
pub struct Context<'a> {
    /// Where to print.
    pub ui: &'a mut Ui,
    /// The global flags.
    pub global: GlobalArgs,
    /// The environment.
    pub settings: Settings,
    /// When the command started. Commands take this one reading, so that their parts agree and tests can set it.
    pub now: Timestamp,
    runtime: Option<tokio::runtime::Runtime>,
}

impl<'a> Context<'a> {
    /// A context that starts now.
    pub fn new(ui: &'a mut Ui, global: GlobalArgs, settings: Settings) -> Self {
        Self { ui, global, settings, now: Timestamp::now(), runtime: None }
    }

    /// Runs a future to its end. The runtime is started by the first call, so that commands that need no
    /// network do not pay for it.
    pub fn block_on<T>(&mut self, future: impl Future<Output = T>) -> Result<T, CommandError> {
        if self.runtime.is_none() {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            self.runtime = Some(runtime);
        }
        let runtime = self.runtime.as_ref().expect("set above");
        Ok(runtime.block_on(future))
    }

    /// A client for the cluster that the global flags name. Talks to no server yet.
    pub fn client(&mut self) -> Result<Client, CommandError> {
        let config = self.global.client_config();
        Ok(self.block_on(async move { Client::connect(&config).await })??)
    }
}
