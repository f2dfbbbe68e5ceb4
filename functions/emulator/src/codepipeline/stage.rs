//! The way of executions through stages: waiting, entering, succeeding and failing.

use super::declaration::{Condition, ConditionResult, ExecutionMode, OnFailure, StageRetryMode};
use super::events;
use super::execution::{ActionStatus, ExecutionStatus, Pending, StageRun, StageStatus};
use super::options::{FailureOrder, StageFails};
use super::pipeline::{Lane, Pipeline};
use super::script::{Outcome, Subject};
use super::shared::{Due, SharedState};

impl Pipeline {
    pub(super) fn lane_of(&mut self, number: u64, stage: usize) -> Option<&mut Lane> {
        let execution = self.executions.get(&number)?;
        self.lanes.get_mut(execution.stage_name(stage))
    }

    pub(super) fn set_stage(
        &mut self,
        shared: &SharedState,
        number: u64,
        stage: usize,
        to: StageStatus,
    ) {
        let lag = shared.options.state_lag_ms;
        let run = self
            .executions
            .get_mut(&number)
            .and_then(|it| it.stage_mut(stage));
        if let Some(run) = run {
            run.state.edit(shared.now, lag, |state| state.status = to);
        }
    }

    pub(super) fn set_execution(&mut self, shared: &SharedState, number: u64, to: ExecutionStatus) {
        let Some(execution) = self.executions.get_mut(&number) else {
            return;
        };
        execution.status = to;
        execution.updated = shared.now;
        if matches!(to, ExecutionStatus::InProgress | ExecutionStatus::Stopping) {
            self.running.insert(number);
        } else {
            self.running.remove(&number);
        }
    }

    pub(super) fn tell_pipeline(
        &self,
        shared: &mut SharedState,
        number: u64,
        state: events::State,
    ) {
        if let Some(execution) = self.executions.get(&number) {
            events::pipeline(shared, execution, state);
        }
    }

    pub(super) fn tell_stage(
        &self,
        shared: &mut SharedState,
        number: u64,
        stage: usize,
        state: events::State,
    ) {
        if let Some(execution) = self.executions.get(&number) {
            events::stage(shared, execution, stage, state);
        }
    }

    pub(super) fn tell_action(
        &self,
        shared: &mut SharedState,
        number: u64,
        run: usize,
        state: events::State,
    ) {
        if let Some(execution) = self.executions.get(&number)
            && let Some(run) = execution.runs.get(run)
        {
            events::action(shared, execution, run, state);
        }
    }

    /// Makes an execution arrive at a stage, where it enters or waits.
    pub(super) fn arrive(&mut self, shared: &mut SharedState, number: u64, stage: usize) {
        let Some(execution) = self.executions.get_mut(&number) else {
            return;
        };
        let mode = execution.declaration.mode;
        execution.position = None;
        execution.waiting = Some(stage);
        let lag = shared.options.state_lag_ms;
        let Some(lane) = self.lane_of(number, stage) else {
            return;
        };
        let mut waiting = lane.inbound.now().clone();
        waiting.push(number);
        let mut superseded = Vec::new();
        if mode == ExecutionMode::Superseded {
            let newest = waiting.iter().copied().max();
            superseded = waiting
                .iter()
                .copied()
                .filter(|it| Some(*it) != newest)
                .collect();
            waiting.retain(|it| Some(*it) == newest);
        }
        lane.inbound.set(shared.now, lag, waiting);
        for number in superseded {
            self.supersede(shared, number);
        }
        self.admit(shared, number, stage);
    }

    fn supersede(&mut self, shared: &mut SharedState, number: u64) {
        if let Some(execution) = self.executions.get_mut(&number) {
            execution.waiting = None;
        }
        self.set_execution(shared, number, ExecutionStatus::Superseded);
        self.tell_pipeline(shared, number, "SUPERSEDED");
    }

    /// Lets waiting executions enter the stage of `number` while the stage is free; all of them in PARALLEL mode.
    pub(super) fn admit(&mut self, shared: &mut SharedState, number: u64, stage: usize) {
        let lag = shared.options.state_lag_ms;
        loop {
            let Some(lane) = self.lane_of(number, stage) else {
                return;
            };
            if lane.transition.now().disabled.is_some() || lane.occupant.is_some() {
                return;
            }
            let Some(next) = lane.inbound.now().first().copied() else {
                return;
            };
            lane.inbound
                .edit(shared.now, lag, |waiting| waiting.retain(|it| *it != next));
            let stage = self.executions.get(&next).and_then(|it| it.waiting);
            if let Some(stage) = stage {
                self.enter(shared, next, stage);
            }
        }
    }

