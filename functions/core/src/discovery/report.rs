//! The limits and the report of one tick of the search.

use alloc::string::String;
use alloc::vec::Vec;

use crate::error::Error;
use crate::failure::{Service, Subject};
use crate::policy::Glob;
use crate::record::Record;
use crate::time::Time;

/// The limits of one tick of the search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    /// Failures that ended before this time are not searched. `None` stands for the moment of the first tick, so that a
    /// new deployment leaves older failures alone. A future time disables the search until then.
    pub since: Option<Time>,
    /// Names of the state machines that may be listed, as the role allows.
    pub machines: Glob,
    /// Names of the pipelines that may be listed, as the role allows.
    pub pipelines: Glob,
    /// Maximum number of pages of Step Functions in a tick. ListExecutions refills at 2 a second in most regions. A
    /// tick each minute uses half of that and leaves half to other callers.
    pub max_pages_of_executions: usize,
    /// Maximum number of calls that list failures of CodePipeline in a tick. AWS publishes no rates for them. Others
    /// were throttled when they called for about 160 pipelines in a row.
    pub max_pages_of_stages: usize,
    /// Maximum number of failures of one target before the next target has its turn.
    pub max_in_a_turn: usize,
    /// Maximum number of failures that one tick handles, at the start of a storm as at its end. Each calls
    /// DescribeExecution, which refills at 10 a second.
    pub max_found: usize,
}

impl Default for Search {
    fn default() -> Self {
        Self {
            since: None,
            machines: Glob::new("*", false),
            pipelines: Glob::new("*", false),
            max_pages_of_executions: 60,
            max_pages_of_stages: 30,
            max_in_a_turn: 50,
            max_found: 200,
        }
    }
}

/// The report of one tick of the search.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DiscoveryReport {
    /// Number of targets that had a turn.
    pub targets: usize,
    /// Number of calls that listed something.
    pub pages: usize,
    /// Number of listed failures that are recent enough to handle.
    pub seen: usize,
    /// Number of those failures that the ledger knew.
    pub known: usize,
    /// The outcomes of the other failures.
    pub records: Vec<Record>,
    /// Failures that met an error. A later tick finds them again.
    pub errors: Vec<(Subject, Error)>,
    /// Targets (by ARN) and lists of targets (by service) that could not be read. A later tick reads them again.
    pub unread: Vec<(String, Error)>,
    /// Services that throttled and were not called again in this tick.
    pub throttled: Vec<Service>,
    /// Number of targets whose turn is not over.
    pub left: usize,
    /// Whether a pass is incomplete, so that the next tick continues it.
    pub more: bool,
    /// The time up to which every failure since [`Search::since`] was handled.
    pub watermark: Option<Time>,
    /// Whether a concurrent tick stored its checkpoint first. The search continues from that one.
    // RACE: two concurrent ticks write the checkpoint, and the conditional write stores only the first.
    pub outrun: bool,
}
