//! Time and memory for a large document: an 11 MB Swagger 2.0 text with 12,000 operations becomes a ServiceProfile.
//!
//! `cargo bench -p mesh-profile` prints, for JSON and YAML, the time of reading and of the whole way to YAML text,
//! and the most memory the process ever held. It fails if a whole way takes a second or more.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use mesh_profile::{Target, openapi, service_profile};

const PATHS: usize = 3_000;
const LIMIT: Duration = Duration::from_secs(1);

#[expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
fn main() -> ExitCode {
    let json = document();
    let mut worst = Duration::ZERO;
    worst = worst.max(measure("JSON", &json));
    println!("peak memory after JSON: {} MiB", peak_mib());
    let value: serde_json::Value = serde_json::from_str(&json).expect("it is JSON");
    let yaml = mesh_yaml::to_string(&value).expect("it can be written");
    drop(value);
    worst = worst.max(measure("YAML", &yaml));
    println!("peak memory after YAML: {} MiB", peak_mib());
    // The goal is for optimised builds; `cargo test --benches` only shows that this still works.
    if worst < LIMIT || cfg!(debug_assertions) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
fn measure(name: &str, document: &str) -> Duration {
    let target = Target {
        service: "shop".parse().expect("a label"),
        namespace: "default".parse().expect("a label"),
        cluster_domain: "cluster.local".parse().expect("a name"),
    };
    let (mut reading, mut whole) = (Duration::MAX, Duration::MAX);
    for _ in 0..5 {
        let start = Instant::now();
        let read = openapi::read("document", document.as_bytes()).expect("it is OpenAPI");
        reading = reading.min(start.elapsed());
        assert_eq!(read.operations.len(), 4 * PATHS);
        let profile = service_profile(&target, read.operations).to_value();
        let text = mesh_yaml::to_string(&profile).expect("it can be written");
        assert!(text.len() > PATHS);
        whole = whole.min(start.elapsed());
    }
    let size = document.len() as f64 / 1e6;
    println!("{name}: {size:.1} MB, {} operations: read {reading:.1?}, to YAML text {whole:.1?}", 4 * PATHS);
    whole
}

/// A document of the shape that generators write: four methods a path, parameters, schemas, descriptions.
fn document() -> String {
    let mut out = String::from(
        r##"{"swagger":"2.0","info":{"title":"Shop","version":"1"},"basePath":"/api/v2","paths":{"##,
    );
    for path in 0..PATHS {
        let comma = if path > 0 { "," } else { "" };
        let _ = write!(out, r##"{comma}"/tenants/{{tenant}}/things{path:04}/{{id}}":{{"##);
        for (index, method) in ["get", "put", "post", "delete"].iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            let _ = write!(
                out,
                r##"{comma}"{method}":{{"operationId":"{method}Thing{path:04}","summary":"Does {method} with one thing","description":"{}","x-linkerd-timeout":"300ms","parameters":[{{"name":"tenant","in":"path","required":true,"type":"string"}},{{"name":"id","in":"path","required":true,"type":"string","pattern":"^[a-f0-9]+$"}},{{"name":"body","in":"body","schema":{{"$ref":"#/definitions/Thing"}}}}],"responses":{{"200":{{"description":"done","schema":{{"$ref":"#/definitions/Thing"}}}},"404":{{"$ref":"#/responses/NotFound"}},"500":{{"description":"broken"}},"default":{{"description":"other"}}}}}}"##,
                "What it does in more words. ".repeat(13),
            );
        }
        out.push('}');
    }
    out.push_str(r##"},"responses":{"NotFound":{"description":"no such thing"}},"definitions":{"Thing":{"type":"object"}}}"##);
    out
}

/// The most memory this process has held, in MiB, as the kernel counts it.
fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or(0) / 1024
}
