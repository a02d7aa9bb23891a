//! Lines and objects of `linkerd tap`, in the form that scripts know.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mesh_api::published::http_types::{Headers, HttpMethod, Scheme, http_method, scheme};
use mesh_api::published::net::{TcpAddress, ip_address::Ip};
use mesh_api::published::tap::tap_event::http::{Event, StreamId};
use mesh_api::published::tap::tap_event::{self, ProxyDirection};
use mesh_api::published::tap::{TapEvent, eos};
use serde_json::{Map, Value, json};

use crate::args::resource::Type;

/// Names of gRPC status codes, by number.
const GRPC: [&str; 17] = [
    "OK",
    "Canceled",
    "Unknown",
    "InvalidArgument",
    "DeadlineExceeded",
    "NotFound",
    "AlreadyExists",
    "PermissionDenied",
    "ResourceExhausted",
    "FailedPrecondition",
    "Aborted",
    "OutOfRange",
    "Unimplemented",
    "Internal",
    "Unavailable",
    "DataLoss",
    "Unauthenticated",
];
/// The field in which a proxy says why it made a response itself.
const PROXY_ERROR: &str = "l5d-proxy-error";
/// Labels of workloads with the short names of their kinds.
const WORKLOADS: [(&str, &str); 7] = [
    ("deployment", "deploy"),
    ("daemonset", "ds"),
    ("statefulset", "sts"),
    ("k8s_job", "job"),
    ("cronjob", "cj"),
    ("replicationcontroller", "rc"),
    ("replicaset", "rs"),
];

type Labels = HashMap<String, String>;

/// An event as a line, with its end; `None` for one of no kind known. `wide` adds names, given the target's kind.
pub fn line(event: &TapEvent, wide: Option<&Type>) -> Option<String> {
    let Some(tap_event::Event::Http(http)) = &event.event else { return None };
    let (start, id, rest) = match http.event.as_ref()? {
        Event::RequestInit(init) => {
            let rest = format!(
                ":method={} :authority={} :path={}",
                method(init.method.as_ref()),
                printable(&init.authority),
                printable(&init.path)
            );
            ("req", &init.id, rest)
        }
        Event::ResponseInit(init) => {
            let latency = micros(init.since_request_init.as_ref());
            let reason = reason(init.headers.as_ref());
            ("rsp", &init.id, format!(":status={} latency={latency}\u{b5}s{reason}", init.http_status))
        }
        Event::ResponseEnd(end) => {
            let (duration, bytes) = (micros(end.since_response_init.as_ref()), end.response_bytes);
            let counts = format!("duration={duration}\u{b5}s response-length={bytes}B");
            let rest = match end.eos.as_ref().and_then(|eos| eos.end.as_ref()) {
                Some(eos::End::GrpcStatusCode(code)) => format!("grpc-status={} {counts}", grpc(*code)),
                Some(eos::End::ResetErrorCode(code)) => format!("reset-error={code} {counts}"),
                None => counts,
            };
            ("end", &end.id, rest)
        }
    };
    let (direction, peer) = match ProxyDirection::try_from(event.proxy_direction) {
        Ok(ProxyDirection::Inbound) => ("in ", labels(event.source_meta.as_ref().map(|meta| &meta.labels))),
        Ok(ProxyDirection::Outbound) => {
            ("out", labels(event.destination_meta.as_ref().map(|meta| &meta.labels)))
        }
        _ => ("???", BTreeMap::new()),
    };
    let tls = peer.get("tls").copied().unwrap_or_default();
    let id = (*id).unwrap_or_default();
    let mut line = format!(
        "{start} id={}:{} proxy={direction} src={} dst={} tls={} {rest}",
        id.base,
        id.stream,
        address(event.source.as_ref()),
        address(event.destination.as_ref()),
        printable(tls)
    );
    if let Some(target) = wide {
        names(event, target, &mut line);
    }
    line.push('\n');
    Some(line)
}

