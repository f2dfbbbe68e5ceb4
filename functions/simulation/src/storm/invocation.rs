//! One invocation of a function: every call that it makes, with the SDK's attempts.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use redrive_core::controller::{
    Clock, Controller, Queue, RetryResponse, RunMode, Target, TargetState,
};
use redrive_core::definition::CachedDefinition;
use redrive_core::error::{Error, ErrorKind};
use redrive_core::failure::{Fact, Failure, Need, Subject};
use redrive_core::ledger::{
    CasResult, Claim, ClaimResult, DueEntries, Entry, Ledger, Owner, RetryMessage, ScanCheckpoint,
    Writer,
};
use redrive_core::rate_limiter::{Micros, RateLimiter};
use redrive_core::reads::{DefinitionCache, LocalCache};
use redrive_core::services::{Service, row};
use redrive_core::time::Time;
use redrive_emulator::api::{ApiError, CallError, Place};
use serde_json::Value;

use super::limits::Gates;
use super::simulation::{Message, Simulation};
use crate::services::{self, JsonApi, JsonClient, service_of};

/// Maximum number of attempts of a call: the SDK's standard mode makes three.
const TRIES: u32 = 3;

/// The maximum wait between two attempts, in microseconds; the SDK waits a random part of it. The SDK begins with one
/// second, and functions/aws/src/environment.rs caps the doubling at one second.
const BACKOFF: u64 = 1_000_000;

/// The SDK's retry quota: a process's permits, and the permits that one repetition holds until the call succeeds.
const PERMITS: u32 = 500;
const REPETITION: u32 = 5;

/// The state that a function's process keeps between invocations.
#[derive(Debug)]
pub(super) struct Process {
    local_cache: LocalCache,
    rate_limiter: RateLimiter,
    permits: Cell<u32>,
}

impl Process {
    pub(super) fn new() -> Rc<Self> {
        Rc::new(Self {
            local_cache: LocalCache::default(),
            rate_limiter: RateLimiter::default(),
            permits: Cell::new(PERMITS),
        })
    }
}

/// One invocation of a function.
pub(super) struct Invocation<'s> {
    pub(super) simulation: &'s Simulation,
    owner: Owner,
    process: Rc<Process>,
}

impl<'s> Invocation<'s> {
    pub(super) fn new(simulation: &'s Simulation, owner: String, process: Rc<Process>) -> Self {
        Self {
            simulation,
            owner: Owner(owner),
            process,
        }
    }

    /// Returns the core's controller over this simulation.
    pub(super) fn controller(&self) -> Controller<'_, Self, Self, Self, Self> {
        Controller {
            ledger: self,
            target: self,
            queue: self,
            clock: self,
            document: &self.simulation.document,
            mode: RunMode::Act,
            timing: &self.simulation.timing,
            rate_limiter: &self.process.rate_limiter,
            owner: &self.owner,
        }
    }

    /// Makes a call with its attempts, each of which passes the gate or is throttled. Returns `None` if no attempt
    /// passed.
    async fn tried<T>(
        &self,
        api: &'static str,
        gate: impl Fn(&mut Gates, u64) -> bool,
        effect: impl FnOnce(&Simulation) -> T,
    ) -> Option<T> {
        let permits = &self.process.permits;
        let mut lent = 0;
        for tried in 1..=TRIES {
            self.simulation.call(api).await;
            let passes = gate(
                &mut self.simulation.gates.borrow_mut(),
                self.simulation.now(),
            );
            self.simulation.count(api, !passes);
            if passes {
                permits.set(permits.get().saturating_add(lent).min(PERMITS));
                return Some(effect(self.simulation));
            }
            let Some(left) = permits
                .get()
                .checked_sub(REPETITION)
                .filter(|_| tried < TRIES)
            else {
                break;
            };
            permits.set(left);
            lent = REPETITION;
            self.simulation.away(self.simulation.draw(0, BACKOFF)).await;
        }
        None
    }

    /// Makes a call to the ledger.
    async fn ledger<T>(
        &self,
        api: &'static str,
        gate: impl Fn(&mut Gates, u64) -> bool,
        effect: impl FnOnce(&Simulation) -> T,
    ) -> Result<T, Error> {
        self.tried(api, gate, effect)
            .await
            .ok_or_else(|| Error::new(ErrorKind::Throttled, api))
    }

    /// Returns the number of writes to the due index that a write to an entry costs.
    fn index_writes(&self, subject: &Subject, next_check_at: Option<Time>) -> u32 {
        let entries = self.simulation.entries.borrow();
        let before = entries.read(subject).and_then(|entry| entry.next_check_at);
        match (before, next_check_at) {
            (None, None) => 0,
            // An entry that moves in the index is deleted and put.
            (Some(before), Some(after)) if before != after => 2,
            _ => 1,
        }
    }

    fn wrote(&self, writes: u32) {
        let mut used = self.simulation.used.borrow_mut();
        used.writes += u64::from(writes);
    }

    fn has_read(&self, reads: u64) {
        self.simulation.used.borrow_mut().reads += reads;
    }
}

const fn open(_: &mut Gates, _: u64) -> bool {
    true
}

