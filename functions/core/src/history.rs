//! Reading an execution's history from its end: did it end in a Fail state?
//!
//! Neither the event nor DescribeExecution tells: a Fail state may carry any error, even one that it copied
//! from a task. Redriven, it ends at once again, and the history then has an ExecutionRedriven but no second
//! FailStateEntered: the chain goes through it to the first.
//!
//! GetExecutionHistory is eventually consistent. What it shows is only trusted once it shows the end of the
//! very run that failed.

use alloc::string::String;

/// One event of a history, as much of it as is needed.
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
}

/// How an execution ended, as far as its last events tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// In a Fail state.
    FailState,
    /// In some other way.
    Other,
    /// These events do not reach far enough back.
    FurtherBack,
    /// These events do not show the end of that run: it lies further back, or is not shown yet.
    NotYet,
}

/// How the run of an execution after so many redrives ended, by some of the last events of its history.
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
    // Each step goes to a smaller id, so that no history can go round in circles.
    let mut event = end;
    loop {
        match event.kind.as_str() {
            "FailStateEntered" => return Ending::FailState,
            // The chain passes through these: the end itself, a redrive, and the states that contain others.
            "ExecutionFailed"
            | "ExecutionRedriven"
            | "ParallelStateFailed"
            | "MapStateFailed"
            | "MapIterationFailed" => {}
            _ => return Ending::Other,
        }
        if event.previous == 0 || event.previous >= event.id {
            return Ending::Other;
        }
        match events.iter().find(|earlier| earlier.id == event.previous) {
            Some(earlier) => event = earlier,
            None => return Ending::FurtherBack,
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;
    use alloc::vec::Vec;

    use super::*;

    fn history(events: &[(u64, u64, &str)]) -> Vec<HistoryEvent> {
        let event = |(id, previous, kind): &(u64, u64, &str)| {
            let (kind, count) = kind.split_once(' ').unwrap_or((kind, ""));
            let redrive_count = count.parse().ok();
            HistoryEvent {
                id: *id,
                previous: *previous,
                kind: kind.to_string(),
                redrive_count,
            }
        };
        events.iter().map(event).collect()
    }

    #[test]
    fn a_fail_state_is_found_behind_redrives_and_containers() {
        let failed = (5, 4, "ExecutionFailed");
        for (count, events, expected) in [
            (
                0,
                history(&[
                    failed,
                    (4, 3, "FailStateEntered"),
                    (3, 2, "TaskStateExited"),
                ]),
                Ending::FailState,
            ),
            (0, history(&[failed, (4, 3, "TaskFailed")]), Ending::Other),
            (
                0,
                history(&[failed, (4, 3, "LambdaFunctionFailed")]),
                Ending::Other,
            ),
            (
                1,
                history(&[
                    (7, 6, "ExecutionFailed"),
                    (6, 5, "ExecutionRedriven 1"),
                    failed,
                    (4, 3, "FailStateEntered"),
                ]),
                Ending::FailState,
            ),
            (
                0,
                history(&[
                    (9, 8, "ExecutionFailed"),
                    (8, 7, "ParallelStateFailed"),
                    (7, 6, "FailStateEntered"),
                ]),
                Ending::FailState,
            ),
            (0, history(&[failed]), Ending::FurtherBack),
            // A circle ends.
            (0, history(&[(5, 5, "ExecutionFailed")]), Ending::Other),
        ] {
            assert_eq!(ending(&events, count), expected, "{events:?}");
        }
    }

    #[test]
    fn what_is_not_the_end_of_that_run_tells_nothing() {
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
            // Of the second run nothing is shown, or not its end, or not enough to tell whose end it is.
            (1, history(&first), Ending::FurtherBack),
            (1, history(&redriven), Ending::NotYet),
            (1, history(&again[..2]), Ending::FurtherBack),
            (1, history(&again), Ending::Other),
            (2, history(&again), Ending::NotYet),
            // The second run goes on or has ended; the first one's end is behind it.
            (0, history(&again), Ending::FurtherBack),
            (
                0,
                history(&[redriven[0], first[0], first[1]]),
                Ending::Other,
            ),
            (0, history(&redriven[..1]), Ending::FurtherBack),
        ] {
            assert_eq!(ending(&events, count), expected, "{count} {events:?}");
        }
    }
}
