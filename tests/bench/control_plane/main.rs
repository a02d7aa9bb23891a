//! How much a control plane of some size takes: `cargo bench-control-plane [WHAT] [--services N] [--proxies N] …`.
//!
//! `linkerd-controller destination` runs in a process of its own, as the charts start it: it reads the cluster through
//! its own client from a stand-in for the API server; `goal --source api-server` writes the same cluster to a real one
//! with its etcd, and `goal --source files` to a directory of manifests. Simulated proxies hold real gRPC streams: for each destination one
//! of addresses, one of profiles and one of policy, on one connection for each API.
//!
//! WHAT is one of
//! - `goal` (the default, at the size of the goal): memory, bytes and CPU time a stream, the time from a change to its
//!   last subscriber, a rollout, and a restart with all proxies coming back;
//! - `slopes`: memory and CPU time at three sizes each of Services, endpoints and streams, and the lines through them;
//! - `beside`: the sizes at which the original was measured, and its figures;
//! - `components`: identity and injector beside a real API server, each on a core of its own;
//! - `window`: what `public-api` takes for the numbers of 200 proxies, beside its limit;
//! - `all`: one after the other, `goal` with each source.
//!
//! A run that only shows that it works, as a test does, has `window` besides `goal`, both small.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark prints its figures and fails by panicking"
)]

mod api_server;
mod components;
mod content;
mod files;
mod goal;
mod live;
mod proxies;
mod report;
mod server;
mod slopes;
mod source;
mod window;

use std::time::Duration;

use content::Size;
use source::Source;

/// How long anything may take before the run is given up.
const LIMIT: Duration = Duration::from_secs(300);

fn main() {
    let mut words: Vec<String> = std::env::args().skip(1).collect();
    // `cargo bench` says so; without it the program only shows that it works.
    let full = words.iter().any(|word| word == "--bench");
    words.retain(|word| word != "--bench");
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let what = words.first().filter(|word| !word.starts_with("--")).map_or("goal", String::as_str);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        match what {
            "goal" => {
                let named = words.iter().position(|word| word == "--source").map(|at| words.get(at + 1));
                let source = named.map_or(Source::NAMES[0], |name| name.map_or("", String::as_str));
                goal::measure(Size::goal(full).changed_by(&words), source).await;
                if !full {
                    window::measure(full).await;
                }
            }
            "slopes" => slopes::measure(full).await,
            "beside" => slopes::beside(full).await,
            "components" => components::measure(full).await,
            "window" => window::measure(full).await,
            "all" => {
                for source in Source::NAMES {
                    goal::measure(Size::goal(full).changed_by(&words), source).await;
                }
                slopes::beside(full).await;
                slopes::measure(full).await;
                window::measure(full).await;
                // Last, as it keeps to one core.
                components::measure(full).await;
            }
            other => panic!("there is no `{other}`: goal, slopes, beside, components, window or all"),
        }
    });
}
