//! Retries of a stage, by a caller or by the stage itself, and rollbacks.

use super::declaration::{ExecutionMode, OnFailure, StageRetryMode};
use super::execution::{
    ActionStatus, By, Execution, ExecutionStatus, ExecutionType, Pending, Retry, RetryTrigger,
    StageStatus,
};
use super::options::{RetryRefusal, StoppedRetry};
use super::pipeline::Pipeline;
use super::shared::SharedState;
use crate::api::ApiError;

/// Returns the error of a refusal. The codes are the model's. The messages are our own, since AWS's wording is not
/// established.
pub(super) fn refusal(kind: RetryRefusal) -> ApiError {
    match kind {
        RetryRefusal::Conflict => ApiError::new(
            "ConflictException",
            "The pipeline is busy with other activities; try again later.",
        ),
        RetryRefusal::StageNotRetryable => ApiError::new(
            "StageNotRetryableException",
            "The stage cannot be retried: it has no failed actions, or its state or the structure \
             of the pipeline has changed.",
        ),
        RetryRefusal::NotLatestPipelineExecution => ApiError::new(
            "NotLatestPipelineExecutionException",
            "A later execution of the pipeline has come to the stage.",
        ),
    }
}

pub(super) fn limit_reached() -> ApiError {
    ApiError::new(
        "ConcurrentPipelineExecutionsLimitExceededException",
        "The pipeline has as many executions in progress as it may have.",
    )
}

impl Pipeline {
    /// Checks whether one more execution may run.
    pub(super) fn check_limit(
        &self,
        shared: &SharedState,
        mode: ExecutionMode,
    ) -> Result<(), ApiError> {
        let limit = shared.options.concurrent_execution_limit;
        let full = limit.is_some_and(|limit| self.running.len() >= limit);
        if full && mode != ExecutionMode::Superseded {
            Err(limit_reached())
        } else {
            Ok(())
        }
    }

    /// Answers `RetryStageExecution`: checks every documented reason to refuse, and then retries the stage.
    pub(super) fn retry_stage(
        &mut self,
        shared: &mut SharedState,
        stage: &str,
        id: &str,
        mode: StageRetryMode,
        by: By,
    ) -> Result<(), ApiError> {
        let options = &shared.options;
        let not_retryable = || refusal(RetryRefusal::StageNotRetryable);
        let Some((number, execution)) = self.find(id) else {
            return Err(refusal(options.unknown_execution_answer));
        };
        let current = &self.declaration;
        let changed = execution.declaration.version != current.version
            && (options.identical_update_ends_retry
                || !execution.declaration.same_structure(current));
        if changed {
            return Err(not_retryable());
        }
        let Some((index, _)) = execution.declaration.stage(stage) else {
            return Err(not_retryable());
        };
        let Some(run) = execution.stage(index) else {
            // The execution never entered the stage. A stopped or failed inbound execution has no failed actions.
            return Err(not_retryable());
        };
        if execution.declaration.mode != ExecutionMode::Parallel {
            let latest = self.lanes.get(stage).and_then(|it| *it.latest.now());
            if latest != Some(number) {
                return Err(refusal(RetryRefusal::NotLatestPipelineExecution));
            }
        }
        match execution.status {
            ExecutionStatus::Cancelled | ExecutionStatus::Superseded => return Err(not_retryable()),
            ExecutionStatus::Stopping => return Err(refusal(RetryRefusal::Conflict)),
            _ => {}
        }
        let pending = match run.pending {
            Some(Pending::AutomaticRetry) => options.retry_while_automatic_retry_pending,
            Some(Pending::Rollback) => options.retry_while_rollback_pending,
            None => None,
        };
        if let Some(answer) = pending {
            return Err(refusal(answer));
        }
        may_run_again(shared, execution, index, mode)?;
        if !self.running.contains(&number) {
            self.check_limit(shared, execution.declaration.mode)?;
        }
        self.run_again(shared, number, index, mode, by);
        Ok(())
    }

