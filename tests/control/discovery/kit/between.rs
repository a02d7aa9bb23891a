//! Between a control plane and its API server: passes requests on, unless the test has another answer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _};
use http::{Request, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Empty, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

type Body = UnsyncBoxBody<Bytes, kube::Error>;
type Rule = Box<dyn FnMut(&Asked) -> Verdict + Send>;

/// A request that came by.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// The plural of the kind, with its group behind a dot unless that is the core group.
    pub(crate) resource: String,
    pub(crate) query: String,
    pub(crate) accept: String,
}

/// What becomes of a request.
pub(crate) enum Verdict {
    /// The API server answers.
    Pass,
    /// The API server answers the request with this query instead.
    Ask(String),
    /// As `Ask`, once this is done.
    After(futures::future::BoxFuture<'static, ()>),
    /// This is the answer.
    Answer(StatusCode, String),
    /// As `Answer`, with the wish to be asked again after so many seconds.
    Busy(u64),
    /// There is no answer.
    Hang,
}

/// The place in between. Dropping it ends every connection.
pub(crate) struct Between {
    address: SocketAddr,
    state: Arc<State>,
    task: JoinHandle<()>,
}

struct State {
    client: kube::Client,
    rule: Mutex<Rule>,
    asked: Mutex<Vec<Asked>>,
    /// The beginnings of answers of the API server with status 410, or with that code in their first event.
    gone: Mutex<Vec<Asked>>,
    cut: watch::Sender<u64>,
}

impl Asked {
    fn of(request: &Request<Incoming>) -> Self {
        let parts: Vec<&str> = request.uri().path().trim_matches('/').split('/').collect();
        let resource = match parts.as_slice() {
            ["api", _, plural, ..] => (*plural).to_owned(),
            ["apis", group, _, plural, ..] => format!("{plural}.{group}"),
            _ => String::new(),
        };
        let accept = request.headers().get(header::ACCEPT).and_then(|it| it.to_str().ok());
        Self {
            resource,
            query: request.uri().query().unwrap_or_default().to_owned(),
            accept: accept.unwrap_or_default().to_owned(),
        }
    }

    pub(crate) fn is_watch(&self) -> bool {
        self.query.contains("watch=1")
    }

    /// The value of a parameter.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.split('&').find_map(|it| it.strip_prefix(name)?.strip_prefix('='))
    }

    /// The query with another value of a parameter.
    pub(crate) fn with(&self, name: &str, value: &str) -> String {
        let other = self.query.split('&').filter(|it| !it.starts_with(&format!("{name}=")));
        other.map(str::to_owned).chain([format!("{name}={value}")]).collect::<Vec<_>>().join("&")
    }
}

impl Between {
    /// In front of the API server that `client` leads to.
    pub(crate) async fn start(client: kube::Client) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            client,
            rule: Mutex::new(Box::new(|_| Verdict::Pass)),
            asked: Mutex::default(),
            gone: Mutex::default(),
            cut: watch::Sender::new(0),
        });
        let serving = Arc::clone(&state);
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let state = Arc::clone(&serving);
                connections.spawn(async move {
                    let service = service_fn(move |request| answer(Arc::clone(&state), request));
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Self { address, state, task }
    }

    /// A client that is led here.
    pub(crate) fn client(&self) -> kube::Client {
        let mut config = kube::Config::new(format!("http://{}", self.address).parse().unwrap());
        config.read_timeout = None;
        kube::Client::try_from(config).unwrap()
    }

    /// What becomes of requests from now on.
    pub(crate) fn rule(&self, rule: impl FnMut(&Asked) -> Verdict + Send + 'static) {
        *self.state.rule.lock() = Box::new(rule);
    }

    /// Ends all answers that are under way: every watch has to begin again.
    pub(crate) fn cut(&self) {
        self.state.cut.send_modify(|cuts| *cuts += 1);
    }

    /// Requests about a resource so far.
    pub(crate) fn asked(&self, resource: &str) -> Vec<Asked> {
        self.state.asked.lock().iter().filter(|it| it.resource == resource).cloned().collect()
    }

    /// Requests about a resource that the API server called too old.
    pub(crate) fn gone(&self, resource: &str) -> Vec<Asked> {
        self.state.gone.lock().iter().filter(|it| it.resource == resource).cloned().collect()
    }
}

impl Drop for Between {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(
    state: Arc<State>,
    request: Request<Incoming>,
) -> Result<Response<Body>, std::convert::Infallible> {
    let asked = Asked::of(&request);
    // Before the rule is asked: what it let pass may be cut while the API server has not answered yet.
    let cut = state.cut.subscribe();
    state.asked.lock().push(asked.clone());
    let verdict = (state.rule.lock())(&asked);
    let path = request.uri().path();
    let response = match verdict {
        Verdict::Pass => pass(&state, cut, asked.clone(), format!("{path}?{}", asked.query)).await,
        Verdict::Ask(query) => pass(&state, cut, asked, format!("{path}?{query}")).await,
        Verdict::After(done) => {
            done.await;
            pass(&state, cut, asked.clone(), format!("{path}?{}", asked.query)).await
        }
        Verdict::Answer(status, text) => plain(status, text),
        Verdict::Busy(seconds) => {
            let mut response = plain(StatusCode::TOO_MANY_REQUESTS, String::new());
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
            response
        }
        Verdict::Hang => {
            tokio::time::sleep(Duration::from_secs(600)).await;
            plain(StatusCode::GATEWAY_TIMEOUT, String::new())
        }
    };
    Ok(response)
}

async fn pass(
    state: &Arc<State>,
    mut cut: watch::Receiver<u64>,
    asked: Asked,
    path: String,
) -> Response<Body> {
    let request = Request::get(path).header(header::ACCEPT, asked.accept.as_str());
    let request = request.body(kube::client::Body::empty()).unwrap();
    let Ok(answer) = state.client.send(request).await else {
        return plain(StatusCode::BAD_GATEWAY, String::new());
    };
    let status = answer.status();
    if status == StatusCode::GONE {
        state.gone.lock().push(asked.clone());
    }
    let until = async move {
        let _ = cut.changed().await;
    };
    let noted = Arc::clone(state);
    let chunks = answer.into_body().into_data_stream().inspect_ok(move |chunk| {
        let text = String::from_utf8_lossy(chunk);
        if text.contains(r#""type":"ERROR""#) && text.contains(r#""code":410"#) {
            noted.gone.lock().push(asked.clone());
        }
    });
    let body = StreamBody::new(chunks.map_ok(Frame::data).take_until(Box::pin(until)));
    let mut response = Response::new(body.boxed_unsync());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    response
}

fn plain(status: StatusCode, text: String) -> Response<Body> {
    let body = match text.is_empty() {
        true => Empty::new().map_err(|never| match never {}).boxed_unsync(),
        false => Full::new(Bytes::from(text)).map_err(|never| match never {}).boxed_unsync(),
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
}
