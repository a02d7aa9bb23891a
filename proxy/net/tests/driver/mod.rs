//! A small server around the state machine, for the tests that speak to it from outside.

use std::collections::HashMap;

use proxy_net::h2::{Config, Connection, End, Event, Part, StreamKey};
use proxy_net::headers::HeaderList;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// What is still to be sent on a stream, and the trailers after it.
#[derive(Default)]
struct Answer {
    body: Vec<u8>,
    sent: usize,
    trailers: HeaderList,
}

/// Answers every request with its own body, or with `hello` where it has none, until the peer leaves.
///
/// A request's trailers come back as trailers, and its header `x-echo` comes back too.
pub(crate) async fn serve(mut io: impl AsyncRead + AsyncWrite + Unpin, config: Config) {
    let mut out = Vec::new();
    let mut connection = Connection::server(config, &mut out);
    let mut input = Vec::new();
    let mut answers: HashMap<StreamKey, (Answer, HeaderList)> = HashMap::new();
    loop {
        if io.write_all(&out).await.is_err() {
            return;
        }
        out.clear();
        if connection.is_drained() {
            let _ = io.shutdown().await;
            return;
        }
        if !matches!(io.read_buf(&mut input).await, Ok(1..)) {
            return;
        }
        let mut at = 0;
        let mut ended = Vec::new();
        let mut fields = HeaderList::new();
        loop {
            match connection.poll(&input[at..], &mut fields, &mut out) {
                Ok(polled) => {
                    at += polled.consumed;
                    let Some(event) = polled.event else { break };
                    if let Some((stream, octets)) = note(event, &fields, &mut answers, &mut ended) {
                        connection.release(stream, octets, &mut out);
                    }
                }
                Err(_) => {
                    let _ = io.write_all(&out).await;
                    let _ = io.shutdown().await;
                    return;
                }
            }
        }
        input.drain(..at);
        for stream in ended {
            let Some((answer, head)) = answers.get_mut(&stream) else { continue };
            if connection.send_headers(stream, head.iter(), End::More, &mut out).is_ok() {
                go_on(&mut connection, stream, answer, &mut out);
            }
        }
        while let Some(stream) = connection.next_writable() {
            if let Some((answer, _)) = answers.get_mut(&stream) {
                go_on(&mut connection, stream, answer, &mut out);
            }
        }
        answers.retain(|stream, _| connection.token(*stream).is_some());
    }
}

/// Records an event; what has to be released is returned.
fn note(
    event: Event<'_>,
    fields: &HeaderList,
    answers: &mut HashMap<StreamKey, (Answer, HeaderList)>,
    ended: &mut Vec<StreamKey>,
) -> Option<(StreamKey, usize)> {
    match event {
        Event::Headers { stream, part, end, .. } => {
            let (answer, head) = answers.entry(stream).or_default();
            if part == Part::Trailers {
                answer.trailers = fields.clone();
            } else {
                head.push(b":status", b"200");
                for value in fields.values(b"x-echo") {
                    head.push(b"x-echo", value);
                }
            }
            if end == End::Stream {
                if answer.body.is_empty() {
                    answer.body = b"hello".to_vec();
                }
                ended.push(stream);
            }
            None
        }
        Event::Data { stream, data, end, .. } => {
            let (answer, _) = answers.entry(stream).or_default();
            answer.body.extend_from_slice(data);
            if end == End::Stream {
                ended.push(stream);
            }
            Some((stream, data.len()))
        }
        _ => None,
    }
}

fn go_on(connection: &mut Connection, stream: StreamKey, answer: &mut Answer, out: &mut Vec<u8>) {
    let end = if answer.trailers.is_empty() { End::Stream } else { End::More };
    if let Ok(taken) = connection.send_data(stream, &answer.body[answer.sent..], end, out) {
        answer.sent += taken;
    }
    if answer.sent == answer.body.len() && end == End::More {
        let _ = connection.send_headers(stream, answer.trailers.iter(), End::Stream, out);
    }
}
