//! linkerd-webhooks-and-apisvc-tls: do the webhooks and the aggregated API serve with certificates that their callers accept?

use jiff::Timestamp;
use mesh_k8s::Resource;
use mesh_pki::{Certificate, Problem, WARNING_DAYS, chain_to, parse_bundle, parse_certificates};
use serde_json::Value;

use super::linkerd_identity::decoded;
use crate::check::{Category, Check, Finding};
use crate::facts::Facts;

/// One service that the API server calls.
#[derive(Clone, Copy)]
struct Called {
    title: &'static str,
    service: &'static str,
    resource: &'static Resource,
    name: &'static str,
    anchors: [&'static str; 2],
}

const CALLED: [Called; 4] = [
    Called {
        title: "proxy-injector webhook",
        service: "linkerd-proxy-injector",
        resource: &Resource::MUTATING_WEBHOOK,
        name: "linkerd-proxy-injector-webhook-config",
        anchors: [
            "l5d-proxy-injector-webhook-cert-valid",
            "l5d-proxy-injector-webhook-cert-not-expiring-soon",
        ],
    },
    Called {
        title: "sp-validator webhook",
        service: "linkerd-sp-validator",
        resource: &Resource::VALIDATING_WEBHOOK,
        name: "linkerd-sp-validator-webhook-config",
        anchors: ["l5d-sp-validator-webhook-cert-valid", "l5d-sp-validator-webhook-cert-not-expiring-soon"],
    },
    Called {
        title: "policy-validator webhook",
        service: "linkerd-policy-validator",
        resource: &Resource::VALIDATING_WEBHOOK,
        name: "linkerd-policy-validator-webhook-config",
        anchors: [
            "l5d-policy-validator-webhook-cert-valid",
            "l5d-policy-validator-webhook-cert-not-expiring-soon",
        ],
    },
    Called {
        title: "tap API server",
        service: "linkerd-tap",
        resource: &Resource::API_SERVICE,
        name: "v1alpha1.tap.linkerd.io",
        anchors: ["l5d-tap-cert-valid", "l5d-tap-cert-not-expiring-soon"],
    },
];

/// The category.
pub fn category() -> Category {
    let checks = CALLED.iter().flat_map(|called| {
        let valid = Check::new(
            format!("{} has valid cert", called.title),
            called.anchors[0],
            move |facts| async move { verify(&facts, called).await },
        );
        let lasting = format!("{} cert is valid for at least 60 days", called.title);
        let lasts =
            Check::new(lasting, called.anchors[1], move |facts| async move { lasts(&facts, called).await });
        [valid.fatal().retried(), lasts.warning()]
    });
    Category { id: "linkerd-webhooks-and-apisvc-tls", checks: checks.collect() }
}

/// Whether this install has the service at all.
fn is_installed(facts: &Facts, called: &Called) -> bool {
    let mut rendered = facts.known().rendered.iter();
    rendered.any(|object| object["kind"] == called.resource.kind && crate::pods::name(object) == called.name)
}

/// The certificates that the service serves with.
async fn served(facts: &Facts, called: &Called) -> Result<Vec<Certificate>, String> {
    let client = facts.client().map_err(str::to_owned)?;
    let secret = format!("{}-tls", called.service);
    let found = client.get(&Resource::SECRET, Some(&facts.known().namespace), &secret).await;
    let found = found.map_err(|error| error.to_string())?;
    let pem =
        decoded(&found, "tls.crt").ok_or_else(|| format!("Secret {secret} holds no certificate yet"))?;
    parse_certificates(&pem).map_err(|error| format!("Secret {secret}: {error}"))
}

async fn verify(facts: &Facts, called: &Called) -> Finding {
    let Ok(client) = facts.client() else { return Finding::Skip };
    if !is_installed(facts, called) {
        return Finding::Skip;
    }
    let chain = match served(facts, called).await {
        Ok(chain) => chain,
        Err(error) => return Finding::Fail(error),
    };
    let bundle = match client.get(called.resource, None, called.name).await {
        Ok(object) => bundle_of(&object),
        Err(error) => return Finding::Unknown(error.to_string()),
    };
    let Some(pem) = bundle else {
        return Finding::Fail(format!("{} {} has no caBundle yet", called.resource.kind, called.name));
    };
    let name = format!("{}.{}.svc", called.service, facts.known().namespace);
    judge(&chain, &pem, &name, (facts.known().clock.0)())
}

fn bundle_of(object: &Value) -> Option<Vec<u8>> {
    use base64::Engine as _;
    let places = ["/webhooks/0/clientConfig/caBundle", "/spec/caBundle"];
    let text = places.iter().find_map(|place| object.pointer(place)?.as_str())?;
    base64::engine::general_purpose::STANDARD.decode(text).ok()
}

fn judge(chain: &[Certificate], pem: &[u8], name: &str, now: Timestamp) -> Finding {
    let Some((leaf, intermediates)) = chain.split_first() else {
        return Finding::Fail("there is no certificate".into());
    };
    let anchors = match parse_bundle(pem) {
        Ok(anchors) => anchors,
        Err(error) => return Finding::Fail(format!("caBundle: {error}")),
    };
    let problem = Problem::of_validity(leaf, now).or_else(|| Problem::of_name(leaf, name));
    if let Some(problem) = problem {
        return Finding::Fail(problem.to_string());
    }
    Finding::from_result(chain_to(leaf, intermediates, &anchors, now).map(drop))
}

async fn lasts(facts: &Facts, called: &Called) -> Finding {
    if facts.client().is_err() || !is_installed(facts, called) {
        return Finding::Skip;
    }
    let Ok(chain) = served(facts, called).await else { return Finding::Skip };
    let Some(leaf) = chain.first() else { return Finding::Skip };
    let (now, end) = ((facts.known().clock.0)(), leaf.validity().not_after);
    if now.duration_until(end).as_hours() >= WARNING_DAYS * 24 {
        return Finding::Pass;
    }
    Finding::Fail(format!("certificate will expire on {end}"))
}
