//! A scene: a policy, a mode, adapters that can fail, and methods that deliver events and messages, sweep, and
//! wind the clock.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use redrive_core::cancel::{Cancel, cancel};
use redrive_core::controller::{Record, RunMode};
use redrive_core::discovery::{DiscoveryReport, Search};
use redrive_core::error::Error;
use redrive_core::event::AllowedSources;
use redrive_core::failure::Subject;
use redrive_core::ledger::{Cancelled, Entry, EntryStore, Owner, RetryMessage, State, Timing};
use redrive_core::policy::Document;
use redrive_core::sweep::Swept;
use redrive_core::time::Time;
use redrive_core::verdict::{Reason, Verdict};
use redrive_emulator::api::{ApiError, Fault, Place, Service};
use redrive_emulator::codepipeline::{
    ActionStatus, By as StageBy, ExecutionMode, ExecutionStatus, OnFailure, Outcome as Brings,
    Seed as StageSeed, SeedAction, SeedStage, StageStatus,
};
use redrive_emulator::region::Region;
use redrive_emulator::stepfunctions::{By, Outcome as Ends, Script, Seed, Status};
use redrive_simulation::kernel::{Deployed, Invocation, Process, Sandbox};
use redrive_simulation::services::{JsonApi, JsonClient};
use serde_json::Value;

use crate::faulty_adapters::{Break, FaultyAdapters, Step, Which, run};

pub(crate) const NOW: Time = Time::from_millis(1_795_000_000_000);
/// How long an owner may act, in seconds.
pub(crate) const LEASE: u64 = 420;
pub(crate) const ARN: &str = "arn:aws:states:eu-west-1:111122223333:execution:etl:run-1";
pub(crate) const RUN: &str = "5f0c2f0e-0000-4000-8000-000000000001";
pub(crate) const NEXT_RUN: &str = "5f0c2f0e-0000-4000-8000-000000000002";

/// A policy of one rule for everything.
pub(crate) fn rule(limit: u32, interval_seconds: u32) -> String {
    format!(
        "version: 1\nretry:\n  automatic:\n    - id: any\n      limit: {limit}\n      backoff: \
         {{ interval_seconds: {interval_seconds}, max_delay_seconds: 86400, backoff_rate: 1, jitter_strategy: NONE }}\n"
    )
}

pub(crate) fn document(text: &str) -> Document {
    Document::parse(text).unwrap_or_else(|problems| panic!("{problems}\n{text}"))
}

/// An invocation whose calls can fail.
pub(crate) type Faulty<'s> = Invocation<&'s FaultyAdapters>;

pub(crate) struct Scene {
    pub(crate) adapters: FaultyAdapters,
    pub(crate) document: RefCell<Document>,
    pub(crate) mode: Cell<RunMode>,
    pub(crate) timing: Timing,
    pub(crate) subject: Subject,
    /// When a tick of the sweep runs out of time.
    pub(crate) sweep_until: Cell<Time>,
    pub(crate) process: Rc<Process>,
    owners: Cell<u32>,
}

pub(crate) fn stage() -> Subject {
    Subject::stage("aws", "eu-west-1", "111122223333", "web", "Build", RUN)
}

impl Scene {
    pub(crate) fn new(policy: &str, subject: Subject) -> Self {
        Self {
            adapters: FaultyAdapters::new(NOW),
            document: RefCell::new(document(policy)),
            mode: Cell::new(RunMode::Act),
            timing: Timing::default(),
            subject,
            sweep_until: Cell::new(Time::END),
            process: Rc::default(),
            owners: Cell::new(0),
        }
    }

    /// An execution that runs, and whose runs end so; the first of them ends after a second.
    pub(crate) fn execution(policy: &str, ends: impl IntoIterator<Item = Ends>) -> Self {
        Self::seeded(
            policy,
            Seed {
                outcomes: Script::new(ends),
                ..Seed::new(ARN, Status::Running, NOW.as_millis(), 0)
            },
        )
    }

    /// Any execution.
    pub(crate) fn seeded(policy: &str, seed: Seed) -> Self {
        let scene = Self::new(
            policy,
            Subject::Execution {
                arn: seed.arn.clone(),
            },
        );
        scene
            .region(|region| region.stepfunctions.seed(seed))
            .unwrap();
        scene
    }

    /// A stage whose one action runs, and whose runs end so.
    pub(crate) fn stage(policy: &str, ends: impl IntoIterator<Item = Brings>) -> Self {
        Self::staged(policy, build([action("Unit", ends)]))
    }