impl Ledger for Invocation<'_> {
    async fn read(&self, subject: &Subject) -> Result<Option<Entry>, Error> {
        self.has_read(1);
        self.ledger("GetItem", open, |simulation| {
            simulation.entries.borrow().read(subject).cloned()
        })
        .await
    }

    async fn put_if_revision(&self, entry: &Entry) -> Result<CasResult, Error> {
        let writes = self.index_writes(&entry.subject, entry.next_check_at);
        let gate = |gates: &mut Gates, now| gates.index(&entry.subject, writes, now);
        self.wrote(1 + writes);
        self.ledger("PutItem", gate, |simulation| {
            simulation.entries.borrow_mut().put_if_revision(entry)
        })
        .await
    }

    async fn claim_due(
        &self,
        retry_message: &RetryMessage,
        writer: Writer<'_>,
    ) -> Result<ClaimResult, Error> {
        let writes = self.index_writes(
            &retry_message.subject,
            Some(writer.now.plus(writer.timing.lease)),
        );
        let gate = |gates: &mut Gates, now| gates.index(&retry_message.subject, writes, now);
        self.wrote(1 + writes);
        self.ledger("UpdateItem", gate, |simulation| {
            simulation
                .entries
                .borrow_mut()
                .claim_due(retry_message, writer)
        })
        .await
    }

    async fn checkpoint(&self) -> Result<Option<ScanCheckpoint>, Error> {
        self.has_read(1);
        self.ledger("GetItem", open, |simulation| {
            simulation.entries.borrow().checkpoint().cloned()
        })
        .await
    }

    async fn put_checkpoint(
        &self,
        checkpoint: &ScanCheckpoint,
    ) -> Result<CasResult<ScanCheckpoint>, Error> {
        self.wrote(1);
        self.ledger("PutItem", open, |simulation| {
            simulation.entries.borrow_mut().put_checkpoint(checkpoint)
        })
        .await
    }

    async fn reserve(&self, service: Service, from: Micros, span: Micros) -> Result<Micros, Error> {
        let gate = |gates: &mut Gates, now| gates.item(row(service).retry_call, now);
        self.wrote(1);
        let reservations = &self.simulation.reservations;
        reservations.set(reservations.get() + 1);
        self.ledger("UpdateItem", gate, |simulation| {
            simulation.entries.borrow_mut().reserve(service, from, span)
        })
        .await
    }

    async fn due_entries(&self, now: Time, max: usize) -> Result<DueEntries, Error> {
        // The due index has several partitions, which are read one after the other.
        for _ in 1..self.simulation.index_shards {
            self.has_read(1);
            self.ledger("Query", open, |_| ()).await?;
        }
        let due_entries = self
            .ledger("Query", open, |simulation| {
                simulation.entries.borrow().due_entries(now, max)
            })
            .await?;
        self.has_read(due_entries.len().div_ceil(4).max(1) as u64);
        Ok(due_entries.into())
    }
}

impl DefinitionCache for Invocation<'_> {
    async fn get(&self, machine: &str) -> Option<CachedDefinition> {
        self.has_read(1);
        let recalled = self.ledger("GetItem", open, |simulation| {
            simulation.definition_cache.borrow().get(machine).cloned()
        });
        recalled.await.unwrap_or_default()
    }

    async fn put(&self, machine: &str, known: &CachedDefinition, _: Time) {
        self.wrote(1);
        let noted = self.ledger("PutItem", open, |simulation| {
            let mut definition_cache = simulation.definition_cache.borrow_mut();
            definition_cache.insert(machine.to_owned(), known.clone());
        });
        // As in the deployed functions, an error of the cache is ignored.
        let _ = noted.await;
    }
}

/// Returns the static name under which an API is counted.
fn named(operation: &str) -> &'static str {
    match operation {
        "RedriveExecution" => "RedriveExecution",
        "DescribeExecution" => "DescribeExecution",
        "GetExecutionHistory" => "GetExecutionHistory",
        "DescribeStateMachine" => "DescribeStateMachine",
        "DescribeStateMachineForExecution" => "DescribeStateMachineForExecution",
        "ListExecutions" => "ListExecutions",
        "ListStateMachines" => "ListStateMachines",
        "ListPipelines" => "ListPipelines",
        _ => "others",
    }
}

impl JsonApi for Invocation<'_> {
    fn place(&self) -> Place {
        Place::default()
    }

    async fn call(&self, arn: &str, operation: &str, body: &Value) -> Result<Value, CallError> {
        let api = named(operation);
        let effect = |simulation: &Simulation| {
            let now = simulation.time().as_millis();
            simulation
                .region
                .borrow_mut()
                .call(service_of(arn), now, operation, body)
        };
        self.tried(api, |gates, now| gates.api(api, now), effect)
            .await
            .unwrap_or_else(|| Err(ApiError::new("ThrottlingException", "Rate exceeded").into()))
    }
}

impl Target for Invocation<'_> {
    async fn lookup(&self, failure: &Failure, need: Need) -> Result<Fact, Error> {
        JsonClient(self)
            .reads(&self.process.local_cache, self, self.now())
            .lookup(failure, need)
            .await
    }

    async fn current_state(&self, claim: &Claim) -> Result<TargetState, Error> {
        JsonClient(self)
            .reads(&self.process.local_cache, self, self.now())
            .current_state(claim.entry())
            .await
    }

    async fn retry(&self, claim: &Claim) -> RetryResponse {
        services::retry(self, claim).await
    }
}

impl Queue for Invocation<'_> {
    async fn send(&self, retry_message: &RetryMessage, delay: Duration) -> Result<(), Error> {
        self.simulation.call("SendMessage").await;
        self.simulation.count("SendMessage", false);
        self.simulation.used.borrow_mut().sqs_requests += 1;
        // As in functions/aws/src/queue.rs, a delay is rounded up to whole seconds.
        let seconds = u64::try_from(delay.as_millis().div_ceil(1_000)).unwrap_or(900);
        let message = Message {
            retry_message: retry_message.clone(),
            receives: 0,
        };
        let at = self.simulation.now() + seconds.min(900) * 1_000_000;
        self.simulation.send(message, at);
        Ok(())
    }
}

impl Clock for Invocation<'_> {
    fn now(&self) -> Time {
        self.simulation.time()
    }
}
