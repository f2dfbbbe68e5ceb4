//! The world on a desk: both services emulated in as many accounts and regions as are spoken of, a ledger
//! and a queue in memory, and a clock that stands still until it is wound.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::Duration;

use redrive_core::arn::Arn;
use redrive_core::calls::{Call, outcome_of};
use redrive_core::definition::{FailStates, Machines, Revision, Told};
use redrive_core::event::parent_in;
use redrive_core::failure::{
    Description, Fact, FailedAction, FailedExecution, Failure, Field, Identity, Need, Redrivable,
    Service as Which, Subject, What,
};
use redrive_core::handle::{Clock, Outcome, Queue, Standing, Target};
use redrive_core::history::{Ending, HistoryEvent, ending};
use redrive_core::ledger::{Claim, Ticket};
use redrive_core::pipeline::{ActionRun, StageState, standing};
use redrive_core::time::Time;
use redrive_core::trouble::{Trouble, TroubleKind};
use redrive_core::verdict::{Reason, RetryMode};
use serde_json::{Value, json};

use crate::api::{CallError, Emitted, Place, Service};
use crate::codepipeline::{self, CodePipeline};
use crate::memory::Memory;
use crate::stepfunctions::{self, StepFunctions};

/// Both services in one account and region.
#[derive(Debug)]
pub struct Region {
    /// AWS Step Functions.
    pub stepfunctions: StepFunctions,
    /// AWS CodePipeline.
    pub codepipeline: CodePipeline,
}

impl Region {
    /// An empty region. The same seed gives the same ids, and the two services never the same.
    pub fn new(place: &Place, seed: u64) -> Self {
        Self {
            stepfunctions: StepFunctions::new(
                place.clone(),
                stepfunctions::Options::default(),
                seed.wrapping_mul(2),
            ),
            codepipeline: CodePipeline::new(
                place.clone(),
                codepipeline::Options::default(),
                seed.wrapping_mul(2).wrapping_add(1),
            ),
        }
    }

    /// Calls one of the services.
    ///
    /// # Errors
    /// What the service answers, or that its answer was lost.
    pub fn call(
        &mut self,
        which: Which,
        now: u64,
        operation: &str,
        body: &Value,
    ) -> Result<Value, CallError> {
        match which {
            Which::StepFunctions => self.stepfunctions.call(now, operation, body),
            Which::CodePipeline => self.codepipeline.call(now, operation, body),
        }
    }