    /// Any stage.
    pub(crate) fn staged(policy: &str, seed: StageSeed) -> Self {
        let scene = Self::new(policy, stage());
        scene
            .region(|region| region.codepipeline.seed(seed))
            .unwrap();
        scene
    }

    /// Both services: an execution and a stage that fail once with `policy`, each by itself.
    pub(crate) fn both(policy: &str) -> [Self; 2] {
        [
            Self::execution(
                policy,
                [Ends::fail("Glue.Throttled", "busy"), Ends::succeed()],
            ),
            Self::stage(
                policy,
                [Brings::fail("JobFailed", "busy"), Brings::succeed()],
            ),
        ]
    }

    /// The same, failing for ever.
    pub(crate) fn both_for_ever(policy: &str) -> [Self; 2] {
        [
            Self::execution(policy, [Ends::fail("Glue.Throttled", "busy")]),
            Self::stage(policy, [Brings::fail("JobFailed", "busy")]),
        ]
    }

    pub(crate) fn region<R>(&self, f: impl FnOnce(&mut Region) -> R) -> R {
        f(&mut self.adapters.sandbox.region(&Place::default()))
    }

    pub(crate) fn now(&self) -> Time {
        self.adapters.sandbox.now()
    }

    pub(crate) fn wind(&self, seconds: u64) {
        let to = self.now().plus(Duration::from_secs(seconds));
        self.adapters.sandbox.agenda.wind(to);
    }

    /// The events that the services emitted by now.
    pub(crate) fn emitted(&self) -> Vec<Value> {
        self.adapters
            .sandbox
            .advance()
            .into_iter()
            .map(|emitted| emitted.event)
            .collect()
    }

    /// Lets the run that goes on end, and gives the one event of the subject's new status, unheard.
    pub(crate) fn ended(&self, status: &str) -> Value {
        self.wind(1);
        let told = |event: &Value| {
            let detail = &event["detail"];
            (detail["status"] == status || detail["state"] == status)
                && (event["source"] == "aws.states"
                    || event["detail-type"] == "CodePipeline Stage Execution State Change")
        };
        let events = self.emitted();
        events
            .iter()
            .find(|event| told(event))
            .unwrap_or_else(|| panic!("no {status} in {events:#?}"))
            .clone()
    }

    /// The event of the subject's next failure, unheard.
    pub(crate) fn failed(&self) -> Value {
        self.ended("FAILED")
    }

    fn owner(&self) -> Owner {
        self.owners.set(self.owners.get() + 1);
        Owner(format!("invocation-{}", self.owners.get()))
    }

