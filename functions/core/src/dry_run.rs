//! The decision on an event without any call, for a function that runs without an AWS account.
//!
//! The functions' own controller decides, in observe mode, over a ledger in memory. Its look-ups are answered with
//! [`Fact::Assumed`].

use core::cell::RefCell;
use core::time::Duration;

use crate::calls::{CallResult, RetryResponse};
use crate::controller::{Clock, Controller, Queue, RunMode, Target, bug};
use crate::error::Error;
use crate::event::ParsedEvent;
use crate::failure::{Fact, Failure, Need, Subject, TargetState};
use crate::ledger::{
    CasResult, Claim, ClaimResult, DueEntries, Entries, Entry, EntryStore, RetryMessage, SlotStore,
    Writer,
};
use crate::micros::Micros;
use crate::policy::Document;
use crate::rate_limiter::RateLimiter;
use crate::record::{Outcome, Record};
use crate::services::Service;
use crate::time::Time;

/// A policy, and the failures decided so far.
#[derive(Debug)]
pub struct DryRun<'p> {
    /// The policy in force.
    pub document: &'p Document,
    /// The failures decided so far, as observed entries.
    pub entries: RefCell<Entries>,
}

/// The moment of an event: a dry run handles each event as fresh.
struct At(Time);

impl Clock for At {
    fn now(&self) -> Time {
        self.0
    }
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
    ///
    /// # Errors
    /// A fault of the program.
    pub async fn event(&self, event: ParsedEvent, writer: Writer<'_>) -> Result<Record, Error> {
        match event {
            ParsedEvent::Failure(failure) => self.failure(failure, writer).await,
            ParsedEvent::Completion(completion) => Ok(Record {
                happened_at: Some(completion.at),
                subject: Some(completion.subject),
                ..Record::new(writer.now, Outcome::Ignored, completion.kind.reason())
            }),
            ParsedEvent::Ignored(ignored) => Ok(Record::ignored(writer.now, ignored)),
            ParsedEvent::Malformed(malformed) => Ok(Record::malformed(writer.now, malformed)),
        }
    }

    async fn failure(&self, failure: Failure, writer: Writer<'_>) -> Result<Record, Error> {
        let controller = Controller {
            ledger: self,
            target: self,
            queue: self,
            clock: &At(failure.at),
            document: self.document,
            mode: RunMode::Observe,
            timing: writer.timing,
            rate_limiter: &RateLimiter::default(),
            owner: writer.owner,
        };
        let record = controller.failure(failure).await?;
        Ok(Record {
            at: writer.now,
            // No table holds the entry.
            state: None,
            ..record
        })
    }
}

impl EntryStore for DryRun<'_> {
    async fn read(&self, subject: &Subject) -> Result<Option<Entry>, Error> {
        Ok(self.entries.borrow().read(subject).cloned())
    }

    async fn put_if_revision(&self, entry: &Entry) -> Result<CasResult, Error> {
        Ok(self.entries.borrow_mut().put_if_revision(entry))
    }

    async fn claim_due(
        &self,
        retry_message: &RetryMessage,
        writer: Writer<'_>,
    ) -> Result<ClaimResult, Error> {
        Ok(self.entries.borrow_mut().claim_due(retry_message, writer))
    }

    async fn due_entries(&self, now: Time, max: usize) -> Result<DueEntries, Error> {
        Ok(self.entries.borrow().due_entries(now, max).into())
    }
}

impl SlotStore for DryRun<'_> {
    async fn reserve(&self, service: Service, from: Micros, span: Micros) -> Result<Micros, Error> {
        Ok(self.entries.borrow_mut().reserve(service, from, span))
    }
}

impl Target for DryRun<'_> {
    async fn lookup(&self, _: &Failure, _: Need) -> Result<Fact, Error> {
        Ok(Fact::Assumed)
    }

    async fn current_state(&self, _: &Claim) -> Result<TargetState, Error> {
        Err(bug("a dry run claims nothing"))
    }

    async fn retry(&self, _: &Claim) -> RetryResponse {
        CallResult::InDoubt.into()
    }
}

impl Queue for DryRun<'_> {
    async fn send(&self, _: &RetryMessage, _: Duration) -> Result<(), Error> {
        Err(bug("a dry run queues nothing"))
    }
}

#[cfg(test)]
mod tests {
    use core::cell::Cell;
    use core::future::Future;
    use core::pin::pin;
    use core::task::{Context, Poll, Waker};

    use super::*;
    use crate::event::{self, AllowedSources};
    use crate::ledger::{Owner, Timing};
    use crate::verdict::Reason;

    fn ready<T>(future: impl Future<Output = T>) -> T {
        match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(value) => value,
            Poll::Pending => panic!("nothing here waits"),
        }
    }

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
        let (handled, timing) = (Cell::new(0), Timing::default());
        let sentence = |event: &str| {
            handled.set(handled.get() + 1);
            let writer = Writer {
                owner: &Owner(alloc::format!("{}", handled.get())),
                now: Time::from_millis(1_000_000),
                timing: &timing,
            };
            let parsed = event::parse(event.as_bytes(), &AllowedSources::default());
            let record = ready(dry_run.event(parsed, writer)).unwrap();
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
