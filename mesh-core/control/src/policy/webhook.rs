//! The admission webhook of policies.

use std::sync::Arc;

use futures::future::BoxFuture;

use super::admission::judge;
use crate::args::WebhookArgs;
use crate::webhook::admission::{self, AdmissionRequest, Admit, Decision, Verdict};
use crate::webhook::trust::Holder;
use crate::webhook::{self, Certificates};
use crate::{RunError, Runtime};

/// The Service behind which it is reached.
const SERVICE: &str = "linkerd-policy-validator";

/// Judges by the rules by which the index reads.
struct Validator;

/// Serves until the end begins.
///
/// # Errors
/// When the address is taken or there is no way to the API server.
pub async fn run(args: &WebhookArgs, runtime: &Runtime) -> Result<(), RunError> {
    let holder = Holder::Validating(args.webhook_config.clone());
    let certificates = Certificates::keep(runtime, SERVICE, &args.tls, holder).await?;
    let router = admission::router(Arc::new(Validator), &runtime.registry);
    webhook::serve(runtime, args.webhook_addr, &certificates, router).await
}

impl Admit for Validator {
    fn admit<'a>(&'a self, request: &'a AdmissionRequest) -> BoxFuture<'a, Verdict> {
        Box::pin(futures::future::ready(verdict(request)))
    }
}

fn verdict(request: &AdmissionRequest) -> Verdict {
    if request.object.is_null() {
        return Verdict::allow("deleted");
    }
    let kind = &request.kind;
    let api_version =
        if kind.group.is_empty() { kind.version.clone() } else { format!("{}/{}", kind.group, kind.version) };
    let judgement = judge(&api_version, &kind.kind, &request.object);
    if judgement.problems.is_empty() {
        return Verdict { warnings: judgement.warnings, ..Verdict::allow("valid") };
    }
    Verdict {
        decision: Decision::Deny(judgement.problems.join("; ")),
        warnings: judgement.warnings,
        outcome: "invalid",
    }
}
