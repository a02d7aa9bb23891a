//! Traffic of objects of one kind: numbers from the source, pods and objects from the API server.

use std::collections::BTreeMap;
use std::time::Duration;

use mesh_api::public::{RequestStats, Resource, StatRequest, StatResponse, StatRow, TcpStats};

use super::Refusal;
use super::objects::{Kind, Object, Objects};
use super::query::{Answer, Is, Metric, Query, Source};

/// Shortest window, so that it holds two scrapes.
pub(super) const MIN_WINDOW: Duration = Duration::from_secs(10);
/// Longest window.
pub(super) const MAX_WINDOW: Duration = Duration::from_secs(7 * 24 * 3_600);

/// Which series a question is about, and what its answers are told apart by.
#[derive(Clone, Debug, PartialEq, Eq)]
struct View {
    labels: Vec<(&'static str, Is)>,
    /// The label with the namespace of a row.
    namespace: &'static str,
    /// The label with the name of a row.
    name: &'static str,
    /// Which end of a connection is counted.
    peer: &'static str,
    /// Whether the proxies that answer are those of the rows: they know what they denied.
    answering: bool,
}

/// Numbers of one row.
#[derive(Clone, Debug, Default)]
struct Numbers {
    requests: Option<RequestStats>,
    tcp: Option<TcpStats>,
    denied: u64,
}

/// Answers.
pub(super) async fn stat(
    source: &dyn Source,
    objects: &Objects,
    request: &StatRequest,
) -> Result<StatResponse, Refusal> {
    let target = request.target.as_ref().ok_or_else(|| Refusal::invalid("no target is named"))?;
    let kind = kind_of(target)?;
    let window = window(request.window_seconds)?;
    let view = view(kind, target, request.to.as_ref(), request.from.as_ref())?;
    let numbers = numbers(source, &view, window).await?;
    let only_seen = request.to.is_some() || request.from.is_some() || kind.name == "authority";
    let rows = match only_seen {
        true => seen(kind, target, numbers, objects).await?,
        false => all(kind, target, &request.label_selector, numbers, objects).await?,
    };
    let covered = source.covers(window).as_secs();
    Ok(StatResponse {
        rows,
        source: source.name().to_owned(),
        window_seconds: u32::try_from(covered).unwrap_or(u32::MAX),
    })
}

/// The kind of a resource.
pub(super) fn kind_of(resource: &Resource) -> Result<&'static Kind, Refusal> {
    let unknown = || Refusal::invalid(format!("unsupported resource type [{}]", short(&resource.r#type)));
    for text in [&resource.namespace, &resource.name] {
        if text.len() > 253 || text.chars().any(|it| it.is_control() || it == '"' || it == ',' || it == '=') {
            return Err(Refusal::invalid(format!("{:?} cannot be a name", short(text))));
        }
    }
    Kind::of(&resource.r#type).ok_or_else(unknown)
}

/// A window within the limits; a minute where none is given.
pub(super) fn window(seconds: u32) -> Result<Duration, Refusal> {
    let window = match seconds {
        0 => Duration::from_secs(60),
        seconds => Duration::from_secs(seconds.into()),
    };
    match (MIN_WINDOW..=MAX_WINDOW).contains(&window) {
        true => Ok(window),
        false => Err(Refusal::invalid(format!(
            "the time window must be between {}s and {}s",
            MIN_WINDOW.as_secs(),
            MAX_WINDOW.as_secs()
        ))),
    }
}

fn short(text: &str) -> String {
    text.chars().take(64).collect()
}

fn view(
    kind: &'static Kind,
    target: &Resource,
    to: Option<&Resource>,
    from: Option<&Resource>,
) -> Result<View, Refusal> {
    let mut labels = Vec::new();
    let mut put = |key: &'static str, value: &str| {
        if !value.is_empty() {
            labels.push((key, Is::Equal(value.to_owned())));
        }
    };
    match (to, from) {
        (Some(_), Some(_)) => Err(Refusal::invalid("--to and --from flags are mutually exclusive")),
        (None, None) if kind.name == "service" => {
            // A Service has no proxy: what is counted is what its callers see.
            put("dst_namespace", &target.namespace);
            put("dst_service", &target.name);
            labels.push(("direction", Is::Equal("outbound".to_owned())));
            labels.push(("dst_service", Is::Present));
            Ok(View {
                labels,
                namespace: "dst_namespace",
                name: "dst_service",
                peer: "dst",
                answering: false,
            })
        }
        (None, None) => {
            own(kind, target, &mut put);
            labels.push(("direction", Is::Equal("inbound".to_owned())));
            labels.push((kind.label, Is::Present));
            Ok(View { labels, namespace: "namespace", name: kind.label, peer: "src", answering: true })
        }
        (Some(to), None) => {
            if kind.name == "service" {
                return Err(Refusal::invalid(SERVICE));
            }
            let other = kind_of(to)?;
            own(kind, target, &mut put);
            if !to.name.is_empty() {
                put(other.dst_label, &to.name);
            }
            if other.name != "authority" && !other.is_namespace() {
                put("dst_namespace", &to.namespace);
            }
            labels.push(("direction", Is::Equal("outbound".to_owned())));
            labels.push((kind.label, Is::Present));
            Ok(View { labels, namespace: "namespace", name: kind.label, peer: "dst", answering: false })
        }
        (None, Some(from)) => {
            let other = kind_of(from)?;
            if other.name == "service" {
                return Err(Refusal::invalid(SERVICE));
            }
            if other.name == "authority" {
                return Err(Refusal::invalid("cannot query traffic --from an authority"));
            }
            own(other, from, &mut put);
            put(kind.dst_label, &target.name);
            if !kind.is_namespace() {
                put("dst_namespace", &target.namespace);
            }
            labels.push(("direction", Is::Equal("outbound".to_owned())));
            labels.push((kind.dst_label, Is::Present));
            Ok(View {
                labels,
                namespace: "dst_namespace",
                name: kind.dst_label,
                peer: "dst",
                answering: false,
            })
        }
    }
}

const SERVICE: &str =
    "service only supported as a target on 'from' queries, or as a destination on 'to' queries";

/// Labels of the end that reports.
fn own(kind: &'static Kind, resource: &Resource, put: &mut impl FnMut(&'static str, &str)) {
    put(kind.label, &resource.name);
    if !kind.is_namespace() {
        put("namespace", &resource.namespace);
    }
}

/// Every number there is, by namespace and name.
async fn numbers(
    source: &dyn Source,
    view: &View,
    window: Duration,
) -> Result<BTreeMap<(String, String), Numbers>, Refusal> {
    let by: Vec<&'static str> = match view.namespace == view.name {
        true => vec![view.name],
        false => vec![view.namespace, view.name],
    };
    let query = |metric, more: &[&'static str]| Query {
        metric,
        labels: view.labels.clone(),
        by: by.iter().chain(more).copied().collect(),
        window,
    };
    let tcp = |metric| {
        let mut query = query(metric, &[]);
        query.labels.push(("peer", Is::Equal(view.peer.to_owned())));
        query
    };
    let denied = query(Metric::Denied, &[]).without("direction");
    let denied = async { if view.answering { source.increase(&denied).await } else { Ok(Answer::new()) } };
    let responses = query(Metric::Responses, &["classification"]);
    let latency = query(Metric::Latency, &[]);
    let (open, read, write) = (tcp(Metric::OpenConnections), tcp(Metric::ReadBytes), tcp(Metric::WriteBytes));
    let (responses, p50, p95, p99, open, read, write, denied) = futures::try_join!(
        source.increase(&responses),
        source.quantile(&latency, 0.5),
        source.quantile(&latency, 0.95),
        source.quantile(&latency, 0.99),
        source.level(&open),
        source.increase(&read),
        source.increase(&write),
        denied,
    )
    .map_err(|error| Refusal::unavailable(error.to_string()))?;

    let mut out: BTreeMap<(String, String), Numbers> = BTreeMap::new();
    let key = |group: &super::query::Group| {
        let get = |key| group.get(key).cloned().unwrap_or_default();
        let namespace = if view.namespace == view.name { String::new() } else { get(view.namespace) };
        (namespace, get(view.name))
    };
    for (group, value) in &responses {
        let entry = out.entry(key(group)).or_default().requests.get_or_insert_default();
        match group.get("classification").map(String::as_str) {
            Some("success") => entry.success += whole(*value),
            _ => entry.failure += whole(*value),
        }
    }
    let mut latencies = |answer: &Answer, set: fn(&mut RequestStats, u64)| {
        for (group, value) in answer {
            if let Some(requests) = out.get_mut(&key(group)).and_then(|numbers| numbers.requests.as_mut()) {
                set(requests, whole(*value));
            }
        }
    };
    latencies(&p50, |stats, value| stats.latency_ms_p50 = value);
    latencies(&p95, |stats, value| stats.latency_ms_p95 = value);
    latencies(&p99, |stats, value| stats.latency_ms_p99 = value);
    let mut bytes = |answer: &Answer, set: fn(&mut TcpStats, u64)| {
        for (group, value) in answer {
            set(out.entry(key(group)).or_default().tcp.get_or_insert_default(), whole(*value));
        }
    };
    bytes(&open, |stats, value| stats.open_connections = value);
    bytes(&read, |stats, value| stats.read_bytes = value);
    bytes(&write, |stats, value| stats.write_bytes = value);
    for (group, value) in &denied {
        out.entry(key(group)).or_default().denied = whole(*value);
    }
    for numbers in out.values_mut() {
        // Nothing in the window is as good as nothing seen.
        numbers.requests = numbers.requests.filter(|it| it.success + it.failure > 0);
    }
    Ok(out)
}

/// Every object of the kind, with and without numbers.
async fn all(
    kind: &'static Kind,
    target: &Resource,
    selector: &str,
    mut numbers: BTreeMap<(String, String), Numbers>,
    objects: &Objects,
) -> Result<Vec<StatRow>, Refusal> {
    let (found, pods) = futures::try_join!(
        objects.list(kind, &target.namespace, &target.name, selector),
        objects.pods(pods_namespace(kind, target), ""),
    )
    .map_err(Refusal::unavailable)?;
    if found.is_empty() && !target.name.is_empty() {
        let place =
            if kind.is_namespace() { String::new() } else { format!(" in namespace {}", target.namespace) };
        return Err(Refusal::missing(format!("{} \"{}\" not found{place}", kind.name, target.name)));
    }
    let mut rows: Vec<StatRow> = found
        .iter()
        .filter(|object| kind.name != "pod" || pods.iter().any(|pod| is(pod, object)))
        .map(|object| {
            let known = numbers.remove(&(object.namespace.clone(), object.name.clone()));
            let count = object.count(kind, &pods);
            let status = match kind.name {
                "pod" => pods.iter().find(|pod| is(pod, object)).map(|pod| pod.status.clone()),
                _ => None,
            };
            StatRow {
                resource: Some(named(kind, &object.namespace, &object.name)),
                meshed_pods: count.meshed,
                running_pods: count.running,
                failed_pods: count.failed,
                status: status.unwrap_or_default(),
                ..row(known.unwrap_or_default())
            }
        })
        .collect();
    sort(&mut rows);
    Ok(rows)
}

fn is(pod: &super::objects::PodFacts, object: &Object) -> bool {
    pod.namespace == object.namespace && pod.name == object.name
}

/// Only what has numbers; pods are counted where the objects exist.
async fn seen(
    kind: &'static Kind,
    target: &Resource,
    numbers: BTreeMap<(String, String), Numbers>,
    objects: &Objects,
) -> Result<Vec<StatRow>, Refusal> {
    let (found, pods) = futures::try_join!(
        objects.list(kind, &target.namespace, &target.name, ""),
        objects.pods(pods_namespace(kind, target), ""),
    )
    .map_err(Refusal::unavailable)?;
    let mut rows: Vec<StatRow> = numbers
        .into_iter()
        .filter(|(_, numbers)| numbers.requests.is_some() || numbers.tcp.is_some())
        .map(|((namespace, name), numbers)| {
            let object = found.iter().find(|it| it.namespace == namespace && it.name == name);
            let count = object.map(|object| object.count(kind, &pods)).unwrap_or_default();
            StatRow {
                resource: Some(named(kind, &namespace, &name)),
                meshed_pods: count.meshed,
                running_pods: count.running,
                failed_pods: count.failed,
                ..row(numbers)
            }
        })
        .collect();
    sort(&mut rows);
    Ok(rows)
}

fn pods_namespace<'a>(kind: &Kind, target: &'a Resource) -> &'a str {
    if kind.is_namespace() { &target.name } else { &target.namespace }
}

