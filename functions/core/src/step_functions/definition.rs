//! What a state machine's definition tells of its Fail states, and how long that is known to be true.
//!
//! Only the history shows that an execution ended in a Fail state, and its quota is the scarcest of all. A
//! machine without a Fail state, or without one that can have produced the error at hand, need not be asked:
//! its definition answers for all its executions at once.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::digest;
use crate::failure::{FailedExecution, Field};
use crate::time::Time;

/// What a definition tells of its tasks and Fail states, those inside Parallel and Map states too.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Machine {
    /// Its Task states.
    pub tasks: Vec<Task>,
    /// Its Fail states.
    pub fails: Vec<Fail>,
    /// The names of its outermost states, each with those of the states inside it. When one of them fails, the
    /// others may be aborted, and a redrive runs those again too.
    pub together: Vec<Vec<String>>,
}

/// A Task state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// The state's name.
    pub name: String,
    /// Most runs of it between two redrives: once, and once more for each attempt of each of its retriers, as
    /// often as the states around it are run.
    pub runs: u64,
    /// Which of [`Machine::together`] it is among.
    pub among: usize,
}

/// A Fail state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fail {
    /// The state's name.
    pub name: String,
    /// Its error; unknown where it is computed.
    pub error: Field<String>,
    /// Its cause; unknown where it is computed.
    pub cause: Field<String>,
}

impl Machine {
    /// Reads a definition in the Amazon States Language. None: it cannot be read.
    #[must_use]
    pub fn read(definition: &str) -> Option<Self> {
        let definition: Value = serde_json::from_str(definition).ok()?;
        let mut found = Self::default();
        for (name, state) in definition.get("States")?.as_object()? {
            found.together.push(Vec::new());
            found.read_state(name, state, 1);
        }
        Some(found)
    }

    fn read_state(&mut self, name: &str, state: &Value, around: u64) {
        let name = name.to_string();
        let runs = around.saturating_mul(runs(state));
        let among = self.together.len().saturating_sub(1);
        if let Some(names) = self.together.last_mut() {
            names.push(name.clone());
        }
        match state.get("Type").and_then(Value::as_str) {
            Some("Task") => self.tasks.push(Task { name, runs, among }),
            Some("Fail") => self.fails.push(Fail {
                name,
                error: written(state, "Error", "ErrorPath"),
                cause: written(state, "Cause", "CausePath"),
            }),
            _ => {}
        }
        for machine in inner(state) {
            let states = machine.get("States").and_then(Value::as_object);
            for (name, state) in states.into_iter().flatten() {
                self.read_state(name, state, runs);
            }
        }
    }
}

/// Once, and once more for each attempt that its retriers allow: 3 where one does not say.
fn runs(state: &Value) -> u64 {
    let retriers = state.get("Retry").and_then(Value::as_array);
    let attempts = retriers
        .into_iter()
        .flatten()
        .map(|retrier| match retrier.get("MaxAttempts") {
            None => 3,
            Some(attempts) => attempts.as_u64().unwrap_or_default(),
        });
    attempts.fold(1, u64::saturating_add)
}

/// The machines inside a Parallel or Map state.
fn inner(state: &Value) -> impl Iterator<Item = &Value> {
    let branches = state.get("Branches").and_then(Value::as_array);
    let items = ["Iterator", "ItemProcessor"]
        .into_iter()
        .filter_map(|key| state.get(key));
    branches.into_iter().flatten().chain(items)
}

/// A text of a Fail state, which is written, absent or computed.
fn written(state: &Value, key: &str, path: &str) -> Field<String> {
    match (state.get(key).and_then(Value::as_str), state.get(path)) {
        (Some(text), None) if !text.trim_start().starts_with("{%") => {
            Field::Known(text.to_string())
        }
        (None, None) => Field::Absent,
        _ => Field::Unknown,
    }
}

