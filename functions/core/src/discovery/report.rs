//! How much a tick of the search may do, and what it did.

use alloc::string::String;
use alloc::vec::Vec;

use crate::error::Error;
use crate::failure::{Service, Subject};
use crate::policy::Glob;
use crate::record::Record;
use crate::time::Time;

/// How far back a tick looks, and how much it may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    /// Nothing that ended before is looked for. None: the moment of the first tick, so that a new deployment
    /// touches nothing of before it. A day to come: nothing until then.
    pub since: Option<Time>,
    /// Names of the state machines that may be listed: those that the role allows.
    pub machines: Glob,
    /// Names of the pipelines that may be listed.
    pub pipelines: Glob,
    /// So many pages of Step Functions are read in a tick. ListExecutions refills at 2 a second in most regions:
    /// a tick each minute takes half of that, and leaves the other half to whoever else lists.
    pub max_pages_of_executions: usize,
    /// So many calls list what CodePipeline has, whose rates are not published; others were throttled when they
    /// asked about 160 pipelines in a row.
    pub max_pages_of_stages: usize,
    /// So many failures of one target are dealt with before the next has its turn.
    pub max_in_a_turn: usize,
    /// So many failures are handed over in a tick, the first step of a storm as well as the last. Each asks
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

/// What one tick of the search saw, did, and left for later.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DiscoveryReport {
    /// Targets that had a turn.
    pub targets: usize,
    /// Calls that listed something.
    pub pages: usize,
    /// Failures that were listed and of an age to be dealt with.
    pub seen: usize,
    /// Those of them that the ledger knew.
    pub known: usize,
    /// What became of the others.
    pub records: Vec<Record>,
    /// Those that met an error; they are found again.
    pub errors: Vec<(Subject, Error)>,
    /// Targets, by their ARN, and lists of targets, by their service, that could not be read; they are read again.
    pub unread: Vec<(String, Error)>,
    /// Services that throttled and were left in peace.
    pub throttled: Vec<Service>,
    /// Targets whose turn is not over.
    pub left: usize,
    /// A pass is not complete: the next tick goes on with it.
    pub more: bool,
    /// Every failure that ended between [`Search::since`] and then was looked at.
    pub watermark: Option<Time>,
    /// Another tick ran at the same time and was first to say how far the search has come: it goes on from there.
    pub outrun: bool,
}
