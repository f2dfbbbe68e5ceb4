//! Learning of a failure: which of the services' read calls are made, in which order, and when they are spared.
//!
//! The calls themselves are behind two traits, so that the one flow runs over the services of an account and
//! over emulated ones; and behind a third is what other processes have learned by them.

use alloc::string::String;
use alloc::vec::Vec;
use core::cell::RefCell;

use crate::definition::{Known, Machines, Revision, Told, key, past};
use crate::failure::{
    Description, Fact, FailedExecution, Failure, Field, Identity, Need, Standing, Subject, What,
};
use crate::history::{Ending, HistoryEvent, ending};
use crate::ledger::Entry;
use crate::pipeline::{
    ActionRun, Declaration, Declarations, PipelineExecution, StageState, standing,
};
use crate::time::Time;
use crate::trouble::{Trouble, TroubleKind};
use crate::verdict::Reason;

/// What a read brings. None: what was asked about does not exist.
pub type Read<T> = Result<Option<T>, Trouble>;

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// `nextToken`. None: it is the last page.
    pub next: Option<String>,
}

/// The calls of Step Functions that tell of a failure.
#[expect(
    async_fn_in_trait,
    reason = "the functions run on one thread, so that futures need not be Send"
)]
pub trait Executions {
    /// DescribeExecution.
    async fn describe(&self, arn: &str) -> Read<Description>;

    /// DescribeStateMachine: its `revisionId`, which a machine that was never updated does not have.
    async fn revision_id(&self, machine: &str) -> Read<String>;

    /// DescribeStateMachineForExecution. None too if the definition cannot be read.
    async fn revision(&self, arn: &str) -> Read<Revision>;

    /// GetExecutionHistory from its end, at most so many events, without execution data: what is not asked
    /// for cannot leak, and ids, types and names are enough.
    async fn history(
        &self,
        arn: &str,
        most: u32,
        token: Option<String>,
    ) -> Read<Page<HistoryEvent>>;
}

/// The calls of CodePipeline that tell of a failure, each of a pipeline by its ARN, whose resource is the
/// pipeline's name.
#[expect(
    async_fn_in_trait,
    reason = "the functions run on one thread, so that futures need not be Send"
)]
pub trait Pipelines {
    /// GetPipelineState, as much of it as is about one stage.
    async fn state(&self, pipeline: &str, stage: &str) -> Read<StageState>;

    /// GetPipeline, in a version where GetPipelineState names one.
    async fn declaration(&self, pipeline: &str, version: Option<u64>) -> Read<Declaration>;

    /// GetPipelineExecution.
    async fn execution(&self, pipeline: &str, execution_id: &str) -> Read<PipelineExecution>;

    /// ListActionExecutions of one pipeline execution, newest first.
    async fn runs(
        &self,
        pipeline: &str,
        execution_id: &str,
        token: Option<String>,
    ) -> Read<Page<ActionRun>>;
}

/// Where what was learned of machines is kept for all processes, so that in a storm not each of them has to learn it.
/// The key is the ARN of a machine or of a version.
///
/// It is a memory, and never the truth: what it has lost, or has not yet, or cannot tell is learned once more. So its
/// trouble is nobody's, and it tells of it itself.
#[expect(
    async_fn_in_trait,
    reason = "the functions run on one thread, so that futures need not be Send"
)]
pub trait Shelf {
    /// What was noted last, or a moment before that.
    async fn recall(&self, machine: &str) -> Option<Known>;

    /// Notes it in place of what was noted before, for a day. Whoever writes last is right, and so was who wrote before.
    async fn note(&self, machine: &str, known: &Known, now: Time);
}

/// What was learned of state machines and pipelines, so that it need not be read for each failure. One for
/// as long as the function lives.
#[derive(Debug, Clone, Default)]
pub struct Learned {
    machines: RefCell<Machines>,
    declarations: RefCell<Declarations>,
}

/// Both services' reads and what was learned by them, lent for each look-up.
#[derive(Debug)]
pub struct Reads<'r, E, P, S> {
    /// Step Functions.
    pub executions: &'r E,
    /// CodePipeline.
    pub pipelines: &'r P,
    /// What is known already.
    pub learned: &'r Learned,
    /// What others know.
    pub shelf: &'r S,
    /// What time it is: what was learned of a state machine holds for a while.
    pub now: Time,
}

/// So many events of a history are read first: nearly always they tell.
const FIRST_EVENTS: u32 = 10;

/// If they do not, it is read from the end again in pages of the most that AWS gives; all of them hold the most
/// that a history has, 25,000 events. Not on from the first page: what a token continues must be asked for as before.
const ALL_EVENTS: (u32, usize) = (1000, 25);

