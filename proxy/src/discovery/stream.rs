//! One stream of the control plane, opened again as often as it ends.

use std::time::Duration;

use linkerd2_proxy_api::destination::GetDestination;
use linkerd2_proxy_api::destination::destination_client::DestinationClient;
use linkerd2_proxy_api::inbound::inbound_server_policies_client::InboundServerPoliciesClient;
use linkerd2_proxy_api::outbound::outbound_policies_client::OutboundPoliciesClient;
use linkerd2_proxy_api::outbound::{TrafficSpec, traffic_spec};
use mesh_api::faults::WatchRequest;
use mesh_api::faults::faults_client::FaultsClient;
use proxy_net::backoff::Backoff;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};
use tonic::{Code, Response, Status, Streaming};

use super::client::Client;
use super::watched::News;
use super::{Answer, Key, Target, Update, port_spec};
use crate::config::StreamLimits;
use crate::model::{EndpointsUpdate, InvalidMessage};

/// Octets of one message: about 80,000 endpoints.
const MAX_MESSAGE: usize = 16 * 1024 * 1024;
/// How long until a key that is refused or unknown is asked for again, while somebody still wants it.
const ASK_AGAIN: Duration = Duration::from_secs(60);
/// The least time between two streams of a key, however well the first went.
const PAUSE: Duration = Duration::from_millis(100);

/// A server as its streams see it.
#[derive(Clone)]
pub(super) struct Server {
    pub(super) client: Client,
    pub(super) limits: StreamLimits,
    pub(super) backoff: Backoff,
    /// What is sent to say who asks.
    pub(super) token: std::sync::Arc<str>,
}

/// How a stream ended.
#[derive(Debug)]
enum End {
    /// By one of our limits, having worked.
    Limit(&'static str),
    /// Nothing came in time.
    Silent(Duration),
    /// By the server.
    Status(Status),
    /// Nobody listens any more.
    Unwanted,
}

/// Tells the hub what streams say, until it listens no more.
pub(super) struct Watch {
    pub(super) key: Key,
    pub(super) serial: u64,
    pub(super) server: Server,
    pub(super) news: mpsc::Sender<(Key, u64, News)>,
}

// === impl Watch ===

impl Watch {
    pub(super) async fn run(self) {
        let mut failures: u32 = 0;
        // Whether something was said before, by a stream that is gone.
        let mut answered = false;
        loop {
            let mut heard = false;
            let end = self.once(&mut heard).await;
            if heard {
                (failures, answered) = (0, true);
            }
            let wait = match self.conclude(end, &mut failures, answered).await {
                Some(wait) => wait,
                None => return,
            };
            sleep(wait).await;
        }
    }

    /// One stream, from its opening to its end.
    async fn once(&self, heard: &mut bool) -> End {
        let Server { client, token, .. } = &self.server;
        match &self.key {
            Key::Profile(target) => {
                let request = destination(target.to_string(), token);
                let mut service =
                    DestinationClient::new(client.clone()).max_decoding_message_size(MAX_MESSAGE);
                let update = |message| {
                    Ok(Update::Profile(target.clone(), Answer::Found(std::sync::Arc::new(convert(message)?))))
                };
                self.listen(service.get_profile(request), heard, update).await
            }
            Key::Endpoints(name) => {
                let request = destination(name.to_string(), token);
                let mut service =
                    DestinationClient::new(client.clone()).max_decoding_message_size(MAX_MESSAGE);
                let mut first = true;
                let update = |message| {
                    let update: EndpointsUpdate = convert(message)?;
                    let update = if std::mem::take(&mut first) { update.into_first() } else { update };
                    Ok(Update::Endpoints(name.clone(), update))
                };
                self.listen(service.get(request), heard, update).await
            }
            Key::Outbound(target) => {
                let request = traffic(target, token);
                let mut service =
                    OutboundPoliciesClient::new(client.clone()).max_decoding_message_size(MAX_MESSAGE);
                let update = |message| {
                    Ok(Update::Outbound(
                        target.clone(),
                        Answer::Found(std::sync::Arc::new(convert(message)?)),
                    ))
                };
                self.listen(service.watch(request), heard, update).await
            }
            Key::Faults => {
                let request = WatchRequest { workload: token.to_string() };
                let mut service = FaultsClient::new(client.clone()).max_decoding_message_size(MAX_MESSAGE);
                let update =
                    |message| Ok(Update::Faults(Answer::Found(std::sync::Arc::new(convert(message)?))));
                self.listen(service.watch(request), heard, update).await
            }
            Key::Inbound(port) => {
                let request = port_spec(token, *port);
                let mut service =
                    InboundServerPoliciesClient::new(client.clone()).max_decoding_message_size(MAX_MESSAGE);
                let update = |message| {
                    Ok(Update::Inbound(*port, Answer::Found(std::sync::Arc::new(convert(message)?))))
                };
                self.listen(service.watch_port(request), heard, update).await
            }
        }
    }

