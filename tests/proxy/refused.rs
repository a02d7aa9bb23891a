//! Servers that send a request back without having looked at it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ::http::Version;
use mesh_tests::mesh::{World, addresses, answers, http, tcp};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::frames::{self, ACK, END_HEADERS, END_STREAM, Frame, kind};
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
    let mut preface = [0; frames::PREFACE.len()];
    stream.read_exact(&mut preface).await?;
    stream.write_all(&frames::write(kind::SETTINGS, 0, 0, &[])).await?;
    let mut refused = Vec::new();
    loop {
        let Frame { kind, flags, stream: id, .. } = frames::read(&mut stream).await?;
        let answer = match kind {
            kind::SETTINGS if flags & ACK == 0 => frames::write(kind::SETTINGS, ACK, 0, &[]),
            kind::HEADERS if seen.fetch_add(1, Ordering::Relaxed) < refusals => match refusal {
                Refusal::Stream => {
                    refused.push(id);
                    // REFUSED_STREAM.
                    frames::write(kind::RESET, 0, id, &7_u32.to_be_bytes())
                }
                Refusal::GoAway => {
                    // The last stream that was looked at is none, and there is no error.
                    stream.write_all(&frames::write(kind::GOAWAY, 0, 0, &[0; 8])).await?;
                    return stream.shutdown().await;
                }
            },
            // `:status: 200` of the static table.
            kind::HEADERS | kind::DATA if flags & END_STREAM != 0 && !refused.contains(&id) => {
                frames::write(kind::HEADERS, END_STREAM | END_HEADERS, id, &[0x88])
            }
            _ => continue,
        };
        stream.write_all(&answer).await?;
    }
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
