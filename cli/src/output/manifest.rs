//! Objects as a stream for `kubectl apply` or `kubectl delete`.

use clap::ValueEnum;
use serde_json::Value;

use crate::error::CommandError;

/// How manifests are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ManifestFormat {
    /// YAML documents, each behind `---`.
    #[default]
    Yaml,
    /// One JSON document an object.
    Json,
}

/// Writes objects as a stream.
pub fn stream(objects: &[Value], format: ManifestFormat) -> Result<String, CommandError> {
    let mut text = String::new();
    for object in objects {
        match format {
            ManifestFormat::Yaml => {
                text.push_str("---\n");
                text.push_str(&mesh_yaml::to_string(object)?);
            }
            ManifestFormat::Json => {
                text.push_str(&serde_json::to_string_pretty(object).map_err(CommandError::failure)?);
                text.push('\n');
            }
        }
    }
    Ok(text)
}
