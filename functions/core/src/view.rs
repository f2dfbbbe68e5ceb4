//! Converts failures to the views that a policy's conditions match.

use alloc::vec::Vec;

use redrive_policy::{ConditionKey, FailureView, Field, Service};

use crate::cause::Ended;
use crate::failure::{FailedAction, FailedExecution, FailedStage, Failure, FailureDetail, Need};
use crate::services;

impl Failure {
    /// Returns the views that rules match. An execution has one view, and a stage has one for each failed action. A
    /// stage without a snapshot has one view, without an action unless the event announced one.
    #[must_use]
    pub fn views(&self) -> Vec<FailureView<'_>> {
        self.views_of(&self.ended())
    }

    /// Reads how the work under each view ended. Each cause is parsed here, and nowhere else.
    pub(crate) fn ended(&self) -> Vec<Ended> {
        match &self.detail {
            FailureDetail::Execution(execution) => [execution.ended()].into(),
            FailureDetail::Stage(stage) => {
                let ended =
                    |action: Option<&FailedAction>| action.map(Ended::action).unwrap_or_default();
                stage.actions().map(ended).collect()
            }
        }
    }

    /// Returns [`views`](Self::views) from what [`ended`](Self::ended) returned.
    pub(crate) fn views_of(&self, ended: &[Ended]) -> Vec<FailureView<'_>> {
        match &self.detail {
            FailureDetail::Execution(execution) => {
                ended.iter().map(|ended| execution.view_of(ended)).collect()
            }
            FailureDetail::Stage(failed) => {
                let stage = self.subject.arn().rsplit('/').next().unwrap_or_default();
                let pairs = failed.actions().zip(ended);
                pairs
                    .map(|(action, ended)| view_of_action(stage, action, ended))
                    .collect()
            }
        }
    }
}

impl FailedStage {
    /// Returns the failed actions to judge: those of the snapshot, or the announced one. Without both, one unknown
    /// action.
    fn actions(&self) -> impl Iterator<Item = Option<&FailedAction>> {
        let (failed, announced) = match &self.snapshot {
            Field::Known(snapshot) => (snapshot.failed.as_slice(), None),
            _ => (&[][..], Some(self.announced.as_ref())),
        };
        failed.iter().map(Some).chain(announced)
    }
}

impl FailedExecution {
    /// Returns the view of the execution.
    #[must_use]
    pub fn view(&self) -> FailureView<'_> {
        self.view_of(&self.ended())
    }

    fn ended(&self) -> Ended {
        Ended::execution(self.status, self.error.as_text(), self.cause.as_text())
    }

    fn view_of(&self, ended: &Ended) -> FailureView<'_> {
        FailureView {
            status: Field::Known(self.status.as_str()),
            error: self.error.as_text(),
            cause: self.cause.as_text(),
            state: self.state.as_text(),
            resource: self.resource.as_text(),
            ..of_end(Service::StepFunctions, ended)
        }
    }
}

/// Returns the view of a failed action of a stage. Without an action, the view knows only the stage.
#[must_use]
pub fn of_action<'a>(stage: &'a str, action: Option<&'a FailedAction>) -> FailureView<'a> {
    let ended = action.map(Ended::action).unwrap_or_default();
    view_of_action(stage, action, &ended)
}

fn view_of_action<'a>(
    stage: &'a str,
    action: Option<&'a FailedAction>,
    ended: &Ended,
) -> FailureView<'a> {
    let stage = Field::Known(stage);
    let Some(action) = action else {
        return FailureView {
            stage,
            ..FailureView::unknown(Service::CodePipeline)
        };
    };
    FailureView {
        stage,
        action: Field::Known(action.action.as_str()),
        category: action.category.as_text(),
        provider: action.provider.as_text(),
        error_code: action.error_code.as_text(),
        summary: action.summary.as_text(),
        ..of_end(Service::CodePipeline, ended)
    }
}

/// Returns a view with only the platform's account of how the work ended.
fn of_end<'a>(service: Service, ended: &Ended) -> FailureView<'a> {
    FailureView {
        exit_status: ended.exit_status,
        signal: ended.signal,
        signal_reason: ended.signal_reason,
        http_status: ended.http_status,
        by_person: ended.by_person,
        ..FailureView::unknown(service)
    }
}

/// Returns the fact to look up for the value of a condition key.
#[must_use]
pub const fn need(key: ConditionKey, service: Service) -> Need {
    match (key, service) {
        (ConditionKey::State | ConditionKey::Resource, _) => Need::FailedState,
        (_, service) => services::row(service).read,
    }
}
