//! The faults of one invocation's requests.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use redrive_core::definition::CachedDefinition;
use redrive_core::failure::{Need, Subject};
use redrive_core::ledger::{Claim, Entry, RetryMessage, State};
use redrive_core::time::Time;
use redrive_core::verdict::{Charge, Reason};
use redrive_emulator::api::{ApiError, CallError};
use serde_json::Value;

use super::fault_plan::FaultClass;
use super::simulation::{Next, Simulation};
use super::subjects::{Retry, name};
use crate::kernel::{Deployed, Interceptor, Invocation, Request, RequestError, Sandbox};

/// The faults of one invocation, and what it knows of its subjects.
pub(super) struct Faults<'s> {
    pub(super) simulation: &'s Simulation,
    pub(super) owner: String,
    pub(super) deployed: Deployed,
    /// The time up to which the invocation knows of changes to each subject.
    pub(super) read_at: RefCell<BTreeMap<String, Time>>,
    /// The time up to which the invocation's event knew of changes.
    pub(super) received_at: Option<Time>,
}

/// An invocation of a function, under faults.
pub(super) type Faulty<'s> = Invocation<Faults<'s>>;

impl Faults<'_> {
    /// Waits for a call to reach its service. A fault may stall the call.
    async fn away(&self) {
        let stalls = self.simulation.occurs(FaultClass::Stall);
        let span = if stalls {
            self.simulation.span(20_000, 100_000)
        } else {
            self.simulation.span(1, 40)
        };
        self.simulation.sandbox.agenda.away(span).await;
    }

    /// Waits for an answer to travel back. No other actor sees this delay. A death during the delay equals a death
    /// before the next call, so `answers_at_once` may omit it.
    async fn back(&self) {
        if !self.simulation.answers_at_once {
            self.away().await;
        }
    }

    /// Lets a request to the ledger arrive, or not.
    async fn reach_ledger(&self) -> Result<(), CallError> {
        self.away().await;
        if self.simulation.ledger_is_down() {
            Err(CallError::Lost)
        } else if self.simulation.occurs(FaultClass::LedgerThrottled) {
            Err(throttled())
        } else {
            Ok(())
        }
    }

    /// Lets a call of a service arrive, or not.
    async fn reach_service(&self) -> Result<(), CallError> {
        self.away().await;
        if self.simulation.occurs(FaultClass::ReadFails) {
            return Err(if self.simulation.coin() {
                CallError::Lost
            } else if self.simulation.coin() {
                CallError::Raw(self.simulation.garble())
            } else {
                throttled()
            });
        }
        self.simulation.draw_lag();
        Ok(())
    }

    /// Returns a retry with what its invocation knows.
    fn retrying(&self, claim: &Claim, operation: &str, body: &Value) -> Retry {
        let entry = claim.entry();
        let read_at = self.read_at.borrow().get(&entry.subject.key()).copied();
        Retry {
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
                    .map(|charge| (charge.rule.clone(), self.limit_of(entry, charge)))
                    .collect(),
            ),
            per_execution: self.deployed.document.per_execution,
            mode: self.deployed.mode,
            verified: read_at.is_some() || !entry.verify_before_retry,
            read_at: read_at
                .or(self.received_at)
                .unwrap_or(entry.failed_at)
                .min(self.simulation.now()),
            by: self.owner.clone(),
        }
    }

    /// Lets the call that retries arrive, or not. Returns whether something between the service and the function
    /// replaces the answer.
    async fn reach_target(&self, retry: &Retry, failed_at: Time) -> Result<bool, CallError> {
        let simulation = self.simulation;
        let refuse = |code: &str, message: &str| Err(ApiError::new(code, message).into());
        self.away().await;
        if simulation.occurs(FaultClass::RetryDenied) {
            return refuse("AccessDeniedException", "not authorized");
        }
        if simulation.occurs(FaultClass::RetryRefused) {
            simulation.invariants.borrow_mut().rejected(retry);
            return refuse("ValidationException", "refused");
        }
        let execution = matches!(retry.subject, Subject::Execution { .. });
        if simulation.now() < simulation.busy_until.get()
            || simulation.occurs(FaultClass::RetryBusy)
        {
            let code = match (simulation.coin(), execution) {
                (true, true) => "ExecutionLimitExceeded",
                (true, false) => "ConflictException",
                (false, _) => "ThrottlingException",
            };
            return refuse(code, "later");
        }
        if execution
            && simulation.now().since(failed_at) < simulation.timing.read_lag
            && simulation.occurs(FaultClass::RetryStillRunning)
        {
            let running = "Execution is RUNNING and cannot be redriven";
            return refuse("ExecutionNotRedrivable", running);
        }
        let always = simulation.now() < simulation.garbled_until.get();
        if simulation.occurs(FaultClass::RetryGarbled) || always && simulation.coin() {
            return Err(CallError::Raw(simulation.garble()));
        }
        if simulation.occurs(FaultClass::RetryDoneGarbled) || always {
            return Ok(true);
        }
        if simulation.occurs(FaultClass::RetryNotReceived) {
            return Err(CallError::Lost);
        }
        if simulation.occurs(FaultClass::RetryLate) {
            let at = simulation.now().plus(simulation.span(5_000, 20_000));
            simulation.plan(at, Next::Late(Box::new(retry.clone())));
            simulation.sandbox.agenda.away(Duration::from_secs(5)).await;
            return Err(CallError::Lost);
        }
        Ok(false)
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
    fn wrote(&self, old: Option<&Entry>, new: &Entry, deployed: &Deployed) {
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
        let mut invariants = self.invariants.borrow_mut();
        invariants.withdrawn(old, new, deployed);
        invariants.written(old, new, retried, truth.as_ref(), self.now());
    }
}

