//! Reads the Fail states of a state machine's definition, and caches them for as long as they are valid.
//!
//! Only GetExecutionHistory shows that an execution ended in a Fail state, and its quota is the scarcest of all.
//! The definition spares that call. If no Fail state of a machine can produce the error at hand, no history is read.
//! One definition answers for all executions of its machine.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::digest;
use crate::failure::{FailedExecution, Field};
use crate::time::Time;

/// The Task states and Fail states of a definition, including those inside Parallel and Map states.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Machine {
    /// The Task states.
    pub tasks: Vec<Task>,
    /// Its Fail states.
    pub fails: Vec<Fail>,
    /// For each outermost state, its name and the names of the states inside it. When one of them fails, AWS may
    /// abort the others. A redrive runs those again too.
    pub together: Vec<Vec<String>>,
}

/// A Task state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// The state's name.
    pub name: String,
    /// Maximum number of runs between two redrives. The state runs once, and once more for each attempt of each of its
    /// retriers. The runs of the states around it multiply that number.
    pub runs: u64,
    /// The index of its group in [`Machine::together`].
    pub among: usize,
}

/// A Fail state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fail {
    /// The state's name.
    pub name: String,
    /// Its error. `Unknown` if the error is computed.
    pub error: Field<String>,
    /// Its cause. `Unknown` if the cause is computed.
    pub cause: Field<String>,
}

impl Machine {
    /// Reads a definition in the Amazon States Language. Returns `None` if it cannot be read.
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

/// Returns the number of runs: one, plus the attempts that the retriers allow. The default `MaxAttempts` is 3.
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

/// Returns the state machines inside a Parallel or Map state.
fn inner(state: &Value) -> impl Iterator<Item = &Value> {
    let branches = state.get("Branches").and_then(Value::as_array);
    let items = ["Iterator", "ItemProcessor"]
        .into_iter()
        .filter_map(|key| state.get(key));
    branches.into_iter().flatten().chain(items)
}

/// Reads a text of a Fail state. It is `Known` if it is written out, `Absent` if it is missing, `Unknown` if it is
/// computed.
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
    /// Digests of the errors that are written out. The names themselves belong to the user and are not stored.
    /// A collision of two digests costs only a needless read of a history.
    errors: BTreeSet<u64>,
    /// Whether a Fail state has no error.
    none: bool,
    /// Whether a Fail state computes its error (`ErrorPath`, JSONata). Such an error can be any.
    any: bool,
}

impl FailStates {
    /// Reads a definition in the Amazon States Language. Returns `None` if it cannot be read.
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

    /// Returns whether one of the Fail states can have ended an execution with this error.
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

/// Returns the digest under which the name of an error is stored.
fn named(error: &str) -> u64 {
    digest::draw(&[b"error", error.as_bytes()])
}

/// One revision of a machine's definition, reduced to its Fail states.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revision {
    /// `revisionId`. A machine that was never updated has none.
    pub id: Option<String>,
    /// `updateDate`, from which the revision is in force.
    pub since: Time,
    /// Its Fail states.
    pub fail_states: FailStates,
}

/// The cached definition of a machine or of a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CachedDefinition {
    /// The definition of some execution.
    pub revision: Revision,
    /// A time by AWS's clock at which the machine still had that revision. It is `None` if the revision is known for
    /// one execution alone. It is also `None` for a version, which never changes.
    pub confirmed: Option<Time>,
}

/// Maximum number of errors in a shared cache item. An item of DynamoDB holds 400 KB, and one digest takes about
/// 12 bytes. Each process reads a machine with more errors itself.
pub const MAX_CACHED_ERRORS: usize = 10_000;

impl CachedDefinition {
    /// Returns whether this definition adds something to `before`.
    pub(crate) fn is_news_after(&self, before: Option<&Self>) -> bool {
        before.is_none_or(|before| {
            self.revision != before.revision || self.confirmed > before.confirmed
        })
    }

    /// Returns whether the definition is small enough for the shared cache.
    pub(crate) fn may_be_cached(&self) -> bool {
        self.revision.fail_states.errors.len() <= MAX_CACHED_ERRORS
    }
}

/// The definitions that this process knows, by machine or version ARN.
///
/// A version's definition is valid for ever. Any other is valid for executions that start at least a minute after its
/// update. They must start at most a minute after the latest confirmation of its revision.
// INVARIANT: validity depends on AWS's clock alone. The execution's times are AWS's, and `past` bounds the time of a
// confirmation. So a definition is valid in every process, even if two processes' clocks differ by minutes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Machines {
    known: BTreeMap<String, CachedDefinition>,
}

/// Whether a Fail state of its machine can have ended an execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FailStateAnswer {
    /// No Fail state of the machine can have ended the execution with its error.
    NoFailState,
    /// A Fail state can have ended the execution. Only the history shows whether it did.
    MayBe,
    /// The definition is not known. DescribeStateMachineForExecution shows it.
    Unknown,
    /// The known definition may be outdated. DescribeStateMachine shows whether it is still in force.
    Unconfirmed,
}

impl FailStateAnswer {
    /// Returns whether another read can answer the question.
    pub(crate) const fn is_open(self) -> bool {
        matches!(self, Self::Unknown | Self::Unconfirmed)
    }
}

/// How long after an update executions may still start with the previous definition.
// AWS: updates of a state machine are eventually consistent (UpdateStateMachine, Step Functions API Reference).
const SETTLES: Duration = Duration::from_secs(60);

/// How long after a confirmation a machine counts as still having that revision.
const CONFIRMED_FOR: Duration = Duration::from_secs(60);

/// How far this process's clock may be ahead of AWS's.
const CLOCKS: Duration = Duration::from_secs(300);

/// Maximum number of machines in memory. When it is reached, the cache is cleared and machines are read again.
const MAX_MACHINES: usize = 10_000;

impl Machines {
    /// Returns whether a Fail state can have ended a failed execution, as far as the cache knows.
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

    /// Returns the cached definition of a machine or version.
    pub(crate) fn known(&self, key: &str) -> Option<&CachedDefinition> {
        self.known.get(key)
    }

    /// Caches the answer of DescribeStateMachineForExecution and returns its meaning for the execution. The answer does
    /// not show whether the machine still has that revision.
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

    /// Merges a definition that another process cached. An older revision replaces nothing.
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

    /// Records the answer of DescribeStateMachine, which is no older than `past`. If the machine has another revision
    /// than the cached one, the cached one is removed.
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

/// Returns the latest time that has certainly passed by AWS's clock. The execution has started and failed by then, and
/// this process's clock is ahead by at most [`CLOCKS`].
pub(crate) fn past(execution: &FailedExecution, failed_at: Time, now: Time) -> Time {
    let sure = now.minus(CLOCKS).max(failed_at);
    execution.started.map_or(sure, |started| sure.max(started))
}

impl Revision {
    /// Reads a definition that DescribeStateMachineForExecution shows. Returns `None` if it cannot be read.
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

/// Returns the cache key of an execution's definition. It is the version's ARN where the execution has one, since a
/// version's definition never changes.
pub(crate) fn key(execution: &FailedExecution) -> Option<&str> {
    execution
        .version_arn
        .as_deref()
        .or(execution.state_machine_arn.as_deref())
}

#[cfg(test)]
pub(crate) mod tests;