    fn enter(&mut self, shared: &mut SharedState, number: u64, stage: usize) {
        let lag = shared.options.state_lag_ms;
        let Some(execution) = self.executions.get_mut(&number) else {
            return;
        };
        let actions = execution
            .declaration
            .stages
            .get(stage)
            .map_or(0, |it| it.actions.len());
        if let Some(place) = execution.stages.get_mut(stage) {
            *place = Some(StageRun::new(shared.now, actions));
        }
        execution.waiting = None;
        execution.position = Some(stage);
        execution.updated = shared.now;
        let mode = execution.declaration.mode;
        let name = execution.stage_name(stage).to_owned();
        let Some(lane) = self.lane_of(number, stage) else {
            return;
        };
        let before = *lane.latest.now();
        lane.latest.set(shared.now, lag, Some(number));
        if mode != ExecutionMode::Parallel {
            lane.occupant = Some(number);
            self.overtake(shared, before, &name);
        }
        self.tell_stage(shared, number, stage, "STARTED");
        match self.condition(shared, number, stage, Condition::BeforeEntry) {
            Some(ConditionResult::Skip) => {
                self.set_stage(shared, number, stage, StageStatus::Skipped);
                self.leave(shared, number, stage);
            }
            Some(_) => self.fail_stage(shared, number, stage, None),
            None => self.go_on(shared, number, stage, None),
        }
    }

    /// Supersedes an execution that failed in a stage, now that another one enters it, if the option says so.
    fn overtake(&mut self, shared: &mut SharedState, before: Option<u64>, stage: &str) {
        let Some(before) = before.filter(|_| shared.options.overtaken_execution_becomes_superseded)
        else {
            return;
        };
        let failed_here = self.executions.get(&before).is_some_and(|execution| {
            let index = execution.declaration.stage(stage).map(|(index, _)| index);
            let run = index.and_then(|it| execution.stage(it));
            run.is_some_and(|it| it.status() == StageStatus::Failed)
        });
        if failed_here {
            self.supersede(shared, before);
        }
    }

    /// Plays a declared condition. Returns its result if the condition is not met.
    fn condition(
        &mut self,
        shared: &SharedState,
        number: u64,
        stage: usize,
        which: Condition,
    ) -> Option<ConditionResult> {
        let lag = shared.options.state_lag_ms;
        let execution = self.executions.get_mut(&number)?;
        let declared = execution.declaration.stages.get(stage)?;
        let result = match which {
            Condition::BeforeEntry => declared.before_entry,
            Condition::OnSuccess => declared.on_success,
        }?;
        let subject = Subject::Condition(declared.name.clone(), which);
        let outcome = match execution.script.take(&subject) {
            Some(Outcome::Fail { error, .. }) => (false, Some(error.message)),
            _ => (true, None),
        };
        let met = outcome.0;
        execution
            .stage_mut(stage)?
            .state
            .edit(shared.now, lag, |state| match which {
                Condition::BeforeEntry => state.before_entry = Some(outcome),
                Condition::OnSuccess => state.on_success = Some(outcome),
            });
        (!met).then_some(result)
    }

    /// Continues a stage after a change. The continuation is one of: the actions of the next run order, success,
    /// failure, the end of a stop, or nothing while actions are in progress.
    ///
    /// `ended` is a run whose FAILED event has not been emitted yet.
    pub(super) fn go_on(
        &mut self,
        shared: &mut SharedState,
        number: u64,
        stage: usize,
        ended: Option<usize>,
    ) {
        let Some(execution) = self.executions.get(&number) else {
            return;
        };
        let in_progress = execution.any(stage, ActionStatus::InProgress);
        let failed = execution.any(stage, ActionStatus::Failed);
        let running = execution
            .stage(stage)
            .is_some_and(|it| it.status() == StageStatus::InProgress);
        let stopping = execution.status == ExecutionStatus::Stopping;
        // INVARIANT: an ALL_ACTIONS retry, even an automatic one, needs a stage without actions in progress.
        let declared = execution
            .declaration
            .stages
            .get(stage)
            .and_then(|it| it.on_failure);
        let at_first = shared.options.stage_fails == StageFails::AtFirstFailedAction
            && declared != Some(OnFailure::Retry(StageRetryMode::AllActions));
        if running && !stopping && failed && (!in_progress || (at_first && ended.is_some())) {
            return self.fail_stage(shared, number, stage, ended);
        }
        if let Some(run) = ended {
            self.tell_action(shared, number, run, "FAILED");
        }
        if in_progress {
            return;
        }
        if stopping {
            return self.finish_stop(shared, number);
        }
        if running && !self.start_next(shared, number, stage) {
            self.succeed_stage(shared, number, stage);
        }
    }

