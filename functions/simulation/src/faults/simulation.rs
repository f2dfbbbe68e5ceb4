//! The simulated parts: both services, the ledger and the queue, in virtual time.

use std::cell::{Cell, RefCell, RefMut};
use std::rc::Rc;
use std::sync::MutexGuard;
use std::time::Duration;

use redrive_core::failure::{FailureId, Subject};
use redrive_core::ledger::{Entries, RetryMessage, Timing};
use redrive_core::policy::Document;
use redrive_core::rate_limiter::{Quota, Quotas};
use redrive_core::services::Service;
use redrive_core::time::Time;
use redrive_emulator::api::{CallError, Place, RawAnswer};
use redrive_emulator::codepipeline::{
    self, ActionStatus, By as StageBy, ParallelState, StageStatus,
};
use redrive_emulator::region::Region;
use redrive_emulator::stepfunctions::{self, By, Status};
use serde_json::Value;

use super::fault_plan::{FaultClass, FaultPlan};
use super::invariants::Invariants;
use super::subjects::{Retry, Truth, name};
use super::workload::Actor;
use crate::kernel::{Deployed, Sandbox};

/// A step on the agenda. The services' own due work is not on the agenda.
#[derive(Debug)]
pub(super) enum Next {
    /// EventBridge delivers an event, at its n-th try.
    Event {
        bytes: Rc<[u8]>,
        emitted: Time,
        tries: u32,
    },
    /// SQS delivers a message, at its n-th try.
    Message {
        retry_message: RetryMessage,
        tries: u32,
    },
    /// The sweep ticks.
    Tick,
    /// A person updates a state machine.
    Update,
    /// An actor begins.
    Begin(usize),
    /// A retry arrives after its caller gave up.
    Late(Box<Retry>),
    /// People, TTL and deployments get a chance to act.
    Life,
    /// The simulation heals: no further fault occurs.
    Heal,
}

/// The simulated services, ledger and queue, with the fault plan and the invariants.
pub(super) struct Simulation {
    pub(super) sandbox: Sandbox<Next>,
    pub(super) fault_plan: RefCell<FaultPlan>,
    pub(super) timing: Timing,
    pub(super) deployed: RefCell<Deployed>,
    /// The policy that the last update replaced, and when.
    pub(super) replaced: RefCell<Option<(Time, Rc<Document>)>>,
    /// The number of policies deployed so far, without those deployed again.
    pub(super) policies: Cell<u64>,
    pub(super) actors: Vec<Actor>,
    pub(super) invariants: RefCell<Invariants>,
    /// The maximum lag of the services' answers.
    pub(super) lag: Duration,
    /// The end of the ledger's outage.
    down_until: Cell<Time>,
    /// The end of the time in which AWS accepts no retry.
    pub(super) busy_until: Cell<Time>,
    /// The end of the time in which every retry call gets an unintelligible answer.
    pub(super) garbled_until: Cell<Time>,
    /// Whether only a call's way to a service takes time, and the answer's way none.
    pub(super) answers_at_once: bool,
    trace: Option<RefCell<Vec<String>>>,
}

impl Simulation {
    pub(super) fn new(
        now: Time,
        mut fault_plan: FaultPlan,
        actors: Vec<Actor>,
        deployed: Deployed,
        traced: bool,
    ) -> Self {
        let lag = if fault_plan.occurs(FaultClass::ReadsLag) {
            fault_plan.span(500, 30_000)
        } else {
            Duration::ZERO
        };
        let mut timing = Timing::default();
        if fault_plan.has(FaultClass::SlotsTaken) {
            // These quotas are so low that even a simulation's few failures need slots.
            let least = Quota {
                burst: 1,
                per_second: 1,
            };
            timing.quotas = Quotas(Service::ALL.map(|service| (service, least)).into());
        }
        let seed = fault_plan.fork().u64(..);
        let (stepfunctions, codepipeline) = coins(&mut fault_plan, lag);
        let region = Region::with_options(&Place::default(), seed, stepfunctions, codepipeline);
        let sandbox = Sandbox::new(now);
        sandbox.put_region(&Place::default(), region);
        Self {
            sandbox,
            fault_plan: RefCell::new(fault_plan),
            timing,
            deployed: RefCell::new(deployed),
            replaced: RefCell::default(),
            policies: Cell::new(1),
            actors,
            invariants: RefCell::default(),
            lag,
            down_until: Cell::new(Time::from_millis(0)),
            busy_until: Cell::new(Time::from_millis(0)),
            garbled_until: Cell::new(Time::from_millis(0)),
            answers_at_once: false,
            trace: traced.then(RefCell::default),
        }
    }

