//! Tells the workers what changes for all of them: the identity, and who watches requests.

use std::sync::Arc;

use tokio::sync::watch;

use super::workers::Workers;
use crate::discovery::Update;
use crate::identity::State;
use crate::tap::Tap;
use crate::worker::Message;

/// Who watches requests.
pub(super) type Watchers = Arc<[Arc<Tap>]>;

/// Tells of each generation of the identity.
pub(super) async fn identity(mut state: watch::Receiver<State>, workers: Workers) {
    loop {
        let credentials = state.borrow_and_update().credentials.clone();
        if let Some(credentials) = credentials {
            workers.tell(|| Message::Update(Update::Identity(credentials.clone()))).await;
        }
        if state.changed().await.is_err() {
            return;
        }
    }
}

/// Tells of each change among those who watch.
pub(super) async fn watchers(mut taps: watch::Receiver<Watchers>, workers: Workers) {
    while taps.changed().await.is_ok() {
        let taps = taps.borrow_and_update().clone();
        workers.tell(|| Message::Tap(taps.clone())).await;
    }
}