/// The errors that the Fail states of a definition can end an execution with.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FailStates {
    /// Those that are written out: not their names, which are people's own and would be stored, but their digests.
    /// Where two of these were the same, a history would be asked for in vain.
    errors: BTreeSet<u64>,
    /// A Fail state without an error.
    none: bool,
    /// A Fail state whose error is computed (`ErrorPath`, JSONata): it can be any.
    any: bool,
}

impl FailStates {
    /// Reads a definition in the Amazon States Language. None: it cannot be read.
    #[must_use]
    pub fn read(definition: &str) -> Option<Self> {
        let mut found = Self::default();
        for fail in Machine::read(definition)?.fails {
            match fail.error {
                Field::Known(error) => {
                    found.errors.insert(named(&error));
                }
                Field::Absent => found.none = true,
                Field::Unknown | Field::Redacted => found.any = true,
            }
        }
        Some(found)
    }

    /// Whether one of them can have ended an execution with this error.
    #[must_use]
    pub fn may_end_with(&self, error: &Field<String>) -> bool {
        self.any
            || match error {
                Field::Known(error) => self.errors.contains(&named(error)),
                Field::Absent => self.none,
                Field::Unknown | Field::Redacted => self.none || !self.errors.is_empty(),
            }
    }
}

/// What an error's name is stored as.
fn named(error: &str) -> u64 {
    digest::draw(&[b"error", error.as_bytes()])
}

/// A definition as it was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revision {
    /// `revisionId`. A machine that was never updated has none.
    pub id: Option<String>,
    /// `updateDate`: since when it is in force.
    pub since: Time,
    /// Its Fail states.
    pub fail_states: FailStates,
}

/// What is known of a machine, or of a version of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CachedDefinition {
    /// The definition that an execution had.
    pub revision: Revision,
    /// A time, by AWS's clock, at which the machine was in that revision still. None: it is known of that execution
    /// alone, or it is a version, which never changes.
    pub confirmed: Option<Time>,
}

/// So many errors are cached for others. A machine with more is asked about by each process; an item of DynamoDB holds
/// 400 KB, and each of them takes some 12 bytes.
pub const MAX_CACHED_ERRORS: usize = 10_000;

impl CachedDefinition {
    /// Whether it is more than was known before.
    pub(crate) fn is_news_after(&self, before: Option<&Self>) -> bool {
        before.is_none_or(|before| {
            self.revision != before.revision || self.confirmed > before.confirmed
        })
    }

    /// Whether it is small enough to be cached.
    pub(crate) fn may_be_cached(&self) -> bool {
        self.revision.fail_states.errors.len() <= MAX_CACHED_ERRORS
    }
}

/// What is known of machines. It holds for a version for ever, and otherwise for executions that started a minute
/// after the update or later, and no later than a minute after the machine was known to be in that revision still.
///
/// Whether that is so no clock of ours tells: an execution's times are AWS's, and so is the time of a confirmation, as
/// [`past`] has it. So what one process learned holds in another, whose clock may be minutes apart.
#[derive(Debug, Clone, Default)]
pub(crate) struct Machines {
    known: BTreeMap<String, CachedDefinition>,
}

/// What an execution's machine tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FailStateAnswer {
    /// It has no Fail state that can have ended the execution so.
    NoFailState,
    /// It has one: the history knows whether it did.
    MayBe,
    /// Nothing yet: DescribeStateMachineForExecution tells.
    Unknown,
    /// What was true a while ago. DescribeStateMachine tells whether it is so still.
    Unconfirmed,
}

impl FailStateAnswer {
    /// Whether there is something to ask.
    pub(crate) const fn is_open(self) -> bool {
        matches!(self, Self::Unknown | Self::Unconfirmed)
    }
}

/// How long after an update executions may still start with the definition of before: AWS says that updates
/// are eventually consistent.
const SETTLES: Duration = Duration::from_secs(60);

/// How long a machine counts as being in the revision in which it was last seen.
const CONFIRMED_FOR: Duration = Duration::from_secs(60);

