//! Answers by key, with streams that follow them.

use std::collections::HashMap;

use parking_lot::Mutex;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status};

/// What a stream is told.
#[derive(Clone, Debug)]
pub enum Answer<T> {
    /// This, and whatever follows later.
    Value(T),
    /// Nothing, with the stream open.
    Silence,
    /// The end, with an error.
    Status(Code, String),
    /// The end, without one.
    End,
}

/// One kind of question.
#[derive(Debug)]
pub(super) struct Table<T> {
    fallback: Answer<T>,
    entries: Mutex<HashMap<String, watch::Sender<Answer<T>>>>,
}

/// What a method returns.
pub(super) type Stream<M> = ReceiverStream<Result<M, Status>>;

/// Messages that may wait for a slow proxy.
const QUEUE: usize = 16;

// === impl Answer ===

impl<T> Answer<T> {
    /// The answer to what is in no script.
    #[must_use]
    pub fn not_found() -> Self {
        Self::Status(Code::NotFound, "not in the script".to_owned())
    }

    pub(super) fn map<U>(self, change: impl FnOnce(T) -> U) -> Answer<U> {
        match self {
            Self::Value(value) => Answer::Value(change(value)),
            Self::Silence => Answer::Silence,
            Self::Status(code, message) => Answer::Status(code, message),
            Self::End => Answer::End,
        }
    }
}

// === impl Table ===

impl<T: Clone + Send + Sync + 'static> Table<T> {
    pub(super) fn new(fallback: Answer<T>) -> Self {
        Self { fallback, entries: Mutex::default() }
    }

    pub(super) fn set(&self, key: String, answer: Answer<T>) {
        let mut entries = self.entries.lock();
        let entry = entries.entry(key).or_insert_with(|| watch::Sender::new(self.fallback.clone()));
        entry.send_replace(answer);
    }

    /// Answers a key like this for as long as nothing else is set for it.
    pub(super) fn unless_set(&self, key: &str, answer: impl FnOnce() -> Answer<T>) {
        self.entries.lock().entry(key.to_owned()).or_insert_with(|| watch::Sender::new(answer()));
    }

    /// A stream of the answers about a key, each written by `encode`; no message is sent for none.
    pub(super) fn stream<M: Send + 'static>(
        &self,
        key: &str,
        mut encode: impl FnMut(T) -> Vec<M> + Send + 'static,
    ) -> Stream<M> {
        let mut answers = {
            let mut entries = self.entries.lock();
            let entry =
                entries.entry(key.to_owned()).or_insert_with(|| watch::Sender::new(self.fallback.clone()));
            entry.subscribe()
        };
        let (out, stream) = mpsc::channel(QUEUE);
        tokio::spawn(async move {
            loop {
                let answer = answers.borrow_and_update().clone();
                match answer {
                    Answer::Value(value) => {
                        for message in encode(value) {
                            if out.send(Ok(message)).await.is_err() {
                                return;
                            }
                        }
                    }
                    Answer::Silence => {}
                    Answer::Status(code, message) => {
                        // Without a receiver the proxy has gone already.
                        let _ = out.send(Err(Status::new(code, message))).await;
                        return;
                    }
                    Answer::End => return,
                }
                tokio::select! {
                    changed = answers.changed() => if changed.is_err() { return },
                    () = out.closed() => return,
                }
            }
        });
        ReceiverStream::new(stream)
    }
}
