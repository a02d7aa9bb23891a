//! The reference page of metrics, made from the tables of families.

use std::fmt::Write as _;

use super::aggregate::families;
use super::table::Family;
use super::value::Kind;

/// Families whose names Prometheus would not give today. They stay because dashboards and alerts ask for them by these names.
pub const INHERITED: &[(&str, &str)] = &[
    ("response_latency_ms", "milliseconds, and the unit is not the last word but its abbreviation"),
    ("route_response_latency_ms", "the same"),
    ("control_response_latency_ms", "the same"),
    ("opentelemetry_span_export_streams", "a counter without `_total`"),
    ("opentelemetry_span_export_requests", "the same"),
    ("opentelemetry_span_export_exports", "the same"),
];

/// The page, as `docs/reference/metrics.md`.
pub fn page() -> String {
    let mut page = String::from(
        "# Metrics of the proxy\n\n\
         Generated from the code. `GET /metrics` on the admin port (4191) writes them in the classic text format, or in OpenMetrics where \
         the client asks for it; compressed with gzip where the client takes it. Families without a series are not written.\n\n\
         * A series that nobody counts on any more is dropped after `LINKERD2_PROXY_METRICS_RETAIN_IDLE` (10 minutes).\n\
         * A group of families holds 8192 series a worker. Past that, new label sets share one series with the only label `overflow=\"true\"`.\n\
         * A series holds 64 statuses. Past that they are counted as `other`.\n\
         * Label values are cut at 1024 octets. Names of labels that come from discovery have everything but letters, digits and `_` replaced by `_`.\n\
         * In OpenMetrics, the type of a counter whose name does not end in `_total` is `unknown`.\n\n\
         ## Families\n",
    );
    for (prefixes, families, labels) in families() {
        let _ = writeln!(page, "\n### {}\n", heading(prefixes, families));
        if !labels.is_empty() {
            let _ = writeln!(page, "Labels: {}.\n", labels.replace('|', "\\|").replace('*', "\\*"));
        }
        page.push_str("| family | type | further labels | meaning |\n|---|---|---|---|\n");
        for family in families {
            let names: Vec<String> = prefixes
                .iter()
                .map(|prefix| format!("{prefix}{}", family.name))
                .filter(|name| !ABSENT.contains(&name.as_str()))
                .map(|name| format!("`{name}`"))
                .collect();
            let labels = family.labels.join(", ");
            let help = family.help.trim().trim_end_matches('.');
            let _ = writeln!(page, "| {} | {} | {labels} | {help} |", names.join("<br>"), kind(family.kind));
        }
    }
    page.push_str(
        "\n## Names that are kept\n\n`promtool check metrics` advises against these names. They are the ones that dashboards and alerts know.\n\n\
         | family | why it is advised against |\n|---|---|\n",
    );
    for (name, why) in INHERITED {
        let _ = writeln!(page, "| `{name}` | {why} |");
    }
    page.push_str(
        "\n## Not written\n\n`stack_poll_total` and `stack_poll_total_ms`: there are no layered services that could be polled.\n",
    );
    page
}

/// Combinations of prefix and family that nothing counts.
const ABSENT: [&str; 1] = ["route_actual_response_latency_ms"];

fn heading(prefixes: &[&str], families: &[Family]) -> String {
    match prefixes {
        [""] | [] => families.first().map_or("", |family| family.name).to_owned(),
        _ => {
            let named = |prefix: &&str| {
                if prefix.is_empty() { "`request_`, `response_`".to_owned() } else { format!("`{prefix}`") }
            };
            prefixes.iter().map(named).collect::<Vec<_>>().join(", ")
        }
    }
}

fn kind(kind: Kind) -> String {
    match kind {
        Kind::Counter => "counter".to_owned(),
        Kind::Gauge => "gauge".to_owned(),
        Kind::Histogram(scale) => {
            let bounds: Vec<String> =
                scale.bounds.iter().map(|bound| (*bound as f64 / scale.per_unit).to_string()).collect();
            format!("histogram: {}", bounds.join(" "))
        }
    }
}
