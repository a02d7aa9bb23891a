//! What an earlier install recorded, ours or the original's, read out of its objects.
//!
//! The objects come from the cluster or from a file of manifests; this module does not know which. Settings of
//! the original are renamed to ours; what has no counterpart here is named in [`Recorded::dropped`].

pub mod migrate;

use base64::Engine;
use serde_json::Value;

use crate::error::CommandError;
use crate::install::overrides::Overrides;
use crate::install::secrets;

/// Which software made the install, told by the shape of its records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// This project's command.
    Ours,
    /// This project's chart, installed by Helm.
    OurHelm,
    /// Linkerd 2.8 and before: three JSON documents in `linkerd-config`.
    Linkerd28,
    /// Linkerd 2.9 to today, installed by its command: Secret `linkerd-config-overrides`.
    LinkerdOverrides,
    /// Linkerd installed by Helm.
    LinkerdHelm,
}

/// Where the issuer's certificate and key are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordedIssuer {
    /// In Secret `linkerd-identity-issuer`, made by install.
    Tls {
        /// Certificate chain, PEM.
        crt: String,
        /// Private key, PEM.
        key: String,
    },
    /// In a Secret of that name that somebody else maintains (`kubernetes.io/tls`).
    External,
    /// Nowhere: the Secret is not there, or not readable.
    Missing,
}

/// An earlier install.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// Who made it.
    pub origin: Origin,
    /// What its user had set, in our names.
    pub overrides: Overrides,
    /// Trust anchors, PEM; empty if none were found.
    pub anchors: String,
    /// The issuer.
    pub issuer: RecordedIssuer,
    /// The trust anchor's key and certificate, if they were kept.
    pub anchor: Option<(String, String)>,
    /// Settings without a counterpart here.
    pub dropped: Vec<String>,
}

/// Reads the records of the control plane in `namespace` out of its objects.
pub fn read(objects: &[Value], namespace: &str) -> Result<Recorded, CommandError> {
    let store = Store { objects, namespace };
    let Some(config) = store.find("ConfigMap", "linkerd-config") else {
        return Err(CommandError::failure(format!(
            "no control plane is installed in namespace {namespace}: ConfigMap linkerd-config not found"
        ))
        .hint("`linkerd install` renders a new one; --linkerd-namespace names another namespace"));
    };
    let origin = origin(&store, config);
    let migrated = match origin {
        Origin::Ours | Origin::OurHelm => migrate::Migrated::as_is(yaml_key(config, "overrides")?)?,
        Origin::Linkerd28 => migrate::from_28(config)?,
        Origin::LinkerdOverrides | Origin::LinkerdHelm => {
            let text = store.secret_text("linkerd-config-overrides", "linkerd-config-overrides");
            migrate::from_values(&parse(
                text.as_deref().unwrap_or_default(),
                "Secret linkerd-config-overrides",
            )?)?
        }
    };
    let mut overrides = migrated.overrides;
    secrets::restore_keys(&mut overrides, |secret, key| store.secret_text(secret, key));
    Ok(Recorded {
        origin,
        anchors: anchors(&store, config, origin)?,
        issuer: issuer(&store),
        anchor: anchor(&store),
        overrides,
        dropped: migrated.dropped,
    })
}

fn origin(store: &Store<'_>, config: &Value) -> Origin {
    let helm = config.pointer("/metadata/annotations/meta.helm.sh~1release-name").is_some();
    let has = |key: &str| config.pointer("/data").and_then(|data| data.get(key)).is_some();
    match () {
        () if has("overrides") && helm => Origin::OurHelm,
        () if has("overrides") => Origin::Ours,
        () if has("global") && has("proxy") => Origin::Linkerd28,
        () if !helm && store.find("Secret", "linkerd-config-overrides").is_some() => Origin::LinkerdOverrides,
        () => Origin::LinkerdHelm,
    }
}

fn anchors(store: &Store<'_>, config: &Value, origin: Origin) -> Result<String, CommandError> {
    if let Some(roots) = store.find("ConfigMap", "linkerd-identity-trust-roots")
        && let Some(pem) = roots.pointer("/data/ca-bundle.crt").and_then(Value::as_str)
    {
        return Ok(pem.to_owned());
    }
    let (document, pointers): (&str, &[&str]) = match origin {
        Origin::Linkerd28 => ("global", &["/identityContext/trustAnchorsPem"]),
        _ => ("values", &["/global/identityTrustAnchorsPEM", "/identityTrustAnchorsPEM"]),
    };
    let values = yaml_key(config, document)?;
    let found = pointers.iter().find_map(|pointer| values.pointer(pointer).and_then(Value::as_str));
    Ok(found.unwrap_or_default().to_owned())
}

fn issuer(store: &Store<'_>) -> RecordedIssuer {
    let text = |key| store.secret_text("linkerd-identity-issuer", key);
    match (text("crt.pem"), text("key.pem")) {
        (Some(crt), Some(key)) => RecordedIssuer::Tls { crt, key },
        _ if text("tls.crt").is_some() => RecordedIssuer::External,
        _ => RecordedIssuer::Missing,
    }
}

fn anchor(store: &Store<'_>) -> Option<(String, String)> {
    let text = |keys: [&str; 2]| keys.iter().find_map(|key| store.secret_text("linkerd-trust-anchor", key));
    Some((text(["crt.pem", "tls.crt"])?, text(["key.pem", "tls.key"])?))
}

fn yaml_key(config: &Value, key: &str) -> Result<Value, CommandError> {
    let text = config.pointer("/data").and_then(|data| data.get(key)).and_then(Value::as_str);
    parse(text.unwrap_or_default(), &format!("ConfigMap linkerd-config, key {key}"))
}

fn parse(text: &str, what: &str) -> Result<Value, CommandError> {
    mesh_yaml::from_str(text).map_err(|error| CommandError::failure(format!("cannot read {what}: {error}")))
}

/// The objects of one control plane.
struct Store<'a> {
    objects: &'a [Value],
    namespace: &'a str,
}

impl Store<'_> {
    fn find(&self, kind: &str, name: &str) -> Option<&Value> {
        self.objects.iter().find(|object| {
            let text = |pointer| object.pointer(pointer).and_then(Value::as_str);
            text("/kind") == Some(kind)
                && text("/metadata/name") == Some(name)
                && text("/metadata/namespace") == Some(self.namespace)
        })
    }

    /// One decoded entry of a Secret.
    fn secret_text(&self, name: &str, key: &str) -> Option<String> {
        let secret = self.find("Secret", name)?;
        if let Some(plain) = secret.pointer("/stringData").and_then(|data| data.get(key)) {
            return plain.as_str().map(str::to_owned);
        }
        let encoded = secret.pointer("/data")?.get(key)?.as_str()?;
        let bytes = base64::engine::general_purpose::STANDARD.decode(encoded.trim()).ok()?;
        String::from_utf8(bytes).ok().filter(|text| !text.trim().is_empty())
    }
}

#[cfg(test)]
mod tests;
