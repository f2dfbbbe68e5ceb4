//! The clock and the agenda of virtual time.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use redrive_core::rate_limiter::Micros;
use redrive_core::time::Time;

/// The clock and the agenda of one simulation. `N` is a step of the simulation.
#[derive(Debug)]
pub struct Agenda<N> {
    now: Cell<Micros>,
    /// Numbers the steps, so that steps of one moment keep the order in which they were planned.
    counter: Cell<u64>,
    planned: RefCell<BTreeMap<(Micros, u64), Planned<N>>>,
    /// How long the invocation that was polled last waits, or `None` if no answer ever arrives.
    asked: Cell<Option<Micros>>,
}

#[derive(Debug)]
enum Planned<N> {
    Wake(u64),
    Step(N),
}

/// The next thing that happens. The clock is wound to it.
#[derive(Debug)]
pub enum Turn<N> {
    /// The services have something due.
    Services,
    /// A waiting invocation continues: its call arrives at a service, or an answer arrives at the invocation.
    Wake(u64),
    /// A step of the simulation.
    Step(N),
    /// Nothing is left to happen.
    Over,
}

impl<N> Agenda<N> {
    pub(super) fn new(now: Time) -> Self {
        Self {
            now: Cell::new(now.into()),
            counter: Cell::new(0),
            planned: RefCell::default(),
            asked: Cell::default(),
        }
    }

    /// Returns the time that a clock shows.
    pub const fn now(&self) -> Time {
        Time::from_millis(self.micros().0 / 1_000)
    }

    /// Returns the time in microseconds since the epoch.
    pub const fn micros(&self) -> Micros {
        self.now.get()
    }

    /// Winds the clock forward; the clock never goes back.
    pub fn wind(&self, to: impl Into<Micros>) {
        self.now.set(self.micros().max(to.into()));
    }

    /// Puts a step on the agenda, not before now.
    pub fn plan(&self, at: impl Into<Micros>, step: N) {
        self.put(at.into(), Planned::Step(step));
    }

    fn put(&self, at: Micros, planned: Planned<N>) {
        let number = self.counter.get();
        self.counter.set(number.wrapping_add(1));
        let key = (at.max(self.micros()), number);
        self.planned.borrow_mut().insert(key, planned);
    }

    /// Takes the next thing that happens, and winds the clock to it. Work that the services have `due` precedes a step
    /// of the same moment.
    pub(super) fn turn(&self, due: Option<Time>) -> Turn<N> {
        let due = due.map(Micros::from);
        let mut planned = self.planned.borrow_mut();
        match (planned.first_entry(), due) {
            (Some(first), _) if due.is_none_or(|due| first.key().0 < due) => {
                self.wind(first.key().0);
                match first.remove() {
                    Planned::Wake(id) => Turn::Wake(id),
                    Planned::Step(step) => Turn::Step(step),
                }
            }
            (_, Some(due)) => {
                self.wind(due);
                Turn::Services
            }
            (_, None) => Turn::Over,
        }
    }

    fn key(&self, such: impl Fn(&N) -> bool) -> Option<(Micros, u64)> {
        let planned = self.planned.borrow();
        let mut all = planned.iter();
        let first = all.find(|(_, planned)| matches!(planned, Planned::Step(step) if such(step)));
        first.map(|(key, _)| *key)
    }

    /// Returns the time of the first matching step.
    pub fn first(&self, such: impl Fn(&N) -> bool) -> Option<Time> {
        self.key(such)
            .map(|(at, _)| Time::from_millis(at.0 / 1_000))
    }

    /// Takes the first matching step off the agenda.
    pub fn take(&self, such: impl Fn(&N) -> bool) -> Option<(Time, N)> {
        let key = self.key(such)?;
        match self.planned.borrow_mut().remove(&key)? {
            Planned::Step(step) => Some((Time::from_millis(key.0.0 / 1_000), step)),
            Planned::Wake(_) => None,
        }
    }

    /// Takes the first matching step whose time has come.
    pub fn take_due(&self, such: impl Fn(&N) -> bool) -> Option<N> {
        self.first(&such).filter(|at| *at <= self.now())?;
        self.take(such).map(|(_, step)| step)
    }

    /// Returns whether nothing is planned.
    pub fn is_empty(&self) -> bool {
        self.planned.borrow().is_empty()
    }

    /// Suspends an invocation. Other invocations continue meanwhile, and this one may die here.
    pub async fn away(&self, span: impl Into<Micros>) {
        self.asked.set(Some(span.into()));
        Pause(false).await;
    }

    /// Plans when the invocation that was just polled continues, not after `deadline`.
    pub(super) fn wake(&self, id: u64, deadline: Micros) {
        let at = self.asked.take().map_or(deadline, |asked| {
            Micros(self.micros().0.saturating_add(asked.0))
        });
        self.put(at.min(deadline), Planned::Wake(id));
    }
}

/// A suspension point of an invocation: pending once, then ready.
struct Pause(bool);

impl Future for Pause {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if self.0 {
            return Poll::Ready(());
        }
        self.0 = true;
        Poll::Pending
    }
}