    /// Makes the one retry that `onFailure` declares.
    // RACE: a caller's retry and the automatic retry. A caller that is first clears `pending`, which drops the
    // automatic retry.
    pub(super) fn retry_automatically(
        &mut self,
        shared: &mut SharedState,
        number: u64,
        stage: usize,
    ) {
        let Some(execution) = self.executions.get_mut(&number) else {
            return;
        };
        let declared = execution
            .declaration
            .stages
            .get(stage)
            .and_then(|it| it.on_failure);
        let Some(run) = execution.stage_mut(stage) else {
            return;
        };
        if run.pending != Some(Pending::AutomaticRetry) {
            return;
        }
        if let Some(OnFailure::Retry(mode)) = declared {
            self.run_again(shared, number, stage, mode, By::Automatic);
        }
    }

    fn run_again(
        &mut self,
        shared: &mut SharedState,
        number: u64,
        stage: usize,
        mode: StageRetryMode,
        by: By,
    ) {
        let automatic = by == By::Automatic;
        let Some(execution) = self.executions.get_mut(&number) else {
            return;
        };
        let stopped = execution
            .stage(stage)
            .is_some_and(|it| it.status() == StageStatus::Stopped);
        let left_in_progress = execution
            .stage(stage)
            .is_some_and(|it| it.status() == StageStatus::InProgress);
        let hit: Vec<(usize, String)> = execution
            .current(stage)
            .map(|(_, run)| run)
            .filter(|run| retryable(run.status(), stopped))
            .map(|run| (run.action, run.id.clone()))
            .collect();
        if !automatic || shared.options.automatic_retry_counts_attempt {
            execution.attempt += 1;
        }
        execution.last_retry = Some(shared.now);
        execution.position = Some(stage);
        execution.stop = None;
        let retry = Retry {
            at: shared.now,
            mode,
            by,
            attempt: execution.attempt,
            failed: hit.iter().map(|(_, id)| id.clone()).collect(),
        };
        let Some(run) = execution.stage_mut(stage) else {
            return;
        };
        run.retries.push(retry);
        run.pending = None;
        if mode == StageRetryMode::AllActions {
            run.current.fill(None);
        }
        run.state
            .edit(shared.now, shared.options.state_lag_ms, |state| {
                state.status = StageStatus::InProgress;
                if automatic {
                    state.retry.auto_stage_retry_attempt += 1;
                    state.retry.latest_retry_trigger = Some(RetryTrigger::AutomatedStageRetry);
                } else {
                    state.retry.manual_stage_retry_attempt += 1;
                    state.retry.latest_retry_trigger = Some(RetryTrigger::ManualStageRetry);
                }
            });
        let parallel = execution.declaration.mode == ExecutionMode::Parallel;
        if let (false, Some(lane)) = (parallel, self.lane_of(number, stage)) {
            lane.occupant = Some(number);
        }
        self.set_execution(shared, number, ExecutionStatus::InProgress);
        let resumed = if automatic {
            shared.options.automatic_retry_emits_resumed
        } else {
            !left_in_progress || shared.options.early_retry_emits_resumed
        };
        if resumed {
            self.tell_pipeline(shared, number, "RESUMED");
            self.tell_stage(shared, number, stage, "RESUMED");
        }
        match mode {
            StageRetryMode::AllActions => self.go_on(shared, number, stage, None),
            StageRetryMode::FailedActions => {
                for (action, _) in hit {
                    self.start_action(shared, number, stage, action);
                }
            }
        }
    }

    /// Rolls a stage back automatically, if the stage is still failed and has a target for the rollback.
    pub(super) fn roll_back_automatically(
        &mut self,
        shared: &mut SharedState,
        number: u64,
        stage: usize,
    ) {
        let Some(execution) = self.executions.get_mut(&number) else {
            return;
        };
        let name = execution.stage_name(stage).to_owned();
        let rollback = execution.kind == ExecutionType::Rollback;
        let Some(run) = execution.stage_mut(stage) else {
            return;
        };
        if run.pending != Some(Pending::Rollback) {
            return;
        }
        run.pending = None;
        if rollback {
            return;
        }
        let target = self.executions.range(..number).rev().find_map(|(_, it)| {
            let (index, _) = it.declaration.stage(&name)?;
            let succeeded = it.stage(index)?.status() == StageStatus::Succeeded;
            let fits = succeeded && it.kind == ExecutionType::Standard;
            (fits && it.declaration.version == self.declaration.version).then(|| it.id.clone())
        });
        if let Some(target) = target {
            // The rollback is refused while another execution holds the stage; the automatic rollback then does not
            // happen.
            let trigger = ("AutomatedRollback", shared.arn(&self.name));
            let _started = self.roll_back(shared, &name, &target, trigger);
        }
    }

