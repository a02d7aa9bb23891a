//! The worker threads.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::stream::{FuturesUnordered, StreamExt as _};
use proxy_net::engine::{Engine, Inbox, Mailbox, mailbox};
use tokio::sync::oneshot;

use super::listeners::{self, ListenError, Plan};
use super::time_of_day;
use crate::access_log::AccessLog;
use crate::config::Config;
use crate::discovery::{Deliver, Discovery};
use crate::logging::output::Output;
use crate::trace::Tracer;
use crate::worker::{Mesh, Message, Settings};

/// Messages that a worker may have waiting.
const MAX_MESSAGES: usize = 4_096;
/// Octets of a worker's stack. A handshake with a hybrid key exchange takes the most.
const STACK: usize = 512 * 1024;
/// Between attempts to reach a worker whose queue is full.
const RETRY: Duration = Duration::from_millis(5);
/// How many there are: a worker that has not taken a message for so long has ended.
const RETRIES: u32 = 1_000;

/// Reaches the workers; cheap to clone.
#[derive(Clone)]
pub(super) struct Workers {
    mailboxes: Arc<[Mailbox<Message>]>,
}

/// Ends when its worker has.
pub(super) type Ended = FuturesUnordered<oneshot::Receiver<()>>;

/// What is made before the threads: the way to tell workers, and their ends of it.
pub(super) struct Prepared {
    pub(super) workers: Workers,
    inboxes: Vec<Inbox<Message>>,
}

/// Why there are no workers.
#[derive(Debug, thiserror::Error)]
pub(super) enum StartError {
    #[error(transparent)]
    Listen(#[from] ListenError),
    #[error("no thread or runtime for a worker: {0}")]
    Thread(#[from] io::Error),
}

// === impl Prepared ===

impl Prepared {
    pub(super) fn new(count: usize) -> Self {
        let (mailboxes, inboxes): (Vec<_>, Vec<_>) = (0..count).map(|_| mailbox(MAX_MESSAGES)).unzip();
        Self { workers: Workers { mailboxes: mailboxes.into() }, inboxes }
    }

    /// How discovery tells each worker.
    pub(super) fn delivers(&self) -> Vec<Deliver> {
        let deliver = |mailbox: Mailbox<Message>| -> Deliver {
            Box::new(move |update| mailbox.send(Message::Update(update)).is_ok())
        };
        self.workers.mailboxes.iter().cloned().map(deliver).collect()
    }

    /// Opens all sockets, then starts a thread for each worker.
    pub(super) fn start(
        self,
        config: &Arc<Config>,
        output: &Output,
        tracer: Option<&Tracer>,
        discovery: impl Fn(usize) -> Discovery,
    ) -> Result<(Workers, Ended), StartError> {
        let count = self.inboxes.len();
        let plans = listeners::plans(config);
        let sockets: Vec<_> = (0..count).map(|_| listeners::open(&plans, count)).collect::<Result<_, _>>()?;
        let ended = Ended::new();
        for (index, (inbox, sockets)) in self.inboxes.into_iter().zip(sockets).enumerate() {
            let settings = Settings {
                config: config.clone(),
                listeners: plans.iter().map(|Plan { purpose, .. }| purpose.clone()).collect(),
                workers: count,
                time_of_day,
                access_log: config.log.access.map(|format| AccessLog::new(format, output.clone())),
                tracer: tracer.cloned(),
            };
            let discovery = discovery(index);
            let (end, end_seen) = oneshot::channel();
            std::thread::Builder::new().name(format!("worker-{index}")).stack_size(STACK).spawn(
                move || {
                    if let Err(error) = work(inbox, sockets, settings, discovery) {
                        tracing::error!(%error, "a worker cannot run");
                    }
                    // Nobody may be waiting for it.
                    let _ = end.send(());
                },
            )?;
            ended.push(end_seen);
        }
        Ok((self.workers, ended))
    }
}

/// A worker, from its first round to its last.
fn work(
    inbox: Inbox<Message>,
    sockets: Vec<proxy_net::engine::Listener>,
    settings: Settings,
    discovery: Discovery,
) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut mesh = Mesh::new(settings, discovery, rand::random());
        mesh.start(Instant::now());
        let mut engine = Engine::new(proxy_net::engine::Config::default(), inbox, mesh);
        for socket in sockets {
            engine.listen(socket)?;
        }
        // It shares its time fairly itself.
        tokio::task::unconstrained(engine.run()).await;
        Ok(())
    })
}

// === impl Workers ===

impl Workers {
    /// Tells every worker the same, however full its queue is; one that has ended is passed over.
    pub(super) async fn tell(&self, message: impl Fn() -> Message) {
        let mut waiting: Vec<_> = self.mailboxes.iter().map(|mailbox| (mailbox, message())).collect();
        for _ in 0..RETRIES {
            waiting = waiting
                .into_iter()
                .filter_map(|(mailbox, message)| Some((mailbox, mailbox.send(message).err()?.message)))
                .collect();
            if waiting.is_empty() {
                return;
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    /// Asks every worker; those that do not answer within a time are left out.
    pub(super) async fn ask<T>(
        &self,
        limit: Duration,
        question: impl Fn(oneshot::Sender<T>) -> Message,
    ) -> Vec<T> {
        let answers: FuturesUnordered<_> = self
            .mailboxes
            .iter()
            .filter_map(|mailbox| {
                let (sender, answer) = oneshot::channel();
                mailbox.send(question(sender)).ok().map(|()| tokio::time::timeout(limit, answer))
            })
            .collect();
        answers.filter_map(async |answer| answer.ok()?.ok()).collect().await
    }
}
