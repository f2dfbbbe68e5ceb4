//! Reads the task for which `ecs:runTask.sync` waited.

use super::containers::Containers;
use super::extracted::Extracted;
use super::json::{Key, Value};
use super::reasons::Reasons;

/// A task.
// AWS: the shape is that of DescribeTasks (Task, Amazon ECS API Reference).
#[derive(Debug, Clone, Default)]
pub(super) struct Task {
    seen: bool,
    containers: Containers,
    reasons: Reasons,
    user_initiated: bool,
}

impl Task {
    pub(super) fn visit(&mut self, path: &[Key], value: Value<'_>) {
        match path {
            [Key::Containers, Key::Item, member @ ..] => {
                if !self.containers.visit(member, value, &mut self.reasons) {
                    return;
                }
            }
            [Key::StoppedReason] => {
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
        } else if code.is("EssentialContainerExited") {
            self.containers.essential_exited();
        } else if code.is("UserInitiated") {
            self.user_initiated = true;
        }
    }

    pub(super) fn extracted(&self) -> Option<Extracted> {
        self.seen.then(|| {
            self.containers
                .extracted(self.reasons.is_lost())
                .or(self.reasons.extracted())
                .with_person(self.user_initiated)
        })
    }
}
