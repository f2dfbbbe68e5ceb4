//! Ready-made executions: failures that already happened, without playing the events that led to them.

use std::sync::Arc;

use serde_json::{Value, json};

use super::declaration::{Declaration, ExecutionMode, OnFailure, invalid};
use super::execution::{
    ActionRun, ActionStatus, Execution, ExecutionStatus, ExecutionType, RetryMetadata, RunState,
    StageRun, StageStatus,
};
use super::lagged::Lagged;
use super::params::is_uuid;
use super::pipeline::Pipeline;
use super::script::{ErrorDetails, ExternalResult, Outcome, Subject};
use super::shared::SharedState;
use crate::api::ApiError;

/// A ready-made execution for the emulator; see [`CodePipeline::seed`](super::CodePipeline::seed).
#[derive(Debug, Clone, PartialEq)]
pub struct Seed {
    /// The time at which the execution reached this state, in milliseconds since the epoch.
    pub at: u64,
    /// The name of the pipeline.
    pub pipeline: String,
    /// The structure version of the execution. If it is higher than the pipeline's present version, the pipeline
    /// moves on to it. If it is lower, the structure has changed since.
    pub version: u32,
    /// The mode of a pipeline that does not exist yet.
    pub mode: ExecutionMode,
    /// The execution's id: a lower-case UUID.
    pub execution: String,
    /// The status of the execution.
    pub status: ExecutionStatus,
    /// The type of the execution: STANDARD or ROLLBACK.
    pub kind: ExecutionType,
    /// The stages of the pipeline as this execution left them, in order.
    pub stages: Vec<SeedStage>,
}

impl Default for Seed {
    /// Returns a failed standard execution without stages, of version 1 of a pipeline in SUPERSEDED mode.
    fn default() -> Self {
        Self {
            at: 0,
            pipeline: String::new(),
            version: 1,
            mode: ExecutionMode::Superseded,
            execution: String::new(),
            status: ExecutionStatus::Failed,
            kind: ExecutionType::Standard,
            stages: Vec::new(),
        }
    }
}

/// A stage of a [`Seed`].
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SeedStage {
    /// The name of the stage.
    pub name: String,
    /// The status of the stage, or `None` if the execution has not entered it.
    pub status: Option<StageStatus>,
    /// The stage's declaration for a failure, if the pipeline does not declare it yet.
    pub on_failure: Option<OnFailure>,
    /// The retries so far.
    pub retry: RetryMetadata,
    /// The actions. A Failed stage without a failed action failed by a condition.
    pub actions: Vec<SeedAction>,
}

/// An action of a [`SeedStage`].
#[derive(Debug, Clone, PartialEq)]
pub struct SeedAction {
    /// The name of the action.
    pub name: String,
    /// The category, for example `Build`.
    pub category: String,
    /// The owner, for example `AWS`.
    pub owner: String,
    /// The provider, for example `CodeBuild`.
    pub provider: String,
    /// `runOrder`.
    pub run_order: u64,
    /// The status, or `None` if the action has not run. An action InProgress ends with the first of the outcomes.
    pub status: Option<ActionStatus>,
    /// The id of the latest run; `None` lets the emulator make one up.
    pub action_execution_id: Option<String>,
    /// The error of a failed action.
    pub error: Option<ErrorDetails>,
    /// The report of the external system.
    pub result: ExternalResult,
    /// The outcomes of the next runs. An empty list stands for no script.
    pub outcomes: Vec<Outcome>,
}

impl Default for SeedAction {
    /// Returns an unnamed CodeBuild action that has not run.
    fn default() -> Self {
        Self {
            name: String::new(),
            category: "Build".into(),
            owner: "AWS".into(),
            provider: "CodeBuild".into(),
            run_order: 1,
            status: None,
            action_execution_id: None,
            error: None,
            result: ExternalResult::default(),
            outcomes: Vec::new(),
        }
    }
}

