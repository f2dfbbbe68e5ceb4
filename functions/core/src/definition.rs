//! What a state machine's definition tells of its Fail states, and how long that is known to be true.
//!
//! Only the history shows that an execution ended in a Fail state, and its quota is the scarcest of all. A
//! machine without a Fail state, or without one that can have produced the error at hand, need not be asked:
//! its definition answers for all its executions at once.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

use serde_json::Value;

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
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FailStates {
    /// Those that are written out.
    errors: BTreeSet<String>,
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
                    found.errors.insert(error);
                }
                Field::Absent => found.none = true,
                Field::Unknown | Field::Withheld => found.any = true,
            }
        }
        Some(found)
    }

    /// Whether one of them can have ended an execution with this error.
    #[must_use]
    pub fn may_end_with(&self, error: &Field<String>) -> bool {
        self.any
            || match error {
                Field::Known(error) => self.errors.contains(error),
                Field::Absent => self.none,
                Field::Unknown | Field::Withheld => self.none || !self.errors.is_empty(),
            }
    }
}

/// A definition as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision {
    /// `revisionId`. A machine that was never updated has none.
    pub id: Option<String>,
    /// `updateDate`: since when it is in force.
    pub since: Time,
    /// Its Fail states.
    pub fail_states: FailStates,
}

/// What is known of machines. It holds for a version for ever, and otherwise for executions started a minute
/// after the update or later, for as long as the machine is known to be in that revision.
#[derive(Debug, Clone, Default)]
pub(crate) struct Machines {
    known: BTreeMap<String, (Revision, Time)>,
}

/// What an execution's machine tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    /// It has no Fail state that can have ended the execution so.
    NoFailState,
    /// It has one: the history knows whether it did.
    MayBe,
    /// Nothing yet: DescribeStateMachineForExecution tells.
    Unknown,
    /// What was true a while ago. DescribeStateMachine tells whether it is so still.
    Unconfirmed,
}

/// How long after an update executions may still start with the definition of before: AWS says that updates
/// are eventually consistent.
const SETTLES: Duration = Duration::from_secs(60);

/// How long a machine counts as being in the revision in which it was last seen.
const CONFIRMED_FOR: Duration = Duration::from_secs(60);

/// So many machines are remembered. One that is forgotten is asked about again.
const MOST_MACHINES: usize = 10_000;

impl Machines {
    /// What is known of the machine of a failed execution.
    pub(crate) fn tell(&self, execution: &FailedExecution, now: Time) -> Told {
        let Some((revision, confirmed)) = key(execution).and_then(|key| self.known.get(key)) else {
            return Told::Unknown;
        };
        if execution.version_arn.is_none() {
            if execution
                .started
                .is_none_or(|started| started < revision.since.plus(SETTLES))
            {
                return Told::Unknown;
            }
            if now.since(*confirmed) > CONFIRMED_FOR {
                return Told::Unconfirmed;
            }
        }
        revision.told(execution)
    }

    /// Takes in what DescribeStateMachineForExecution answered for an execution, and tells what that means
    /// for it. Whether the machine is in that revision still is not known by it.
    pub(crate) fn learn(&mut self, execution: &FailedExecution, revision: Revision) -> Told {
        let told = revision.told(execution);
        if let Some(key) = key(execution) {
            if self.known.len() >= MOST_MACHINES && !self.known.contains_key(key) {
                self.known.clear();
            }
            // An older execution's definition does not replace a newer one's.
            let older = self
                .known
                .get(key)
                .is_some_and(|(known, _)| known.since > revision.since);
            if !older {
                self.known
                    .insert(key.to_string(), (revision, Time::default()));
            }
        }
        told
    }

    /// Takes in that DescribeStateMachine showed a machine in a revision at a time. What is known of another
    /// revision is forgotten.
    pub(crate) fn confirm(&mut self, state_machine_arn: &str, id: Option<&str>, now: Time) {
        let Some((revision, confirmed)) = self.known.get_mut(state_machine_arn) else {
            return;
        };
        if revision.id.as_deref() == id {
            *confirmed = now;
        } else {
            self.known.remove(state_machine_arn);
        }
    }
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

    fn told(&self, execution: &FailedExecution) -> Told {
        if self.fail_states.may_end_with(&execution.error) {
            Told::MayBe
        } else {
            Told::NoFailState
        }
    }
}

