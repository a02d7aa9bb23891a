//! Reading and judging a ServiceProfile, collecting problems as it goes.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::problem::{Cause, Invalid, Problem};
use super::{
    API_VERSION, KIND, PortRange, RequestMatch, ResponseClass, ResponseMatch, RetryBudget, Route,
    ServiceProfile, Spec, StatusRange, WeightedDestination, WrittenDuration,
};
use crate::dns::Subdomain;
use crate::suggest;

/// Conditions within conditions beyond this are refused.
const DEEPEST: usize = 32;

const TOP: &[&str] = &["apiVersion", "kind", "metadata", "spec", "status"];
const SPEC: &[&str] = &["routes", "retryBudget", "dstOverrides", "opaquePorts"];
const ROUTE: &[&str] = &["name", "condition", "responseClasses", "isRetryable", "timeout"];
const REQUEST: &[&str] = &["all", "any", "not", "pathRegex", "method"];
const CLASS: &[&str] = &["condition", "isFailure"];
const RESPONSE: &[&str] = &["all", "any", "not", "status"];
const STATUS: &[&str] = &["min", "max"];
const BUDGET: &[&str] = &["retryRatio", "minRetriesPerSecond", "ttl"];
const OVERRIDE: &[&str] = &["authority", "weight"];

/// Reads a whole object.
pub(super) fn profile(object: &Value) -> Result<ServiceProfile, Invalid> {
    let name = object.pointer("/metadata/name").and_then(Value::as_str);
    let mut reader = Reader::default();
    let profile = reader.profile(object);
    reader.finish(name, profile)
}

/// Reads a spec alone.
pub(super) fn spec(spec: &Value) -> Result<Spec, Invalid> {
    let mut reader = Reader::default();
    reader.path.push_str("spec");
    let spec = reader.spec(spec);
    reader.finish(None, spec)
}

/// The place that is being read and what was found wrong so far.
#[derive(Default)]
struct Reader {
    path: String,
    problems: Vec<Problem>,
}

impl Reader {
    fn finish<T>(self, name: Option<&str>, read: Option<T>) -> Result<T, Invalid> {
        match read {
            Some(read) if self.problems.is_empty() => Ok(read),
            _ => Err(Invalid { name: name.map(str::to_owned), problems: self.problems }),
        }
    }

    // --- the object, from the top down

    fn profile(&mut self, object: &Value) -> Option<ServiceProfile> {
        let fields = self.fields(object, TOP)?;
        self.at("apiVersion", |reader| {
            let found = reader.required(fields, "apiVersion")?;
            reader.one_of(found, &[API_VERSION, "linkerd.io/v1alpha1"])
        });
        self.at("kind", |reader| {
            let found = reader.required(fields, "kind")?;
            reader.one_of(found, &[KIND])
        });
        let metadata = self.at("metadata", |reader| reader.metadata(fields));
        let spec = self.at("spec", |reader| {
            let value = reader.required(fields, "spec")?;
            let spec = reader.spec(value)?;
            if spec.routes.is_empty() && reader.problems.is_empty() {
                reader.at("routes", |reader| reader.fail::<()>(Cause::NoRoutes));
            }
            Some(spec)
        });
        let (name, namespace) = metadata?;
        Some(ServiceProfile { name, namespace, spec: spec? })
    }

    fn metadata(&mut self, fields: &Map<String, Value>) -> Option<(String, Option<String>)> {
        let Value::Object(metadata) = self.required(fields, "metadata")? else {
            return self.fail(Cause::Type { expected: "a mapping", found: kind(&fields["metadata"]) });
        };
        let namespace = match given(metadata, "namespace") {
            Some(value) => self.at("namespace", |reader| reader.text(value)),
            None => None,
        };
        let name = self.at("name", |reader| {
            let value = reader.required(metadata, "name")?;
            let name = reader.text(value)?;
            match name.parse::<Subdomain>() {
                Ok(_) => Some(name),
                Err(error) => reader.fail(Cause::Value(error.to_string())),
            }
        });
        Some((name?, namespace))
    }

    fn spec(&mut self, value: &Value) -> Option<Spec> {
        let fields = self.fields(value, SPEC)?;
        Some(Spec {
            routes: self.list(fields, "routes", Self::route),
            retry_budget: self.optional(fields, "retryBudget", Self::budget),
            dst_overrides: self.list(fields, "dstOverrides", Self::destination),
            opaque_ports: self.list(fields, "opaquePorts", Self::ports),
        })
    }

