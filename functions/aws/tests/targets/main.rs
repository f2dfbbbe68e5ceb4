//! The real SDK, driven by the core, against the emulated services over HTTP: what was decided is what
//! the services received, once.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod answers;
mod attempts;
mod execution_types;
mod failed_states;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::channel;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_sfn::operation::describe_execution::DescribeExecutionOutput;
use redrive_aws::codepipeline::CodePipeline;
use redrive_aws::empty_answer::NoEmptyAnswer;
use redrive_aws::stepfunctions::StepFunctions;
use redrive_aws::target::Services;
use redrive_core::controller::{CallResult, Clock, Controller, Outcome, Queue, Record, RunMode};
use redrive_core::error::Error;
use redrive_core::event::AllowedSources;
use redrive_core::failure::Subject;
use redrive_core::ledger::{
    Entry, EntryFields, EntryStore, Owner, RetryMessage, State, Timing, Written, write,
};
use redrive_core::policy::Document;
use redrive_core::rate_limiter::RateLimiter;
use redrive_core::reads::LocalCache;
use redrive_core::time::Time;
use redrive_core::verdict::Reason;
use redrive_simulation::memory::Memory;
use serde_json::{Value, json};

/// The emulator, in a thread of its own, and the SDK's clients for it.
struct Scene {
    address: SocketAddr,
    services: Services<Now, Memory>,
    sfn: aws_sdk_sfn::Client,
    pipelines: aws_sdk_codepipeline::Client,
    ledger: Memory,
    document: Document,
    handled: std::cell::Cell<u32>,
}

/// The system's clock; the emulator's runs ahead of it as it is wound.
struct Now;

impl Clock for Now {
    fn now(&self) -> Time {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        Time::from_millis(since.as_millis().try_into().unwrap())
    }
}

/// No retry here waits in a queue.
struct NoQueue;

impl Queue for NoQueue {
    async fn send(&self, retry_message: &RetryMessage, _: Duration) -> Result<(), Error> {
        panic!("nothing is delayed: {retry_message:?}")
    }
}

const EVERYTHING_AT_ONCE: &str =
    "version: 1\nretry:\n  automatic: { id: any, limit: 3, backoff: { interval_seconds: 0 } }\n";

impl Scene {
    fn new() -> Self {
        let (ready, address) = channel();
        std::thread::spawn(move || {
            redrive_emulator::serve::serve(0, |address| ready.send(address).unwrap(), |_| ())
        });
        let address = address.recv().unwrap();
        Self::at(address)
    }

    fn at(address: SocketAddr) -> Self {
        let keys = Credentials::new("111122223333", "secret", None, None, "test");
        Self::with(address, SharedCredentialsProvider::new(keys))
    }

    fn with(address: SocketAddr, keys: SharedCredentialsProvider) -> Self {
        let url = format!("http://{address}");
        let sfn = aws_sdk_sfn::Client::from_conf(
            aws_sdk_sfn::Config::builder()
                .behavior_version(aws_sdk_sfn::config::BehaviorVersion::latest())
                .region(aws_sdk_sfn::config::Region::new("eu-west-1"))
                .credentials_provider(keys.clone())
                .endpoint_url(&url)
                .http_client(redrive_aws::http::client())
                .interceptor(NoEmptyAnswer)
                .build(),
        );
        let pipelines = aws_sdk_codepipeline::Client::from_conf(
            aws_sdk_codepipeline::Config::builder()
                .behavior_version(aws_sdk_codepipeline::config::BehaviorVersion::latest())
                .region(aws_sdk_codepipeline::config::Region::new("eu-west-1"))
                .credentials_provider(keys)
                .endpoint_url(&url)
                .http_client(redrive_aws::http::client())
                .interceptor(NoEmptyAnswer)
                .build(),
        );
        Self {
            address,
            services: Services {
                stepfunctions: StepFunctions::new(sfn.clone()),
                codepipeline: CodePipeline::new(pipelines.clone()),
                local_cache: LocalCache::default(),
                definition_cache: Memory::default(),
                clock: Now,
            },
            sfn,
            pipelines,
            ledger: Memory::default(),
            document: Document::parse(EVERYTHING_AT_ONCE).unwrap(),
            handled: std::cell::Cell::new(0),
        }
    }

