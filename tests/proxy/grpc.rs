//! gRPC: status in trailers, streams that go both ways at once.

use std::time::Duration;

use ::http::Version;
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Frame;
use mesh_tests::mesh::http::{self, Client};
use mesh_tests::mesh::{Answer, WEB, answers};

use crate::kit::{Calls, call, meshed};

#[test]
fn the_status_arrives_in_trailers() {
    let world = meshed();
    for status in ["0", "5", "14"] {
        let reply = world.send(Version::HTTP_2, call(&format!("/grpc/{status}"), &[])).unwrap();
        assert_eq!(reply.status, 200);
        assert_eq!(reply.body.as_ref(), [0, 0, 0, 0, 0]);
        assert_eq!(reply.trailer("grpc-status"), Some(status));
    }
}

#[test]
fn streams_go_both_ways_at_once() {
    let world = meshed();
    let service = world.service();
    world.client.namespace.run(async move {
        let mut client = Client::http2(service).await.unwrap();
        let (frames, body) = http::streaming();
        let mut request = call("/echo", &[]);
        *request.body_mut() = body;
        // The response begins before the request has a body at all.
        let mut response = client.start(request).await.unwrap();
        for number in 0..50_u8 {
            let message = Bytes::from(vec![number; 1 + usize::from(number) * 20]);
            frames.send(Ok(Frame::data(message.clone()))).await.unwrap();
            let mut came = Vec::new();
            while came.len() < message.len() {
                let frame = tokio::time::timeout(Duration::from_secs(5), response.body_mut().frame()).await;
                came.extend_from_slice(frame.unwrap().unwrap().unwrap().data_ref().unwrap());
            }
            assert_eq!(came, message);
        }
        let mut trailers = ::http::HeaderMap::new();
        trailers.insert("grpc-status", "0".parse().unwrap());
        frames.send(Ok(Frame::trailers(trailers))).await.unwrap();
        drop(frames);
        let last = response.into_body().collect().await.unwrap();
        assert_eq!(last.trailers().unwrap()["grpc-status"], "0");
    });
}

#[test]
fn a_client_that_cancels_is_told_to_the_server() {
    let world = meshed();
    let service = world.service();
    let app = world.app.clone();
    world.client.namespace.run(async move {
        let mut client = Client::http2(service).await.unwrap();
        let (frames, body) = http::streaming();
        let mut request = call("/echo", &[]);
        *request.body_mut() = body;
        let response = client.start(request).await.unwrap();
        drop(response);
        drop(frames);
        // The connection is as good as before.
        let reply = client.send(call("/grpc/0", &[])).await.unwrap();
        assert_eq!(reply.trailer("grpc-status"), Some("0"));
    });
    assert_eq!(app.requests(), 2);
}

#[test]
fn what_the_proxy_refuses_has_a_grpc_status() {
    let world = meshed();
    world.plane.set_profile(world.service(), Answer::Value(answers::profile(WEB)));
    world.plane.set_endpoints(&format!("{WEB}:80"), Vec::new());
    let reply = world.send(Version::HTTP_2, call("/grpc/0", &[])).unwrap();
    assert_eq!(reply.status, 200, "{reply:?}");
    let status = reply.header("grpc-status").or(reply.trailer("grpc-status"));
    assert!(matches!(status, Some("4" | "14")), "{reply:?}");
    assert!(reply.header("l5d-proxy-error").is_some(), "{reply:?}");
}
