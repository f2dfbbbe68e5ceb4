//! The report of a tick of the sweep.

use std::collections::BTreeMap;

use redrive_core::controller::Outcome;
use redrive_core::discovery::DiscoveryReport;
use redrive_core::failure::Service;
use serde::Serialize;

/// The result of one tick of the sweep.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Tick {
    /// Queued retries whose messages were sent to the queue.
    pub requeued: usize,
    /// Entries that were taken over. Each has a line of its own.
    pub taken_over: usize,
    /// Entries that another function changed meanwhile.
    pub conflicts: usize,
    /// Entries that met an error. Each has a line of its own.
    pub errors: usize,
    /// Due items that a newer version of redrive wrote. They are left alone.
    #[serde(skip_serializing_if = "is_zero")]
    pub newer_schema: usize,
    /// Due items that cannot be read.
    #[serde(skip_serializing_if = "is_zero")]
    pub unreadable: usize,
    /// More entries may be due than the tick read or had time for.
    pub more: bool,
    /// The result of the search for unannounced failures.
    pub discovery: DiscoverySummary,
    /// The age of the oldest unsettled claim, in seconds.
    #[serde(skip)]
    pub oldest_claim_seconds: u64,
    /// Handled failures that no event announced, by service.
    #[serde(skip)]
    pub unannounced: BTreeMap<Service, u64>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
const fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// The result of a tick's search for unannounced failures.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct DiscoverySummary {
    /// State machines and pipelines that had a turn.
    pub targets: usize,
    /// Calls that listed something.
    pub pages: usize,
    /// Listed failures of an age that the search handles.
    pub seen: usize,
    /// Seen failures that the ledger already knew.
    pub known: usize,
    /// The other seen failures, by outcome. Each has a line of its own.
    pub outcomes: BTreeMap<Outcome, usize>,
    /// Failures, targets and lists of targets that met an error. Each has a line of its own.
    pub errors: usize,
    /// Services that throttled.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub throttled: Vec<Service>,
    /// Targets whose turn continues in the next tick.
    pub left: usize,
    /// A pass is not complete, and the next tick continues it.
    pub more: bool,
    /// The time before which the search has read every failure, back to the start of the search.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub watermark: Option<String>,
    /// Another tick stored its checkpoint first. RACE: this tick against a concurrent tick.
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    pub outrun: bool,
}

impl From<&DiscoveryReport> for DiscoverySummary {
    fn from(report: &DiscoveryReport) -> Self {
        let mut outcome = BTreeMap::new();
        for record in &report.records {
            let count: &mut usize = outcome.entry(record.outcome).or_default();
            *count = count.saturating_add(1);
        }
        Self {
            targets: report.targets,
            pages: report.pages,
            seen: report.seen,
            known: report.known,
            outcomes: outcome,
            errors: report.errors.len().saturating_add(report.unread.len()),
            throttled: report.throttled.clone(),
            left: report.left,
            more: report.more,
            watermark: report.watermark.map(|watermark| watermark.to_string()),
            outrun: report.outrun,
        }
    }
}