impl Seed {
    /// Returns the declaration that this seed implies, added to the declaration `base`.
    fn declaration(
        &self,
        base: Option<&Declaration>,
        place: &str,
    ) -> Result<Declaration, ApiError> {
        let mut raw = base.map_or_else(
            || {
                json!({
                    "name": self.pipeline,
                    "roleArn": place,
                    "executionMode": self.mode.as_str(),
                    "pipelineType": "V2",
                    "stages": [],
                })
            },
            |it| it.raw.clone(),
        );
        if let Some(stages) = raw.get_mut("stages").and_then(Value::as_array_mut) {
            for stage in &self.stages {
                add(stages, &stage.name, || stage.raw());
                let found = stages.iter_mut().find(|it| is_named(it, &stage.name));
                let actions = found
                    .and_then(|it| it.get_mut("actions"))
                    .and_then(Value::as_array_mut);
                if let Some(actions) = actions {
                    for action in &stage.actions {
                        add(actions, &action.name, || action.raw());
                    }
                }
            }
        }
        Declaration::read_loosely(&raw, self.version)
    }
}

fn is_named(value: &Value, name: &str) -> bool {
    value.get("name").and_then(Value::as_str) == Some(name)
}

fn add(list: &mut Vec<Value>, name: &str, make: impl FnOnce() -> Value) {
    if list.iter().all(|it| !is_named(it, name)) {
        list.push(make());
    }
}

impl SeedStage {
    fn raw(&self) -> Value {
        let actions: Vec<Value> = self.actions.iter().map(SeedAction::raw).collect();
        let mut raw = json!({ "name": self.name, "actions": actions });
        let declared = match self.on_failure {
            None => return raw,
            Some(OnFailure::Rollback) => json!({ "result": "ROLLBACK" }),
            Some(OnFailure::Retry(mode)) => {
                json!({ "result": "RETRY", "retryConfiguration": { "retryMode": mode.as_str() } })
            }
        };
        if let Some(map) = raw.as_object_mut() {
            map.insert("onFailure".into(), declared);
        }
        raw
    }
}

impl SeedAction {
    fn raw(&self) -> Value {
        json!({
            "name": self.name,
            "runOrder": self.run_order,
            "actionTypeId": {
                "category": self.category,
                "owner": self.owner,
                "provider": self.provider,
                "version": "1",
            },
        })
    }
}

impl super::CodePipeline {
    /// Adds a ready-made execution, and creates or extends its pipeline as needed. The seed itself emits no event;
    /// the further run of the execution emits events as usual.
    ///
    /// An execution that entered a stage counts as the latest one there.
    pub fn seed(&mut self, seed: Seed) -> Result<(), ApiError> {
        if !is_uuid(&seed.execution) {
            return Err(invalid("execution", "a lower-case UUID"));
        }
        if self
            .pipelines
            .get(&seed.pipeline)
            .is_some_and(|it| it.find(&seed.execution).is_some())
        {
            return Err(invalid("execution", "an id the pipeline does not have yet"));
        }
        let declaration = Arc::new(self.structure(&seed)?);
        self.shared.now = seed.at;
        let pipeline = self
            .pipelines
            .entry(seed.pipeline.clone())
            .or_insert_with(|| Pipeline::new(Arc::clone(&declaration), seed.at));
        if declaration.version < pipeline.declaration.version {
            pipeline
                .versions
                .insert(declaration.version, Arc::clone(&declaration));
        } else if declaration.raw != pipeline.declaration.raw {
            pipeline.adopt(Arc::clone(&declaration), seed.at);
        }
        pipeline.put_in(&mut self.shared, seed, declaration);
        Ok(())
    }

    /// Returns the structure of a seed: the pipeline's declaration in that version, and the seed's additions.
    fn structure(&self, seed: &Seed) -> Result<Declaration, ApiError> {
        let place = &self.shared.place;
        let role = format!("arn:{}:iam::{}:role/seed", place.partition, place.account);
        let base = self.pipelines.get(&seed.pipeline).and_then(|pipeline| {
            let older = seed.version < pipeline.declaration.version;
            if older {
                pipeline.versions.get(&seed.version)
            } else {
                Some(&pipeline.declaration)
            }
        });
        seed.declaration(base.map(Arc::as_ref), &role)
    }
}

