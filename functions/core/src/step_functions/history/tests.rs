use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;

use super::*;

/// Id, previous event and type. After the type follows the state's name, the resource called, or the redriveCount.
type Line = (u64, u64, &'static str);

fn history(events: &[Line]) -> Vec<HistoryEvent> {
    let event = |(id, previous, kind): &Line| {
        let (kind, word) = kind.split_once(' ').unwrap_or((kind, ""));
        let text = (!word.is_empty()).then(|| word.to_string());
        let is = |suffix: &str| kind.ends_with(suffix);
        HistoryEvent {
            id: *id,
            previous: *previous,
            kind: kind.to_string(),
            redrive_count: word.parse().ok(),
            state: text
                .clone()
                .filter(|_| is("StateEntered") || is("EvaluationFailed")),
            resource: text.filter(|_| is("Scheduled")),
        }
    };
    events.iter().map(event).collect()
}

/// Returns an ending with a state and its resource. `-` stands for an absent value.
fn at(fail_state: bool, state: &str, resource: &str) -> Ending {
    let word = |text: &str| (text != "-").then(|| text.to_string());
    shown(fail_state, word(state), word(resource))
}

/// Returns an ending that shows only whether it was in a Fail state.
fn only(fail_state: bool) -> Ending {
    Ending::Shown {
        fail_state,
        state: Field::Unknown,
        resource: Field::Unknown,
    }
}

const GLUE: &str = "glue:startJobRun.sync";

#[test]
fn a_fail_state_is_found_behind_redrives_and_containers() {
    let failed = (5, 4, "ExecutionFailed");
    let entered = (4, 3, "FailStateEntered Refuse");
    #[rustfmt::skip]
    let table = [
        // The execution was redriven, interrupted before it failed again, and redriven once more. An interruption may
        // follow from no event.
        (
            2,
            history(&[
                (9, 8, "ExecutionFailed"),
                (8, 7, "ExecutionRedriven 2"),
                (7, 0, "ExecutionAborted"),
                (6, 5, "ExecutionRedriven 1"),
                failed,
                entered,
            ]),
            at(true, "Refuse", "-"),
        ),
        (
            2,
            history(&[
                (9, 8, "ExecutionFailed"),
                (8, 7, "ExecutionRedriven 2"),
                (7, 6, "ExecutionTimedOut"),
                (6, 5, "ExecutionRedriven 1"),
                failed,
                entered,
            ]),
            at(true, "Refuse", "-"),
        ),
        (
            1,
            history(&[
                (9, 8, "ExecutionFailed"),
                (8, 7, "ExecutionRedriven 1"),
                (7, 0, "ExecutionAborted"),
                (6, 5, "TaskScheduled glue:startJobRun"),
                (5, 4, "TaskStateEntered Load"),
            ]),
            at(false, "Load", "glue:startJobRun"),
        ),
        (0, history(&[failed, entered, (3, 2, "TaskStateExited")]), at(true, "Refuse", "-")),
        (0, history(&[failed, (4, 3, "TaskFailed")]), only(false)),
        (0, history(&[failed, (4, 3, "LambdaFunctionFailed")]), only(false)),
        (1, history(&[(7, 6, "ExecutionFailed"), (6, 5, "ExecutionRedriven 1"), failed, entered]), at(true, "Refuse", "-")),
        (0, history(&[(9, 8, "ExecutionFailed"), (8, 7, "ParallelStateFailed"), (7, 6, "FailStateEntered Refuse")]), at(true, "Refuse", "-")),
        // AWS's own form, with the iteration's failure beside the chain.
        (
            0,
            history(&[
                (10, 9, "ExecutionFailed"),
                (9, 8, "ParallelStateFailed"),
                (8, 6, "MapStateFailed"),
                (7, 6, "MapIterationFailed"),
                (6, 5, "FailStateEntered Refuse"),
            ]),
            at(true, "Refuse", "-"),
        ),
        (0, history(&[failed]), Ending::FurtherBack),
        // An event that follows from itself ends the chain.
        (0, history(&[(5, 5, "ExecutionFailed")]), at(false, "-", "-")),
    ];
    for (count, events, expected) in table {
        assert_eq!(ending(&events, count), expected, "{events:?}");
    }
}

#[test]
fn history_of_another_run_shows_nothing() {
    let first = [(5, 4, "ExecutionFailed"), (4, 3, "TaskFailed")];
    let redriven = [(6, 5, "ExecutionRedriven 1"), first[0], first[1]];
    let again = [
        (8, 7, "ExecutionFailed"),
        (7, 3, "TaskFailed"),
        redriven[0],
        first[0],
    ];
    for (count, events, expected) in [
        (0, history(&[]), Ending::NotYet),
        (0, history(&first[1..]), Ending::NotYet),
        // The events show nothing of the second run, or not its end, or too little to tell whose end it is.
        (1, history(&first), Ending::FurtherBack),
        (1, history(&redriven), Ending::NotYet),
        (1, history(&again[..2]), Ending::FurtherBack),
        (1, history(&again), only(false)),
        (2, history(&again), Ending::NotYet),
        // The second run continues or has ended. The first run's end lies behind it.
        (0, history(&again), Ending::FurtherBack),
        (0, history(&[redriven[0], first[0], first[1]]), only(false)),
        (0, history(&redriven[..1]), Ending::FurtherBack),
    ] {
        assert_eq!(ending(&events, count), expected, "{count} {events:?}");
    }
}

/// Returns the history of a task whose entry is event 3, with the events after it.
fn task(after: &[Line]) -> Vec<HistoryEvent> {
    let way_in = [(3, 2, "TaskStateEntered Load"), (2, 1, "PassStateExited")];
    history(&[after, &way_in].concat())
}

#[test]
fn failed_task_has_its_name_and_resource() {
    #[rustfmt::skip]
    let table = [
        (0, task(&[(7, 6, "ExecutionFailed"), (6, 5, "TaskFailed"), (5, 4, "TaskStarted"), (4, 3, "TaskScheduled glue:startJobRun.sync")]), GLUE),
        // The task's Retry scheduled it again.
        (
            0,
            task(&[
                (8, 7, "ExecutionFailed"),
                (7, 6, "TaskTimedOut"),
                (6, 5, "TaskScheduled glue:startJobRun.sync"),
                (5, 4, "TaskFailed"),
                (4, 3, "TaskScheduled glue:startJobRun.sync"),
            ]),
            GLUE,
        ),
        // For a function or an activity, only the scheduled event has the resource.
        (0, task(&[(6, 5, "ExecutionFailed"), (5, 4, "LambdaFunctionFailed"), (4, 3, "LambdaFunctionScheduled arn:of:function")]), "arn:of:function"),
        (0, task(&[(6, 5, "ExecutionFailed"), (5, 4, "ActivityTimedOut"), (4, 3, "ActivityScheduled arn:of:activity")]), "arn:of:activity"),
        // The call succeeded, but its result could not be used.
        (0, task(&[(6, 5, "ExecutionFailed"), (5, 4, "TaskSucceeded"), (4, 3, "TaskScheduled glue:startJobRun.sync")]), GLUE),
        // The task was never scheduled.
        (0, task(&[(4, 3, "ExecutionFailed")]), "-"),
        // A redriven task is scheduled from its first entry.
        (
            1,
            task(&[
                (9, 8, "ExecutionFailed"),
                (8, 7, "TaskFailed"),
                (7, 3, "TaskScheduled glue:startJobRun.sync"),
                (6, 5, "ExecutionRedriven 1"),
                (5, 4, "ExecutionFailed"),
                (4, 3, "TaskFailed"),
            ]),
            GLUE,
        ),
        // The redrive failed before any state ran, so the execution failed where it stood.
        (
            1,
            task(&[
                (8, 7, "ExecutionFailed"),
                (7, 6, "ExecutionRedriven 1"),
                (6, 5, "ExecutionFailed"),
                (5, 4, "TaskFailed"),
                (4, 3, "TaskScheduled glue:startJobRun.sync"),
            ]),
            GLUE,
        ),
    ];
    for (count, events, resource) in table {
        assert_eq!(
            ending(&events, count),
            at(false, "Load", resource),
            "{events:?}"
        );
    }
}

#[test]
fn the_innermost_state_is_the_one_that_failed() {
    for (events, state, resource) in [
        // AWS's own form. The Map's failure follows from the task's, as the iteration's does.
        (
            history(&[
                (12, 11, "ExecutionFailed"),
                (11, 10, "ParallelStateFailed"),
                (10, 8, "MapStateFailed"),
                (9, 8, "MapIterationFailed"),
                (8, 7, "TaskFailed"),
                (7, 6, "TaskScheduled lambda:invoke"),
                (6, 5, "TaskStateEntered Ship"),
                (5, 4, "MapIterationStarted"),
                (4, 3, "MapStateStarted"),
                (3, 2, "MapStateEntered Each"),
            ]),
            "Ship",
            "lambda:invoke",
        ),
        // Events of other branches lie between. The chain stays in its own branch.
        (
            history(&[
                (10, 9, "ExecutionFailed"),
                (9, 8, "ParallelStateFailed"),
                (8, 6, "TaskFailed"),
                (7, 5, "TaskSucceeded"),
                (6, 4, "TaskScheduled sqs:sendMessage"),
                (5, 3, "TaskScheduled sns:publish"),
                (4, 2, "TaskStateEntered Right"),
                (3, 2, "TaskStateEntered Left"),
                (2, 1, "ParallelStateStarted"),
            ]),
            "Right",
            "sqs:sendMessage",
        ),
        // A Map Run's children have their own histories. In this history the Map failed.
        (
            history(&[
                (6, 5, "ExecutionFailed"),
                (5, 4, "MapStateFailed"),
                (4, 3, "MapRunFailed"),
                (3, 2, "MapRunStarted"),
                (2, 1, "MapStateStarted"),
                (1, 0, "MapStateEntered Bulk"),
            ]),
            "Bulk",
            "-",
        ),
    ] {
        assert_eq!(ending(&events, 0), at(false, state, resource), "{events:?}");
    }
}

#[test]
fn an_evaluation_that_failed_names_its_state() {
    for (events, state, resource) in [
        // The failure follows from the same event as the entry, so the state before does not count.
        (
            task(&[
                (6, 5, "ExecutionFailed"),
                (5, 3, "EvaluationFailed Other"),
                (4, 3, "TaskStateExited"),
            ]),
            "Other",
            "-",
        ),
        (
            history(&[
                (6, 5, "ExecutionFailed"),
                (5, 3, "EvaluationFailed Fallback"),
                (4, 3, "PassStateEntered Fallback"),
                (3, 2, "TaskStateExited"),
                (2, 1, "TaskScheduled sns:publish"),
                (1, 0, "TaskStateEntered Load"),
            ]),
            "Fallback",
            "-",
        ),
        (
            history(&[(4, 3, "ExecutionFailed"), (3, 0, "EvaluationFailed First")]),
            "First",
            "-",
        ),
        // The evaluation of a call's result failed.
        (
            task(&[
                (7, 6, "ExecutionFailed"),
                (6, 5, "EvaluationFailed Load"),
                (5, 4, "TaskSucceeded"),
                (4, 3, "TaskScheduled glue:startJobRun.sync"),
            ]),
            "Load",
            GLUE,
        ),
    ] {
        assert_eq!(ending(&events, 0), at(false, state, resource), "{events:?}");
    }
}

#[test]
fn a_state_is_not_guessed_from_those_before_it() {
    let failed = (9, 8, "ExecutionFailed");
    let tried = [
        (7, 6, "TaskFailed"),
        (6, 5, "TaskScheduled sns:publish"),
        (5, 4, "TaskStateEntered Ship"),
    ];
    for before in [
        // An earlier attempt of the Parallel failed in Ship. This one failed by itself.
        vec![(8, 7, "ParallelStateStarted"), tried[0], tried[1], tried[2]],
        // The end follows from a state that was left, or from no event.
        vec![(8, 7, "TaskStateExited"), tried[0], tried[1], tried[2]],
        vec![(8, 7, "MapIterationStarted"), tried[0], tried[1], tried[2]],
        vec![(8, 0, "ExecutionStarted")],
    ] {
        let events = history(&[&[failed], before.as_slice()].concat());
        assert_eq!(ending(&events, 0), at(false, "-", "-"), "{events:?}");
    }
}

#[test]
fn state_entered_further_back_is_unknown() {
    let events = [
        (7, 6, "ExecutionFailed"),
        (6, 5, "TaskFailed"),
        (5, 4, "TaskStarted"),
        (4, 3, "TaskScheduled glue:startJobRun.sync"),
        (3, 2, "TaskStateEntered Load"),
    ];
    for shown in 1..events.len() {
        let expected = if shown == 1 {
            Ending::FurtherBack
        } else {
            only(false)
        };
        assert_eq!(ending(&history(&events[..shown]), 0), expected, "{shown}");
    }
    assert_eq!(ending(&history(&events), 0), at(false, "Load", GLUE));
}
