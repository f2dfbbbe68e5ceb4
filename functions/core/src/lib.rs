//! The decision on a failure, and the protocol that retries the failure once.
//!
//! AWS announces that a Step Functions execution or a stage of a CodePipeline failed. This crate judges whether the
//! failure is transient, and has it retried: once for each failure, within limits. It records a reason for every retry
//! and every refusal.
//!
//! The crate has no AWS SDK, no clock, no I/O and no randomness. The traits of [`controller`] and [`ledger`] supply
//! them, so that the same code runs in a function, locally, and under simulation.
//!
//! # The steps of one failure
//!
//! 1. **Parse.** [`event::parse`] turns the bytes of an event into a [`failure::Failure`] or the completion of a
//!    subject. Every other event is ignored with a reason, or malformed with the place of the fault.
//! 2. **Look up.** A field that the event lacks is a [`failure::Field::Unknown`]. A fact is looked up only if the
//!    verdict depends on it; [`reads`] makes the calls.
//! 3. **Decide.** [`decide::decide`] is a pure function of the [policy document](policy::Document), the
//!    failure and the retries that the ledger counts. It returns a [`verdict::Verdict`], or names the one
//!    fact it needs.
//! 4. **Claim.** [`ledger::write`] stores the verdict and charges the rule in one conditional write. One of several
//!    racing writers wins, and only the winner holds a [`ledger::Claim`].
//! 5. **Retry.** [`controller::Target::retry`] takes a claim and nothing else. A delayed retry waits in the queue
//!    and begins with [`ledger::claim_due`].
//! 6. **Settle.** The answer of AWS ([`calls::result_of`]) moves the entry along the one
//!    [transition table](ledger::transition). A call without an answer is *in doubt*: neither success nor failure.
//!
//! [`controller::Controller`] takes these steps. [`sweep`] continues what was interrupted between them, and
//! [`discovery`] finds failures that were never announced. [`cancel`](mod@cancel) lets a person withdraw a queued
//! retry.
//!
//! # Deciding
//!
//! ```
//! use redrive_core::decide::{Answer, LedgerView, decide};
//! use redrive_core::event::{AllowedSources, ParsedEvent, self};
//! use redrive_core::failure::{Fact, Field, Need};
//! use redrive_core::policy::Document;
//!
//! let policy = Document::parse("
//! version: 1
//! retry:
//!   automatic:
//!     - error: DynamoDB.ThrottlingException
//!       limit: 2
//!       backoff: { interval_seconds: 60, jitter_strategy: NONE }
//! ")?;
//! let event = br#"{
//!   "source": "aws.states", "detail-type": "Step Functions Execution Status Change",
//!   "account": "111122223333", "region": "eu-west-1", "time": "2026-11-20T02:14:05Z",
//!   "detail": {
//!     "executionArn": "arn:aws:states:eu-west-1:111122223333:execution:etl-orders:run-7",
//!     "status": "FAILED", "error": "DynamoDB.ThrottlingException", "cause": null,
//!     "redriveCount": 0, "redriveStatus": "REDRIVABLE"
//!   }
//! }"#;
//! let ParsedEvent::Failure(mut failure) = event::parse(event, &AllowedSources::default()) else { panic!("not a failure") };
//!
//! // The rule matches, so it matters whether the execution ended in a Fail state: the history knows.
//! assert_eq!(decide(&policy, &failure, LedgerView::NotRead), Answer::Need(Need::History));
//! failure.learn(Fact::Ending { fail_state: false, state: Field::Unknown, resource: Field::Unknown });
//! let Answer::Verdict(verdict) = decide(&policy, &failure, LedgerView::NotRead) else { panic!("no verdict") };
//! assert_eq!(verdict.decision.as_str(), "retry");
//! assert_eq!(verdict.delay_seconds, 60);
//! # Ok::<(), redrive_core::policy::Problems>(())
//! ```

#![no_std]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::string_slice
    )
)]

extern crate alloc;

pub mod arn;
pub mod calls;
pub mod cancel;
pub mod cause;
pub mod codepipeline;
pub mod controller;
pub mod decide;
pub mod diagnosis;
pub mod discovery;
pub mod dry_run;
pub mod error;
pub mod error_codes;
pub mod event;
pub mod failure;
pub mod freshness;
pub mod ledger;
mod micros;
mod page;
mod quota;
pub mod rate_limiter;
pub mod reads;
pub mod record;
pub mod record_fields;
pub mod services;
pub mod step_functions;
pub mod subject;
pub mod sweep;
mod target_state;
pub mod time;
mod tolerant;
pub mod verdict;
pub mod view;

/// The policy language.
pub use redrive_policy as policy;

pub use self::codepipeline::pipeline;
pub use self::step_functions::{definition, history};
use redrive_policy::digest;
