//! Reading an execution's history from its end: did it end in a Fail state?
//!
//! Neither the event nor DescribeExecution tells: a Fail state may carry any error, even one that it copied
//! from a task. Redriven, it ends at once again, and the history then has an ExecutionRedriven but no second
//! FailStateEntered: the chain goes through it to the first.

use alloc::string::String;

/// One event of a history, as much of it as is needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryEvent {
    /// Counts from 1.
    pub id: u64,
    /// The event that led to this one.
    pub previous: u64,
    /// For example `ExecutionFailed`.
    pub kind: String,
}

/// Whether an execution ended in a Fail state, from some of its last events in any order. None: those events
/// do not reach far enough back.
#[must_use]
pub fn ended_in_fail_state(events: &[HistoryEvent]) -> Option<bool> {
    let mut event = events
        .iter()
        .filter(|event| event.kind.starts_with("Execution"))
        .max_by_key(|event| event.id)?;
    // Each step goes to a smaller id, so that no history can go round in circles.
    loop {
        match event.kind.as_str() {
            "FailStateEntered" => return Some(true),
            // The chain passes through these: the end itself, a redrive, and the states that contain others.
            "ExecutionFailed"
            | "ExecutionRedriven"
            | "ParallelStateFailed"
            | "MapStateFailed"
            | "MapIterationFailed"
            | "ExecutionRunning" => {}
            _ => return Some(false),
        }
        if event.previous == 0 || event.previous >= event.id {
            return Some(false);
        }
        event = events.iter().find(|earlier| earlier.id == event.previous)?;
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;
    use alloc::vec::Vec;

    use super::*;

    fn history(events: &[(u64, u64, &str)]) -> Vec<HistoryEvent> {
        events
            .iter()
            .map(|(id, previous, kind)| HistoryEvent {
                id: *id,
                previous: *previous,
                kind: (*kind).to_string(),
            })
            .collect()
    }

    #[test]
    fn a_fail_state_is_found_behind_redrives_and_containers() {
        for (events, expected) in [
            (
                history(&[
                    (5, 4, "ExecutionFailed"),
                    (4, 3, "FailStateEntered"),
                    (3, 2, "TaskStateExited"),
                ]),
                Some(true),
            ),
            (
                history(&[(5, 4, "ExecutionFailed"), (4, 3, "TaskFailed")]),
                Some(false),
            ),
            (
                history(&[(5, 4, "ExecutionFailed"), (4, 3, "LambdaFunctionFailed")]),
                Some(false),
            ),
            (
                history(&[
                    (7, 6, "ExecutionFailed"),
                    (6, 5, "ExecutionRedriven"),
                    (5, 4, "ExecutionFailed"),
                    (4, 3, "FailStateEntered"),
                ]),
                Some(true),
            ),
            (
                history(&[
                    (9, 8, "ExecutionFailed"),
                    (8, 7, "ParallelStateFailed"),
                    (7, 6, "FailStateEntered"),
                ]),
                Some(true),
            ),
            // Not far enough back.
            (history(&[(5, 4, "ExecutionFailed")]), None),
            (history(&[]), None),
            // A circle ends.
            (history(&[(5, 5, "ExecutionFailed")]), Some(false)),
        ] {
            assert_eq!(ended_in_fail_state(&events), expected, "{events:?}");
        }
    }
}
