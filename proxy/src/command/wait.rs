//! Waiting for a proxy: its readiness probe, asked until it says yes.

use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// Between two questions.
const PAUSE: Duration = Duration::from_millis(100);
/// How long one answer may take.
const ANSWER: Duration = Duration::from_secs(2);
/// Octets of an answer that are looked at.
const MAX_ANSWER: usize = 1024;

/// Why the wait is over without success.
#[derive(Debug, thiserror::Error)]
#[error("the proxy is not ready after {waited:?}: {cause}; its log says why")]
pub(super) struct NotReady {
    waited: Duration,
    cause: String,
}

/// Asks `/ready` on this machine until the answer is yes, by IPv4 and by IPv6 in turn.
pub(super) fn until_ready(port: u16, timeout: Duration) -> Result<(), NotReady> {
    let deadline = Instant::now() + timeout;
    let addresses = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
    loop {
        let mut cause = String::new();
        for ip in addresses {
            match ask(SocketAddr::new(ip, port)) {
                Ok(200) => return Ok(()),
                Ok(status) => cause = format!("it answered with status {status}"),
                Err(error) if cause.is_empty() => cause = format!("{}: {error}", SocketAddr::new(ip, port)),
                Err(_) => {}
            }
        }
        if Instant::now() + PAUSE >= deadline {
            return Err(NotReady { waited: timeout, cause });
        }
        std::thread::sleep(PAUSE);
    }
}

/// The status of one answer.
fn ask(addr: SocketAddr) -> io::Result<u16> {
    let mut stream = TcpStream::connect_timeout(&addr, ANSWER)?;
    stream.set_read_timeout(Some(ANSWER))?;
    stream.set_write_timeout(Some(ANSWER))?;
    stream
        .write_all(format!("GET /ready HTTP/1.1\r\nhost: {addr}\r\nconnection: close\r\n\r\n").as_bytes())?;
    let mut answer = Vec::new();
    let mut part = [0; 256];
    while answer.len() < MAX_ANSWER && !answer.windows(2).any(|two| two == b"\r\n") {
        match stream.read(&mut part)? {
            0 => break,
            n => answer.extend_from_slice(&part[..n]),
        }
    }
    status(&answer).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the answer is not HTTP"))
}

fn status(answer: &[u8]) -> Option<u16> {
    let line = answer.split(|octet| *octet == b'\r').next()?;
    let line = std::str::from_utf8(line).ok()?.strip_prefix("HTTP/1.")?;
    line.split_ascii_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn it_waits_for_a_yes() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = std::thread::spawn(move || {
            for answer in [
                "HTTP/1.1 503 Service Unavailable\r\n\r\nnot ready\n",
                "SSH-2.0\r\n",
                "HTTP/1.1 200 OK\r\n\r\nready\n",
            ] {
                let (mut client, _) = listener.accept().unwrap();
                let mut request = [0; 256];
                let _ = client.read(&mut request).unwrap();
                assert!(request.starts_with(b"GET /ready HTTP/1.1\r\n"));
                client.write_all(answer.as_bytes()).unwrap();
            }
        });
        until_ready(port, Duration::from_secs(20)).unwrap();
        server.join().unwrap();
    }

    #[test]
    fn it_says_what_kept_it() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let error = until_ready(port, Duration::from_millis(150)).unwrap_err().to_string();
        assert!(error.contains("is not ready after 150ms: 127.0.0.1:"), "{error}");
    }
}
