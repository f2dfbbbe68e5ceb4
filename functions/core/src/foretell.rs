//! What would be done about an event, told without asking anybody: for a function that is tried without an
//! account, and nothing else.

use core::cell::RefCell;

use crate::decide::foresee;
use crate::diagnosis;
use crate::event::{AllowedSources, ParsedEvent, self};
use crate::failure::Failure;
use crate::handle::known;
use crate::ledger::{Entries, Entry, Judgement, Pen};
use crate::policy::Document;
use crate::record::{Done, Record};
use crate::verdict::{Decision, Reason};

/// The policy, and what was handled so far.
#[derive(Debug)]
pub struct Foretell<'p> {
    /// The policy in force.
    pub document: &'p Document,
    /// Failures that were foretold, as observed ones.
    pub entries: RefCell<Entries>,
}

impl<'p> Foretell<'p> {
    /// Nothing was handled yet.
    #[must_use]
    pub const fn new(document: &'p Document) -> Self {
        Self {
            document,
            entries: RefCell::new(Entries::new()),
        }
    }

    /// Foretells what would be done about one event. [`Record::needs`] says what would have to be looked up:
    /// the verdict is the one that follows if that brings nothing against a retry.
    pub fn event(&self, bytes: &[u8], pen: Pen<'_>) -> Record {
        match event::parse(bytes, &AllowedSources::default()) {
            ParsedEvent::Failure(failure) => self.failure(&failure, pen),
            ParsedEvent::Completion(completion) => Record {
                happened_at: Some(completion.at),
                subject: Some(completion.subject),
                ..Record::new(pen.now, Done::Ignored, completion.kind.reason())
            },
            ParsedEvent::Ignored(ignored) => Record::ignored(pen.now, ignored),
            ParsedEvent::Malformed(malformed) => Record::malformed(pen.now, malformed),
        }
    }

    fn failure(&self, failure: &Failure, pen: Pen<'_>) -> Record {
        let mut entries = self.entries.borrow_mut();
        let stored = entries.read(&failure.subject);
        let record = Record {
            happened_at: Some(failure.at),
            subject: Some(failure.subject.clone()),
            identity: failure.identity(),
            ..Record::new(pen.now, Done::Ignored, Reason::Unmanaged)
        };
        if let Some((entry, done)) = known(stored, failure) {
            return record.seen_before(entry, done);
        }
        let (verdict, needs) = foresee(self.document, failure);
        let record = Record {
            because: verdict.because,
            done: match verdict.decision {
                Decision::Retry => Done::Observed,
                Decision::GiveUp => Done::GaveUp,
                Decision::Ignore => Done::Ignored,
            },
            verdict: Some(verdict.clone()),
            diagnosis: diagnosis::of(failure),
            needs,
            ..record
        };
        let judged = verdict.decision != Decision::Ignore;
        if let Some(identity) = failure.identity().filter(|_| judged) {
            let judgement = Judgement {
                subject: failure.subject.clone(),
                identity,
                failed_at: failure.at,
                retried_before: failure.retried_before().unwrap_or_default(),
                verdict,
                slot: core::time::Duration::ZERO,
                observed: true,
            };
            let entry = match stored {
                None => Ok(Entry::open(judgement, pen)),
                Some(entry) => entry.judge(judgement, pen),
            };
            // What has succeeded is not judged again, and nothing here succeeds.
            if let Ok(entry) = entry {
                entries.swap(&entry);
            }
        }
        record
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Need;
    use crate::ledger::{Owner, Terms};
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
    fn a_verdict_is_told_with_what_it_hangs_on_and_once_for_a_failure() {
        let document = Document::parse(
            "{ version: 1, retry: { automatic: [{ error: '*.ThrottlingException', limit: 2 }] } }",
        )
        .unwrap();
        let foretell = Foretell::new(&document);
        let (owner, terms) = (Owner("a".into()), Terms::default());
        let pen = Pen {
            owner: &owner,
            now: Time::from_millis(1_000_000),
            terms: &terms,
        };
        let told = |event: &str| {
            let record = foretell.event(event.as_bytes(), pen);
            (record.done, record.because, record.needs)
        };
        let again = THROTTLED.replace("\"redriveCount\": 0", "\"redriveCount\": 1");
        let third = THROTTLED.replace("\"redriveCount\": 0", "\"redriveCount\": 2");
        for (event, expected) in [
            (
                THROTTLED,
                (Done::Observed, Reason::Matched, alloc::vec![Need::History]),
            ),
            (THROTTLED, (Done::Duplicate, Reason::Matched, alloc::vec![])),
            (
                &again,
                (Done::Observed, Reason::Matched, alloc::vec![Need::History]),
            ),
            (THROTTLED, (Done::Stale, Reason::MovedOn, alloc::vec![])),
            (&third, (Done::GaveUp, Reason::LimitSpent, alloc::vec![])),
            (
                &THROTTLED.replace("FAILED", "RUNNING"),
                (Done::Ignored, Reason::Running, alloc::vec![]),
            ),
            ("[", (Done::Ignored, Reason::Malformed, alloc::vec![])),
        ] {
            assert_eq!(told(event), expected, "{event}");
        }
    }
}
