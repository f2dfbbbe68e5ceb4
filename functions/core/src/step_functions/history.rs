//! Reading an execution's history from its end: which state failed, what it had called, and whether it was a
//! Fail state.
//!
//! Neither the event nor DescribeExecution tells: a Fail state may carry any error, even one that it copied
//! from a task. Redriven, it ends at once again, and the history then has an ExecutionRedriven but no second
//! FailStateEntered: the chain goes through it to the first. A redriven task is scheduled again without being
//! entered again: what it is scheduled from is its first entry.
//!
//! The state that failed is the innermost one: behind a ParallelStateFailed or MapStateFailed it is the state
//! of the branch or iteration, and only where a Parallel or Map failed by itself (its items could not be
//! read, a Map Run failed) it is that one.
//!
//! GetExecutionHistory is eventually consistent. What it shows is only trusted once it shows the end of the
//! very run that failed.

use alloc::format;
use alloc::string::String;

use crate::failure::Field;

/// One event of a history, as much of it as is needed: names, never inputs, outputs, errors or causes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HistoryEvent {
    /// Counts from 1.
    pub id: u64,
    /// The event that led to this one.
    pub previous: u64,
    /// For example `ExecutionFailed`.
    pub kind: String,
    /// `executionRedrivenEventDetails.redriveCount` of an ExecutionRedriven.
    pub redrive_count: Option<u32>,
    /// `stateEnteredEventDetails.name`, or `evaluationFailedEventDetails.state`.
    pub state: Option<String>,
    /// What a TaskScheduled, LambdaFunctionScheduled or ActivityScheduled calls.
    pub resource: Option<String>,
}

/// What a TaskScheduled calls, in one text: `glue:startJobRun.sync`, `aws-sdk:s3:getObject`, `lambda:invoke`.
///
/// It is the `Resource` of the Task without `arn:aws:states:::`. The other two events have no resourceType:
/// their `resource` is the ARN of the function or the activity, as the Task has it too, and is left whole.
#[must_use]
pub fn integration(resource_type: &str, resource: &str) -> String {
    format!("{resource_type}:{resource}")
}

/// How an execution ended, as far as its last events tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ending {
    /// These events show the end.
    Shown {
        /// It was in a Fail state.
        fail_state: bool,
        /// The state that failed; unknown where it was entered before these events.
        state: Field<String>,
        /// What that state called; unknown as long as the state is.
        resource: Field<String>,
    },
    /// These events do not reach far enough back.
    FurtherBack,
    /// These events do not show the end of that run: it lies further back, or is not shown yet.
    NotYet,
}

/// How the run of an execution after so many redrives ended, by some of the last events of its history, the
/// newest first.
pub(crate) fn ending(events: &[HistoryEvent], redrive_count: u32) -> Ending {
    let redriven = |event: &&HistoryEvent| event.kind == "ExecutionRedriven";
    // What a later redrive brought is not of that run.
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
            // What is shown is the end of an earlier run.
            Some(Some(shown)) if shown < redrive_count => return Ending::NotYet,
            Some(_) => {}
        }
    }
    // The chain passes through these: the end itself, a redrive, and the states that contain others.
    let mut event = end;
    while matches!(
        event.kind.as_str(),
        "ExecutionFailed"
            | "ExecutionRedriven"
            | "ParallelStateFailed"
            | "MapStateFailed"
            | "MapIterationFailed"
            // What failed at once when redriven stands where it stood when it was interrupted.
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

/// The state to which an event belongs and what it called, by the chain from there to the event that entered
/// it. None: that lies further back.
fn failed_state(
    events: &[HistoryEvent],
    from: &HistoryEvent,
) -> Option<(Option<String>, Option<String>)> {
    let (mut state, mut resource) = (None, None);
    let mut event = from;
    loop {
        let kind = event.kind.as_str();
        // An EvaluationFailed names its state, and follows from what the state's entry followed from: the
        // chain leads past that entry.
        state = state.or(event.state.as_ref());
        resource = resource.or(event.resource.as_ref());
        // A state that was left did not fail, and what lies before the first state of an iteration is not
        // that iteration's.
        let over = kind.ends_with("StateExited") || kind == "MapIterationStarted";
        if over || kind.ends_with("StateEntered") {
            break;
        }
        let earlier = match before(events, event) {
            Before::Shown(earlier) => earlier,
            Before::Nothing => break,
            Before::FurtherBack => return None,
        };
        // What a Parallel or Map started after may be a former try of itself, whose states did not fail now.
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

/// The event that led to another. Each has a smaller id than the one it led to, so that no history can go
/// round in circles; a chain may be as long as the history, so that it is not searched from one end.
fn before<'e>(events: &'e [HistoryEvent], event: &HistoryEvent) -> Before<'e> {
    let previous = match event.kind.as_str() {
        // An interruption follows from nothing: what came last before it says where the execution stood.
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
