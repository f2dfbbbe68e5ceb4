//! One invocation of a function: its clock, its caches, and every call that it makes, with the faults of each call.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use redrive_core::controller::{Clock, Controller, Queue, RetryResponse, Target, TargetState};
use redrive_core::definition::CachedDefinition;
use redrive_core::error::{Error, ErrorKind};
use redrive_core::failure::{Fact, Failure, Need, Subject};
use redrive_core::ledger::{
    CasResult, Claim, ClaimResult, DueEntries, Entry, Ledger, Owner, RetryMessage, ScanCheckpoint,
    State, Writer,
};
use redrive_core::rate_limiter::{Micros, RateLimiter};
use redrive_core::reads::{DefinitionCache, LocalCache};
use redrive_core::services::Service;
use redrive_core::time::Time;
use redrive_core::verdict::{Charge, Reason};
use redrive_emulator::api::{ApiError, CallError, Place};
use serde_json::Value;

use super::fault_plan::FaultClass;
use super::simulation::{Deployed, Next, Simulation, place};
use super::subjects::{Retry, name};
use crate::services::{self, JsonApi, JsonClient, service_of};

/// The state that a function's process keeps between invocations.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) local_cache: LocalCache,
    pub(super) rate_limiter: RateLimiter,
    /// How far the process's clock is ahead, in milliseconds; negative if it is behind.
    pub(super) skew_ms: i64,
}

/// One invocation of a function.
pub(super) struct Invocation<'s> {
    pub(super) simulation: &'s Simulation,
    pub(super) owner: Owner,
    pub(super) process: Rc<Process>,
    pub(super) deployed: Deployed,
    /// The time up to which the invocation knows of changes to each subject.
    read_at: RefCell<BTreeMap<String, Time>>,
    /// The time up to which the invocation's event knew of changes.
    received_at: Cell<Option<Time>>,
}

impl<'s> Invocation<'s> {
    pub(super) fn new(
        simulation: &'s Simulation,
        owner: String,
        process: Rc<Process>,
        received_at: Option<Time>,
    ) -> Self {
        let deployed = simulation.deployed.borrow().clone();
        Self {
            simulation,
            owner: Owner(owner),
            process,
            deployed,
            read_at: RefCell::default(),
            received_at: Cell::new(received_at),
        }
    }

    /// Returns the core's controller over this simulation.
    pub(super) fn controller(&self) -> Controller<'_, Self, Self, Self, Self> {
        Controller {
            ledger: self,
            target: self,
            queue: self,
            clock: self,
            document: &self.deployed.document,
            mode: self.deployed.mode,
            timing: &self.simulation.timing,
            rate_limiter: &self.process.rate_limiter,
            owner: &self.owner,
        }
    }

    /// Waits for a call to reach its service. A fault may stall the call.
    async fn away(&self) {
        let stalls = self.simulation.occurs(FaultClass::Stall);
        let span = if stalls {
            self.simulation.span(20_000, 100_000)
        } else {
            self.simulation.span(1, 40)
        };
        self.simulation.away(span).await;
    }

    /// Waits for an answer to travel back. No other actor sees this delay. A death during the delay equals a death
    /// before the next call, so `answers_at_once` may omit it.
    async fn back(&self) {
        if !self.simulation.answers_at_once {
            self.away().await;
        }
    }

    /// Makes one call to the ledger. The call may never arrive, its answer may be lost, or the SDK may repeat a
    /// write.
    async fn ledger<T>(
        &self,
        call: &'static str,
        writes: bool,
        effect: impl Fn(&Simulation) -> T,
    ) -> Result<T, Error> {
        let error = |kind| Err(Error::new(kind, call));
        self.away().await;
        if self.simulation.ledger_is_down() {
            return error(ErrorKind::Unavailable);
        }
        if self.simulation.occurs(FaultClass::LedgerThrottled) {
            return error(ErrorKind::Throttled);
        }
        let mut answer = effect(self.simulation);
        if writes && self.simulation.occurs(FaultClass::LedgerRepeated) {
            self.away().await;
            answer = effect(self.simulation);
        }
        let lost = self.simulation.occurs(FaultClass::LedgerLost);
        self.back().await;
        if lost {
            return error(ErrorKind::Unavailable);
        }
        Ok(answer)
    }

    /// Returns the limit of a charged rule: the smaller of the verdict's limit and the current policy's limit.
    fn limit_of(&self, entry: &Entry, charge: &Charge) -> u32 {
        let policy = self.deployed.document.policy_for(&entry.subject);
        let rule = policy
            .filter(|policy| entry.verdict.policy.as_ref() == Some(&policy.name))
            .and_then(|policy| policy.automatic.iter().find(|rule| rule.id == charge.rule));
        rule.map_or(0, |rule| rule.limit.min(charge.limit))
    }

    /// Records that the invocation knows a subject's state as of `asked`, less the lag of the services' answers.
    fn knows(&self, subject: &Subject, asked: Time) {
        let lag = u64::try_from(self.simulation.lag.as_millis()).unwrap_or_default();
        let shown = Time::from_millis(asked.as_millis().saturating_sub(lag));
        self.read_at.borrow_mut().insert(subject.key(), shown);
    }
}

