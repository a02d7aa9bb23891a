//! The registry of names of the wire world: labels, annotations, environment variables, ports.
//!
//! Whatever a manifest, a proxy or a peer has to spell the same way is spelled here once, as data: the reference pages
//! are generated from these lists and unknown names are compared with them.

pub mod annotations;
pub mod containers;
pub mod env;
pub mod labels;
pub mod ports;

/// Prefix of every label and annotation that belongs to the mesh itself.
pub const PREFIX: &str = "linkerd.io/";
/// Prefix of annotations that configure a proxy.
pub const CONFIG_PREFIX: &str = "config.linkerd.io/";
/// Prefix of annotations that configure a proxy and may still change.
pub const CONFIG_ALPHA_PREFIX: &str = "config.alpha.linkerd.io/";
/// Prefix of annotations that configure a proxy and have almost settled.
pub const CONFIG_BETA_PREFIX: &str = "config.beta.linkerd.io/";

/// What the value of an annotation or variable looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ValueType {
    /// Any text.
    Text,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// `true` or `false`.
    Boolean,
    /// A whole number, zero or more.
    Integer,
    /// A number from 0 to 1.
    Ratio,
    /// One port.
    Port,
    /// Ports and port ranges, separated by commas.
    PortRanges,
    /// Ports, port ranges and names of container ports, separated by commas.
    NamedPortRanges,
    /// A Kubernetes resource quantity.
    Quantity,
    /// A duration as Go writes it: `1m30s`.
    Duration,
    /// Networks in CIDR notation, separated by commas.
    Networks,
    /// A comma list of `level`, `module` and `module=level`.
    LogLevel,
    /// `host:port` or `host`.
    Address,
    /// The name of an image without its tag.
    Image,
    /// The tag of an image.
    ImageVersion,
    /// JSON: a list of environment variables as in a container's `env`.
    EnvJson,
    /// RFC 3339 time.
    Time,
}

impl ValueType {
    /// The type in the words of the reference page.
    pub fn describe(self) -> String {
        let text = match self {
            Self::Text => "text",
            Self::OneOf(words) => return words.join(" | "),
            Self::Boolean => "true | false",
            Self::Integer => "whole number",
            Self::Ratio => "number from 0 to 1",
            Self::Port => "port",
            Self::PortRanges => "ports and ranges, comma separated",
            Self::NamedPortRanges => "ports, ranges and port names, comma separated",
            Self::Quantity => "quantity",
            Self::Duration => "duration (1m30s)",
            Self::Networks => "networks (CIDR), comma separated",
            Self::LogLevel => "log level",
            Self::Address => "host[:port]",
            Self::Image => "image name",
            Self::ImageVersion => "image tag",
            Self::EnvJson => "JSON list of environment variables",
            Self::Time => "RFC 3339 time",
        };
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::{annotations, containers, env, labels};
    use std::collections::BTreeSet;

    #[test]
    fn no_name_is_listed_twice_and_each_is_described() {
        let mut seen = BTreeSet::new();
        let annotations = annotations::ALL.iter().map(|it| (it.name, it.doc));
        let labels = labels::ALL.iter().map(|it| (it.name, it.doc));
        let variables = env::ALL.iter().map(|it| (it.name, it.doc));
        for (name, doc) in annotations.chain(labels).chain(variables) {
            assert!(seen.insert(name), "{name} is listed twice");
            assert!(doc.len() > 10 && !doc.ends_with('.'), "{name}: {doc}");
        }
        assert!(seen.contains(annotations::INJECT) && seen.contains(labels::CONTROL_PLANE_NS));
        assert!(containers::PROXY.starts_with("linkerd-"));
    }

    #[test]
    fn variables_carry_the_proxy_prefix() {
        for variable in env::ALL {
            let name = variable.name;
            assert!(
                name.starts_with(env::PREFIX) || name.starts_with('_') || name == "OTEL_RESOURCE_ATTRIBUTES",
                "{name}"
            );
        }
    }
}
