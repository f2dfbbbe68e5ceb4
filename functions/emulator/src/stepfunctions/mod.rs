//! AWS Step Functions, as far as failures and redrives go: faithful and repeatable.
//!
//! [`StepFunctions`] answers the API in its own protocol (AWS JSON 1.0). It plays scripted outcomes or walks simple
//! definitions, keeps histories, and emits the events that EventBridge would deliver. It reads no clock and draws no
//! random number: calls and [`advance`](Service::advance) carry the time, and the seed determines the ids.
//!
//! Statements about the real service are tagged: *documented* by AWS, *observed* in recordings, or *not established*.
//! Where behaviour is not established, [`Options`] has the choice.
//!
//! ```
//! use redrive_emulator::api::{Place, Service};
//! use redrive_emulator::stepfunctions::{Options, Outcome, Script, Seed, Status, StepFunctions};
//! use serde_json::json;
//!
//! let arn = "arn:aws:states:eu-west-1:111122223333:execution:orders:one";
//! let (started, failed) = (1_772_366_400_000, 1_772_366_460_000);
//! let mut aws = StepFunctions::new(Place::default(), Options::default(), 1);
//! aws.seed(Seed {
//!     error: Some("Lambda.TooManyRequestsException".into()),
//!     outcomes: Script::new([Outcome::succeed().after(500)]),
//!     ..Seed::new(arn, Status::Failed, started, failed)
//! }).expect("it can be seeded");
//!
//! let body = json!({ "executionArn": arn, "clientToken": "first" });
//! aws.call(failed + 1000, "RedriveExecution", &body).expect("a FAILED execution can be redriven");
//! aws.advance(failed + 1500);
//!
//! let execution = aws.execution(arn).expect("it was seeded");
//! assert_eq!((execution.status, execution.redrive_count), (Status::Succeeded, 1));
//! assert_eq!(execution.redrives.len(), 1);
//! assert_eq!(aws.take_events().len(), 2, "RUNNING, SUCCEEDED");
//! ```
//!
//! Data is not evaluated (paths, templates, Choice rules, Retry); the emulator makes simple assumptions instead. A
//! Choice goes to its default, nothing is retried, and every state shows the execution's input. A Map has one item.
//! The other branches of a Parallel have succeeded before one fails.

mod definition;
mod events;
mod execution;
mod executions;
mod history;
mod listing;
mod machine;
mod machines;
mod map_run;
mod map_runs;
mod options;
mod redrive;
mod script;
mod seed;
mod status;
#[cfg(test)]
mod tests;
mod walk;
mod wire;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use serde_json::Value;

use crate::api::{ApiError, CallError, Emitted, Fault, Ids, Place, Service};

pub use options::{EventDate, MapChildRefusal, Options, REDRIVE_LAUNCH};
pub use script::{DEFAULT_RUN_MS, Ending, Failing, Outcome, Script, ScriptError, Succeeding};
pub use seed::{Seed, View};
pub use status::{By, Redrive, Status};

use execution::Execution;
use machine::Machine;
use map_run::MapRun;

/// One call as the service saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The time of the call.
    pub at: u64,
    /// The bare name, for example `RedriveExecution`.
    pub operation: Arc<str>,
    /// The target: the ARN of an execution, a Map Run or a state machine.
    pub arn: Option<Arc<str>>,
    /// The `clientToken`.
    pub token: Option<Arc<str>>,
    /// The effect.
    pub effect: Effect,
    /// Whether the caller received the answer.
    pub answered: bool,
}

/// The effect of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// The call was carried out.
    Done,
    /// The client token was known: the service repeated its old answer, and nothing happened.
    Replayed,
    /// The call was refused with this error code, and nothing happened.
    Refused(String),
    /// The call never arrived.
    NotReceived,
}

/// The emulated service.
#[derive(Debug)]
pub struct StepFunctions {
    place: Place,
    options: Options,
    ids: Ids,
    machines: BTreeMap<Arc<str>, Machine>,
    executions: BTreeMap<Arc<str>, Execution>,
    /// The executions of a machine or of a Map Run, oldest first.
    started: BTreeMap<Arc<str>, BTreeSet<Started>>,
    map_runs: BTreeMap<Arc<str>, MapRun>,
    /// Executions whose run ends, or that begin to be redriven, by time. Executions of one time are in the order of
    /// planning.
    due: BTreeMap<(u64, u64), Arc<str>>,
    counter: u64,
    /// The number of RUNNING executions.
    open: usize,
    events: Vec<Emitted>,
    faults: BTreeMap<String, VecDeque<Fault>>,
    calls: Vec<Call>,
}

/// The start, the creation order and the ARN of an execution.
type Started = (u64, u64, Arc<str>);

