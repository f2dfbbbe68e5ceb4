//! A sandbox behind faulty adapters: every call to the ledger, a target or the queue is counted, and may be
//! refused, cut off after its effect, held for a moment or left without an answer for ever.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use redrive_core::failure::Service;
use redrive_core::ledger::{Entry, InitialState, RetryMessage, State, Transition, transition};
use redrive_core::time::Time;
use redrive_emulator::api::CallError;
pub(crate) use redrive_simulation::kernel::run;
use redrive_simulation::kernel::{self, Interceptor, Request, RequestError, Sandbox};
use serde_json::Value;

/// What happens to one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Break {
    /// An error; nothing was done.
    Before,
    /// It was done, and an error is all that comes back.
    After,
    /// It never arrives, and no answer ever comes: whoever waits can only be killed.
    DeadBefore,
    /// It was done, and no answer ever comes.
    DeadAfter,
    /// It arrives a moment later: others go first.
    SlowBefore,
    /// Its answer comes a moment later.
    SlowAfter,
    /// It is sent twice, as a client does that got no answer; the second answer comes back.
    Twice,
}

/// Which call is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    /// The n-th of all calls, counted from 0.
    Number(usize),
    /// The next call of this name.
    Next(&'static str),
}

/// What is on its way to a function.
#[derive(Debug)]
pub(crate) enum Step {
    Event(Value),
    Message(RetryMessage),
}

impl Step {
    const fn is_message(&self) -> bool {
        matches!(self, Self::Message(_))
    }
}

/// A sandbox whose calls can fail.
pub(crate) struct FaultyAdapters {
    pub(crate) sandbox: Sandbox<Step>,
    calls: RefCell<Vec<&'static str>>,
    breaks: RefCell<Vec<(Which, Break)>>,
    /// Whether a planned break has happened.
    pub(crate) broke: Cell<bool>,
}

impl FaultyAdapters {
    pub(crate) fn new(now: Time) -> Self {
        Self {
            sandbox: Sandbox::new(now),
            calls: RefCell::default(),
            breaks: RefCell::default(),
            broke: Cell::new(false),
        }
    }

    /// Plans a break.
    pub(crate) fn plan(&self, which: Which, kind: Break) {
        self.breaks.borrow_mut().push((which, kind));
    }

    /// Forgets the calls so far.
    pub(crate) fn reset(&self) {
        self.calls.borrow_mut().clear();
    }

    /// The calls since the last reset, in their order.
    pub(crate) fn calls(&self) -> Vec<&'static str> {
        self.calls.borrow().clone()
    }

    fn called(&self, name: &'static str) -> Option<Break> {
        let number = self.calls.borrow().len();
        self.calls.borrow_mut().push(name);
        let mut breaks = self.breaks.borrow_mut();
        let place = breaks.iter().position(|(which, _)| {
            *which == Which::Number(number) || *which == Which::Next(name)
        })?;
        self.broke.set(true);
        Some(breaks.remove(place).1)
    }

    /// Puts a message into the queue.
    pub(crate) fn post(&self, retry_message: &RetryMessage, delay: Duration) {
        let at = self.sandbox.now().plus(delay);
        let message = Step::Message(retry_message.clone());
        self.sandbox.agenda.plan(at, message);
    }

    /// Takes the next message that has arrived by now.
    pub(crate) fn receive(&self) -> Option<RetryMessage> {
        match self.sandbox.agenda.take_due(Step::is_message)? {
            Step::Message(retry_message) => Some(retry_message),
            Step::Event(_) => None,
        }
    }

    /// When the next message arrives.
    pub(crate) fn next_message(&self) -> Option<Time> {
        self.sandbox.agenda.first(Step::is_message)
    }
}

/// Runs two handlings beside each other, the first of them first.
pub(crate) fn race<A, B>(one: impl Future<Output = A>, other: impl Future<Output = B>) -> (A, B) {
    let (a, b) = kernel::race(one, other);
    (a.expect("the first ends"), b.expect("the second ends"))
}

/// The name of a request in a test; none for what happens within a look-up.
fn name(request: &Request<'_>) -> Option<&'static str> {
    Some(match request {
        Request::Read(_) => "read",
        Request::Put(_) => "put_if_revision",
        Request::ClaimDue(..) => "claim_due",
        Request::DueEntries => "due_entries",
        Request::ReadCheckpoint => "checkpoint",
        Request::PutCheckpoint => "put_checkpoint",
        Request::Reserve(_) => "reserve",
        Request::Lookup(..) => "know",
        Request::CurrentState(_) => "look",
        Request::Retry { .. } => "act",
        Request::Send => "send",
        Request::GetDefinition | Request::PutDefinition | Request::Api { .. } => return None,
    })
}

impl Interceptor for &FaultyAdapters {
    type Step = Step;

    fn sandbox(&self) -> &Sandbox<Step> {
        &self.sandbox
    }

    async fn intercept<R, E: RequestError>(
        &self,
        request: Request<'_>,
        mut effect: impl AsyncFnMut() -> Result<R, E>,
    ) -> Result<R, E> {
        let Some(name) = name(&request) else {
            return effect().await;
        };
        let lost = || Err(E::of(name, CallError::Lost));
        // A stage is retried once: without a token, no client of ours repeats the call.
        let repeated = !matches!(request, Request::Retry { claim, .. } if claim.entry().subject.service() == Service::CodePipeline);
        match self.called(name) {
            None => effect().await,
            Some(Break::Before) => lost(),
            Some(Break::After) => effect().await.and_then(|_| lost()),
            Some(Break::DeadBefore) => std::future::pending().await,
            Some(Break::DeadAfter) => {
                let _ = effect().await;
                std::future::pending().await
            }
            Some(Break::SlowBefore) => {
                self.sandbox.agenda.away(Duration::ZERO).await;
                effect().await
            }
            Some(Break::SlowAfter) => {
                let answer = effect().await;
                self.sandbox.agenda.away(Duration::ZERO).await;
                answer
            }
            Some(Break::Twice) => {
                let answer = effect().await?;
                if repeated { effect().await } else { Ok(answer) }
            }
        }
    }

    fn send(&self, retry_message: &RetryMessage, delay: Duration) {
        self.post(retry_message, delay);
    }

    fn stored(&self, before: Option<&Entry>, after: &Entry) {
        follows(before, after);
    }
}

/// The ledger moves along its transition table, and the charges go with the moves.
fn follows(before: Option<&Entry>, after: &Entry) {
    let Some(before) = before else {
        assert_eq!(after.revision, 1);
        return;
    };
    let mut steps: Vec<Transition> = InitialState::ALL.map(Transition::Judge).to_vec();
    steps.extend([
        Transition::Claim,
        Transition::Requeue,
        Transition::TakeOver,
        Transition::Accept,
        Transition::MarkInDoubt,
        Transition::BackOff,
        Transition::GiveUp,
        Transition::Cancel,
        Transition::Confirm,
        Transition::Recover,
        Transition::Terminate,
    ]);
    let legal = |step: &Transition| transition(before.state, *step) == Some(after.state);
    assert!(
        steps.iter().any(legal),
        "no step from {:?} to {:?}",
        before.state,
        after.state
    );
    assert_eq!(after.revision, before.revision + 1);
    assert!(
        after.attempts.starts_with(&before.attempts),
        "attempts are only added"
    );
    assert!(after.retries.abs_diff(before.retries) <= 1);
    let waits = matches!(after.state, State::Queued | State::Acting | State::InDoubt);
    assert_eq!(
        after.next_check_at.is_some(),
        waits,
        "what is pending is checked by somebody: {after:?}"
    );
}
