//! The state machine against the crate h2, as server and as client, over a pipe in memory.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod driver;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use proxy_net::h2::{Config, Connection, End, Event, Part, StreamKey};
use proxy_net::headers::HeaderList;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

/// More than every window, and enough requests for tables to turn over.
const BODY: usize = 300_000;
const REQUESTS: usize = 60;

fn body(seed: usize) -> Vec<u8> {
    (0..BODY / (seed % 7 + 1)).map(|at| (at * 31 + seed) as u8).collect()
}

fn value(seed: usize) -> String {
    (0..seed * 13 % 400).map(|at| char::from(b' ' + 1 + ((at * 7 + seed) % 94) as u8)).collect()
}

#[tokio::test]
async fn the_h2_client_is_answered() {
    let (near, far) = tokio::io::duplex(10_000);
    tokio::spawn(driver::serve(far, Config::default()));
    let (mut client, connection) =
        h2::client::Builder::new().initial_window_size(20_000).handshake::<_, Bytes>(near).await.unwrap();
    tokio::spawn(async move { connection.await.unwrap() });
    for seed in 0..REQUESTS {
        client = client.ready().await.unwrap();
        let request = Request::post(format!("http://a.test/{seed}"))
            .header("x-echo", value(seed))
            .header("x-n", seed % 5)
            .body(())
            .unwrap();
        let (answer, mut sender) = client.send_request(request, false).unwrap();
        let sent = body(seed);
        let copy = sent.clone();
        tokio::spawn(async move {
            sender.send_data(Bytes::from(copy), false).unwrap();
            let mut trailers = HeaderMap::new();
            trailers.insert("x-sum", seed.into());
            sender.send_trailers(trailers).unwrap();
        });
        let answer = answer.await.unwrap();
        assert_eq!(answer.headers()["x-echo"], value(seed));
        let mut stream = answer.into_body();
        let mut received = Vec::new();
        while let Some(piece) = stream.data().await {
            let piece = piece.unwrap();
            received.extend_from_slice(&piece);
            stream.flow_control().release_capacity(piece.len()).unwrap();
        }
        assert!(received == sent, "body {seed} differs");
        assert_eq!(stream.trailers().await.unwrap().unwrap()["x-sum"], seed.to_string());
    }
}

#[tokio::test]
async fn the_h2_server_is_asked() {
    let (near, far) = tokio::io::duplex(10_000);
    tokio::spawn(echo(far));
    let mut client = Client::new(near);
    for seed in 0..REQUESTS {
        let mut request = HeaderList::new();
        request.push(b":method", b"POST");
        request.push(b":scheme", b"http");
        request.push(b":path", format!("/{seed}").as_bytes());
        request.push(b":authority", b"a.test");
        request.push(b"x-echo", value(seed).as_bytes());
        let sent = body(seed);
        let (head, received, trailers) = client.ask(&request, &sent).await;
        assert_eq!(head.value(b":status"), Some(&b"200"[..]));
        assert_eq!(head.value(b"x-echo"), Some(value(seed).as_bytes()));
        assert!(received == sent, "body {seed} differs");
        assert_eq!(trailers.value(b"x-sum"), Some(&b"7"[..]));
    }
    client.finish().await;
}

/// A server of the crate h2 that sends back what it gets.
async fn echo(io: DuplexStream) {
    let mut connection =
        h2::server::Builder::new().initial_window_size(30_000).handshake::<_, Bytes>(io).await.unwrap();
    while let Some(request) = connection.accept().await {
        let (request, mut respond) = request.unwrap();
        tokio::spawn(async move {
            let mut answer = Response::new(());
            if let Some(value) = request.headers().get("x-echo") {
                answer.headers_mut().insert("x-echo", value.clone());
            }
            let mut sender = respond.send_response(answer, false).unwrap();
            let mut stream = request.into_body();
            while let Some(piece) = stream.data().await {
                let piece = piece.unwrap();
                stream.flow_control().release_capacity(piece.len()).unwrap();
                sender.send_data(piece, false).unwrap();
            }
            let mut trailers = HeaderMap::new();
            trailers.insert("x-sum", 7.into());
            sender.send_trailers(trailers).unwrap();
        });
    }
}

/// A client around the state machine.
struct Client {
    io: DuplexStream,
    connection: Connection,
    out: Vec<u8>,
    input: Vec<u8>,
}

impl Client {
    fn new(io: DuplexStream) -> Self {
        let mut out = Vec::new();
        let connection = Connection::client(Config::default(), &mut out);
        Self { io, connection, out, input: Vec::new() }
    }

    async fn ask(&mut self, request: &HeaderList, body: &[u8]) -> (HeaderList, Vec<u8>, HeaderList) {
        let key = self.connection.open(request.iter(), End::More, &mut self.out).unwrap();
        let mut sent = self.connection.send_data(key, body, End::Stream, &mut self.out).unwrap();
        let (mut head, mut received, mut trailers) = (HeaderList::new(), Vec::new(), HeaderList::new());
        loop {
            let done = self.round(key, &mut head, &mut received, &mut trailers).await;
            if done {
                return (head, received, trailers);
            }
            while let Some(key) = self.connection.next_writable() {
                sent += self.connection.send_data(key, &body[sent..], End::Stream, &mut self.out).unwrap();
            }
        }
    }

    /// One poll round; whether the answer is whole.
    async fn round(
        &mut self,
        key: StreamKey,
        head: &mut HeaderList,
        body: &mut Vec<u8>,
        trailers: &mut HeaderList,
    ) -> bool {
        let out = std::mem::take(&mut self.out);
        let (mut reader, mut writer) = tokio::io::split(&mut self.io);
        let (wrote, read) = tokio::join!(writer.write_all(&out), reader.read_buf(&mut self.input));
        wrote.unwrap();
        assert!(read.unwrap() > 0, "the server left");
        let (mut at, mut done) = (0, false);
        let mut fields = HeaderList::new();
        loop {
            let polled = self.connection.poll(&self.input[at..], &mut fields, &mut self.out).unwrap();
            at += polled.consumed;
            match polled.event {
                None => break,
                Some(Event::Headers { stream, part, end, .. }) => {
                    assert_eq!(stream, key);
                    let place = if part == Part::Trailers { &mut *trailers } else { &mut *head };
                    *place = fields.clone();
                    done |= end == End::Stream;
                }
                Some(Event::Data { stream, data, end, .. }) => {
                    body.extend_from_slice(data);
                    done |= end == End::Stream;
                    let octets = data.len();
                    self.connection.release(stream, octets, &mut self.out);
                }
                Some(Event::Reset { code, .. }) => panic!("reset: {code:?}"),
                Some(_) => {}
            }
        }
        self.input.drain(..at);
        done
    }

    async fn finish(mut self) {
        self.connection.shutdown(&mut self.out);
        self.io.write_all(&self.out).await.unwrap();
        assert!(self.connection.is_drained());
    }
}
