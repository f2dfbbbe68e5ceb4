//! One handling, by one function: its clock, what it has learned, and every call it makes, with what may go
//! wrong with each.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use redrive_core::calls::Call;
use redrive_core::definition::CachedDefinition;
use redrive_core::failure::{Fact, Failure, Need, Subject};
use redrive_core::controller::{RetryResponse, Clock, Queue, Controller, TargetState, Target};
use redrive_core::ledger::{Claim, Entry, Ledger, Owner, Writer, ScanCheckpoint, State, CasResult, ClaimResult, RetryMessage};
use redrive_core::rate_limiter::{Micros, RateLimiter};
use redrive_core::reads::{LocalCache, DefinitionCache};
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
    pub(super) local_cache: LocalCache,
    pub(super) rate_limiter: RateLimiter,
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
            timing: &self.world.timing,
            rate_limiter: &self.process.rate_limiter,
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
    fn put_if_revision(&self, entry: &Entry) -> CasResult {
        let old = self.entries.borrow().read(&entry.subject).cloned();
        let swap = self.entries.borrow_mut().put_if_revision(entry);
        if swap == CasResult::Stored {
            self.wrote(old.as_ref(), entry);
        }
        swap
    }

    fn claim_due(&self, retry_message: &RetryMessage, writer: Writer<'_>) -> ClaimResult {
        let old = self.entries.borrow().read(&retry_message.subject).cloned();
        let take = self.entries.borrow_mut().claim_due(retry_message, writer);
        if let ClaimResult::Claimed(entry) = &take {
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
                new.failure_number,
                new.written_by
            )
        });
        let truth = self.truth(&new.subject);
        let claims_it = new.state == State::Retried || new.reason == Some(Reason::TargetChanged);
        let retried = claims_it && self.was_retried(&new.subject, &new.failure_id);
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

    async fn put_if_revision(&self, entry: &Entry) -> Result<CasResult, Error> {
        self.ledger("PutItem", true, |world| world.put_if_revision(entry))
            .await
    }

    async fn claim_due(&self, retry_message: &RetryMessage, writer: Writer<'_>) -> Result<ClaimResult, Error> {
        self.ledger("UpdateItem", true, |world| world.claim_due(retry_message, writer))
            .await
    }

    async fn checkpoint(&self) -> Result<Option<ScanCheckpoint>, Error> {
        self.ledger("GetItem", false, |world| {
            world.entries.borrow().checkpoint().cloned()
        })
        .await
    }

    async fn put_checkpoint(&self, checkpoint: &ScanCheckpoint) -> Result<CasResult<ScanCheckpoint>, Error> {
        self.ledger("PutItem", true, |world| {
            world.entries.borrow_mut().put_checkpoint(checkpoint)
        })
        .await
    }

    async fn reserve(&self, call: Call, from: Micros, span: Micros) -> Result<Micros, Error> {
        self.ledger("UpdateItem", true, |world| {
            world.entries.borrow_mut().reserve(call, from, span)
        })
        .await
    }

    async fn due_entries(&self, now: Time, max: usize) -> Result<Vec<Entry>, Error> {
        self.ledger("Query", false, |world| {
            let mut due_entries = world.entries.borrow().due_entries(now, max);
            if world.comes(Class::IndexBehind) {
                let behind = world.now().as_millis().saturating_sub(2_000);
                due_entries.retain(|entry| entry.updated_at.as_millis() < behind);
            }
            due_entries
        })
        .await
    }
}

impl DefinitionCache for Hand<'_> {
    async fn get(&self, machine: &str) -> Option<CachedDefinition> {
        let recalled = self.ledger("GetItem", false, |world| {
            let definition_cache = world.definition_cache.borrow();
            let noted = definition_cache.get(machine).map_or(&[][..], |noted| noted);
            let (last, before) = noted.split_last()?;
            if world.comes(Class::ShelfBehind) {
                world.weather.borrow_mut().pick(before).cloned()
            } else {
                Some(last.clone())
            }
        });
        recalled.await.unwrap_or_default()
    }

    async fn put(&self, machine: &str, known: &CachedDefinition, _: Time) {
        let noted = self.ledger("PutItem", true, |world| {
            if world.comes(Class::ShelfForgets) {
                world.definition_cache.borrow_mut().remove(machine);
            } else {
                let mut definition_cache = world.definition_cache.borrow_mut();
                definition_cache
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
            failure_id: entry.failure_id.clone(),
            claim: (entry.revision, entry.written_by.0.clone()),
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
        if execution && age < world.timing.read_lag && world.comes(Class::RetryStillRunning) {
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
            .reads(&self.process.local_cache, self, self.now())
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
            .reads(&self.process.local_cache, self, self.now())
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
    async fn send(&self, retry_message: &RetryMessage, delay: Duration) -> Result<(), Error> {
        self.away().await;
        let fails = self.world.comes(Class::SendFails);
        let arrives = !fails || self.world.coin();
        if arrives {
            self.world.queue(retry_message, delay);
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
