//! Servers that send a request back without having looked at it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ::http::Version;
use mesh_tests::mesh::{World, addresses, answers, http, tcp};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::kit::{Calls, authority, meshed};

/// Not one of the control plane, which has the same namespace.
const PORT: u16 = 8099;

/// How a server of HTTP/2 sends the first requests back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    /// By a reset of the stream with REFUSED_STREAM.
    Stream,
    /// By GOAWAY that names a stream before it, and the end of the connection.
    GoAway,
}

/// A server outside that refuses so many requests and then answers with 200, as the only endpoint of the service: requests that came.
fn serve(world: &World, refusal: Refusal, refusals: usize) -> Arc<AtomicUsize> {
    let requests = Arc::new(AtomicUsize::new(0));
    let seen = requests.clone();
    tcp::serve(&world.control, SocketAddr::from(([0, 0, 0, 0], PORT)), move |stream| {
        let seen = seen.clone();
        async move {
            // A proxy that leaves is no concern of the server.
            let _ = speak(stream, refusal, refusals, &seen).await;
        }
    })
    .unwrap();
    let address = SocketAddr::from((addresses::OUTSIDE, PORT));
    world.script_web(vec![answers::endpoint(address)]);
    requests
}

/// Frames of HTTP/2, as few as will do.
async fn speak(
    mut stream: TcpStream,
    refusal: Refusal,
    refusals: usize,
    seen: &AtomicUsize,
) -> std::io::Result<()> {
    const DATA: u8 = 0;
    const HEADERS: u8 = 1;
    const SETTINGS: u8 = 4;
    const END_STREAM: u8 = 1;
    let mut preface = [0; 24];
    stream.read_exact(&mut preface).await?;
    stream.write_all(&frame(SETTINGS, 0, 0, &[])).await?;
    let mut refused = Vec::new();
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let (kind, flags) = (head[3], head[4]);
        let id = u32::from_be_bytes([head[5], head[6], head[7], head[8]]) & 0x7fff_ffff;
        let mut payload = vec![0; length];
        stream.read_exact(&mut payload).await?;
        let answer = match kind {
            SETTINGS if flags & 1 == 0 => frame(SETTINGS, 1, 0, &[]),
            HEADERS if seen.fetch_add(1, Ordering::Relaxed) < refusals => match refusal {
                Refusal::Stream => {
                    refused.push(id);
                    frame(3, 0, id, &7_u32.to_be_bytes())
                }
                Refusal::GoAway => {
                    // The last stream that was looked at is none, and there is no error.
                    stream.write_all(&frame(7, 0, 0, &[0; 8])).await?;
                    return stream.shutdown().await;
                }
            },
            HEADERS | DATA if flags & END_STREAM != 0 && !refused.contains(&id) => {
                frame(HEADERS, 5, id, &[0x88])
            }
            _ => continue,
        };
        stream.write_all(&answer).await?;
    }
}

fn frame(kind: u8, flags: u8, id: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend_from_slice(&id.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

#[test]
fn a_request_that_nobody_has_looked_at_is_sent_again() {
    for refusal in [Refusal::Stream, Refusal::GoAway] {
        let world = meshed();
        let requests = serve(&world, refusal, 1);
        // Not even a request that may not be repeated has had an effect.
        let request = http::request(Version::HTTP_2, "POST", &authority(), "/", "a body").unwrap();
        let reply = world.send(Version::HTTP_2, request).unwrap();
        assert_eq!(
            (reply.status.as_u16(), requests.load(Ordering::Relaxed)),
            (200, 2),
            "{refusal:?}: {reply:?}"
        );
    }
}

#[test]
fn a_server_that_refuses_everything_is_not_asked_for_ever() {
    let world = meshed();
    let requests = serve(&world, Refusal::Stream, usize::MAX);
    let request = http::request(Version::HTTP_2, "POST", &authority(), "/", "a body").unwrap();
    let reply = world.send(Version::HTTP_2, request);
    assert!(!reply.as_ref().is_ok_and(|reply| reply.status == 200), "{reply:?}");
    let requests = requests.load(Ordering::Relaxed);
    assert!((2..=20).contains(&requests), "{requests} attempts");
}
