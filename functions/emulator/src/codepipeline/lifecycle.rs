//! The beginning of an execution, and its two ends from outside: a stop and a new structure.

use std::sync::Arc;

use super::declaration::Declaration;
use super::events;
use super::execution::{
    ActionStatus, Execution, ExecutionStatus, ExecutionType, Pending, StageStatus, Stop,
};
use super::pipeline::Pipeline;
use super::script::Script;
use super::shared::SharedState;
use crate::api::ApiError;

impl Execution {
    /// Returns an execution that has not begun.
    pub(super) fn new(
        shared: &mut SharedState,
        declaration: Arc<Declaration>,
        trigger: (&'static str, String),
    ) -> Self {
        let stages = vec![None; declaration.stages.len()];
        Self {
            id: shared.ids.uuid(),
            declaration,
            status: ExecutionStatus::InProgress,
            kind: ExecutionType::Standard,
            rollback_target: None,
            only_stage: None,
            trigger,
            variables: Vec::new(),
            script: Script::default(),
            started: shared.now,
            updated: shared.now,
            attempt: 1,
            last_retry: None,
            position: None,
            waiting: None,
            stop: None,
            stages,
            runs: Vec::new(),
        }
    }
}

impl Pipeline {
    /// Stores an execution under a new number.
    pub(super) fn take_in(&mut self, shared: &mut SharedState, execution: Execution) -> u64 {
        let number = shared.next_number();
        self.numbers.insert(execution.id.clone(), number);
        self.executions.insert(number, execution);
        number
    }

    /// Begins an execution at `stage`, and returns its id.
    pub(super) fn begin(
        &mut self,
        shared: &mut SharedState,
        execution: Execution,
        stage: usize,
    ) -> String {
        let id = execution.id.clone();
        let number = self.take_in(shared, execution);
        self.running.insert(number);
        self.tell_pipeline(shared, number, "STARTED");
        self.arrive(shared, number, stage);
        id
    }

    /// Answers `StopPipelineExecution`.
    pub(super) fn stop(
        &mut self,
        shared: &mut SharedState,
        id: &str,
        stop: Stop,
    ) -> Result<(), ApiError> {
        let not_stoppable = || {
            ApiError::new(
                "PipelineExecutionNotStoppableException",
                "The execution is not in progress.",
            )
        };
        let Some((number, execution)) = self.find(id) else {
            return Err(not_stoppable());
        };
        let abandon = stop.abandon;
        let position = execution.position;
        match execution.status {
            ExecutionStatus::InProgress => {}
            ExecutionStatus::Stopping => {
                let waits = execution.stop.as_ref().is_some_and(|it| !it.abandon);
                if !(abandon && waits) {
                    return Err(ApiError::new(
                        "DuplicatedStopRequestException",
                        "The execution is being stopped already.",
                    ));
                }
            }
            // A stage that waits for its automatic retry has an announced failure, so it counts as ended here.
            _ => return Err(not_stoppable()),
        }
        let first = execution.status == ExecutionStatus::InProgress;
        if let Some(execution) = self.executions.get_mut(&number) {
            execution.stop = Some(stop);
        }
        if first {
            self.set_execution(shared, number, ExecutionStatus::Stopping);
            self.tell_pipeline(shared, number, "STOPPING");
            if let Some(stage) = position {
                self.set_stage(shared, number, stage, StageStatus::Stopping);
                self.tell_stage(shared, number, stage, "STOPPING");
            }
        }
        if abandon {
            self.abandon_actions(shared, number, "ABANDONED");
        }
        let busy = self.executions.get(&number).is_some_and(|execution| {
            position.is_some_and(|stage| execution.any(stage, ActionStatus::InProgress))
        });
        if !busy {
            self.finish_stop(shared, number);
        }
        Ok(())
    }

    /// Abandons the actions in progress. Their work outside continues, and its results are ignored.
    fn abandon_actions(&mut self, shared: &mut SharedState, number: u64, state: events::State) {
        let Some(execution) = self.executions.get(&number) else {
            return;
        };
        let stages = 0..execution.stages.len();
        let given_up: Vec<usize> = stages
            .flat_map(|stage| execution.current(stage))
            .filter(|(_, run)| run.status() == ActionStatus::InProgress)
            .map(|(index, _)| index)
            .collect();
        for index in given_up {
            let run = self
                .executions
                .get_mut(&number)
                .and_then(|it| it.runs.get_mut(index));
            if let Some(run) = run {
                let lag = shared.options.state_lag_ms;
                run.state
                    .edit(shared.now, lag, |it| it.status = ActionStatus::Abandoned);
            }
            self.tell_action(shared, number, index, state);
        }
    }

    pub(super) fn finish_stop(&mut self, shared: &mut SharedState, number: u64) {
        let stage = self.step_out(shared, number);
        if let Some(stage) = stage {
            self.set_stage(shared, number, stage, StageStatus::Stopped);
            self.tell_stage(shared, number, stage, "STOPPED");
        }
        self.set_execution(shared, number, ExecutionStatus::Stopped);
        self.tell_pipeline(shared, number, "STOPPED");
        if let Some(stage) = stage {
            self.release(shared, number, stage);
        }
    }

    /// Removes an execution from its stage and from the stage it waits for. Returns the stage it was in.
    fn step_out(&mut self, shared: &SharedState, number: u64) -> Option<usize> {
        let execution = self.executions.get_mut(&number)?;
        let (position, waiting) = (execution.position.take(), execution.waiting.take());
        if let Some(run) = position.and_then(|it| execution.stage_mut(it)) {
            run.pending = None;
        }
        if let Some(lane) = waiting.and_then(|stage| self.lane_of(number, stage)) {
            let lag = shared.options.state_lag_ms;
            lane.inbound.edit(shared.now, lag, |it| {
                it.retain(|waiting| *waiting != number)
            });
        }
        position
    }

    /// Adopts a new version of the structure.
    // AWS: a change of the stages cancels running executions, CANCELED "because the pipeline structure was updated"
    // (documented).
    pub(super) fn update(&mut self, shared: &mut SharedState, declaration: Declaration) {
        let cancels = !declaration.same_structure(&self.declaration);
        if cancels {
            // INVARIANT: no waiting execution enters a stage that is free only because its occupant is being
            // cancelled.
            for lane in self.lanes.values_mut() {
                lane.inbound
                    .set(shared.now, shared.options.state_lag_ms, Vec::new());
            }
            let waiting_for_retry = self.executions.iter().filter(|(_, execution)| {
                let stage = execution.position.and_then(|it| execution.stage(it));
                stage.is_some_and(|it| it.pending == Some(Pending::AutomaticRetry))
            });
            let waiting_for_retry: Vec<u64> =
                waiting_for_retry.map(|(number, _)| *number).collect();
            for number in self.running.clone() {
                self.cancel(shared, number);
            }
            for number in waiting_for_retry {
                self.step_out(shared, number);
            }
            for lane in self.lanes.values_mut() {
                lane.occupant = None;
            }
        }
        self.adopt(Arc::new(declaration), shared.now);
    }

    fn cancel(&mut self, shared: &mut SharedState, number: u64) {
        self.abandon_actions(shared, number, "CANCELED");
        if let Some(stage) = self.step_out(shared, number) {
            self.set_stage(shared, number, stage, StageStatus::Cancelled);
            self.tell_stage(shared, number, stage, "CANCELED");
        }
        self.set_execution(shared, number, ExecutionStatus::Cancelled);
        self.tell_pipeline(shared, number, "CANCELED");
    }
}