type Answer<T = Value> = Result<T, ApiError>;

impl StepFunctions {
    /// The operations that the emulator answers; any other is an `UnknownOperationException`.
    pub const OPERATIONS: [&str; 16] = [
        "CreateStateMachine",
        "UpdateStateMachine",
        "PublishStateMachineVersion",
        "CreateStateMachineAlias",
        "DeleteStateMachine",
        "DescribeStateMachine",
        "DescribeStateMachineForExecution",
        "ListStateMachines",
        "StartExecution",
        "StopExecution",
        "DescribeExecution",
        "ListExecutions",
        "GetExecutionHistory",
        "ListMapRuns",
        "DescribeMapRun",
        "RedriveExecution",
    ];

    /// Returns an empty account in `place`. Equal seeds and equal calls give equal answers.
    pub fn new(place: Place, options: Options, seed: u64) -> Self {
        Self {
            place,
            options,
            ids: Ids::new(seed),
            machines: BTreeMap::new(),
            executions: BTreeMap::new(),
            started: BTreeMap::new(),
            map_runs: BTreeMap::new(),
            due: BTreeMap::new(),
            counter: 0,
            open: 0,
            events: Vec::new(),
            faults: BTreeMap::new(),
            calls: Vec::new(),
        }
    }

    /// Returns every call so far, oldest first, whether or not it was answered.
    pub fn calls(&self) -> &[Call] {
        &self.calls
    }

    /// Returns the current options.
    pub const fn options(&self) -> &Options {
        &self.options
    }

    /// Returns the options for a change, which applies from now on.
    pub const fn options_mut(&mut self) -> &mut Options {
        &mut self.options
    }

