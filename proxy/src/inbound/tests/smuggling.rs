//! Requests that two readers could understand in two ways: refused, or passed on so that only one way is left.

use super::kit::{Application, Proxy, run};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

/// Heads, bodies and all, that have to be refused before anything is dialled.
const REFUSED: &[(&str, &str)] = &[
    (
        "both framings",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /x HTTP/1.1\r\n\r\n",
    ),
    (
        "both framings, the other way round",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n8\r\nSMUGGLED\r\n0\r\n\r\n",
    ),
    ("two lengths", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!"),
    (
        "the same length twice",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    ),
    ("a list of lengths", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\nhello"),
    ("a signed length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\nhello"),
    ("a hexadecimal length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x5\r\n\r\nhello"),
    ("an endless length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\nhello"),
    ("an empty length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n"),
    ("an unknown coding", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
    (
        "chunked twice",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "chunked and identity",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    ),
    ("chunked in HTTP/1.0", "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    (
        "a space before the colon",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    ),
    ("a folded line", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n"),
    ("a folded line of another field", "GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n\tb\r\n\r\n"),
    ("a line that ends without CR", "GET / HTTP/1.1\nHost: a\r\n\r\n"),
    ("a field that ends without CR", "GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n"),
    ("a CR within a value", "GET / HTTP/1.1\r\nHost: a\r\nX: y\rTransfer-Encoding: chunked\r\n\r\n"),
    ("a NUL within a value", "GET / HTTP/1.1\r\nHost: a\r\nX: y\0z\r\n\r\n"),
    ("a name with a space", "GET / HTTP/1.1\r\nHost: a\r\nX Y: z\r\n\r\n"),
    ("two hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
    ("a host with a path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"),
    ("a host with a user", "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n"),
    ("a target that is none", "GET a HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("a version that is none", "GET / HTTP/1.2\r\nHost: a\r\n\r\n"),
];

#[test]
fn what_could_be_read_in_two_ways_reaches_nobody() {
    run(async {
        let application = Application::answering(OK).await;
        let proxy = Proxy::with(application.addr, |settings| {
            // The requests are for HTTP/1 to judge, not for detection.
            settings.use_http1();
        })
        .await;
        for (case, request) in REFUSED {
            let answer = proxy.raw(request.as_bytes()).await;
            let text = String::from_utf8_lossy(&answer);
            let is_refused = ["400", "431", "501", "505"]
                .iter()
                .any(|status| text.starts_with(&format!("HTTP/1.1 {status} ")));
            assert!(is_refused || answer.is_empty(), "{case}: {text}");
            assert_eq!(text.matches("HTTP/1.1 ").count(), usize::from(!answer.is_empty()), "{case}: {text}");
            assert_eq!(application.connections(), 0, "{case}: {}", application.got());
        }
    });
}

#[test]
fn a_chunked_body_is_framed_anew() {
    run(async {
        let application = Application::answering(OK).await;
        let proxy = Proxy::to(application.addr).await;
        let request =
            b"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\nTE: gzip, trailers\r\n\r\n\
            000005;ext=\"1\"\r\nhello\r\n0\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        let answer = proxy.raw(request).await;
        assert_eq!(String::from_utf8_lossy(&answer).matches("HTTP/1.1 200 ").count(), 2);
        let got = application.got();
        assert!(!got.contains("ext"), "{got}");
        assert_eq!(
            (got.matches("POST /a HTTP/1.1").count(), got.matches("GET /b HTTP/1.1").count()),
            (1, 1),
            "{got}"
        );
        assert!(
            got.contains("transfer-encoding: chunked\r\n") && got.contains("5\r\nhello\r\n0\r\n"),
            "{got}"
        );
    });
}

#[test]
fn malformed_chunks_end_the_connection() {
    run(async {
        for body in ["5\nhello\r\n0\r\n\r\n", "-1\r\nhello", "5\r\nhelloX0\r\n\r\n", "fffffffffffffffff\r\nx"]
        {
            let application = Application::answering(b"").await;
            let proxy = Proxy::to(application.addr).await;
            let request = format!(
                "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{body}GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
            );
            proxy.raw(request.as_bytes()).await;
            assert!(!application.got().contains("smuggled"), "{body:?}: {}", application.got());
        }
    });
}

#[test]
fn an_absolute_target_wins_over_host() {
    run(async {
        let application = Application::answering(OK).await;
        let proxy = Proxy::to(application.addr).await;
        proxy.raw(b"GET http://right/a HTTP/1.1\r\nHost: wrong\r\nConnection: close\r\n\r\n").await;
        let got = application.got().to_lowercase();
        assert!(got.contains("host: right\r\n") && !got.contains("wrong"), "{got}");
    });
}

#[test]
fn fields_cannot_be_named_away_by_connection() {
    run(async {
        let application = Application::answering(OK).await;
        let proxy = Proxy::to(application.addr).await;
        let request = b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close, content-length, host, x-hop\r\nContent-Length: 2\r\nX-Hop: 1\r\n\r\nhi";
        proxy.raw(request).await;
        let got = application.got().to_lowercase();
        assert!(got.contains("content-length: 2\r\n") && got.contains("host: a\r\n"), "{got}");
        assert!(!got.contains("x-hop"), "{got}");
    });
}
