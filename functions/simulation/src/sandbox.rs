//! An in-process sandbox. Both services are emulated in every account and region that an ARN names. The ledger and
//! the queue are in memory, and the clock stands still until it is wound.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::Duration;

use redrive_core::arn::Arn;
use redrive_core::controller::{Clock, Queue, RetryResponse, Target, TargetState};
use redrive_core::error::Error;
use redrive_core::failure::{Fact, Failure, Need, Subject};
use redrive_core::ledger::{Claim, RetryMessage};
use redrive_core::reads::LocalCache;
use redrive_core::time::Time;
use redrive_emulator::api::{CallError, Emitted, Place};
use redrive_emulator::codepipeline;
use redrive_emulator::region::Region;
use serde_json::Value;

use crate::memory::Memory;
use crate::services::{self, JsonApi, JsonClient, service_of};

/// Both services, a ledger, a queue and a clock, in process.
#[derive(Debug)]
pub struct Sandbox {
    /// The ledger.
    pub ledger: Memory,
    now: Cell<Time>,
    local_cache: LocalCache,
    regions: RefCell<BTreeMap<(String, String, String), Region>>,
    queue: RefCell<BTreeMap<(Time, u64), RetryMessage>>,
    sent: Cell<u64>,
}

impl Sandbox {
    /// Returns an empty sandbox at a time.
    pub fn new(now: Time) -> Self {
        Self {
            ledger: Memory::default(),
            now: Cell::new(now),
            local_cache: LocalCache::default(),
            regions: RefCell::default(),
            queue: RefCell::default(),
            sent: Cell::new(0),
        }
    }

    /// Winds the clock forward; the clock never goes back.
    pub fn wind(&self, to: Time) {
        self.now.set(self.now.get().max(to));
    }

    /// Calls `f` with the region of a place. A new region is created on first use.
    pub fn in_region<R>(&self, place: &Place, f: impl FnOnce(&mut Region) -> R) -> R {
        let mut regions = self.regions.borrow_mut();
        let key = (
            place.partition.clone(),
            place.region.clone(),
            place.account.clone(),
        );
        let seed = regions.len() as u64;
        f(regions
            .entry(key)
            .or_insert_with(|| Region::new(place, seed)))
    }

    /// Returns the earliest time at which a service has something due.
    pub fn next_at(&self) -> Option<Time> {
        self.regions
            .borrow()
            .values()
            .filter_map(Region::next_at)
            .min()
            .map(Time::from_millis)
    }

    /// Finishes the work that is due by now, and returns the events, oldest first.
    pub fn advance(&self) -> Vec<Emitted> {
        let now = self.now.get().as_millis();
        let mut events: Vec<Emitted> = self
            .regions
            .borrow_mut()
            .values_mut()
            .flat_map(|region| region.advance(now))
            .collect();
        events.sort_by_key(|emitted| emitted.at);
        events
    }

    /// Returns the time at which the next message of the queue arrives.
    pub fn next_message(&self) -> Option<Time> {
        self.queue.borrow().keys().next().map(|(at, _)| *at)
    }

    /// Takes the next message that has arrived by now.
    pub fn receive(&self) -> Option<RetryMessage> {
        let mut queue = self.queue.borrow_mut();
        let first = queue
            .first_entry()
            .filter(|first| first.key().0 <= self.now.get())?;
        Some(first.remove())
    }

    /// Returns the number of calls that the services received, by operation. People's acts at the console are not
    /// counted.
    pub fn calls(&self) -> BTreeMap<String, usize> {
        let mut calls = BTreeMap::new();
        for region in self.regions.borrow().values() {
            let of_sfn = region
                .stepfunctions
                .calls()
                .iter()
                .map(|call| call.operation.to_string());
            let of_pipeline = region
                .codepipeline
                .calls()
                .iter()
                .filter(|call| call.by == codepipeline::By::Api)
                .map(|call| call.operation.clone());
            for operation in of_sfn.chain(of_pipeline) {
                *calls.entry(operation).or_default() += 1;
            }
        }
        calls
    }
}

impl JsonApi for Sandbox {
    async fn call(&self, arn: &str, operation: &str, body: &Value) -> Result<Value, CallError> {
        let now = self.now.get().as_millis();
        self.in_region(&place_in(arn), |region| {
            region.call(service_of(arn), now, operation, body)
        })
    }
}

/// Returns the account and region of a subject.
pub fn place_of(subject: &Subject) -> Place {
    place_in(subject.arn())
}

fn place_in(arn: &str) -> Place {
    Arn::parse(arn).map_or_else(
        |_| Place::default(),
        |arn| Place {
            partition: arn.partition.into(),
            region: arn.region.into(),
            account: arn.account.into(),
        },
    )
}

impl Target for Sandbox {
    async fn lookup(&self, failure: &Failure, need: Need) -> Result<Fact, Error> {
        JsonClient(self)
            .reads(&self.local_cache, &self.ledger, self.now.get())
            .lookup(failure, need)
            .await
    }

    async fn current_state(&self, claim: &Claim) -> Result<TargetState, Error> {
        let entry = claim.entry();
        JsonClient(self)
            .reads(&self.local_cache, &self.ledger, self.now.get())
            .current_state(entry)
            .await
    }

    async fn retry(&self, claim: &Claim) -> RetryResponse {
        services::retry(self, claim).await
    }
}

impl Queue for Sandbox {
    async fn send(&self, retry_message: &RetryMessage, delay: Duration) -> Result<(), Error> {
        let number = self.sent.get();
        self.sent.set(number.saturating_add(1));
        self.queue
            .borrow_mut()
            .insert((self.now.get().plus(delay), number), retry_message.clone());
        Ok(())
    }
}

impl Clock for Sandbox {
    fn now(&self) -> Time {
        self.now.get()
    }
}
