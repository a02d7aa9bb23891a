//! The injector: adds the proxy to pods as they are created, and opaque ports to pods and Services.
//!
//! Reading order: [`config`] (the control plane's values and the anchors, from files that change), [`namespaces`] (their
//! annotations), [`owners`] (the workload behind a pod), [`decide`] (the patch; pure).
//!
//! A failure of the injector itself is no answer: the API server's failure policy decides then.

pub mod config;
pub mod decide;
pub mod namespaces;
pub mod owners;

use std::sync::Arc;

use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::ObjectReference;

use crate::args::ProxyInjectorArgs;
use crate::runtime::events::{Events, Happening, Severity};
use crate::webhook::admission::{self, AdmissionRequest, Admit, Decision, Verdict};
use crate::webhook::trust::Holder;
use crate::webhook::{self, Certificates};
use crate::{RunError, Runtime};
use config::Configs;
use decide::{Decided, Question};
use namespaces::Namespaces;
use owners::{Owner, Owners};

/// The Service behind which it is reached.
const SERVICE: &str = "linkerd-proxy-injector";
/// Whose pods are never touched, beside the control plane's own.
const SYSTEM: &str = "kube-system";

/// Everything a decision needs.
pub struct Injector {
    /// Namespace of the control plane.
    namespace: String,
    configs: Configs,
    namespaces: Namespaces,
    owners: Owners,
    events: Events,
}

/// Serves until the end begins.
///
/// # Errors
/// When the address is taken or there is no way to the API server.
pub async fn run(args: &ProxyInjectorArgs, runtime: &Runtime) -> Result<(), RunError> {
    let client = runtime.client().await?;
    let webhook = &args.webhook;
    let holder = Holder::Mutating(webhook.webhook_config.clone());
    let certificates = Certificates::keep(runtime, SERVICE, &webhook.tls, holder).await?;
    let injector = Injector {
        namespace: runtime.namespace.clone(),
        configs: Configs::follow(runtime, &args.config_dir, &args.trust_roots),
        namespaces: Namespaces::watch(runtime, client.clone()),
        owners: Owners::new(client.clone()),
        events: Events::new(runtime, client),
    };
    let router = admission::router(Arc::new(injector), &runtime.registry);
    webhook::serve(runtime, webhook.webhook_addr, &certificates, router).await
}

impl Injector {
    async fn decide(&self, request: &AdmissionRequest) -> Verdict {
        if request.operation != "CREATE" || !matches!(request.kind.kind.as_str(), "Pod" | "Service") {
            return Verdict::allow("not_concerned");
        }
        if request.namespace == self.namespace || request.namespace == SYSTEM {
            return Verdict::allow("namespace_excluded");
        }
        let Some(config) = self.configs.current() else {
            return Verdict::fail("no_config", "the control plane's values have not been read yet");
        };
        let annotations = match self.namespaces.annotations(&request.namespace).await {
            Ok(annotations) => annotations,
            Err(problem) => return Verdict::fail("no_namespace", problem),
        };
        let owner = match request.kind.kind.as_str() {
            "Pod" => self.owners.of(&request.object, &request.namespace).await,
            _ => None,
        };
        let question = Question {
            object: &request.object,
            namespace: &request.namespace,
            annotations: &annotations,
            owner: owner.as_ref(),
        };
        let decided = match decide::decide(&config, &question) {
            Ok(decided) => decided,
            Err(error) => return Verdict::fail("not_rendered", error),
        };
        if request.dry_run != Some(true) && request.kind.kind == "Pod" {
            self.tell(request, owner, &decided);
        }
        let decision = match decided.patch {
            Some(patch) => Decision::Patch(patch),
            None => Decision::Allow,
        };
        Verdict { decision, warnings: decided.warnings, outcome: decided.outcome }
    }

    /// Says on the owner what happened; a pod that nobody asked to inject is not worth a word.
    fn tell(&self, request: &AdmissionRequest, owner: Option<Owner>, decided: &Decided) {
        let Some(told) = &decided.told else { return };
        let (severity, reason) = match told.is_ok() {
            true => (Severity::Normal, "Injected"),
            false => (Severity::Normal, "InjectionSkipped"),
        };
        let note = match told {
            Ok(note) => note.clone(),
            Err(note) => format!("Linkerd sidecar proxy injection skipped: {note}"),
        };
        // A pod that is being created cannot be named yet where its name is generated.
        let object = match owner {
            Some(owner) => owner.reference(&request.namespace),
            None if !request.name.is_empty() => ObjectReference {
                api_version: Some("v1".to_owned()),
                kind: Some("Pod".to_owned()),
                name: Some(request.name.clone()),
                namespace: Some(request.namespace.clone()),
                ..ObjectReference::default()
            },
            None => return,
        };
        self.events.tell(object, Happening { severity, reason, action: "Injection", note });
    }
}

impl Admit for Injector {
    fn admit<'a>(&'a self, request: &'a AdmissionRequest) -> BoxFuture<'a, Verdict> {
        Box::pin(self.decide(request))
    }
}
