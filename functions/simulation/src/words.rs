//! Short texts for people at a terminal. The deployed functions never print them, since they may contain text by the
//! author of a state machine or a pipeline.

use redrive_core::event::ParsedEvent;
use redrive_core::failure::{FailedAction, FailureDetail, Field};

/// Returns a short text for a failure: the error's name, or the failed action and its code.
pub fn failed(parsed: &ParsedEvent) -> Option<String> {
    let ParsedEvent::Failure(failure) = parsed else {
        return None;
    };
    match &failure.detail {
        FailureDetail::Execution(execution) => Some(match &execution.error {
            Field::Known(error) => error.clone(),
            Field::Redacted => "(redacted)".into(),
            Field::Unknown => "(not in the event)".into(),
            Field::Absent => "(no error)".into(),
        }),
        FailureDetail::Stage(stage) => Some(
            stage
                .announced
                .as_ref()
                .map_or_else(|| "the stage".into(), action),
        ),
    }
}

/// Returns an action's text, for example `Compile (CodeBuild JobFailed)`.
pub fn action(action: &FailedAction) -> String {
    let details: Vec<&str> = [&action.provider, &action.error_code]
        .into_iter()
        .filter_map(|field| field.known())
        .map(String::as_str)
        .collect();
    if details.is_empty() {
        action.action.clone()
    } else {
        format!("{} ({})", action.action, details.join(" "))
    }
}
