//! Simulated proxies: real HTTP/2 connections and gRPC streams, whose messages are counted and not kept.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::{BufMut as _, Bytes, BytesMut};
use h2::client::SendRequest;
use linkerd2_proxy_api::destination::GetDestination;
use linkerd2_proxy_api::outbound::{TrafficSpec, traffic_spec};
use tokio::net::TcpStream;

use crate::content::{self, Size};
use crate::server::Server;

/// All proxies together.
pub(crate) struct Fleet {
    counts: Arc<Counts>,
    streams: usize,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

struct Counts {
    /// Streams that had a first message.
    served: AtomicUsize,
    /// Streams that ended.
    ended: AtomicUsize,
    /// Messages of addresses by Service.
    received: Vec<AtomicUsize>,
    /// Streams of addresses by Service.
    subscribers: Vec<AtomicUsize>,
}

impl Fleet {
    /// Connects all proxies at once; none waits for another.
    pub(crate) fn connect(server: &Server, size: &Size) -> Self {
        Self::connect_some(server, size, 0..size.proxies)
    }

    /// Connects the proxies with these numbers.
    pub(crate) fn connect_some(server: &Server, size: &Size, proxies: std::ops::Range<usize>) -> Self {
        let none = || (0..size.services).map(|_| AtomicUsize::new(0)).collect();
        let counts = Arc::new(Counts {
            served: AtomicUsize::new(0),
            ended: AtomicUsize::new(0),
            received: none(),
            subscribers: none(),
        });
        let mut tasks = Vec::new();
        let streams = proxies.len() * size.destinations * size.apis;
        for proxy in proxies {
            let used: Vec<usize> = size.used_by(proxy).collect();
            let (counts, discovery, policy) = (Arc::clone(&counts), server.discovery(), server.policy);
            tasks.push(tokio::spawn(run(used, size.apis, counts, discovery, policy)));
        }
        Self { counts, streams, tasks }
    }

    /// Waits until every stream had its first message.
    pub(crate) async fn served(&self, limit: Duration) {
        self.until(limit, "not all streams were served", || {
            self.counts.served.load(Ordering::Relaxed) >= self.streams
        })
        .await;
    }

    pub(crate) fn ended(&self) -> usize {
        self.counts.ended.load(Ordering::Relaxed)
    }

    pub(crate) fn subscribers(&self, service: usize) -> usize {
        self.counts.subscribers[service].load(Ordering::Relaxed)
    }

    pub(crate) fn received(&self, service: usize) -> usize {
        self.counts.received[service].load(Ordering::Relaxed)
    }

    /// Waits until all subscribers of a Service have one message more.
    pub(crate) async fn received_all(&self, service: usize, messages: usize, limit: Duration) {
        let what = format!("not all subscribers of Service {service} were told");
        self.until(limit, &what, || self.received(service) >= messages).await;
    }

    async fn until(&self, limit: Duration, what: &str, holds: impl Fn() -> bool) {
        let begun = Instant::now();
        while !holds() {
            assert!(begun.elapsed() < limit, "{what} within {limit:?}");
            // Finer than the timer, so that it is not the timer that is measured.
            tokio::task::yield_now().await;
            std::thread::sleep(Duration::from_micros(50));
        }
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        self.tasks.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

/// One proxy: a connection for each API, and up to three streams for each destination.
async fn run(used: Vec<usize>, apis: usize, counts: Arc<Counts>, discovery: SocketAddr, policy: SocketAddr) {
    let mut discovery = connect(discovery).await;
    let mut policy = if apis > 2 { Some(connect(policy).await) } else { None };
    let mut streams = tokio::task::JoinSet::new();
    for service in used {
        counts.subscribers[service].fetch_add(1, Ordering::Relaxed);
        let name = format!("svc-{service}.{}.svc.cluster.local:80", content::namespace(service));
        let address = format!("{}:80", content::cluster_ip(service));
        let get = |path: String| GetDestination {
            path,
            context_token: r#"{"ns":"client","nodeName":"node-1"}"#.into(),
            ..GetDestination::default()
        };
        let target = traffic_spec::Target::Addr(address.parse::<SocketAddr>().unwrap().into());
        let spec = TrafficSpec { source_workload: "client:proxy".into(), target: Some(target) };
        let service_of = "/io.linkerd.proxy.destination.Destination";
        let body = open(&mut discovery, &format!("{service_of}/Get"), &get(name)).await;
        streams.spawn(read(body, Arc::clone(&counts), Some(service)));
        if apis > 1 {
            let body = open(&mut discovery, &format!("{service_of}/GetProfile"), &get(address)).await;
            streams.spawn(read(body, Arc::clone(&counts), None));
        }
        let Some(policy) = &mut policy else { continue };
        let body = open(policy, "/io.linkerd.proxy.outbound.OutboundPolicies/Watch", &spec).await;
        streams.spawn(read(body, Arc::clone(&counts), None));
    }
    while streams.join_next().await.is_some() {}
}

/// Tries again like a proxy does: all at once may be more than the kernel's queue takes.
async fn connect(address: SocketAddr) -> SendRequest<Bytes> {
    let mut builder = h2::client::Builder::new();
    builder.initial_window_size(1 << 20).initial_connection_window_size(16 << 20);
    let (client, connection) = loop {
        if let Ok(stream) = TcpStream::connect(address).await {
            stream.set_nodelay(true).unwrap();
            if let Ok(connected) = builder.handshake(stream).await {
                break connected;
            }
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    tokio::spawn(async move {
        let _ = connection.await;
    });
    client
}

async fn open(
    client: &mut SendRequest<Bytes>,
    path: &str,
    message: &impl prost::Message,
) -> h2::client::ResponseFuture {
    let request = http::Request::post(format!("http://control-plane{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(())
        .unwrap();
    let mut frame = BytesMut::new();
    frame.put_u8(0);
    frame.put_u32(u32::try_from(message.encoded_len()).unwrap());
    message.encode(&mut frame).unwrap();
    *client = client.clone().ready().await.unwrap();
    let (response, mut body) = client.send_request(request, false).unwrap();
    body.send_data(frame.freeze(), true).unwrap();
    response
}

/// Counts messages until the stream ends.
async fn read(response: h2::client::ResponseFuture, counts: Arc<Counts>, service: Option<usize>) {
    let Ok(response) = response.await else {
        counts.ended.fetch_add(1, Ordering::Relaxed);
        return;
    };
    assert!(response.headers().get("grpc-status").is_none(), "refused: {:?}", response.headers());
    let mut body = response.into_body();
    let mut first = true;
    // What is left of the current message, and of the header of the next.
    let (mut left, mut header) = (0_usize, Vec::with_capacity(5));
    while let Some(Ok(mut chunk)) = body.data().await {
        let _ = body.flow_control().release_capacity(chunk.len());
        if std::mem::take(&mut first) {
            counts.served.fetch_add(1, Ordering::Relaxed);
        }
        while !chunk.is_empty() {
            if left > 0 {
                let taken = left.min(chunk.len());
                left -= taken;
                let _ = chunk.split_to(taken);
            } else {
                header.extend_from_slice(&chunk.split_to((5 - header.len()).min(chunk.len())));
                if header.len() == 5 {
                    left = u32::from_be_bytes([header[1], header[2], header[3], header[4]]) as usize;
                    header.clear();
                    if let Some(service) = service {
                        counts.received[service].fetch_add(1, Ordering::Relaxed);
                    }
                }
            }
        }
    }
    counts.ended.fetch_add(1, Ordering::Relaxed);
}