    /// An invocation of a function, under a name of its own.
    pub(crate) fn invocation(&self) -> Faulty<'_> {
        Invocation {
            interceptor: &self.adapters,
            process: Rc::clone(&self.process),
            deployed: Deployed {
                document: self.document.borrow().clone().into(),
                mode: self.mode.get(),
            },
            timing: self.timing.clone(),
            owner: self.owner(),
        }
    }

    /// Handles an event, to be run.
    pub(crate) async fn handling_event(&self, event: &Value) -> Result<Record, Error> {
        let bytes = serde_json::to_vec(event).unwrap();
        let invocation = self.invocation();
        let controller = invocation.controller();
        controller.event(&bytes, &AllowedSources::default()).await
    }

    /// Takes a retry message, to be run.
    pub(crate) async fn taking(&self, retry_message: &RetryMessage) -> Result<Record, Error> {
        self.invocation().controller().due(retry_message).await
    }

    /// A tick of the sweep, to be run.
    pub(crate) async fn sweeping(&self) -> Result<Swept, Error> {
        let invocation = self.invocation();
        invocation
            .controller()
            .sweep(100, self.sweep_until.get())
            .await
    }

    /// A tick of the search, to be run.
    pub(crate) async fn finding(
        &self,
        api: &impl JsonApi,
        search: &Search,
    ) -> Result<DiscoveryReport, Error> {
        let listing = JsonClient(api);
        let invocation = self.invocation();
        invocation
            .controller()
            .discover(&listing, search, self.sweep_until.get())
            .await
    }

    /// A person cancels, to be run.
    pub(crate) async fn cancelling(&self, cancelled: &Cancelled) -> Result<Cancel, Error> {
        let invocation = self.invocation();
        cancel(&invocation, &self.subject, cancelled, invocation.writer()).await
    }

    pub(crate) fn handle_event(&self, event: &Value) -> Record {
        run(self.handling_event(event))
            .expect("it ends")
            .expect("no error")
    }

    /// Handles an event as often as Lambda delivers it: with an error it comes again, three times in all.
    pub(crate) fn handle_redelivered(&self, event: &Value) -> Record {
        for _ in 0..2 {
            match run(self.handling_event(event)).expect("it ends") {
                Ok(record) => return record,
                Err(_) => self.wind(60),
            }
        }
        self.handle_event(event)
    }

    pub(crate) fn claim_due(&self, retry_message: &RetryMessage) -> Record {
        run(self.taking(retry_message))
            .expect("it ends")
            .expect("no error")
    }

    pub(crate) fn sweep(&self) -> Swept {
        run(self.sweeping()).expect("it ends").expect("no error")
    }

    pub(crate) fn find(&self, search: &Search) -> DiscoveryReport {
        run(self.finding(&self.adapters.sandbox, search))
            .expect("it ends")
            .expect("no error")
    }

    /// Delivers what the queue has by now.
    pub(crate) fn deliver(&self) -> Vec<Record> {
        let mut records = Vec::new();
        while let Some(retry_message) = self.adapters.receive() {
            records.push(self.claim_due(&retry_message));
        }
        records
    }

    /// Plans that the next call of this name breaks so.
    pub(crate) fn next_breaks(&self, name: &'static str, kind: Break) {
        self.adapters.plan(Which::Next(name), kind);
    }

    /// Plans a fault of the service on the call that retries.
    pub(crate) fn retry_meets(&self, fault: Fault) {
        self.fault(
            if self.is_stage() {
                "RetryStageExecution"
            } else {
                "RedriveExecution"
            },
            fault,
        );
    }

    pub(crate) fn fault(&self, operation: &str, fault: Fault) {
        let stage = self.is_stage();
        self.region(|region| {
            if stage {
                region.codepipeline.inject(operation, fault)
            } else {
                region.stepfunctions.inject(operation, fault)
            }
        });
    }

    pub(crate) fn is_stage(&self) -> bool {
        matches!(self.subject, Subject::Stage { .. })
    }

    /// The entry of the subject.
    pub(crate) fn found(&self) -> Option<Entry> {
        run(self.adapters.sandbox.ledger.read(&self.subject))
            .unwrap()
            .unwrap()
    }

    pub(crate) fn entry(&self) -> Entry {
        self.found().expect("an entry")
    }

    /// Where the entry stands, why, and what is charged: `(state, reason, uses, retries)`.
    pub(crate) fn stands(&self) -> (State, Reason, u32, u32) {
        let entry = self.entry();
        (
            entry.state,
            entry.reason(),
            entry.rule_usage("default", "any"),
            entry.retries,
        )
    }

    pub(crate) fn verdict(&self) -> Verdict {
        self.entry().verdict.clone()
    }

    /// How often the calls of ours restarted the subject, whatever we came to know.
    pub(crate) fn effects(&self) -> usize {
        self.region(|region| match &self.subject {
            Subject::Execution { arn } => {
                let execution = region.stepfunctions.execution(arn);
                execution.map_or(0, |it| {
                    it.redrives.iter().filter(|it| it.by == By::Api).count()
                })
            }
            Subject::Stage { execution_id, .. } => {
                let retries = region.codepipeline.retries("web", execution_id, "Build");
                retries.iter().filter(|it| it.by == StageBy::Api).count()
            }
        })
    }

    /// What the subject is, in the service's own words.
    pub(crate) fn status(&self) -> &'static str {
        self.region(|region| match &self.subject {
            Subject::Execution { arn } => {
                region.stepfunctions.execution(arn).unwrap().status.as_str()
            }
            Subject::Stage { execution_id, .. } => region
                .codepipeline
                .stage("web", execution_id, "Build")
                .unwrap()
                .status
                .as_str(),
        })
    }

    /// A person redrives the execution, or retries the stage.
    pub(crate) fn person_retries(&self) {
        let now = self.now().as_millis();
        self.region(|region| match &self.subject {
            Subject::Execution { arn } => region.stepfunctions.person_redrives(now, arn),
            Subject::Stage { execution_id, .. } => {
                let mode = redrive_emulator::codepipeline::StageRetryMode::FailedActions;
                region
                    .codepipeline
                    .person_retries(now, "web", "Build", execution_id, mode)
            }
        })
        .unwrap();
    }

    /// A person aborts the execution, or stops the stage's pipeline execution at once.
    pub(crate) fn person_stops(&self) {
        let now = self.now().as_millis();
        self.region(|region| match &self.subject {
            Subject::Execution { arn } => region.stepfunctions.person_stops(now, arn, None, None),
            Subject::Stage { execution_id, .. } => {
                region
                    .codepipeline
                    .person_stops(now, "web", execution_id, true, "enough")
            }
        })
        .unwrap();
    }

    /// Life goes on until nothing is pending: events are handled, retry messages are taken, the sweep ticks whenever
    /// something is due for a check. What meets an error, or is killed, comes again a little later. Events in hand are
    /// handled first.
    pub(crate) fn calm(&self, events: &[Value]) {
        let Sandbox { agenda, ledger, .. } = &self.adapters.sandbox;
        let later = Duration::from_secs(60);
        let hand = |event: Value, at: Time| agenda.plan(at, Step::Event(event));
        for event in events {
            hand(event.clone(), self.now());
        }
        for _ in 0..10_000 {
            for event in self.emitted() {
                hand(event, self.now());
            }
            while let Some(Step::Event(event)) =
                agenda.take_due(|step| matches!(step, Step::Event(_)))
            {
                if !matches!(run(self.handling_event(&event)), Some(Ok(_))) {
                    hand(event, self.now().plus(later));
                }
                self.watch();
            }
            while let Some(retry_message) = self.adapters.receive() {
                if !matches!(run(self.taking(&retry_message)), Some(Ok(_))) {
                    self.adapters.post(&retry_message, later);
                }
                self.watch();
            }
            let due = ledger.next_check_at();
            if due.is_some_and(|due| due <= self.now()) {
                run(self.sweeping());
                self.watch();
            }
            let next = [
                self.adapters.sandbox.next_at(),
                agenda.first(|_| true),
                ledger.next_check_at(),
            ];
            match next.into_iter().flatten().min() {
                Some(at) => agenda.wind(at),
                None => return,
            }
        }
        panic!("it goes on for ever: {:?}", self.found());
    }

    /// What must hold whenever anybody looks: what is charged covers what was done, within the limits.
    pub(crate) fn watch(&self) {
        let Some(entry) = self.found() else { return };
        assert!(
            entry.retries <= self.document.borrow().per_execution,
            "{entry:?}"
        );
        assert!(
            usize::try_from(entry.retries).unwrap() >= self.effects(),
            "{} retries are charged and {} were made: {entry:?}",
            entry.retries,
            self.effects()
        );
    }
}

