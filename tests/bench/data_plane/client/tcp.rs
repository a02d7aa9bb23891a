//! Opaque streams towards the client.

use std::net::SocketAddr;

use anyhow::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Tally;

/// Reads what comes, on each connection.
pub(super) fn start(address: SocketAddr, connections: usize, tally: &'static Tally) {
    for _ in 0..connections {
        tokio::task::spawn_local(async move {
            if read(address, tally).await.is_err() {
                tally.failed();
            }
        });
    }
}

async fn read(address: SocketAddr, tally: &Tally) -> Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(b"x").await?;
    let mut block = vec![0; 1 << 18];
    loop {
        match stream.read(&mut block).await? {
            0 => anyhow::bail!("the stream ended"),
            octets => tally.came(octets),
        }
    }
}
