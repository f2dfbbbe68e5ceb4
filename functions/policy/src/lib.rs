//! The policy language: the types of a [`Document`], its reader, and the matching of failures with rules.
//!
//! [`Document::parse`] reads YAML 1.2 or JSON and reports every problem at once. Exactly one policy applies to a
//! target: the first whose `match` matches. Within that policy, the first rule whose conditions match decides.
//! Policies are never merged. When the limit of the rule is spent, no later rule is consulted.
//!
//! This crate depends on no other crate of the workspace. The caller fills in a [`FailureView`], and a rule is
//! compared with that view:
//!
//! ```
//! use redrive_policy::{ConditionKey, Document, FailureView, Field, Match, Service, TargetName};
//!
//! let document = Document::parse("
//! version: 1
//! retry:
//!   automatic:
//!     - error: DynamoDB.ThrottlingException
//! ")?;
//! let target = TargetName {
//!     service: Service::StepFunctions,
//!     account: "111122223333",
//!     region: "eu-west-1",
//!     name: "etl-orders",
//! };
//! let rule = &document.policy_for(target).expect("retry is for every target").automatic[0];
//! let view = FailureView::unknown(Service::StepFunctions)
//!     .with(ConditionKey::Error, Field::Known("DynamoDB.ThrottlingException"));
//! assert_eq!(rule.conditions.matches_by_name(&view), Match::Yes);
//! # Ok::<(), redrive_policy::Problems>(())
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

mod backoff;
mod case;
mod condition;
mod condition_key;
mod condition_row;
mod decision;
pub mod digest;
mod document;
mod error_name;
mod failure_view;
mod field;
mod glob;
mod index;
mod matching;
pub mod node;
mod policy;
mod policy_version;
mod problem;
mod read;
mod reading;
mod sdk_retry_mode;
mod service;
mod signal_reason;
mod stage_retry_mode;
#[cfg(test)]
mod tests;

pub use self::backoff::{Backoff, JitterStrategy};
pub use self::case::{Case, CaseValue, Expect, Test};
pub use self::condition::{
    BY_NAME_ONLY, Condition, ConditionMatch, ConditionValue, Conditions, Pattern,
};
pub use self::condition_key::ConditionKey;
pub use self::condition_row::{ConditionRow, Source, ValueKind};
pub use self::decision::{Decision, Reason};
pub use self::document::Document;
pub use self::error_name::last_component;
pub use self::failure_view::{ActualValue, FailureView, Values};
pub use self::field::Field;
pub use self::glob::Glob;
pub use self::matching::Match;
pub use self::policy::{Manual, Nested, Policy, Rule, Scope, TargetName};
pub use self::policy_version::PolicyVersion;
pub use self::problem::{
    At, Place, Problem, Problems, Severity, did_you_mean, one_of, simplified, within,
};
pub use self::reading::{Checked, Reading};
pub use self::sdk_retry_mode::SdkRetryMode;
pub use self::service::Service;
pub use self::signal_reason::SignalReason;
pub use self::stage_retry_mode::StageRetryMode;
