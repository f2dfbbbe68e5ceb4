//! Builds the [`StageSnapshot`] that is judged from the answers of CodePipeline's read calls.
//!
//! GetPipelineState shows the latest run of each action of *any* execution. So the actions are taken from
//! ListActionExecutions, filtered by execution. GetPipelineState shows which execution owns the stage and how often the
//! stage was retried. Only GetPipeline shows that a stage retries itself.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::failure::{FailedAction, Field, StageSnapshot, StageStatus};
use crate::time::Time;

/// The part of a GetPipelineState answer about one stage.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StageState {
    /// `pipelineVersion`.
    pub pipeline_version: Option<u64>,
    /// `latestExecution.pipelineExecutionId`.
    pub latest_execution_id: Option<String>,
    /// `latestExecution.status`.
    pub latest_status: Option<String>,
    /// Whether `latestExecution.type` is ROLLBACK. The API model has the type, but not every answer does.
    pub rollback: Option<bool>,
    /// The latest `lastStatusChange` of the runs of its actions.
    pub changed: Option<Time>,
    /// Automatic attempts, by `retryStageMetadata`.
    pub automatic_attempts: u32,
    /// Manual attempts, by `retryStageMetadata`. API calls count as manual.
    pub manual_attempts: u32,
}

/// The needed part of a GetPipelineExecution answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PipelineExecution {
    /// `status`.
    pub status: Option<String>,
    /// Whether `executionType` is ROLLBACK.
    pub rollback: bool,
}

impl PipelineExecution {
    /// Adds the status and type of the pipeline execution to a snapshot. A stop of the pipeline execution counts as a
    /// stop of the stage in which it stood.
    pub(crate) fn apply_to(&self, snapshot: &mut StageSnapshot) {
        snapshot.rollback = self.rollback;
        match self.status.as_deref() {
            Some("Stopped" | "Stopping") => snapshot.stopped = true,
            Some("Superseded") => snapshot.superseded = true,
            _ => {}
        }
    }
}

/// The part of one pipeline version that only GetPipeline shows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Declaration {
    /// Whether its `executionMode` is PARALLEL.
    pub parallel: bool,
    /// Stages with `onFailure: {result: RETRY}`.
    pub retry_themselves: BTreeSet<String>,
}

/// The cached declarations, by the pipeline's ARN. One version of each is enough, since a pipeline has one current
/// version.
#[derive(Debug, Clone, Default)]
pub(crate) struct Declarations(BTreeMap<String, (u64, Declaration)>);

/// Maximum number of pipelines in memory; an account has a thousand. When it is reached, the cache is cleared and
/// pipelines are read again.
const MAX_PIPELINES: usize = 10_000;

impl Declarations {
    /// Returns the cached declaration of a pipeline in a version.
    pub(crate) fn known(&self, pipeline: &str, version: Option<u64>) -> Option<&Declaration> {
        let (known, declaration) = self.0.get(pipeline)?;
        (Some(*known) == version).then_some(declaration)
    }

    /// Caches the declaration of a version.
    pub(crate) fn learn(&mut self, pipeline: &str, version: u64, declaration: Declaration) {
        if self.0.len() >= MAX_PIPELINES && !self.0.contains_key(pipeline) {
            self.0.clear();
        }
        self.0.insert(pipeline.to_string(), (version, declaration));
    }
}

/// One row of ListActionExecutions, which is one run of one action.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ActionRun {
    /// `stageName`.
    pub stage: String,
    /// The action, with the outcome of its run.
    pub action: FailedAction,
    /// `status`: InProgress, Abandoned, Succeeded or Failed.
    pub status: String,
    /// `lastUpdateTime`, the end of a run that has ended.
    pub updated: Option<Time>,
    /// `pipelineVersion` at the time of the run.
    pub pipeline_version: Option<u64>,
}