impl Pipeline {
    fn put_in(&mut self, shared: &mut SharedState, seed: Seed, declaration: Arc<Declaration>) {
        let trigger = ("StartPipelineExecution", shared.user_arn("release"));
        let mut execution = Execution::new(shared, Arc::clone(&declaration), trigger);
        execution.id = seed.execution;
        execution.status = seed.status;
        execution.kind = seed.kind;
        let number = self.take_in(shared, execution);
        self.set_execution(shared, number, seed.status);
        for stage in seed.stages {
            let Some((index, _)) = declaration.stage(&stage.name) else {
                continue;
            };
            self.put_in_stage(shared, number, index, stage);
        }
    }

    fn put_in_stage(
        &mut self,
        shared: &mut SharedState,
        number: u64,
        index: usize,
        seed: SeedStage,
    ) {
        let Some(execution) = self.executions.get_mut(&number) else {
            return;
        };
        let Some(declared) = execution.declaration.stages.get(index).cloned() else {
            return;
        };
        let retries = seed.retry.auto_stage_retry_attempt + seed.retry.manual_stage_retry_attempt;
        execution.attempt += retries;
        if retries > 0 {
            execution.last_retry = Some(shared.now);
        }
        if let Some(status) = seed.status {
            let mut run = StageRun::new(shared.now, declared.actions.len());
            let mut state = run.state.now().clone();
            state.status = status;
            state.retry = seed.retry;
            run.state = Lagged::new(0, state);
            if let Some(place) = execution.stages.get_mut(index) {
                *place = Some(run);
            }
            let inside = matches!(status, StageStatus::InProgress | StageStatus::Stopping);
            if inside {
                execution.position = Some(index);
            }
            let parallel = execution.declaration.mode == ExecutionMode::Parallel;
            if let Some(lane) = self.lane_of(number, index) {
                lane.latest = Lagged::new(0, Some(number));
                if inside && !parallel {
                    lane.occupant = Some(number);
                }
            }
        }
        for action in seed.actions {
            let place = declared
                .actions
                .iter()
                .position(|it| it.name == action.name);
            if let Some(place) = place {
                self.put_in_action(shared, number, (index, place), &declared.name, action);
            }
        }
    }

    fn put_in_action(
        &mut self,
        shared: &mut SharedState,
        number: u64,
        (stage, action): (usize, usize),
        stage_name: &str,
        seed: SeedAction,
    ) {
        let row = self.rows.len();
        let Some(execution) = self.executions.get_mut(&number) else {
            return;
        };
        let subject = Subject::Action(stage_name.to_owned(), seed.name.clone());
        if !seed.outcomes.is_empty() {
            execution.script.set(subject.clone(), seed.outcomes);
        }
        let Some(status) = seed.status else { return };
        let id = seed
            .action_execution_id
            .unwrap_or_else(|| shared.ids.uuid());
        let index = execution.runs.len();
        let state = RunState {
            status,
            error: seed.error.map(Arc::new),
            result: Arc::new(seed.result),
        };
        execution.runs.push(ActionRun {
            id: id.clone(),
            stage,
            action,
            row,
            started: shared.now,
            retried: false,
            state: Lagged::new(0, state),
        });
        if let Some(place) = execution
            .stage_mut(stage)
            .and_then(|it| it.current.get_mut(action))
        {
            *place = Some(index);
        }
        let outcome = (status == ActionStatus::InProgress).then(|| execution.script.take(&subject));
        self.rows.push((number, index));
        if let Some(lane) = self.lanes.get_mut(stage_name) {
            lane.runs.insert(seed.name, Lagged::new(0, (number, index)));
        }
        if seed.category == "Approval" {
            self.approvals.insert(id, (number, index));
        }
        if let Some(outcome) = outcome.flatten() {
            self.schedule_end(shared, number, index, outcome);
        }
    }
}
