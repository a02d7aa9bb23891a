//! Resources as users name them: `deploy/web`, `deploy web db`, `po`, `ns`.

use std::str::FromStr;

/// A kind by its names.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Type {
    /// The full name, in singular: as the API names it.
    pub name: &'static str,
    /// The name in front of objects where several kinds are shown.
    pub short: &'static str,
    /// As in URLs.
    pub plural: &'static str,
}

/// Every kind that traffic is told of, in the order in which tables are shown.
pub const TYPES: &[Type] = &[
    Type { name: "authority", short: "au", plural: "authorities" },
    Type { name: "cronjob", short: "cj", plural: "cronjobs" },
    Type { name: "daemonset", short: "ds", plural: "daemonsets" },
    Type { name: "deployment", short: "deploy", plural: "deployments" },
    Type { name: "job", short: "job", plural: "jobs" },
    Type { name: "namespace", short: "ns", plural: "namespaces" },
    Type { name: "pod", short: "po", plural: "pods" },
    Type { name: "replicationcontroller", short: "rc", plural: "replicationcontrollers" },
    Type { name: "replicaset", short: "rs", plural: "replicasets" },
    Type { name: "service", short: "svc", plural: "services" },
    Type { name: "statefulset", short: "sts", plural: "statefulsets" },
];

/// What `all` stands for.
const ALL: &[&str] = &[
    "daemonset",
    "statefulset",
    "job",
    "deployment",
    "replicationcontroller",
    "pod",
    "service",
    "authority",
    "cronjob",
    "replicaset",
];

/// One object, or all of a kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceArg {
    /// Its kind.
    pub kind: &'static Type,
    /// Empty for all.
    pub name: String,
}

/// Why a text names no resource. The texts are those Linkerd's users know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidResource {
    /// No such kind.
    #[error("cannot find Kubernetes canonical name from friendly name [{0}]")]
    Kind(String),
    /// More than one slash.
    #[error("Invalid resource string: {0}")]
    Shape(String),
    /// The same twice.
    #[error("cannot supply duplicate resources")]
    Twice,
    /// `all` and something else.
    #[error("'all' can't be supplied alongside other resources")]
    AllAndMore,
    /// Nothing.
    #[error("No resource arguments provided")]
    Nothing,
}

impl Type {
    /// The kind of a name: short, full or plural.
    ///
    /// # Errors
    /// When there is none.
    pub fn of(text: &str) -> Result<&'static Self, InvalidResource> {
        let found = TYPES.iter().find(|it| [it.name, it.short, it.plural].contains(&text));
        found.ok_or_else(|| InvalidResource::Kind(text.to_owned()))
    }
}

impl FromStr for ResourceArg {
    type Err = InvalidResource;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (kind, name) = match text.split_once('/') {
            Some((_, name)) if name.contains('/') => return Err(InvalidResource::Shape(text.to_owned())),
            Some((kind, name)) => (kind, name),
            None => (text, ""),
        };
        Ok(Self { kind: Type::of(kind)?, name: name.to_owned() })
    }
}

/// The resources that several words name: `TYPE`, `TYPE/NAME` each, or one `TYPE` and names.
///
/// # Errors
/// When they name none, or one twice.
pub fn several(words: &[String]) -> Result<Vec<ResourceArg>, InvalidResource> {
    let (first, rest) = words.split_first().ok_or(InvalidResource::Nothing)?;
    if words.iter().any(|word| word == "all") {
        if !rest.is_empty() {
            return Err(InvalidResource::AllAndMore);
        }
        return ALL.iter().map(|name| name.parse()).collect();
    }
    let found: Vec<ResourceArg> = match !first.contains('/') && !rest.is_empty() && !is_type(&rest[0]) {
        true => {
            let kind = Type::of(first)?;
            rest.iter().map(|name| named(kind, name)).collect::<Result<_, _>>()?
        }
        false => words.iter().map(|word| word.parse()).collect::<Result<_, _>>()?,
    };
    let twice = (1..found.len()).any(|index| found[..index].contains(&found[index]));
    if twice { Err(InvalidResource::Twice) } else { Ok(found) }
}

fn is_type(word: &str) -> bool {
    word.contains('/') || Type::of(word).is_ok()
}

fn named(kind: &'static Type, name: &str) -> Result<ResourceArg, InvalidResource> {
    match name.contains('/') {
        true => Err(InvalidResource::Shape(name.to_owned())),
        false => Ok(ResourceArg { kind, name: name.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(words: &[&str]) -> Result<Vec<String>, InvalidResource> {
        let words: Vec<String> = words.iter().map(ToString::to_string).collect();
        Ok(several(&words)?.into_iter().map(|it| format!("{}/{}", it.kind.name, it.name)).collect())
    }

    #[test]
    fn resources_are_named_in_every_usual_way() {
        assert_eq!(names(&["deploy"]).unwrap(), ["deployment/"]);
        assert_eq!(names(&["deploy/web", "po"]).unwrap(), ["deployment/web", "pod/"]);
        assert_eq!(names(&["deploy", "web", "db"]).unwrap(), ["deployment/web", "deployment/db"]);
        assert_eq!(names(&["deploy", "sts"]).unwrap(), ["deployment/", "statefulset/"]);
        assert_eq!(names(&["all"]).unwrap().len(), 10);
        assert_eq!(names(&[]), Err(InvalidResource::Nothing));
        assert_eq!(names(&["all", "po"]), Err(InvalidResource::AllAndMore));
        assert_eq!(names(&["po", "pods"]), Err(InvalidResource::Twice));
        assert_eq!(names(&["a/b/c"]), Err(InvalidResource::Shape("a/b/c".into())));
        assert_eq!(names(&["banana"]), Err(InvalidResource::Kind("banana".into())));
    }
}