/// Builds the snapshot of a stage in `execution_id`. `runs` are the stage's rows, newest first, as ListActionExecutions
/// returns them. Returns `None` if nothing in the answers is about that execution.
pub(crate) fn snapshot(
    state: &StageState,
    declaration: &Declaration,
    stage: &str,
    runs: &[ActionRun],
    execution_id: &str,
) -> Option<StageSnapshot> {
    let mut latest: Vec<&ActionRun> = Vec::new();
    for run in runs {
        if !latest
            .iter()
            .any(|other| other.action.action == run.action.action)
        {
            latest.push(run);
        }
    }
    let count = |status: &str| latest.iter().filter(|run| run.status == status).count();
    let in_progress = u32::try_from(count("InProgress")).unwrap_or(u32::MAX);
    // In PARALLEL mode GetPipelineState may show no execution, or any one. Only the runs show this one.
    let owns = state.latest_execution_id.as_deref() == Some(execution_id);
    let others = state.latest_execution_id.is_some() && !owns;
    if runs.is_empty() && !owns && (declaration.parallel || !others) {
        return None;
    }
    let retried = if owns {
        state
            .automatic_attempts
            .saturating_add(state.manual_attempts)
    } else {
        retried_by_runs(runs)
    };
    // Runs do not show who retried a stage. Without GetPipelineState, any retry counts as the stage's own.
    let retried_itself = if owns {
        state.automatic_attempts
    } else {
        retried
    } > 0;
    let by_runs = || match (in_progress, count("Failed"), count("Abandoned")) {
        (1.., _, _) => StageStatus::InProgress,
        (0, 1.., _) => StageStatus::Failed,
        (0, 0, 1..) => StageStatus::Stopped,
        // All listed runs succeeded, but actions of a later runOrder may not have started.
        (0, 0, 0) => StageStatus::InProgress,
    };
    let status = if owns {
        state.latest_status.as_deref().and_then(read_status)
    } else {
        None
    }
    .unwrap_or_else(by_runs);
    let failed = || latest.iter().filter(|run| run.status == "Failed");
    // Each retry adds a row.
    let runs_behind =
        runs.len().saturating_sub(latest.len()) < usize::try_from(retried).unwrap_or(usize::MAX);
    let failed_at = failed().filter_map(|run| run.updated).max();
    Some(StageSnapshot {
        status,
        rollback: owns && state.rollback == Some(true),
        stopped: owns && matches!(status, StageStatus::Stopped | StageStatus::Stopping),
        superseded: others && !declaration.parallel,
        structure_changed: latest.iter().any(|run| {
            matches!((run.pipeline_version, state.pipeline_version), (Some(then), Some(now)) if then != now)
        }),
        in_progress,
        listed: !runs.is_empty(),
        runs_behind,
        running: latest
            .iter()
            .filter(|run| run.status == "InProgress")
            .filter_map(|run| run.action.id.clone())
            .collect(),
        retried,
        retries_itself: declaration.retry_themselves.contains(stage) && !retried_itself,
        failed: failed()
            .map(|run| FailedAction { summary: said(&run.action), ..run.action.clone() })
            .collect(),
        // The run that failed last may not be listed yet, so the stage's last change counts too.
        failed_at: if runs_behind { failed_at.max(state.changed) } else { failed_at },
    })
}

/// Returns the number of retries by the runs. Each retry adds a row, so the count is the most runs of any one action,
/// minus the first.
fn retried_by_runs(runs: &[ActionRun]) -> u32 {
    let most = runs
        .iter()
        .map(|run| {
            runs.iter()
                .filter(|other| other.action.action == run.action.action)
                .count()
        })
        .max()
        .unwrap_or_default();
    u32::try_from(most.saturating_sub(1)).unwrap_or(u32::MAX)
}

/// Returns the summary of a row. A row without a summary has none, so it is absent and not unknown.
fn said(action: &FailedAction) -> Field<String> {
    match &action.summary {
        Field::Unknown => Field::Absent,
        field => field.clone(),
    }
}

