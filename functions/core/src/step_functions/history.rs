//! Reads an execution's history from its end: the state that failed, the resource it called, and whether it was a
//! Fail state.
//!
//! Neither the event nor DescribeExecution shows a Fail state, since a Fail state may have any error, even one copied
//! from a task. A redriven Fail state ends at once again. The history then has an ExecutionRedriven but no second
//! FailStateEntered, and the chain leads through the redrive to the first. A redriven task is scheduled again without
//! being entered again, so its new TaskScheduled follows from its first entry.
//!
//! The state that failed is the innermost one. Behind a ParallelStateFailed or MapStateFailed, it is the state of the
//! branch or iteration. A Parallel or Map is that state only if it failed by itself: its items could not be read, or
//! a Map Run failed.
//!
//! GetExecutionHistory is eventually consistent. Its answer is trusted only if it shows the end of the run that
//! failed.

use alloc::format;
use alloc::string::String;

use crate::failure::Field;

/// The needed part of one history event: ids, types and names, never inputs, outputs, errors or causes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HistoryEvent {
    /// `id`, from 1 on.
    pub id: u64,
    /// `previousEventId`, the event that led to this one.
    pub previous: u64,
    /// `type`, for example `ExecutionFailed`.
    pub kind: String,
    /// `executionRedrivenEventDetails.redriveCount` of an ExecutionRedriven.
    pub redrive_count: Option<u32>,
    /// `stateEnteredEventDetails.name`, or `evaluationFailedEventDetails.state`.
    pub state: Option<String>,
    /// The resource that a TaskScheduled, LambdaFunctionScheduled or ActivityScheduled calls.
    pub resource: Option<String>,
}

/// Joins the two names of a TaskScheduled's resource: `glue:startJobRun.sync`, `aws-sdk:s3:getObject`, `lambda:invoke`.
///
/// The result is the `Resource` of the Task without `arn:aws:states:::`. The two other events have no `resourceType`.
/// Their `resource` is the ARN of the function or the activity, as in the Task, and stays whole.
#[must_use]
pub fn integration(resource_type: &str, resource: &str) -> String {
    format!("{resource_type}:{resource}")
}

/// The end of an execution's run, as far as some events show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The events show the end.
    Shown {
        /// Whether the run ended in a Fail state.
        fail_state: bool,
        /// The state that failed. It is unknown if the state was entered before these events.
        state: Field<String>,
        /// The resource that the state called. It is unknown if the state is.
        resource: Field<String>,
    },
    /// The events do not reach far enough back.
    FurtherBack,
    /// The events do not show the end of that run. It lies further back, or GetExecutionHistory lags.
    NotYet,
}

/// Returns how the run after `redrive_count` redrives ended. `events` are some of the last events of the history,
/// the newest first.
pub(crate) fn ending(events: &[HistoryEvent], redrive_count: u32) -> Ending {
    let redriven = |event: &&HistoryEvent| event.kind == "ExecutionRedriven";
    // Events from a later redrive on belong to another run.
    let later = events
        .iter()
        .filter(redriven)
        .filter(|event| {
            event
                .redrive_count
                .is_some_and(|count| count > redrive_count)
        })
        .map(|event| event.id)
        .min();
    let own = || {
        events
            .iter()
            .filter(|event| later.is_none_or(|later| event.id < later))
    };
    let Some(end) = own().max_by_key(|event| event.id) else {
        return if later.is_some() {
            Ending::FurtherBack
        } else {
            Ending::NotYet
        };
    };
    if end.kind != "ExecutionFailed" {
        return Ending::NotYet;
    }
    if redrive_count > 0 {
        match own()
            .filter(redriven)
            .max_by_key(|event| event.id)
            .map(|event| event.redrive_count)
        {
            None => return Ending::FurtherBack,
            // The events show the end of an earlier run.
            Some(Some(shown)) if shown < redrive_count => return Ending::NotYet,
            Some(_) => {}
        }
    }
    // The chain passes through the end itself, through redrives, and through states that contain others.
    let mut event = end;
    while matches!(
        event.kind.as_str(),
        "ExecutionFailed"
            | "ExecutionRedriven"
            | "ParallelStateFailed"
            | "MapStateFailed"
            | "MapIterationFailed"
            // A redrive that fails at once leaves the execution where the interruption found it.
            | "ExecutionAborted"
            | "ExecutionTimedOut"
    ) {
        match before(events, event) {
            Before::Shown(earlier) => event = earlier,
            Before::Nothing => return shown(false, None, None),
            Before::FurtherBack => return Ending::FurtherBack,
        }
    }
    let fail_state = event.kind == "FailStateEntered";
    failed_state(events, event).map_or(
        Ending::Shown {
            fail_state,
            state: Field::Unknown,
            resource: Field::Unknown,
        },
        |(state, resource)| shown(fail_state, state, resource),
    )
}

/// Returns the state to which an event belongs and the resource that it called. The search follows the chain back to
/// the event that entered the state. Returns `None` if the events do not reach that far back.
fn failed_state(
    events: &[HistoryEvent],
    from: &HistoryEvent,
) -> Option<(Option<String>, Option<String>)> {
    let (mut state, mut resource) = (None, None);
    let mut event = from;
    loop {
        let kind = event.kind.as_str();
        // An EvaluationFailed names its state itself. Its chain leads past that state's entry, since both follow from
        // the same event.
        state = state.or(event.state.as_ref());
        resource = resource.or(event.resource.as_ref());
        // A state that was left did not fail. Events before the first state of an iteration do not belong to that
        // iteration.
        let over = kind.ends_with("StateExited") || kind == "MapIterationStarted";
        if over || kind.ends_with("StateEntered") {
            break;
        }
        let earlier = match before(events, event) {
            Before::Shown(earlier) => earlier,
            Before::Nothing => break,
            Before::FurtherBack => return None,
        };
        // A Parallel or Map that starts after anything but its entry may follow an earlier attempt of itself. The
        // states of that attempt did not fail now.
        let opens = matches!(kind, "ParallelStateStarted" | "MapStateStarted");
        if opens && !earlier.kind.ends_with("StateEntered") {
            break;
        }
        event = earlier;
    }
    Some((state.cloned(), resource.cloned()))
}

fn shown(fail_state: bool, state: Option<String>, resource: Option<String>) -> Ending {
    Ending::Shown {
        fail_state,
        state: Field::from_option(state),
        resource: Field::from_option(resource),
    }
}

enum Before<'e> {
    Shown(&'e HistoryEvent),
    Nothing,
    FurtherBack,
}

/// Returns the event that led to another.
///
/// Each event has a smaller id than its successor, so the search never goes round in a circle. A chain may be as long
/// as the history, so each step is a binary search.
fn before<'e>(events: &'e [HistoryEvent], event: &HistoryEvent) -> Before<'e> {
    let previous = match event.kind.as_str() {
        // AWS gives an interruption no previous event. The event before it shows where the execution stood.
        "ExecutionAborted" | "ExecutionTimedOut" if event.previous == 0 => {
            event.id.saturating_sub(1)
        }
        _ => event.previous,
    };
    if previous == 0 || previous >= event.id {
        return Before::Nothing;
    }
    events
        .binary_search_by(|earlier| previous.cmp(&earlier.id))
        .ok()
        .and_then(|place| events.get(place))
        .map_or(Before::FurtherBack, Before::Shown)
}

#[cfg(test)]
mod tests;
