//! Accepting connections, as many at a time as there are places.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// After an error, which mostly is a lack of descriptors: a moment's rest lets some be closed.
const REST: Duration = Duration::from_millis(100);

/// Places for connections.
pub(crate) struct Places(Arc<Semaphore>);

/// The place of a connection, until it is dropped.
pub(crate) struct Place {
    _permit: Option<OwnedSemaphorePermit>,
}

// === impl Places ===

impl Places {
    /// So many.
    pub(crate) fn new(count: usize) -> Self {
        Self(Arc::new(Semaphore::new(count)))
    }

    /// Waits for a place, and then for a connection that takes it. An error is told, and does not end the wait.
    pub(crate) async fn accept(&self, listener: &TcpListener) -> (TcpStream, SocketAddr, Place) {
        // Nobody closes the semaphore.
        let place = Place { _permit: Arc::clone(&self.0).acquire_owned().await.ok() };
        loop {
            match listener.accept().await {
                Ok((stream, addr)) => return (stream, addr, place),
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(REST).await;
                }
            }
        }
    }
}
