//! YAML for Kubernetes: read, write, split streams, and edit text by spans.
//!
//! The only module that knows the YAML library. Values are [`serde_json::Value`] with the order of keys kept.

pub mod view;

use serde_json::Value;

/// Why a text is not the YAML that was asked for.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The text does not parse.
    #[error("invalid YAML: {0}")]
    Invalid(String),
    /// A value cannot be written as YAML.
    #[error("cannot write YAML: {0}")]
    Write(String),
}

/// Reads one document; an empty text is `null`.
pub fn from_str(text: &str) -> Result<Value, Error> {
    if text.trim().is_empty() {
        return Ok(Value::Null);
    }
    serde_saphyr::from_str(text).map_err(|error| Error::Invalid(error.to_string()))
}

/// Reads every document of a stream, leaving out empty ones.
pub fn from_stream(text: &str) -> Result<Vec<Value>, Error> {
    let documents: Vec<Value> =
        serde_saphyr::from_multiple(text).map_err(|error| Error::Invalid(error.to_string()))?;
    Ok(documents.into_iter().filter(|document| !document.is_null()).collect())
}

/// Writes one document in block style, quoted so that Kubernetes (YAML 1.1) reads back the same value.
pub fn to_string(value: &Value) -> Result<String, Error> {
    serde_saphyr::to_string(value).map_err(|error| Error::Write(error.to_string()))
}
