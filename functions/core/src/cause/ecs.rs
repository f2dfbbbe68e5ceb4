//! The task that `ecs:runTask.sync` waited for.

use super::json::{Key, Value};
use super::reasons::Reasons;
use super::told::{Told, exit_status};

/// Exit codes of containers that belong together: the first that is not 0 speaks, in the list's order.
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

/// A task, as DescribeTasks describes it ("Task", Amazon ECS API Reference).
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
            // Answered with 200 and yet not placed: the error is AmazonECS.Unknown then.
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
        // Spot has had both of these.
        if code.is("SpotInterruption") || code.is("TerminationNotice") {
            self.reasons.interrupted();
        } else if code.is("TaskFailedToStart") {
            self.reasons.failed_to_start();
        } else if code.is("UserInitiated") {
            self.user_initiated = true;
        }
    }

    pub(super) fn told(&self) -> Option<Told> {
        self.seen.then(|| {
            let lost = self.reasons.is_lost().then_some(-1);
            Told {
                // With an exit code the process was there to the end.
                exit_status: match self.exits.code() {
                    Some(code) => exit_status(code),
                    None => lost,
                },
                by_person: self.user_initiated,
                ..self.reasons.told()
            }
        })
    }
}
