//! The world on a desk: both services emulated in as many accounts and regions as are spoken of, a ledger
//! and a queue in memory, and a clock that stands still until it is wound.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::Duration;

use redrive_core::arn::Arn;
use redrive_core::calls::{Call, outcome_of};
use redrive_core::definition::Revision;
use redrive_core::event::parent_in;
use redrive_core::failure::{
    Description, Fact, FailedAction, Failure, Field, Need, Redrivable, Service as Which, Subject,
};
use redrive_core::handle::{Clock, Outcome, Queue, Standing, Target};
use redrive_core::history::{HistoryEvent, integration};
use redrive_core::ledger::{Claim, Ticket};
use redrive_core::pipeline::{ActionRun, Declaration, StageState};
use redrive_core::reads::{Executions, Learned, Page, Pipelines, Read, Reads, is_gone};
use redrive_core::time::Time;
use redrive_core::trouble::{Trouble, TroubleKind};
use redrive_core::verdict::RetryMode;
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
    learned: Learned,
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
            learned: Learned::default(),
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

    /// Calls the service of an ARN, in its region.
    fn call(&self, arn: &str, operation: &str, body: &Value) -> Result<Value, CallError> {
        let now = self.now.get().as_millis();
        let which = match Arn::parse(arn) {
            Ok(arn) if arn.service == "codepipeline" => Which::CodePipeline,
            _ => Which::StepFunctions,
        };
        self.in_region(&place_in(arn), |region| {
            region.call(which, now, operation, body)
        })
    }

    /// A call that reads: none is an answer that the thing does not exist.
    fn read(&self, arn: &str, operation: &str, body: &Value) -> Read<Value> {
        match self.call(arn, operation, body) {
            Ok(answer) => Ok(Some(answer)),
            Err(CallError::Lost) => Err(Trouble::new(TroubleKind::Unreachable, operation)),
            Err(CallError::Api(error)) => {
                let kind = match error.code() {
                    code if is_gone(code) => return Ok(None),
                    "ThrottlingException" => TroubleKind::Throttled,
                    "AccessDeniedException" => TroubleKind::Denied,
                    _ => TroubleKind::Unreachable,
                };
                Err(Trouble::new(kind, format!("{operation} {}", error.code())))
            }
        }
    }

    fn reads(&self) -> Reads<'_, Self, Self> {
        Reads {
            executions: self,
            pipelines: self,
            learned: &self.learned,
            now: self.now.get(),
        }
    }
}

impl Executions for Desk {
    async fn describe(&self, arn: &str) -> Read<Description> {
        let body = json!({ "executionArn": arn });
        let answer = self.read(arn, "DescribeExecution", &body)?;
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

    async fn revision_id(&self, machine: &str) -> Read<String> {
        let body = json!({ "stateMachineArn": machine });
        let shown = self.read(machine, "DescribeStateMachine", &body)?;
        Ok(shown.and_then(|shown| text(&shown, "revisionId")))
    }

    async fn revision(&self, arn: &str) -> Read<Revision> {
        let body = json!({ "executionArn": arn });
        let shown = self.read(arn, "DescribeStateMachineForExecution", &body)?;
        Ok(shown.as_ref().and_then(revision))
    }

    async fn history(
        &self,
        arn: &str,
        most: u32,
        token: Option<String>,
    ) -> Read<Page<HistoryEvent>> {
        let mut body = json!({
            "executionArn": arn,
            "reverseOrder": true,
            "maxResults": most,
            "includeExecutionData": false,
        });
        go_on(&mut body, token);
        let answer = self.read(arn, "GetExecutionHistory", &body)?;
        Ok(answer.map(|answer| page(&answer, "events", history_event)))
    }
}

impl Pipelines for Desk {
    async fn state(&self, pipeline: &str, stage: &str) -> Read<StageState> {
        let body = json!({ "name": name(pipeline) });
        let shown = self.read(pipeline, "GetPipelineState", &body)?;
        Ok(shown.and_then(|shown| {
            let now = list(&shown, "stageStates")
                .iter()
                .find(|now| now.get("stageName").and_then(Value::as_str) == Some(stage))?;
            let latest = now.get("latestExecution").unwrap_or(&Value::Null);
            let metadata = now.get("retryStageMetadata").unwrap_or(&Value::Null);
            Some(StageState {
                pipeline_version: shown.get("pipelineVersion").and_then(Value::as_u64),
                latest_execution_id: text(latest, "pipelineExecutionId"),
                latest_status: text(latest, "status"),
                rollback: text(latest, "type").as_deref() == Some("ROLLBACK"),
                automatic_attempts: count(metadata, "autoStageRetryAttempt"),
                manual_attempts: count(metadata, "manualStageRetryAttempt"),
            })
        }))
    }

