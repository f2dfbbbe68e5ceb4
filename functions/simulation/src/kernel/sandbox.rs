//! Both services in every account and region that an ARN names, the ledger, and the agenda.

use std::cell::{RefCell, RefMut};
use std::collections::BTreeMap;

use redrive_core::arn::Arn;
use redrive_core::failure::Subject;
use redrive_core::time::Time;
use redrive_emulator::api::{CallError, Emitted, Place};
use redrive_emulator::codepipeline;
use redrive_emulator::region::Region;
use serde_json::Value;

use super::agenda::{Agenda, Turn};
use crate::memory::Memory;
use crate::services::{JsonApi, service_of};

/// Both services, the ledger and the agenda of one simulation, in process. `N` is a step of the simulation.
#[derive(Debug)]
pub struct Sandbox<N> {
    /// The clock, and the steps that are to happen.
    pub agenda: Agenda<N>,
    /// The ledger.
    pub ledger: Memory,
    /// The regions by partition, region and account.
    regions: RefCell<BTreeMap<[String; 3], Region>>,
}

impl<N> Sandbox<N> {
    /// Returns an empty sandbox at a time.
    pub fn new(now: Time) -> Self {
        Self {
            agenda: Agenda::new(now),
            ledger: Memory::default(),
            regions: RefCell::default(),
        }
    }

    /// Returns the current time.
    pub const fn now(&self) -> Time {
        self.agenda.now()
    }

    /// Sets the region of a place.
    pub fn put_region(&self, place: &Place, region: Region) {
        self.regions.borrow_mut().insert(key(place), region);
    }

    /// Returns the region of a place. A new region is created on first use.
    pub fn region(&self, place: &Place) -> RefMut<'_, Region> {
        RefMut::map(self.regions.borrow_mut(), |regions| {
            let seed = regions.len() as u64;
            let region = regions.entry(key(place));
            region.or_insert_with(|| Region::new(place, seed))
        })
    }

    /// Takes the next thing that happens, and winds the clock to it.
    pub fn turn(&self) -> Turn<N> {
        self.agenda.turn(self.next_at())
    }

    /// Returns the earliest time at which a service has something due.
    pub fn next_at(&self) -> Option<Time> {
        let regions = self.regions.borrow();
        let next = regions.values().filter_map(Region::next_at).min();
        next.map(Time::from_millis)
    }

    /// Finishes the work that is due by now, and returns the events, oldest first.
    pub fn advance(&self) -> Vec<Emitted> {
        let now = self.now().as_millis();
        let mut events: Vec<Emitted> = self
            .regions
            .borrow_mut()
            .values_mut()
            .flat_map(|region| region.advance(now))
            .collect();
        events.sort_by_key(|emitted| emitted.at);
        events
    }
    /// Calls the service of an ARN, in its account and region.
    ///
    /// # Errors
    /// The service answers with an error, or the answer is lost.
    pub fn answer(&self, arn: &str, operation: &str, body: &Value) -> Result<Value, CallError> {
        let now = self.now().as_millis();
        let mut region = self.region(&place_in(arn));
        region.call(service_of(arn), now, operation, body)
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

impl<N> JsonApi for Sandbox<N> {
    async fn call(&self, arn: &str, operation: &str, body: &Value) -> Result<Value, CallError> {
        self.answer(arn, operation, body)
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

fn key(place: &Place) -> [String; 3] {
    [&place.partition, &place.region, &place.account].map(Clone::clone)
}