    fn next_number(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    /// Adds an execution that has just started, begins its run and announces it.
    fn launch(&mut self, execution: Execution) {
        let (arn, now) = (Arc::clone(&execution.arn), execution.start);
        self.keep(execution);
        self.open += 1;
        self.announce(now, &arn);
        self.set_going(now, &arn);
    }

    /// Stores an execution and indexes it by its machine or Map Run.
    fn keep(&mut self, execution: Execution) {
        let key = (execution.start, execution.order, Arc::clone(&execution.arn));
        let owner = execution.map_run.as_ref().unwrap_or(&execution.machine);
        self.started
            .entry(Arc::clone(owner))
            .or_default()
            .insert(key);
        self.executions
            .insert(Arc::clone(&execution.arn), execution);
    }

    /// Begins a run and plans its end.
    fn set_going(&mut self, now: u64, arn: &Arc<str>) {
        let ends = match self.executions.get_mut(arn) {
            Some(execution) => execution.begin(now, &self.options),
            None => None,
        };
        if let Some(ends) = ends {
            self.put_due(ends, arn);
        }
    }

    fn put_due(&mut self, at: u64, arn: &Arc<str>) {
        let key = (at, self.next_number());
        if let Some(execution) = self.executions.get_mut(arn) {
            execution.due = Some(key);
            self.due.insert(key, Arc::clone(arn));
        }
    }

    /// Plays the work that is due for an execution.
    fn fall_due(&mut self, at: u64, arn: &Arc<str>) {
        let Some(execution) = self.executions.get_mut(arn) else {
            return;
        };
        execution.due = None;
        if execution.phase.status == Status::PendingRedrive {
            return self.restart(at, arn, None, By::MapRun);
        }
        match self
            .machines
            .get(execution.unlabeled_machine())
            .filter(|machine| machine.deleting)
        {
            // AWS: an execution of a deleted machine ends at its next transition (documented).
            Some(machine) => {
                let cause = format!("State machine {} has been deleted", machine.name);
                let failure = history::Failure::new(Some("States.Runtime"), Some(&cause));
                execution.fail_now(at, failure, &self.options);
            }
            None => execution.end(at, &self.options),
        }
        self.closed(at, arn);
    }

    /// Handles the end of a run: updates the count of open executions, emits the event, and settles Map Runs.
    fn closed(&mut self, at: u64, arn: &Arc<str>) {
        self.open = self.open.saturating_sub(1);
        self.announce(at, arn);
        self.settle_map_runs(at, arn);
    }

    /// Restarts an execution: redrives it, emits the event, redrives its Map Runs, and begins the run.
    fn restart(&mut self, now: u64, arn: &Arc<str>, token: Option<&str>, by: By) {
        let Some(execution) = self.executions.get_mut(arn) else {
            return;
        };
        execution.redrive(now, token, by, &self.options);
        self.open += 1;
        if self.options.announce_running_after_redrive {
            self.announce(now, arn);
        }
        self.redrive_map_runs(now, arn);
        self.set_going(now, arn);
    }

    /// Ends a running or pending execution as ABORTED.
    fn abort(&mut self, now: u64, arn: &Arc<str>, failure: history::Failure) {
        let Some(execution) = self.executions.get_mut(arn) else {
            return;
        };
        if let Some(due) = execution.due.take() {
            self.due.remove(&due);
        }
        let pending = execution.phase.status == Status::PendingRedrive;
        execution.abort(now, failure, &self.options);
        if pending {
            self.open += 1;
        }
        self.closed(now, arn);
    }

    fn dispatch(&mut self, now: u64, operation: &str, body: &Value) -> Answer<(Value, Effect)> {
        let request = wire::Request(body);
        let answer = match operation {
            "CreateStateMachine" => self.create_state_machine(now, request)?,
            "UpdateStateMachine" => self.update_state_machine(now, request)?,
            "PublishStateMachineVersion" => self.publish_version(now, request)?,
            "CreateStateMachineAlias" => self.create_alias(now, request)?,
            "DeleteStateMachine" => self.delete_state_machine(request)?,
            "DescribeStateMachine" => self.describe_state_machine(request)?,
            "DescribeStateMachineForExecution" => self.describe_for_execution(now, request)?,
            "ListStateMachines" => self.list_state_machines(now, request)?,
            "StartExecution" => self.start_execution(now, request)?,
            "StopExecution" => self.stop_execution(now, request)?,
            "DescribeExecution" => self.describe_execution(now, request)?,
            "ListExecutions" => self.list_executions(now, request)?,
            "GetExecutionHistory" => self.get_history(now, request)?,
            "ListMapRuns" => self.list_map_runs(now, request)?,
            "DescribeMapRun" => self.describe_map_run(now, request)?,
            "RedriveExecution" => return self.redrive_execution(now, request),
            _ => {
                let code = "com.amazon.coral.service#UnknownOperationException";
                return Err(ApiError::new(
                    code,
                    format!("{operation} is not known here"),
                ));
            }
        };
        Ok((answer, Effect::Done))
    }

    fn record(&mut self, now: u64, operation: &str, body: &Value, effect: Effect, answered: bool) {
        let keys = ["executionArn", "mapRunArn", "stateMachineArn"];
        let arn = keys
            .iter()
            .find_map(|key| body.get(key)?.as_str())
            .map(Arc::from);
        let token = body.get("clientToken").and_then(Value::as_str);
        self.calls.push(Call {
            at: now,
            operation: operation.into(),
            arn,
            token: token.map(Arc::from),
            effect,
            answered,
        });
    }
}

impl Service for StepFunctions {
    /// Finishes what is due, then plays an injected fault or answers the call.
    fn call(&mut self, now: u64, operation: &str, body: &Value) -> Result<Value, CallError> {
        self.advance(now);
        let fault = self.faults.get_mut(operation).and_then(VecDeque::pop_front);
        match fault.clone() {
            Some(Fault::Refuse(error)) => {
                self.record(
                    now,
                    operation,
                    body,
                    Effect::Refused(error.code().into()),
                    true,
                );
                return Err(error.into());
            }
            Some(Fault::LoseRequest) => {
                self.record(now, operation, body, Effect::NotReceived, false);
                return Err(CallError::Lost);
            }
            Some(Fault::Answer {
                raw,
                takes_effect: false,
            }) => {
                self.record(now, operation, body, Effect::NotReceived, false);
                return Err(CallError::Raw(raw));
            }
            Some(Fault::LoseAnswer | Fault::Answer { .. }) | None => {}
        }
        let (answer, effect) = match self.dispatch(now, operation, body) {
            Ok((answer, effect)) => (Ok(answer), effect),
            Err(error) => {
                let effect = Effect::Refused(error.code().into());
                (Err(error), effect)
            }
        };
        self.record(now, operation, body, effect, fault.is_none());
        match fault {
            None => answer.map_err(CallError::Api),
            Some(Fault::Answer { raw, .. }) => Err(CallError::Raw(raw)),
            Some(_) => Err(CallError::Lost),
        }
    }

    fn advance(&mut self, now: u64) {
        while let Some((&(at, number), _)) = self.due.first_key_value() {
            if at > now {
                break;
            }
            if let Some(arn) = self.due.remove(&(at, number)) {
                self.fall_due(at, &arn);
            }
        }
    }

    fn next_at(&self) -> Option<u64> {
        self.due.first_key_value().map(|(&(at, _), _)| at)
    }

    fn take_events(&mut self) -> Vec<Emitted> {
        std::mem::take(&mut self.events)
    }

    fn inject(&mut self, operation: &str, fault: Fault) {
        self.faults
            .entry(operation.into())
            .or_default()
            .push_back(fault);
    }
}