fn read_status(status: &str) -> Option<StageStatus> {
    Some(match status {
        "Failed" => StageStatus::Failed,
        "InProgress" => StageStatus::InProgress,
        "Succeeded" => StageStatus::Succeeded,
        "Stopping" => StageStatus::Stopping,
        "Stopped" => StageStatus::Stopped,
        // AWS: the API writes Cancelled, events write CANCELED.
        "Cancelled" | "Canceled" => StageStatus::Cancelled,
        "Skipped" => StageStatus::Skipped,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stands(state: &StageState, runs: &[ActionRun]) -> StageSnapshot {
        declared(&Declaration::default(), state, runs)
    }

    fn declared(
        declaration: &Declaration,
        state: &StageState,
        runs: &[ActionRun],
    ) -> StageSnapshot {
        snapshot(state, declaration, "Build", runs, "e1").unwrap()
    }

    fn run(action: &str, id: &str, status: &str) -> ActionRun {
        ActionRun {
            stage: "Build".into(),
            action: FailedAction {
                action: action.into(),
                id: Some(id.into()),
                ..FailedAction::default()
            },
            status: status.into(),
            updated: None,
            pipeline_version: Some(3),
        }
    }

    fn state() -> StageState {
        StageState {
            pipeline_version: Some(3),
            latest_execution_id: Some("e1".into()),
            latest_status: Some("Failed".into()),
            ..StageState::default()
        }
    }

    #[test]
    fn it_failed_when_the_last_of_the_failed_actions_did() {
        let ended = |millis, run: ActionRun| ActionRun {
            updated: Some(Time::from_millis(millis)),
            ..run
        };
        let runs = [
            ended(9, run("Lint", "l1", "Succeeded")),
            ended(7, run("Unit", "u2", "Failed")),
            ended(5, run("Load", "d1", "Failed")),
            // An earlier run of an action that is listed above.
            ended(8, run("Unit", "u1", "Failed")),
        ];
        let shown = stands(&state(), &runs);
        assert_eq!(shown.failed_at, Some(Time::from_millis(7)));
        assert!(shown.listed);
        let unlisted = stands(&state(), &[]);
        assert_eq!((unlisted.failed_at, unlisted.listed), (None, false));
    }

    #[test]
    fn counted_retry_without_listed_runs_is_behind() {
        let itself = StageState {
            automatic_attempts: 1,
            ..state()
        };
        let first = [run("Unit", "u1", "Failed"), run("Lint", "l1", "Succeeded")];
        assert!(!stands(&state(), &first).runs_behind);
        assert!(stands(&itself, &first).runs_behind);
        let both = [&[run("Unit", "u2", "Failed")], &first[..]].concat();
        assert!(!stands(&itself, &both).runs_behind);
    }

    #[test]
    fn unlisted_failure_has_the_time_of_the_last_change() {
        let first = [ActionRun {
            updated: Some(Time::from_millis(5)),
            ..run("Unit", "u1", "Failed")
        }];
        let changed = Some(Time::from_millis(90));
        let itself = StageState {
            automatic_attempts: 1,
            changed,
            ..state()
        };
        assert_eq!(stands(&itself, &first).failed_at, changed);
        // A listed run has its own time, whatever else changed since.
        let listed = StageState { changed, ..state() };
        assert_eq!(
            stands(&listed, &first).failed_at,
            Some(Time::from_millis(5))
        );
    }

    #[test]
    fn the_latest_run_of_each_action_counts() {
        let runs = [
            run("Unit", "u2", "Failed"),
            run("Lint", "l1", "Succeeded"),
            run("Unit", "u1", "Failed"),
        ];
        let snapshot = stands(&state(), &runs);
        assert_eq!(snapshot.status, StageStatus::Failed);
        assert_eq!(
            snapshot
                .failed
                .iter()
                .map(|action| action.id.as_deref())
                .collect::<Vec<_>>(),
            [Some("u2")]
        );
    }

    #[test]
    fn a_later_execution_owns_the_stage_except_in_parallel_mode() {
        let runs = [run("Unit", "u2", "Failed"), run("Unit", "u1", "Failed")];
        let theirs = StageState {
            latest_execution_id: Some("e2".into()),
            latest_status: Some("InProgress".into()),
            ..state()
        };
        assert!(stands(&theirs, &runs).superseded);
        let parallel = Declaration {
            parallel: true,
            ..Declaration::default()
        };
        let parallel = declared(&parallel, &theirs, &runs);
        assert!(!parallel.superseded);
        assert_eq!(
            (parallel.status, parallel.retried),
            (StageStatus::Failed, 1)
        );
    }

    #[test]
    fn edits_rollbacks_and_automatic_retries_are_detected() {
        let runs = [run("Unit", "u1", "Failed")];
        assert!(
            stands(
                &StageState {
                    pipeline_version: Some(4),
                    ..state()
                },
                &runs
            )
            .structure_changed
        );
        assert!(
            stands(
                &StageState {
                    rollback: Some(true),
                    ..state()
                },
                &runs
            )
            .rollback
        );
        let itself = Declaration {
            retry_themselves: BTreeSet::from(["Build".into()]),
            ..Declaration::default()
        };
        assert!(declared(&itself, &state(), &runs).retries_itself);
        let has_retried = StageState {
            automatic_attempts: 1,
            ..state()
        };
        assert!(!declared(&itself, &has_retried, &runs).retries_itself);
    }
}
