//! Answers that no client knows, as the real SDK reads them: none of them is a refusal.

use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::future::ProvideCredentials as Provided;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use redrive_aws::aws_sdk_dynamodb;
use redrive_aws::ledger::DynamoDb;
use redrive_core::calls::CallResult;
use redrive_core::controller::Outcome;
use redrive_core::error::ErrorKind;
use redrive_core::failure::Subject;
use redrive_core::ledger::{Entry, EntryStore, State};
use serde_json::{Value, json};

use crate::{Scene, busy, passes, task};

const HTML: &str = "<html><body>Something answered</body></html>";
const JSON: &str = "application/x-amz-json-1.0";

/// Status, content type and body, and what a call that retries comes to.
#[rustfmt::skip]
fn kinds() -> Vec<(u16, &'static str, String, CallResult)> {
    use CallResult::{AccessDenied, InDoubt, Throttled};
    let code = |code: &str| json!({ "__type": code }).to_string();
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    vec![
        (200, "text/html", HTML.into(), InDoubt),
        (200, JSON, String::new(), InDoubt),
        (200, JSON, "{}".into(), InDoubt),
        (200, JSON, "null".into(), InDoubt),
        (200, JSON, "[]".into(), InDoubt),
        (200, JSON, "{\"redriveDate\":".into(), InDoubt),
        (200, JSON, deep, InDoubt),
        (204, JSON, String::new(), InDoubt),
        (301, "text/html", String::new(), InDoubt),
        (302, "text/html", HTML.into(), InDoubt),
        (302, JSON, code("ValidationException"), InDoubt),
        (400, "text/html", HTML.into(), InDoubt),
        (400, JSON, code("SomethingNew"), InDoubt),
        (400, JSON, code("RequestAbortedException"), InDoubt),
        (400, JSON, code("RequestTimeout"), InDoubt),
        (400, JSON, code("SerializationException"), InDoubt),
        (404, "text/html", HTML.into(), InDoubt),
        (408, "text/html", HTML.into(), InDoubt),
        (408, JSON, code("RequestTimeoutException"), InDoubt),
        (500, "text/html", HTML.into(), InDoubt),
        (500, JSON, code("ValidationException"), InDoubt),
        (503, JSON, code("AccessDeniedException"), InDoubt),
        (429, "text/html", HTML.into(), Throttled),
        (429, JSON, code("SomethingNew"), Throttled),
        (503, JSON, code("ThrottlingException"), Throttled),
        (400, JSON, code("PriorRequestNotComplete"), Throttled),
        (400, JSON, code("KmsAccessDeniedException"), AccessDenied),
        (401, "text/html", HTML.into(), AccessDenied),
        (403, "text/html", HTML.into(), AccessDenied),
        (403, JSON, code("SomethingNew"), AccessDenied),
        (407, "text/html", HTML.into(), AccessDenied),
    ]
}

fn fault(status: u16, content_type: &str, body: &str, takes_effect: bool) -> Value {
    json!({ "answer": {
        "status": status, "content_type": content_type, "body": body, "takes_effect": takes_effect,
    } })
}

/// Its charge is kept, and its target is looked at before anything else is done.
fn assert_in_doubt(entry: &Entry, row: &str) {
    assert!(entry.in_doubt, "{row}");
    assert_eq!(entry.retries, 1, "{row}");
    assert!(
        matches!(entry.state, State::InDoubt | State::Queued),
        "{row}"
    );
}

#[tokio::test]
async fn a_redrive_answered_in_unknown_words_is_in_doubt() {
    for (status, content_type, body, expected) in kinds() {
        for takes_effect in [false, true] {
            let scene = Scene::new();
            scene.execution(task(), json!([busy(), passes()])).await;
            // As often as the SDK tries.
            for _ in 0..3 {
                let fault = fault(status, content_type, &body, takes_effect);
                scene.fault("states", "RedriveExecution", fault);
            }
            let row = format!("{status} {content_type} {body:.60}, {takes_effect}");
            let record = scene.handle_event(&scene.events("FAILED")[0]).await;
            // Of several tries in doubt nothing is known but that.
            let tried = scene.calls("RedriveExecution");
            let expected = if tried > 1 {
                CallResult::InDoubt
            } else {
                expected
            };
            assert_eq!(
                record.call_result,
                Some(expected),
                "{row}, tried {tried} times"
            );
            assert_in_doubt(&scene.ledger.entries()[0], &row);
        }
    }
}

