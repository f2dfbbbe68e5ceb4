//! A sandbox behind faulty adapters: every call to the ledger, a target or the queue is counted, and may be
//! refused, cut off after its effect, held for a moment or left without an answer for ever.

use std::cell::{Cell, RefCell};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use redrive_core::controller::{CallResult, Queue, RetryResponse, Target, TargetState};
use redrive_core::error::{Error, ErrorKind};
use redrive_core::failure::{Fact, Failure, Need, Service, Subject};
use redrive_core::ledger::{
    CasResult, Claim, ClaimResult, DueEntries, Entry, InitialState, Ledger, RetryMessage,
    ScanCheckpoint, State, Transition, Writer, transition,
};
use redrive_core::rate_limiter::Micros;
use redrive_core::time::Time;
use redrive_simulation::sandbox::Sandbox;

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

/// A sandbox whose calls can fail.
pub(crate) struct FaultyAdapters {
    pub(crate) sandbox: Sandbox,
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

    async fn with_fault<R>(
        &self,
        name: &'static str,
        mut call: impl AsyncFnMut() -> Result<R, Error>,
    ) -> Result<R, Error> {
        let error = || Err(Error::new(ErrorKind::Unavailable, name));
        match self.called(name) {
            None => call().await,
            Some(Break::Before) => error(),
            Some(Break::After) => call().await.and_then(|_| error()),
            Some(Break::DeadBefore) => std::future::pending().await,
            Some(Break::DeadAfter) => {
                let _ = call().await;
                std::future::pending().await
            }
            Some(Break::SlowBefore) => {
                a_moment().await;
                call().await
            }
            Some(Break::SlowAfter) => {
                let answer = call().await;
                a_moment().await;
                answer
            }
            Some(Break::Twice) => {
                call().await?;
                call().await
            }
        }
    }
}

/// Lets others go first, once.
async fn a_moment() {
    let mut waited = false;
    std::future::poll_fn(|_| {
        if std::mem::replace(&mut waited, true) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}

/// Runs one handling to its end; none if it waits for an answer that never comes, and it is killed there.
pub(crate) fn run<R>(handling: impl Future<Output = R>) -> Option<R> {
    let mut handling = pin!(handling);
    let mut context = Context::from_waker(Waker::noop());
    (0..20).find_map(|_| match handling.as_mut().poll(&mut context) {
        Poll::Ready(answer) => Some(answer),
        Poll::Pending => None,
    })
}

/// Runs two handlings beside each other, the first of them first.
pub(crate) fn race<A, B>(one: impl Future<Output = A>, other: impl Future<Output = B>) -> (A, B) {
    let (mut one, mut other) = (pin!(one), pin!(other));
    let mut context = Context::from_waker(Waker::noop());
    let (mut a, mut b) = (None, None);
    for _ in 0..20 {
        if a.is_none()
            && let Poll::Ready(answer) = one.as_mut().poll(&mut context)
        {
            a = Some(answer);
        }
        if b.is_none()
            && let Poll::Ready(answer) = other.as_mut().poll(&mut context)
        {
            b = Some(answer);
        }
    }
    (a.expect("the first ends"), b.expect("the second ends"))
}

impl Ledger for FaultyAdapters {
    async fn read(&self, subject: &Subject) -> Result<Option<Entry>, Error> {
        self.with_fault("read", async || self.sandbox.ledger.read(subject).await)
            .await
    }

    async fn put_if_revision(&self, entry: &Entry) -> Result<CasResult, Error> {
        let write = async || {
            let before = self.sandbox.ledger.read(&entry.subject).await?;
            let swap = self.sandbox.ledger.put_if_revision(entry).await?;
            if swap == CasResult::Stored {
                follows(before.as_ref(), entry);
            }
            Ok(swap)
        };
        self.with_fault("put_if_revision", write).await
    }

    async fn claim_due(
        &self,
        retry_message: &RetryMessage,
        writer: Writer<'_>,
    ) -> Result<ClaimResult, Error> {
        self.with_fault("claim_due", async || {
            self.sandbox.ledger.claim_due(retry_message, writer).await
        })
        .await
    }

    async fn due_entries(&self, now: Time, max: usize) -> Result<DueEntries, Error> {
        self.with_fault("due_entries", async || {
            self.sandbox.ledger.due_entries(now, max).await
        })
        .await
    }

    async fn checkpoint(&self) -> Result<Option<ScanCheckpoint>, Error> {
        self.with_fault("checkpoint", async || {
            self.sandbox.ledger.checkpoint().await
        })
        .await
    }

    async fn put_checkpoint(
        &self,
        checkpoint: &ScanCheckpoint,
    ) -> Result<CasResult<ScanCheckpoint>, Error> {
        self.with_fault("put_checkpoint", async || {
            self.sandbox.ledger.put_checkpoint(checkpoint).await
        })
        .await
    }

    async fn reserve(&self, service: Service, from: Micros, span: Micros) -> Result<Micros, Error> {
        let reserve = async || self.sandbox.ledger.reserve(service, from, span).await;
        self.with_fault("reserve", reserve).await
    }
}

impl Target for FaultyAdapters {
    async fn lookup(&self, failure: &Failure, need: Need) -> Result<Fact, Error> {
        self.with_fault("know", async || self.sandbox.lookup(failure, need).await)
            .await
    }

    async fn current_state(&self, claim: &Claim) -> Result<TargetState, Error> {
        self.with_fault("look", async || self.sandbox.current_state(claim).await)
            .await
    }

    async fn retry(&self, claim: &Claim) -> RetryResponse {
        // Without a token it is sent once: no client of ours repeats it.
        let mut sent = None;
        let once = claim.entry().subject.service() == Service::CodePipeline;
        let retry = async || {
            Ok(match sent {
                Some(outcome) if once => outcome,
                _ => *sent.insert(self.sandbox.retry(claim).await),
            })
        };
        self.with_fault("act", retry)
            .await
            .unwrap_or(CallResult::InDoubt.into())
    }
}

impl Queue for FaultyAdapters {
    async fn send(&self, retry_message: &RetryMessage, delay: Duration) -> Result<(), Error> {
        self.with_fault("send", async || {
            self.sandbox.send(retry_message, delay).await
        })
        .await
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
