//! The executor: continues invocations until they wait or end.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use redrive_core::rate_limiter::Micros;

use super::agenda::Agenda;

/// Maximum number of suspensions of an invocation that runs outside the agenda. An invocation that is still pending
/// then waits for an answer that never arrives.
const MAX_POLLS: usize = 20;

/// Continues an invocation until it waits or ends.
fn poll<F: Future + ?Sized>(invocation: Pin<&mut F>) -> Poll<F::Output> {
    invocation.poll(&mut Context::from_waker(Waker::noop()))
}

/// Runs one invocation by itself. Returns `None` if it waits for an answer that never arrives.
pub fn run<R>(invocation: impl Future<Output = R>) -> Option<R> {
    race(invocation, std::future::ready(())).0
}

/// Runs two invocations at the same time, in turns, the first of them first. Returns `None` for one that waits for an
/// answer that never arrives.
pub fn race<A, B>(
    one: impl Future<Output = A>,
    other: impl Future<Output = B>,
) -> (Option<A>, Option<B>) {
    fn go_on<F: Future>(invocation: Pin<&mut F>, result: &mut Option<F::Output>) {
        if result.is_none()
            && let Poll::Ready(ended) = poll(invocation)
        {
            *result = Some(ended);
        }
    }
    let (mut one, mut other) = (pin!(one), pin!(other));
    let (mut a, mut b) = (None, None);
    for _ in 0..MAX_POLLS {
        go_on(one.as_mut(), &mut a);
        go_on(other.as_mut(), &mut b);
    }
    (a, b)
}

/// An invocation in the middle of its work, with a result of type `E`. `J` is what the simulation knows about it.
pub(crate) struct Task<'w, E, J> {
    future: Pin<Box<dyn Future<Output = E> + 'w>>,
    /// The time at which the invocation is ended from outside.
    pub(crate) deadline: Micros,
    pub(crate) job: J,
}

/// The invocations that wait, in the order in which they began.
pub(crate) struct Tasks<'w, E, J> {
    waiting: BTreeMap<u64, Task<'w, E, J>>,
    counter: u64,
}

impl<'w, E, J> Tasks<'w, E, J> {
    pub(crate) const fn new() -> Self {
        Self {
            waiting: BTreeMap::new(),
            counter: 0,
        }
    }

    /// Begins an invocation. Returns its result and its job if it ends without waiting.
    pub(crate) fn begin<N>(
        &mut self,
        agenda: &Agenda<N>,
        future: impl Future<Output = E> + 'w,
        deadline: impl Into<Micros>,
        job: J,
    ) -> Option<(E, J)> {
        self.counter += 1;
        let task = Task {
            future: Box::pin(future),
            deadline: deadline.into(),
            job,
        };
        self.poll(agenda, self.counter, task)
    }

    /// Continues an invocation. Returns its result and its job if it ends. Otherwise it waits, and the agenda wakes it.
    pub(crate) fn poll<N>(
        &mut self,
        agenda: &Agenda<N>,
        id: u64,
        mut task: Task<'w, E, J>,
    ) -> Option<(E, J)> {
        match poll(task.future.as_mut()) {
            Poll::Ready(ended) => Some((ended, task.job)),
            Poll::Pending => {
                agenda.wake(id, task.deadline);
                self.waiting.insert(id, task);
                None
            }
        }
    }

    pub(crate) fn take(&mut self, id: u64) -> Option<Task<'w, E, J>> {
        self.waiting.remove(&id)
    }

    /// Takes the waiting invocation at a place, counted from 0 in the order in which they began.
    pub(crate) fn take_nth(&mut self, place: usize) -> Option<(u64, Task<'w, E, J>)> {
        let id = *self.waiting.keys().nth(place)?;
        Some((id, self.take(id)?))
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use redrive_core::time::Time;

    use super::*;
    use crate::kernel::{Sandbox, Turn};

    /// Invocations begin at 0 ms; one waits 5 ms, one gets no answer. A step of the simulation is planned for 5 ms, too.
    #[test]
    fn invocation_wakes_after_its_wait_or_at_its_deadline() {
        let sandbox: Sandbox<&str> = Sandbox::new(Time::default());
        let (agenda, deadline) = (&sandbox.agenda, Time::from_millis(60));
        let mut tasks = Tasks::new();
        let waits = async {
            agenda.away(Duration::from_millis(5)).await;
            "answered"
        };
        assert_eq!(tasks.begin(agenda, waits, deadline, 'a'), None);
        assert_eq!(
            tasks.begin(agenda, std::future::pending(), deadline, 'b'),
            None
        );
        agenda.plan(Time::from_millis(5), "step");
        let mut seen = Vec::new();
        loop {
            let what = match sandbox.turn() {
                Turn::Over => break,
                Turn::Services => panic!("no service has anything due"),
                Turn::Step(step) => step,
                Turn::Wake(id) => {
                    let task = tasks.take(id).expect("it waits");
                    if agenda.micros() >= task.deadline {
                        "ended from outside"
                    } else {
                        let (result, job) = tasks.poll(agenda, id, task).expect("it ends");
                        assert_eq!(job, 'a');
                        result
                    }
                }
            };
            seen.push((sandbox.now().as_millis(), what));
        }
        assert_eq!(
            seen,
            [(5, "answered"), (5, "step"), (60, "ended from outside")]
        );
        assert!(tasks.is_empty());
    }
}
