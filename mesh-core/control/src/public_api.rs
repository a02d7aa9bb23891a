//! What the command and the dashboard ask: traffic, pods, services, and how the control plane itself is.
//!
//! Reading order: [`query`] (questions about numbers, and the two who answer them), [`prometheus`] and [`direct`] (those
//! two; [`store`] is the window of the latter, [`exposition`] the text it reads), [`objects`] (what the API server
//! knows), then the questions: `stat`, `routes`, `edges`.

pub mod direct;
mod edges;
pub mod exposition;
mod history;
pub mod objects;
pub mod prometheus;
pub mod query;
mod routes;
mod stat;
pub mod store;

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::Api;
use mesh_api::public as api;
use mesh_api::public::public_api_server::{PublicApi, PublicApiServer};
use mesh_core::duration::GoDuration;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Code, Request, Response, Status};

use crate::args::PublicApiArgs;
use crate::runtime::metrics::{Counter, Family};
use crate::runtime::spans::TraceLayer;
use crate::runtime::{self, CALL_LIMIT, RunError, Runtime};
use direct::Direct;
use objects::{Kind, Objects};
use prometheus::Prometheus;
use query::Source;

/// How long one question may take.
const LIMIT: Duration = Duration::from_secs(30);
/// Largest question that is read, in bytes.
const MAX_QUESTION: usize = 64 * 1024;

/// Why a question is not answered.
#[derive(Debug)]
pub(crate) struct Refusal {
    code: Code,
    text: String,
}

/// Answers questions.
pub struct Answers {
    client: kube::Client,
    namespace: String,
    domain: String,
    objects: Objects,
    prometheus: Option<Arc<Prometheus>>,
    direct: Option<Arc<Direct>>,
    questions: Family<Counter>,
}

/// Serves until the end begins.
///
/// # Errors
/// When the address is taken, an argument cannot be used or there is no way to the API server.
pub async fn run(args: &PublicApiArgs, runtime: &Runtime) -> Result<(), RunError> {
    let client = runtime.client().await?;
    let prometheus =
        match args.prometheus_url.as_deref().filter(|url| !url.is_empty()) {
            None => None,
            Some(url) => Some(Arc::new(Prometheus::new(url).map_err(|error| RunError::Argument {
                flag: "prometheus-url",
                problem: error.to_string(),
            })?)),
        };
    let direct = match args.direct {
        false => None,
        true => {
            let settings = direct::Settings {
                interval: span("direct-scrape-interval", args.direct_scrape_interval)?,
                window: span("direct-window", args.direct_window)?,
                limit: bytes("direct-memory-limit", &args.direct_memory_limit)?,
            };
            Some(Arc::new(Direct::start(runtime, client.clone(), settings)))
        }
    };
    runtime.readiness.gate("start").open();
    let answers = Answers {
        objects: Objects::new(client.clone(), &runtime.namespace),
        client,
        namespace: runtime.namespace.clone(),
        domain: args.cluster_domain.clone(),
        prometheus,
        direct,
        questions: runtime.registry.counters(
            "public_api_questions_total",
            "Questions by kind and outcome.",
            &["question", "outcome"],
        ),
    };
    let listener = runtime::listen(args.grpc_addr).await?;
    tracing::info!(addr = %runtime::address(&listener), "public API open");
    let service = PublicApiServer::new(answers).max_decoding_message_size(MAX_QUESTION);
    let server = tonic::transport::Server::builder()
        .http2_keepalive_interval(Some(Duration::from_secs(30)))
        .timeout(LIMIT)
        .layer(TraceLayer)
        .add_service(service);
    let serving =
        server.serve_with_incoming_shutdown(TcpListenerStream::new(listener), runtime.shutdown.signaled());
    runtime.drained("the public API", serving).await
}

fn span(flag: &'static str, duration: GoDuration) -> Result<Duration, RunError> {
    let problem = || RunError::Argument { flag, problem: "must be at least 100ms".to_owned() };
    duration.to_std().filter(|span| *span >= Duration::from_millis(100)).ok_or_else(problem)
}

fn bytes(flag: &'static str, quantity: &mesh_core::quantity::Quantity) -> Result<usize, RunError> {
    let problem = || RunError::Argument { flag, problem: "must be at least 1Mi".to_owned() };
    let bytes = usize::try_from(quantity.nanos() / 1_000_000_000).ok();
    bytes.filter(|bytes| *bytes >= 1024 * 1024).ok_or_else(problem)
}

impl Answers {
    /// Who keeps the numbers: a Prometheus where there is one, else the window.
    fn source(&self) -> Result<Arc<dyn Source>, Refusal> {
        if let Some(prometheus) = &self.prometheus {
            return Ok(Arc::<Prometheus>::clone(prometheus));
        }
        match &self.direct {
            Some(direct) => Ok(Arc::<Direct>::clone(direct)),
            None => Err(Refusal::invalid(
                "there is nobody to ask for numbers: no Prometheus is configured (global.prometheusUrl) and direct \
                 scraping is off (publicAPI.direct.enabled)",
            )),
        }
    }

    fn told<T>(&self, question: &'static str, answer: Result<T, Refusal>) -> Result<Response<T>, Status> {
        match answer {
            Ok(answer) => {
                self.questions.with(&[question, "answered"]).inc();
                Ok(Response::new(answer))
            }
            Err(refusal) => {
                self.questions.with(&[question, "refused"]).inc();
                Err(Status::new(refusal.code, refusal.text))
            }
        }
    }

