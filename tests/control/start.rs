//! What a replica of discovery does before it knows the cluster, and what clients can make it do afterwards.

use std::time::{Duration, Instant};

use linkerd2_proxy_api::destination::GetDestination;
use linkerd2_proxy_api::destination::destination_client::DestinationClient;
use tonic::{Code, Status};

use crate::destination::{Replica, addresses, channel, turn, web};
use crate::kit::{Gate, eventually, lab, run};

/// The first answer to a request, or how it was refused.
async fn first(
    client: &mut DestinationClient<tonic::transport::Channel>,
    path: String,
) -> Result<(), Status> {
    let request = GetDestination { path, ..GetDestination::default() };
    client.get(request).await?.into_inner().message().await.map(drop)
}

#[test]
fn nobody_is_answered_before_the_cluster_is_known_and_nobody_kills_a_replica_that_reads_it() {
    // Flaws they answer: proxies were told "no endpoints" by a replica that had not read the cluster; replicas were
    // killed by their probes while they read it.
    let lab = lab();
    let _turn = turn(lab);
    let namespace = lab.namespace("start");
    web(lab, &namespace);
    let path = format!("web.{namespace}.svc.cluster.local:80");
    let gate = Gate::to(lab);
    gate.cut();
    let replica = Replica::start_at(lab, &gate.server(), "linkerd-destination-start");
    eventually("the admin port", || (replica.process.admin("/live").0 == 200).then_some(()));
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(5) {
        assert_eq!(replica.process.admin("/live").0, 200, "it reads, it is not dead");
        let (status, missing) = replica.process.admin("/ready");
        assert_eq!(status, 503);
        assert!(missing.contains("not listed yet: ") && missing.contains("endpointslices"), "{missing}");
        let early = run(async {
            let asking = async {
                let mut client = DestinationClient::connect(format!("http://{}", replica.discovery)).await;
                let answer = first(
                    client.as_mut().map_err(|error| Status::unavailable(error.to_string()))?,
                    path.clone(),
                );
                answer.await
            };
            tokio::time::timeout(Duration::from_secs(1), asking).await
        });
        assert!(!matches!(early, Ok(Ok(()))), "answered from nothing: {early:?}");
    }
    gate.mend();
    eventually("the replica to be ready", || (replica.process.admin("/ready").0 == 200).then_some(()));
    assert_eq!(addresses(&replica, &path).unwrap(), ["10.200.0.1:8080"], "the first answer is the whole");
}

/// The names of all series of the process, without their values.
fn series(replica: &Replica) -> Vec<String> {
    let text = replica.process.admin("/metrics").1;
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.rsplit_once(' ').map(|(series, _)| series.to_owned())).collect()
}

#[test]
fn what_clients_make_up_costs_neither_memory_nor_series() {
    // Flaws they answer: names that clients made up became permanent entries; metrics had a label for each of them.
    let lab = lab();
    let _turn = turn(lab);
    let namespace = lab.namespace("made-up");
    web(lab, &namespace);
    let replica = Replica::start(lab, "linkerd-destination-made-up");
    let path = format!("web.{namespace}.svc.cluster.local:80");
    eventually("the address", || addresses(&replica, &path).filter(|found| found.len() == 1));
    let memory = || replica.process.metric("process_resident_memory_bytes").unwrap();
    let ask = |from: u32, count: u32| {
        run(async {
            let mut clients = Vec::new();
            for _ in 0..4 {
                clients.push(DestinationClient::new(channel(replica.discovery).await));
            }
            for batch in (from..from + count).step_by(200) {
                let calls = (batch..batch + 200).map(|number| {
                    let mut client = clients[number as usize % 4].clone();
                    let namespace = &namespace;
                    async move {
                        let name =
                            format!("made-up-{number}.{namespace}.svc.cluster.local:{}", number % 60_000 + 1);
                        assert_eq!(first(&mut client, name).await.unwrap_err().code(), Code::NotFound);
                        // An address that nobody has is answered, for as long as somebody listens.
                        let path = format!("10.77.{}.{}:80", (number >> 8) & 255, number & 255);
                        let request = GetDestination { path, ..GetDestination::default() };
                        let mut stream = client.get_profile(request).await.unwrap().into_inner();
                        stream.message().await.unwrap().unwrap();
                    }
                });
                futures::future::join_all(calls).await;
            }
        });
    };
    // The first ones warm up what any client needs.
    ask(0, 2_000);
    let (before, known) = (memory(), series(&replica));
    ask(2_000, 20_000);
    let grown = (memory() - before) / f64::from(1 << 20);
    assert!(grown < 24.0, "{grown:.1} MiB for 20,000 names and as many addresses");
    assert_eq!(series(&replica), known, "no series came up");
    assert!(known.len() < 300, "{} series", known.len());
    let single = |it: &&String| ["10.", "web-0", &namespace].iter().any(|name| it.contains(name));
    let named: Vec<&String> = known.iter().filter(single).collect();
    assert!(named.is_empty(), "series of single addresses or workloads: {named:?}");
    eventually("the streams to end", || {
        (replica.process.metric("discovery_subscribers") == Some(0.0)).then_some(())
    });
    eventually("the topics to go", || {
        (replica.process.metric("discovery_topics") == Some(0.0)).then_some(())
    });
    // Nor can a name be a line of the log.
    let forged = format!("web\n2030-01-01T00:00:00Z ERROR forged.{namespace}.svc.cluster.local");
    let refused = run(async {
        let mut client = DestinationClient::new(channel(replica.discovery).await);
        first(&mut client, forged).await.unwrap_err()
    });
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(!replica.process.log().lines().any(|line| line.starts_with("2030-01-01")));
}
