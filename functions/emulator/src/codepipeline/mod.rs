//! AWS CodePipeline, as far as failures and retries of stages go.
//!
//! [`CodePipeline`] runs pipelines whose actions end as a script says. It answers the API in AWS's own shapes and
//! emits the three kinds of state change events. It reads no clock and draws no random number: every call carries the
//! time, and every id follows from the seed.
//!
//! Behaviour that AWS documents or that was observed is built in, and its comments say which. Behaviour that is not
//! established is a field of [`Options`].
//!
//! The caller provides the time, which never decreases from call to call; a [`Seed`] may lie in the past. All work
//! that is due before a call happens before the call.
//!
//! # Scripts
//!
//! `StartPipelineExecution` reads the script of an execution from a variable named `outcomes`, a JSON object. A key
//! `Stage/Action` holds one outcome for each run of that action, and the last one repeats. An action without a script
//! succeeds, and an approval waits for `PutApprovalResult`.
//!
//! ```json
//! {
//!   "Build/Compile": [
//!     {"fail": {"code": "JobFailed", "message": "no space left"}, "after_ms": 500},
//!     {"succeed": {"external_execution_id": "compile:7"}},
//!     {"hang": {}}
//!   ],
//!   "Deploy#beforeEntry": [{"fail": {"message": "the change calendar is closed"}}, {"succeed": {}}]
//! }
//! ```
//!
//! `fail` takes `code` (default `JobFailed`), `message`, `summary`, `external_execution_id` and
//! `external_execution_url`; `succeed` takes the last three. `after_ms` defaults to [`Options::action_ms`].
//!
//! A key `Stage#beforeEntry` or `Stage#onSuccess` scripts a declared condition. `fail` means that the condition is
//! not met. The stage then becomes Failed without a failed action, or Skipped if the condition's result is SKIP.
//!
//! A rollback has the variables of its target, and continues the target's script where that stands. For example,
//! after `[{"succeed": {}}, {"fail": {}}]` the rollback fails. The emulator does not enforce the limit of 1000
//! characters for a variable's value (model).
//!
//! # Example
//!
//! ```
//! use redrive_emulator::api::{Place, Service};
//! use redrive_emulator::codepipeline::{CodePipeline, Options};
//! use serde_json::json;
//!
//! let mut service = CodePipeline::new(Place::default(), Options::default(), 7);
//! let action = |name: &str, category: &str| json!({ "name": name, "actionTypeId": {
//!     "category": category, "owner": "AWS", "provider": "S3", "version": "1" } });
//! service.call(0, "CreatePipeline", &json!({ "pipeline": {
//!     "name": "shop", "roleArn": "arn:aws:iam::111122223333:role/shop",
//!     "stages": [
//!         { "name": "Source", "actions": [action("Fetch", "Source")] },
//!         { "name": "Deploy", "actions": [action("Copy", "Deploy")] },
//!     ] } }))?;
//! let started = service.call(0, "StartPipelineExecution", &json!({ "name": "shop", "variables": [
//!     { "name": "outcomes", "value": r#"{"Deploy/Copy": [{"fail": {}}, {"succeed": {}}]}"# }] }))?;
//! service.advance(2_000);
//! let retried = service.call(60_000, "RetryStageExecution", &json!({
//!     "pipelineName": "shop", "stageName": "Deploy", "retryMode": "FAILED_ACTIONS",
//!     "pipelineExecutionId": started["pipelineExecutionId"] }))?;
//! assert_eq!(retried, started);
//! # Ok::<(), redrive_emulator::api::CallError>(())
//! ```

mod action;
mod answers;
mod declaration;
mod events;
mod execution;
mod lagged;
mod lifecycle;
mod operations;
mod options;
mod params;
mod pipeline;
mod reads;
mod retry;
mod script;
mod seed;
mod shared;
mod stage;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Value, json};

pub use declaration::{ExecutionMode, OnFailure, StageRetryMode};
pub use execution::{
    ActionStatus, By, ExecutionStatus, ExecutionType, Retry, RetryMetadata, RetryTrigger,
    StageStatus,
};
pub use options::{FailureOrder, Options, ParallelState, RetryRefusal, StageFails, StoppedRetry};
pub use script::{ErrorDetails, ExternalResult, Outcome};
pub use seed::{Seed, SeedAction, SeedStage};

use crate::api::{ApiError, CallError, Emitted, Fault, Place, Service};
use execution::Execution;
use pipeline::Pipeline;
use script::Subject;
use shared::{Due, SharedState};

/// One call as the service saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The time, in milliseconds since the epoch.
    pub at: u64,
    /// The operation, for example `RetryStageExecution`.
    pub operation: String,
    /// The pipeline that the call named.
    pub pipeline: Option<String>,
    /// The stage that the call named.
    pub stage: Option<String>,
    /// The execution that the call named.
    pub execution: Option<String>,
    /// The caller.
    pub by: By,
    /// The outcome.
    pub outcome: CallOutcome,
}

