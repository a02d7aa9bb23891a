//! HTTP that has to come out as it went in.

use std::time::Duration;

use ::http::Version;
use bytes::Bytes;
use hyper::body::Frame;
use mesh_tests::mesh::{http, tcp};
use tokio::io::AsyncWriteExt;

use crate::kit::{Calls, Seen, authority, meshed};

#[test]
fn http1_arrives_as_http1_with_the_client_s_identity() {
    let world = meshed();
    let seen = world.inspect(Version::HTTP_11, &[("x-thing", "one"), ("x-thing", "two")]);
    assert_eq!(seen.part("method"), "GET");
    assert_eq!(seen.part("version"), "HTTP/1.1");
    assert_eq!(seen.part("uri"), "/inspect");
    assert_eq!(seen.fields("host"), [authority()]);
    assert_eq!(seen.fields("x-thing"), ["one", "two"]);
    assert_eq!(seen.fields("l5d-client-id"), [&world.client.identity]);
    assert_eq!(seen.fields("l5d-orig-proto"), [""; 0]);
    assert_eq!(seen.reply.version, Version::HTTP_11);
    assert_eq!(seen.reply.header("x-server"), Some("web"));
    assert_eq!(seen.reply.header("l5d-orig-proto"), None);
    assert_eq!(seen.reply.header("l5d-proxy-error"), None);
}

#[test]
fn http2_arrives_as_http2_with_the_client_s_identity() {
    let world = meshed();
    let seen = world.inspect(Version::HTTP_2, &[("x-thing", "one")]);
    assert_eq!(seen.part("version"), "HTTP/2.0");
    assert_eq!(seen.part("uri"), format!("http://{}/inspect", authority()));
    assert_eq!(seen.fields("l5d-client-id"), [&world.client.identity]);
    assert_eq!(seen.reply.version, Version::HTTP_2);
}

#[test]
fn bodies_of_a_megabyte_come_back_whole() {
    let world = meshed();
    let body: Vec<u8> = (0..1_000_000_u32).map(|number| (number % 251) as u8).collect();
    for version in [Version::HTTP_11, Version::HTTP_2] {
        let request = http::request(version, "POST", &authority(), "/echo", body.clone()).unwrap();
        let reply = world.send(version, request).unwrap();
        assert_eq!(reply.status, 200);
        assert!(reply.body == body, "{version:?}: {} octets of {}", reply.body.len(), body.len());
    }
}

#[test]
fn trailers_pass_in_both_directions() {
    let world = meshed();
    let reply = world.http2("/trailers");
    assert_eq!(reply.text(), "part");
    assert_eq!(reply.trailer("x-trailer"), Some("yes"));

    let (frames, body) = http::streaming();
    let mut trailers = ::http::HeaderMap::new();
    trailers.insert("x-sent", "after".parse().unwrap());
    frames.try_send(Ok(Frame::data(Bytes::from_static(b"data")))).unwrap();
    frames.try_send(Ok(Frame::trailers(trailers))).unwrap();
    drop(frames);
    let mut request = http::get(Version::HTTP_2, &authority(), "/inspect").unwrap();
    *request.method_mut() = ::http::Method::POST;
    *request.body_mut() = body;
    let seen = Seen::new(world.send(Version::HTTP_2, request).unwrap());
    assert_eq!(seen.part("body"), "data");
    assert_eq!(seen.json["trailers"], serde_json::json!([["x-sent", "after"]]));
}

#[test]
fn trailers_of_a_chunked_response_pass() {
    let world = meshed();
    let answer = world.raw(&format!(
        "GET /trailers HTTP/1.1\r\nhost: {}\r\nte: trailers\r\nconnection: close\r\n\r\n",
        authority()
    ));
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.to_ascii_lowercase().ends_with("0\r\nx-trailer: yes\r\n\r\n"), "{answer}");
}

#[test]
fn chunked_requests_are_put_together() {
    let world = meshed();
    let answer = world.raw(&format!(
        "POST /inspect HTTP/1.1\r\nhost: {}\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n\
         3;name=value\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
        authority()
    ));
    let (status, body) = tcp::split_response(answer.as_bytes()).unwrap();
    assert_eq!(status, 200, "{answer}");
    let json: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(json["body"], "abcde");
}

