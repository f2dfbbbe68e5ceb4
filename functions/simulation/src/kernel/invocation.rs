//! One invocation of a function: the core's ledger, target, queue and clock over a sandbox.

use std::rc::Rc;
use std::time::Duration;

use redrive_core::controller::{
    Clock, Controller, Queue, RetryResponse, RunMode, Target, TargetState,
};
use redrive_core::definition::CachedDefinition;
use redrive_core::error::Error;
use redrive_core::failure::{Fact, Failure, Need, Subject};
use redrive_core::ledger::{
    CasResult, CheckpointStore, Claim, ClaimResult, DueEntries, Entry, EntryStore, Owner,
    RetryMessage, ScanCheckpoint, SlotStore, Timing, Writer,
};
use redrive_core::policy::Document;
use redrive_core::rate_limiter::{Micros, RateLimiter};
use redrive_core::reads::{DefinitionCache, LocalCache};
use redrive_core::services::Service;
use redrive_core::time::Time;
use redrive_emulator::api::CallError;
use serde_json::Value;

use super::interceptor::{Interceptor, Request, RequestError};
use crate::memory::Memory;
use crate::services::{self, JsonApi, JsonClient};

/// The state that a function's process keeps between invocations.
#[derive(Debug, Default)]
pub struct Process {
    /// The definitions that the process has read.
    pub local_cache: LocalCache,
    /// The pace of the process.
    pub rate_limiter: RateLimiter,
    /// How far the process's clock is ahead, in milliseconds; negative if it is behind.
    pub skew_ms: i64,
}

/// The deployed policy and mode.
#[derive(Debug, Clone)]
pub struct Deployed {
    /// The policy in force.
    pub document: Rc<Document>,
    /// The mode in force.
    pub mode: RunMode,
}

/// One invocation of a function. Every request that it makes passes the interceptor.
#[derive(Debug)]
pub struct Invocation<I> {
    /// Decides what becomes of each request.
    pub interceptor: I,
    /// The process that runs the invocation.
    pub process: Rc<Process>,
    /// What was deployed when the invocation began.
    pub deployed: Deployed,
    /// Leases, delays, lags and quotas.
    pub timing: Timing,
    /// The name of the invocation.
    pub owner: Owner,
}

impl<I: Interceptor> Invocation<I> {
    /// Returns the core's controller over this invocation.
    pub fn controller(&self) -> Controller<'_, Self, Self, Self, Self> {
        Controller {
            ledger: self,
            target: self,
            queue: self,
            clock: self,
            document: &self.deployed.document,
            mode: self.deployed.mode,
            timing: &self.timing,
            rate_limiter: &self.process.rate_limiter,
            owner: &self.owner,
        }
    }

    /// Returns the writer of an entry at this moment.
    pub fn writer(&self) -> Writer<'_> {
        Writer {
            owner: &self.owner,
            now: self.now(),
            timing: &self.timing,
        }
    }

    fn ledger(&self) -> &Memory {
        &self.interceptor.sandbox().ledger
    }

    async fn ask<R, E: RequestError>(
        &self,
        request: Request<'_>,
        effect: impl AsyncFnMut() -> Result<R, E>,
    ) -> Result<R, E> {
        self.interceptor.intercept(request, effect).await
    }
}

impl<I: Interceptor> EntryStore for Invocation<I> {
    async fn read(&self, subject: &Subject) -> Result<Option<Entry>, Error> {
        let effect = async || self.ledger().read(subject).await;
        self.ask(Request::Read(subject), effect).await
    }

    async fn put_if_revision(&self, entry: &Entry) -> Result<CasResult, Error> {
        let effect = async || {
            let before = self.ledger().read(&entry.subject).await?;
            let result = self.ledger().put_if_revision(entry).await?;
            if result == CasResult::Stored {
                self.interceptor.stored(before.as_ref(), entry);
            }
            Ok(result)
        };
        self.ask(Request::Put(entry), effect).await
    }

    async fn claim_due(
        &self,
        retry_message: &RetryMessage,
        writer: Writer<'_>,
    ) -> Result<ClaimResult, Error> {
        let effect = async || {
            let before = self.ledger().read(&retry_message.subject).await?;
            let result = self.ledger().claim_due(retry_message, writer).await?;
            if let ClaimResult::Claimed(entry) = &result {
                self.interceptor.stored(before.as_ref(), entry);
            }
            Ok(result)
        };
        self.ask(Request::ClaimDue(retry_message, writer), effect)
            .await
    }