/// An event for programs.
pub fn object(event: &TapEvent) -> Value {
    let mut out = Map::new();
    let end = |address: Option<&TcpAddress>, meta: Option<&Labels>| {
        let socket = socket(address);
        json!({"ip": socket.ip().to_string(), "port": socket.port(), "metadata": meta})
    };
    let source_meta = event.source_meta.as_ref().map(|meta| &meta.labels);
    let destination_meta = event.destination_meta.as_ref().map(|meta| &meta.labels);
    out.insert("source".to_owned(), end(event.source.as_ref(), source_meta));
    out.insert("destination".to_owned(), end(event.destination.as_ref(), destination_meta));
    out.insert("routeMeta".to_owned(), json!(event.route_meta.as_ref().map(|meta| &meta.labels)));
    let direction = match ProxyDirection::try_from(event.proxy_direction) {
        Ok(ProxyDirection::Inbound) => "INBOUND",
        Ok(ProxyDirection::Outbound) => "OUTBOUND",
        _ => "UNKNOWN",
    };
    out.insert("proxyDirection".to_owned(), direction.into());
    let Some(tap_event::Event::Http(http)) = &event.event else { return out.into() };
    match &http.event {
        Some(Event::RequestInit(init)) => {
            let value = json!({"id": stream(init.id.as_ref()), "method": method(init.method.as_ref()),
                "scheme": scheme(init.scheme.as_ref()), "authority": init.authority, "path": init.path,
                "headers": headers(init.headers.as_ref())});
            out.insert("requestInitEvent".to_owned(), value);
        }
        Some(Event::ResponseInit(init)) => {
            let value = json!({"id": stream(init.id.as_ref()),
                "sinceRequestInit": duration(init.since_request_init.as_ref()), "httpStatus": init.http_status,
                "headers": headers(init.headers.as_ref())});
            out.insert("responseInitEvent".to_owned(), value);
        }
        Some(Event::ResponseEnd(end)) => {
            let mut value = json!({"id": stream(end.id.as_ref()),
                "sinceRequestInit": duration(end.since_request_init.as_ref()),
                "sinceResponseInit": duration(end.since_response_init.as_ref()),
                "responseBytes": end.response_bytes, "trailers": headers(end.trailers.as_ref())});
            match end.eos.as_ref().and_then(|eos| eos.end.as_ref()) {
                Some(eos::End::GrpcStatusCode(code)) => value["grpcStatusCode"] = (*code).into(),
                Some(eos::End::ResetErrorCode(code)) if *code != 0 => {
                    value["resetErrorCode"] = (*code).into()
                }
                _ => {}
            }
            out.insert("responseEndEvent".to_owned(), value);
        }
        None => {}
    }
    out.into()
}

fn labels(labels: Option<&Labels>) -> BTreeMap<&str, &str> {
    labels.into_iter().flatten().map(|(key, value)| (key.as_str(), value.as_str())).collect()
}

/// Names of both ends, and of the route.
fn names(event: &TapEvent, target: &Type, line: &mut String) {
    let source = labels(event.source_meta.as_ref().map(|meta| &meta.labels));
    let destination = labels(event.destination_meta.as_ref().map(|meta| &meta.labels));
    for (side, labels) in [("src", &source), ("dst", &destination)] {
        let workload = WORKLOADS.iter().find_map(|(label, short)| Some((short, labels.get(label)?)));
        let _ = match (workload, labels.get("pod")) {
            (Some((short, name)), _) => write!(line, " {side}_res={short}/{}", printable(name)),
            (None, Some(pod)) => write!(line, " {side}_pod={}", printable(pod)),
            (None, None) => Ok(()),
        };
        if let Some(namespace) = labels.get("namespace").filter(|_| target.name != "namespace") {
            let _ = write!(line, " {side}_ns={}", printable(namespace));
        }
    }
    let route = labels(event.route_meta.as_ref().map(|meta| &meta.labels));
    for (label, value) in route {
        let _ = write!(line, " rt_{}={}", printable(label), printable(value));
    }
}

fn method(method: Option<&HttpMethod>) -> String {
    use http_method::{Registered, Type};
    match method.and_then(|method| method.r#type.as_ref()) {
        Some(Type::Registered(number)) => {
            Registered::try_from(*number).map(|known| known.as_str_name().to_owned()).unwrap_or_default()
        }
        Some(Type::Unregistered(name)) => printable(name),
        None => String::new(),
    }
}

fn scheme(scheme: Option<&Scheme>) -> String {
    use scheme::{Registered, Type};
    match scheme.and_then(|scheme| scheme.r#type.as_ref()) {
        Some(Type::Registered(number)) => {
            Registered::try_from(*number).map(|known| known.as_str_name().to_owned()).unwrap_or_default()
        }
        Some(Type::Unregistered(name)) => name.clone(),
        None => String::new(),
    }
}

fn headers(headers: Option<&Headers>) -> Value {
    let Some(headers) = headers else { return Value::Null };
    let list = headers.headers.iter().map(|header| match std::str::from_utf8(&header.value) {
        Ok(text) => json!({"name": header.name, "valueStr": text}),
        Err(_) => json!({"name": header.name, "valueBin": STANDARD.encode(&header.value)}),
    });
    list.collect::<Vec<_>>().into()
}

/// Why the proxy made the response itself, where it did.
fn reason(headers: Option<&Headers>) -> String {
    let said = headers.into_iter().flat_map(|headers| &headers.headers).find(|it| it.name == PROXY_ERROR);
    said.map_or_else(String::new, |it| {
        format!(" error=\"{}\"", printable(&String::from_utf8_lossy(&it.value)))
    })
}

fn stream(id: Option<&StreamId>) -> Value {
    let id = id.cloned().unwrap_or_default();
    json!({"base": id.base, "stream": id.stream})
}

fn duration(duration: Option<&prost_types::Duration>) -> Value {
    duration.map_or(Value::Null, |it| json!({"seconds": it.seconds, "nanos": it.nanos}))
}

