//! What remains of clients that go: nothing, however they go.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use linkerd2_proxy_api::destination::destination_client::DestinationClient;
use mesh_control::destination::server::METHODS;
use mesh_control::grpc::{Api, Limits, serve};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tonic::transport::Channel;

use crate::kit::{SOON, WEB, World, destination, frame, service};

/// A control plane in a runtime that it has for itself, so that its tasks can be counted.
struct Apart {
    runtime: Option<tokio::runtime::Runtime>,
    world: Option<World>,
}

impl Apart {
    async fn start() -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let world = runtime.spawn(async { World::with(&[service("web", "10.0.0.1")]).await }).await.unwrap();
        Self { runtime: Some(runtime), world: Some(world) }
    }

    fn world(&self) -> &World {
        self.world.as_ref().unwrap()
    }

    fn tasks(&self) -> usize {
        self.runtime.as_ref().unwrap().metrics().num_alive_tasks()
    }

    async fn tasks_become(&self, wanted: usize) {
        let waiting = async {
            while self.tasks() > wanted {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let done = tokio::time::timeout(SOON, waiting).await;
        assert!(done.is_ok(), "{} tasks instead of {wanted}", self.tasks());
    }

    /// Waits until so many listen: tasks may have ended already that have nothing to do with who listens.
    async fn subscribers_become(&self, wanted: usize) {
        let listening = || self.world().index.lock().figures().subscribers;
        let waiting = async {
            while listening() != wanted {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let done = tokio::time::timeout(SOON, waiting).await;
        assert!(done.is_ok(), "{} listen instead of {wanted}", listening());
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        drop(self.world.take());
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// A server of the world's index with these limits; its end resolves when it has ended.
async fn serve_with(apart: &Apart, limits: Limits) -> (SocketAddr, watch::Sender<bool>, JoinHandle<()>) {
    let index = apart.world().index.clone();
    let (shutdown, down) = watch::channel(false);
    let serving = apart.runtime.as_ref().unwrap().spawn(async move {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        (address, tokio::spawn(serve(listener, Arc::new(Api::new(index, METHODS)), limits, down)))
    });
    let (address, serving) = serving.await.unwrap();
    (address, shutdown, serving)
}

/// A client that asked for a stream and does nothing any more: it neither reads, nor answers pings, nor hangs up.
struct Vanished {
    _connection: h2::client::Connection<TcpStream, Bytes>,
    _answer: h2::client::ResponseFuture,
}

impl Vanished {
    async fn from(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        let (client, mut connection) = h2::client::handshake(stream).await.unwrap();
        let mut client = {
            let ready = client.ready();
            tokio::pin!(ready);
            tokio::select! {
                ready = &mut ready => ready.unwrap(),
                _ = &mut connection => panic!("the connection ended"),
            }
        };
        let request =
            http::Request::post(format!("http://{address}/io.linkerd.proxy.destination.Destination/Get"))
                .header("content-type", "application/grpc")
                .body(())
                .unwrap();
        let (answer, mut sender) = client.send_request(request, false).unwrap();
        sender.send_data(frame(&destination(WEB, "")).into(), true).unwrap();
        // What was said has to get onto the wire.
        let flushed = tokio::time::timeout(Duration::from_millis(200), &mut connection).await;
        assert!(flushed.is_err(), "the connection ended");
        Self { _connection: connection, _answer: answer }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn streams_that_end_leave_no_task_and_no_subscriber() {
    // Flaw it answers: each stream had tasks that waited for one another, and some stayed when it ended.
    let apart = Apart::start().await;
    let before = apart.tasks();
    for round in 0..3 {
        let mut streams = Vec::new();
        for _ in 0..10 {
            let channel = Channel::from_shared(format!("http://{}", apart.world().address)).unwrap();
            let client = DestinationClient::new(channel.connect().await.unwrap());
            for _ in 0..50 {
                let mut stream = client.clone().get(destination(WEB, "")).await.unwrap().into_inner();
                // Some go before they have read anything, some after it.
                if round % 2 == 0 {
                    stream.message().await.unwrap().unwrap();
                }
                streams.push(stream);
            }
        }
        assert_eq!(apart.world().index.lock().figures().subscribers, 500);
        assert!(apart.tasks() > before);
        // Half of them one by one, the rest with their connections.
        streams.truncate(250);
        drop(streams);
        apart.subscribers_become(0).await;
        apart.tasks_become(before).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_client_that_vanished_is_given_up() {
    // Flaw it answers: streams to clients that were gone stayed for ever, and with them what they listened to.
    let apart = Apart::start().await;
    let limits = Limits { keep_alive: Duration::from_millis(300), ..Limits::default() };
    let (address, _shutdown, _serving) = serve_with(&apart, limits).await;
    let before = apart.tasks();
    let _vanished = Vanished::from(address).await;
    apart.subscribers_become(1).await;
    apart.subscribers_become(0).await;
    apart.tasks_become(before).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_shutdown_waits_for_nobody_for_longer_than_its_limit() {
    // Flaw it answers: a client that did not read kept a replica from ending, or a task of it alive.
    let apart = Apart::start().await;
    let before = apart.tasks();
    let limits = Limits { drain: Duration::from_millis(500), ..Limits::default() };
    let (address, shutdown, serving) = serve_with(&apart, limits).await;
    let _vanished = Vanished::from(address).await;
    apart.subscribers_become(1).await;
    shutdown.send(true).unwrap();
    tokio::time::timeout(SOON, serving).await.expect("it ends").unwrap();
    apart.tasks_become(before).await;
    assert_eq!(apart.world().index.lock().figures().subscribers, 0);
}
