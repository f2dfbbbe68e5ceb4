//! The decision on an event without any call, for a function that runs without an AWS account.

use core::cell::RefCell;

use crate::decide::decide_optimistically;
use crate::diagnosis;
use crate::event::ParsedEvent;
use crate::failure::Failure;
use crate::freshness;
use crate::ledger::{Decided, Entries, Entry, Writer};
use crate::policy::Document;
use crate::record::{Outcome, Record};
use crate::verdict::{Decision, Reason};

/// A policy, and the failures decided so far.
#[derive(Debug)]
pub struct DryRun<'p> {
    /// The policy in force.
    pub document: &'p Document,
    /// The failures decided so far, as observed entries.
    pub entries: RefCell<Entries>,
}

impl<'p> DryRun<'p> {
    /// Returns a dry run without entries.
    #[must_use]
    pub const fn new(document: &'p Document) -> Self {
        Self {
            document,
            entries: RefCell::new(Entries::new()),
        }
    }

    /// Decides one event without any call.
    ///
    /// [`Record::needs`] lists the facts that a real run would look up. The verdict assumes that none of them speaks
    /// against a retry.
    pub fn event(&self, event: ParsedEvent, writer: Writer<'_>) -> Record {
        match event {
            ParsedEvent::Failure(failure) => self.failure(&failure, writer),
            ParsedEvent::Completion(completion) => Record {
                happened_at: Some(completion.at),
                subject: Some(completion.subject),
                ..Record::new(writer.now, Outcome::Ignored, completion.kind.reason())
            },
            ParsedEvent::Ignored(ignored) => Record::ignored(writer.now, ignored),
            ParsedEvent::Malformed(malformed) => Record::malformed(writer.now, malformed),
        }
    }

    fn failure(&self, failure: &Failure, writer: Writer<'_>) -> Record {
        let mut entries = self.entries.borrow_mut();
        let stored = entries.read(&failure.subject);
        let record = Record {
            happened_at: Some(failure.at),
            subject: Some(failure.subject.clone()),
            failure_id: failure.failure_id(),
            ..Record::new(writer.now, Outcome::Ignored, Reason::Unmanaged)
        };
        if let Some(entry) = stored
            && let Some(outcome) = freshness::seen_before(entry, failure)
        {
            return record.seen_before(entry, outcome);
        }
        let (verdict, needs) = decide_optimistically(self.document, failure);
        let record = Record {
            reason: verdict.reason,
            outcome: match verdict.decision {
                Decision::Retry => Outcome::Observed,
                Decision::GiveUp => Outcome::GaveUp,
                Decision::Ignore => Outcome::Ignored,
            },
            verdict: Some(verdict.clone()),
            diagnosis: diagnosis::of(failure),
            needs,
            ..record
        };
        let judged = verdict.decision != Decision::Ignore;
        if let Some(failure_id) = failure.failure_id().filter(|_| judged) {
            let decided = Decided {
                subject: failure.subject.clone(),
                failure_id,
                failed_at: failure.at,
                retried_before: failure.retried_before().unwrap_or_default(),
                verdict,
                slot: core::time::Duration::ZERO,
                observed: true,
            };
            let entry = match stored {
                None => Ok(Entry::open(decided, writer)),
                Some(entry) => entry.judge(decided, writer),
            };
            // The transition table refuses only a subject that succeeded, and no subject of a dry run succeeds.
            if let Ok(entry) = entry {
                entries.put_if_revision(&entry);
            }
        }
        record
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{self, AllowedSources};
    use crate::failure::Need;
    use crate::ledger::{Owner, Timing};
    use crate::time::Time;

    const THROTTLED: &str = r#"{
        "source": "aws.states", "detail-type": "Step Functions Execution Status Change",
        "account": "111122223333", "region": "eu-west-1", "time": "2026-11-20T02:14:05Z",
        "detail": {
            "executionArn": "arn:aws:states:eu-west-1:111122223333:execution:etl-orders:run-7",
            "status": "FAILED", "error": "DynamoDB.ThrottlingException", "cause": null,
            "redriveCount": 0, "redriveStatus": "REDRIVABLE"
        }
    }"#;

    #[test]
    fn dry_run_names_needs_and_decides_each_failure_once() {
        let document = Document::parse(
            "{ version: 1, retry: { automatic: [{ error: '*.ThrottlingException', limit: 2 }] } }",
        )
        .unwrap();
        let dry_run = DryRun::new(&document);
        let (owner, timing) = (Owner("a".into()), Timing::default());
        let writer = Writer {
            owner: &owner,
            now: Time::from_millis(1_000_000),
            timing: &timing,
        };
        let sentence = |event: &str| {
            let parsed = event::parse(event.as_bytes(), &AllowedSources::default());
            let record = dry_run.event(parsed, writer);
            (record.outcome, record.reason, record.needs)
        };
        let again = THROTTLED.replace("\"redriveCount\": 0", "\"redriveCount\": 1");
        let third = THROTTLED.replace("\"redriveCount\": 0", "\"redriveCount\": 2");
        for (event, expected) in [
            (
                THROTTLED,
                (
                    Outcome::Observed,
                    Reason::Matched,
                    alloc::vec![Need::History],
                ),
            ),
            (
                THROTTLED,
                (Outcome::Duplicate, Reason::Matched, alloc::vec![]),
            ),
            (
                &again,
                (
                    Outcome::Observed,
                    Reason::Matched,
                    alloc::vec![Need::History],
                ),
            ),
            (
                THROTTLED,
                (Outcome::Stale, Reason::TargetChanged, alloc::vec![]),
            ),
            (&third, (Outcome::GaveUp, Reason::LimitSpent, alloc::vec![])),
            (
                &THROTTLED.replace("FAILED", "RUNNING"),
                (Outcome::Ignored, Reason::Running, alloc::vec![]),
            ),
            ("[", (Outcome::Ignored, Reason::Malformed, alloc::vec![])),
        ] {
            assert_eq!(sentence(event), expected, "{event}");
        }
    }
}
