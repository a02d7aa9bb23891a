//! The process without any API server: a directory of manifests is the cluster.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use linkerd2_proxy_api::destination::destination_client::DestinationClient;
use linkerd2_proxy_api::destination::{GetDestination, update::Update};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tonic::Streaming;

use crate::destination::text;
use crate::kit::{PATIENCE, eventually, free_port};

/// The process; dropping it kills it.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn command(folder: &Path, discovery: SocketAddr) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_linkerd-controller"));
    let here = || SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
    command
        .arg("destination")
        .arg(format!("--manifests={}", folder.display()))
        .arg(format!("--grpc-addr={discovery}"))
        .arg(format!("--policy-grpc-addr={}", here()))
        .arg(format!("--admin-addr={}", here()))
        .env_clear()
        .stdin(Stdio::null())
        .stderr(Stdio::null());
    command
}

fn pod(name: &str, ip: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "shop", "labels": {"app": "web"}},
        "spec": {"containers": [{"name": "web", "image": "web"}]},
        "status": {"phase": "Running", "podIP": ip, "conditions": [{"type": "Ready", "status": "True"}]}})
}

/// Addresses that the next message adds.
async fn added(stream: &mut Streaming<linkerd2_proxy_api::destination::Update>) -> Vec<String> {
    let message = tokio::time::timeout(PATIENCE, stream.message()).await.expect("no message came");
    match message.unwrap().expect("the stream ended").update.unwrap() {
        Update::Add(set) => set.addrs.into_iter().map(|it| text(it.addr.unwrap())).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_directory_is_served_and_followed_without_an_api_server() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, object: &Value| {
        let aside = folder.path().join(format!(".{name}"));
        std::fs::write(&aside, object.to_string()).unwrap();
        std::fs::rename(aside, folder.path().join(name)).unwrap();
    };
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"clusterIP": "10.0.0.1", "selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]}});
    write("service.json", &service);
    write("pod.json", &pod("web-0", "10.1.0.1"));
    let discovery = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
    let mut process = Running(command(folder.path(), discovery).spawn().unwrap());

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut client = eventually("discovery to be open", || {
        runtime.block_on(DestinationClient::connect(format!("http://{discovery}"))).ok()
    });
    runtime.block_on(async {
        let path = "web.shop.svc.cluster.local:80".to_owned();
        let request = GetDestination { path, ..GetDestination::default() };
        let mut stream = client.get(request).await.unwrap().into_inner();
        assert_eq!(added(&mut stream).await, ["10.1.0.1:8080"]);
        write("another.json", &pod("web-1", "10.1.0.2"));
        assert_eq!(added(&mut stream).await, ["10.1.0.2:8080"]);
    });

    // A connection that stays open would be waited for.
    drop((client, runtime));
    let pid = nix::unistd::Pid::from_raw(i32::try_from(process.0.id()).unwrap());
    nix::sys::signal::kill(pid, Signal::SIGTERM).unwrap();
    let status = eventually("the end", || process.0.try_wait().unwrap());
    assert!(status.success(), "{status}");
}

#[test]
fn a_directory_that_is_not_there_is_named() {
    let discovery = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
    let output = command(Path::new("/nowhere/at-all"), discovery).stderr(Stdio::piped()).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success(), "{said}");
    assert!(said.contains("--manifests") && said.contains("/nowhere/at-all"), "{said}");
}
