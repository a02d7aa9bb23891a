//! The public API over both of its sources: the same proxies, played by this test, are scraped by a real Prometheus and by
//! the control plane itself, and both have to say the same.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use mesh_api::public::public_api_client::PublicApiClient;
use mesh_api::public::{
    ConfigRequest, EdgesRequest, ListPodsRequest, ListServicesRequest, Resource, RoutesRequest,
    SelfCheckRequest, StatRequest, StatResponse, VersionRequest,
};
use serde_json::json;
use tonic::Code;
use tonic::transport::{Channel, Endpoint};

use crate::kit::{Lab, Process, eventually, free_port, lab, linkerd, run};

const FIRST: Ipv4Addr = Ipv4Addr::new(127, 0, 2, 1);
const SECOND: Ipv4Addr = Ipv4Addr::new(127, 0, 2, 2);

/// Numbers of a proxy that grow as time goes on: 20 requests a second, one in ten fails, all within 30 to 40 ms.
fn numbers(elapsed: Duration, namespace: &str, is_client: bool) -> String {
    let tenths = u64::try_from(elapsed.as_millis()).unwrap() / 100;
    let (all, failed) = (tenths * 2, tenths / 5);
    let labels = match is_client {
        true => format!(
            "direction=\"outbound\",authority=\"web.{namespace}.svc.cluster.local:80\",dst_namespace=\"{namespace}\",\
             dst_service=\"web\",dst_deployment=\"web\",server_id=\"web.{namespace}.serviceaccount.x\",tls=\"true\""
        ),
        false => {
            format!("direction=\"inbound\",tls=\"true\",client_id=\"client.{namespace}.serviceaccount.x\"")
        }
    };
    let peer = if is_client { "dst" } else { "src" };
    let mut out = String::new();
    for (class, status, count) in [("success", "200", all - failed), ("failure", "503", failed)] {
        writeln!(
            out,
            "response_total{{{labels},status_code=\"{status}\",classification=\"{class}\"}} {count}"
        )
        .unwrap();
        let route = format!(
            "direction=\"inbound\",dst=\"web.{namespace}.svc.cluster.local:80\",rt_route=\"GET /books\""
        );
        if !is_client {
            writeln!(out, "route_response_total{{{route},classification=\"{class}\"}} {count}").unwrap();
        }
    }
    for (bound, count) in [("20", 0), ("30", 0), ("40", all), ("50", all), ("+Inf", all)] {
        writeln!(out, "response_latency_ms_bucket{{{labels},status_code=\"200\",le=\"{bound}\"}} {count}")
            .unwrap();
    }
    writeln!(out, "tcp_open_connections{{{labels},peer=\"{peer}\"}} 4").unwrap();
    writeln!(out, "tcp_read_bytes_total{{{labels},peer=\"{peer}\"}} {}", tenths * 1_000).unwrap();
    writeln!(out, "tcp_write_bytes_total{{{labels},peer=\"{peer}\"}} {}", tenths * 2_000).unwrap();
    out
}

/// Serves numbers over HTTP from a thread of its own.
fn play(ip: Ipv4Addr, port: u16, namespace: &str, is_client: bool) {
    let listener = TcpListener::bind((ip, port)).unwrap();
    let (namespace, started) = (namespace.to_owned(), Instant::now());
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let namespace = namespace.clone();
            std::thread::spawn(move || {
                let mut stream = stream;
                let mut request = Vec::new();
                let mut buffer = [0; 4_096];
                // Connections are kept: every head is answered.
                while let Ok(read @ 1..) = stream.read(&mut buffer) {
                    request.extend_from_slice(&buffer[..read]);
                    if request.ends_with(b"\r\n\r\n") {
                        request.clear();
                        let body = numbers(started.elapsed(), &namespace, is_client);
                        let head = format!(
                            "HTTP/1.1 200 OK\r\ncontent-type: text/plain; version=0.0.4\r\ncontent-length: {}\r\n\r\n",
                            body.len()
                        );
                        if stream.write_all((head + &body).as_bytes()).is_err() {
                            return;
                        }
                    }
                }
            });
        }
    });
}