/// So many pages of ListActionExecutions are read, of 100 runs each: a pipeline has at most 500 actions, so that
/// all of them can have run 20 times in the execution.
const MOST_PAGES_OF_RUNS: usize = 100;

impl<E: Executions, P: Pipelines, S: Shelf> Reads<'_, E, P, S> {
    /// Looks up one fact about a failure.
    ///
    /// # Errors
    /// A service could not be reached, or does not answer in a way that can be judged.
    pub async fn know(&self, failure: &Failure, need: Need) -> Result<Fact, Trouble> {
        let arn = failure.subject.arn();
        match (&failure.what, need) {
            (What::Execution(failed), Need::Description) => {
                Ok(match self.executions.describe(arn).await? {
                    None => Fact::Gone,
                    Some(shown) => match failed.redrive_count.known() {
                        Some(count) if shown.is_before(*count) => Fact::NotYet,
                        _ => Fact::Description(shown),
                    },
                })
            }
            (What::Execution(failed), _) => self.ending(arn, failed, failure.at, need).await,
            (What::Stage(_), _) => Ok(self.stage(&failure.subject).await?.0),
        }
    }

    /// Looks whether a subject still has the failure that its entry is about.
    ///
    /// # Errors
    /// A service could not be reached, or does not show the failure yet.
    pub async fn look(&self, entry: &Entry) -> Result<Standing, Trouble> {
        let gone = Standing::Over(Reason::Gone);
        let subject = &entry.subject;
        let (standing, call) = match &entry.identity {
            Identity::RedriveCount(count) => {
                let Some(now) = self.executions.describe(subject.arn()).await? else {
                    return Ok(gone);
                };
                (now.standing(*count), "DescribeExecution")
            }
            Identity::FailedActions(ids) => {
                let standing = match self.stage(subject).await? {
                    // RACE: a look against CodePipeline's own lag. Where the newest run is older than the failure, the
                    // answers show the stage before it: by an earlier failure of which the ledger may know nothing.
                    (Fact::Stage(now), Some(last_run)) if last_run < entry.failed_at => now
                        .compared(ids, &entry.failed_earlier())
                        .filter(|standing| !matches!(standing, Standing::Moved(_))),
                    (Fact::Stage(now), _) => now.compared(ids, &entry.failed_earlier()),
                    (Fact::NotYet, _) => None,
                    _ => return Ok(gone),
                };
                (standing, "ListActionExecutions")
            }
        };
        standing.ok_or_else(|| {
            Trouble::new(
                TroubleKind::Unreachable,
                alloc::format!("{call} does not show the failure yet"),
            )
        })
    }

    /// How an execution ended. Whether in a Fail state the definition of its machine answers where that can
    /// tell; which state failed only the history does.
    async fn ending(
        &self,
        arn: &str,
        failed: &FailedExecution,
        failed_at: Time,
        need: Need,
    ) -> Result<Fact, Trouble> {
        let which_state = need == Need::FailedState;
        if !which_state && self.told(arn, failed, failed_at).await? == Told::NoFailState {
            return Ok(Fact::Ending {
                fail_state: false,
                state: Field::Unknown,
                resource: Field::Unknown,
            });
        }
        let redrive_count = failed.redrive_count.known().copied().unwrap_or_default();
        for (most, pages) in [(FIRST_EVENTS, 1), ALL_EVENTS] {
            let (mut events, mut token) = (Vec::new(), None);
            for _ in 0..pages {
                let page = match self.executions.history(arn, most, token).await {
                    Ok(Some(page)) => page,
                    Ok(None) => return Ok(Fact::Gone),
                    Err(trouble) if trouble.kind == TroubleKind::Withheld => {
                        return Ok(Fact::Withheld);
                    }
                    Err(trouble) => return Err(trouble),
                };
                events.extend(page.items);
                if let Ending::Shown {
                    fail_state,
                    state,
                    resource,
                } = ending(&events, redrive_count)
                    && !(which_state && state.is_unknown())
                {
                    return Ok(Fact::Ending {
                        fail_state,
                        state,
                        resource,
                    });
                }
                token = page.next;
                if token.is_none() {
                    return Ok(Fact::NotYet);
                }
            }
        }
        Ok(Fact::NotYet)
    }

    /// What an execution's machine tells, after what there is to recall of it, and to learn.
    async fn told(
        &self,
        arn: &str,
        failed: &FailedExecution,
        failed_at: Time,
    ) -> Result<Told, Trouble> {
        let machines = &self.learned.machines;
        let mut told = machines.borrow().tell(failed);
        let Some(key) = key(failed) else {
            return self.learn(arn, failed).await;
        };
        if !told.is_open() {
            return Ok(told);
        }
        let past = past(failed, failed_at, self.now);
        // What is known of a later definition than this execution's nobody knows better.
        if told == Told::Unconfirmed || machines.borrow().known(key).is_none() {
            self.recall(key, past).await;
            told = machines.borrow().tell(failed);
        }
        let before = machines.borrow().known(key).cloned();
        if told == Told::Unconfirmed {
            let id = self.executions.revision_id(key).await?;
            let mut machines = machines.borrow_mut();
            machines.confirm(key, id.as_deref(), past);
            told = machines.tell(failed);
        }
        if told == Told::Unknown {
            told = self.learn(arn, failed).await?;
        }
        self.note(key, before.as_ref()).await;
        Ok(told)
    }

    /// Learns an execution's definition.
    async fn learn(&self, arn: &str, failed: &FailedExecution) -> Result<Told, Trouble> {
        let revision = match self.executions.revision(arn).await {
            Ok(revision) => revision,
            // The history may tell all the same.
            Err(trouble) if trouble.kind == TroubleKind::Withheld => None,
            Err(trouble) => return Err(trouble),
        };
        let mut machines = self.learned.machines.borrow_mut();
        Ok(revision.map_or(Told::Unknown, |revision| machines.learn(failed, revision)))
    }

    /// Recalls what others know of a machine. A time that cannot have been confirms nothing.
    async fn recall(&self, key: &str, past: Time) {
        if let Some(mut known) = self.shelf.recall(key).await {
            let latest = past.max(self.now);
            known.confirmed = known.confirmed.filter(|confirmed| *confirmed <= latest);
            self.learned.machines.borrow_mut().recall(key, known);
        }
    }

    /// Notes for others what is known now of a machine, if that is more than before.
    async fn note(&self, key: &str, before: Option<&Known>) {
        let known = self.learned.machines.borrow().known(key).cloned();
        if let Some(known) = known
            && known.is_news_after(before)
            && known.may_be_noted()
        {
            self.shelf.note(key, &known, self.now).await;
        }
    }

    /// How a stage stands: GetPipelineState, ListActionExecutions, and GetPipeline once for each version;
    /// GetPipelineExecution where the first does not show the execution, or its type. With it, when the newest of the
    /// runs that are listed changed last.
    async fn stage(&self, subject: &Subject) -> Result<(Fact, Option<Time>), Trouble> {
        if let Subject::Stage { arn, execution_id } = subject
            && let Some((pipeline, stage)) = arn.rsplit_once('/')
            && let Some(state) = self.pipelines.state(pipeline, stage).await?
            && let Some(declaration) = self.declaration(pipeline, state.pipeline_version).await?
        {
            let runs = self.runs(pipeline, stage, execution_id).await?;
            let Some(mut standing) = standing(&state, &declaration, stage, &runs, execution_id)
            else {
                return Ok((Fact::NotYet, None));
            };
            // In PARALLEL mode the state may show no execution, or any one's, and else not of which type it is. Of
            // what is not retried anyway nobody asks.
            let shown = state.rollback.is_some()
                && state.latest_execution_id.as_deref() == Some(execution_id.as_str());
            if !shown && standing.not_ours().is_none() {
                match self.pipelines.execution(pipeline, execution_id).await? {
                    Some(execution) => execution.tell(&mut standing),
                    None => return Ok((Fact::Gone, None)),
                }
            }
            let last_run = runs.iter().filter_map(|run| run.updated).max();
            return Ok((Fact::Stage(standing), last_run));
        }
        Ok((Fact::Gone, None))
    }

    async fn declaration(&self, pipeline: &str, version: Option<u64>) -> Read<Declaration> {
        let declarations = &self.learned.declarations;
        let known = declarations.borrow().known(pipeline, version).cloned();
        if known.is_some() {
            return Ok(known);
        }
        let shown = self.pipelines.declaration(pipeline, version).await?;
        if let (Some(version), Some(declaration)) = (version, &shown) {
            declarations
                .borrow_mut()
                .learn(pipeline, version, declaration.clone());
        }
        Ok(shown)
    }

    /// The runs of a stage's actions in one execution, newest first.
    async fn runs(
        &self,
        pipeline: &str,
        stage: &str,
        execution_id: &str,
    ) -> Result<Vec<ActionRun>, Trouble> {
        let mut runs = Vec::new();
        let mut token = None;
        for _ in 0..MOST_PAGES_OF_RUNS {
            let Some(page) = self.pipelines.runs(pipeline, execution_id, token).await? else {
                // Not listed yet, or no longer: what GetPipelineState shows has to do.
                return Ok(runs);
            };
            runs.extend(page.items.into_iter().filter(|run| run.stage == stage));
            token = page.next;
            if token.is_none() {
                return Ok(runs);
            }
        }
        // What was read in part is not judged.
        Err(Trouble::new(
            TroubleKind::Unreachable,
            "ListActionExecutions has more pages than are read",
        ))
    }
}

#[cfg(test)]
mod tests;
