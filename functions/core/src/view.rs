//! Converts failures to the views that a policy's conditions match.

use alloc::string::String;
use alloc::vec::Vec;

use redrive_policy::{ConditionKey, FailureView, Field, Service, Source};

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
        let mut view = of_end(Service::StepFunctions, ended, &self.cause);
        let values = &mut view.values;
        values.set(ConditionKey::Status, Field::Known(self.status.as_str()));
        values.set(ConditionKey::Error, self.error.as_text());
        values.set(ConditionKey::Cause, self.cause.as_text());
        values.set(ConditionKey::State, self.state.as_text());
        values.set(ConditionKey::Resource, self.resource.as_text());
        view
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
    let mut view = match action {
        Some(action) => of_end(Service::CodePipeline, ended, &action.summary),
        None => FailureView::unknown(Service::CodePipeline),
    };
    let values = &mut view.values;
    values.set(ConditionKey::Stage, Field::Known(stage));
    if let Some(action) = action {
        let name = Field::Known(action.action.as_str());
        values.set(ConditionKey::Action, name);
        values.set(ConditionKey::Category, action.category.as_text());
        values.set(ConditionKey::Provider, action.provider.as_text());
        values.set(ConditionKey::ErrorCode, action.error_code.as_text());
        values.set(ConditionKey::Summary, action.summary.as_text());
    }
    view
}

/// Returns a view with only the platform's account of how the work ended.
fn of_end<'a>(service: Service, ended: &Ended, text: &'a Field<String>) -> FailureView<'a> {
    FailureView {
        service,
        values: ended.values(text.known().map_or("", String::as_str)),
        by_person: ended.by_person,
    }
}

/// Returns the fact to look up for the value of a condition key.
#[must_use]
pub const fn need(key: ConditionKey, service: Service) -> Need {
    match key.row().source {
        Source::FailedState => Need::FailedState,
        _ => services::row(service).read,
    }
}
