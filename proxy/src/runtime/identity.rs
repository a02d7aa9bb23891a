//! Tells the workers of each generation of the identity.

use tokio::sync::watch;

use super::workers::Workers;
use crate::discovery::Update;
use crate::identity::State;
use crate::worker::Message;

/// Runs for as long as there is an identity to come.
pub(super) async fn publish(mut state: watch::Receiver<State>, workers: Workers) {
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