    /// One of the emulator's own requests.
    fn own(&self, request: &str, body: &Value) -> Value {
        self.send(&format!("{request} HTTP/1.1"), body)
    }

    /// A call of CodePipeline as it goes over the wire: a pipeline is easier written than built.
    fn operate(&self, operation: &str, body: &Value) -> Value {
        let target = format!("x-amz-target: CodePipeline_20150709.{operation}");
        self.send(&format!("POST / HTTP/1.1\r\n{target}"), body)
    }

    fn send(&self, head: &str, body: &Value) -> Value {
        let body = body.to_string();
        let mut stream = TcpStream::connect(self.address).unwrap();
        let length = body.len();
        write!(
            stream,
            "{head}\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{answer}");
        serde_json::from_str(body).unwrap()
    }

    fn wind(&self, seconds: u64) {
        self.own(
            "POST /_redrive/clock",
            &json!({ "advance_seconds": seconds }),
        );
    }

    fn events(&self, status: &str) -> Vec<Value> {
        let events = self.own("GET /_redrive/events", &Value::Null);
        let stage = "CodePipeline Stage Execution State Change";
        events
            .as_array()
            .unwrap()
            .iter()
            .filter(|event| event["source"] == "aws.states" || event["detail-type"] == stage)
            .filter(|event| {
                event["detail"]["status"] == status || event["detail"]["state"] == status
            })
            .cloned()
            .collect()
    }

    fn calls(&self, operation: &str) -> u64 {
        self.own("GET /_redrive/calls", &Value::Null)[operation]
            .as_u64()
            .unwrap_or_default()
    }

    async fn describe(&self, arn: &str) -> DescribeExecutionOutput {
        let sent = self.sfn.describe_execution().execution_arn(arn).send();
        sent.await.unwrap()
    }

    fn fault(&self, service: &str, operation: &str, fault: Value) {
        let body = json!({ "service": service, "operation": operation, "fault": fault });
        self.own("POST /_redrive/faults", &body);
    }

    async fn handle_event(&self, event: &Value) -> Record {
        self.try_handle_event(event).await.unwrap()
    }

    async fn try_handle_event(&self, event: &Value) -> Result<Record, Error> {
        self.handled.set(self.handled.get() + 1);
        let controller = Controller {
            ledger: &self.ledger,
            target: &self.services,
            queue: &NoQueue,
            clock: &Now,
            document: &self.document,
            mode: RunMode::Act,
            timing: &Timing::default(),
            rate_limiter: &RateLimiter::default(),
            owner: &Owner(format!("handling-{}", self.handled.get())),
        };
        controller
            .event(event.to_string().as_bytes(), &AllowedSources::default())
            .await
    }

    /// An execution whose runs end so, after its first has.
    async fn execution(&self, definition: Value, outcomes: Value) -> String {
        let machine = self
            .sfn
            .create_state_machine()
            .name("etl")
            .role_arn("arn:aws:iam::111122223333:role/etl")
            .definition(definition.to_string())
            .send()
            .await
            .unwrap();
        let input = json!({ "outcomes": outcomes }).to_string();
        let started = self
            .sfn
            .start_execution()
            .state_machine_arn(machine.state_machine_arn)
            .input(input);
        let arn = started.send().await.unwrap().execution_arn;
        self.wind(2);
        arn
    }

    /// A pipeline execution whose one Build action has these runs, after its first.
    async fn stage(&self, outcomes: Value) -> String {
        let action = |name: &str, category: &str, provider: &str| {
            json!({
                "name": name,
                "actionTypeId": { "category": category, "owner": "AWS", "provider": provider, "version": "1" },
            })
        };
        let pipeline = json!({ "pipeline": {
            "name": "web", "roleArn": "arn:aws:iam::111122223333:role/web",
            "artifactStore": { "type": "S3", "location": "artifacts" },
            "stages": [
                { "name": "Source", "actions": [action("Checkout", "Source", "S3")] },
                { "name": "Build", "actions": [action("Compile", "Build", "CodeBuild")] },
            ],
        }});
        self.operate("CreatePipeline", &pipeline);
        let variables = json!([{ "name": "outcomes", "value": json!({ "Build/Compile": outcomes }).to_string() }]);
        let started = self.operate(
            "StartPipelineExecution",
            &json!({ "name": "web", "variables": variables }),
        );
        self.wind(5);
        started["pipelineExecutionId"].as_str().unwrap().to_owned()
    }
}

