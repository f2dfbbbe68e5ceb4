//! The runs of actions: their start and their end.

use std::sync::Arc;

use super::execution::{ActionRun, ActionStatus, RunState};
use super::lagged::Lagged;
use super::pipeline::Pipeline;
use super::script::{ErrorDetails, ExternalResult, Outcome, Subject};
use super::shared::{Due, SharedState};

impl Pipeline {
    /// Starts the actions of the lowest run order that has not run yet. Returns false if there is none.
    pub(super) fn start_next(
        &mut self,
        shared: &mut SharedState,
        number: u64,
        stage: usize,
    ) -> bool {
        let Some(execution) = self.executions.get(&number) else {
            return false;
        };
        let (Some(declared), Some(run)) = (
            execution.declaration.stages.get(stage),
            execution.stage(stage),
        ) else {
            return false;
        };
        let open = declared.actions.iter().enumerate().zip(&run.current);
        let open: Vec<_> = open
            .filter(|(_, run)| run.is_none())
            .map(|(it, _)| it)
            .collect();
        let Some(order) = open.iter().map(|(_, it)| it.run_order).min() else {
            return false;
        };
        let next: Vec<usize> = open
            .iter()
            .filter(|(_, it)| it.run_order == order)
            .map(|(index, _)| *index)
            .collect();
        for action in next {
            self.start_action(shared, number, stage, action);
        }
        true
    }

    pub(super) fn start_action(
        &mut self,
        shared: &mut SharedState,
        number: u64,
        stage: usize,
        action: usize,
    ) {
        let lag = shared.options.state_lag_ms;
        let row = self.rows.len();
        let Some(execution) = self.executions.get_mut(&number) else {
            return;
        };
        let declaration = Arc::clone(&execution.declaration);
        let (Some(declared_stage), Some(declared)) = (
            declaration.stages.get(stage),
            declaration.action(stage, action),
        ) else {
            return;
        };
        let subject = Subject::Action(declared_stage.name.clone(), declared.name.clone());
        let outcome = execution.script.take(&subject).unwrap_or_else(|| {
            if declared.is_approval() {
                Outcome::Hang
            } else {
                Outcome::succeed()
            }
        });
        let id = shared.ids.uuid();
        let index = execution.runs.len();
        let retried = execution
            .stage(stage)
            .is_some_and(|it| !it.retries.is_empty());
        let mut result = ExternalResult::default();
        if declared.provider == "CodeBuild" {
            let project = declared
                .configuration
                .get("ProjectName")
                .and_then(|it| it.as_str());
            let build = format!(
                "{}:{}",
                project.unwrap_or(&declared.name),
                shared.ids.uuid()
            );
            let region = declared.region.as_ref().unwrap_or(&shared.place.region);
            result.url = Some(format!(
                "https://console.aws.amazon.com/codebuild/home?region={region}#/builds/{build}/view/new"
            ));
            result.id = Some(build);
        }
        if let Outcome::Succeed { result: given, .. } | Outcome::Fail { result: given, .. } =
            &outcome
        {
            result.id = given.id.clone().or(result.id);
            result.url = given.url.clone().or(result.url);
        }
        let state = RunState {
            status: ActionStatus::InProgress,
            error: None,
            result: Arc::new(result),
        };
        execution.updated = shared.now;
        execution.runs.push(ActionRun {
            id: id.clone(),
            stage,
            action,
            row,
            started: shared.now,
            retried,
            state: Lagged::new(shared.now, state),
        });
        if let Some(place) = execution
            .stage_mut(stage)
            .and_then(|it| it.current.get_mut(action))
        {
            *place = Some(index);
        }
        self.rows.push((number, index));
        if let Some(lane) = self.lanes.get_mut(&declared_stage.name) {
            lane.runs
                .entry(declared.name.clone())
                .and_modify(|it| it.set(shared.now, lag, (number, index)))
                .or_insert_with(|| Lagged::new(shared.now, (number, index)));
        }
        if declared.is_approval() {
            self.approvals.insert(id, (number, index));
        }
        self.tell_action(shared, number, index, "STARTED");
        self.schedule_end(shared, number, index, outcome);
    }

    pub(super) fn schedule_end(
        &self,
        shared: &mut SharedState,
        number: u64,
        run: usize,
        outcome: Outcome,
    ) {
        if let Outcome::Succeed { after_ms, .. } | Outcome::Fail { after_ms, .. } = &outcome {
            let after = after_ms.unwrap_or(shared.options.action_ms);
            shared.schedule(after, &self.name, number, Due::Action(run, outcome));
        }
    }

    /// Ends a run, unless the run was abandoned meanwhile.
    pub(super) fn end_action(
        &mut self,
        shared: &mut SharedState,
        number: u64,
        index: usize,
        outcome: Outcome,
    ) {
        let lag = shared.options.state_lag_ms;
        let Some(execution) = self.executions.get_mut(&number) else {
            return;
        };
        let Some(run) = execution.runs.get_mut(index) else {
            return;
        };
        if run.status() != ActionStatus::InProgress {
            return;
        }
        let (given, error): (ExternalResult, Option<ErrorDetails>) = match outcome {
            Outcome::Succeed { result, .. } => (result, None),
            Outcome::Fail { result, error, .. } => (result, Some(error)),
            Outcome::Hang => return,
        };
        let stage = run.stage;
        let failed = error.is_some();
        run.state.edit(shared.now, lag, |state| {
            state.status = if failed {
                ActionStatus::Failed
            } else {
                ActionStatus::Succeeded
            };
            state.error = error.map(Arc::new);
            if given != ExternalResult::default() {
                let known = &state.result;
                state.result = Arc::new(ExternalResult {
                    id: given.id.or_else(|| known.id.clone()),
                    url: given.url.or_else(|| known.url.clone()),
                    summary: given.summary,
                });
            }
        });
        execution.updated = shared.now;
        if !failed {
            self.tell_action(shared, number, index, "SUCCEEDED");
        }
        self.go_on(shared, number, stage, failed.then_some(index));
    }
}