    /// When one of the services has something due.
    pub fn next_at(&self) -> Option<u64> {
        [self.stepfunctions.next_at(), self.codepipeline.next_at()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Finishes what is due, and gives out the events, oldest first.
    pub fn advance(&mut self, now: u64) -> Vec<Emitted> {
        self.stepfunctions.advance(now);
        self.codepipeline.advance(now);
        let mut events = self.stepfunctions.take_events();
        events.extend(self.codepipeline.take_events());
        events.sort_by_key(|emitted| emitted.at);
        events
    }
}

/// The world.
#[derive(Debug)]
pub struct Desk {
    /// The ledger.
    pub ledger: Memory,
    now: Cell<Time>,
    machines: RefCell<Machines>,
    regions: RefCell<BTreeMap<(String, String, String), Region>>,
    queue: RefCell<BTreeMap<(Time, u64), Ticket>>,
    sent: Cell<u64>,
}

impl Desk {
    /// An empty world at a time.
    pub fn new(now: Time) -> Self {
        Self {
            ledger: Memory::default(),
            now: Cell::new(now),
            machines: RefCell::default(),
            regions: RefCell::default(),
            queue: RefCell::default(),
            sent: Cell::new(0),
        }
    }

    /// Winds the clock forward; it never goes back.
    pub fn wind(&self, to: Time) {
        self.now.set(self.now.get().max(to));
    }

    /// Does something with the region of an ARN, which is made if it is new.
    pub fn in_region<R>(&self, place: &Place, f: impl FnOnce(&mut Region) -> R) -> R {
        let mut regions = self.regions.borrow_mut();
        let key = (
            place.partition.clone(),
            place.region.clone(),
            place.account.clone(),
        );
        let seed = regions.len() as u64;
        f(regions
            .entry(key)
            .or_insert_with(|| Region::new(place, seed)))
    }

    /// When any service has something due.
    pub fn next_at(&self) -> Option<Time> {
        self.regions
            .borrow()
            .values()
            .filter_map(Region::next_at)
            .min()
            .map(Time::from_millis)
    }

    /// Finishes what is due by now, and gives out the events, oldest first.
    pub fn advance(&self) -> Vec<Emitted> {
        let now = self.now.get().as_millis();
        let mut events: Vec<Emitted> = self
            .regions
            .borrow_mut()
            .values_mut()
            .flat_map(|region| region.advance(now))
            .collect();
        events.sort_by_key(|emitted| emitted.at);
        events
    }

    /// When the next message of the queue arrives.
    pub fn next_message(&self) -> Option<Time> {
        self.queue.borrow().keys().next().map(|(at, _)| *at)
    }

    /// The next message that has arrived by now.
    pub fn receive(&self) -> Option<Ticket> {
        let mut queue = self.queue.borrow_mut();
        let first = queue
            .first_entry()
            .filter(|first| first.key().0 <= self.now.get())?;
        Some(first.remove())
    }

    /// Calls that the services received, by operation. What people did at the console is not among them.
    pub fn calls(&self) -> BTreeMap<String, usize> {
        let mut calls = BTreeMap::new();
        for region in self.regions.borrow().values() {
            let of_sfn = region
                .stepfunctions
                .calls()
                .iter()
                .map(|call| call.operation.to_string());
            let of_pipeline = region
                .codepipeline
                .calls()
                .iter()
                .filter(|call| call.by == codepipeline::By::Api)
                .map(|call| call.operation.clone());
            for operation in of_sfn.chain(of_pipeline) {
                *calls.entry(operation).or_default() += 1;
            }
        }
        calls
    }

    fn call(&self, subject: &Subject, operation: &str, body: &Value) -> Result<Value, CallError> {
        let place = place_of(subject);
        let now = self.now.get().as_millis();
        self.in_region(&place, |region| {
            region.call(subject.service(), now, operation, body)
        })
    }

    /// A call that reads: none is an answer that the thing does not exist.
    fn read(
        &self,
        subject: &Subject,
        operation: &str,
        body: &Value,
    ) -> Result<Option<Value>, Trouble> {
        match self.call(subject, operation, body) {
            Ok(answer) => Ok(Some(answer)),
            Err(CallError::Lost) => Err(Trouble::new(TroubleKind::Unreachable, operation)),
            Err(CallError::Api(error)) => {
                let kind = match error.code() {
                    "ExecutionDoesNotExist"
                    | "PipelineNotFoundException"
                    | "StageNotFoundException" => return Ok(None),
                    "ThrottlingException" => TroubleKind::Throttled,
                    "AccessDeniedException" => TroubleKind::Denied,
                    _ => TroubleKind::Unreachable,
                };
                Err(Trouble::new(kind, format!("{operation} {}", error.code())))
            }
        }
    }

    fn describe(&self, subject: &Subject) -> Result<Option<Description>, Trouble> {
        let answer = self.read(
            subject,
            "DescribeExecution",
            &json!({ "executionArn": subject.arn() }),
        )?;
        Ok(answer.map(|answer| Description {
            status: text(&answer, "status").unwrap_or_default(),
            redrive_count: count(&answer, "redriveCount"),
            redrivable: match answer.get("redriveStatus").and_then(Value::as_str) {
                Some("REDRIVABLE") => Redrivable::Yes,
                Some("REDRIVABLE_BY_MAP_RUN") => Redrivable::ByMapRun,
                _ => Redrivable::No,
            },
            error: Field::from_option(text(&answer, "error")),
            cause: Field::from_option(text(&answer, "cause")),
            parent: match answer.get("input").and_then(Value::as_str) {
                Some(input) => Field::from_option(parent_in(input)),
                None => Field::Withheld,
            },
        }))
    }

    /// What is known of an execution's machine, and what there is to learn of it.
    fn told(&self, subject: &Subject, execution: &FailedExecution) -> Result<Told, Trouble> {
        let now = self.now.get();
        let mut told = self.machines.borrow().tell(execution, now);
        if let (Told::Unconfirmed, Some(machine)) = (told, &execution.state_machine_arn) {
            let body = json!({ "stateMachineArn": machine });
            let shown = self.read(subject, "DescribeStateMachine", &body)?;
            let id = shown.as_ref().and_then(|shown| text(shown, "revisionId"));
            let mut machines = self.machines.borrow_mut();
            machines.confirm(machine, id.as_deref(), now);
            told = machines.tell(execution, now);
        }
        if told == Told::Unknown {
            let body = json!({ "executionArn": subject.arn() });
            if let Some(shown) = self.read(subject, "DescribeStateMachineForExecution", &body)?
                && let Some(revision) = revision(&shown)
            {
                told = self.machines.borrow_mut().learn(execution, revision);
            }
        }
        Ok(told)
    }

    /// Whether the run of an execution after so many redrives ended in a Fail state.
    fn ending(&self, subject: &Subject, redrive_count: u32) -> Result<Fact, Trouble> {
        let mut events: Vec<HistoryEvent> = Vec::new();
        let mut token = None;
        // Nearly always the first page tells. The most that a history has are 25,000 events.
        for most in [10, 100, 1000]
            .into_iter()
            .chain(std::iter::repeat_n(1000, 24))
        {
            let mut body = json!({
                "executionArn": subject.arn(),
                "reverseOrder": true,
                "maxResults": most,
                "includeExecutionData": false,
            });
            if let (Some(token), Some(body)) = (token, body.as_object_mut()) {
                body.insert("nextToken".into(), token);
            }
            let Some(answer) = self.read(subject, "GetExecutionHistory", &body)? else {
                return Ok(Fact::Gone);
            };
            events.extend(list(&answer, "events").iter().map(history_event));
            match ending(&events, redrive_count) {
                Ending::FailState => return Ok(Fact::Ending { fail_state: true }),
                Ending::Other => return Ok(Fact::Ending { fail_state: false }),
                Ending::FurtherBack | Ending::NotYet => {}
            }
            token = answer.get("nextToken").cloned();
            if token.is_none() {
                break;
            }
        }
        Ok(Fact::NotYet)
    }

    fn stage(&self, subject: &Subject) -> Result<Fact, Trouble> {
        let Subject::Stage { arn, execution_id } = subject else {
            return Ok(Fact::Gone);
        };
        let (pipeline, stage) = (subject.target(), arn.rsplit('/').next().unwrap_or_default());
        let name = json!({ "name": pipeline });
        let (Some(state), Some(declared)) = (
            self.read(subject, "GetPipelineState", &name)?,
            self.read(subject, "GetPipeline", &name)?,
        ) else {
            return Ok(Fact::Gone);
        };
        let named = |stages: &[Value], key: &str| {
            stages
                .iter()
                .find(|one| one.get(key).and_then(Value::as_str) == Some(stage))
                .cloned()
        };
        let Some(now) = named(list(&state, "stageStates"), "stageName") else {
            return Ok(Fact::Gone);
        };
        let declaration = declared.get("pipeline").unwrap_or(&Value::Null);
        let on_failure = named(list(declaration, "stages"), "name");
        let mut runs: Vec<ActionRun> = Vec::new();
        let mut filter = json!({
            "pipelineName": pipeline,
            "filter": { "pipelineExecutionId": execution_id },
        });
        loop {
            let Some(page) = self.read(subject, "ListActionExecutions", &filter)? else {
                return Ok(Fact::Gone);
            };
            let of_stage = list(&page, "actionExecutionDetails")
                .iter()
                .filter(|run| run.get("stageName").and_then(Value::as_str) == Some(stage));
            runs.extend(of_stage.map(action_run));
            match (page.get("nextToken"), filter.as_object_mut()) {
                (Some(token), Some(filter)) => filter.insert("nextToken".into(), token.clone()),
                _ => break,
            };
        }
        let latest = now.get("latestExecution");
        let metadata = now.get("retryStageMetadata").unwrap_or(&Value::Null);
        let state = StageState {
            pipeline_version: state.get("pipelineVersion").and_then(Value::as_u64),
            parallel: text(declaration, "executionMode").as_deref() == Some("PARALLEL"),
            latest_execution_id: latest.and_then(|latest| text(latest, "pipelineExecutionId")),
            latest_status: latest.and_then(|latest| text(latest, "status")),
            rollback: latest.and_then(|latest| text(latest, "type")).as_deref() == Some("ROLLBACK"),
            automatic_attempts: count(metadata, "autoStageRetryAttempt"),
            manual_attempts: count(metadata, "manualStageRetryAttempt"),
            retries_on_failure: on_failure
                .and_then(|stage| text(stage.get("onFailure")?, "result"))
                .is_some_and(|result| result == "RETRY"),
        };
        Ok(standing(&state, &runs, execution_id).map_or(Fact::NotYet, Fact::Stage))
    }
}

fn revision(shown: &Value) -> Option<Revision> {
    let updated = shown.get("updateDate").and_then(Value::as_f64)?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a date after 1970"
    )]
    let since = Time::from_millis((updated * 1000.0) as u64);
    let fail_states = FailStates::read(&text(shown, "definition")?)?;
    Some(Revision {
        id: text(shown, "revisionId"),
        since,
        fail_states,
    })
}

