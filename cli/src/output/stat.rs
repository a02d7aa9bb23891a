//! The tables of `linkerd stat`, in the layout that scripts know.

use std::time::Duration;

use mesh_api::public::{RequestStats, StatRow};

use crate::args::resource::Type;

/// Which columns are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Columns {
    /// The usual ones.
    Usual,
    /// Bytes, too.
    Wide,
    /// None: an object for programs.
    Json,
}

/// Rows of one kind.
#[derive(Clone, Debug)]
pub struct Group {
    /// The kind.
    pub kind: &'static Type,
    /// Its rows.
    pub rows: Vec<StatRow>,
}

/// How tables look.
struct Shape {
    columns: Columns,
    with_namespace: bool,
    prefixed: bool,
    /// Where nothing was denied the column is left out: the layout is then the one that scripts know.
    with_denied: bool,
    window: Duration,
}

/// Blanks between two columns.
const GAP: &str = "   ";

/// One table a kind, an empty line between two.
pub fn tables(groups: &[Group], columns: Columns, with_namespace: bool, window: Duration) -> String {
    let prefixed = groups.len() > 1;
    let shape = Shape {
        columns,
        with_namespace,
        prefixed,
        with_denied: groups.iter().flat_map(|group| &group.rows).any(|row| row.denied_requests > 0),
        window,
    };
    let tables: Vec<Vec<Vec<String>>> = groups
        .iter()
        .map(|group| {
            let mut lines = vec![header(group, &shape)];
            lines.extend(group.rows.iter().map(|row| cells(group, row, &shape)));
            lines
        })
        .collect();
    // Names are as wide as the longest of all tables, so that tables stand in line.
    let names = usize::from(with_namespace) + 1;
    let widest = |column: usize| tables.iter().flatten().map(|line| line[column].chars().count()).max();
    let shared: Vec<usize> = (0..names).map(|column| widest(column).unwrap_or(0)).collect();
    let texts: Vec<String> = tables.iter().map(|lines| table(lines, &shared)).collect();
    texts.join("\n")
}

/// The share of successes.
#[expect(clippy::cast_precision_loss, reason = "counts of requests")]
pub fn success(stats: &RequestStats) -> f64 {
    stats.success as f64 / (stats.success + stats.failure).max(1) as f64
}

/// So many a second.
#[expect(clippy::cast_precision_loss, reason = "counts of requests and bytes")]
pub fn rate(count: u64, window: Duration) -> f64 {
    count as f64 / window.as_secs_f64().max(1.0)
}

fn header(group: &Group, shape: &Shape) -> Vec<String> {
    let mut out = Vec::new();
    if shape.with_namespace {
        out.push("NAMESPACE");
    }
    out.push("NAME");
    if group.kind.name == "pod" {
        out.push("STATUS");
    }
    out.extend(["MESHED", "SUCCESS", "RPS", "LATENCY_P50", "LATENCY_P95", "LATENCY_P99", "TCP_CONN"]);
    if shape.columns == Columns::Wide && group.kind.name != "authority" {
        out.extend(["READ_BYTES/SEC", "WRITE_BYTES/SEC"]);
    }
    if shape.with_denied {
        out.push("UNAUTHORIZED");
    }
    out.into_iter().map(str::to_owned).collect()
}

fn cells(group: &Group, row: &StatRow, shape: &Shape) -> Vec<String> {
    let mut out = traffic(group, row, shape);
    if shape.with_denied {
        out.push(match row.denied_requests {
            0 => "-".to_owned(),
            denied => format!("{:.1}rps", rate(denied, shape.window)),
        });
    }
    out
}