fn named(kind: &Kind, namespace: &str, name: &str) -> Resource {
    Resource { namespace: namespace.to_owned(), r#type: kind.name.to_owned(), name: name.to_owned() }
}

fn row(numbers: Numbers) -> StatRow {
    StatRow {
        requests: numbers.requests,
        tcp: numbers.tcp,
        denied_requests: numbers.denied,
        ..StatRow::default()
    }
}

fn sort(rows: &mut [StatRow]) {
    rows.sort_by_cached_key(|row| {
        let resource = row.resource.clone().unwrap_or_default();
        format!("{}/{}", resource.namespace, resource.name)
    });
}

/// A count as a whole number; what is no number is nothing.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "bounded below, saturating above"
)]
pub(super) fn whole(value: f64) -> u64 {
    if value.is_finite() { value.round().max(0.0) as u64 } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(namespace: &str, kind: &str, name: &str) -> Resource {
        Resource { namespace: namespace.into(), r#type: kind.into(), name: name.into() }
    }

    fn labels(target: &Resource, to: Option<&Resource>, from: Option<&Resource>) -> Vec<String> {
        let view = view(kind_of(target).unwrap(), target, to, from).unwrap();
        let mut labels: Vec<String> = view
            .labels
            .iter()
            .map(|(key, is)| match is {
                Is::Equal(value) => format!("{key}={value}"),
                _ => format!("{key}!"),
            })
            .collect();
        labels.push(format!("by {},{}", view.namespace, view.name));
        labels
    }

    #[test]
    fn views_are_those_of_the_contract() {
        let web = resource("ns", "deployment", "web");
        assert_eq!(
            labels(&web, None, None),
            ["deployment=web", "namespace=ns", "direction=inbound", "deployment!", "by namespace,deployment"]
        );
        let voting = resource("other", "service", "voting");
        assert_eq!(
            labels(&web, Some(&voting), None),
            [
                "deployment=web",
                "namespace=ns",
                "dst_service=voting",
                "dst_namespace=other",
                "direction=outbound",
                "deployment!",
                "by namespace,deployment"
            ]
        );
        assert_eq!(
            labels(&voting, None, Some(&web)),
            [
                "deployment=web",
                "namespace=ns",
                "dst_service=voting",
                "dst_namespace=other",
                "direction=outbound",
                "dst_service!",
                "by dst_namespace,dst_service"
            ]
        );
        assert_eq!(
            labels(&resource("", "namespace", "ns"), None, None),
            ["namespace=ns", "direction=inbound", "namespace!", "by namespace,namespace"]
        );
        assert_eq!(
            labels(&resource("ns", "job", ""), None, None),
            ["namespace=ns", "direction=inbound", "k8s_job!", "by namespace,k8s_job"]
        );
    }

    #[test]
    fn what_cannot_be_asked_is_refused() {
        let web = resource("ns", "deployment", "web");
        let service = resource("ns", "service", "web");
        let kind = kind_of(&web).unwrap();
        assert!(view(kind, &web, Some(&service), Some(&web)).is_err());
        assert!(view(kind, &web, None, Some(&service)).is_err());
        assert!(view(kind_of(&service).unwrap(), &service, Some(&web), None).is_err());
        assert!(kind_of(&resource("ns", "secret", "")).is_err());
        assert!(kind_of(&resource("ns\"} or x{", "pod", "")).is_err());
        assert!(window(5).is_err() && window(u32::MAX).is_err());
        assert_eq!(window(0).unwrap(), Duration::from_secs(60));
    }
}
