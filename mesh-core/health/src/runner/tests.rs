//! Order, gates, retries and timeouts, without a cluster.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::{CategoryReport, Limits, Observer, run};
use crate::check::{Category, Check, Finding};
use crate::facts::{Facts, Known};

#[derive(Default)]
struct Heard {
    order: Vec<&'static str>,
    retries: AtomicUsize,
}

impl Observer for Heard {
    fn retrying(&self, _: &str, _: &str) {
        self.retries.fetch_add(1, Ordering::Relaxed);
    }
    fn finished(&mut self, report: &CategoryReport) {
        self.order.push(report.id);
    }
}

fn facts() -> Facts {
    Facts::new(Err(mesh_k8s::Error::Kubeconfig("none".into())), Known::default())
}

fn fixed(name: &str, finding: Finding) -> Check {
    Check::new(name, "anchor", move |_| {
        let finding = finding.clone();
        async move { finding }
    })
}

fn slow(name: &str, after: u64) -> Check {
    Check::new(name, "anchor", move |_| async move {
        tokio::time::sleep(Duration::from_secs(after)).await;
        Finding::Pass
    })
}

fn category(id: &'static str, checks: Vec<Check>) -> Category {
    Category { id, checks }
}

#[tokio::test(start_paused = true)]
async fn categories_come_in_order_and_checks_run_at_once() {
    let categories = vec![
        category("gate", vec![fixed("a", Finding::Pass)]),
        category("slow", vec![slow("b", 20), slow("c", 10)]),
        category("quick", vec![fixed("d", Finding::Fail("no".into())), fixed("e", Finding::Skip)]),
        category("void", vec![fixed("f", Finding::Skip)]),
    ];
    let mut heard = Heard::default();
    let start = tokio::time::Instant::now();
    let reports = run(categories, &facts(), Limits::default(), &mut heard).await;
    assert_eq!(start.elapsed().as_secs(), 20, "checks did not run at once");
    assert_eq!(heard.order, ["gate", "slow", "quick"]);
    assert_eq!(reports[1].checks.iter().map(|c| c.description.as_str()).collect::<Vec<_>>(), ["b", "c"]);
    assert!(reports[2].checks[0].fails());
}

#[tokio::test(start_paused = true)]
async fn a_fatal_failure_ends_the_report() {
    let fatal = fixed("a", Finding::Fail("down".into())).fatal();
    let categories = vec![
        category("gate", vec![fatal, fixed("b", Finding::Pass)]),
        category("more", vec![fixed("c", Finding::Pass)]),
    ];
    let reports = run(categories, &facts(), Limits::default(), &mut Heard::default()).await;
    assert_eq!(reports.len(), 1);
    assert_eq!(reports[0].checks.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_may_heal_is_asked_again_until_the_limit() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = asked.clone();
    let heals = Check::new("heals", "anchor", move |_| {
        let before = counter.fetch_add(1, Ordering::Relaxed);
        async move { if before < 2 { Finding::Fail("not yet".into()) } else { Finding::Pass } }
    })
    .retried();
    let never = fixed("never", Finding::Fail("no".into())).retried();
    let categories = vec![category("gate", vec![]), category("wait", vec![heals, never])];
    let mut heard = Heard::default();
    let limits = Limits { wait: Duration::from_secs(30), ..Limits::default() };
    let reports = run(categories, &facts(), limits, &mut heard).await;
    assert_eq!(reports[0].checks[0].finding, Finding::Pass);
    assert_eq!(reports[0].checks[1].finding, Finding::Fail("no".into()));
    assert_eq!(asked.load(Ordering::Relaxed), 3);
    assert!(heard.retries.load(Ordering::Relaxed) >= 4);
}

#[tokio::test(start_paused = true)]
async fn no_answer_in_time_is_unknown_and_no_failure() {
    let categories = vec![category("gate", vec![slow("silent", 3600)])];
    let reports = run(categories, &facts(), Limits::default(), &mut Heard::default()).await;
    assert_eq!(reports[0].checks[0].finding, Finding::Unknown("no answer within 30s".into()));
    assert!(!reports[0].checks[0].fails());
}