impl Simulation {
    /// Writes an entry to the ledger, and checks the invariants.
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
        self.trace(|| {
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
        self.invariants
            .borrow_mut()
            .written(old, new, retried, truth.as_ref(), self.now());
    }
}

impl Ledger for Invocation<'_> {
    async fn read(&self, subject: &Subject) -> Result<Option<Entry>, Error> {
        self.ledger("GetItem", false, |simulation| {
            simulation.entries.borrow().read(subject).cloned()
        })
        .await
    }

    async fn put_if_revision(&self, entry: &Entry) -> Result<CasResult, Error> {
        self.ledger("PutItem", true, |simulation| {
            simulation.put_if_revision(entry)
        })
        .await
    }

    async fn claim_due(
        &self,
        retry_message: &RetryMessage,
        writer: Writer<'_>,
    ) -> Result<ClaimResult, Error> {
        self.ledger("UpdateItem", true, |simulation| {
            simulation.claim_due(retry_message, writer)
        })
        .await
    }

    async fn checkpoint(&self) -> Result<Option<ScanCheckpoint>, Error> {
        self.ledger("GetItem", false, |simulation| {
            simulation.entries.borrow().checkpoint().cloned()
        })
        .await
    }

    async fn put_checkpoint(
        &self,
        checkpoint: &ScanCheckpoint,
    ) -> Result<CasResult<ScanCheckpoint>, Error> {
        self.ledger("PutItem", true, |simulation| {
            simulation.entries.borrow_mut().put_checkpoint(checkpoint)
        })
        .await
    }

    async fn reserve(&self, service: Service, from: Micros, span: Micros) -> Result<Micros, Error> {
        self.ledger("UpdateItem", true, |simulation| {
            simulation.entries.borrow_mut().reserve(service, from, span)
        })
        .await
    }

    async fn due_entries(&self, now: Time, max: usize) -> Result<DueEntries, Error> {
        self.ledger("Query", false, |simulation| {
            let mut due_entries = simulation.entries.borrow().due_entries(now, max);
            if simulation.occurs(FaultClass::IndexBehind) {
                let behind = simulation.now().as_millis().saturating_sub(2_000);
                due_entries.retain(|entry| entry.updated_at.as_millis() < behind);
            }
            due_entries.into()
        })
        .await
    }
}

impl DefinitionCache for Invocation<'_> {
    async fn get(&self, machine: &str) -> Option<CachedDefinition> {
        let recalled = self.ledger("GetItem", false, |simulation| {
            let definition_cache = simulation.definition_cache.borrow();
            let noted = definition_cache.get(machine).map_or(&[][..], |noted| noted);
            let (last, before) = noted.split_last()?;
            if simulation.occurs(FaultClass::CacheStale) {
                simulation.fault_plan.borrow_mut().pick(before).cloned()
            } else {
                Some(last.clone())
            }
        });
        recalled.await.unwrap_or_default()
    }

    async fn put(&self, machine: &str, known: &CachedDefinition, _: Time) {
        let noted = self.ledger("PutItem", true, |simulation| {
            if simulation.occurs(FaultClass::CacheLost) {
                simulation.definition_cache.borrow_mut().remove(machine);
            } else {
                let mut definition_cache = simulation.definition_cache.borrow_mut();
                definition_cache
                    .entry(machine.to_owned())
                    .or_default()
                    .push(known.clone());
            }
        });
        // As in the deployed functions, an error of the cache is ignored.
        let _ = noted.await;
    }
}

impl JsonApi for Invocation<'_> {
    fn place(&self) -> Place {
        place()
    }

    async fn call(&self, arn: &str, operation: &str, body: &Value) -> Result<Value, CallError> {
        self.away().await;
        if self.simulation.occurs(FaultClass::ReadFails) {
            return Err(if self.simulation.coin() {
                CallError::Lost
            } else if self.simulation.coin() {
                CallError::Raw(self.simulation.garble())
            } else {
                ApiError::new("ThrottlingException", "Rate exceeded").into()
            });
        }
        let answer = self.simulation.call(arn, operation, body);
        self.simulation.trace(|| {
            let failed = answer.as_ref().err().map_or("", |_| ", without effect");
            format!("        {} asks {operation}{failed}", self.owner)
        });
        self.back().await;
        answer
    }
}

/// The API for the one call that changes a target, with the faults of that call.
struct Retrying<'i, 's> {
    invocation: &'i Invocation<'s>,
    claim: &'i Claim,
}