#[test]
fn a_client_that_expects_to_be_told_to_go_on_is_told() {
    let world = meshed();
    let service = world.service();
    let answer = world.client.namespace.run(async move {
        let mut stream = tcp::connect(service).await.unwrap();
        let head = format!(
            "POST /inspect HTTP/1.1\r\nhost: {}\r\ncontent-length: 4\r\nexpect: 100-continue\r\nconnection: close\r\n\r\n",
            authority()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let first = tcp::read_until(&mut stream, b"\r\n\r\n").await.unwrap();
        assert!(first.starts_with(b"HTTP/1.1 100"), "{:?}", String::from_utf8_lossy(&first));
        stream.write_all(b"body").await.unwrap();
        tcp::read_all(&mut stream).await.unwrap()
    });
    let (status, body) = tcp::split_response(&answer).unwrap();
    assert!(status == 200 && body.contains("\"body\":\"body\""), "{status} {body}");
}

#[test]
fn http10_is_answered_and_the_connection_ends() {
    let world = meshed();
    let answer = world.raw(&format!("GET /name HTTP/1.0\r\nhost: {}\r\n\r\n", authority()));
    assert_eq!(tcp::split_response(answer.as_bytes()).unwrap(), (200, "web".to_owned()));
    let answer = world.raw("GET /name HTTP/1.0\r\n\r\n");
    assert_eq!(tcp::split_response(answer.as_bytes()).unwrap(), (200, "web".to_owned()));
}

#[test]
fn absolute_targets_stay_absolute() {
    let world = meshed();
    let answer = world.raw(&format!(
        "GET http://{0}/inspect HTTP/1.1\r\nhost: {0}\r\nconnection: close\r\n\r\n",
        authority()
    ));
    let (status, body) = tcp::split_response(answer.as_bytes()).unwrap();
    assert_eq!(status, 200, "{answer}");
    let json: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(json["uri"], format!("http://{}/inspect", authority()));
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let world = meshed();
    let one = |path: &str, more: &str| format!("GET {path} HTTP/1.1\r\nhost: {}\r\n{more}\r\n", authority());
    let answer = world.raw(&format!(
        "{}{}{}",
        one("/slow/100", ""),
        one("/bytes/3", ""),
        one("/name", "connection: close\r\n")
    ));
    let (slow, bytes) = (answer.find("\r\n\r\nweb"), answer.find("\r\n\r\nxxx"));
    assert_eq!(answer.matches("HTTP/1.1 200").count(), 3, "{answer}");
    assert!(slow.is_some() && slow < bytes, "{answer}");
    assert!(answer.ends_with("web"), "{answer}");
}

#[test]
fn the_answer_to_head_has_a_length_and_no_body() {
    let world = meshed();
    let answer = world.raw(&format!(
        "HEAD /bytes/5 HTTP/1.1\r\nhost: {0}\r\n\r\nGET /name HTTP/1.1\r\nhost: {0}\r\nconnection: close\r\n\r\n",
        authority()
    ));
    assert!(answer.to_ascii_lowercase().contains("content-length: 5\r\n"), "{answer}");
    assert!(!answer.contains("xxxxx") && answer.ends_with("web"), "{answer}");
}

#[test]
fn fields_of_a_single_hop_end_at_the_hop() {
    let world = meshed();
    let answer = world.raw(&format!(
        "GET /inspect HTTP/1.1\r\nhost: {}\r\nconnection: close, x-drop\r\nx-drop: 1\r\nkeep-alive: timeout=5\r\n\
         proxy-connection: close\r\nx-keep: 1\r\n\r\n",
        authority()
    ));
    let (_, body) = tcp::split_response(answer.as_bytes()).unwrap();
    assert!(body.contains("\"x-keep\""), "{body}");
    for name in ["x-drop", "keep-alive", "proxy-connection"] {
        assert!(!body.contains(&format!("[\"{name}\"")), "{name}: {body}");
    }
}

#[test]
fn a_connection_is_used_again() {
    let world = meshed();
    let service = world.service();
    let status: Vec<u16> = world.client.namespace.run(async move {
        let mut client = http::Client::http1(service).await.unwrap();
        let mut all = Vec::new();
        for _ in 0..20 {
            let request = http::get(Version::HTTP_11, &authority(), "/name").unwrap();
            all.push(client.send(request).await.unwrap().status.as_u16());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        all
    });
    assert_eq!(status, [200; 20]);
    assert!(world.app.connections() < 10, "{} connections to the application", world.app.connections());
}

#[test]
fn many_streams_share_a_connection() {
    let world = meshed();
    let service = world.service();
    world.client.namespace.run(async move {
        let http::Client::Http2(sender) = http::Client::http2(service).await.unwrap() else { unreachable!() };
        let mut calls = Vec::new();
        for number in 0..100 {
            let mut client = http::Client::Http2(sender.clone());
            calls.push(tokio::spawn(async move {
                let body = vec![b'y'; number * 100];
                let request = http::request(Version::HTTP_2, "POST", &authority(), "/echo", body).unwrap();
                client.send(request).await.unwrap().body.len()
            }));
        }
        for (number, call) in calls.into_iter().enumerate() {
            assert_eq!(call.await.unwrap(), number * 100);
        }
    });
}