#[tokio::test]
async fn a_stage_retry_answered_in_unknown_words_is_in_doubt_and_sent_once() {
    for (status, content_type, body, expected) in kinds() {
        for takes_effect in [false, true] {
            let scene = Scene::new();
            let fails = json!({ "fail": { "code": "JobFailed", "message": "toomanyrequests" }, "after_ms": 1000 });
            scene.stage(json!([fails, { "succeed": {} }])).await;
            let fault = fault(status, content_type, &body, takes_effect);
            scene.fault("codepipeline", "RetryStageExecution", fault);
            let row = format!("{status} {content_type} {body:.60}, {takes_effect}");
            let record = scene.handle_event(&scene.events("FAILED")[0]).await;
            assert_eq!(record.call_result, Some(expected), "{row}");
            assert_in_doubt(&scene.ledger.entries()[0], &row);
            assert_eq!(scene.calls("RetryStageExecution"), 1, "{row}");
        }
    }
}

/// What the service documents for the call is its refusal, and a throttle by its code is certain.
#[tokio::test]
async fn a_documented_refusal_is_certain() {
    for (code, outcome, retries, in_doubt) in [
        ("ValidationException", Outcome::GaveUp, 0, false),
        ("InvalidArn", Outcome::GaveUp, 0, false),
        ("ExecutionDoesNotExist", Outcome::GaveUp, 0, false),
        ("ThrottlingException", Outcome::BackedOff, 1, false),
        ("KmsThrottlingException", Outcome::BackedOff, 1, true),
        ("RequestExpired", Outcome::BackedOff, 1, false),
    ] {
        let scene = Scene::new();
        scene.execution(task(), json!([busy(), passes()])).await;
        for _ in 0..3 {
            let refuse = json!({ "refuse": { "code": code, "message": "x", "status": 400 } });
            scene.fault("states", "RedriveExecution", refuse);
        }
        let record = scene.handle_event(&scene.events("FAILED")[0]).await;
        let entry = scene.ledger.entries().remove(0);
        assert_eq!(
            (record.outcome, entry.retries, entry.in_doubt),
            (outcome, retries, in_doubt),
            "{code}"
        );
    }
}

/// Nobody gives credentials.
#[derive(Debug)]
struct Nobody;

impl ProvideCredentials for Nobody {
    fn provide_credentials<'a>(&'a self) -> Provided<'a>
    where
        Self: 'a,
    {
        Provided::ready(Err(CredentialsError::not_loaded("nobody gives any")))
    }
}

/// What nobody signed was never sent: one thing for the ledger, for reads and for the retry.
#[tokio::test]
async fn missing_credentials_deny_access_everywhere() {
    let scene = Scene::new();
    scene.execution(task(), json!([busy(), passes()])).await;
    let mut event = scene.events("FAILED")[0].clone();
    let unsigned = Scene::with(scene.address, SharedCredentialsProvider::new(Nobody));

    let error = unsigned.try_handle_event(&event).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::AccessDenied, "{error}");

    let client = aws_sdk_dynamodb::Client::from_conf(
        aws_sdk_dynamodb::Config::builder()
            .behavior_version(aws_sdk_dynamodb::config::BehaviorVersion::latest())
            .region(aws_sdk_dynamodb::config::Region::new("eu-west-1"))
            .credentials_provider(SharedCredentialsProvider::new(Nobody))
            .endpoint_url(format!("http://{}", scene.address))
            .http_client(redrive_aws::http::client())
            .build(),
    );
    let arn = event["detail"]["executionArn"].as_str().unwrap().to_owned();
    let read = DynamoDb::new(client, "redrive")
        .read(&Subject::Execution { arn })
        .await;
    let error = read.unwrap_err();
    assert_eq!(error.kind, ErrorKind::AccessDenied, "{error}");

    // A time-out asks nothing before the retry.
    event["detail"]["status"] = json!("TIMED_OUT");
    event["detail"]["error"] = Value::Null;
    event["detail"]["cause"] = Value::Null;
    let record = unsigned.handle_event(&event).await;
    assert_eq!(record.call_result, Some(CallResult::AccessDenied));
    let entry = unsigned.ledger.entries().remove(0);
    assert_eq!((entry.state, entry.in_doubt), (State::Queued, false));
    assert_eq!(scene.calls("RedriveExecution"), 0);
}