/// A Prometheus of this machine. Dropping it kills it.
struct Prometheus {
    child: Child,
    url: String,
    _folder: tempfile::TempDir,
}

impl Prometheus {
    fn start(targets: &[(SocketAddr, &str, &str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let targets: Vec<_> = targets
            .iter()
            .map(|(addr, namespace, deployment, pod)| {
                json!({"targets": [addr.to_string()],
                    "labels": {"namespace": namespace, "deployment": deployment, "pod": pod}})
            })
            .collect();
        let config = json!({"global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
            "scrape_configs": [{"job_name": "linkerd-proxy", "static_configs": targets}]});
        std::fs::write(folder.path().join("prometheus.yml"), config.to_string()).unwrap();
        let port = free_port();
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", folder.path().join("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .args(["--log.level=error"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a Prometheus is needed: apt-get install --no-install-recommends prometheus");
        Self { child, url: format!("http://127.0.0.1:{port}"), _folder: folder }
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The component, asked over gRPC.
struct Api {
    process: Process,
    addr: SocketAddr,
}

impl Api {
    fn start(lab: &Lab, more: &[String]) -> Self {
        let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let mut args = vec![format!("--grpc-addr={addr}"), "--cluster-domain=cluster.local".to_owned()];
        args.extend_from_slice(more);
        let process = Process::start(lab, "public-api", "linkerd-controller", &args).ready();
        Self { process, addr }
    }

    async fn client(&self) -> PublicApiClient<Channel> {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.addr)).unwrap();
        PublicApiClient::new(endpoint.connect().await.unwrap())
    }

    fn stat(&self, request: &StatRequest) -> StatResponse {
        run(async { self.client().await.stat(request.clone()).await.unwrap().into_inner() })
    }
}

fn resource(namespace: &str, kind: &str, name: &str) -> Resource {
    Resource { namespace: namespace.into(), r#type: kind.into(), name: name.into() }
}

fn world(lab: &Lab, port: u16) -> String {
    let namespace = lab.namespace("numbers");
    for (name, ip) in [("web", FIRST), ("client", SECOND)] {
        let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"replicas": 0, "selector": {"matchLabels": {"app": name}}, "template": {"metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "a", "image": "b"}]}}}});
        lab.apply(&deployment.to_string());
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": format!("{name}-1"), "namespace": namespace,
                "labels": {"app": name, "linkerd.io/control-plane-ns": "linkerd", "linkerd.io/proxy-deployment": name}},
            "spec": {"nodeName": "nowhere", "containers": [{"name": "a", "image": "b"}],
                "initContainers": [{"name": "linkerd-proxy", "image": "proxy:v1", "restartPolicy": "Always",
                    "ports": [{"name": "linkerd-admin", "containerPort": port}]}]}});
        lab.apply(&pod.to_string());
        let status = json!({"phase": "Running", "podIP": ip.to_string(), "podIPs": [{"ip": ip.to_string()}]});
        lab.patch_status(&namespace, "pod", &format!("{name}-1"), &status);
    }
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": namespace},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}});
    lab.apply(&service.to_string());
    namespace
}

/// Edges, routes, pods, checks and refusals, of both sources.
fn edges_and_routes_agree(direct: &Api, through: &Api, namespace: &str) {
    let web = resource(namespace, "deployment", "web");
    run(async {
        let (mut one, mut other) = (direct.client().await, through.client().await);
        let edges = EdgesRequest { namespace: namespace.to_owned(), r#type: "deployment".into() };
        let found = one.edges(edges.clone()).await.unwrap().into_inner().edges;
        assert_eq!(found, other.edges(edges).await.unwrap().into_inner().edges);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].no_tls_reason, "");
        assert_eq!(found[0].client_id, format!("client.{namespace}.serviceaccount.x"));
        assert_eq!(found[0].server_id, format!("web.{namespace}.serviceaccount.x"));

        let routes =
            RoutesRequest { target: Some(web.clone()), window_seconds: 10, ..RoutesRequest::default() };
        for client in [&mut one, &mut other] {
            let rows = client.routes(routes.clone()).await.unwrap().into_inner().rows;
            let names: Vec<&str> = rows.iter().map(|row| row.route.as_str()).collect();
            assert_eq!(names, ["", "GET /books"], "{rows:?}");
            let requests = rows[1].requests.unwrap();
            assert!((150..=250).contains(&(requests.success + requests.failure)), "{requests:?}");
        }
        let pods = ListPodsRequest { namespace: namespace.to_owned(), label_selector: String::new() };
        let pods = one.list_pods(pods).await.unwrap().into_inner().pods;
        assert!(
            pods.iter().all(|pod| pod.is_meshed && pod.is_reporting && pod.proxy_version == "v1"),
            "{pods:?}"
        );
        assert!(pods.iter().any(|pod| pod.owner == "deployment/web"));
        let services = ListServicesRequest { namespace: namespace.to_owned() };
        let services = one.list_services(services).await.unwrap().into_inner().services;
        assert_eq!((services.len(), services[0].name.as_str()), (1, "web"));
        let values = one.config(ConfigRequest {}).await.unwrap().into_inner().values_yaml;
        assert!(values.contains("clusterDomain: cluster.local"), "{values}");
        assert!(!values.contains("PRIVATE KEY"), "no secret is told");
        let checks = other.self_check(SelfCheckRequest {}).await.unwrap().into_inner().checks;
        assert_eq!(checks.len(), 2);
        assert!(checks.iter().all(|check| check.error.is_empty()), "{checks:?}");
        assert!(!one.version(VersionRequest {}).await.unwrap().into_inner().version.is_empty());

        // What is wrong with a question is said, and what is missing.
        let unknown =
            StatRequest { target: Some(resource(namespace, "secret", "")), ..StatRequest::default() };
        let status = one.stat(unknown).await.unwrap_err();
        assert_eq!(
            (status.code(), status.message()),
            (Code::InvalidArgument, "unsupported resource type [secret]")
        );
        let missing = StatRequest {
            target: Some(resource(namespace, "deployment", "nobody")),
            ..StatRequest::default()
        };
        let status = one.stat(missing).await.unwrap_err();
        assert_eq!(status.code(), Code::NotFound, "{status}");
    });
}

/// The command shows what the API says.
fn the_command_shows_it(lab: &Lab, direct: &Api, namespace: &str) {
    let admin = lab.cluster.kubeconfig_path();
    let addr = format!("--api-addr={}", direct.addr);
    let (code, table, said) =
        linkerd(&admin, &["stat", "-n", namespace, &addr, "deploy", "svc", "-t", "15s"]);
    assert_eq!(code, 0, "{said}");
    let line =
        table.lines().find(|line| line.starts_with("deploy/web ")).unwrap_or_else(|| panic!("{table}"));
    assert!(line.contains(" 1/1 ") && line.contains("rps") && line.contains("35ms"), "{table}");
    assert!(table.lines().any(|line| line.starts_with("svc/web ")), "{table}");
    let (code, json, said) = linkerd(&admin, &["stat", &addr, "ns", namespace, "-o", "json", "-t", "15s"]);
    assert_eq!(code, 0, "{said}");
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json[0]["name"], namespace);
    assert!((0.85..=0.95).contains(&json[0]["success"].as_f64().unwrap()), "{json}");
}

#[test]
fn both_sources_say_the_same_of_the_same_proxies() {
    let lab = lab();
    let port = free_port();
    let namespace = world(lab, port);
    play(FIRST, port, &namespace, false);
    play(SECOND, port, &namespace, true);
    let target = |ip: Ipv4Addr| SocketAddr::from((ip, port));
    let prometheus = Prometheus::start(&[
        (target(FIRST), &namespace, "web", "web-1"),
        (target(SECOND), &namespace, "client", "client-1"),
    ]);
    let direct = Api::start(lab, &["--direct=true".into(), "--direct-scrape-interval=1s".into()]);
    let through = Api::start(lab, &["--direct=false".into(), format!("--prometheus-url={}", prometheus.url)]);
    // Both have to have seen a whole window.
    std::thread::sleep(Duration::from_secs(14));

    let web = resource(&namespace, "deployment", "web");
    let questions = [
        StatRequest { target: Some(web.clone()), window_seconds: 10, ..StatRequest::default() },
        StatRequest {
            target: Some(resource(&namespace, "deployment", "")),
            to: Some(resource(&namespace, "service", "web")),
            window_seconds: 10,
            ..StatRequest::default()
        },
        StatRequest {
            target: Some(web.clone()),
            from: Some(resource(&namespace, "deployment", "client")),
            window_seconds: 10,
            ..StatRequest::default()
        },
        StatRequest {
            target: Some(resource("", "namespace", &namespace)),
            window_seconds: 10,
            ..StatRequest::default()
        },
        StatRequest {
            target: Some(resource(&namespace, "service", "web")),
            window_seconds: 10,
            ..StatRequest::default()
        },
    ];
    for question in &questions {
        let (one, other) = (direct.stat(question), through.stat(question));
        assert_eq!((one.source.as_str(), other.source.as_str()), ("direct", "prometheus"));
        assert_eq!((one.rows.len(), other.rows.len()), (1, 1), "{question:?}: {one:?} {other:?}");
        for answer in [&one, &other] {
            let requests = answer.rows[0].requests.unwrap_or_else(|| panic!("{question:?}: {answer:?}"));
            // 200 in ten seconds, by steps of a second: two steps may be missed or seen twice.
            assert!((150..=250).contains(&(requests.success + requests.failure)), "{question:?}: {answer:?}");
            assert!((12..=28).contains(&requests.failure), "{question:?}: {answer:?}");
            assert_eq!(requests.latency_ms_p50, 35, "{question:?}: {answer:?}");
            assert_eq!(requests.latency_ms_p99, 40, "{question:?}: {answer:?}");
            let tcp = answer.rows[0].tcp.unwrap();
            assert_eq!(tcp.open_connections, 4);
            assert!((75_000..=125_000).contains(&tcp.read_bytes), "{tcp:?}");
        }
    }
    // By the name that callers used: what they see.
    let names = StatRequest {
        target: Some(resource(&namespace, "authority", "")),
        from: Some(resource(&namespace, "deployment", "client")),
        window_seconds: 10,
        ..StatRequest::default()
    };
    for api in [&direct, &through] {
        let rows = api.stat(&names).rows;
        assert_eq!(rows.len(), 1, "{rows:?}");
        assert_eq!(rows[0].resource.as_ref().unwrap().name, format!("web.{namespace}.svc.cluster.local:80"));
        let requests = rows[0].requests.unwrap();
        assert!((150..=250).contains(&(requests.success + requests.failure)), "{requests:?}");
    }
    the_command_shows_it(lab, &direct, &namespace);
    let row = &direct.stat(&questions[0]).rows[0];
    assert_eq!((row.meshed_pods, row.running_pods, row.failed_pods), (1, 1, 0));

    edges_and_routes_agree(&direct, &through, &namespace);
    drop(prometheus);
    // A Prometheus that is gone is named, here and in the self-check.
    let status = eventually("the end of Prometheus", || {
        run(async { through.client().await.stat(questions[0].clone()).await }).err()
    });
    assert_eq!(status.code(), Code::Unavailable, "{status}");
    assert!(direct.process.metric("direct_window_bytes").unwrap() > 0.0);
}
