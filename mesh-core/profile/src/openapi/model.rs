//! What is read of a document: a model for all versions, borrowed from the text.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, Visitor};

/// The top of a document.
#[derive(serde::Deserialize)]
pub(super) struct Document<'a> {
    #[serde(borrow, default)]
    pub(super) swagger: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) openapi: Option<Text<'a>>,
    #[serde(borrow, default, rename = "basePath")]
    pub(super) base_path: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) servers: Option<Vec<Strict<Server<'a>>>>,
    #[serde(borrow, default)]
    pub(super) paths: Option<Entries<'a, Strict<PathItem<'a>>>>,
    #[serde(borrow, default)]
    pub(super) components: Option<Strict<Components<'a>>>,
    #[serde(borrow, default)]
    pub(super) responses: Option<Entries<'a, Strict<Response<'a>>>>,
    #[serde(default, rename = "x-linkerd-retryable")]
    pub(super) retryable: Option<bool>,
    #[serde(borrow, default, rename = "x-linkerd-timeout")]
    pub(super) timeout: Option<Text<'a>>,
}

/// What `#/components/…` may lead to.
#[derive(serde::Deserialize)]
pub(super) struct Components<'a> {
    #[serde(borrow, default)]
    pub(super) responses: Option<Entries<'a, Strict<Response<'a>>>>,
    #[serde(borrow, default, rename = "pathItems")]
    pub(super) path_items: Option<Entries<'a, Strict<PathItem<'a>>>>,
}

/// The operations of a path.
#[derive(serde::Deserialize)]
pub(super) struct PathItem<'a> {
    #[serde(borrow, default, rename = "$ref")]
    pub(super) reference: Option<Text<'a>>,
    #[serde(borrow, default)]
    delete: Option<Strict<Operation<'a>>>,
    #[serde(borrow, default)]
    get: Option<Strict<Operation<'a>>>,
    #[serde(borrow, default)]
    head: Option<Strict<Operation<'a>>>,
    #[serde(borrow, default)]
    options: Option<Strict<Operation<'a>>>,
    #[serde(borrow, default)]
    patch: Option<Strict<Operation<'a>>>,
    #[serde(borrow, default)]
    post: Option<Strict<Operation<'a>>>,
    #[serde(borrow, default)]
    put: Option<Strict<Operation<'a>>>,
    #[serde(borrow, default)]
    trace: Option<Strict<Operation<'a>>>,
    #[serde(borrow, default)]
    pub(super) servers: Option<Vec<Strict<Server<'a>>>>,
    #[serde(default, rename = "x-linkerd-retryable")]
    pub(super) retryable: Option<bool>,
    #[serde(borrow, default, rename = "x-linkerd-timeout")]
    pub(super) timeout: Option<Text<'a>>,
}

/// One method of a path.
#[derive(serde::Deserialize)]
pub(super) struct Operation<'a> {
    #[serde(borrow, default)]
    pub(super) responses: Option<Entries<'a, Strict<Response<'a>>>>,
    #[serde(borrow, default)]
    pub(super) servers: Option<Vec<Strict<Server<'a>>>>,
    #[serde(default, rename = "x-linkerd-retryable")]
    pub(super) retryable: Option<bool>,
    #[serde(borrow, default, rename = "x-linkerd-timeout")]
    pub(super) timeout: Option<Text<'a>>,
}

/// A response; only where it really stands matters.
#[derive(serde::Deserialize)]
pub(super) struct Response<'a> {
    #[serde(borrow, default, rename = "$ref")]
    pub(super) reference: Option<Text<'a>>,
}

/// A place where the API is served.
#[derive(serde::Deserialize)]
pub(super) struct Server<'a> {
    #[serde(borrow, default)]
    pub(super) url: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) variables: Option<Entries<'a, Strict<Variable<'a>>>>,
}

/// A variable of a server's URL.
#[derive(serde::Deserialize)]
pub(super) struct Variable<'a> {
    #[serde(borrow, default)]
    pub(super) default: Option<Text<'a>>,
    #[serde(borrow, default, rename = "enum")]
    pub(super) choices: Option<Vec<Text<'a>>>,
}