/// The lists by which the SDK repeats a call are in the core's table.
#[test]
fn the_table_knows_every_code_of_the_sdks_own_lists() {
    use aws_runtime::retries::classifiers::{THROTTLING_ERRORS, TRANSIENT_ERRORS};
    use redrive_core::error_codes::{ErrorClass, of_code};
    for code in THROTTLING_ERRORS {
        assert_eq!(of_code(code), Some(ErrorClass::Throttled), "{code}");
    }
    for code in TRANSIENT_ERRORS {
        assert_eq!(of_code(code), Some(ErrorClass::Unavailable), "{code}");
    }
}

/// An empty answer to a read says nothing: neither that the thing is gone, nor that it has no failure.
#[tokio::test]
async fn an_empty_answer_to_a_read_is_no_answer() {
    for (service, operation) in [
        ("codepipeline", "GetPipelineState"),
        ("codepipeline", "GetPipeline"),
        ("codepipeline", "ListActionExecutions"),
    ] {
        for body in ["", "{}"] {
            if (operation, body) == ("ListActionExecutions", "{}") {
                // No runs are listed yet: the state decides.
                continue;
            }
            let scene = Scene::new();
            let fails = json!({ "fail": { "code": "JobFailed", "message": "toomanyrequests" }, "after_ms": 1000 });
            scene.stage(json!([fails, { "succeed": {} }])).await;
            // As often as the SDK tries.
            for _ in 0..3 {
                scene.fault(service, operation, fault(200, JSON, body, false));
            }
            let handled = scene.try_handle_event(&scene.events("FAILED")[0]).await;
            let error = handled.expect_err(operation);
            assert_eq!(
                error.kind,
                ErrorKind::Unavailable,
                "{operation} {body:?}: {error}"
            );
            assert_eq!(scene.ledger.entries(), []);
        }
    }
}

/// The SDK reads an empty body as success: a claim would be believed that nobody wrote.
#[tokio::test]
async fn an_empty_answer_to_the_ledger_is_no_answer() {
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in server.incoming() {
            let mut stream = stream.unwrap();
            let _ = std::io::Read::read(&mut stream, &mut [0; 8192]);
            let _ = std::io::Write::write_all(
                &mut stream,
                b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
            );
        }
    });
    let keys = aws_credential_types::Credentials::new("111122223333", "secret", None, None, "test");
    let client = aws_sdk_dynamodb::Client::from_conf(
        aws_sdk_dynamodb::Config::builder()
            .behavior_version(aws_sdk_dynamodb::config::BehaviorVersion::latest())
            .region(aws_sdk_dynamodb::config::Region::new("eu-west-1"))
            .credentials_provider(keys)
            .endpoint_url(format!("http://{address}"))
            .http_client(redrive_aws::http::client())
            .interceptor(redrive_aws::empty_answer::NoEmptyAnswer)
            .build(),
    );
    let ledger = DynamoDb::new(client, "redrive");
    let scene = Scene::new();
    scene.execution(task(), json!([busy(), passes()])).await;
    let record = scene.handle_event(&scene.events("FAILED")[0]).await;
    assert_eq!(record.outcome, Outcome::Retried);
    let entry = scene.ledger.entries().remove(0);
    let written = ledger.put_if_revision(&entry).await;
    assert_eq!(written.unwrap_err().kind, ErrorKind::Unavailable);
    let read = ledger.read(&entry.subject).await;
    assert_eq!(read.unwrap_err().kind, ErrorKind::Unavailable);
}