    async fn declaration(&self, pipeline: &str, version: Option<u64>) -> Read<Declaration> {
        let body = json!({ "name": name(pipeline), "version": version });
        let shown = self.read(pipeline, "GetPipeline", &body)?;
        let shown = shown.as_ref().and_then(|shown| shown.get("pipeline"));
        Ok(shown.map(|declared| Declaration {
            parallel: text(declared, "executionMode").as_deref() == Some("PARALLEL"),
            retry_themselves: list(declared, "stages")
                .iter()
                .filter(|stage| {
                    stage.pointer("/onFailure/result").and_then(Value::as_str) == Some("RETRY")
                })
                .filter_map(|stage| text(stage, "name"))
                .collect(),
        }))
    }

    async fn runs(
        &self,
        pipeline: &str,
        execution_id: &str,
        token: Option<String>,
    ) -> Read<Page<ActionRun>> {
        let mut body = json!({
            "pipelineName": name(pipeline),
            "filter": { "pipelineExecutionId": execution_id },
        });
        go_on(&mut body, token);
        let answer = self.read(pipeline, "ListActionExecutions", &body)?;
        Ok(answer.map(|answer| page(&answer, "actionExecutionDetails", action_run)))
    }
}

/// The name in a pipeline's ARN.
fn name(pipeline: &str) -> Option<&str> {
    pipeline.rsplit(':').next()
}

/// Asks for the page after the one that gave a token.
fn go_on(body: &mut Value, token: Option<String>) {
    if let (Some(token), Some(body)) = (token, body.as_object_mut()) {
        body.insert("nextToken".into(), token.into());
    }
}

fn page<T>(answer: &Value, key: &str, item: impl FnMut(&Value) -> T) -> Page<T> {
    Page {
        items: list(answer, key).iter().map(item).collect(),
        next: text(answer, "nextToken"),
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
    Revision::read(
        text(shown, "revisionId"),
        since,
        &text(shown, "definition")?,
    )
}

fn history_event(event: &Value) -> HistoryEvent {
    let number = |pointer: &str| event.pointer(pointer).and_then(Value::as_u64);
    let word = |pointer: &str| event.pointer(pointer).and_then(Value::as_str);
    let called = word("/taskScheduledEventDetails/resourceType")
        .zip(word("/taskScheduledEventDetails/resource"))
        .map(|(resource_type, resource)| integration(resource_type, resource));
    let whole = word("/lambdaFunctionScheduledEventDetails/resource")
        .or_else(|| word("/activityScheduledEventDetails/resource"));
    HistoryEvent {
        id: number("/id").unwrap_or_default(),
        previous: number("/previousEventId").unwrap_or_default(),
        kind: text(event, "type").unwrap_or_default(),
        redrive_count: number("/executionRedrivenEventDetails/redriveCount")
            .and_then(|count| u32::try_from(count).ok()),
        state: word("/stateEnteredEventDetails/name")
            .or_else(|| word("/evaluationFailedEventDetails/state"))
            .map(str::to_owned),
        resource: called.or_else(|| whole.map(str::to_owned)),
    }
}

fn action_run(run: &Value) -> ActionRun {
    let result = run
        .pointer("/output/executionResult")
        .unwrap_or(&Value::Null);
    let details = result.get("errorDetails").unwrap_or(&Value::Null);
    let action_type = run.pointer("/input/actionTypeId").unwrap_or(&Value::Null);
    ActionRun {
        stage: text(run, "stageName").unwrap_or_default(),
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
    place_in(subject.arn())
}

fn place_in(arn: &str) -> Place {
    Arn::parse(arn).map_or_else(
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
        self.reads().know(failure, need).await
    }

    async fn look(&self, claim: &Claim) -> Result<Standing, Trouble> {
        let entry = claim.entry();
        self.reads().look(&entry.subject, &entry.identity).await
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
        match self.call(subject.arn(), operation, &body) {
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