fn throttled() -> CallError {
    ApiError::new("ThrottlingException", "Rate exceeded").into()
}

impl Interceptor for Faults<'_> {
    type Step = Next;

    fn sandbox(&self) -> &Sandbox<Next> {
        &self.simulation.sandbox
    }

    async fn intercept<R, E: RequestError>(
        &self,
        request: Request<'_>,
        mut effect: impl AsyncFnMut() -> Result<R, E>,
    ) -> Result<R, E> {
        let simulation = self.simulation;
        let operation = request.operation();
        let fail = |error| E::of(operation, error);
        let lost = || Err(fail(CallError::Lost));
        match request {
            Request::Lookup(failure, need) => {
                let asked = simulation.now();
                let answer = effect().await;
                // Only these two needs read the subject's current state.
                if answer.is_ok() && matches!(need, Need::Description | Need::PipelineState) {
                    self.knows(&failure.subject, asked);
                }
                answer
            }
            Request::CurrentState(claim) => {
                let asked = simulation.now();
                let answer = effect().await;
                self.knows(&claim.entry().subject, asked);
                answer
            }
            Request::Api { .. } => {
                self.reach_service().await.map_err(fail)?;
                let answer = effect().await;
                simulation.trace(|| {
                    let failed = answer.as_ref().err().map_or("", |_| ", without effect");
                    format!("        {} asks {operation}{failed}", self.owner)
                });
                self.back().await;
                answer
            }
            Request::Retry { claim, body, .. } => {
                let retry = self.retrying(claim, operation, body);
                let reached = self.reach_target(&retry, claim.entry().failed_at).await;
                let garbled = reached.map_err(fail)?;
                let before = simulation.truth(&retry.subject);
                simulation.draw_lag();
                let answer = effect().await;
                let error = answer.as_ref().map(|_| ()).map_err(E::call_error);
                simulation.arrived(&retry, before, error);
                let unanswered = !garbled && simulation.occurs(FaultClass::RetryUnanswered);
                self.back().await;
                if garbled {
                    return Err(fail(CallError::Raw(simulation.garble())));
                }
                if unanswered { lost() } else { answer }
            }
            Request::Send => {
                self.away().await;
                let fails = simulation.occurs(FaultClass::SendFails);
                let arrives = !fails || simulation.coin();
                let answer = if arrives { effect().await } else { lost() };
                self.back().await;
                if fails { lost() } else { answer }
            }
            _ => {
                self.reach_ledger().await.map_err(fail)?;
                let mut answer = effect().await;
                if request.writes() && simulation.occurs(FaultClass::LedgerRepeated) {
                    self.away().await;
                    answer = effect().await;
                }
                let unanswered = simulation.occurs(FaultClass::LedgerLost);
                self.back().await;
                if unanswered { lost() } else { answer }
            }
        }
    }

    fn send(&self, retry_message: &RetryMessage, delay: Duration) {
        self.simulation.queue(retry_message, delay);
    }

    fn stored(&self, before: Option<&Entry>, after: &Entry) {
        self.simulation.wrote(before, after, &self.deployed);
    }

    fn show_due(&self, entries: &mut Vec<Entry>) {
        if self.simulation.occurs(FaultClass::IndexBehind) {
            let behind = self.simulation.now().minus(Duration::from_secs(2));
            entries.retain(|entry| entry.updated_at < behind);
        }
    }

    fn show_definition(&self, stored: &[CachedDefinition]) -> Option<CachedDefinition> {
        let (last, before) = stored.split_last()?;
        if self.simulation.occurs(FaultClass::CacheStale) {
            self.simulation
                .fault_plan
                .borrow_mut()
                .pick(before)
                .cloned()
        } else {
            Some(last.clone())
        }
    }

    fn loses_definition(&self) -> bool {
        self.simulation.occurs(FaultClass::CacheLost)
    }
}
