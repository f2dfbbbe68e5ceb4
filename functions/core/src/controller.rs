//! The steps of one failure, over the ledger and the traits [`Target`] and [`Queue`]:
//! parse, look up, decide, claim, retry, settle.
//!
//! Each public method takes one event, message or entry and returns one [`Record`]. On an error of a call, the caller
//! has the event delivered again. Redelivery is safe because the ledger holds every earlier claim.

mod completion;
mod failure;
mod retry;

use core::time::Duration;

use serde::Serialize;

pub use crate::calls::{CallResult, RetryResponse};
use crate::error::{Error, ErrorKind};
use crate::event::{self, AllowedSources, ParsedEvent};
pub use crate::failure::TargetState;
use crate::failure::{Fact, Failure, Need};
use crate::ledger::{Claim, EntryStore, Owner, RetryMessage, SlotStore, Timing, Writer};
use crate::policy::Document;
use crate::rate_limiter::RateLimiter;
pub use crate::record::{Outcome, Record};
use crate::time::Time;
use crate::verdict::Reason;

/// The value of `REDRIVE_MODE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RunMode {
    /// Decide and record; make no call that changes a target.
    #[default]
    Observe,
    /// Retry.
    Act,
    /// Accept every event without reading or writing anything.
    Off,
}

/// A service whose executions or stages are retried.
#[expect(
    async_fn_in_trait,
    reason = "the functions run on one thread, so that futures need not be Send"
)]
pub trait Target {
    /// Looks up one fact about a failure.
    async fn lookup(&self, failure: &Failure, need: Need) -> Result<Fact, Error>;

    /// Reads the target before a delayed or repeated retry, and compares it with the failure of the claim.
    async fn current_state(&self, claim: &Claim) -> Result<TargetState, Error>;

    /// Sends the retry to AWS. INVARIANT: called at most once for a claim. A failure may be claimed again after AWS
    /// refused the call or a lease ran out.
    async fn retry(&self, claim: &Claim) -> RetryResponse;
}

/// The queue of delayed retry messages.
#[expect(
    async_fn_in_trait,
    reason = "the functions run on one thread, so that futures need not be Send"
)]
pub trait Queue {
    /// Sends a retry message for delivery after `delay`, maximum 15 minutes.
    async fn send(&self, retry_message: &RetryMessage, delay: Duration) -> Result<(), Error>;
}

/// The source of the current time.
pub trait Clock {
    /// Returns the current time.
    fn now(&self) -> Time;
}

/// The protocol over one ledger, target, queue and clock.
#[derive(Debug)]
pub struct Controller<'w, L, T, Q, C> {
    /// The ledger.
    pub ledger: &'w L,
    /// Step Functions and CodePipeline.
    pub target: &'w T,
    /// The queue of delayed retries.
    pub queue: &'w Q,
    /// The clock.
    pub clock: &'w C,
    /// The policy in force.
    pub document: &'w Document,
    /// The mode in force.
    pub mode: RunMode,
    /// Leases, delays and lags.
    pub timing: &'w Timing,
    /// The rate limiter of this process.
    pub rate_limiter: &'w RateLimiter,
    /// The name of this handling of one event, message or entry.
    pub owner: &'w Owner,
}

/// Maximum write attempts for one event. After that many conflicts, AWS delivers the event again.
pub(crate) const MAX_ATTEMPTS: usize = 5;

impl<L: EntryStore + SlotStore, T: Target, Q: Queue, C: Clock> Controller<'_, L, T, Q, C> {
    /// Handles one event.
    ///
    /// # Errors
    /// AWS could not be reached; the event should be delivered again.
    pub async fn event(&self, bytes: &[u8], sources: &AllowedSources) -> Result<Record, Error> {
        self.parsed(event::parse(bytes, sources)).await
    }

    /// Handles one event that the caller parsed.
    ///
    /// # Errors
    /// AWS could not be reached; the event should be delivered again.
    pub async fn parsed(&self, event: ParsedEvent) -> Result<Record, Error> {
        match event {
            ParsedEvent::Failure(failure) => self.failure(failure).await,
            ParsedEvent::Completion(completion) => self.completion(&completion).await,
            ParsedEvent::Ignored(ignored) => Ok(Record::ignored(self.clock.now(), ignored)),
            ParsedEvent::Malformed(malformed) => Ok(Record::malformed(self.clock.now(), malformed)),
        }
    }

    pub(crate) fn writer(&self) -> Writer<'_> {
        Writer {
            owner: self.owner,
            now: self.clock.now(),
            timing: self.timing,
        }
    }

    fn record(&self, outcome: Outcome, reason: Reason) -> Record {
        Record::new(self.clock.now(), outcome, reason)
    }
}

/// Returns the error for a step that this program should never have tried.
pub(crate) fn bug(what: impl core::fmt::Display) -> Error {
    Error::new(ErrorKind::Internal, alloc::format!("{what}"))
}