fn traffic(group: &Group, row: &StatRow, shape: &Shape) -> Vec<String> {
    let Shape { columns, with_namespace, prefixed, window, .. } = *shape;
    let resource = row.resource.clone().unwrap_or_default();
    let is_authority = group.kind.name == "authority";
    let mut out = Vec::new();
    if with_namespace {
        out.push(if resource.namespace.is_empty() { resource.name.clone() } else { resource.namespace });
    }
    out.push(if prefixed { format!("{}/{}", group.kind.short, resource.name) } else { resource.name });
    if group.kind.name == "pod" {
        out.push(row.status.clone());
    }
    out.push(if is_authority { "-".to_owned() } else { format!("{}/{}", row.meshed_pods, row.running_pods) });
    let wide = columns == Columns::Wide && !is_authority;
    let seen = row.requests.as_ref().filter(|stats| stats.success + stats.failure > 0);
    let Some(stats) = seen else {
        out.extend(vec!["-".to_owned(); if wide { 8 } else { 6 }]);
        return out;
    };
    out.push(format!("{:.2}%", success(stats) * 100.0));
    out.push(format!("{:.1}rps", rate(stats.success + stats.failure, window)));
    for latency in [stats.latency_ms_p50, stats.latency_ms_p95, stats.latency_ms_p99] {
        out.push(format!("{latency}ms"));
    }
    let tcp = row.tcp.unwrap_or_default();
    out.push(if is_authority { "-".to_owned() } else { tcp.open_connections.to_string() });
    if wide {
        for bytes in [tcp.read_bytes, tcp.write_bytes] {
            out.push(format!("{:.1}B/s", rate(bytes, window)));
        }
    }
    out
}

/// Names left, all else right.
fn table(lines: &[Vec<String>], shared: &[usize]) -> String {
    let columns = lines.first().map_or(0, Vec::len);
    let widths: Vec<usize> = (0..columns)
        .map(|column| match shared.get(column) {
            Some(width) => *width,
            None => lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0),
        })
        .collect();
    let mut out = String::new();
    for line in lines {
        let cells: Vec<String> = line
            .iter()
            .zip(&widths)
            .enumerate()
            .map(|(column, (cell, width))| match column < shared.len() {
                true => format!("{cell:<width$}"),
                false => format!("{cell:>width$}"),
            })
            .collect();
        out.push_str(cells.join(GAP).trim_end());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use mesh_api::public::{Resource, TcpStats};

    use super::*;

    fn row(kind: &str, name: &str, success: u64) -> StatRow {
        StatRow {
            resource: Some(Resource { namespace: "ns".into(), r#type: kind.into(), name: name.into() }),
            meshed_pods: 1,
            running_pods: 2,
            requests: (success > 0).then_some(RequestStats {
                success,
                failure: 1,
                latency_ms_p50: 1,
                latency_ms_p95: 20,
                latency_ms_p99: 300,
            }),
            tcp: Some(TcpStats { open_connections: 7, read_bytes: 600, write_bytes: 60 }),
            ..StatRow::default()
        }
    }

    #[test]
    fn tables_stand_in_line() {
        let kind = |name| Type::of(name).unwrap();
        let groups = [
            Group {
                kind: kind("deployment"),
                rows: vec![row("deployment", "web", 122), row("deployment", "db", 0)],
            },
            Group { kind: kind("statefulset"), rows: vec![row("statefulset", "a-long-name", 1)] },
        ];
        let text = tables(&groups, Columns::Usual, false, Duration::from_secs(60));
        assert_eq!(
            text,
            "NAME              MESHED   SUCCESS      RPS   LATENCY_P50   LATENCY_P95   LATENCY_P99   TCP_CONN\n\
             deploy/web           1/2    99.19%   2.0rps           1ms          20ms         300ms          7\n\
             deploy/db            1/2         -        -             -             -             -          -\n\
             \n\
             NAME              MESHED   SUCCESS      RPS   LATENCY_P50   LATENCY_P95   LATENCY_P99   TCP_CONN\n\
             sts/a-long-name      1/2    50.00%   0.0rps           1ms          20ms         300ms          7\n"
        );
        let mut denied = groups[1].rows[0].clone();
        denied.denied_requests = 30;
        let rows = vec![denied, row("statefulset", "b", 0)];
        let text = tables(
            &[Group { kind: kind("statefulset"), rows }],
            Columns::Usual,
            false,
            Duration::from_secs(60),
        );
        let ends: Vec<&str> = text.lines().filter_map(|line| line.rsplit(' ').next()).collect();
        assert_eq!(ends, ["UNAUTHORIZED", "0.5rps", "-"], "{text}");
        let wide = tables(&groups[..1], Columns::Wide, true, Duration::from_secs(60));
        assert!(wide.starts_with("NAMESPACE   NAME   MESHED"), "{wide}");
        assert!(wide.contains("10.0B/s") && wide.contains("ns          web "), "{wide}");
    }
}
