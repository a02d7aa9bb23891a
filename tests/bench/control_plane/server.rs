//! The process that is measured, and the handle to it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use mesh_control::config::Config;
use mesh_control::destination::server::Destination;
use mesh_control::grpc::{Limits, serve as serve_grpc};
use mesh_control::index::shared::Shared;
use mesh_control::policy::server::Policies;
use mesh_control::record::{Key, Kind, Record};
use mesh_control::source::{Event, Sink as _};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader as AsyncReader};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::content::{self, Size};

/// CPU time and resident memory of the process.
pub(crate) struct Usage {
    pub(crate) cpu: Duration,
    pub(crate) resident: u64,
}

/// The running server.
pub(crate) struct Server {
    child: Child,
    output: Mutex<BufReader<ChildStdout>>,
    pub(crate) discovery: SocketAddr,
    pub(crate) policy: SocketAddr,
    /// From its start until it knew the cluster.
    pub(crate) loaded: Duration,
    /// The peak while it read the cluster.
    pub(crate) peak: u64,
}

impl Server {
    pub(crate) fn start(size: &Size) -> Self {
        let begun = Instant::now();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .arg("serve")
            .args(size.words())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let mut addresses = line.split_whitespace().map(|word| word.parse().unwrap());
        let (discovery, policy) = (addresses.next().unwrap(), addresses.next().unwrap());
        let peak = status(child.id(), "VmHWM:");
        Self { child, output: Mutex::new(output), discovery, policy, loaded: begun.elapsed(), peak }
    }

    /// Tells it what to do.
    pub(crate) fn say(&self, words: &str) {
        let mut input = self.child.stdin.as_ref().unwrap();
        writeln!(input, "{words}").unwrap();
    }

    /// Waits until it says so.
    pub(crate) fn said(&self, words: &str) {
        let mut line = String::new();
        self.output.lock().unwrap().read_line(&mut line).unwrap();
        assert_eq!(line.trim(), words);
    }

    pub(crate) fn usage(&self) -> Usage {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
        Usage { cpu: Duration::from_millis(ticks * 10), resident: status(self.child.id(), "VmRSS:") }
    }
}

/// A line of `/proc/PID/status`, in bytes.
fn status(pid: u32, name: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The life of the process that is measured: two threads, as the machine has cores.
pub(crate) fn serve(size: &Size) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let index = Shared::new(Arc::new(Config::default()));
        tokio::spawn(index.clone().settle());
        load(&index, size);
        let discovery = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let policy = TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("{} {}", discovery.local_addr().unwrap(), policy.local_addr().unwrap());
        let (_end, down) = watch::channel(false);
        let limits = Limits::default();
        tokio::spawn(serve_grpc(discovery, Arc::new(Destination::new(index.clone())), limits, down.clone()));
        tokio::spawn(serve_grpc(policy, Arc::new(Policies::new(index.clone())), limits, down));
        obey(&index, size).await;
    });
}

/// Reads every kind as the source `kube` does: pages of JSON into records, then one list.
fn load(index: &Shared, size: &Size) {
    let list = |kind: Kind, objects: &mut dyn Iterator<Item = Value>| {
        let mut records: Vec<Record> = Vec::new();
        for page in content::pages(objects) {
            let page = kind.decode_list(&page).unwrap();
            records.extend(page.objects.into_iter().map(|object| object.record.unwrap()));
        }
        index.take(vec![Event::Listed { kind, records, kept: Vec::new() }]);
    };
    let all = 0..size.services;
    list(Kind::Service, &mut all.clone().map(content::service));
    list(Kind::ReplicaSet, &mut all.clone().map(content::replica_set));
    let pods = all.clone().flat_map(|service| (0..size.endpoints_of(service)).map(move |at| (service, at)));
    list(Kind::Pod, &mut pods.map(|(service, at)| content::pod(size, service, at, 0)));
    list(Kind::EndpointSlice, &mut all.flat_map(|service| content::slices(size, service, &[], true)));
}

/// Changes what it is told to.
async fn obey(index: &Shared, size: &Size) {
    let mut lines = AsyncReader::new(tokio::io::stdin()).lines();
    let mut ready = true;
    let mut generations = vec![0; size.large];
    while let Ok(Some(line)) = lines.next_line().await {
        let mut words = line.split_whitespace();
        let (what, service) = (words.next().unwrap(), words.next().unwrap().parse().unwrap());
        match what {
            "toggle" => {
                ready = !ready;
                let slices = content::slices(size, service, &generations, ready);
                tell(index, Kind::EndpointSlice, slices.into_iter().last().unwrap());
            }
            "rollout" => {
                roll_out(index, size, service, &mut generations).await;
                println!("rolled out");
            }
            other => panic!("unknown: {other}"),
        }
    }
}

/// Replaces every pod: the new one comes, the slice names it instead, the old one goes.
async fn roll_out(index: &Shared, size: &Size, service: usize, generations: &mut [usize]) {
    for at in 0..size.endpoints_of(service) {
        let old = content::pod(size, service, at, generations[at]);
        generations[at] += 1;
        tell(index, Kind::Pod, content::pod(size, service, at, generations[at]));
        let chunk: Vec<usize> =
            (at / 100 * 100..(at / 100 * 100 + 100).min(size.endpoints_of(service))).collect();
        tell(
            index,
            Kind::EndpointSlice,
            content::slice_of(size, service, at / 100, &chunk, generations, true),
        );
        let name = old.pointer("/metadata/name").and_then(Value::as_str).unwrap();
        let key = Key::new(&content::namespace(service), name);
        index.take(vec![Event::Deleted { kind: Kind::Pod, key, uid: None }]);
        // A fast rollout: two hundred pods a second.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn tell(index: &Shared, kind: Kind, object: Value) {
    index.take(vec![Event::Applied(kind.decode(object).record.unwrap())]);
}
