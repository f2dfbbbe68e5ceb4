//! Reads the job for which `batch:submitJob.sync` waited.

use super::ecs::Exits;
use super::extracted::{Extracted, exit_status};
use super::json::{Key, Value};
use super::reasons::Reasons;

/// A job.
// AWS: the shape is that of DescribeJobs (JobDetail, AWS Batch API Reference).
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Job {
    seen: bool,
    container: Attempt,
    last: Attempt,
    reasons: Reasons,
    ended: bool,
    by_queue: bool,
}

/// One attempt. Only the last attempt shows how the job ended.
#[derive(Debug, Clone, Copy, Default)]
struct Attempt {
    exits: Exits,
    reasons: Reasons,
}

impl Job {
    pub(super) fn visit(&mut self, path: &[Key], value: Value<'_>) {
        use Key::{
            Attempts, Container, Containers, EksAttempts, ExitCode, IsCancelled, IsTerminated,
            Item, Reason, StatusReason, TaskProperties,
        };
        match path {
            [Attempts | EksAttempts, Item] => self.last = Attempt::default(),
            [Attempts, Item, Container, ExitCode]
            | [
                Attempts,
                Item,
                TaskProperties,
                Item,
                Containers,
                Item,
                ExitCode,
            ]
            | [EksAttempts, Item, Containers, Item, ExitCode] => self.last.exits.visit(value),
            [Attempts, Item, Container, Reason]
            | [
                Attempts,
                Item,
                TaskProperties,
                Item,
                Containers,
                Item,
                Reason,
            ]
            | [EksAttempts, Item, Containers, Item, Reason]
            | [Attempts | EksAttempts, Item, StatusReason] => {
                visit(&mut self.last.reasons, value);
            }
            [Container, ExitCode] => self.container.exits.visit(value),
            [Container, Reason] => visit(&mut self.container.reasons, value),
            [StatusReason] => {
                visit(&mut self.reasons, value);
                // CancelJob and TerminateJob store a person's words here. These two are the service's own.
                self.by_queue |= value.text().is_some_and(|reason| {
                    reason.contains("JobStateTimeLimit") || reason.starts_with("Dependent Job")
                });
            }
            [IsCancelled | IsTerminated] => self.ended |= value.is("true"),
            _ => return,
        }
        self.seen = true;
    }

    pub(super) fn extracted(&self) -> Option<Extracted> {
        self.seen.then(|| {
            let reasons = self
                .reasons
                .and(self.last.reasons)
                .and(self.container.reasons);
            let code = self.container.exits.code().or(self.last.exits.code());
            Extracted {
                exit_status: if reasons.is_host_lost() {
                    Some(-1)
                } else {
                    match code {
                        Some(code) => exit_status(code),
                        None => reasons.is_lost().then_some(-1),
                    }
                },
                by_person: self.ended && !self.by_queue && !reasons.is_timed_out_or_without_place(),
                ..reasons.extracted()
            }
        })
    }
}

fn visit(reasons: &mut Reasons, value: Value<'_>) {
    if let Some(reason) = value.text() {
        reasons.add(&reason);
    }
}
