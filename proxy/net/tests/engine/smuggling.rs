//! Requests that two readers could understand in two ways. The second reader is hyper: what reaches a server through the
//! engine, over HTTP/1 or HTTP/2, has to be what hyper makes of the client's own octets, or less.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::Incoming;
use proxy_net::engine::Upstream;
use proxy_net::h2::{End, frame};
use proxy_net::headers::HeaderList;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::kit::{self, Mode, Script};
use crate::peers::{self, full};
use crate::raw::Raw;
use crate::stress::Frames;

/// A request that a server has understood: method and path, and its body.
type Understood = (String, Vec<u8>);

/// What hyper has understood, by the number of the case, which every path of it ends with.
#[derive(Clone, Default)]
struct Record(Arc<Mutex<HashMap<usize, Vec<Understood>>>>);

impl Record {
    fn of(&self, case: usize) -> Vec<Understood> {
        self.0.lock().unwrap().get(&case).cloned().unwrap_or_default()
    }

    async fn answer(
        self,
        request: http::Request<Incoming>,
    ) -> Result<http::Response<peers::Body>, hyper::Error> {
        let path = request.uri().path().to_owned();
        let line = format!("{} {path}", request.method());
        let forged = request.headers().contains_key("x-forged");
        // A request whose body is not whole is none.
        let body = request.into_body().collect().await?.to_bytes().to_vec();
        let case = path.rsplit('/').next().and_then(|number| number.parse().ok()).unwrap_or(usize::MAX);
        let line = if forged { format!("{line} with a forged field") } else { line };
        self.0.lock().unwrap().entry(case).or_default().push((line, body));
        Ok(http::Response::new(full("")))
    }
}

/// hyper as a server of both versions.
async fn serve(record: Record) -> SocketAddr {
    peers::serve_with(move |request| record.clone().answer(request)).await
}

