//! One handling, by one function: its clock, what it has learned, and every call it makes, with what may go
//! wrong with each.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use redrive_core::calls::Call;
use redrive_core::definition::Known;
use redrive_core::failure::{Fact, Failure, Need, Subject};
use redrive_core::controller::{RetryResponse, Clock, Queue, Controller, TargetState, Target};
use redrive_core::ledger::{Claim, Entry, Ledger, Owner, Pen, Position, State, Swap, Take, Ticket};
use redrive_core::pace::{Micros, Pace};
use redrive_core::reads::{Learned, Shelf};
use redrive_core::time::Time;
use redrive_core::error::{Error, ErrorKind};
use redrive_core::verdict::{Charge, Reason};
use redrive_emulator::api::{ApiError, CallError, Place};
use serde_json::Value;

use super::subjects::{Retry, name};
use super::weather::Class;
use super::world::{Deployed, Next, World, place};
use crate::services::{self, Typed, Wire, service_of};

/// What a function's process keeps from one handling to the next.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) learned: Learned,
    pub(super) pace: Pace,
    /// How far its clock is ahead, or behind, in milliseconds.
    pub(super) skew_ms: i64,
}

/// One handling.
pub(super) struct Hand<'w> {
    pub(super) world: &'w World,
    pub(super) owner: Owner,
    pub(super) process: Rc<Process>,
    pub(super) deployed: Deployed,
    /// Up to when it knows what had happened to a subject.
    read_at: RefCell<BTreeMap<String, Time>>,
    /// Up to when what it was called with knew.
    received_at: Cell<Option<Time>>,
}

impl<'w> Hand<'w> {
    pub(super) fn new(
        world: &'w World,
        owner: String,
        process: Rc<Process>,
        received_at: Option<Time>,
    ) -> Self {
        let deployed = world.deployed.borrow().clone();
        Self {
            world,
            owner: Owner(owner),
            process,
            deployed,
            read_at: RefCell::default(),
            received_at: Cell::new(received_at),
        }
    }

    /// The core's controller, over this world.
    pub(super) fn controller(&self) -> Controller<'_, Self, Self, Self, Self> {
        Controller {
            ledger: self,
            target: self,
            queue: self,
            clock: self,
            document: &self.deployed.document,
            mode: self.deployed.mode,
            terms: &self.world.terms,
            pace: &self.process.pace,
            owner: &self.owner,
        }
    }

    /// Half of a call's way.
    async fn away(&self) {
        let stalls = self.world.comes(Class::Stall);
        let span = if stalls {
            self.world.span(20_000, 100_000)
        } else {
            self.world.span(1, 40)
        };
        self.world.away(span).await;
    }

    /// The other half. Nobody sees whether it takes its time, but for who dies in it: that is as to die before the
    /// next call.
    async fn back(&self) {
        if !self.world.answers_at_once {
            self.away().await;
        }
    }

    /// One call to the ledger. It may never arrive, its answer may be lost, or a write may be repeated by the SDK.
    async fn ledger<T>(
        &self,
        call: &'static str,
        writes: bool,
        effect: impl Fn(&World) -> T,
    ) -> Result<T, Error> {
        let error = |kind| Err(Error::new(kind, call));
        self.away().await;
        if self.world.ledger_is_down() {
            return error(ErrorKind::Unavailable);
        }
        if self.world.comes(Class::LedgerThrottled) {
            return error(ErrorKind::Throttled);
        }
        let mut answer = effect(self.world);
        if writes && self.world.comes(Class::LedgerRepeated) {
            self.away().await;
            answer = effect(self.world);
        }
        let lost = self.world.comes(Class::LedgerLost);
        self.back().await;
        if lost {
            return error(ErrorKind::Unavailable);
        }
        Ok(answer)
    }

    /// The limit of a rule that a retry is charged to: by the verdict, and by the policy of now, if that is less.
    fn limit_of(&self, entry: &Entry, charge: &Charge) -> u32 {
        let policy = self.deployed.document.policy_for(&entry.subject);
        let rule = policy
            .filter(|policy| entry.verdict.policy.as_ref() == Some(&policy.name))
            .and_then(|policy| policy.automatic.iter().find(|rule| rule.id == charge.rule));
        rule.map_or(0, |rule| rule.limit.min(charge.limit))
    }

    /// It knows what had happened to a subject when it began to ask, as far as answers do not lag.
    fn knows(&self, subject: &Subject, asked: Time) {
        let lag = u64::try_from(self.world.lag.as_millis()).unwrap_or_default();
        let shown = Time::from_millis(asked.as_millis().saturating_sub(lag));
        self.read_at.borrow_mut().insert(subject.key(), shown);
    }
}

