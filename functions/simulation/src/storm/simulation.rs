//! The simulated parts of a storm: both services behind AWS's quotas, the ledger and the queue, in virtual time.

use std::cell::{Cell, RefCell, RefMut};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use fastrand::Rng;
use redrive_core::controller::RunMode;
use redrive_core::ledger::{RetryMessage, Timing};
use redrive_core::policy::Document;
use redrive_core::rate_limiter::Micros;
use redrive_core::time::Time;
use redrive_emulator::api::Place;
use redrive_emulator::region::Region;

use super::costs::{self, Used};
use super::limits::Gates;
use super::report::Calls;
use crate::kernel::{Deployed, Sandbox};

/// A step on the agenda. The services' own due work is not on the agenda.
#[derive(Debug)]
pub(super) enum Next {
    /// Lambda runs the function for an event, if concurrency is free.
    Event(Event),
    /// A message becomes receivable.
    Message(Message),
    /// The event source polls the queue again.
    Poll,
    /// The sweep ticks.
    Tick,
}

/// An event in Lambda's own queue.
#[derive(Debug, Clone)]
pub(super) struct Event {
    pub(super) bytes: Rc<[u8]>,
    pub(super) since: u64,
    /// How often Lambda had no free concurrency for the event.
    pub(super) throttles: u32,
    /// How often the function failed for the event.
    pub(super) errors: u32,
}

/// A message of the queue, and how often it was received.
#[derive(Debug, Clone)]
pub(super) struct Message {
    pub(super) retry_message: RetryMessage,
    pub(super) receives: u32,
}

/// The simulated services, ledger and queue. Time is in microseconds since the Unix epoch.
pub(super) struct Simulation {
    pub(super) sandbox: Sandbox<Next>,
    pub(super) dice: RefCell<Rng>,
    pub(super) gates: RefCell<Gates>,
    pub(super) index_shards: usize,
    pub(super) timing: Timing,
    pub(super) deployed: Deployed,
    pub(super) calls: RefCell<BTreeMap<String, Calls>>,
    pub(super) used: RefCell<Used>,
    /// Messages that can be received now.
    pub(super) ready: RefCell<VecDeque<Message>>,
    /// The number of messages that are not yet receivable.
    pub(super) delayed: Cell<u64>,
    /// The number of reservations of slots.
    pub(super) reservations: Cell<u64>,
}

impl Simulation {
    pub(super) fn new(
        now: Time,
        seed: u64,
        region: Region,
        (gates, index_shards): (Gates, usize),
        timing: Timing,
        document: Document,
    ) -> Self {
        let sandbox = Sandbox::new(now);
        sandbox.put_region(&Place::default(), region);
        Self {
            sandbox,
            dice: RefCell::new(Rng::with_seed(seed)),
            gates: RefCell::new(gates),
            index_shards,
            timing,
            deployed: Deployed {
                document: document.into(),
                mode: RunMode::Act,
            },
            calls: RefCell::default(),
            used: RefCell::default(),
            ready: RefCell::default(),
            delayed: Cell::new(0),
            reservations: Cell::new(0),
        }
    }

    /// Returns the time in microseconds since the epoch.
    pub(super) const fn now(&self) -> u64 {
        self.sandbox.agenda.micros().0
    }

    /// Returns the only region.
    pub(super) fn region(&self) -> RefMut<'_, Region> {
        self.sandbox.region(&Place::default())
    }

    /// Puts a step on the agenda.
    pub(super) fn plan(&self, at: u64, next: Next) {
        self.sandbox.agenda.plan(Micros(at), next);
    }

    /// Draws a number from a range, both ends included.
    pub(super) fn draw(&self, from: u64, to: u64) -> u64 {
        self.dice.borrow_mut().u64(from..=to.max(from))
    }

    /// Suspends an invocation for a number of microseconds. Other invocations continue meanwhile.
    pub(super) async fn away(&self, micros: u64) {
        self.sandbox.agenda.away(Micros(micros)).await;
    }

    /// Waits for the duration of a call.
    pub(super) async fn call(&self, api: &str) {
        let usual = costs::latency(api);
        let took = self.draw(usual - usual / 4, usual + usual / 2);
        self.away(took + costs::cpu()).await;
    }

    /// Counts a call.
    pub(super) fn count(&self, api: &str, throttled: bool) {
        let mut calls = self.calls.borrow_mut();
        let calls = calls.entry(api.to_owned()).or_default();
        calls.made += 1;
        calls.throttled += u64::from(throttled);
    }

    /// Plans the time at which a message becomes receivable.
    pub(super) fn send(&self, message: Message, at: u64) {
        self.delayed.set(self.delayed.get() + 1);
        self.plan(at, Next::Message(message));
    }
}
