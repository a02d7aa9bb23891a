//! Accepts connections.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::Api;
use super::connection::Connection;
use crate::runtime::accept::Places;

/// Limits of a server. Each is stated, since defaults of libraries have cut off watches before.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at a time; more wait in the kernel's queue.
    pub connections: usize,
    /// Streams of a connection. A proxy has one for each target and API.
    pub streams: u32,
    /// How long a request may take to arrive.
    pub request: Duration,
    /// After how long without a word a client is asked whether it is still there.
    pub keep_alive: Duration,
    /// How long streams may take to end at a shutdown.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 50_000,
            streams: 100_000,
            request: Duration::from_secs(10),
            keep_alive: Duration::from_secs(20),
            drain: Duration::from_secs(10),
        }
    }
}

/// Serves until `shutdown` turns true, then lets streams end.
pub async fn serve(
    listener: TcpListener,
    api: Arc<Api>,
    limits: Limits,
    mut shutdown: watch::Receiver<bool>,
) {
    let places = Places::new(limits.connections);
    // What is in here ends with this future: no connection outlives its server.
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let (stream, _, place) = tokio::select! {
            () = down(&mut shutdown) => break,
            accepted = places.accept(&listener) => accepted,
        };
        let (api, shutdown) = (Arc::clone(&api), shutdown.clone());
        connections.spawn(async move {
            connection(stream, api, limits, shutdown).await;
            drop(place);
        });
    }
    let all = async { while connections.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(limits.drain, all).await;
}

/// Resolves when the end begins, or nobody is left to begin it.
async fn down(shutdown: &mut watch::Receiver<bool>) {
    let _ = shutdown.wait_for(|down| *down).await;
}

async fn connection(stream: TcpStream, api: Arc<Api>, limits: Limits, mut shutdown: watch::Receiver<bool>) {
    let _ = stream.set_nodelay(true);
    let mut connection = Box::new(Connection::new(stream, api, limits));
    let ended = tokio::select! {
        ended = poll_fn(|context| connection.poll(context)) => ended,
        () = down(&mut shutdown) => {
            connection.shut_down();
            poll_fn(|context| connection.poll(context)).await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended");
    }
}
