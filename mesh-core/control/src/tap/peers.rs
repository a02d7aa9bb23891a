//! Names behind addresses: which pod, of which workload, has an address in an event.
//!
//! Asked for when an event has it and remembered for a while; nobody watches every pod for this.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Api, ListParams, PartialObjectMeta};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::workloads::labels_of;

/// How long an answer is believed.
const TTL: Duration = Duration::from_secs(60);
/// How long an answer may take before the event goes on without.
const LIMIT: Duration = Duration::from_millis(500);
/// Addresses that are remembered.
const KEPT: usize = 4_096;

/// Labels of a pod as events carry them.
pub type Labels = Arc<BTreeMap<String, String>>;

/// Finds pods by address.
pub struct Peers {
    pods: Api<PartialObjectMeta<Pod>>,
    known: Mutex<HashMap<IpAddr, (Labels, Instant)>>,
}

impl Peers {
    /// Asks through `client`.
    pub fn new(client: kube::Client) -> Self {
        Self { pods: Api::all(client), known: Mutex::default() }
    }

    /// What is known of the pod at `addr`; empty where there is none.
    pub async fn labels(&self, addr: IpAddr) -> Labels {
        if let Some((labels, since)) = self.known.lock().get(&addr)
            && since.elapsed() < TTL
        {
            return Arc::clone(labels);
        }
        let params = ListParams::default().fields(&format!("status.podIP={addr}")).limit(2);
        let found = match tokio::time::timeout(LIMIT, self.pods.list(&params)).await {
            Ok(Ok(list)) => list.items,
            _ => Vec::new(),
        };
        // Pods on their node's network share an address: it names none of them.
        let labels = match found.as_slice() {
            [pod] => Arc::new(describe(&pod.metadata)),
            _ => Arc::default(),
        };
        let mut known = self.known.lock();
        if known.len() >= KEPT {
            known.retain(|_, (_, since)| since.elapsed() < TTL);
        }
        if known.len() < KEPT {
            known.insert(addr, (Arc::clone(&labels), Instant::now()));
        }
        labels
    }
}

/// The pod, its namespace and its workload.
pub fn describe(metadata: &ObjectMeta) -> BTreeMap<String, String> {
    labels_of(metadata).into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}