/// The outcome of a call: its effect, and the fate of its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallOutcome {
    /// The call took effect, and the caller knows.
    Done,
    /// The call was refused with this error code, and the caller knows.
    Refused(String),
    /// The call never arrived.
    RequestLost,
    /// The call took effect, or was refused with this code, and the caller does not know.
    AnswerLost(Result<(), String>),
}

/// The real state of a stage of an execution, without any lag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// The status of the stage.
    pub status: StageStatus,
    /// The status of the execution.
    pub execution_status: ExecutionStatus,
    /// `retryStageMetadata`.
    pub retry: RetryMetadata,
    /// `pipeline-execution-attempt`.
    pub attempt: u32,
    /// The actions, in the order of declaration.
    pub actions: Vec<ActionView>,
    /// Every retry that took effect, oldest first.
    pub retries: Vec<Retry>,
}

/// An action of a [`View`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActionView {
    /// The name of the action.
    pub name: String,
    /// The status of the latest run; none before the action ran in this round.
    pub status: Option<ActionStatus>,
    /// The `actionExecutionId` of the latest run.
    pub action_execution_id: Option<String>,
    /// The number of runs in this execution.
    pub runs: usize,
}

/// The emulated service.
#[derive(Debug)]
pub struct CodePipeline {
    shared: SharedState,
    pipelines: BTreeMap<String, Pipeline>,
    faults: BTreeMap<String, VecDeque<Fault>>,
    calls: Vec<Call>,
}

impl CodePipeline {
    /// The operations that the emulator answers; any other is an `UnknownOperationException`.
    pub const OPERATIONS: [&str; 16] = [
        "CreatePipeline",
        "GetPipeline",
        "UpdatePipeline",
        "DeletePipeline",
        "ListPipelines",
        "StartPipelineExecution",
        "StopPipelineExecution",
        "RetryStageExecution",
        "GetPipelineState",
        "GetPipelineExecution",
        "ListPipelineExecutions",
        "ListActionExecutions",
        "PutApprovalResult",
        "RollbackStage",
        "DisableStageTransition",
        "EnableStageTransition",
    ];

    /// Returns an account without pipelines. Equal seeds and equal calls give equal ids and events.
    pub const fn new(place: Place, options: Options, seed: u64) -> Self {
        Self {
            shared: SharedState::new(place, options, seed),
            pipelines: BTreeMap::new(),
            faults: BTreeMap::new(),
            calls: Vec::new(),
        }
    }

    /// Returns the options for a change, which applies from now on.
    pub const fn options_mut(&mut self) -> &mut Options {
        &mut self.shared.options
    }

    /// Returns every call so far, of the API and of people.
    pub fn calls(&self) -> &[Call] {
        &self.calls
    }

    /// Returns the real state of a stage of an execution, if the execution entered the stage.
    pub fn stage(&self, pipeline: &str, execution: &str, stage: &str) -> Option<View> {
        let (execution, index) = self.located(pipeline, execution, stage)?;
        let run = execution.stage(index)?;
        let declared = execution.declaration.stages.get(index)?;
        let actions = declared.actions.iter().zip(&run.current).enumerate();
        let actions = actions.map(|(action, (declared, current))| {
            let run = current.and_then(|it| execution.runs.get(it));
            let same = execution
                .runs
                .iter()
                .filter(|it| (it.stage, it.action) == (index, action));
            ActionView {
                name: declared.name.clone(),
                status: run.map(execution::ActionRun::status),
                action_execution_id: run.map(|it| it.id.clone()),
                runs: same.count(),
            }
        });
        Some(View {
            status: run.status(),
            execution_status: execution.status,
            retry: run.state.now().retry,
            attempt: execution.attempt,
            actions: actions.collect(),
            retries: run.retries.clone(),
        })
    }

    /// Returns the retries of a stage that took effect, oldest first.
    pub fn retries(&self, pipeline: &str, execution: &str, stage: &str) -> &[Retry] {
        let located = self.located(pipeline, execution, stage);
        let run = located.and_then(|(execution, index)| execution.stage(index));
        run.map_or(&[], |it| it.retries.as_slice())
    }

    fn located(&self, pipeline: &str, execution: &str, stage: &str) -> Option<(&Execution, usize)> {
        let (_, execution) = self.pipelines.get(pipeline)?.find(execution)?;
        let (index, _) = execution.declaration.stage(stage)?;
        Some((execution, index))
    }

    /// Sets the outcomes of an action's future runs; a run in progress keeps its outcome. Returns false if there is
    /// no such execution or action.
    pub fn set_outcomes(
        &mut self,
        pipeline: &str,
        execution: &str,
        stage: &str,
        action: &str,
        outcomes: Vec<Outcome>,
    ) -> bool {
        let found = self.pipelines.get_mut(pipeline).and_then(|it| {
            let number = it.numbers.get(execution)?;
            it.executions.get_mut(number)
        });
        let Some(execution) = found else { return false };
        let declared = execution.declaration.stage(stage);
        let known = declared.is_some_and(|(_, it)| it.actions.iter().any(|it| it.name == action));
        if known {
            execution
                .script
                .set(Subject::Action(stage.into(), action.into()), outcomes);
        }
        known
    }