fn task() -> Value {
    json!({ "StartAt": "Load", "States": {
        "Load": { "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "End": true },
    }})
}

fn busy() -> Value {
    json!({ "fail": { "error": "Lambda.TooManyRequestsException", "cause": "busy" }, "after_ms": 1000 })
}

fn passes() -> Value {
    json!({ "succeed": {}, "after_ms": 60_000 })
}

#[tokio::test]
async fn a_failure_is_redriven_once_and_recovers() {
    let scene = Scene::new();
    let arn = scene.execution(task(), json!([busy(), passes()])).await;
    let event = &scene.events("FAILED")[0];
    let record = scene.handle_event(event).await;
    assert_eq!(
        (record.outcome, record.call_result),
        (Outcome::Retried, Some(CallResult::Accepted)),
        "{record:?}"
    );
    assert_eq!(scene.handle_event(event).await.outcome, Outcome::Duplicate);
    assert_eq!(scene.calls("RedriveExecution"), 1);
    scene.wind(61);
    let described = scene.describe(&arn).await;
    assert_eq!(
        (described.status.as_str(), described.redrive_count),
        ("SUCCEEDED", Some(1))
    );
    let record = scene.handle_event(&scene.events("SUCCEEDED")[0]).await;
    assert_eq!(
        (record.outcome, record.state),
        (Outcome::Recovered, Some(State::Recovered))
    );
}

#[tokio::test]
async fn a_definition_without_fail_states_spares_the_history_and_one_with_them_asks_it() {
    let scene = Scene::new();
    scene
        .execution(task(), json!([busy(), busy(), passes()]))
        .await;
    scene.handle_event(&scene.events("FAILED")[0]).await;
    scene.wind(2);
    assert_eq!(
        scene.handle_event(&scene.events("FAILED")[1]).await.outcome,
        Outcome::Retried
    );
    assert_eq!(
        (
            scene.calls("GetExecutionHistory"),
            scene.calls("RedriveExecution")
        ),
        (0, 2)
    );

    let scene = Scene::new();
    let ends = json!({ "StartAt": "GiveUp", "States": { "GiveUp": { "Type": "Fail", "Error": "Own.Error" } }});
    scene
        .execution(ends, json!([{ "fail": { "state": "GiveUp" } }]))
        .await;
    let record = scene.handle_event(&scene.events("FAILED")[0]).await;
    assert_eq!(
        (record.outcome, record.reason),
        (Outcome::GaveUp, Reason::FailState)
    );
    assert_eq!(
        (
            scene.calls("GetExecutionHistory"),
            scene.calls("RedriveExecution")
        ),
        (1, 0)
    );
}

/// The SDK repeats a redrive whose answer was lost. One token makes one redrive of it.
#[tokio::test]
async fn a_redrive_that_the_sdk_repeats_restarts_the_execution_once() {
    let scene = Scene::new();
    let arn = scene.execution(task(), json!([busy(), passes()])).await;
    scene.fault("states", "RedriveExecution", json!("lose_answer"));
    let record = scene.handle_event(&scene.events("FAILED")[0]).await;
    assert_eq!(
        (record.outcome, record.call_result),
        (Outcome::Retried, Some(CallResult::Accepted))
    );
    assert_eq!(scene.calls("RedriveExecution"), 2);
    let described = scene.describe(&arn).await;
    assert_eq!(described.redrive_count, Some(1));
}

/// The token is that of the failure, whoever sends it: AWS answers a repetition and restarts nothing.
#[tokio::test]
async fn a_redrive_bears_the_token_of_its_failure() {
    let scene = Scene::new();
    let arn = scene.execution(task(), json!([busy(), passes()])).await;
    scene.handle_event(&scene.events("FAILED")[0]).await;
    let subject = Subject::Execution { arn: arn.clone() };
    let settled = scene.ledger.read(&subject).await.unwrap().unwrap();
    let acting = Entry::restored(EntryFields {
        state: State::Acting,
        revision: settled.revision + 1,
        ..(*settled).clone()
    });
    let Written::Claimed(claim) = write(&scene.ledger, acting).await.unwrap() else {
        panic!("nobody else writes");
    };
    let again = |token: String| {
        scene
            .sfn
            .redrive_execution()
            .execution_arn(&arn)
            .client_token(token)
            .send()
    };
    again(claim.client_token()).await.unwrap();
    assert!(again("another".into()).await.is_err(), "it runs already");
}

/// The definition is encrypted, the history is not asked for its data; and if that is kept back too, a person judges.
#[tokio::test]
async fn a_machine_whose_key_may_not_be_used_loses_no_failure() {
    let withheld =
        json!({ "refuse": { "code": "KmsAccessDeniedException", "message": "x", "status": 400 } });
    for (refused, outcome, reason) in [
        (
            vec!["DescribeStateMachineForExecution"],
            Outcome::Retried,
            Reason::Matched,
        ),
        (
            vec!["DescribeStateMachineForExecution", "GetExecutionHistory"],
            Outcome::GaveUp,
            Reason::CauseWithheld,
        ),
    ] {
        let scene = Scene::new();
        scene.execution(task(), json!([busy(), passes()])).await;
        for operation in refused {
            scene.fault("states", operation, withheld.clone());
        }
        let record = scene.handle_event(&scene.events("FAILED")[0]).await;
        assert_eq!((record.outcome, record.reason), (outcome, reason));
    }
}

#[tokio::test]
async fn an_execution_whose_key_may_not_be_used_is_described_without_its_data() {
    let scene = Scene::new();
    scene.execution(task(), json!([busy(), passes()])).await;
    let mut event = scene.events("FAILED")[0].clone();
    event["detail"]
        .as_object_mut()
        .unwrap()
        .remove("redriveCount");
    let withheld =
        json!({ "refuse": { "code": "KmsAccessDeniedException", "message": "x", "status": 400 } });
    scene.fault("states", "DescribeExecution", withheld);
    assert_eq!(scene.handle_event(&event).await.outcome, Outcome::Retried);
    assert_eq!(scene.calls("DescribeExecution"), 2);
}

#[tokio::test]
async fn each_refusal_of_a_redrive_means_what_the_table_says() {
    let refuse = |code: &str, status: u16| json!({ "refuse": { "code": code, "message": "x", "status": status } });
    #[rustfmt::skip]
    let table = [
        (refuse("ThrottlingException", 400), 3, Outcome::BackedOff, CallResult::Throttled),
        (refuse("ExecutionLimitExceeded", 400), 1, Outcome::BackedOff, CallResult::Throttled),
        (refuse("AccessDeniedException", 400), 1, Outcome::BackedOff, CallResult::AccessDenied),
        (refuse("ExecutionDoesNotExist", 400), 1, Outcome::GaveUp, CallResult::Rejected(Reason::Gone)),
        (refuse("ExecutionNotRedrivable", 400), 1, Outcome::GaveUp, CallResult::Rejected(Reason::NotRedrivable)),
        (refuse("InternalFailure", 500), 3, Outcome::InDoubt, CallResult::InDoubt),
        (json!("lose_request"), 3, Outcome::InDoubt, CallResult::InDoubt),
    ];
    for (fault, times, outcome, call_result) in table {
        let scene = Scene::new();
        scene.execution(task(), json!([busy(), passes()])).await;
        // As often as the SDK tries.
        for _ in 0..times {
            scene.fault("states", "RedriveExecution", fault.clone());
        }
        let record = scene.handle_event(&scene.events("FAILED")[0]).await;
        assert_eq!(
            (record.outcome, record.call_result),
            (outcome, Some(call_result)),
            "{fault}"
        );
        assert_eq!(scene.calls("RedriveExecution"), times, "{fault}");
    }
}

#[tokio::test]
async fn a_stage_is_retried_once_and_its_pipeline_read_once() {
    let scene = Scene::new();
    let fails =
        json!({ "fail": { "code": "JobFailed", "message": "toomanyrequests" }, "after_ms": 1000 });
    scene.stage(json!([fails, fails, { "succeed": {} }])).await;
    let first = scene.events("FAILED")[0].clone();
    let record = scene.handle_event(&first).await;
    assert_eq!(
        (record.outcome, record.call_result),
        (Outcome::Retried, Some(CallResult::Accepted)),
        "{record:?}"
    );
    assert_eq!(scene.calls("RetryStageExecution"), 1);
    scene.wind(5);
    let second = scene.events("FAILED")[1].clone();
    assert_eq!(scene.handle_event(&second).await.outcome, Outcome::Retried);
    assert_eq!(
        (
            scene.calls("RetryStageExecution"),
            scene.calls("GetPipeline")
        ),
        (2, 1)
    );
    scene.wind(5);
    assert_eq!(
        scene
            .handle_event(scene.events("SUCCEEDED").last().unwrap())
            .await
            .outcome,
        Outcome::Recovered
    );
    let state = scene
        .pipelines
        .get_pipeline_state()
        .name("web")
        .send()
        .await
        .unwrap();
    let build = state
        .stage_states()
        .iter()
        .find(|stage| stage.stage_name() == Some("Build"))
        .unwrap();
    let metadata = build.retry_stage_metadata().unwrap();
    assert_eq!(metadata.manual_stage_retry_attempt(), Some(2));
}

/// A stage's retry has no token: whatever becomes of the call, it is sent once.
#[tokio::test]
async fn a_stage_retry_is_never_repeated_by_the_sdk() {
    let refuse = |code: &str, status: u16| json!({ "refuse": { "code": code, "message": "x", "status": status } });
    for (fault, outcome, call_result) in [
        (
            refuse("ThrottlingException", 400),
            Outcome::BackedOff,
            CallResult::Throttled,
        ),
        (
            refuse("ConflictException", 400),
            Outcome::BackedOff,
            CallResult::Throttled,
        ),
        (
            refuse("AccessDeniedException", 400),
            Outcome::BackedOff,
            CallResult::AccessDenied,
        ),
        (
            refuse("StageNotRetryableException", 400),
            Outcome::GaveUp,
            CallResult::Rejected(Reason::Refused),
        ),
        (
            refuse("NotLatestPipelineExecutionException", 400),
            Outcome::GaveUp,
            CallResult::Rejected(Reason::Superseded),
        ),
        (
            refuse("InternalFailure", 500),
            Outcome::InDoubt,
            CallResult::InDoubt,
        ),
        (json!("lose_request"), Outcome::InDoubt, CallResult::InDoubt),
        (json!("lose_answer"), Outcome::InDoubt, CallResult::InDoubt),
    ] {
        let scene = Scene::new();
        let fails = json!({ "fail": { "code": "JobFailed", "message": "toomanyrequests" }, "after_ms": 1000 });
        scene.stage(json!([fails, { "succeed": {} }])).await;
        scene.fault("codepipeline", "RetryStageExecution", fault.clone());
        let record = scene.handle_event(&scene.events("FAILED")[0]).await;
        assert_eq!(
            (record.outcome, record.call_result),
            (outcome, Some(call_result)),
            "{fault}"
        );
        assert_eq!(scene.calls("RetryStageExecution"), 1, "{fault}");
    }
}

/// What cannot be read is an error, and the event comes again; nothing is written about it.
#[tokio::test]
async fn a_service_that_is_out_of_reach_loses_no_event() {
    let scene = Scene::new();
    scene.execution(task(), json!([busy(), passes()])).await;
    let event = scene.events("FAILED")[0].clone();
    for _ in 0..3 {
        scene.fault(
            "states",
            "DescribeStateMachineForExecution",
            json!("lose_request"),
        );
    }
    let error = scene.try_handle_event(&event).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "DescribeStateMachineForExecution: not reachable"
    );
    assert_eq!(scene.ledger.entries(), []);
    assert_eq!(scene.handle_event(&event).await.outcome, Outcome::Retried);
}