impl JsonApi for Retrying<'_, '_> {
    async fn call(&self, arn: &str, operation: &str, body: &Value) -> Result<Value, CallError> {
        let (invocation, simulation) = (self.invocation, self.invocation.simulation);
        let entry = self.claim.entry();
        let key = entry.subject.key();
        let read_at = invocation.read_at.borrow().get(&key).copied();
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
                    .map(|charge| (charge.rule.clone(), invocation.limit_of(entry, charge)))
                    .collect(),
            ),
            per_execution: invocation.deployed.document.per_execution,
            mode: invocation.deployed.mode,
            read_at: read_at
                .or(invocation.received_at.get())
                .unwrap_or(entry.failed_at)
                .min(simulation.now()),
            by: invocation.owner.0.clone(),
        };
        invocation.away().await;
        if simulation.occurs(FaultClass::RetryDenied) {
            return Err(ApiError::new("AccessDeniedException", "not authorized").into());
        }
        if simulation.occurs(FaultClass::RetryRefused) {
            simulation.invariants.borrow_mut().rejected(&retry);
            return Err(ApiError::new("ValidationException", "refused").into());
        }
        if simulation.now() < simulation.busy_until.get()
            || simulation.occurs(FaultClass::RetryBusy)
        {
            let busy = match service_of(arn) {
                redrive_emulator::region::ServiceKind::CodePipeline => "ConflictException",
                redrive_emulator::region::ServiceKind::StepFunctions => "ExecutionLimitExceeded",
            };
            let code = if simulation.coin() {
                busy
            } else {
                "ThrottlingException"
            };
            return Err(ApiError::new(code, "later").into());
        }
        let execution = service_of(arn) == redrive_emulator::region::ServiceKind::StepFunctions;
        let age = simulation.now().since(entry.failed_at);
        if execution
            && age < simulation.timing.read_lag
            && simulation.occurs(FaultClass::RetryStillRunning)
        {
            let running = "Execution is RUNNING and cannot be redriven";
            return Err(ApiError::new("ExecutionNotRedrivable", running).into());
        }
        let always = simulation.now() < simulation.garbled_until.get();
        if simulation.occurs(FaultClass::RetryGarbled) || always && simulation.coin() {
            return Err(CallError::Raw(simulation.garble()));
        }
        if simulation.occurs(FaultClass::RetryDoneGarbled) || always {
            // The service retries, and something between the service and the function replaces the answer.
            let _ = simulation.retry(&retry);
            invocation.back().await;
            return Err(CallError::Raw(simulation.garble()));
        }
        if simulation.occurs(FaultClass::RetryNotReceived) {
            return Err(CallError::Lost);
        }
        if simulation.occurs(FaultClass::RetryLate) {
            let at = simulation.now().plus(simulation.span(5_000, 20_000));
            simulation.plan(at, Next::Late(Box::new(retry)));
            simulation.away(Duration::from_secs(5)).await;
            return Err(CallError::Lost);
        }
        let answer = simulation.retry(&retry);
        let lost = simulation.occurs(FaultClass::RetryUnanswered);
        invocation.back().await;
        if lost { Err(CallError::Lost) } else { answer }
    }
}

impl Target for Invocation<'_> {
    async fn lookup(&self, failure: &Failure, need: Need) -> Result<Fact, Error> {
        let asked = self.simulation.now();
        let fact = JsonClient(self)
            .reads(&self.process.local_cache, self, self.now())
            .lookup(failure, need)
            .await;
        // Only these two needs read the subject's current state.
        if fact.is_ok() && matches!(need, Need::Description | Need::PipelineState) {
            self.knows(&failure.subject, asked);
        }
        fact
    }

    async fn current_state(&self, claim: &Claim) -> Result<TargetState, Error> {
        let entry = claim.entry();
        let asked = self.simulation.now();
        let snapshot = JsonClient(self)
            .reads(&self.process.local_cache, self, self.now())
            .current_state(entry)
            .await;
        self.knows(&entry.subject, asked);
        snapshot
    }

    async fn retry(&self, claim: &Claim) -> RetryResponse {
        let api = Retrying {
            invocation: self,
            claim,
        };
        services::retry(&api, claim).await
    }
}

impl Queue for Invocation<'_> {
    async fn send(&self, retry_message: &RetryMessage, delay: Duration) -> Result<(), Error> {
        self.away().await;
        let fails = self.simulation.occurs(FaultClass::SendFails);
        let arrives = !fails || self.simulation.coin();
        if arrives {
            self.simulation.queue(retry_message, delay);
        }
        self.back().await;
        if fails {
            return Err(Error::new(ErrorKind::Unavailable, "SendMessage"));
        }
        Ok(())
    }
}

impl Clock for Invocation<'_> {
    fn now(&self) -> Time {
        let real = self.simulation.now().as_millis();
        Time::from_millis(real.saturating_add_signed(self.process.skew_ms))
    }
}
