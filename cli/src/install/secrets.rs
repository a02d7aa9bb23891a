//! Private keys among the settings: they are rendered into Secrets and never recorded.

use serde_json::Value;

use crate::install::overrides::Overrides;

/// Settings that hold private keys, and the Secret that keeps each.
const KEYS: [(&str, &str); 4] = [
    ("proxyInjector", "linkerd-proxy-injector-tls"),
    ("profileValidator", "linkerd-sp-validator-tls"),
    ("policyValidator", "linkerd-policy-validator-tls"),
    ("tap", "linkerd-tap-tls"),
];

/// The settings as they may be written into a ConfigMap.
pub fn without_keys(overrides: &Overrides) -> Overrides {
    let mut public = overrides.clone();
    for (component, _) in KEYS {
        public.remove(&format!("{component}.keyPEM"));
    }
    public
}

/// Puts keys back whose certificates were recorded: `find` reads an entry of a Secret.
pub fn restore_keys(overrides: &mut Overrides, find: impl Fn(&str, &str) -> Option<String>) {
    for (component, secret) in KEYS {
        let key = format!("{component}.keyPEM");
        let has_certificate = matches!(
            overrides.get(&format!("{component}.crtPEM")),
            Some(Value::String(pem)) if !pem.is_empty()
        );
        if has_certificate && overrides.get(&key).is_none() {
            overrides.set_some(&key, find(secret, "tls.key"));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{restore_keys, without_keys};
    use crate::install::overrides::Overrides;

    #[test]
    fn keys_are_never_recorded_and_come_back_from_their_secret() {
        let mut given = Overrides::default();
        given.set("tap.crtPEM", "CRT");
        given.set("tap.keyPEM", "KEY");
        given.set("proxyInjector.keyPEM", "ALONE");
        let mut recorded = without_keys(&given);
        assert_eq!(recorded.clone().into_value(), json!({"tap": {"crtPEM": "CRT"}}));
        restore_keys(&mut recorded, |secret, key| {
            (secret == "linkerd-tap-tls" && key == "tls.key").then(|| "KEY".to_owned())
        });
        assert_eq!(recorded.into_value(), json!({"tap": {"crtPEM": "CRT", "keyPEM": "KEY"}}));
    }
}