    fn route(&mut self, value: &Value) -> Option<Route> {
        let fields = self.fields(value, ROUTE)?;
        let name = self.at("name", |reader| {
            let value = reader.required(fields, "name")?;
            let name = reader.text(value)?;
            if name.is_empty() { reader.fail(Cause::Missing) } else { Some(name) }
        });
        let condition = self.at("condition", |reader| {
            let value = reader.required(fields, "condition")?;
            reader.request(value, 1)
        });
        let response_classes = self.list(fields, "responseClasses", Self::class);
        let is_retryable = self.optional(fields, "isRetryable", Self::flag).unwrap_or(false);
        let timeout = self.optional(fields, "timeout", Self::duration);
        Some(Route { name: name?, condition: condition?, response_classes, is_retryable, timeout })
    }

    fn request(&mut self, value: &Value, depth: usize) -> Option<RequestMatch> {
        if depth > DEEPEST {
            return self.fail(Cause::TooDeep(DEEPEST));
        }
        let fields = self.fields(value, REQUEST)?;
        if REQUEST.iter().all(|name| given(fields, name).is_none()) {
            return self.fail(Cause::EmptyRequestMatch);
        }
        Some(RequestMatch {
            all: self.conditions(fields, "all", |reader, value| reader.request(value, depth + 1)),
            any: self.conditions(fields, "any", |reader, value| reader.request(value, depth + 1)),
            not: self.optional(fields, "not", |reader, value| reader.request(value, depth + 1)).map(Box::new),
            path_regex: self.optional(fields, "pathRegex", Self::regex),
            method: self.optional(fields, "method", Self::method),
        })
    }

    fn class(&mut self, value: &Value) -> Option<ResponseClass> {
        let fields = self.fields(value, CLASS)?;
        let is_failure = self.optional(fields, "isFailure", Self::flag).unwrap_or(false);
        let condition = self.at("condition", |reader| {
            let value = reader.required(fields, "condition")?;
            reader.response(value, 1)
        });
        Some(ResponseClass { condition: condition?, is_failure })
    }

    fn response(&mut self, value: &Value, depth: usize) -> Option<ResponseMatch> {
        if depth > DEEPEST {
            return self.fail(Cause::TooDeep(DEEPEST));
        }
        let fields = self.fields(value, RESPONSE)?;
        if RESPONSE.iter().all(|name| given(fields, name).is_none()) {
            return self.fail(Cause::EmptyResponseMatch);
        }
        Some(ResponseMatch {
            all: self.conditions(fields, "all", |reader, value| reader.response(value, depth + 1)),
            any: self.conditions(fields, "any", |reader, value| reader.response(value, depth + 1)),
            not: self
                .optional(fields, "not", |reader, value| reader.response(value, depth + 1))
                .map(Box::new),
            status: self.optional(fields, "status", Self::statuses),
        })
    }

    fn statuses(&mut self, value: &Value) -> Option<StatusRange> {
        let fields = self.fields(value, STATUS)?;
        let min = self.optional(fields, "min", Self::status);
        let max = self.optional(fields, "max", Self::status);
        if given(fields, "min").is_none() && given(fields, "max").is_none() {
            return self.fail(Cause::Value("a status range needs min, max or both".to_owned()));
        }
        if let (Some(min), Some(max)) = (min, max)
            && max < min
        {
            return self.fail(Cause::Value(format!("the maximum {max} is smaller than the minimum {min}")));
        }
        Some(StatusRange { min, max })
    }

    fn budget(&mut self, value: &Value) -> Option<RetryBudget> {
        let fields = self.fields(value, BUDGET)?;
        let retry_ratio = self.at("retryRatio", |reader| {
            let value = reader.required(fields, "retryRatio")?;
            match value.as_f64() {
                Some(ratio) if ratio >= 0.0 && ratio.is_finite() => Some(ratio),
                Some(ratio) => reader.fail(Cause::Value(format!("{ratio} is negative"))),
                None => reader.wrong(value, "a number"),
            }
        });
        let min_retries_per_second = self.at("minRetriesPerSecond", |reader| {
            let value = reader.required(fields, "minRetriesPerSecond")?;
            let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
            number.or_else(|| reader.wrong(value, "a whole number from 0 to 4294967295"))
        });
        let ttl = self.at("ttl", |reader| {
            let value = reader.required(fields, "ttl")?;
            reader.duration(value)
        });
        Some(RetryBudget {
            retry_ratio: retry_ratio?,
            min_retries_per_second: min_retries_per_second?,
            ttl: ttl?,
        })
    }