    fn succeed_stage(&mut self, shared: &mut SharedState, number: u64, stage: usize) {
        match self.condition(shared, number, stage, Condition::OnSuccess) {
            Some(result) => {
                self.fail_stage(shared, number, stage, None);
                if result == ConditionResult::Rollback {
                    self.expect_rollback(shared, number, stage);
                }
            }
            None => {
                self.set_stage(shared, number, stage, StageStatus::Succeeded);
                self.tell_stage(shared, number, stage, "SUCCEEDED");
                self.leave(shared, number, stage);
            }
        }
    }

    /// Leaves a stage: the execution goes to the next stage, or has succeeded.
    fn leave(&mut self, shared: &mut SharedState, number: u64, stage: usize) {
        let Some(execution) = self.executions.get_mut(&number) else {
            return;
        };
        execution.position = None;
        let next = stage + 1;
        let last = next >= execution.stages.len() || execution.only_stage.is_some();
        if last {
            self.set_execution(shared, number, ExecutionStatus::Succeeded);
            self.tell_pipeline(shared, number, "SUCCEEDED");
        } else {
            self.arrive(shared, number, next);
        }
        self.release(shared, number, stage);
    }

    /// Releases the lock on the stage.
    // AWS: "A failure releases the lock on the stage" (documented). A success and a stop release it too.
    pub(super) fn release(&mut self, shared: &mut SharedState, number: u64, stage: usize) {
        let Some(lane) = self.lane_of(number, stage) else {
            return;
        };
        if lane.occupant == Some(number) {
            lane.occupant = None;
            self.admit(shared, number, stage);
        }
    }

    /// Fails a stage because of a condition, of earlier runs, or of a run whose event is not emitted yet.
    fn fail_stage(
        &mut self,
        shared: &mut SharedState,
        number: u64,
        stage: usize,
        ended: Option<usize>,
    ) {
        let Some(execution) = self.executions.get(&number) else {
            return;
        };
        let on_failure = execution
            .declaration
            .stages
            .get(stage)
            .and_then(|it| it.on_failure);
        let retried = execution
            .stage(stage)
            .is_some_and(|it| it.state.now().retry.auto_stage_retry_attempt > 0);
        let by_action = execution.any(stage, ActionStatus::Failed);
        let again = matches!(on_failure, Some(OnFailure::Retry(_))) && by_action && !retried;
        let tell_run = |pipeline: &Self, shared: &mut SharedState| {
            if let Some(run) = ended {
                pipeline.tell_action(shared, number, run, "FAILED");
            }
        };
        if again && !shared.options.automatic_retry_announces_failure {
            tell_run(self, shared);
        } else {
            let stage_first = shared.options.failure_order == FailureOrder::StageFirst;
            if !stage_first {
                tell_run(self, shared);
            }
            self.set_stage(shared, number, stage, StageStatus::Failed);
            self.tell_stage(shared, number, stage, "FAILED");
            if stage_first {
                tell_run(self, shared);
            }
            self.set_execution(shared, number, ExecutionStatus::Failed);
            self.tell_pipeline(shared, number, "FAILED");
        }
        if again {
            // The execution keeps the lock, since its stage is not finished.
            let after = shared.options.automatic_retry_delay_ms;
            self.expect(number, stage, Pending::AutomaticRetry);
            if after == 0 {
                self.retry_automatically(shared, number, stage);
            } else {
                shared.schedule(after, &self.name, number, Due::AutomaticRetry(stage));
            }
            return;
        }
        if let Some(execution) = self.executions.get_mut(&number) {
            execution.position = None;
        }
        if on_failure == Some(OnFailure::Rollback) {
            self.expect_rollback(shared, number, stage);
        }
        self.release(shared, number, stage);
    }

    fn expect(&mut self, number: u64, stage: usize, pending: Pending) {
        let run = self
            .executions
            .get_mut(&number)
            .and_then(|it| it.stage_mut(stage));
        if let Some(run) = run {
            run.pending = Some(pending);
        }
    }

    fn expect_rollback(&mut self, shared: &mut SharedState, number: u64, stage: usize) {
        self.expect(number, stage, Pending::Rollback);
        let after = shared.options.automatic_rollback_delay_ms;
        shared.schedule(after, &self.name, number, Due::Rollback(stage));
    }
}
