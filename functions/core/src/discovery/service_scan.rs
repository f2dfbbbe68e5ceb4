//! The part of one tick about one service: pages read and items not handled yet.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::string::String;

use super::listing::{ListedExecution, ListedRun, ListedStage};
use super::report::{DiscoveryReport, ServiceSearch};
use crate::arn::{ExecutionArn, ExecutionKind};
use crate::error::{Error, ErrorKind};
use crate::failure::{
    ExecutionStatus, FailedExecution, FailedStage, Failure, FailureDetail, FailureId, Field,
    Service, Subject,
};
use crate::ledger::{List, Pass, TargetCursor};
use crate::policy::Glob;
use crate::time::Time;

/// A listed item to handle.
pub(super) enum Item {
    Execution(ListedExecution),
    Stage(ListedStage),
    Run(ListedRun),
}

impl Item {
    /// Returns when the item ended.
    pub(super) fn ended(&self) -> Time {
        match self {
            Self::Execution(execution) => execution.stopped.unwrap_or(execution.started),
            Self::Stage(stage) => stage.ended,
            Self::Run(run) => run.updated,
        }
    }

    /// Returns when the item started, if its list is ordered by start.
    pub(super) const fn started(&self) -> Option<Time> {
        match self {
            Self::Execution(execution) => Some(execution.started),
            Self::Stage(_) => None,
            Self::Run(run) => Some(run.started),
        }
    }
}

/// A page with items that are not handled yet. It is not read again within the tick.
pub(super) struct Open {
    pub(super) items: VecDeque<Item>,
    pub(super) next: Option<String>,
}

/// The state of one service's scan within a tick.
pub(super) struct ServiceScan<'p> {
    pub(super) service: Service,
    pub(super) pass: &'p mut Pass,
    /// Names of the targets that may be listed.
    pub(super) targets: &'p Glob,
    /// Number of pages that the scan may still read.
    pub(super) pages: usize,
    /// Whether the scan does nothing more in this tick.
    pub(super) over: bool,
    /// Unfinished pages, by the target's ARN.
    pub(super) open: BTreeMap<String, Open>,
    pub(super) seen: BTreeSet<String>,
}

impl<'p> ServiceScan<'p> {
    pub(super) fn new(service: Service, pass: &'p mut Pass, limits: &'p ServiceSearch) -> Self {
        Self {
            service,
            pass,
            targets: &limits.targets,
            pages: limits.max_pages,
            over: false,
            open: BTreeMap::new(),
            seen: BTreeSet::new(),
        }
    }

    /// Counts one page against the maximum and returns whether it may be read.
    pub(super) fn may_read(&mut self, report: &mut DiscoveryReport) -> bool {
        match self.pages.checked_sub(1) {
            Some(left) => {
                self.pages = left;
                report.pages = report.pages.saturating_add(1);
                true
            }
            None => {
                self.over = true;
                false
            }
        }
    }

    pub(super) fn throttled(&mut self, report: &mut DiscoveryReport) {
        self.over = true;
        report.throttled.push(self.service);
    }

    /// Records that a target could not be read. The next pass lists it again, from where this one was.
    pub(super) fn could_not_read(
        &mut self,
        mut cursor: TargetCursor,
        error: Error,
        report: &mut DiscoveryReport,
    ) {
        cursor.record_error(self.pass.reached(&cursor.target));
        // If the service is unavailable, its other targets would fail too.
        self.over |= error.kind == ErrorKind::Unavailable;
        report.unread.push((cursor.target.clone(), error));
        self.pass.done(cursor);
    }
}

/// Whether a listed item was handled.
#[derive(PartialEq, Eq)]
pub(super) enum Dealt {
    Outcome,
    NotNow,
}

/// Converts a listed item to a failure with unknown facts, and returns its failure id where the list shows it.
pub(super) fn failure(item: &Item, cursor: &TargetCursor) -> Option<(Failure, Option<FailureId>)> {
    match (item, cursor.list) {
        (Item::Execution(listed), List::Executions(status)) => {
            let read = ExecutionArn::parse(&listed.arn);
            if read.is_ok_and(|read| read.kind != ExecutionKind::Standard) {
                return None;
            }
            let redrive_count = listed.redrive_count.map_or(Field::Unknown, Field::Known);
            let mut failed = FailedExecution {
                status,
                redrive_count,
                redrivable: Field::Unknown,
                started: Some(listed.started),
                state_machine_arn: Some(cursor.target.clone()),
                version_arn: listed.version_arn.clone(),
                error: Field::Unknown,
                cause: Field::Unknown,
                parent: Field::Unknown,
                fail_state: Field::Unknown,
                state: Field::Unknown,
                resource: Field::Unknown,
                changed_since: None,
            };
            if status == ExecutionStatus::TimedOut {
                failed.read_as_time_out();
            }
            let failure = Failure {
                subject: Subject::Execution {
                    arn: listed.arn.clone(),
                },
                at: item.ended(),
                detail: FailureDetail::Execution(failed),
            };
            Some((failure, listed.redrive_count.map(FailureId::RedriveCount)))
        }
        (Item::Stage(listed), List::Stages | List::Runs) => {
            let failure = Failure {
                subject: Subject::Stage {
                    arn: alloc::format!("{}/{}", cursor.target, listed.stage),
                    execution_id: listed.execution_id.clone(),
                },
                at: listed.ended,
                detail: FailureDetail::Stage(FailedStage {
                    announced: None,
                    snapshot: Field::Unknown,
                }),
            };
            let failure_id = FailureId::FailedActions(listed.failed.clone());
            Some((failure, Some(failure_id)))
        }
        _ => None,
    }
}
