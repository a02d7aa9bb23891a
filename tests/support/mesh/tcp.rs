//! Octets to and from sockets, for tests that look at every one.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::namespace::Namespace;

/// How long a test waits for an octet.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// Sends octets and returns all that comes until the peer closes.
///
/// # Errors
/// When the connection fails, or stays silent for [`PATIENCE`].
pub async fn ask(address: SocketAddr, request: Vec<u8>) -> Result<Vec<u8>> {
    let mut stream = connect(address).await?;
    stream.write_all(&request).await.context("cannot write")?;
    read_all(&mut stream).await
}

/// Connects.
///
/// # Errors
/// When that fails or takes longer than [`PATIENCE`].
pub async fn connect(address: SocketAddr) -> Result<TcpStream> {
    let stream = tokio::time::timeout(PATIENCE, TcpStream::connect(address))
        .await
        .with_context(|| format!("{address} does not answer"))?
        .with_context(|| format!("cannot connect to {address}"))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// All that comes until the peer closes.
///
/// # Errors
/// When the connection fails, or stays silent for [`PATIENCE`]; with what came before.
pub async fn read_all(stream: &mut TcpStream) -> Result<Vec<u8>> {
    let mut all = Vec::new();
    loop {
        let read = tokio::time::timeout(PATIENCE, stream.read_buf(&mut all)).await;
        let text = || format!("after {:?}", String::from_utf8_lossy(&all));
        match read.with_context(text)?.with_context(text)? {
            0 => return Ok(all),
            _ => continue,
        }
    }
}

/// Sends octets and returns all that comes until the connection ends, in whatever way: the peer may refuse it at any time.
///
/// # Errors
/// When there is no connection, or it stays open and silent for [`PATIENCE`].
pub async fn ask_until_end(address: SocketAddr, request: &[u8]) -> Result<Vec<u8>> {
    let mut stream = connect(address).await?;
    // It may have ended before the write.
    let _ = stream.write_all(request).await;
    read_until_end(&mut stream).await
}

/// All that comes until the connection ends; a reset is an end, too.
///
/// # Errors
/// When it stays open and silent for [`PATIENCE`]; with what came before.
pub async fn read_until_end(stream: &mut TcpStream) -> Result<Vec<u8>> {
    let mut all = Vec::new();
    loop {
        let read = tokio::time::timeout(PATIENCE, stream.read_buf(&mut all)).await;
        let read = read.with_context(|| format!("still open after {:?}", String::from_utf8_lossy(&all)))?;
        if !matches!(read, Ok(1..)) {
            return Ok(all);
        }
    }
}

/// Octets until `end` has come.
///
/// # Errors
/// When the connection ends, or stays silent for [`PATIENCE`]; with what came before.
pub async fn read_until(stream: &mut TcpStream, end: &[u8]) -> Result<Vec<u8>> {
    let mut all = Vec::new();
    while !all.windows(end.len()).any(|window| window == end) {
        let read = tokio::time::timeout(PATIENCE, stream.read_buf(&mut all)).await;
        let text = || format!("after {:?}", String::from_utf8_lossy(&all));
        if read.with_context(text)?.with_context(text)? == 0 {
            anyhow::bail!("the end came {}", text());
        }
    }
    Ok(all)
}

/// Exactly so many octets.
///
/// # Errors
/// When they do not come within [`PATIENCE`].
pub async fn read_exact(stream: &mut TcpStream, count: usize) -> Result<Vec<u8>> {
    let mut all = vec![0; count];
    tokio::time::timeout(PATIENCE, stream.read_exact(&mut all)).await.context("no octets")??;
    Ok(all)
}

/// Status and body of an HTTP/1 response that was read to its end. A chunked body is put together.
///
/// # Errors
/// When it is none.
pub fn split_response(octets: &[u8]) -> Result<(u16, String)> {
    let text = String::from_utf8_lossy(octets);
    let (head, body) = text.split_once("\r\n\r\n").with_context(|| format!("no response: {text:?}"))?;
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
    let status = status.with_context(|| format!("no status: {head:?}"))?;
    let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    Ok((status, if chunked { unchunk(body)? } else { body.to_owned() }))
}

/// A server that answers each connection with what it gets.
///
/// # Errors
/// When the address cannot be bound.
pub fn serve_echo(namespace: &Namespace, address: SocketAddr) -> Result<()> {
    serve(namespace, address, |mut stream| async move {
        let (mut read, mut write) = stream.split();
        let _ = tokio::io::copy(&mut read, &mut write).await;
        let _ = write.shutdown().await;
    })
}

/// A server that talks first, and then answers with what it gets.
///
/// # Errors
/// When the address cannot be bound.
pub fn serve_banner(namespace: &Namespace, address: SocketAddr, banner: &'static str) -> Result<()> {
    serve(namespace, address, move |mut stream| async move {
        if stream.write_all(banner.as_bytes()).await.is_ok() {
            let (mut read, mut write) = stream.split();
            let _ = tokio::io::copy(&mut read, &mut write).await;
            let _ = write.shutdown().await;
        }
    })
}

/// A server that does the same with each connection.
///
/// # Errors
/// When the address cannot be bound.
pub fn serve<F>(
    namespace: &Namespace,
    address: SocketAddr,
    handle: impl Fn(TcpStream) -> F + Send + 'static,
) -> Result<()>
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = namespace
        .run(async move { TcpListener::bind(address).await })
        .with_context(|| format!("cannot listen on {address}"))?;
    namespace.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = stream.set_nodelay(true);
            tokio::spawn(handle(stream));
        }
    });
    Ok(())
}

fn unchunk(mut body: &str) -> Result<String> {
    let mut whole = String::new();
    loop {
        let (size, rest) = body.split_once("\r\n").context("no chunk")?;
        let size = usize::from_str_radix(size.trim(), 16).context("no size of a chunk")?;
        if size == 0 {
            return Ok(whole);
        }
        whole.push_str(rest.get(..size).context("a chunk that is cut")?);
        body = rest.get(size + 2..).context("a chunk without end")?;
    }
}