    async fn pods(&self, request: &api::ListPodsRequest) -> Result<api::ListPodsResponse, Refusal> {
        let found = self.objects.pods(&request.namespace, &request.label_selector).await;
        let pods = found.map_err(Refusal::unavailable)?.into_iter().map(|pod| api::Pod {
            is_reporting: self
                .direct
                .as_ref()
                .is_some_and(|direct| direct.is_reporting(&pod.namespace, &pod.name)),
            namespace: pod.namespace,
            name: pod.name,
            ip: pod.ip,
            status: pod.status,
            is_meshed: pod.is_meshed,
            is_proxy_ready: pod.is_proxy_ready,
            proxy_version: pod.proxy_version,
            owner: pod.owner,
        });
        Ok(api::ListPodsResponse { pods: pods.collect() })
    }

    async fn services(&self, namespace: &str) -> Result<api::ListServicesResponse, Refusal> {
        let kind = Kind::of("service").ok_or_else(|| Refusal::invalid("services are not known"))?;
        let found = self.objects.list(kind, namespace, "", "").await.map_err(Refusal::unavailable)?;
        let services =
            found.into_iter().map(|it| api::Service { namespace: it.namespace, name: it.name }).collect();
        Ok(api::ListServicesResponse { services })
    }

    async fn values(&self) -> Result<api::ConfigResponse, Refusal> {
        let maps: Api<ConfigMap> = Api::namespaced(self.client.clone(), &self.namespace);
        let found = tokio::time::timeout(CALL_LIMIT, maps.get("linkerd-config")).await;
        let found = found
            .map_err(|_| Refusal::unavailable("the API server does not answer in time"))?
            .map_err(|error| Refusal::unavailable(format!("ConfigMap linkerd-config: {error}")))?;
        let values = found.data.and_then(|mut data| data.remove("values"));
        let values =
            values.ok_or_else(|| Refusal::missing("ConfigMap linkerd-config has no entry `values`"))?;
        Ok(api::ConfigResponse { values_yaml: values })
    }

    async fn checks(&self) -> api::SelfCheckResponse {
        let check = |subsystem: &str, description: &str, error: String| api::SelfCheck {
            subsystem: subsystem.to_owned(),
            description: description.to_owned(),
            error,
        };
        let kubernetes = match self.objects.probe().await {
            Ok(()) => String::new(),
            Err(error) => format!("Error calling the Kubernetes API: {error}"),
        };
        let mut checks = vec![check("kubernetes", "control plane can talk to Kubernetes", kubernetes)];
        if let Some(prometheus) = &self.prometheus {
            let error = match prometheus.probe().await {
                Ok(()) => String::new(),
                Err(error) => format!("Error calling Prometheus from the control plane: {error}"),
            };
            checks.push(check("prometheus", "control plane can talk to Prometheus", error));
        }
        api::SelfCheckResponse { checks }
    }
}

#[tonic::async_trait]
impl PublicApi for Answers {
    async fn stat(&self, request: Request<api::StatRequest>) -> Result<Response<api::StatResponse>, Status> {
        let answer = async {
            let source = self.source()?;
            stat::stat(source.as_ref(), &self.objects, request.get_ref()).await
        };
        self.told("stat", answer.await)
    }

    async fn routes(
        &self,
        request: Request<api::RoutesRequest>,
    ) -> Result<Response<api::RoutesResponse>, Status> {
        let answer = async {
            let source = self.source()?;
            routes::routes(source.as_ref(), &self.objects, &self.client, &self.domain, request.get_ref())
                .await
        };
        self.told("routes", answer.await)
    }

    async fn edges(
        &self,
        request: Request<api::EdgesRequest>,
    ) -> Result<Response<api::EdgesResponse>, Status> {
        let answer = async { edges::edges(self.source()?.as_ref(), request.get_ref()).await };
        self.told("edges", answer.await)
    }

    async fn list_pods(
        &self,
        request: Request<api::ListPodsRequest>,
    ) -> Result<Response<api::ListPodsResponse>, Status> {
        self.told("list_pods", self.pods(request.get_ref()).await)
    }

    async fn list_services(
        &self,
        request: Request<api::ListServicesRequest>,
    ) -> Result<Response<api::ListServicesResponse>, Status> {
        self.told("list_services", self.services(&request.get_ref().namespace).await)
    }

    async fn version(
        &self,
        _request: Request<api::VersionRequest>,
    ) -> Result<Response<api::VersionResponse>, Status> {
        let version = mesh_core::version::CLI.to_owned();
        self.told("version", Ok(api::VersionResponse { version }))
    }

    async fn config(
        &self,
        _request: Request<api::ConfigRequest>,
    ) -> Result<Response<api::ConfigResponse>, Status> {
        self.told("config", self.values().await)
    }

    async fn self_check(
        &self,
        _request: Request<api::SelfCheckRequest>,
    ) -> Result<Response<api::SelfCheckResponse>, Status> {
        self.told("self_check", Ok(self.checks().await))
    }
}

impl Refusal {
    fn invalid(text: impl Into<String>) -> Self {
        Self { code: Code::InvalidArgument, text: text.into() }
    }

    fn missing(text: impl Into<String>) -> Self {
        Self { code: Code::NotFound, text: text.into() }
    }

    fn unavailable(text: impl Into<String>) -> Self {
        Self { code: Code::Unavailable, text: text.into() }
    }
}