/// A version's definition never changes, so it is known by the version.
fn key(execution: &FailedExecution) -> Option<&str> {
    execution
        .version_arn
        .as_deref()
        .or(execution.state_machine_arn.as_deref())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::{ExecutionStatus, Redrivable};

    const MACHINE: &str = "arn:aws:states:eu-west-1:111122223333:stateMachine:etl";

    fn error(name: &str) -> Field<String> {
        Field::Known(name.into())
    }

    fn read(states: &str) -> FailStates {
        FailStates::read(&alloc::format!(
            r#"{{"StartAt":"A","States":{{{states}}}}}"#
        ))
        .unwrap()
    }

    #[test]
    fn only_a_fail_state_that_can_have_this_error_may_have_ended_it() {
        let task = r#""A":{"Type":"Task","End":true}"#;
        let literal = r#""F":{"Type":"Fail","Error":"Own.Error"}"#;
        for (states, of_own, of_other, of_none, of_unknown) in [
            (task, false, false, false, false),
            (literal, true, false, false, true),
            (r#""F":{"Type":"Fail"}"#, false, false, true, true),
            (
                r#""F":{"Type":"Fail","ErrorPath":"$.Error"}"#,
                true,
                true,
                true,
                true,
            ),
            (
                r#""F":{"Type":"Fail","Error":"{% $states.input.Error %}"}"#,
                true,
                true,
                true,
                true,
            ),
            (
                r#""P":{"Type":"Parallel","Branches":[{"States":{"F":{"Type":"Fail","Error":"Own.Error"}}}]}"#,
                true,
                false,
                false,
                true,
            ),
            (
                r#""M":{"Type":"Map","ItemProcessor":{"States":{"F":{"Type":"Fail","Error":"Own.Error"}}}}"#,
                true,
                false,
                false,
                true,
            ),
            (
                r#""M":{"Type":"Map","Iterator":{"States":{"F":{"Type":"Fail","Error":"Own.Error"}}}}"#,
                true,
                false,
                false,
                true,
            ),
        ] {
            let found = read(states);
            for (field, expected) in [
                (error("Own.Error"), of_own),
                (error("Lambda.TooManyRequestsException"), of_other),
                (Field::Absent, of_none),
                (Field::Withheld, of_unknown),
                (Field::Unknown, of_unknown),
            ] {
                assert_eq!(found.may_end_with(&field), expected, "{states} {field:?}");
            }
        }
        for nonsense in ["", "{}", "[]", "{\"States\""] {
            assert_eq!(FailStates::read(nonsense), None);
        }
    }

    fn execution(started: u64, version: Option<&str>) -> FailedExecution {
        FailedExecution {
            status: ExecutionStatus::Failed,
            redrive_count: Field::Known(0),
            redrivable: Field::Known(Redrivable::Yes),
            started: Some(Time::from_millis(started)),
            state_machine_arn: Some(MACHINE.into()),
            version_arn: version.map(Into::into),
            error: error("Own.Error"),
            cause: Field::Absent,
            parent: Field::Absent,
            fail_state: Field::Unknown,
            state: Field::Unknown,
            resource: Field::Unknown,
            moved_on: None,
        }
    }

    fn revision(id: Option<&str>, since: u64, states: &str) -> Revision {
        Revision {
            id: id.map(Into::into),
            since: Time::from_millis(since),
            fail_states: read(states),
        }
    }

    const NO_FAIL: &str = r#""A":{"Type":"Task","End":true}"#;
    const FAILS: &str = r#""F":{"Type":"Fail","Error":"Own.Error"}"#;

    #[test]
    fn what_one_execution_tells_holds_for_the_later_ones_while_the_machine_stays() {
        let mut machines = Machines::default();
        let first = execution(100_000, None);
        let at = Time::from_millis;
        assert_eq!(machines.tell(&first, at(0)), Told::Unknown);
        assert_eq!(
            machines.learn(&first, revision(Some("r1"), 0, NO_FAIL)),
            Told::NoFailState
        );
        assert_eq!(machines.tell(&first, at(100_000)), Told::Unconfirmed);
        machines.confirm(MACHINE, Some("r1"), at(100_000));
        assert_eq!(machines.tell(&first, at(160_000)), Told::NoFailState);
        assert_eq!(machines.tell(&first, at(160_001)), Told::Unconfirmed);
        // Started before the update had settled: with which definition nobody knows.
        assert_eq!(
            machines.tell(&execution(59_999, None), at(100_000)),
            Told::Unknown
        );
        assert_eq!(
            machines.tell(&execution(60_000, None), at(100_000)),
            Told::NoFailState
        );
        // An update forgets it.
        machines.confirm(MACHINE, Some("r2"), at(200_000));
        assert_eq!(machines.tell(&first, at(200_000)), Told::Unknown);
        // A machine that was never updated has no revision id, and stays known without one.
        machines.learn(&first, revision(None, 0, FAILS));
        machines.confirm(MACHINE, None, at(200_000));
        assert_eq!(machines.tell(&first, at(200_000)), Told::MayBe);
    }

    #[test]
    fn a_version_is_known_for_ever_and_an_old_execution_overrules_nothing() {
        let mut machines = Machines::default();
        let version = alloc::format!("{MACHINE}:3");
        let by_version = execution(0, Some(&version));
        machines.learn(&by_version, revision(None, 0, NO_FAIL));
        assert_eq!(
            machines.tell(&by_version, Time::from_millis(u64::MAX)),
            Told::NoFailState
        );
        assert_eq!(
            machines.tell(&execution(100_000, None), Time::from_millis(0)),
            Told::Unknown
        );

        let young = execution(900_000, None);
        machines.learn(&young, revision(Some("r2"), 500_000, FAILS));
        machines.confirm(MACHINE, Some("r2"), Time::from_millis(900_000));
        let old = execution(100_000, None);
        assert_eq!(
            machines.learn(&old, revision(Some("r1"), 0, NO_FAIL)),
            Told::NoFailState
        );
        assert_eq!(
            machines.tell(&young, Time::from_millis(900_000)),
            Told::MayBe
        );
    }
}
