//! Looks up facts about a failure with as few read calls as possible.
//!
//! The calls are behind two traits, so that the same code runs against a real account and against emulated services. A
//! third trait is the cache that processes share.

use core::cell::RefCell;

use crate::codepipeline::pipeline::Declarations;
pub use crate::codepipeline::reads::Pipelines;
use crate::codepipeline::reads::StageReads;
use crate::error::{Error, ErrorKind};
use crate::failure::{Fact, Failure, FailureDetail, FailureId, Need, TargetState};
use crate::ledger::Entry;
pub use crate::page::{Page, Read};
use crate::step_functions::definition::Machines;
use crate::step_functions::reads::ExecutionReads;
pub use crate::step_functions::reads::{DefinitionCache, Executions};
use crate::time::Time;
use crate::verdict::Reason;

/// Definitions of state machines and pipelines that this process has read. It lives as long as the function's process,
/// so that not every failure reads them again.
#[derive(Debug, Clone, Default)]
pub struct LocalCache {
    machines: RefCell<Machines>,
    declarations: RefCell<Declarations>,
}

/// The read calls of both services and their caches, borrowed for one look-up.
#[derive(Debug)]
pub struct Reads<'r, E, P, S> {
    /// The read calls of Step Functions.
    pub executions: &'r E,
    /// The read calls of CodePipeline.
    pub pipelines: &'r P,
    /// The definitions that this process has read.
    pub local_cache: &'r LocalCache,
    /// The definitions that all processes share.
    pub definition_cache: &'r S,
    /// The current time. Cached definitions of state machines are valid for a limited time.
    pub now: Time,
}

impl<E: Executions, P: Pipelines, S: DefinitionCache> Reads<'_, E, P, S> {
    /// Looks up one fact about a failure.
    ///
    /// # Errors
    /// A service could not be reached, or its answer cannot be judged.
    pub async fn lookup(&self, failure: &Failure, need: Need) -> Result<Fact, Error> {
        let arn = failure.subject.arn();
        match (&failure.detail, need) {
            (FailureDetail::Execution(failed), Need::Description) => {
                Ok(match self.executions.describe(arn).await? {
                    None => Fact::Gone,
                    Some(shown) => match failed.redrive_count.known() {
                        Some(count) if shown.is_before(*count) => Fact::NotYet,
                        _ => Fact::Description(shown),
                    },
                })
            }
            (FailureDetail::Execution(failed), _) => {
                self.of_executions()
                    .ending(arn, failed, failure.at, need)
                    .await
            }
            (FailureDetail::Stage(_), _) => Ok(self.of_stages().stage(&failure.subject).await?.0),
        }
    }

    /// Reads whether a subject still has the failure of its entry.
    ///
    /// # Errors
    /// A service could not be reached, or does not show the failure yet.
    pub async fn current_state(&self, entry: &Entry) -> Result<TargetState, Error> {
        let gone = TargetState::Terminated(Reason::Gone);
        let subject = &entry.subject;
        let (snapshot, call) = match &entry.failure_id {
            FailureId::RedriveCount(count) => {
                let Some(now) = self.executions.describe(subject.arn()).await? else {
                    return Ok(gone);
                };
                (now.target_state(*count), "DescribeExecution")
            }
            FailureId::FailedActions(ids) => {
                let snapshot = match self.of_stages().stage(subject).await? {
                    // RACE: this read against CodePipeline's own lag. If the newest run is older than the failure, the
                    // answers show the stage before it. They may show an earlier failure that the ledger does not know.
                    (Fact::Stage(now), Some(last_run)) if last_run < entry.failed_at => now
                        .compared(ids, &entry.failed_earlier())
                        .filter(|snapshot| !matches!(snapshot, TargetState::Advanced(_))),
                    (Fact::Stage(now), _) => now.compared(ids, &entry.failed_earlier()),
                    (Fact::NotYet, _) => None,
                    _ => return Ok(gone),
                };
                (snapshot, "ListActionExecutions")
            }
        };
        snapshot.ok_or_else(|| {
            Error::new(
                ErrorKind::Unavailable,
                alloc::format!("{call} does not show the failure yet"),
            )
        })
    }

    const fn of_executions(&self) -> ExecutionReads<'_, E, S> {
        ExecutionReads {
            executions: self.executions,
            machines: &self.local_cache.machines,
            definition_cache: self.definition_cache,
            now: self.now,
        }
    }

    const fn of_stages(&self) -> StageReads<'_, P> {
        StageReads {
            pipelines: self.pipelines,
            declarations: &self.local_cache.declarations,
        }
    }
}

#[cfg(test)]
mod tests;
