//! Looks up how an execution ended, with as few calls as possible.

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

/// The read calls of Step Functions that describe a failure.
#[expect(
    async_fn_in_trait,
    reason = "the functions run on one thread, so that futures need not be Send"
)]
pub trait Executions {
    /// Calls DescribeExecution.
    async fn describe(&self, arn: &str) -> Read<Description>;

    /// Calls DescribeStateMachine and returns the `revisionId`. A machine that was never updated has none.
    async fn revision_id(&self, machine: &str) -> Read<String>;

    /// Calls DescribeStateMachineForExecution. Returns `None` also if the definition cannot be read.
    async fn revision(&self, arn: &str) -> Read<Revision>;

    /// Calls GetExecutionHistory from the end, for at most `max` events. The call excludes execution data, because ids,
    /// types and names are enough and data that is not read cannot leak.
    async fn history(&self, arn: &str, max: u32, token: Option<String>)
    -> Read<Page<HistoryEvent>>;
}

/// The shared cache of machine definitions, by the ARN of a machine or version. In a storm, not every process reads
/// them from AWS.
///
/// AWS stays the source of truth, and a missing definition is read again. The implementation logs its own errors and
/// returns `None`.
#[expect(
    async_fn_in_trait,
    reason = "the functions run on one thread, so that futures need not be Send"
)]
pub trait DefinitionCache {
    /// Returns the stored definition. The read is eventually consistent.
    async fn get(&self, machine: &str) -> Option<CachedDefinition>;

    /// Stores a definition for a day, in place of the stored one.
    // RACE: several processes may store at once. No condition is needed, since every writer's definition is right.
    async fn put(&self, machine: &str, known: &CachedDefinition, now: Time);
}

/// Number of events in the first read of a history. They nearly always show the end.
const FIRST_EVENTS: u32 = 10;

/// Page size and number of pages of the second read, which starts from the end again.
///
/// The pages have the maximum size and together hold a whole history. The second read does not continue the first,
/// because a token is valid only with the parameters of its own request.
// AWS: a history has at most 25,000 events (Step Functions service quotas).
pub(crate) const ALL_EVENTS: (u32, usize) = (1000, 25);

/// The read calls of Step Functions and the caches of their results.
pub(crate) struct ExecutionReads<'r, E, S> {
    pub(crate) executions: &'r E,
    pub(crate) machines: &'r RefCell<Machines>,
    pub(crate) definition_cache: &'r S,
    pub(crate) now: Time,
}

impl<E: Executions, S: DefinitionCache> ExecutionReads<'_, E, S> {
    /// Looks up how an execution ended. The machine's definition can show that no Fail state was involved. Only the
    /// history shows which state failed.
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

    /// Returns whether a Fail state can have ended the execution. The memory of this process is asked first, then the
    /// shared cache, then Step Functions.
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
        // If the known definition is later than the execution's, the shared cache has none that fits better.
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

    /// Reads an execution's definition from Step Functions.
    async fn learn(&self, arn: &str, failed: &FailedExecution) -> Result<FailStateAnswer, Error> {
        let revision = match self.executions.revision(arn).await {
            Ok(revision) => revision,
            // The history may still be readable.
            Err(error) if error.kind == ErrorKind::KmsAccessDenied => None,
            Err(error) => return Err(error),
        };
        let mut machines = self.machines.borrow_mut();
        Ok(revision.map_or(FailStateAnswer::Unknown, |revision| {
            machines.learn(failed, revision)
        }))
    }

    /// Merges the shared cache's definition of a machine. A confirmation time that lies in the future is dropped.
    async fn recall(&self, key: &str, past: Time) {
        if let Some(mut known) = self.definition_cache.get(key).await {
            let latest = past.max(self.now);
            known.confirmed = known.confirmed.filter(|confirmed| *confirmed <= latest);
            self.machines.borrow_mut().recall(key, known);
        }
    }

    /// Writes the definition of a machine to the shared cache, if it is newer than `before`.
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