    fn destination(&mut self, value: &Value) -> Option<WeightedDestination> {
        let fields = self.fields(value, OVERRIDE)?;
        let authority = self.at("authority", |reader| {
            let value = reader.required(fields, "authority")?;
            let authority = reader.text(value)?;
            if is_authority(&authority) {
                Some(authority)
            } else {
                reader.fail(Cause::Value(format!("\"{authority}\" is not host or host:port")))
            }
        });
        let weight_milli = self.at("weight", |reader| {
            let value = reader.required(fields, "weight")?;
            let text = match value {
                Value::Number(number) => number.to_string(),
                Value::String(text) => text.clone(),
                _ => return reader.wrong(value, "a quantity"),
            };
            let weight = milli(&text);
            weight.or_else(|| {
                reader.fail(Cause::Value(format!(
                    "\"{text}\" is not a quantity of 0 or more such as 1 or 500m"
                )))
            })
        });
        Some(WeightedDestination { authority: authority?, weight_milli: weight_milli? })
    }

    // --- single values

    fn ports(&mut self, value: &Value) -> Option<PortRange> {
        let text = match value {
            Value::Number(number) => number.to_string(),
            Value::String(text) => text.clone(),
            _ => return self.wrong(value, "a port or a range of ports"),
        };
        let port = |text: &str| text.trim().parse::<u16>().ok().filter(|port| *port > 0);
        let range = match text.split_once('-') {
            Some((first, last)) => port(first).zip(port(last)),
            None => port(&text).map(|only| (only, only)),
        };
        match range {
            Some((first, last)) if first <= last => Some(PortRange { first, last }),
            _ => self.fail(Cause::Value(format!("\"{text}\" is not a port or a range of ports"))),
        }
    }

    fn status(&mut self, value: &Value) -> Option<u16> {
        match value.as_f64() {
            Some(_) => {
                let status = value.as_u64().and_then(|status| u16::try_from(status).ok());
                let status = status.filter(|status| (100..=599).contains(status));
                status.or_else(|| self.fail(Cause::Value(format!("{value} is not a status from 100 to 599"))))
            }
            None => self.wrong(value, "a status"),
        }
    }

    fn regex(&mut self, value: &Value) -> Option<String> {
        let text = self.text(value)?;
        match regex::Regex::new(&text) {
            Ok(_) => Some(text),
            Err(error) => {
                let last = error.to_string().lines().last().unwrap_or_default().to_owned();
                let cause = last.trim_start_matches("error: ");
                self.fail(Cause::Value(format!("\"{text}\" is not a regular expression: {cause}")))
            }
        }
    }

    fn method(&mut self, value: &Value) -> Option<String> {
        let text = self.text(value)?;
        let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if !text.is_empty() && text.bytes().all(token) {
            Some(text)
        } else {
            self.fail(Cause::Value(format!("\"{text}\" is not an HTTP method")))
        }
    }

    fn duration(&mut self, value: &Value) -> Option<WrittenDuration> {
        match self.text(value)?.parse() {
            Ok(duration) => Some(duration),
            Err(error) => self.fail(Cause::Value(error.to_string())),
        }
    }

    fn text(&mut self, value: &Value) -> Option<String> {
        let text = value.as_str().map(str::to_owned);
        text.or_else(|| self.wrong(value, "a text"))
    }

    fn flag(&mut self, value: &Value) -> Option<bool> {
        value.as_bool().or_else(|| self.wrong(value, "true or false"))
    }

    fn one_of(&mut self, value: &Value, allowed: &[&str]) -> Option<()> {
        let text = self.text(value)?;
        if allowed.contains(&text.as_str()) {
            return Some(());
        }
        self.fail(Cause::Value(format!("\"{text}\" is not {}", allowed.join(" or "))))
    }

    // --- the walk