    pub(super) const fn now(&self) -> Time {
        self.sandbox.now()
    }

    pub(super) fn wind(&self, to: Time) {
        self.sandbox.agenda.wind(to);
    }

    /// Puts a step on the agenda.
    pub(super) fn plan(&self, at: Time, next: Next) {
        self.sandbox.agenda.plan(at, next);
    }

    /// Returns the only region.
    pub(super) fn region(&self) -> RefMut<'_, Region> {
        self.sandbox.region(&Place::default())
    }

    /// Returns the entries of the ledger.
    pub(super) fn entries(&self) -> MutexGuard<'_, Entries> {
        self.sandbox.ledger.lock()
    }

    /// Draws whether a fault occurs, and traces it.
    pub(super) fn occurs(&self, class: FaultClass) -> bool {
        let occurs = self.fault_plan.borrow_mut().occurs(class);
        if occurs {
            self.trace(|| format!("        ! {}", class.words()));
        }
        occurs
    }

    pub(super) fn span(&self, from_ms: u64, to_ms: u64) -> Duration {
        self.fault_plan.borrow_mut().span(from_ms, to_ms)
    }

    pub(super) fn coin(&self) -> bool {
        self.fault_plan.borrow_mut().coin()
    }

    /// Returns whether the ledger is out of reach. An outage may begin here.
    pub(super) fn ledger_is_down(&self) -> bool {
        if self.now() >= self.down_until.get() && self.occurs(FaultClass::LedgerDown) {
            self.down_until
                .set(self.now().plus(self.span(10_000, 600_000)));
        }
        self.now() < self.down_until.get()
    }

    /// Ends all faults, outages included.
    pub(super) fn heal(&self) {
        self.fault_plan.borrow_mut().clear();
        self.down_until.set(self.now());
        self.busy_until.set(self.now());
        self.garbled_until.set(self.now());
    }

    /// Adds a line to the trace, if a trace is kept.
    pub(super) fn trace(&self, line: impl FnOnce() -> String) {
        if let Some(trace) = &self.trace {
            let since = self.now().since(super::START);
            let (seconds, millis) = (since.as_secs(), since.subsec_millis());
            trace.borrow_mut().push(format!(
                "{:>3}:{:02}:{:02}.{millis:03}  {}",
                seconds / 3600,
                seconds / 60 % 60,
                seconds % 60,
                line()
            ));
        }
    }

    /// Returns the lines of the trace.
    pub(super) fn trace_lines(&self) -> Vec<String> {
        self.trace
            .as_ref()
            .map(|trace| trace.borrow().clone())
            .unwrap_or_default()
    }

    /// Draws the lag of the next answer of the services. A later answer may lack a change that an earlier answer showed.
    pub(super) fn draw_lag(&self) {
        if !self.lag.is_zero() {
            let lag = self.fault_plan.borrow_mut().one_of(1001) as u64;
            let mut region = self.region();
            region.stepfunctions.options_mut().lag_of_a_thousand = lag;
            region.codepipeline.options_mut().lag_of_a_thousand = lag;
        }
    }

    /// Calls a service from outside the functions.
    pub(super) fn call(
        &self,
        arn: &str,
        operation: &str,
        body: &Value,
    ) -> Result<Value, CallError> {
        self.draw_lag();
        self.sandbox.answer(arn, operation, body)
    }

    /// Returns the real state of a subject.
    pub(super) fn truth(&self, subject: &Subject) -> Option<Truth> {
        let region = self.region();
        let actor = self.actors.iter().find(|actor| actor.subject == *subject);
        match subject {
            Subject::Execution { arn } => {
                let shown = region.stepfunctions.execution(arn)?;
                let count = u32::try_from(shown.redrive_count).unwrap_or(u32::MAX);
                let failed = matches!(shown.status, Status::Failed | Status::TimedOut);
                let scripted = actor.and_then(|actor| actor.hands_off.get(&count).copied());
                Some(Truth {
                    failed: failed.then_some(FailureId::RedriveCount(count)),
                    succeeded: shown.status == Status::Succeeded,
                    hands_off: match shown.status {
                        Status::Aborted => Some("a person aborted it"),
                        _ if shown.ended_in_fail_state => Some("it ended in a Fail state"),
                        _ => scripted,
                    },
                    ours: shown.redrives.iter().filter(|it| it.by == By::Api).count(),
                    restarts: shown.redrive_count,
                    word: shown.status.as_str(),
                })
            }
            Subject::Stage { execution_id, .. } => {
                let (pipeline, stage) = (subject.target(), super::workload::STAGE);
                let shown = region.codepipeline.stage(pipeline, execution_id, stage)?;
                let failed = shown.status == StageStatus::Failed;
                let ids = shown
                    .actions
                    .iter()
                    .filter(|action| action.status == Some(ActionStatus::Failed))
                    .filter_map(|action| action.action_execution_id.clone());
                let scripted = actor.and_then(|actor| actor.hands_off.get(&0).copied());
                let approval = actor.and_then(|actor| actor.approval);
                let rejected = shown.actions.iter().any(|action| {
                    Some(action.name.as_str()) == approval
                        && action.status == Some(ActionStatus::Failed)
                });
                Some(Truth {
                    failed: failed.then(|| FailureId::FailedActions(ids.collect())),
                    succeeded: shown.status == StageStatus::Succeeded,
                    hands_off: match shown.status {
                        StageStatus::Stopped | StageStatus::Stopping => Some("a person stopped it"),
                        StageStatus::Cancelled => Some("it was canceled"),
                        _ if rejected => Some("a person rejected it"),
                        _ => scripted,
                    },
                    ours: shown
                        .retries
                        .iter()
                        .filter(|it| it.by == StageBy::Api)
                        .count(),
                    restarts: shown.retries.len() as u64,
                    word: shown.status.as_str(),
                })
            }
        }
    }

    /// Returns whether anybody or anything restarted a subject after a failure. A deleted pipeline hides its stage
    /// retries, so the invariants' own record is read first.
    pub(super) fn was_retried(&self, subject: &Subject, failure_id: &FailureId) -> bool {
        if self.invariants.borrow().reached(&subject.key(), failure_id) {
            return true;
        }
        let region = self.region();
        match (subject, failure_id) {
            (Subject::Execution { arn }, FailureId::RedriveCount(count)) => region
                .stepfunctions
                .execution(arn)
                .is_none_or(|shown| shown.redrive_count > u64::from(*count)),
            (Subject::Stage { execution_id, .. }, FailureId::FailedActions(ids)) => {
                let stage = super::workload::STAGE;
                region
                    .codepipeline
                    .retries(subject.target(), execution_id, stage)
                    .iter()
                    .any(|retry| retry.failed.iter().any(|id| ids.contains(id)))
            }
            _ => false,
        }
    }

    /// Returns an unintelligible answer, as a proxy, a load balancer or a newer service may send it.
    pub(super) fn garble(&self) -> RawAnswer {
        const HTML: &str = "<html><body>Something answered</body></html>";
        #[rustfmt::skip]
        const ANSWERS: [(u16, &str); 22] = [
            (200, HTML), (200, "null"), (200, "[]"), (204, ""), (301, ""), (302, HTML), (400, HTML), (401, HTML),
            (403, HTML), (404, HTML), (407, HTML), (408, HTML), (429, HTML), (500, HTML), (502, HTML), (504, ""),
            (400, r#"{"__type":"SomethingNew"}"#), (429, r#"{"__type":"SomethingNew"}"#),
            (503, r#"{"__type":"ThrottlingException"}"#), (400, r#"{"__type":"PriorRequestNotComplete"}"#),
            (400, r#"{"__type":"RequestAbortedException"}"#), (408, r#"{"__type":"RequestTimeoutException"}"#),
        ];
        let answer = self.fault_plan.borrow_mut().pick(&ANSWERS).copied();
        let (status, body) = answer.unwrap_or_default();
        self.trace(|| format!("        answered: {status} {body}"));
        RawAnswer {
            status,
            content_type: "text/html".to_owned(),
            body: body.to_owned(),
        }
    }

    /// Puts a message on its way. A fault may lose, delay or double the message.
    pub(super) fn queue(&self, retry_message: &RetryMessage, delay: Duration) {
        if self.occurs(FaultClass::MessageLost) {
            return;
        }
        let late = if self.occurs(FaultClass::MessageLate) {
            self.span(60_000, 3 * 3_600_000)
        } else {
            self.span(5, 2_000)
        };
        let times = 1 + usize::from(self.occurs(FaultClass::MessageDoubled));
        for _ in 0..times {
            let at = self.now().plus(delay).plus(late).plus(self.span(0, 500));
            let retry_message = retry_message.clone();
            self.plan(
                at,
                Next::Message {
                    retry_message,
                    tries: 1,
                },
            );
        }
    }

    /// Makes a retry arrive at its service after its caller gave up. AWS's answer is lost.
    pub(super) fn arrives_late(&self, retry: &Retry) {
        let before = self.truth(&retry.subject);
        let answer = self.call(retry.subject.arn(), &retry.operation, &retry.body);
        let error = answer.as_ref().map(|_| ()).map_err(Some);
        self.arrived(retry, before, error);
    }

    /// Compares a subject before and after a retry, which has just arrived at its service.
    pub(super) fn arrived(
        &self,
        retry: &Retry,
        before: Option<Truth>,
        answer: Result<(), Option<&CallError>>,
    ) {
        let after = self.truth(&retry.subject);
        let ours = |truth: &Option<Truth>| truth.as_ref().map_or(0, |truth| truth.ours);
        let took_effect = ours(&after) > ours(&before);
        self.trace(|| {
            let came = match answer {
                Ok(()) if took_effect => "done",
                Ok(()) => "nothing new",
                Err(Some(CallError::Api(error))) => error.code(),
                Err(_) => "lost",
            };
            format!(
                "        {} of {}: {came}",
                retry.operation,
                name(&retry.subject)
            )
        });
        if matches!(answer, Err(Some(CallError::Api(_)))) {
            self.invariants.borrow_mut().rejected(retry);
        }
        if took_effect && let Some(before) = before {
            let at = self.now();
            let charged = self
                .entries()
                .read(&retry.subject)
                .map(|entry| entry.retries.saturating_add(entry.prior_retries));
            let mut invariants = self.invariants.borrow_mut();
            invariants.effect(retry, &before, charged, at);
        }
    }
}

/// Draws the emulators' options: each behaviour that is not established is a coin of the seed.
fn coins(
    fault_plan: &mut FaultPlan,
    lag: Duration,
) -> (stepfunctions::Options, codepipeline::Options) {
    let lag_ms = u64::try_from(lag.as_millis()).unwrap_or_default();
    let lag = |fault_plan: &mut FaultPlan| {
        if fault_plan.coin() {
            lag_ms
        } else {
            lag_ms / 3
        }
    };
    let refusal = |fault_plan: &mut FaultPlan| {
        use codepipeline::RetryRefusal::{Conflict, NotLatestPipelineExecution, StageNotRetryable};
        *fault_plan
            .pick(&[Conflict, StageNotRetryable, NotLatestPipelineExecution])
            .unwrap_or(&Conflict)
    };
    let executions = stepfunctions::Options {
        describe_lag_ms: lag(fault_plan),
        list_lag_ms: lag(fault_plan),
        history_lag_ms: lag(fault_plan),
        announce_map_children: fault_plan.coin(),
        announce_running_after_redrive: fault_plan.coin(),
        last_moment_counts: fault_plan.coin(),
        fail_state_ms: if fault_plan.coin() { 0 } else { 50 },
        history_event_limit: if fault_plan.one_of(8) == 0 {
            14
        } else {
            24_999
        },
        interruption_follows_nothing: fault_plan.coin(),
        redrive_date_in_event: {
            use stepfunctions::EventDate::{Milliseconds, Rfc3339, Seconds};
            *fault_plan
                .pick(&[Milliseconds, Seconds, Rfc3339])
                .unwrap_or(&Milliseconds)
        },
        ..stepfunctions::Options::default()
    };
    let stages = codepipeline::Options {
        state_lag_ms: lag(fault_plan),
        state_is_fresh: fault_plan.coin(),
        duplicate_retry_answer: refusal(fault_plan),
        all_actions_in_progress_answer: refusal(fault_plan),
        unknown_execution_answer: refusal(fault_plan),
        identical_update_ends_retry: fault_plan.coin(),
        parallel_state: if fault_plan.coin() {
            ParallelState::Blank
        } else {
            ParallelState::Latest
        },
        state_shows_execution_type: fault_plan.coin(),
        failure_order: if fault_plan.coin() {
            codepipeline::FailureOrder::StageFirst
        } else {
            codepipeline::FailureOrder::ActionFirst
        },
        stage_fails: if fault_plan.coin() {
            codepipeline::StageFails::WhenActionsEnded
        } else {
            codepipeline::StageFails::AtFirstFailedAction
        },
        automatic_retry_announces_failure: fault_plan.coin(),
        automatic_retry_emits_resumed: fault_plan.coin(),
        automatic_retry_counts_attempt: fault_plan.coin(),
        automatic_retry_delay_ms: if fault_plan.coin() { 0 } else { 20_000 },
        early_retry_emits_resumed: fault_plan.coin(),
        overtaken_execution_becomes_superseded: fault_plan.coin(),
        action_events_count_attempts: fault_plan.coin(),
        first_stage_started_attempt_zero: fault_plan.coin(),
        ..codepipeline::Options::default()
    };
    (executions, stages)
}
