//! The environment as `/env.json` shows it: without secrets.

use mesh_core::names::env::PREFIX;
use serde_json::{Map, Value};

use crate::config::Environment;

/// Words in the name of a variable that holds a secret.
const SECRET: [&str; 8] =
    ["SECRET", "PASSWORD", "PASSWD", "TOKEN", "CREDENTIAL", "PRIVATE", "_KEY", "AUTHORIZATION"];
/// Endings of a name that say where something is rather than what it is.
const PLACE: [&str; 5] = ["_FILE", "_PATH", "_DIR", "_ADDR", "_NAME"];

/// Names and values. A value that is, or may be, a secret is `(hidden)`.
pub fn visible(environment: &Environment) -> Map<String, Value> {
    environment
        .names()
        .map(|name| {
            let value = environment.text(name).unwrap_or("(not UTF-8)");
            let shown = if is_secret(name, value) { "(hidden)" } else { value };
            (name.to_owned(), Value::String(shown.to_owned()))
        })
        .collect()
}

fn is_secret(name: &str, value: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    let named =
        SECRET.iter().any(|word| upper.contains(word)) && !PLACE.iter().any(|end| upper.ends_with(end));
    // What we defined ourselves is known: its anchors are certificates, and tokens are files.
    let ours = name.starts_with(PREFIX) && !upper.ends_with("ATTRIBUTES");
    let credentials_in_url = value.split_once("://").is_some_and(|(_, rest)| {
        rest.split(['/', '?']).next().is_some_and(|authority| authority.contains('@'))
    });
    value.contains("PRIVATE KEY-----") || credentials_in_url || (named && !ours)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_hidden() {
        let environment: Environment = [
            ("LINKERD2_PROXY_LOG", "info"),
            ("LINKERD2_PROXY_IDENTITY_TOKEN_FILE", "/var/run/token"),
            ("LINKERD2_PROXY_IDENTITY_TRUST_ANCHORS", "-----BEGIN CERTIFICATE-----"),
            ("AWS_SECRET_ACCESS_KEY", "x"),
            ("DB_PASSWORD", "x"),
            ("API_KEY", "x"),
            ("DATABASE_URL", "postgres://user:pw@host/db"),
            ("TLS", "-----BEGIN EC PRIVATE KEY-----"),
            ("HOSTNAME", "web-0"),
        ]
        .into_iter()
        .collect();
        let shown = visible(&environment);
        let hidden: Vec<&str> =
            shown.iter().filter(|(_, value)| **value == "(hidden)").map(|(name, _)| name.as_str()).collect();
        assert_eq!(hidden, ["API_KEY", "AWS_SECRET_ACCESS_KEY", "DATABASE_URL", "DB_PASSWORD", "TLS"]);
        assert_eq!(shown["HOSTNAME"], "web-0");
    }
}