    /// Answers `RollbackStage`: begins an execution of type ROLLBACK that runs only this stage, with the variables of
    /// its target (documented).
    pub(super) fn roll_back(
        &mut self,
        shared: &mut SharedState,
        stage: &str,
        target: &str,
        trigger: (&'static str, String),
    ) -> Result<String, ApiError> {
        let unable = |why: &str| ApiError::new("UnableToRollbackStageException", why);
        let Some((_, aim)) = self.find(target) else {
            return Err(ApiError::new(
                "PipelineExecutionNotFoundException",
                format!("The pipeline has no execution '{target}'."),
            ));
        };
        let Some((index, _)) = self.declaration.stage(stage) else {
            return Err(ApiError::new(
                "StageNotFoundException",
                format!("No stage {stage}."),
            ));
        };
        if self.declaration.mode == ExecutionMode::Parallel || index == 0 {
            return Err(unable(
                "A source stage, or a pipeline in PARALLEL mode, has no rollback.",
            ));
        }
        if aim.kind == ExecutionType::Rollback {
            return Err(unable("The target execution is itself a rollback."));
        }
        if aim.declaration.version != self.declaration.version {
            return Err(ApiError::new(
                "PipelineExecutionOutdatedException",
                "The target execution ran by another version of the structure.",
            ));
        }
        if aim
            .stage(index)
            .is_none_or(|it| it.status() != StageStatus::Succeeded)
        {
            return Err(unable("The target execution did not succeed in the stage."));
        }
        if self
            .lanes
            .get(stage)
            .is_some_and(|it| it.occupant.is_some())
        {
            return Err(unable("The stage is currently running."));
        }
        let (variables, script) = (aim.variables.clone(), aim.script.clone());
        let mut execution =
            Execution::new(shared, std::sync::Arc::clone(&self.declaration), trigger);
        execution.kind = ExecutionType::Rollback;
        execution.rollback_target = Some(target.to_owned());
        execution.only_stage = Some(index);
        (execution.variables, execution.script) = (variables, script);
        Ok(self.begin(shared, execution, index))
    }
}

const fn retryable(status: ActionStatus, stopped: bool) -> bool {
    match status {
        ActionStatus::Failed => true,
        ActionStatus::Abandoned => stopped,
        ActionStatus::InProgress | ActionStatus::Succeeded => false,
    }
}

/// Checks whether the stage's state permits a retry.
// AWS: "The stage must either have all actions failed or some failed and some succeeded" (documented).
// For a stage that has not ended or was stopped, the conditions are inferred from that sentence and the options.
fn may_run_again(
    shared: &SharedState,
    execution: &Execution,
    stage: usize,
    mode: StageRetryMode,
) -> Result<(), ApiError> {
    let options = &shared.options;
    let status = execution
        .stage(stage)
        .map(super::execution::StageRun::status);
    let stopped = status == Some(StageStatus::Stopped);
    let not_retryable = Err(refusal(RetryRefusal::StageNotRetryable));
    let hit = execution
        .current(stage)
        .any(|(_, run)| retryable(run.status(), stopped));
    match status {
        Some(StageStatus::Stopped) => {
            let allowed = match options.retry_of_stopped_stage {
                StoppedRetry::EitherMode => mode == StageRetryMode::AllActions || hit,
                StoppedRetry::AllActionsOnly => mode == StageRetryMode::AllActions,
                StoppedRetry::Never => false,
            };
            if allowed { Ok(()) } else { not_retryable }
        }
        Some(StageStatus::InProgress | StageStatus::Failed) => {
            let working = || {
                execution
                    .current(stage)
                    .filter(|(_, run)| run.status() == ActionStatus::InProgress)
            };
            if working().any(|(_, run)| run.retried) {
                Err(refusal(options.duplicate_retry_answer))
            } else if !hit {
                not_retryable
            } else if mode == StageRetryMode::AllActions && working().next().is_some() {
                Err(refusal(options.all_actions_in_progress_answer))
            } else {
                Ok(())
            }
        }
        _ => not_retryable,
    }
}
