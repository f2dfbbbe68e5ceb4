//! Reads the job for which `batch:submitJob.sync` waited.

use redrive_policy::ConditionKey;

use super::containers::Containers;
use super::extracted::Extracted;
use super::json::{Key, Value};
use super::reasons::Reasons;

/// A job.
// AWS: the shape is that of DescribeJobs (JobDetail, AWS Batch API Reference).
#[derive(Debug, Clone, Default)]
pub(super) struct Job {
    seen: bool,
    container: Attempt,
    last: Attempt,
    reasons: Reasons,
    ended: bool,
    by_queue: bool,
}

/// One attempt. Only the last attempt shows how the job ended.
#[derive(Debug, Clone, Default)]
struct Attempt {
    containers: Containers,
    reasons: Reasons,
}

impl Job {
    pub(super) fn visit(&mut self, path: &[Key], value: Value<'_>) {
        use Key::{
            Attempts, Container, Containers, EksAttempts, IsCancelled, IsTerminated, Item,
            StatusReason, TaskProperties,
        };
        match path {
            [Attempts | EksAttempts, Item] => self.last = Attempt::default(),
            [Attempts, Item, Container, member @ ..]
            | [
                Attempts,
                Item,
                TaskProperties,
                Item,
                Containers,
                Item,
                member @ ..,
            ]
            | [EksAttempts, Item, Containers, Item, member @ ..] => {
                if !self.last.visit(member, value) {
                    return;
                }
            }
            [Attempts | EksAttempts, Item, StatusReason] => {
                visit(&mut self.last.reasons, value);
            }
            [Container, member @ ..] => {
                if !self.container.visit(member, value) {
                    return;
                }
            }
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
            let containers = self.container.containers.or(&self.last.containers);
            let ended = if reasons.is_host_lost() {
                Extracted::default().with(ConditionKey::ExitStatus, Some(-1_i16))
            } else {
                containers.extracted(reasons.is_lost())
            };
            let by_person =
                self.ended && !self.by_queue && !reasons.is_timed_out_or_without_place();
            ended.or(reasons.extracted()).with_person(by_person)
        })
    }
}

impl Attempt {
    fn visit(&mut self, member: &[Key], value: Value<'_>) -> bool {
        self.containers.visit(member, value, &mut self.reasons)
    }
}

fn visit(reasons: &mut Reasons, value: Value<'_>) {
    if let Some(reason) = value.text() {
        reasons.add(&reason);
    }
}
