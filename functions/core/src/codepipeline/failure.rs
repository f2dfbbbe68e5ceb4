//! A failed CodePipeline stage, as events and read calls describe it.

use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;

use crate::policy::Field;
use crate::target_state::TargetState;
use crate::time::Time;
use crate::verdict::Reason;

/// A stage whose failure was announced, and its snapshot once CodePipeline was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedStage {
    /// The failed action that the event describes, if it is an action event.
    pub announced: Option<FailedAction>,
    /// The stage as CodePipeline shows it now.
    pub snapshot: Field<StageSnapshot>,
}

/// A stage as read from CodePipeline. The snapshot decides, the event only announces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageSnapshot {
    /// The stage's status in this pipeline execution.
    pub status: StageStatus,
    /// Whether the pipeline execution is a rollback, by a person or by the pipeline.
    pub rollback: bool,
    /// Whether the pipeline execution is being stopped, or was stopped.
    pub stopped: bool,
    /// Whether a later execution has entered the stage. In PARALLEL mode none ever does.
    pub superseded: bool,
    /// Whether the pipeline was edited since this execution started.
    pub structure_changed: bool,
    /// Number of actions of the stage that still run.
    pub in_progress: u32,
    /// Whether runs of its actions are listed. They may be listed late, or no longer. A stage that fails by an entry
    /// condition has none.
    pub listed: bool,
    /// Whether retries are counted whose runs are not listed. The latest failure may be among the missing runs.
    pub runs_behind: bool,
    /// The ids of the action executions that still run.
    pub running: BTreeSet<String>,
    /// How often the stage was retried in this execution, by any caller (`retryStageMetadata`).
    pub retried: u32,
    /// Whether the stage retries itself once (`onFailure: RETRY`) and has not done so yet.
    pub retries_itself: bool,
    /// The actions whose latest run failed, with that run.
    pub failed: Vec<FailedAction>,
    /// The time of the latest failure among them.
    pub failed_at: Option<Time>,
}

/// A stage's status, as CodePipeline names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StageStatus {
    /// The stage failed. CodePipeline retries a stage in no other status.
    Failed,
    /// The stage runs, perhaps because a person retried it.
    InProgress,
    /// The stage succeeded after all.
    Succeeded,
    /// A person is stopping the stage.
    Stopping,
    /// A person stopped the stage.
    Stopped,
    /// The pipeline was edited while the stage ran.
    Cancelled,
    /// A condition skipped the stage.
    Skipped,
}

/// One failed action of a stage.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FailedAction {
    /// The action's name.
    pub action: String,
    /// `action-execution-id`. Events from before 2023 have none.
    pub id: Option<String>,
    /// Source, Build, Deploy, Test, Invoke, Approval or Compute.
    pub category: Field<String>,
    /// The provider, for example CodeBuild.
    pub provider: Field<String>,
    /// The error code. It is nearly always JobFailed, so the summary classifies a failure.
    pub error_code: Field<String>,
    /// `errorDetails.message`, or the event's `external-execution-summary`. It may contain secrets.
    pub summary: Field<String>,
}

impl StageSnapshot {
    /// Returns the snapshot of a stage that failed by the actions `failed`. Its runs are listed, none still runs, and
    /// nothing but the policy speaks against a retry.
    #[must_use]
    pub const fn failed(failed: Vec<FailedAction>) -> Self {
        Self {
            status: StageStatus::Failed,
            rollback: false,
            stopped: false,
            superseded: false,
            structure_changed: false,
            in_progress: 0,
            listed: true,
            runs_behind: false,
            running: BTreeSet::new(),
            retried: 0,
            retries_itself: false,
            failed,
            failed_at: None,
        }
    }

    /// Returns why the stage is not to be judged, if so.
    #[must_use]
    pub fn not_ours(&self) -> Option<Reason> {
        if self.stopped {
            return Some(Reason::Stopped);
        }
        if self.superseded {
            return Some(Reason::Superseded);
        }
        match self.status {
            StageStatus::Failed if self.in_progress > 0 => Some(Reason::ActionsInProgress),
            // AWS: a stage cannot be retried after its pipeline was edited (RetryStageExecution, CodePipeline API
            // Reference).
            StageStatus::Failed if self.retries_itself && !self.structure_changed => {
                Some(Reason::RetriesItself)
            }
            StageStatus::Failed => None,
            StageStatus::InProgress if !self.failed.is_empty() => Some(Reason::ActionsInProgress),
            StageStatus::InProgress => Some(Reason::Running),
            StageStatus::Succeeded => Some(Reason::Succeeded),
            StageStatus::Stopping => Some(Reason::Stopping),
            StageStatus::Stopped => Some(Reason::Stopped),
            StageStatus::Cancelled => Some(Reason::Canceled),
            StageStatus::Skipped => Some(Reason::Skipped),
        }
    }

    /// Returns how the stage relates to a claim on the failure of the actions `ids`. `earlier` are the action
    /// executions that failed before those. Returns `None` if the snapshot shows a state from before the failure.
    // RACE: the read against CodePipeline's own lag. An answer may show the stage as it was before the claimed failure.
    #[must_use]
    pub fn compared(
        &self,
        ids: &BTreeSet<String>,
        earlier: &BTreeSet<&str>,
    ) -> Option<TargetState> {
        let failed = || self.failed.iter().filter_map(|action| action.id.as_ref());
        let failed_in = failed().any(|id| ids.contains(id));
        let was = |id: &String| earlier.contains(id.as_str());
        let before =
            || !self.running.is_disjoint(ids) || self.running.iter().any(was) || failed().any(was);
        Some(match self.not_ours() {
            Some(Reason::Succeeded) => TargetState::Succeeded,
            // A failed action does not run again by itself. So another action of the stage has not ended yet.
            Some(Reason::Running | Reason::ActionsInProgress)
                if failed_in || before() || !self.listed =>
            {
                return None;
            }
            Some(Reason::Running | Reason::ActionsInProgress) => {
                TargetState::Advanced(self.retried)
            }
            Some(reason) => TargetState::Terminated(reason),
            None if self.structure_changed => TargetState::Terminated(Reason::StructureChanged),
            None if self.rollback => TargetState::Terminated(Reason::Rollback),
            // The claim is on failed actions, so a list without runs is too old or too late.
            None if !self.listed => return None,
            None if failed_in => TargetState::Unchanged,
            None if before() => return None,
            // Other actions failed, so the stage was retried since.
            None => TargetState::Advanced(self.retried),
        })
    }
}

fn is_approval(action: &FailedAction) -> bool {
    action
        .category
        .known()
        .is_some_and(|category| category.eq_ignore_ascii_case("Approval"))
}

/// Returns why a stage is not retried, whatever the rules say.
pub(crate) fn stage_refused(stage: &FailedStage) -> Option<Reason> {
    let Some(snapshot) = stage.snapshot.known() else {
        let approval = stage.announced.as_ref().is_some_and(is_approval);
        return approval.then_some(Reason::ApprovalRejected);
    };
    if snapshot.failed.iter().any(is_approval) {
        Some(Reason::ApprovalRejected)
    } else if snapshot.rollback {
        Some(Reason::Rollback)
    } else if snapshot.failed.is_empty() {
        Some(Reason::NoFailedAction)
    } else if snapshot.structure_changed {
        Some(Reason::StructureChanged)
    } else {
        None
    }
}