fn history_event(event: &Value) -> HistoryEvent {
    let number = |pointer: &str| event.pointer(pointer).and_then(Value::as_u64);
    HistoryEvent {
        id: number("/id").unwrap_or_default(),
        previous: number("/previousEventId").unwrap_or_default(),
        kind: text(event, "type").unwrap_or_default(),
        redrive_count: number("/executionRedrivenEventDetails/redriveCount")
            .and_then(|count| u32::try_from(count).ok()),
    }
}

fn action_run(run: &Value) -> ActionRun {
    let result = run
        .pointer("/output/executionResult")
        .unwrap_or(&Value::Null);
    let details = result.get("errorDetails").unwrap_or(&Value::Null);
    let action_type = run.pointer("/input/actionTypeId").unwrap_or(&Value::Null);
    ActionRun {
        action: FailedAction {
            action: text(run, "actionName").unwrap_or_default(),
            id: text(run, "actionExecutionId"),
            category: Field::from_option(text(action_type, "category")),
            provider: Field::from_option(text(action_type, "provider")),
            error_code: Field::from_option(text(details, "code")),
            summary: Field::from_option(
                text(details, "message").or_else(|| text(result, "externalExecutionSummary")),
            ),
        },
        status: text(run, "status").unwrap_or_default(),
        pipeline_version: run.get("pipelineVersion").and_then(Value::as_u64),
    }
}

