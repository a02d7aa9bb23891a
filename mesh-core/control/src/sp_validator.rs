//! Refuses ServiceProfiles that proxies could not follow, with every problem named.

use std::sync::Arc;

use futures::future::BoxFuture;
use mesh_core::profile::ServiceProfile;

use crate::args::SpValidatorArgs;
use crate::webhook::admission::{self, AdmissionRequest, Admit, Decision, Verdict};
use crate::webhook::trust::Holder;
use crate::webhook::{self, Certificates};
use crate::{RunError, Runtime};

/// The Service behind which it is reached.
const SERVICE: &str = "linkerd-sp-validator";

/// Judges by the rules of the command's own validation.
pub struct Validator;

/// Serves until the end begins.
///
/// # Errors
/// When the address is taken or there is no way to the API server.
pub async fn run(args: &SpValidatorArgs, runtime: &Runtime) -> Result<(), RunError> {
    let webhook = &args.webhook;
    let holder = Holder::Validating(webhook.webhook_config.clone());
    let certificates = Certificates::keep(runtime, SERVICE, &webhook.tls, holder).await?;
    let router = admission::router(Arc::new(Validator), &runtime.registry);
    webhook::serve(runtime, webhook.webhook_addr, &certificates, router).await
}

impl Admit for Validator {
    fn admit<'a>(&'a self, request: &'a AdmissionRequest) -> BoxFuture<'a, Verdict> {
        Box::pin(futures::future::ready(judge(request)))
    }
}

fn judge(request: &AdmissionRequest) -> Verdict {
    if request.object.is_null() {
        return Verdict::allow("deleted");
    }
    match ServiceProfile::from_value(&request.object) {
        Ok(_) => Verdict::allow("valid"),
        Err(invalid) => Verdict {
            decision: Decision::Deny(invalid.to_string()),
            warnings: Vec::new(),
            outcome: "invalid",
        },
    }
}
