//! The kernel of virtual time: a clock, an agenda, and suspended invocations. The kernel is independent of the
//! simulation that it plays.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

/// An invocation in the middle of its work, with a result of type `E`.
pub(crate) type Running<'w, E> = Pin<Box<dyn Future<Output = E> + 'w>>;

/// Continues an invocation until it waits or ends.
pub(crate) fn poll<E>(running: &mut Running<'_, E>) -> Poll<E> {
    let mut context = Context::from_waker(Waker::noop());
    running.as_mut().poll(&mut context)
}

/// The clock and the agenda of one simulation. `T` is a moment, `D` a span, `N` a step on the agenda.
pub(crate) struct Kernel<T, D, N> {
    now: Cell<T>,
    /// Numbers the steps, so that steps of one moment keep the order in which they were planned.
    counter: Cell<u64>,
    agenda: RefCell<BTreeMap<(T, u64), N>>,
    /// How long the invocation that was polled last waits.
    asked: Cell<D>,
}

/// The next thing that happens.
#[derive(Debug)]
pub(crate) enum Turn<T, N> {
    /// The services have something due at this moment.
    Services(T),
    /// A step of the agenda.
    Step(N),
    /// Nothing is left to happen.
    Over,
}

impl<T: Copy + Ord, D: Copy + Default, N> Kernel<T, D, N> {
    pub(crate) fn new(now: T) -> Self {
        Self {
            now: Cell::new(now),
            counter: Cell::new(0),
            agenda: RefCell::default(),
            asked: Cell::default(),
        }
    }

    pub(crate) const fn now(&self) -> T {
        self.now.get()
    }

    /// Winds the clock forward; the clock never goes back.
    pub(crate) fn wind(&self, to: T) {
        self.now.set(self.now().max(to));
    }

    /// Puts a step on the agenda, not before now.
    pub(crate) fn plan(&self, at: T, step: N) {
        let number = self.counter.get();
        self.counter.set(number.wrapping_add(1));
        self.agenda
            .borrow_mut()
            .insert((at.max(self.now()), number), step);
    }

    /// Takes the next thing that happens, and winds the clock to a step of the agenda. Work that the services have
    /// `due` precedes a step of the same moment.
    pub(crate) fn turn(&self, due: Option<T>) -> Turn<T, N> {
        let mut agenda = self.agenda.borrow_mut();
        match (agenda.first_entry(), due) {
            (Some(first), Some(due)) if due <= first.key().0 => Turn::Services(due),
            (Some(first), _) => {
                self.wind(first.key().0);
                Turn::Step(first.remove())
            }
            (None, Some(due)) => Turn::Services(due),
            (None, None) => Turn::Over,
        }
    }

    /// Returns the time of the first matching step.
    pub(crate) fn first(&self, such: impl Fn(&N) -> bool) -> Option<T> {
        let agenda = self.agenda.borrow();
        let first = agenda.iter().find(|(_, step)| such(step));
        first.map(|((at, _), _)| *at)
    }

    /// Takes the first matching step off the agenda.
    pub(crate) fn take(&self, such: impl Fn(&N) -> bool) -> Option<(T, N)> {
        let mut agenda = self.agenda.borrow_mut();
        let key = *agenda.iter().find(|(_, step)| such(step))?.0;
        Some((key.0, agenda.remove(&key)?))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.agenda.borrow().is_empty()
    }

    /// Suspends an invocation. Other invocations continue meanwhile.
    pub(crate) async fn away(&self, span: D) {
        self.asked.set(span);
        Pause(false).await;
    }

    /// Returns how long the invocation that was just polled waits, and resets the span.
    pub(crate) fn asked(&self) -> D {
        self.asked.take()
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
