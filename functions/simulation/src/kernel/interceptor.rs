//! The one place where a simulation decides what becomes of an invocation's requests.

use std::time::Duration;

use redrive_core::definition::CachedDefinition;
use redrive_core::error::Error;
use redrive_core::failure::{Failure, Need, Subject};
use redrive_core::ledger::{Claim, Entry, RetryMessage, Writer};
use redrive_core::services::Service;
use redrive_emulator::api::CallError;
use serde_json::Value;

use super::sandbox::Sandbox;
use crate::services::failed;

/// One request of an invocation.
#[derive(Debug, Clone, Copy)]
pub enum Request<'r> {
    /// The ledger reads an entry.
    Read(&'r Subject),
    /// The ledger stores an entry.
    Put(&'r Entry),
    /// The ledger claims the due retry of a message.
    ClaimDue(&'r RetryMessage, Writer<'r>),
    /// The ledger lists entries to check.
    DueEntries,
    /// The ledger reads the checkpoint of discovery.
    ReadCheckpoint,
    /// The ledger stores the checkpoint of discovery.
    PutCheckpoint,
    /// The ledger reserves slots of a service.
    Reserve(Service),
    /// The shared cache reads a definition.
    GetDefinition,
    /// The shared cache stores a definition.
    PutDefinition,
    /// The queue accepts a message.
    Send,
    /// The core looks up a fact, by requests of their own.
    Lookup(&'r Failure, Need),
    /// The core reads a claim's target, by requests of their own.
    CurrentState(&'r Claim),
    /// A service is called for anything but a retry.
    Api {
        /// The operation.
        operation: &'r str,
    },
    /// A service is called for the retry of a claim.
    Retry {
        /// The claim.
        claim: &'r Claim,
        /// The operation.
        operation: &'r str,
        /// The body of the call.
        body: &'r Value,
    },
}

impl<'r> Request<'r> {
    /// Returns the operation of AWS that answers the request. The core's own questions have none.
    pub const fn operation(&self) -> &'r str {
        match self {
            Self::Read(_) | Self::ReadCheckpoint | Self::GetDefinition => "GetItem",
            Self::Put(_) | Self::PutCheckpoint | Self::PutDefinition => "PutItem",
            Self::ClaimDue(..) | Self::Reserve(_) => "UpdateItem",
            Self::DueEntries => "Query",
            Self::Send => "SendMessage",
            Self::Lookup(..) | Self::CurrentState(_) => "",
            Self::Api { operation } | Self::Retry { operation, .. } => operation,
        }
    }

    /// Returns whether the request writes to the ledger.
    pub fn writes(&self) -> bool {
        matches!(self.operation(), "PutItem" | "UpdateItem")
    }
}

/// An error as the caller of a request gets it.
pub trait RequestError: Sized {
    /// Returns the error for a request that failed so.
    fn of(operation: &str, error: CallError) -> Self;

    /// Returns the service's own error, where the caller gets it.
    fn call_error(&self) -> Option<&CallError>;
}

impl RequestError for Error {
    fn of(operation: &str, error: CallError) -> Self {
        failed(operation, error).1
    }

    fn call_error(&self) -> Option<&CallError> {
        None
    }
}

impl RequestError for CallError {
    fn of(_: &str, error: CallError) -> Self {
        error
    }

    fn call_error(&self) -> Option<&CallError> {
        Some(self)
    }
}

/// Decides what becomes of each request of an invocation, and where its messages go.
#[expect(
    async_fn_in_trait,
    reason = "a simulation is one thread, so that futures need not be Send"
)]
pub trait Interceptor {
    /// A step on the simulation's agenda.
    type Step;

    /// Returns the sandbox that the invocation runs in.
    fn sandbox(&self) -> &Sandbox<Self::Step>;

    /// Answers a request. `effect` carries the request out: never, once, or more often. The request may wait, fail
    /// before or after its effect, be repeated, get an answer of something else, or never return. By default, it
    /// passes.
    ///
    /// # Errors
    /// The request fails.
    async fn intercept<R, E: RequestError>(
        &self,
        _request: Request<'_>,
        mut effect: impl AsyncFnMut() -> Result<R, E>,
    ) -> Result<R, E> {
        effect().await
    }

    /// Puts a message on its way.
    fn send(&self, retry_message: &RetryMessage, delay: Duration);

    /// Sees every write of an entry.
    fn stored(&self, _before: Option<&Entry>, _after: &Entry) {}

    /// Changes what the due index shows.
    fn show_due(&self, _entries: &mut Vec<Entry>) {}

    /// Returns what the shared cache shows of a machine's stored definitions, which are given oldest first.
    fn show_definition(&self, stored: &[CachedDefinition]) -> Option<CachedDefinition> {
        stored.last().cloned()
    }

    /// Returns whether the shared cache loses a machine's definitions instead of storing one.
    fn loses_definition(&self) -> bool {
        false
    }
}
