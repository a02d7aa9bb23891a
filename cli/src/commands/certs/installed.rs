//! The certificates in the objects of a control plane; pure, from objects to rows.

use mesh_pki::{Bundle, Certificate, IssuerError, Problem, parse_bundle, parse_certificates, parse_issuer};
use serde_json::Value;

use crate::args::identity::secret_bytes;
use crate::commands::certs::pool::{Judge, Pool, chain_problem};
use crate::install::recorded;
use crate::output::cert::{CertificateRow, Role};

/// Config maps that may hold trust anchors.
pub const CONFIG_MAPS: [&str; 2] = ["linkerd-identity-trust-roots", "linkerd-config"];

/// Secrets that may hold certificates; the names with `k8s` are those of Linkerd 2.9 and later.
pub const SECRETS: [&str; 10] = [
    ISSUER,
    ANCHOR,
    "linkerd-proxy-injector-tls",
    "linkerd-sp-validator-tls",
    "linkerd-policy-validator-tls",
    "linkerd-tap-tls",
    "linkerd-proxy-injector-k8s-tls",
    "linkerd-sp-validator-k8s-tls",
    "linkerd-policy-validator-k8s-tls",
    "linkerd-tap-k8s-tls",
];

const ISSUER: &str = "linkerd-identity-issuer";
const ANCHOR: &str = "linkerd-trust-anchor";
const CERTIFICATE_KEYS: [&str; 2] = ["crt.pem", "tls.crt"];
const KEY_KEYS: [&str; 2] = ["key.pem", "tls.key"];

/// What callers of one service trust.
struct Callers<'a> {
    service: &'a str,
    place: String,
    pem: Vec<u8>,
}

/// Certificates of one place, read or not.
struct Part {
    place: String,
    role: Role,
    pem: Vec<u8>,
}

/// The certificates of one place, each with a place of its own.
type Placed = Vec<(String, Certificate)>;

/// A row for each certificate in `objects`, trust roots first.
pub fn rows(objects: &[Value], namespace: &str, judge: Judge) -> Vec<CertificateRow> {
    let mut pool = Pool::default();
    let mut rows = Vec::new();
    let mut parts = Vec::new();
    for part in parts_of(objects, namespace) {
        match parse_certificates(&part.pem) {
            Ok(found) => parts.push((pool.add(&part.place, &found), part)),
            Err(error) => rows.push(CertificateRow::without(part.place, part.role, vec![error.to_string()])),
        }
    }
    let anchors = anchor_pem(objects, namespace).and_then(|(_, pem)| parse_bundle(&pem).ok());
    let callers: Vec<_> = callers(objects).collect();
    let mut readable = Vec::new();
    for (placed, part) in &parts {
        for (index, (place, certificate)) in placed.iter().enumerate() {
            let problems = match (part.role, index) {
                (Role::TrustAnchor, _) => of_anchor(certificate, anchors.as_ref()),
                (Role::Issuer, 0) => of_issuer(objects, placed, anchors.as_ref(), namespace, judge),
                (Role::Issuer, _) => Problem::of_authority(certificate).into_iter().collect(),
                (Role::Serving, 0) => of_serving(&part.place, placed, &callers, namespace, judge),
                _ => Vec::new(),
            };
            readable.push(pool.row(place.clone(), part.role, certificate, &problems, judge));
        }
    }
    readable.append(&mut rows);
    readable
}

/// Secrets made for certificates that hold none yet.
pub fn empty(objects: &[Value]) -> Vec<String> {
    let is_empty = |object: &&Value| kind(object) == "Secret" && first(object, &CERTIFICATE_KEYS).is_none();
    objects.iter().filter(is_empty).map(|object| format!("Secret {}", name(object))).collect()
}

fn parts_of(objects: &[Value], namespace: &str) -> Vec<Part> {
    let mut parts: Vec<Part> = anchor_pem(objects, namespace)
        .map(|(place, pem)| Part { place, role: Role::TrustAnchor, pem })
        .into_iter()
        .collect();
    for wanted in SECRETS {
        let Some(secret) = objects.iter().find(|object| kind(object) == "Secret" && name(object) == wanted)
        else {
            continue;
        };
        let role = match wanted {
            ISSUER => Role::Issuer,
            ANCHOR => Role::TrustAnchor,
            _ => Role::Serving,
        };
        if let Some((key, pem)) = first(secret, &CERTIFICATE_KEYS) {
            parts.push(Part { place: format!("Secret {wanted} {key}"), role, pem });
        }
        if let Some((key, pem)) = first(secret, &["ca.crt"]) {
            parts.push(Part { place: format!("Secret {wanted} {key}"), role: Role::CaBundle, pem });
        }
    }
    let bundles =
        callers(objects).map(|caller| Part { place: caller.place, role: Role::CaBundle, pem: caller.pem });
    parts.extend(bundles);
    parts
}