fn text(value: &Value, key: &str) -> Option<String> {
    value.get(key).and_then(Value::as_str).map(str::to_owned)
}

fn count(value: &Value, key: &str) -> u32 {
    value
        .get(key)
        .and_then(Value::as_u64)
        .and_then(|count| u32::try_from(count).ok())
        .unwrap_or_default()
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value
        .get(key)
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default()
}

/// The account and region of a subject.
pub fn place_of(subject: &Subject) -> Place {
    Arn::parse(subject.arn()).map_or_else(
        |_| Place::default(),
        |arn| Place {
            partition: arn.partition.into(),
            region: arn.region.into(),
            account: arn.account.into(),
        },
    )
}

impl Target for Desk {
    async fn know(&self, failure: &Failure, need: Need) -> Result<Fact, Trouble> {
        let subject = &failure.subject;
        Ok(match need {
            Need::Description => self
                .describe(subject)?
                .map_or(Fact::Gone, Fact::Description),
            Need::History => match &failure.what {
                What::Execution(execution)
                    if self.told(subject, execution)? == Told::NoFailState =>
                {
                    Fact::Ending { fail_state: false }
                }
                _ => self.ending(subject, failure.retried_before().unwrap_or_default())?,
            },
            Need::PipelineState => self.stage(subject)?,
        })
    }

    async fn look(&self, claim: &Claim) -> Result<Standing, Trouble> {
        let entry = claim.entry();
        Ok(match &entry.identity {
            Identity::RedriveCount(count) => match self.describe(&entry.subject)? {
                None => Standing::Over(Reason::Gone),
                Some(now) => now.standing(*count),
            },
            Identity::FailedActions(ids) => match self.stage(&entry.subject)? {
                Fact::Stage(now) => now.compared(ids),
                Fact::NotYet => {
                    let call = "ListActionExecutions does not show the stage yet";
                    return Err(Trouble::new(TroubleKind::Unreachable, call));
                }
                _ => Standing::Over(Reason::Gone),
            },
        })
    }

    async fn act(&self, claim: &Claim) -> Outcome {
        let subject = &claim.entry().subject;
        let (call, operation, body) = match subject {
            Subject::Execution { arn } => (
                Call::RedriveExecution,
                "RedriveExecution",
                json!({ "executionArn": arn, "clientToken": claim.client_token() }),
            ),
            Subject::Stage { arn, execution_id } => {
                let mode: RetryMode = claim.entry().verdict.retry_mode;
                let body = json!({
                    "pipelineName": subject.target(),
                    "stageName": arn.rsplit('/').next(),
                    "pipelineExecutionId": execution_id,
                    "retryMode": mode.as_str(),
                });
                (Call::RetryStageExecution, "RetryStageExecution", body)
            }
        };
        match self.call(subject, operation, &body) {
            Ok(_) => Outcome::Accepted,
            Err(CallError::Lost) => Outcome::Unknown,
            Err(CallError::Api(error)) => {
                outcome_of(call, error.code(), error.status, &error.message)
            }
        }
    }
}

impl Queue for Desk {
    async fn send(&self, ticket: &Ticket, delay: Duration) -> Result<(), Trouble> {
        let number = self.sent.get();
        self.sent.set(number.saturating_add(1));
        self.queue
            .borrow_mut()
            .insert((self.now.get().plus(delay), number), ticket.clone());
        Ok(())
    }
}

impl Clock for Desk {
    fn now(&self) -> Time {
        self.now.get()
    }
}