/// Heads by length, coding, version, ends of lines and oddities, each with bodies that mean something else under another reading.
fn corpus() -> Vec<String> {
    const LENGTHS: &[&str] = &[
        "",
        "Content-Length: 5",
        "Content-Length: 0",
        "Content-Length: 05",
        "Content-Length: +5",
        "Content-Length: 5, 5",
        "Content-Length: 5\r\nContent-Length: 5",
        "Content-Length: 5\r\nContent-Length: 0",
        "Content-Length : 5",
        "Content-Length:\t5",
        "Content-Length: 5 ",
        "Content-Length: 0x5",
        "Content_Length: 5",
        "Content-Length: -1",
    ];
    const CODINGS: &[&str] = &[
        "",
        "Transfer-Encoding: chunked",
        "Transfer-Encoding: CHUNKED",
        "Transfer-Encoding:\tchunked",
        "Transfer-Encoding: chunked ",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: identity, chunked",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Transfer-Encoding:\r\n chunked",
        "Transfer_Encoding: chunked",
        "Transfer-Encoding: \"chunked\"",
        "Transfer-Encoding: chunked;q=1",
        "Transfer-Encoding: \x0bchunked",
        "X: y\rTransfer-Encoding: chunked",
        "X: y\nTransfer-Encoding: chunked",
    ];
    const BODIES: &[&str] = &[
        "",
        "hello",
        "5\r\nhello\r\n0\r\n\r\n",
        "5\nhello\n0\n\n",
        "0\r\n\r\n",
        "5 \r\nhello\r\n0\r\n\r\n",
        "5;a=\"\n\"\r\nhello\r\n0\r\n\r\n",
    ];
    let mut corpus = Vec::new();
    let mut push = |head: String, body: &str| {
        let case = corpus.len();
        let head = head.replace("CASE", &case.to_string());
        corpus
            .push(format!("{head}{body}GET /second/{case} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
    };
    for length in LENGTHS {
        for coding in CODINGS {
            let fields: String = [length, coding]
                .iter()
                .filter(|text| !text.is_empty())
                .map(|text| format!("{text}\r\n"))
                .collect();
            // The bodies that matter with both, and all of them with one.
            let bodies = if length.is_empty() || coding.is_empty() { BODIES } else { &BODIES[1..3] };
            for body in bodies {
                push(format!("POST /first/CASE HTTP/1.1\r\nHost: a\r\n{fields}\r\n"), body);
            }
            push(
                format!("POST /first/CASE HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n{fields}\r\n"),
                "hello",
            );
        }
    }
    for odd in [
        "GET /first/CASE HTTP/1.1\nHost: a\n\n",
        "GET /first/CASE HTTP/1.1\r\nHost: a\r\nX: y\r\n z: GET /folded/CASE HTTP/1.1\r\n\r\n",
        "GET /first/CASE HTTP/1.1\r\nHost: a\r\n\n",
        "GET /first/CASE HTTP/1.1\r\n\r\nHost: a\r\n\r\n",
        "GET /first/CASE HTTP/1.1\r\nHost: a\r\nX\0: y\r\n\r\n",
        "GET /first/CASE HTTP/1.1\rHost: a\r\r",
        "\r\n\r\nGET /first/CASE HTTP/1.1\r\nHost: a\r\n\r\n",
        "\nGET /first/CASE HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /first/CASE HTTP/1.1\r\nHost: a\r\nConnection: content-length\r\nContent-Length: 5\r\n\r\nhello",
        "GET /first/CASE HTTP/1.1\r\nHost: a\r\nConnection: transfer-encoding\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "GET /first/CASE\tHTTP/1.1\r\nHost: a\r\n\r\n",
        "GET  /first/CASE HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /first/CASE HTTP/1.1 \r\nHost: a\r\n\r\n",
        "GET /first/CASE HTTP/01.1\r\nHost: a\r\n\r\n",
        "HEAD /first/CASE HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
        "OPTIONS /first/CASE HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n00000\r\nX: y\r\n\r\n",
        "POST /first/CASE HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 99\r\nHost: b\r\n\r\n",
        "POST /first/CASE HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000005\r\nhello\r\n0\r\n\r\n",
    ] {
        push(odd.to_owned(), "");
    }
    corpus
}

/// Sends the octets and reads until the other side ends. Whoever still waits for more gets what no reader takes.
async fn send(addr: SocketAddr, octets: &str) {
    let mut client = Raw::connect(addr).await;
    let _ = client.0.write_all(octets.as_bytes()).await;
    let _ = client.0.write_all(b"\0\0\r\n\r\n\0\0\r\n\r\n").await;
    let mut seen = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(20), client.0.read_to_end(&mut seen)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_server_gets_is_what_another_reader_understands_or_less() {
    let corpus = corpus();
    let direct = Record::default();
    let reader = serve(direct.clone()).await;
    let through: Vec<_> =
        [Upstream::Http1, Upstream::Http2].map(|upstream| (upstream, Record::default())).into();
    let mut engines = Vec::new();
    for (upstream, record) in &through {
        let mut script = Script::to(kit::endpoint(serve(record.clone()).await), *upstream);
        script.mode = Mode::Http1;
        engines.push(script.run());
    }
    for batch in (0..corpus.len()).collect::<Vec<_>>().chunks(64) {
        let targets = || engines.iter().map(|engine| engine.addr).chain([reader]);
        let calls = batch.iter().flat_map(|case| targets().map(|addr| send(addr, &corpus[*case])));
        futures::future::join_all(calls.collect::<Vec<_>>()).await;
    }
    let mut same = [0, 0];
    let mut refused = 0;
    for (case, request) in corpus.iter().enumerate() {
        let wanted = direct.of(case);
        for (at, (upstream, record)) in through.iter().enumerate() {
            let got = record.of(case);
            assert!(
                wanted.starts_with(&got),
                "{request:?}\nby {upstream:?}: {got:?}\nhyper itself: {wanted:?}"
            );
            same[at] += usize::from(got.len() == 2);
            refused += usize::from(got.is_empty());
        }
    }
    // Neither everything nor nothing is refused, and both protocols agree.
    assert!(same[0] > 20 && same[0] == same[1], "{same:?} of {}", corpus.len());
    assert!(refused > corpus.len(), "{refused}");
    for (_, record) in &through {
        assert!(record.of(usize::MAX).is_empty(), "{:?}", record.of(usize::MAX));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_cannot_write_a_head_of_http1() {
    const BASE: [(&str, &str); 4] =
        [(":method", "POST"), (":scheme", "http"), (":authority", "a"), (":path", "/first/0")];
    let record = Record::default();
    let mut script = Script::to(kit::endpoint(serve(record.clone()).await), Upstream::Http1);
    script.mode = Mode::Http2;
    let engine = script.run();
    let replaced = |name: &'static str, value: &'static str| {
        let mut fields = BASE.to_vec();
        fields.iter_mut().filter(|field| field.0 == name).for_each(|field| field.1 = value);
        fields
    };
    let with = |name: &'static str, value: &'static str| [&BASE[..], &[(name, value)]].concat();
    let list = |fields: &[(&str, &str)]| -> HeaderList {
        fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect()
    };
    let hostile = [
        replaced(":path", "/first/0 HTTP/1.1\r\nx-forged: 1\r\nx: "),
        replaced(":path", "/first/0 HTTP/1.1\nx-forged: 1"),
        replaced(":path", "/first /0"),
        replaced(":path", ""),
        replaced(":path", "first/0"),
        replaced(":method", "GET /first/0 HTTP/1.1\r\nx-forged: 1\r\n\r\nPOST"),
        replaced(":method", "PO ST"),
        replaced(":method", ""),
        replaced(":authority", "a\r\nx-forged: 1"),
        replaced(":authority", "a b"),
        replaced(":scheme", "http\r\nx-forged: 1"),
        with("x", "y\r\nx-forged: 1"),
        with("x", "y\nx-forged: 1"),
        with("x", "y\rx-forged: 1"),
        with("x", "y\0"),
        with("x\r\nx-forged", "1"),
        with("x: y\r\nx-forged", "1"),
        with("x y", "1"),
        with("X-Upper", "1"),
        with("", "1"),
        with("transfer-encoding", "chunked"),
        with("connection", "x-forged"),
        with("proxy-connection", "close"),
        with("upgrade", "websocket"),
        with("te", "chunked"),
        with("content-length", "99"),
        with("content-length", "+5"),
        [with("content-length", "5"), vec![("content-length", "6")]].concat(),
        [BASE.to_vec(), vec![(":path", "/second/0")]].concat(),
        [vec![("x", "y")], BASE.to_vec()].concat(),
        with("host", "b\r\nx-forged: 1"),
    ];
    for fields in &hostile {
        let mut frames = Frames::new();
        let id = frames.open(&list(fields), End::More);
        frame::write_data(id, b"hello", End::Stream, &mut frames.bytes);
        // A good one behind it tells when the bad one is over.
        frames.open(&list(&replaced(":path", "/good/0")), End::Stream);
        let before = record.of(0).len();
        let mut client = Raw::connect(engine.addr).await;
        client.send(&frames.bytes).await;
        for _ in 0..500 {
            if record.of(0).len() > before {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let got = record.of(0).split_off(before);
        assert_eq!(got, [("POST /good/0".to_owned(), Vec::new())], "{fields:?}");
    }
    assert!(record.of(usize::MAX).is_empty(), "{:?}", record.of(usize::MAX));
}