    /// Lets a person retry a stage at the console. The record names the person, and no injected fault applies.
    pub fn person_retries(
        &mut self,
        now: u64,
        pipeline: &str,
        stage: &str,
        execution: &str,
        mode: StageRetryMode,
    ) -> Result<(), ApiError> {
        let body = json!({
            "pipelineName": pipeline,
            "stageName": stage,
            "pipelineExecutionId": execution,
            "retryMode": mode.as_str(),
        });
        self.person(now, "RetryStageExecution", &body)
    }

    /// Lets a person stop an execution at the console. The record names the person, and no injected fault applies.
    pub fn person_stops(
        &mut self,
        now: u64,
        pipeline: &str,
        execution: &str,
        abandon: bool,
        reason: &str,
    ) -> Result<(), ApiError> {
        let body = json!({
            "pipelineName": pipeline,
            "pipelineExecutionId": execution,
            "abandon": abandon,
            "reason": reason,
        });
        self.person(now, "StopPipelineExecution", &body)
    }

    fn person(&mut self, now: u64, operation: &str, body: &Value) -> Result<(), ApiError> {
        self.advance(now);
        self.shared.now = now;
        let answer = self.operate(operation, body, By::Person).map(|_| ());
        self.record(now, operation, body, By::Person, known(&answer));
        answer
    }

    fn record(&mut self, at: u64, operation: &str, body: &Value, by: By, outcome: CallOutcome) {
        let text = |keys: &[&str]| {
            let found = keys
                .iter()
                .find_map(|key| body.get(*key).and_then(Value::as_str));
            found.map(str::to_owned)
        };
        let declared = || {
            body.pointer("/pipeline/name")
                .and_then(Value::as_str)
                .map(str::to_owned)
        };
        self.calls.push(Call {
            at,
            operation: operation.to_owned(),
            pipeline: text(&["pipelineName", "name"]).or_else(declared),
            stage: text(&["stageName"]),
            execution: text(&["pipelineExecutionId", "targetPipelineExecutionId"]),
            by,
            outcome,
        });
    }

    /// Carries out a call whose answer is lost. The error is the code of the refusal.
    fn take_effect(&mut self, operation: &str, body: &Value) -> Result<(), String> {
        let answer = self.operate(operation, body, By::Api);
        answer.map(drop).map_err(|error| error.code().to_owned())
    }

    fn happen(&mut self, pipeline: &str, execution: u64, due: Due) {
        let Some(pipeline) = self.pipelines.get_mut(pipeline) else {
            return;
        };
        let shared = &mut self.shared;
        match due {
            Due::Action(run, outcome) => pipeline.end_action(shared, execution, run, outcome),
            Due::AutomaticRetry(stage) => pipeline.retry_automatically(shared, execution, stage),
            Due::Rollback(stage) => pipeline.roll_back_automatically(shared, execution, stage),
        }
    }
}

fn known<T>(answer: &Result<T, ApiError>) -> CallOutcome {
    match answer {
        Ok(_) => CallOutcome::Done,
        Err(error) => CallOutcome::Refused(error.code().to_owned()),
    }
}

impl Service for CodePipeline {
    fn call(&mut self, now: u64, operation: &str, body: &Value) -> Result<Value, CallError> {
        self.advance(now);
        self.shared.now = now;
        let fault = self.faults.get_mut(operation).and_then(VecDeque::pop_front);
        let (outcome, answer) = match fault {
            Some(Fault::Refuse(error)) => (
                CallOutcome::Refused(error.code().to_owned()),
                Err(error.into()),
            ),
            Some(Fault::LoseRequest) => (CallOutcome::RequestLost, Err(CallError::Lost)),
            Some(Fault::LoseAnswer) => (
                CallOutcome::AnswerLost(self.take_effect(operation, body)),
                Err(CallError::Lost),
            ),
            Some(Fault::Answer {
                raw,
                takes_effect: true,
            }) => (
                CallOutcome::AnswerLost(self.take_effect(operation, body)),
                Err(CallError::Raw(raw)),
            ),
            Some(Fault::Answer { raw, .. }) => (CallOutcome::RequestLost, Err(CallError::Raw(raw))),
            None => {
                let answer = self.operate(operation, body, By::Api);
                (known(&answer), answer.map_err(CallError::from))
            }
        };
        self.record(now, operation, body, By::Api, outcome);
        answer
    }

    fn advance(&mut self, now: u64) {
        while let Some(entry) = self.shared.due.first_entry() {
            let at = entry.key().0;
            if at > now {
                break;
            }
            let (pipeline, execution, due) = entry.remove();
            self.shared.now = at;
            self.happen(&pipeline, execution, due);
        }
    }

    fn next_at(&self) -> Option<u64> {
        self.shared.due.keys().next().map(|(at, _)| *at)
    }

    fn take_events(&mut self) -> Vec<Emitted> {
        std::mem::take(&mut self.shared.events)
    }

    fn inject(&mut self, operation: &str, fault: Fault) {
        self.faults
            .entry(operation.to_owned())
            .or_default()
            .push_back(fault);
    }
}