impl World {
    /// A write arrives at the ledger, and the promises are looked at.
    fn swap(&self, entry: &Entry) -> Swap {
        let old = self.entries.borrow().read(&entry.subject).cloned();
        let swap = self.entries.borrow_mut().swap(entry);
        if swap == Swap::Stored {
            self.wrote(old.as_ref(), entry);
        }
        swap
    }

    fn take(&self, ticket: &Ticket, pen: Pen<'_>) -> Take {
        let old = self.entries.borrow().read(&ticket.subject).cloned();
        let take = self.entries.borrow_mut().take(ticket, pen);
        if let Take::Taken(entry) = &take {
            self.wrote(old.as_ref(), entry);
        }
        take
    }

    fn wrote(&self, old: Option<&Entry>, new: &Entry) {
        self.tell(|| {
            format!(
                "        ledger: {} {} -> {} ({}), failure {}, by {}",
                name(&new.subject),
                old.map_or("none", |old| old.state.as_str()),
                new.state.as_str(),
                new.reason(),
                new.failure,
                new.by
            )
        });
        let truth = self.truth(&new.subject);
        let claims_it = new.state == State::Retried || new.reason == Some(Reason::TargetChanged);
        let retried = claims_it && self.was_retried(&new.subject, &new.identity);
        self.promises
            .borrow_mut()
            .written(old, new, retried, truth.as_ref(), self.now());
    }
}

impl Ledger for Hand<'_> {
    async fn read(&self, subject: &Subject) -> Result<Option<Entry>, Error> {
        self.ledger("GetItem", false, |world| {
            world.entries.borrow().read(subject).cloned()
        })
        .await
    }

    async fn swap(&self, entry: &Entry) -> Result<Swap, Error> {
        self.ledger("PutItem", true, |world| world.swap(entry))
            .await
    }

    async fn take(&self, ticket: &Ticket, pen: Pen<'_>) -> Result<Take, Error> {
        self.ledger("UpdateItem", true, |world| world.take(ticket, pen))
            .await
    }

    async fn position(&self) -> Result<Option<Position>, Error> {
        self.ledger("GetItem", false, |world| {
            world.entries.borrow().position().cloned()
        })
        .await
    }

    async fn keep(&self, position: &Position) -> Result<Swap<Position>, Error> {
        self.ledger("PutItem", true, |world| {
            world.entries.borrow_mut().keep(position)
        })
        .await
    }

    async fn reserve(&self, call: Call, from: Micros, span: Micros) -> Result<Micros, Error> {
        self.ledger("UpdateItem", true, |world| {
            world.entries.borrow_mut().reserve(call, from, span)
        })
        .await
    }

    async fn waking(&self, now: Time, most: usize) -> Result<Vec<Entry>, Error> {
        self.ledger("Query", false, |world| {
            let mut waking = world.entries.borrow().waking(now, most);
            if world.comes(Class::IndexBehind) {
                let behind = world.now().as_millis().saturating_sub(2_000);
                waking.retain(|entry| entry.updated.as_millis() < behind);
            }
            waking
        })
        .await
    }
}

impl Shelf for Hand<'_> {
    async fn recall(&self, machine: &str) -> Option<Known> {
        let recalled = self.ledger("GetItem", false, |world| {
            let shelf = world.shelf.borrow();
            let noted = shelf.get(machine).map_or(&[][..], |noted| noted);
            let (last, before) = noted.split_last()?;
            if world.comes(Class::ShelfBehind) {
                world.weather.borrow_mut().pick(before).cloned()
            } else {
                Some(last.clone())
            }
        });
        recalled.await.unwrap_or_default()
    }

    async fn note(&self, machine: &str, known: &Known, _: Time) {
        let noted = self.ledger("PutItem", true, |world| {
            if world.comes(Class::ShelfForgets) {
                world.shelf.borrow_mut().remove(machine);
            } else {
                let mut shelf = world.shelf.borrow_mut();
                shelf
                    .entry(machine.to_owned())
                    .or_default()
                    .push(known.clone());
            }
        });
        // As in an account, the error is nobody's.
        let _ = noted.await;
    }
}

impl Wire for Hand<'_> {
    fn place(&self) -> Place {
        place()
    }

    async fn call(&self, arn: &str, operation: &str, body: &Value) -> Result<Value, CallError> {
        self.away().await;
        if self.world.comes(Class::ReadFails) {
            return Err(if self.world.coin() {
                CallError::Lost
            } else if self.world.coin() {
                CallError::Raw(self.world.garble())
            } else {
                ApiError::new("ThrottlingException", "Rate exceeded").into()
            });
        }
        let answer = self.world.call(arn, operation, body);
        self.world.tell(|| {
            let failed = answer.as_ref().err().map_or("", |_| ", in vain");
            format!("        {} asks {operation}{failed}", self.owner)
        });
        self.back().await;
        answer
    }
}