/// An action that runs, and whose runs end so.
pub(crate) fn action(name: &str, ends: impl IntoIterator<Item = Brings>) -> SeedAction {
    SeedAction {
        name: name.into(),
        status: Some(ActionStatus::InProgress),
        outcomes: ends.into_iter().collect(),
        ..SeedAction::default()
    }
}

/// A pipeline whose stage Build runs these actions.
pub(crate) fn build(actions: impl IntoIterator<Item = SeedAction>) -> StageSeed {
    StageSeed {
        at: NOW.as_millis(),
        pipeline: "web".into(),
        execution: RUN.into(),
        status: ExecutionStatus::InProgress,
        mode: ExecutionMode::Superseded,
        stages: vec![SeedStage {
            name: "Build".into(),
            status: Some(StageStatus::InProgress),
            actions: actions.into_iter().collect(),
            ..SeedStage::default()
        }],
        ..StageSeed::default()
    }
}

/// The same with `onFailure`.
pub(crate) fn on_failure(mut seed: StageSeed, result: OnFailure) -> StageSeed {
    seed.stages[0].on_failure = Some(result);
    seed
}

/// An answer that refuses.
pub(crate) fn refusal(code: &str) -> Fault {
    Fault::Refuse(ApiError::new(code, "no"))
}

/// `detail.<key>` of an event, changed.
pub(crate) fn with(event: &Value, key: &str, value: impl Into<Value>) -> Value {
    let mut event = event.clone();
    event["detail"][key] = value.into();
    event
}

impl Scene {
    /// An event of the subject as it would come now, whatever its status.
    pub(crate) fn emitted_copy(&self) -> Value {
        self.wind(60);
        self.person_retries();
        self.failed()
    }
}
