//! What CodePipeline says of a failure.

use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;

use crate::policy::Field;
use crate::target_state::TargetState;
use crate::time::Time;
use crate::verdict::Reason;

/// A stage whose failure was announced, and what CodePipeline says of it once asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedStage {
    /// The failed action that the event itself describes, when it was an action's event.
    pub announced: Option<FailedAction>,
    /// The stage as CodePipeline shows it now.
    pub snapshot: Field<StageSnapshot>,
}

/// A stage as read from CodePipeline: the truth that an event only announces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageSnapshot {
    /// The stage's status in this pipeline execution.
    pub status: StageStatus,
    /// The pipeline execution is a rollback, by a person or by the pipeline.
    pub rollback: bool,
    /// The pipeline execution is being stopped, or was.
    pub stopped: bool,
    /// A later execution has entered the stage. In PARALLEL mode none ever does.
    pub superseded: bool,
    /// The pipeline was edited since this execution started.
    pub structure_changed: bool,
    /// Actions of the stage that still run.
    pub in_progress: u32,
    /// Whether runs of its actions are listed: they may be late, or no longer there, and an entry condition fails a
    /// stage without any.
    pub listed: bool,
    /// Retries were counted whose runs are not listed: what failed last may be among those.
    pub runs_behind: bool,
    /// The action executions in which they do.
    pub running: BTreeSet<String>,
    /// How often the stage was retried in this execution, by whomever: what `retryStageMetadata` says.
    pub retried: u32,
    /// The stage retries itself once (`onFailure: RETRY`), and has not done so yet.
    pub retries_itself: bool,
    /// The failed actions, the latest run of each.
    pub failed: Vec<FailedAction>,
    /// When the last of them failed.
    pub failed_at: Option<Time>,
}

/// A stage's status, as CodePipeline names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StageStatus {
    /// The only one in which a stage is retried.
    Failed,
    /// It runs, perhaps since somebody retried it.
    InProgress,
    /// It succeeded after all.
    Succeeded,
    /// A person stops it.
    Stopping,
    /// A person stopped it.
    Stopped,
    /// The pipeline was edited under it.
    Cancelled,
    /// A condition skipped it.
    Skipped,
}

/// One failed action of a stage.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FailedAction {
    /// The action's name.
    pub action: String,
    /// `action-execution-id`; absent in events of before 2023.
    pub id: Option<String>,
    /// Source, Build, Deploy, Test, Invoke, Approval or Compute.
    pub category: Field<String>,
    /// For example CodeBuild.
    pub provider: Field<String>,
    /// For example JobFailed. The code hardly classifies, the summary does.
    pub error_code: Field<String>,
    /// `errorDetails.message`, or `external-execution-summary` of the event. It may hold secrets.
    pub summary: Field<String>,
}

impl StageSnapshot {
    /// Why a stage is not one to judge, if it is not.
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
            // Once the pipeline is edited it retries nothing.
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

    /// How the stage stands to a claim on the failure of the actions `ids`, before which those of `earlier`
    /// failed. None: it is shown as it was before that failure, since CodePipeline's answers may lag behind.
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
            // What failed is not run again by itself, so that an action beside it has not ended yet.
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
            // Who claimed has seen actions fail.
            None if !self.listed => return None,
            None if failed_in => TargetState::Unchanged,
            None if before() => return None,
            // Other actions failed: it was retried since.
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

/// Why a stage is judged and not retried, whatever the rules say.
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