/// The one call that changes a target, and what may go wrong with it.
struct Retrying<'h, 'w> {
    hand: &'h Hand<'w>,
    claim: &'h Claim,
}

impl Wire for Retrying<'_, '_> {
    async fn call(&self, arn: &str, operation: &str, body: &Value) -> Result<Value, CallError> {
        let (hand, world) = (self.hand, self.hand.world);
        let entry = self.claim.entry();
        let key = entry.subject.key();
        let read_at = hand.read_at.borrow().get(&key).copied();
        let retry = Retry {
            operation: operation.to_owned(),
            body: body.clone(),
            subject: entry.subject.clone(),
            identity: entry.identity.clone(),
            claim: (entry.revision, entry.by.0.clone()),
            charges: (
                entry.verdict.policy.clone().unwrap_or_default(),
                entry
                    .verdict
                    .rules
                    .iter()
                    .map(|charge| (charge.rule.clone(), hand.limit_of(entry, charge)))
                    .collect(),
            ),
            per_execution: hand.deployed.document.per_execution,
            mode: hand.deployed.mode,
            read_at: read_at
                .or(hand.received_at.get())
                .unwrap_or(entry.failed_at)
                .min(world.now()),
            by: hand.owner.0.clone(),
        };
        hand.away().await;
        if world.comes(Class::RetryDenied) {
            return Err(ApiError::new("AccessDeniedException", "not authorized").into());
        }
        if world.now() < world.busy_until.get() || world.comes(Class::RetryBusy) {
            let busy = match service_of(arn) {
                redrive_emulator::region::ServiceKind::CodePipeline => "ConflictException",
                redrive_emulator::region::ServiceKind::StepFunctions => "ExecutionLimitExceeded",
            };
            let code = if world.coin() {
                busy
            } else {
                "ThrottlingException"
            };
            return Err(ApiError::new(code, "later").into());
        }
        let execution = service_of(arn) == redrive_emulator::region::ServiceKind::StepFunctions;
        let age = world.now().since(entry.failed_at);
        if execution && age < world.terms.reads_settle && world.comes(Class::RetryStillRunning) {
            let running = "Execution is RUNNING and cannot be redriven";
            return Err(ApiError::new("ExecutionNotRedrivable", running).into());
        }
        let always = world.now() < world.garbled_until.get();
        if world.comes(Class::RetryGarbled) || always && world.coin() {
            return Err(CallError::Raw(world.garble()));
        }
        if world.comes(Class::RetryDoneGarbled) || always {
            // Whatever the service answered, something between it and us answers otherwise.
            let _ = world.retry(&retry);
            hand.back().await;
            return Err(CallError::Raw(world.garble()));
        }
        if world.comes(Class::RetryUnheard) {
            return Err(CallError::Lost);
        }
        if world.comes(Class::RetryLate) {
            let at = world.now().plus(world.span(5_000, 20_000));
            world.plan(at, Next::Late(Box::new(retry)));
            world.away(Duration::from_secs(5)).await;
            return Err(CallError::Lost);
        }
        let answer = world.retry(&retry);
        let lost = world.comes(Class::RetryUnanswered);
        hand.back().await;
        if lost { Err(CallError::Lost) } else { answer }
    }
}

impl Target for Hand<'_> {
    async fn lookup(&self, failure: &Failure, need: Need) -> Result<Fact, Error> {
        let asked = self.world.now();
        let fact = Typed(self)
            .reads(&self.process.learned, self, self.now())
            .lookup(failure, need)
            .await;
        // Only these two tell how the subject stands now.
        if fact.is_ok() && matches!(need, Need::Description | Need::PipelineState) {
            self.knows(&failure.subject, asked);
        }
        fact
    }

    async fn current_state(&self, claim: &Claim) -> Result<TargetState, Error> {
        let entry = claim.entry();
        let asked = self.world.now();
        let snapshot = Typed(self)
            .reads(&self.process.learned, self, self.now())
            .current_state(entry)
            .await;
        self.knows(&entry.subject, asked);
        snapshot
    }

    async fn retry(&self, claim: &Claim) -> RetryResponse {
        let wire = Retrying { hand: self, claim };
        services::retry(&wire, claim).await
    }
}

impl Queue for Hand<'_> {
    async fn send(&self, ticket: &Ticket, delay: Duration) -> Result<(), Error> {
        self.away().await;
        let fails = self.world.comes(Class::SendFails);
        let arrives = !fails || self.world.coin();
        if arrives {
            self.world.queue(ticket, delay);
        }
        self.back().await;
        if fails {
            return Err(Error::new(ErrorKind::Unavailable, "SendMessage"));
        }
        Ok(())
    }
}

impl Clock for Hand<'_> {
    fn now(&self) -> Time {
        let real = self.world.now().as_millis();
        Time::from_millis(real.saturating_add_signed(self.process.skew_ms))
    }
}
