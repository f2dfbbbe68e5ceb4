//! Learning how an execution ended: which calls are made, in which order, and when they are spared.

use alloc::string::String;
use alloc::vec::Vec;
use core::cell::RefCell;

use super::definition::{CachedDefinition, FailStateAnswer, Machines, Revision, key, past};
use super::failure::{Description, FailedExecution};
use super::history::{Ending, HistoryEvent, ending};
use crate::error::{Error, ErrorKind};
use crate::failure::{Fact, Field, Need};
use crate::page::{Page, Read};
use crate::time::Time;

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
    async fn history(&self, arn: &str, max: u32, token: Option<String>)
    -> Read<Page<HistoryEvent>>;
}

/// Keeps the definitions of machines for all processes, so that in a storm not every process reads them.
/// The key is the ARN of a machine or of a version.
///
/// It is a cache, never the truth: a definition that is missing is read again. It logs its own errors and returns none.
#[expect(
    async_fn_in_trait,
    reason = "the functions run on one thread, so that futures need not be Send"
)]
pub trait DefinitionCache {
    /// Returns the stored definition. The read is eventually consistent.
    async fn get(&self, machine: &str) -> Option<CachedDefinition>;

    /// Stores a definition for a day, in place of the stored one. It needs no condition, since every writer is right.
    async fn put(&self, machine: &str, known: &CachedDefinition, now: Time);
}

/// So many events of a history are read first: nearly always they tell.
const FIRST_EVENTS: u32 = 10;

/// If they do not, it is read from the end again in pages of the most that AWS gives; all of them hold the most
/// that a history has, 25,000 events. Not on from the first page: what a token continues must be asked for as before.
pub(crate) const ALL_EVENTS: (u32, usize) = (1000, 25);

/// The reads of Step Functions, and what was learned by them.
pub(crate) struct ExecutionReads<'r, E, S> {
    pub(crate) executions: &'r E,
    pub(crate) machines: &'r RefCell<Machines>,
    pub(crate) definition_cache: &'r S,
    pub(crate) now: Time,
}

impl<E: Executions, S: DefinitionCache> ExecutionReads<'_, E, S> {
    /// How an execution ended. Whether in a Fail state the definition of its machine answers where that can
    /// tell; which state failed only the history does.
    pub(crate) async fn ending(
        &self,
        arn: &str,
        failed: &FailedExecution,
        failed_at: Time,
        need: Need,
    ) -> Result<Fact, Error> {
        let which_state = need == Need::FailedState;
        if !which_state
            && self.answer(arn, failed, failed_at).await? == FailStateAnswer::NoFailState
        {
            return Ok(Fact::Ending {
                fail_state: false,
                state: Field::Unknown,
                resource: Field::Unknown,
            });
        }
        let redrive_count = failed.redrive_count.known().copied().unwrap_or_default();
        for (max, pages) in [(FIRST_EVENTS, 1), ALL_EVENTS] {
            let (mut events, mut token) = (Vec::new(), None);
            for _ in 0..pages {
                let page = match self.executions.history(arn, max, token).await {
                    Ok(Some(page)) => page,
                    Ok(None) => return Ok(Fact::Gone),
                    Err(error) if error.kind == ErrorKind::KmsAccessDenied => {
                        return Ok(Fact::Redacted);
                    }
                    Err(error) => return Err(error),
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
    async fn answer(
        &self,
        arn: &str,
        failed: &FailedExecution,
        failed_at: Time,
    ) -> Result<FailStateAnswer, Error> {
        let machines = self.machines;
        let mut answer = machines.borrow().fail_state_answer(failed);
        let Some(key) = key(failed) else {
            return self.learn(arn, failed).await;
        };
        if !answer.is_open() {
            return Ok(answer);
        }
        let past = past(failed, failed_at, self.now);
        // What is known of a later definition than this execution's nobody knows better.
        if answer == FailStateAnswer::Unconfirmed || machines.borrow().known(key).is_none() {
            self.recall(key, past).await;
            answer = machines.borrow().fail_state_answer(failed);
        }
        let before = machines.borrow().known(key).cloned();
        if answer == FailStateAnswer::Unconfirmed {
            let id = self.executions.revision_id(key).await?;
            let mut machines = machines.borrow_mut();
            machines.confirm(key, id.as_deref(), past);
            answer = machines.fail_state_answer(failed);
        }
        if answer == FailStateAnswer::Unknown {
            answer = self.learn(arn, failed).await?;
        }
        self.note(key, before.as_ref()).await;
        Ok(answer)
    }

    /// Learns an execution's definition.
    async fn learn(&self, arn: &str, failed: &FailedExecution) -> Result<FailStateAnswer, Error> {
        let revision = match self.executions.revision(arn).await {
            Ok(revision) => revision,
            // The history may tell all the same.
            Err(error) if error.kind == ErrorKind::KmsAccessDenied => None,
            Err(error) => return Err(error),
        };
        let mut machines = self.machines.borrow_mut();
        Ok(revision.map_or(FailStateAnswer::Unknown, |revision| {
            machines.learn(failed, revision)
        }))
    }

    /// Recalls what others know of a machine. A time that cannot have been confirms nothing.
    async fn recall(&self, key: &str, past: Time) {
        if let Some(mut known) = self.definition_cache.get(key).await {
            let latest = past.max(self.now);
            known.confirmed = known.confirmed.filter(|confirmed| *confirmed <= latest);
            self.machines.borrow_mut().recall(key, known);
        }
    }

    /// Notes for others what is known now of a machine, if that is more than before.
    async fn note(&self, key: &str, before: Option<&CachedDefinition>) {
        let known = self.machines.borrow().known(key).cloned();
        if let Some(known) = known
            && known.is_news_after(before)
            && known.may_be_cached()
        {
            self.definition_cache.put(key, &known, self.now).await;
        }
    }
}