/// The whole duration, seconds included.
fn micros(duration: Option<&prost_types::Duration>) -> i64 {
    duration.map_or(0, |it| it.seconds.saturating_mul(1_000_000).saturating_add(i64::from(it.nanos) / 1_000))
}

fn grpc(code: u32) -> String {
    let known = usize::try_from(code).ok().and_then(|code| GRPC.get(code));
    known.map_or_else(|| format!("Code({code})"), ToString::to_string)
}

fn socket(address: Option<&TcpAddress>) -> SocketAddr {
    let ip = address.and_then(|address| address.ip.as_ref()).and_then(|ip| ip.ip.as_ref());
    let ip: IpAddr = match ip {
        Some(Ip::Ipv4(bits)) => Ipv4Addr::from(*bits).into(),
        Some(Ip::Ipv6(halves)) => {
            Ipv6Addr::from((u128::from(halves.first) << 64) | u128::from(halves.last)).into()
        }
        None => Ipv4Addr::UNSPECIFIED.into(),
    };
    SocketAddr::new(ip, address.and_then(|address| u16::try_from(address.port).ok()).unwrap_or(0))
}

fn address(address: Option<&TcpAddress>) -> String {
    socket(address).to_string()
}

/// What a terminal might obey is escaped: paths and names come from the wire.
fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character.is_control() {
            true => out.extend(character.escape_unicode()),
            false => out.push(character),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use mesh_api::published::http_types::headers::Header;
    use mesh_api::published::net::IpAddress;
    use mesh_api::published::tap::Eos;
    use mesh_api::published::tap::tap_event::http::{RequestInit, ResponseEnd, ResponseInit};
    use mesh_api::published::tap::tap_event::{EndpointMeta, Http};

    use super::*;

    fn tapped(event: Event) -> TapEvent {
        let address = |last| TcpAddress {
            ip: Some(IpAddress { ip: Some(Ip::Ipv4(u32::from(Ipv4Addr::new(10, 0, 0, last)))) }),
            port: 80,
        };
        let meta = |pairs: &[(&str, &str)]| EndpointMeta {
            labels: pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        };
        TapEvent {
            source: Some(address(1)),
            source_meta: Some(meta(&[("tls", "true"), ("deployment", "front"), ("namespace", "shop")])),
            destination: Some(address(2)),
            destination_meta: Some(meta(&[("pod", "web-1"), ("namespace", "shop")])),
            proxy_direction: ProxyDirection::Inbound.into(),
            event: Some(tap_event::Event::Http(Http { event: Some(event) })),
            ..TapEvent::default()
        }
    }

    fn id() -> Option<StreamId> {
        Some(StreamId { base: 3, stream: 4 })
    }

    #[test]
    fn lines_have_the_form_that_scripts_know() {
        let method = HttpMethod { r#type: Some(http_method::Type::Registered(0)) };
        let request = tapped(Event::RequestInit(RequestInit {
            id: id(),
            method: Some(method),
            authority: "web:80".into(),
            path: "/books\u{1b}[2J".into(),
            ..RequestInit::default()
        }));
        assert_eq!(
            line(&request, None).unwrap(),
            "req id=3:4 proxy=in  src=10.0.0.1:80 dst=10.0.0.2:80 tls=true :method=GET :authority=web:80 \
             :path=/books\\u{1b}[2J\n"
        );
        let wide = line(&request, Some(Type::of("deploy").unwrap())).unwrap();
        assert!(wide.ends_with(" src_res=deploy/front src_ns=shop dst_pod=web-1 dst_ns=shop\n"), "{wide}");
        let since = |seconds, nanos| Some(prost_types::Duration { seconds, nanos });
        let response = tapped(Event::ResponseInit(ResponseInit {
            id: id(),
            since_request_init: since(1, 2_000),
            http_status: 200,
            ..ResponseInit::default()
        }));
        assert!(line(&response, None).unwrap().ends_with(":status=200 latency=1000002\u{b5}s\n"));
        let denied = tapped(Event::ResponseInit(ResponseInit {
            http_status: 403,
            headers: Some(Headers {
                headers: vec![Header { name: PROXY_ERROR.into(), value: b"not\nauthorized".to_vec() }],
            }),
            ..ResponseInit::default()
        }));
        let denied = line(&denied, None).unwrap();
        assert!(denied.ends_with(":status=403 latency=0\u{b5}s error=\"not\\u{a}authorized\"\n"), "{denied}");
        let end = tapped(Event::ResponseEnd(ResponseEnd {
            id: id(),
            since_response_init: since(0, 5_000),
            response_bytes: 12,
            eos: Some(Eos { end: Some(eos::End::GrpcStatusCode(14)) }),
            ..ResponseEnd::default()
        }));
        assert!(
            line(&end, None)
                .unwrap()
                .ends_with("grpc-status=Unavailable duration=5\u{b5}s response-length=12B\n")
        );
        assert_eq!(object(&end)["responseEndEvent"]["grpcStatusCode"], 14);
        assert_eq!(object(&request)["source"]["metadata"]["deployment"], "front");
    }
}
