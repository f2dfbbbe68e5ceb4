//! Injected faults, and the record of calls.

use super::*;
use crate::api::Fault;

fn retry_body(id: &str) -> Value {
    json!({ "pipelineName": "shop", "stageName": "Build", "pipelineExecutionId": id,
        "retryMode": "FAILED_ACTIONS" })
}

#[test]
fn a_fault_hits_one_call_of_one_operation() {
    let throttled = || Fault::Refuse(ApiError::new("ThrottlingException", "Rate exceeded"));
    #[rustfmt::skip]
    let table = [
        (throttled(), "ThrottlingException", CallOutcome::Refused("ThrottlingException".into()), 0),
        (Fault::LoseRequest, "lost", CallOutcome::RequestLost, 0),
        (Fault::LoseAnswer, "lost", CallOutcome::AnswerLost(Ok(())), 1),
    ];
    for (fault, answer, outcome, effect) in table {
        let mut fixture = Fixture::new();
        let id = fixture.failed(1);
        fixture.service.inject("RetryStageExecution", fault);
        fixture.state(1);
        assert_eq!(fixture.code("RetryStageExecution", retry_body(&id)), answer);
        assert_eq!(fixture.service.retries("shop", &id, "Build").len(), effect);
        let call = fixture.service.calls().last().unwrap().clone();
        let expected = Call {
            at: 1_100,
            operation: "RetryStageExecution".into(),
            pipeline: Some("shop".into()),
            stage: Some("Build".into()),
            execution: Some(id.clone()),
            by: By::Api,
            outcome,
        };
        assert_eq!(call, expected);
        let second = if effect == 0 {
            "done"
        } else {
            "ConflictException"
        };
        assert_eq!(fixture.code("RetryStageExecution", retry_body(&id)), second);
    }
}

#[test]
fn faults_come_before_parameters_are_read() {
    let mut fixture = Fixture::new();
    let denied = || Fault::Refuse(ApiError::new("AccessDeniedException", "no"));
    fixture.service.inject("RetryStageExecution", denied());
    assert_eq!(
        fixture.code("RetryStageExecution", json!({})),
        "AccessDeniedException"
    );
    assert_eq!(
        fixture.code("RetryStageExecution", json!({})),
        "ValidationException"
    );
}

#[test]
fn faults_of_one_operation_queue_up() {
    let mut fixture = Fixture::new();
    fixture
        .service
        .inject("GetPipelineState", Fault::LoseRequest);
    fixture.service.inject(
        "GetPipelineState",
        Fault::Refuse(ApiError::new("InternalFailure", "")),
    );
    let body = json!({ "name": "shop" });
    let answers: Vec<_> = (0..3)
        .map(|_| fixture.code("GetPipelineState", body.clone()))
        .collect();
    assert_eq!(answers, ["lost", "InternalFailure", "done"]);
}

#[test]
fn a_refusal_may_be_lost_too() {
    let mut fixture = Fixture::new();
    fixture
        .service
        .inject("RetryStageExecution", Fault::LoseAnswer);
    assert_eq!(fixture.code("RetryStageExecution", json!({})), "lost");
    let outcome = CallOutcome::AnswerLost(Err("ValidationException".into()));
    assert_eq!(fixture.service.calls().last().unwrap().outcome, outcome);
}

#[test]
fn persons_meet_no_injected_faults() {
    let mut fixture = Fixture::new();
    let id = fixture.failed(1);
    fixture
        .service
        .inject("RetryStageExecution", Fault::LoseRequest);
    let mode = StageRetryMode::FailedActions;
    assert!(
        fixture
            .service
            .person_retries(2_000, "shop", "Build", &id, mode)
            .is_ok()
    );
    let again = fixture
        .service
        .person_retries(2_000, "shop", "Build", &id, mode);
    assert_eq!(again.unwrap_err().code(), "ConflictException");
    assert_eq!(
        fixture.code("RetryStageExecution", retry_body(&id)),
        "lost",
        "it still waits"
    );
}
