//! The values of the control plane and its trust anchors, from files that change.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use mesh_inject::{Cached, ChartSource, Settings};
use serde_json::{Map, Value, json};
use tokio::sync::watch;

use crate::files::{self, Changes, POLL};
use crate::runtime::Runtime;

/// The name of the file in the configuration's folder.
const VALUES: &str = "values";

/// One state of the configuration.
pub struct Config {
    /// Renders the containers that are added.
    pub source: Cached<ChartSource>,
    /// What holds for every pod.
    pub settings: Settings,
}

/// The configuration, kept in step with its files.
pub struct Configs {
    current: watch::Receiver<Option<Arc<Config>>>,
}

impl Config {
    /// From the text of the values and that of the anchors.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn read(values: &str, anchors: &str) -> Result<Self, String> {
        let mut values: Value = mesh_yaml::from_str(values).map_err(|error| error.to_string())?;
        let fields = values.as_object_mut().ok_or("the values are no mapping")?;
        let global = fields.entry("global").or_insert_with(|| Value::Object(Map::new()));
        let global = global.as_object_mut().ok_or("global: must be a mapping")?;
        // Anchors are replaced without rendering the values anew, so the mounted ones count.
        mesh_pki::parse_bundle(anchors.as_bytes()).map_err(|error| format!("trust anchors: {error}"))?;
        global.insert("identityTrustAnchorsPEM".to_owned(), json!(anchors.trim()));
        let source = ChartSource::new(values).map_err(|error| error.to_string())?;
        let settings = Settings {
            created_by: format!("linkerd/proxy-injector {}", mesh_core::version::CLI),
            record: mesh_inject::Record::Omit,
            ..Settings::default()
        };
        Ok(Self { source: Cached::new(source), settings })
    }
}

impl Configs {
    /// Follows the folder of the values and the file of the anchors until the process ends.
    pub fn follow(runtime: &Runtime, folder: &Path, anchors: &Path) -> Self {
        let (sender, current) = watch::channel(None);
        let (values, anchors) = (folder.join(VALUES), anchors.to_owned());
        let gate = runtime.readiness.gate("config");
        let reloads = runtime.registry.counters(
            "injector_config_reloads_total",
            "Configurations that were read, by what became of them.",
            &["outcome"],
        );
        let shutdown = runtime.shutdown.clone();
        tokio::spawn(async move {
            let home = anchors.parent().map(Path::to_owned).unwrap_or_default();
            let parent = values.parent().map(Path::to_owned).unwrap_or_default();
            let mut changes = Changes::of(&[&parent, &home], POLL);
            let mut last: Option<Result<(String, String), String>> = None;
            while shutdown.unless(changes.next()).await.is_some() {
                let texts = read(&values, &anchors);
                if last.as_ref() == Some(&texts) {
                    continue;
                }
                match texts.clone().and_then(|(values, anchors)| Config::read(&values, &anchors)) {
                    Ok(config) => {
                        reloads.with(&["read"]).inc();
                        tracing::info!("the control plane's values were read");
                        sender.send_replace(Some(Arc::new(config)));
                        gate.open();
                    }
                    Err(problem) => {
                        reloads.with(&["failed"]).inc();
                        tracing::warn!("the values cannot be used, those before stay: {problem}");
                        if sender.borrow().is_none() {
                            gate.close(problem);
                        }
                    }
                }
                last = Some(texts);
            }
        });
        Self { current }
    }

    /// The last configuration that was good.
    pub fn current(&self) -> Option<Arc<Config>> {
        self.current.borrow().clone()
    }
}

fn read(values: &PathBuf, anchors: &PathBuf) -> Result<(String, String), String> {
    let text = |path: &PathBuf| {
        let bytes = files::read(path).map_err(|error| error.to_string())?;
        String::from_utf8(bytes).map_err(|_| format!("{} is no text", path.display()))
    };
    Ok((text(values)?, text(anchors)?))
}