    async fn listen<M>(
        &self,
        open: impl Future<Output = Result<Response<Streaming<M>>, Status>>,
        heard: &mut bool,
        mut update: impl FnMut(M) -> Result<Update, InvalidMessage>,
    ) -> End {
        let limits = self.server.limits;
        let began = Instant::now();
        // Beyond any limit that can be configured.
        let never = began + Duration::from_secs(10 * 365 * 86_400);
        let within = |from: Instant, limit: Option<Duration>| limit.map_or(never, |limit| from + limit);
        let initial = within(began, limits.initial);
        let silent = || End::Silent(limits.initial.unwrap_or_default());
        let mut stream = match timeout_at(initial, open).await {
            Ok(Ok(response)) => response.into_inner(),
            Ok(Err(status)) => return End::Status(status),
            Err(_) => return silent(),
        };
        if self.tell(News::Opened).await.is_none() {
            return End::Unwanted;
        }
        let end = within(began, limits.lifetime);
        let mut deadline = initial;
        let mut first = true;
        loop {
            let message = tokio::select! {
                message = timeout_at(deadline, stream.message()) => message,
                () = sleep_until(end) => return End::Limit("lifetime"),
            };
            let news = match message {
                Ok(Ok(Some(message))) => match update(message) {
                    Ok(update) => News::Update(update),
                    Err(error) => News::Invalid(error.reason(), error.to_string()),
                },
                Ok(Ok(None)) => return End::Status(Status::unavailable("the server ended the stream")),
                Ok(Err(status)) => return End::Status(status),
                Err(_) if first => return silent(),
                Err(_) => return End::Limit("idle"),
            };
            first = false;
            *heard = true;
            deadline = within(Instant::now(), limits.idle);
            if self.tell(news).await.is_none() {
                return End::Unwanted;
            }
        }
    }

    /// Says how a stream ended, and how long to wait for the next; none when nobody wants it.
    async fn conclude(&self, end: End, failures: &mut u32, answered: bool) -> Option<Duration> {
        let backoff = |failures: &mut u32| {
            let wait = self.server.backoff.delay(*failures, rand::random());
            *failures = failures.saturating_add(1);
            wait
        };
        let (reason, wait) = match end {
            End::Unwanted => return None,
            End::Limit(limit) => {
                tracing::debug!(key = %self.key, limit, "a stream of the control plane is renewed");
                *failures = 0;
                return Some(PAUSE);
            }
            End::Silent(limit) => {
                self.server.client.suspect();
                (format!("nothing was said within {limit:?}"), backoff(failures))
            }
            End::Status(status) => match self.verdict(status.code(), answered) {
                Some(update) => {
                    tracing::debug!(key = %self.key, code = ?status.code(), message = status.message(), "answered by a status");
                    self.tell(News::Update(update)).await?;
                    // It is an answer, which is asked for again; nothing is out of date.
                    return Some(ASK_AGAIN.mul_f64(rand::random_range(1.0..1.5)));
                }
                None => (format!("{:?}: {}", status.code(), status.message()), backoff(failures).max(PAUSE)),
            },
        };
        tracing::debug!(key = %self.key, reason, ?wait, "a stream of the control plane is down");
        self.tell(News::Down(reason)).await?;
        Some(wait)
    }

    /// What a status says about the key, if anything. What was found before is not forgotten because a server lost it.
    fn verdict(&self, code: Code, answered: bool) -> Option<Update> {
        fn answer<T>(code: Code) -> Option<Answer<T>> {
            match code {
                Code::NotFound | Code::Unimplemented => Some(Answer::NotFound),
                Code::InvalidArgument => Some(Answer::Rejected("invalid_argument")),
                Code::FailedPrecondition => Some(Answer::Rejected("failed_precondition")),
                _ => None,
            }
        }
        if answered && code == Code::Unimplemented {
            return None;
        }
        match &self.key {
            // A destination that has no profile can be served without one.
            Key::Profile(target) => {
                answer::<()>(code).map(|_| Update::Profile(target.clone(), Answer::NotFound))
            }
            Key::Outbound(target) => Some(Update::Outbound(target.clone(), answer(code)?)),
            Key::Faults => answer::<()>(code).map(|_| Update::Faults(Answer::NotFound)),
            Key::Inbound(port) => Some(Update::Inbound(*port, answer(code)?)),
            Key::Endpoints(name) => {
                answer::<()>(code).map(|_| Update::Endpoints(name.clone(), EndpointsUpdate::DoesNotExist))
            }
        }
    }

    async fn tell(&self, news: News) -> Option<()> {
        self.news.send((self.key.clone(), self.serial, news)).await.ok()
    }
}

fn convert<M, T: TryFrom<M, Error = InvalidMessage>>(message: M) -> Result<T, InvalidMessage> {
    T::try_from(message)
}

fn destination(path: String, token: &str) -> GetDestination {
    GetDestination { scheme: String::new(), path, context_token: token.to_owned() }
}

fn traffic(target: &Target, workload: &str) -> TrafficSpec {
    let target = match target {
        Target::Addr(addr) => traffic_spec::Target::Addr((*addr).into()),
        Target::Name(name) => traffic_spec::Target::Authority(name.to_string()),
    };
    TrafficSpec { source_workload: workload.to_owned(), target: Some(target) }
}