    async fn due_entries(&self, now: Time, max: usize) -> Result<DueEntries, Error> {
        let effect = async || {
            let mut due = self.ledger().due_entries(now, max).await?;
            self.interceptor.show_due(&mut due.entries);
            Ok(due)
        };
        self.ask(Request::DueEntries, effect).await
    }
}

impl<I: Interceptor> CheckpointStore for Invocation<I> {
    async fn checkpoint(&self) -> Result<Option<ScanCheckpoint>, Error> {
        let effect = async || self.ledger().checkpoint().await;
        self.ask(Request::ReadCheckpoint, effect).await
    }

    async fn put_checkpoint(
        &self,
        checkpoint: &ScanCheckpoint,
    ) -> Result<CasResult<ScanCheckpoint>, Error> {
        let effect = async || self.ledger().put_checkpoint(checkpoint).await;
        self.ask(Request::PutCheckpoint, effect).await
    }
}

impl<I: Interceptor> SlotStore for Invocation<I> {
    async fn reserve(&self, service: Service, from: Micros, span: Micros) -> Result<Micros, Error> {
        let effect = async || self.ledger().reserve(service, from, span).await;
        self.ask(Request::Reserve(service), effect).await
    }
}

impl<I: Interceptor> DefinitionCache for Invocation<I> {
    async fn get(&self, machine: &str) -> Option<CachedDefinition> {
        let show = |stored: &mut Vec<_>| self.interceptor.show_definition(stored);
        let effect = async || Ok::<_, Error>(self.ledger().with_definitions(machine, show));
        let shown = self.ask(Request::GetDefinition, effect).await;
        shown.unwrap_or_default()
    }

    async fn put(&self, machine: &str, known: &CachedDefinition, _: Time) {
        let effect = async || {
            let lost = self.interceptor.loses_definition();
            self.ledger().with_definitions(machine, |stored| {
                if lost {
                    stored.clear();
                } else {
                    stored.push(known.clone());
                }
            });
            Ok::<_, Error>(())
        };
        // As in the deployed functions, an error of the cache is ignored.
        let _ = self.ask(Request::PutDefinition, effect).await;
    }
}

impl<I: Interceptor> JsonApi for Invocation<I> {
    async fn call(&self, arn: &str, operation: &str, body: &Value) -> Result<Value, CallError> {
        let effect = async || self.interceptor.sandbox().answer(arn, operation, body);
        self.ask(Request::Api { operation }, effect).await
    }
}

/// The API for the one call that changes a target.
struct Retrying<'i, I> {
    interceptor: &'i I,
    claim: &'i Claim,
}

impl<I: Interceptor> JsonApi for Retrying<'_, I> {
    async fn call(&self, arn: &str, operation: &str, body: &Value) -> Result<Value, CallError> {
        let request = Request::Retry {
            claim: self.claim,
            operation,
            body,
        };
        let effect = async || self.interceptor.sandbox().answer(arn, operation, body);
        self.interceptor.intercept(request, effect).await
    }
}

impl<I: Interceptor> Target for Invocation<I> {
    async fn lookup(&self, failure: &Failure, need: Need) -> Result<Fact, Error> {
        let effect = async || {
            JsonClient(self)
                .reads(&self.process.local_cache, self, self.now())
                .lookup(failure, need)
                .await
        };
        self.ask(Request::Lookup(failure, need), effect).await
    }

    async fn current_state(&self, claim: &Claim) -> Result<TargetState, Error> {
        let effect = async || {
            JsonClient(self)
                .reads(&self.process.local_cache, self, self.now())
                .current_state(claim.entry())
                .await
        };
        self.ask(Request::CurrentState(claim), effect).await
    }

    async fn retry(&self, claim: &Claim) -> RetryResponse {
        let api = Retrying {
            interceptor: &self.interceptor,
            claim,
        };
        services::retry(&api, claim).await
    }
}

impl<I: Interceptor> Queue for Invocation<I> {
    async fn send(&self, retry_message: &RetryMessage, delay: Duration) -> Result<(), Error> {
        let effect = async || {
            self.interceptor.send(retry_message, delay);
            Ok(())
        };
        self.ask(Request::Send, effect).await
    }
}

impl<I: Interceptor> Clock for Invocation<I> {
    fn now(&self) -> Time {
        let real = self.interceptor.sandbox().agenda.now().as_millis();
        Time::from_millis(real.saturating_add_signed(self.process.skew_ms))
    }
}