    /// The fields of a mapping; those that are not known are problems.
    fn fields<'v>(&mut self, value: &'v Value, known: &[&'static str]) -> Option<&'v Map<String, Value>> {
        let Value::Object(fields) = value else { return self.wrong(value, "a mapping") };
        for name in fields.keys().filter(|name| !known.contains(&name.as_str())) {
            let suggestion = suggest::nearest(name, known.iter().copied())
                .and_then(|near| known.iter().copied().find(|known| *known == near));
            self.at(name, |reader| reader.fail::<()>(Cause::Unknown { suggestion }));
        }
        Some(fields)
    }

    fn required<'v>(&mut self, fields: &'v Map<String, Value>, name: &str) -> Option<&'v Value> {
        let found = given(fields, name);
        found.or_else(|| self.fail(Cause::Missing))
    }

    fn optional<T>(
        &mut self,
        fields: &Map<String, Value>,
        name: &str,
        read: impl FnOnce(&mut Self, &Value) -> Option<T>,
    ) -> Option<T> {
        let value = given(fields, name)?;
        self.at(name, |reader| read(reader, value))
    }

    fn list<T>(
        &mut self,
        fields: &Map<String, Value>,
        name: &str,
        mut read: impl FnMut(&mut Self, &Value) -> Option<T>,
    ) -> Vec<T> {
        let Some(value) = given(fields, name) else { return Vec::new() };
        let all = self.at(name, |reader| {
            let Value::Array(values) = value else { return reader.wrong(value, "a list") };
            let mut all = Vec::with_capacity(values.len());
            for (index, value) in values.iter().enumerate() {
                let before = reader.path.len();
                let _ = write!(reader.path, "[{index}]");
                all.extend(read(reader, value));
                reader.path.truncate(before);
            }
            Some(all)
        });
        all.unwrap_or_default()
    }

    /// A list of conditions, which means nothing when it is empty.
    fn conditions<T>(
        &mut self,
        fields: &Map<String, Value>,
        name: &str,
        read: impl FnMut(&mut Self, &Value) -> Option<T>,
    ) -> Vec<T> {
        if given(fields, name).and_then(Value::as_array).is_some_and(Vec::is_empty) {
            self.at(name, |reader| reader.fail::<()>(Cause::Value("the list is empty".to_owned())));
        }
        self.list(fields, name, read)
    }

    fn at<T>(&mut self, name: &str, read: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.path.len();
        if before > 0 {
            self.path.push('.');
        }
        self.path.push_str(name);
        let read = read(self);
        self.path.truncate(before);
        read
    }

    fn wrong<T>(&mut self, value: &Value, expected: &'static str) -> Option<T> {
        self.fail(Cause::Type { expected, found: kind(value) })
    }

    fn fail<T>(&mut self, cause: Cause) -> Option<T> {
        if self.problems.len() < Invalid::MOST {
            let field = if self.path.is_empty() { "the document".to_owned() } else { self.path.clone() };
            self.problems.push(Problem { field, cause });
        }
        None
    }
}

/// A field that is there; `null` is as good as absent, as everywhere in the API.
fn given<'v>(fields: &'v Map<String, Value>, name: &str) -> Option<&'v Value> {
    fields.get(name).filter(|value| !value.is_null())
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a mapping",
    }
}

fn is_authority(text: &str) -> bool {
    let (host, port) = match text.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    };
    let port = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
    let host = host.strip_suffix('.').unwrap_or(host);
    port && !host.is_empty() && host.to_ascii_lowercase().parse::<Subdomain>().is_ok()
}

/// A Kubernetes quantity in thousandths, rounded up as the API does.
fn milli(text: &str) -> Option<u64> {
    let (number, scale) = match text.char_indices().next_back()? {
        (at, 'm') => (&text[..at], 1),
        (at, 'k') => (&text[..at], 1_000_000),
        (at, 'M') => (&text[..at], 1_000_000_000),
        _ => (text, 1_000u128),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = |text: &str| text.len() <= 18 && text.bytes().all(|byte| byte.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !digits(whole) || !digits(fraction) {
        return None;
    }
    let parse = |text: &str| text.parse::<u128>().unwrap_or(0);
    let part = (parse(fraction) * scale).div_ceil(10u128.pow(fraction.len() as u32));
    u64::try_from(parse(whole) * scale + part).ok()
}
