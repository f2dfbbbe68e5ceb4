//! Reads the task for which `ecs:runTask.sync` waited.

use super::extracted::{Extracted, exit_status};
use super::json::{Key, Value};
use super::reasons::Reasons;

/// The exit codes of a task's containers. The first that is not 0 counts, in the list's order.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Exits {
    first: Option<i64>,
}

impl Exits {
    pub(super) fn visit(&mut self, value: Value<'_>) {
        if let Some(code) = value.whole()
            && self.first.is_none_or(|first| first == 0)
        {
            self.first = Some(code);
        }
    }

    pub(super) const fn code(self) -> Option<i64> {
        self.first
    }
}

/// A task.
// AWS: the shape is that of DescribeTasks (Task, Amazon ECS API Reference).
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Task {
    seen: bool,
    exits: Exits,
    reasons: Reasons,
    user_initiated: bool,
}

impl Task {
    pub(super) fn visit(&mut self, path: &[Key], value: Value<'_>) {
        match path {
            // A container that never started has no exit code.
            [Key::Containers, Key::Item, Key::ExitCode] => self.exits.visit(value),
            [Key::Containers, Key::Item, Key::Reason] | [Key::StoppedReason] => {
                if let Some(reason) = value.text() {
                    self.reasons.add(&reason);
                }
            }
            [Key::StopCode] => self.stop(value),
            // AWS: RunTask may answer with status 200 and place no task. Step Functions then reports AmazonECS.Unknown.
            [Key::Failures, Key::Item, Key::Reason] => {
                if let Some(reason) = value.text() {
                    self.reasons.add_placement(&reason);
                }
            }
            _ => return,
        }
        self.seen = true;
    }

    fn stop(&mut self, code: Value<'_>) {
        // Spot interruptions have had both stop codes.
        if code.is("SpotInterruption") || code.is("TerminationNotice") {
            self.reasons.interrupted();
        } else if code.is("TaskFailedToStart") {
            self.reasons.failed_to_start();
        } else if code.is("UserInitiated") {
            self.user_initiated = true;
        }
    }

    pub(super) fn extracted(&self) -> Option<Extracted> {
        self.seen.then(|| {
            let lost = self.reasons.is_lost().then_some(-1);
            Extracted {
                // A process with an exit code ran to its end, so the worker was not lost.
                exit_status: match self.exits.code() {
                    Some(code) => exit_status(code),
                    None => lost,
                },
                by_person: self.user_initiated,
                ..self.reasons.extracted()
            }
        })
    }
}