/// Text that is borrowed where it can be; numbers and booleans are taken as they are written.
pub(super) struct Text<'a>(Cow<'a, str>);

/// A mapping with keys of any name, sorted by them. Extensions (`x-…`) are left out; `null` is no entry.
pub(super) struct Entries<'a, T>(pub(super) Vec<(Text<'a>, Option<T>)>);

/// A structure that is written as a mapping; derived ones alone would take a list as well.
pub(super) struct Strict<T>(pub(super) T);

/// The methods of OpenAPI, in the order of routes.
#[derive(Clone, Copy)]
pub(super) enum Method {
    Delete,
    Get,
    Head,
    Options,
    Patch,
    Post,
    Put,
    Trace,
}

// === impl PathItem ===

impl<'a> PathItem<'a> {
    pub(super) fn operation(&self, method: Method) -> Option<&Operation<'a>> {
        let operation = match method {
            Method::Delete => &self.delete,
            Method::Get => &self.get,
            Method::Head => &self.head,
            Method::Options => &self.options,
            Method::Patch => &self.patch,
            Method::Post => &self.post,
            Method::Put => &self.put,
            Method::Trace => &self.trace,
        };
        operation.as_ref().map(|operation| &operation.0)
    }
}

// === impl Method ===

impl Method {
    pub(super) const ALL: [Self; 8] =
        [Self::Delete, Self::Get, Self::Head, Self::Options, Self::Patch, Self::Post, Self::Put, Self::Trace];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Delete => "DELETE",
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Options => "OPTIONS",
            Self::Patch => "PATCH",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Trace => "TRACE",
        }
    }

    pub(super) const fn key(self) -> &'static str {
        match self {
            Self::Delete => "delete",
            Self::Get => "get",
            Self::Head => "head",
            Self::Options => "options",
            Self::Patch => "patch",
            Self::Post => "post",
            Self::Put => "put",
            Self::Trace => "trace",
        }
    }
}

// === impl Text ===

impl Text<'_> {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Words;

        impl<'de> Visitor<'de> for Words {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }

            fn visit_bool<E>(self, value: bool) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(value.to_string())))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(value.to_string())))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(value.to_string())))
            }

            fn visit_f64<E>(self, value: f64) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(value.to_string())))
            }
        }

        deserializer.deserialize_any(Words)
    }
}

// === impl Strict ===

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Strict<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<T> {
            type Value = Strict<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a mapping")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Strict<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Strict)
            }
        }

        deserializer.deserialize_map(Fields(PhantomData))
    }
}

// === impl Entries ===

impl<T> Entries<'_, T> {
    /// The value of a key.
    pub(super) fn find(&self, key: &str) -> Option<&T> {
        let at = self.0.binary_search_by(|(found, _)| found.as_str().cmp(key)).ok()?;
        self.0[at].1.as_ref()
    }
}

impl<'de: 'a, 'a, T: Deserialize<'de>> Deserialize<'de> for Entries<'a, T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs<'a, T>(PhantomData<(&'a (), T)>);

        impl<'de: 'a, 'a, T: Deserialize<'de>> Visitor<'de> for Pairs<'a, T> {
            type Value = Entries<'a, T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a mapping")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries: Vec<(Text<'a>, Option<T>)> = Vec::new();
                while let Some(key) = map.next_key::<Text<'a>>()? {
                    if key.as_str().starts_with("x-") {
                        map.next_value::<IgnoredAny>()?;
                    } else {
                        entries.push((key, map.next_value()?));
                    }
                }
                entries.sort_by(|(left, _), (right, _)| left.as_str().cmp(right.as_str()));
                match entries.windows(2).find(|pair| pair[0].0.as_str() == pair[1].0.as_str()) {
                    Some(pair) => {
                        Err(A::Error::custom(format_args!("key {:?} is there twice", pair[0].0.as_str())))
                    }
                    None => Ok(Entries(entries)),
                }
            }
        }

        deserializer.deserialize_map(Pairs(PhantomData))
    }
}
