//! Order, concurrency and retries.

use std::time::Duration;

use futures::stream::{FuturesOrdered, StreamExt};
use tokio::time::{Instant, sleep, timeout};

use crate::check::{Category, Check, Finding, Level, Retry};
use crate::facts::Facts;

/// Pause between two attempts at a check that may still heal.
const PAUSE: Duration = Duration::from_secs(5);

/// How long things may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// One attempt at one check.
    pub attempt: Duration,
    /// All attempts together (`--wait`).
    pub wait: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { attempt: Duration::from_secs(30), wait: Duration::from_secs(300) }
    }
}

/// Hears what happens, as it happens.
pub trait Observer {
    /// A check failed and is asked again.
    fn retrying(&self, description: &str, error: &str);
    /// A category is complete; they come in order.
    fn finished(&mut self, report: &CategoryReport);
}

/// One check's result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckReport {
    /// Its line.
    pub description: String,
    /// Where its hints are.
    pub anchor: &'static str,
    /// What a failure means.
    pub level: Level,
    /// What was found.
    pub finding: Finding,
    /// How long it took.
    pub took: Duration,
}

/// One category's results; checks that do not apply are left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CategoryReport {
    /// Its id and title.
    pub id: &'static str,
    /// Its checks, in order.
    pub checks: Vec<CheckReport>,
}

impl CheckReport {
    /// True when this makes the whole fail.
    pub fn fails(&self) -> bool {
        matches!(self.finding, Finding::Fail(_)) && self.level != Level::Warning
    }
}

/// Runs all checks at once and reports them in order. A failed fatal check ends the report: what comes after it
/// is not shown. The first category gates the others: unless it passes, they are not even asked.
pub async fn run(
    categories: Vec<Category>,
    facts: &Facts,
    limits: Limits,
    observer: &mut (dyn Observer + Send),
) -> Vec<CategoryReport> {
    let deadline = Instant::now() + limits.wait;
    let mut reports = Vec::new();
    let mut categories = categories.into_iter();
    let Some(gate) = categories.next() else { return reports };
    if sequential(gate, facts, limits, deadline, observer, &mut reports).await {
        return reports;
    }
    let rest: Vec<Category> = categories.collect();
    concurrent(rest, facts, limits, deadline, observer, &mut reports).await;
    reports
}

/// One check after the other: each needs the one before. True when a fatal one failed.
async fn sequential(
    category: Category,
    facts: &Facts,
    limits: Limits,
    deadline: Instant,
    observer: &mut (dyn Observer + Send),
    reports: &mut Vec<CategoryReport>,
) -> bool {
    let mut report = CategoryReport { id: category.id, checks: Vec::new() };
    let mut stopped = false;
    for check in &category.checks {
        let result = attempt(check, facts, limits, deadline, observer).await;
        stopped = push(&mut report, result);
        if stopped {
            break;
        }
    }
    finish(report, observer, reports);
    stopped
}

async fn concurrent(
    categories: Vec<Category>,
    facts: &Facts,
    limits: Limits,
    deadline: Instant,
    observer: &mut (dyn Observer + Send),
    reports: &mut Vec<CategoryReport>,
) {
    // Results wait in the queue until everything before them is in, so that the report keeps its order.
    let mut queue = FuturesOrdered::new();
    for category in &categories {
        for check in &category.checks {
            queue.push_back(first_answer(check, facts, limits));
        }
    }
    for category in &categories {
        let mut report = CategoryReport { id: category.id, checks: Vec::new() };
        for check in &category.checks {
            let Some(mut result) = queue.next().await else { break };
            if check.retry == Retry::UntilLimit && matches!(result.finding, Finding::Fail(_)) {
                result = again(check, result, facts, limits, deadline, observer).await;
            }
            if push(&mut report, result) {
                finish(report, observer, reports);
                return;
            }
        }
        finish(report, observer, reports);
    }
}

async fn attempt(
    check: &Check,
    facts: &Facts,
    limits: Limits,
    deadline: Instant,
    observer: &(dyn Observer + Send),
) -> CheckReport {
    let first = first_answer(check, facts, limits).await;
    if check.retry == Retry::UntilLimit && matches!(first.finding, Finding::Fail(_)) {
        return again(check, first, facts, limits, deadline, observer).await;
    }
    first
}

async fn again(
    check: &Check,
    mut result: CheckReport,
    facts: &Facts,
    limits: Limits,
    deadline: Instant,
    observer: &(dyn Observer + Send),
) -> CheckReport {
    while let Finding::Fail(error) = &result.finding {
        if Instant::now() + PAUSE > deadline {
            break;
        }
        observer.retrying(&check.description, error);
        sleep(PAUSE).await;
        let took = result.took + PAUSE;
        result = first_answer(check, facts, limits).await;
        result.took += took;
    }
    result
}

async fn first_answer(check: &Check, facts: &Facts, limits: Limits) -> CheckReport {
    let start = Instant::now();
    let finding = timeout(limits.attempt, (check.ask)(facts.clone()))
        .await
        .unwrap_or_else(|_| Finding::Unknown(format!("no answer within {}s", limits.attempt.as_secs())));
    CheckReport {
        description: check.description.clone(),
        anchor: check.anchor,
        level: check.level,
        finding,
        took: start.elapsed(),
    }
}

/// Adds a result; true when it is a fatal failure.
fn push(report: &mut CategoryReport, result: CheckReport) -> bool {
    if result.finding == Finding::Skip {
        return false;
    }
    let stop = result.level == Level::Fatal && !matches!(result.finding, Finding::Pass);
    report.checks.push(result);
    stop
}

fn finish(report: CategoryReport, observer: &mut (dyn Observer + Send), reports: &mut Vec<CategoryReport>) {
    if !report.checks.is_empty() {
        observer.finished(&report);
        reports.push(report);
    }
}

#[cfg(test)]
mod tests;
