//! What a tick of the sweep did, saw and left.

use std::collections::BTreeMap;

use redrive_core::controller::Outcome;
use redrive_core::discovery::DiscoveryReport;
use redrive_core::failure::Service;
use serde::Serialize;

/// What one tick of the sweep came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Tick {
    /// Queued retries that were handed to the queue.
    pub requeued: usize,
    /// Retries that were taken over; each has a line of its own.
    pub taken_over: usize,
    /// Entries that somebody else had moved meanwhile.
    pub conflicts: usize,
    /// Entries that met an error; each has a line of its own.
    pub errors: usize,
    /// More was waiting than the tick was allowed to see.
    pub more: bool,
    /// What was looked for and found.
    pub discovery: DiscoverySummary,
    /// The age of the oldest claim that nobody had settled.
    #[serde(skip)]
    pub oldest_claim_seconds: u64,
    /// Failures that were dealt with of which no event had told.
    #[serde(skip)]
    pub unannounced: BTreeMap<Service, u64>,
}

/// What a tick saw of failures that were never announced, what it did, and what it left for later.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct DiscoverySummary {
    /// State machines and pipelines that were looked at.
    pub targets: usize,
    /// Calls that listed something.
    pub pages: usize,
    /// Failures of an age to be dealt with.
    pub seen: usize,
    /// Those of them that the ledger knew.
    pub known: usize,
    /// What became of the others, each of which has a line of its own.
    pub outcomes: BTreeMap<Outcome, usize>,
    /// Failures, targets and lists of them that met an error; each has a line of its own.
    pub errors: usize,
    /// Services that throttled.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub throttled: Vec<Service>,
    /// Targets whose turn goes on with the next tick.
    pub left: usize,
    /// The pass goes on with the next tick.
    pub more: bool,
    /// Everything that failed before, and since the search began, was looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub watermark: Option<String>,
    /// Another tick was first to say how far the search has come.
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