/// How far a clock of ours may be ahead of AWS's.
const CLOCKS: Duration = Duration::from_secs(300);

/// So many machines are remembered. One that is forgotten is asked about again.
const MAX_MACHINES: usize = 10_000;

impl Machines {
    /// What is known of the machine of a failed execution.
    pub(crate) fn fail_state_answer(&self, execution: &FailedExecution) -> FailStateAnswer {
        let Some(known) = key(execution).and_then(|key| self.known.get(key)) else {
            return FailStateAnswer::Unknown;
        };
        if execution.version_arn.is_none() {
            let Some(started) = execution.started else {
                return FailStateAnswer::Unknown;
            };
            if started < known.revision.since.plus(SETTLES) {
                return FailStateAnswer::Unknown;
            }
            let until = known.confirmed.map(|at| at.plus(CONFIRMED_FOR));
            if until.is_none_or(|until| started > until) {
                return FailStateAnswer::Unconfirmed;
            }
        }
        known.revision.answer(execution)
    }

    /// What is known of a machine or version.
    pub(crate) fn known(&self, key: &str) -> Option<&CachedDefinition> {
        self.known.get(key)
    }

    /// Takes in what DescribeStateMachineForExecution answered for an execution, and tells what that means
    /// for it. Whether the machine is in that revision still is not known by it.
    pub(crate) fn learn(
        &mut self,
        execution: &FailedExecution,
        revision: Revision,
    ) -> FailStateAnswer {
        let answer = revision.answer(execution);
        if let Some(key) = key(execution) {
            let confirmed = None;
            self.recall(
                key,
                CachedDefinition {
                    revision,
                    confirmed,
                },
            );
        }
        answer
    }

    /// Takes in what was known of a machine somewhere else, or before. What is older replaces nothing.
    pub(crate) fn recall(&mut self, key: &str, known: CachedDefinition) {
        if let Some(own) = self.known.get_mut(key) {
            if own.revision == known.revision {
                own.confirmed = own.confirmed.max(known.confirmed);
                return;
            }
            if own.revision.since > known.revision.since {
                return;
            }
        } else if self.known.len() >= MAX_MACHINES {
            self.known.clear();
        }
        self.known.insert(key.to_string(), known);
    }

    /// Takes in that DescribeStateMachine showed a machine in a revision, when `past` had been. What is known of
    /// another revision is forgotten.
    pub(crate) fn confirm(&mut self, state_machine_arn: &str, id: Option<&str>, past: Time) {
        let Some(known) = self.known.get_mut(state_machine_arn) else {
            return;
        };
        if known.revision.id.as_deref() == id {
            known.confirmed = known.confirmed.max(Some(past));
        } else {
            self.known.remove(state_machine_arn);
        }
    }
}

/// The latest time, by AWS's clock, that surely has been, when a failure is known: it has started, it has failed, and
/// no clock of ours is further ahead than that.
pub(crate) fn past(execution: &FailedExecution, failed_at: Time, now: Time) -> Time {
    let sure = now.minus(CLOCKS).max(failed_at);
    execution.started.map_or(sure, |started| sure.max(started))
}

impl Revision {
    /// A definition as DescribeStateMachineForExecution shows it. None: it cannot be read.
    #[must_use]
    pub fn read(id: Option<String>, since: Time, definition: &str) -> Option<Self> {
        let fail_states = FailStates::read(definition)?;
        Some(Self {
            id,
            since,
            fail_states,
        })
    }

    fn answer(&self, execution: &FailedExecution) -> FailStateAnswer {
        if self.fail_states.may_end_with(&execution.error) {
            FailStateAnswer::MayBe
        } else {
            FailStateAnswer::NoFailState
        }
    }
}

/// A version's definition never changes, so it is known by the version.
pub(crate) fn key(execution: &FailedExecution) -> Option<&str> {
    execution
        .version_arn
        .as_deref()
        .or(execution.state_machine_arn.as_deref())
}

#[cfg(test)]
pub(crate) mod tests;
