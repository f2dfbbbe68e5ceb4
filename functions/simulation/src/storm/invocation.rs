//! The requests of one invocation, with the SDK's attempts.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use redrive_core::failure::Subject;
use redrive_core::ledger::{Entry, RetryMessage};
use redrive_core::services::row;
use redrive_core::time::Time;
use redrive_emulator::api::ApiError;

use super::simulation::{Message, Next, Simulation};
use crate::kernel::{self, Interceptor, Request, RequestError, Sandbox};

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
    pub(super) kernel: Rc<kernel::Process>,
    permits: Cell<u32>,
}

impl Process {
    pub(super) fn new() -> Rc<Self> {
        Rc::new(Self {
            kernel: Rc::default(),
            permits: Cell::new(PERMITS),
        })
    }
}

/// The requests of one invocation: their durations, attempts and costs.
pub(super) struct Attempts<'s> {
    pub(super) simulation: &'s Simulation,
    pub(super) process: Rc<Process>,
}

/// An invocation of a function in a storm.
pub(super) type Invocation<'s> = kernel::Invocation<Attempts<'s>>;

impl Attempts<'_> {
    /// Returns the number of writes to the due index that a write to an entry costs.
    fn index_writes(&self, subject: &Subject, next_check_at: Option<Time>) -> u32 {
        let entries = self.simulation.sandbox.ledger.lock();
        let before = entries.read(subject).and_then(|entry| entry.next_check_at);
        match (before, next_check_at) {
            (None, None) => 0,
            // An entry that moves in the index is deleted and put.
            (Some(before), Some(after)) if before != after => 2,
            _ => 1,
        }
    }

    /// Counts the cost of a request. Returns the number of its writes to the due index.
    fn pay(&self, request: &Request<'_>) -> u32 {
        let simulation = self.simulation;
        let mut used = simulation.used.borrow_mut();
        let index_writes = match request {
            Request::Put(entry) => self.index_writes(&entry.subject, entry.next_check_at),
            Request::ClaimDue(retry_message, writer) => {
                let lease = writer.now.plus(writer.timing.lease);
                self.index_writes(&retry_message.subject, Some(lease))
            }
            _ => 0,
        };
        if request.writes() {
            used.writes += u64::from(1 + index_writes);
        }
        match request {
            Request::Read(_) | Request::ReadCheckpoint | Request::GetDefinition => used.reads += 1,
            Request::Send => used.sqs_requests += 1,
            Request::Reserve(_) => simulation
                .reservations
                .set(simulation.reservations.get() + 1),
            _ => {}
        }
        index_writes
    }

    /// Returns whether a request passes its gate now.
    fn passes(&self, request: &Request<'_>, index_writes: u32) -> bool {
        let mut gates = self.simulation.gates.borrow_mut();
        let now = self.simulation.now();
        match request {
            Request::Put(entry) => gates.index(&entry.subject, index_writes, now),
            Request::ClaimDue(retry_message, _) => {
                gates.index(&retry_message.subject, index_writes, now)
            }
            Request::Reserve(service) => gates.item(row(*service).retry_call, now),
            _ => gates.api(request.operation(), now),
        }
    }
}

impl Interceptor for Attempts<'_> {
    type Step = Next;

    fn sandbox(&self) -> &Sandbox<Next> {
        &self.simulation.sandbox
    }

    async fn intercept<R, E: RequestError>(
        &self,
        request: Request<'_>,
        mut effect: impl AsyncFnMut() -> Result<R, E>,
    ) -> Result<R, E> {
        if matches!(request, Request::Lookup(..) | Request::CurrentState(_)) {
            return effect().await;
        }
        let (simulation, operation) = (self.simulation, request.operation());
        if matches!(request, Request::DueEntries) {
            // The due index has several partitions, which are read one after the other.
            for _ in 1..simulation.index_shards {
                simulation.used.borrow_mut().reads += 1;
                simulation.call(operation).await;
                simulation.count(operation, false);
            }
        }
        let index_writes = self.pay(&request);
        let permits = &self.process.permits;
        let mut lent = 0;
        for tried in 1..=TRIES {
            simulation.call(operation).await;
            let passes = self.passes(&request, index_writes);
            simulation.count(operation, !passes);
            if passes {
                permits.set(permits.get().saturating_add(lent).min(PERMITS));
                return effect().await;
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
            simulation.away(simulation.draw(0, BACKOFF)).await;
        }
        let throttled = ApiError::new("ThrottlingException", "Rate exceeded");
        Err(E::of(operation, throttled.into()))
    }

    fn send(&self, retry_message: &RetryMessage, delay: Duration) {
        // As in functions/aws/src/queue.rs, a delay is rounded up to whole seconds.
        let seconds = u64::try_from(delay.as_millis().div_ceil(1_000)).unwrap_or(900);
        let message = Message {
            retry_message: retry_message.clone(),
            receives: 0,
        };
        let at = self.simulation.now() + seconds.min(900) * 1_000_000;
        self.simulation.send(message, at);
    }

    fn show_due(&self, entries: &mut Vec<Entry>) {
        let read = entries.len().div_ceil(4).max(1);
        self.simulation.used.borrow_mut().reads += read as u64;
    }
}
