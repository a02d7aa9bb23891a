//! linkerd-identity: do the trust anchors and the issuer hold, and for how long?

use std::sync::Arc;

use jiff::Timestamp;
use mesh_k8s::Resource;
use mesh_pki::{Bundle, Certificate, Problem, WARNING_DAYS, chain_to, parse_bundle, parse_certificates};
use serde_json::Value;

use crate::check::{Category, Check, Finding};
use crate::facts::Facts;

/// What the cluster holds.
struct Identity {
    anchors: Bundle,
    issuer: Certificate,
    intermediates: Vec<Certificate>,
}

/// The category.
pub fn category() -> Category {
    let check = |description: &str, anchor, judge: fn(&Identity, Timestamp) -> Finding| {
        Check::new(description, anchor, move |facts| async move {
            match read(&facts).await {
                Ok(identity) => judge(&identity, (facts.known().clock.0)()),
                // The first check tells why.
                Err(_) => Finding::Skip,
            }
        })
    };
    let valid =
        Check::new("certificate config is valid", "l5d-identity-cert-config-valid", |facts| async move {
            read(&facts).await.map_or_else(Finding::Fail, |_| Finding::Pass)
        });
    let checks = vec![
        valid.fatal(),
        check(
            "trust anchors are using supported crypto algorithm",
            "l5d-identity-trustAnchors-use-supported-crypto",
            |identity, _| listed("Invalid trustAnchors:", identity.anchors.unsupported()),
        )
        .fatal(),
        check(
            "trust anchors are within their validity period",
            "l5d-identity-trustAnchors-are-time-valid",
            |identity, now| listed("Invalid anchors:", identity.anchors.not_valid(now)),
        )
        .fatal(),
        check(
            "trust anchors are valid for at least 60 days",
            "l5d-identity-trustAnchors-not-expiring-soon",
            anchors_last,
        )
        .warning(),
        check(
            "issuer cert is using supported crypto algorithm",
            "l5d-identity-issuer-cert-uses-supported-crypto",
            |identity, _| {
                first("issuer certificate", Problem::of_crypto(&identity.issuer).into_iter().next())
            },
        )
        .fatal(),
        check(
            "issuer cert is within its validity period",
            "l5d-identity-issuer-cert-is-time-valid",
            |identity, now| first("issuer certificate is", Problem::of_validity(&identity.issuer, now)),
        )
        .fatal(),
        check(
            "issuer cert is valid for at least 60 days",
            "l5d-identity-issuer-cert-not-expiring-soon",
            issuer_lasts,
        )
        .warning(),
        check(
            "issuer cert is issued by the trust anchor",
            "l5d-identity-issuer-cert-issued-by-trust-anchor",
            |identity, now| {
                let path = chain_to(&identity.issuer, &identity.intermediates, &identity.anchors, now);
                Finding::from_result(path.map(drop))
            },
        ),
    ];
    Category { id: "linkerd-identity", checks }
}

/// The PEM text of the trust anchors that the control plane hands out.
///
/// # Errors
/// In words, when there is no such object or the API says no.
pub(super) async fn anchors_pem(facts: &Facts) -> Result<String, String> {
    let client = facts.client().map_err(str::to_owned)?;
    let namespace = Some(facts.known().namespace.as_str());
    let map = client.get(&Resource::CONFIG_MAP, namespace, "linkerd-identity-trust-roots").await;
    let map = map.map_err(|error| error.to_string())?;
    let text = map.pointer("/data/ca-bundle.crt").and_then(Value::as_str);
    text.map(str::to_owned)
        .ok_or_else(|| "ConfigMap linkerd-identity-trust-roots has no ca-bundle.crt".into())
}

async fn read(facts: &Facts) -> Result<Arc<Identity>, String> {
    let anchors = parse_bundle(anchors_pem(facts).await?.as_bytes())
        .map_err(|error| format!("trust anchors: {error}"))?;
    let client = facts.client().map_err(str::to_owned)?;
    let namespace = Some(facts.known().namespace.as_str());
    let secret = client.get(&Resource::SECRET, namespace, "linkerd-identity-issuer").await;
    let secret = secret.map_err(|error| error.to_string())?;
    let pem = ["crt.pem", "tls.crt"].iter().find_map(|key| decoded(&secret, key));
    let pem = pem.ok_or("Secret linkerd-identity-issuer has neither crt.pem nor tls.crt")?;
    let mut chain =
        parse_certificates(&pem).map_err(|error| format!("issuer certificate: {error}"))?.into_iter();
    let issuer = chain.next().ok_or("Secret linkerd-identity-issuer holds no certificate")?;
    Ok(Arc::new(Identity { anchors, issuer, intermediates: chain.collect() }))
}

/// A value of a Secret.
pub(super) fn decoded(secret: &Value, key: &str) -> Option<Vec<u8>> {
    use base64::Engine as _;
    let text = secret.get("data")?.get(key)?.as_str().filter(|text| !text.is_empty())?;
    base64::engine::general_purpose::STANDARD.decode(text).ok()
}

fn listed(title: &str, problems: Vec<(&Certificate, Problem)>) -> Finding {
    if problems.is_empty() {
        return Finding::Pass;
    }
    let items: String = problems.iter().map(|(anchor, problem)| item(anchor, &problem.to_string())).collect();
    Finding::Fail(format!("{title}{items}"))
}

fn item(certificate: &Certificate, reason: &str) -> String {
    let serial: String = certificate.serial().iter().map(|octet| format!("{octet:02x}")).collect();
    format!("\n\t* {serial} {} {reason}", certificate.display_name())
}

fn anchors_last(identity: &Identity, now: Timestamp) -> Finding {
    let soon = identity.anchors.expiring_soon(now, WARNING_DAYS);
    if soon.is_empty() {
        return Finding::Pass;
    }
    let reason = |anchor: &Certificate| format!("will expire on {}", anchor.validity().not_after);
    let items: String = soon.iter().map(|anchor| item(anchor, &reason(anchor))).collect();
    Finding::Fail(format!("Anchors expiring soon:{items}"))
}

fn issuer_lasts(identity: &Identity, now: Timestamp) -> Finding {
    let end = identity.issuer.validity().not_after;
    if now.duration_until(end).as_hours() >= WARNING_DAYS * 24 {
        return Finding::Pass;
    }
    Finding::Fail(format!("issuer certificate will expire on {end}"))
}

fn first(subject: &str, problem: Option<Problem>) -> Finding {
    match problem {
        None => Finding::Pass,
        Some(problem) => Finding::Fail(format!("{subject} {problem}")),
    }
}
