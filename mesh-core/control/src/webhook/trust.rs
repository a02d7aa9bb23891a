//! Where the API server looks for the authorities of a server: the `caBundle` of a webhook configuration or APIService.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration,
};
use k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1::APIService;
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};

use crate::runtime::CALL_LIMIT;

/// The object that holds the bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    /// A MutatingWebhookConfiguration of this name.
    Mutating(String),
    /// A ValidatingWebhookConfiguration of this name.
    Validating(String),
    /// An APIService of this name.
    ApiService(String),
}

/// The object, and the way to it.
#[derive(Clone)]
pub struct Trust {
    holder: Holder,
    api: Api<DynamicObject>,
}

/// What became of an attempt to fill the bundle in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filled {
    /// It was right already.
    AsItWas,
    /// It was written.
    Written,
}

// === impl Holder ===

impl Holder {
    /// The same, with the way to it.
    pub fn with(self, client: kube::Client) -> Trust {
        let resource = match &self {
            Self::Mutating(_) => ApiResource::erase::<MutatingWebhookConfiguration>(&()),
            Self::Validating(_) => ApiResource::erase::<ValidatingWebhookConfiguration>(&()),
            Self::ApiService(_) => ApiResource::erase::<APIService>(&()),
        };
        Trust { holder: self, api: Api::all_with(client, &resource) }
    }

    fn name(&self) -> &str {
        match self {
            Self::Mutating(name) | Self::Validating(name) | Self::ApiService(name) => name,
        }
    }
}

// === impl Trust ===

impl Trust {
    /// Makes the object hold `pem` where it does not yet.
    ///
    /// # Errors
    /// What is in the way, naming the object.
    pub async fn fill(&self, pem: &str) -> Result<Filled, String> {
        let name = self.holder.name();
        let wanted = STANDARD.encode(pem);
        let failed = |error: kube::Error| format!("{name}: {error}");
        let late = |_| format!("{name}: no answer within {CALL_LIMIT:?}");
        let found = tokio::time::timeout(CALL_LIMIT, self.api.get(name)).await.map_err(late)?;
        let changes = self.changes(&found.map_err(failed)?.data, &wanted);
        if changes.is_empty() {
            return Ok(Filled::AsItWas);
        }
        let patch: json_patch::Patch = serde_json::from_value(Value::Array(changes))
            .map_err(|error| format!("{name}: no patch: {error}"))?;
        let params = PatchParams::default();
        let patch = Patch::Json::<()>(patch);
        let patching = self.api.patch(name, &params, &patch);
        tokio::time::timeout(CALL_LIMIT, patching).await.map_err(late)?.map_err(failed)?;
        Ok(Filled::Written)
    }

    /// The operations that are needed. Each webhook is named by a `test`, should the list have changed meanwhile.
    fn changes(&self, object: &Value, wanted: &str) -> Vec<Value> {
        if let Holder::ApiService(_) = self.holder {
            let is_right = object.pointer("/spec/caBundle").and_then(Value::as_str) == Some(wanted);
            let add = json!({"op": "add", "path": "/spec/caBundle", "value": wanted});
            return if is_right { Vec::new() } else { vec![add] };
        }
        let mut changes = Vec::new();
        for (index, webhook) in object["webhooks"].as_array().into_iter().flatten().enumerate() {
            if webhook.pointer("/clientConfig/caBundle").and_then(Value::as_str) != Some(wanted) {
                let path = format!("/webhooks/{index}");
                changes.push(json!({"op": "test", "path": format!("{path}/name"), "value": webhook["name"]}));
                let bundle = format!("{path}/clientConfig/caBundle");
                changes.push(json!({"op": "add", "path": bundle, "value": wanted}));
            }
        }
        changes
    }
}