/// The trust roots, or, in an install of old, the anchors in its configuration.
fn anchor_pem(objects: &[Value], namespace: &str) -> Option<(String, Vec<u8>)> {
    let map =
        |wanted: &str| objects.iter().find(|object| kind(object) == "ConfigMap" && name(object) == wanted);
    if let Some(pem) = map(CONFIG_MAPS[0]).and_then(|roots| roots.pointer("/data/ca-bundle.crt")) {
        let place = format!("ConfigMap {} ca-bundle.crt", CONFIG_MAPS[0]);
        return Some((place, pem.as_str()?.as_bytes().to_vec()));
    }
    map(CONFIG_MAPS[1])?;
    let anchors = recorded::read(objects, namespace).ok()?.anchors;
    let place = format!("ConfigMap {}", CONFIG_MAPS[1]);
    (!anchors.is_empty()).then(|| (place, anchors.into_bytes()))
}

/// What each webhook configuration and aggregated API trusts, once for each service.
fn callers(objects: &[Value]) -> impl Iterator<Item = Callers<'_>> {
    objects.iter().flat_map(|object| {
        let place = format!("{} {} caBundle", kind(object), name(object));
        let mut clients: Vec<&Value> = match kind(object) {
            "APIService" => object.pointer("/spec").into_iter().collect(),
            "MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration" => object["webhooks"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|webhook| webhook.get("clientConfig"))
                .collect(),
            _ => Vec::new(),
        };
        clients.dedup_by_key(|client| (*client).clone());
        clients.into_iter().filter_map(move |client| {
            let service = client.pointer("/service/name")?.as_str()?;
            let encoded = client.get("caBundle")?.as_str()?;
            let pem = decode(encoded)?;
            Some(Callers { service, place: place.clone(), pem })
        })
    })
}

fn of_anchor(anchor: &Certificate, anchors: Option<&Bundle>) -> Vec<Problem> {
    let mut problems = Problem::of_crypto(anchor);
    if let Some(anchors) = anchors.filter(|anchors| !anchors.contains(anchor)) {
        let (issuer, anchors) = (anchor.display_name(), anchors.names());
        problems.push(Problem::Chain(mesh_pki::ChainProblem::UnknownIssuer { issuer, anchors }));
    }
    problems
}

/// What keeps the issuer from signing, its key included when it can be read.
fn of_issuer(
    objects: &[Value],
    placed: &Placed,
    anchors: Option<&Bundle>,
    namespace: &str,
    judge: Judge,
) -> Vec<Problem> {
    let Some((_, certificate)) = placed.first() else { return Vec::new() };
    let prefix = format!("identity.{namespace}.");
    let names = certificate.dns_names();
    let name = names.into_iter().find(|name| name.starts_with(&prefix));
    let name = name.unwrap_or_else(|| format!("{prefix}<trust domain>"));
    let secret = objects.iter().find(|object| kind(object) == "Secret" && self::name(object) == ISSUER);
    let pem = secret.and_then(|secret| Some((first(secret, &CERTIFICATE_KEYS)?, first(secret, &KEY_KEYS)?)));
    let time = Problem::of_validity(certificate, judge.now);
    let mut problems = match (pem.map(|((_, crt), (_, key))| parse_issuer(&crt, &key)), anchors) {
        (Some(Ok(issuer)), Some(anchors)) => issuer.problems(anchors, &name, judge.now),
        (Some(Err(IssuerError::Problem(problem))), _) => vec![problem],
        (Some(Err(IssuerError::Key(error))), _) => vec![Problem::UnusableKey { detail: error.to_string() }],
        _ => Problem::of_crypto(certificate).into_iter().chain(Problem::of_authority(certificate)).collect(),
    };
    // The row says so itself.
    problems.retain(|problem| Some(problem) != time.as_ref());
    problems
}

/// What keeps callers from believing a serving certificate.
fn of_serving(
    place: &str,
    placed: &Placed,
    callers: &[Callers<'_>],
    namespace: &str,
    judge: Judge,
) -> Vec<Problem> {
    let Some(((_, certificate), rest)) = placed.split_first() else { return Vec::new() };
    let secret = place.split(' ').nth(1).unwrap_or_default();
    let service = secret.trim_end_matches("-tls").trim_end_matches("-k8s");
    let intermediates: Vec<_> = rest.iter().map(|(_, certificate)| certificate.clone()).collect();
    let mut problems: Vec<_> =
        Problem::of_name(certificate, &format!("{service}.{namespace}.svc")).into_iter().collect();
    for caller in callers.iter().filter(|caller| caller.service == service) {
        if let Ok(bundle) = parse_bundle(&caller.pem) {
            problems.extend(chain_problem(certificate, &intermediates, &bundle, judge.now));
        }
    }
    problems
}

fn kind(object: &Value) -> &str {
    object["kind"].as_str().unwrap_or_default()
}

fn name(object: &Value) -> &str {
    object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default()
}

/// The first of the keys that a Secret has, and its value.
fn first(secret: &Value, keys: &[&'static str]) -> Option<(&'static str, Vec<u8>)> {
    keys.iter().find_map(|key| Some((*key, secret_bytes(secret, key)?)))
}

fn decode(encoded: &str) -> Option<Vec<u8>> {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.decode(encoded).ok().filter(|bytes| !bytes.is_empty())
}
