//! A small HTTP server for test pods.
//!
//! usage: `web PORT NAME [UPSTREAM]`. Every request is answered with `NAME@NODE`, where NODE is the variable `NODE`;
//! with an UPSTREAM (`host:port`) the answer ends in ` via ` and what the upstream answered to the same path. The
//! upstream is asked once before the server listens: without it, the program fails.
//!
//! usage: `web fetch UPSTREAM`. Asks once and ends: with success if the upstream answers.

use std::env;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let served = match args.as_slice() {
        [word, upstream] if word == "fetch" => fetch(upstream, "/").map(|text| println!("{text}")),
        [port, name] => serve(port, name, None),
        [port, name, upstream] => serve(port, name, Some(upstream)),
        _ => Err(io::Error::other("usage: web PORT NAME [UPSTREAM]")),
    };
    if let Err(error) = served {
        eprintln!("web: {error}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn serve(port: &str, name: &str, upstream: Option<&str>) -> io::Result<()> {
    if let Some(upstream) = upstream {
        println!("upstream {upstream} answers {:?}", fetch(upstream, "/")?);
    }
    let port: u16 = port.parse().map_err(io::Error::other)?;
    let listener = TcpListener::bind(("0.0.0.0", port))?;
    println!("{name} listens on {port}");
    for stream in listener.incoming() {
        let (name, upstream) = (name.to_owned(), upstream.map(str::to_owned));
        std::thread::spawn(move || {
            // A client that goes away is its own business.
            let _ = answer(stream?, &name, upstream.as_deref());
            io::Result::Ok(())
        });
    }
    Ok(())
}

fn answer(mut stream: TcpStream, name: &str, upstream: Option<&str>) -> io::Result<()> {
    stream.set_read_timeout(Some(LIMIT))?;
    let mut lines = BufReader::new(stream.try_clone()?).take(16 * 1024).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    let path = request.split(' ').nth(1).unwrap_or("/");
    let mut body = format!("{name}@{}", env::var("NODE").unwrap_or_default());
    let mut status = "200 OK";
    if let Some(upstream) = upstream {
        match fetch(upstream, path) {
            Ok(text) => body = format!("{body} via {text}"),
            Err(error) => (status, body) = ("502 Bad Gateway", error.to_string()),
        }
    }
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

fn fetch(host: &str, path: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(host)?;
    stream.set_read_timeout(Some(LIMIT))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")?;
    let mut response = String::new();
    stream.take(64 * 1024).read_to_string(&mut response)?;
    let (head, body) = response.split_once("\r\n\r\n").ok_or_else(|| io::Error::other("no HTTP response"))?;
    if !head.starts_with("HTTP/1.1 200 ") {
        return Err(io::Error::other(format!("{host} answered {head}")));
    }
    Ok(body.to_owned())
}
