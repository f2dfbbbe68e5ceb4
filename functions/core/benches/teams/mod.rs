//! A document of many policies, an event of the last of them, and the way from its bytes to a verdict.

use std::fmt::Write;

use redrive_core::decide::{Answer, LedgerView, decide};
use redrive_core::event::{self, AllowedSources, ParsedEvent};
use redrive_core::failure::{Fact, Field};
use redrive_core::policy::Document;

/// `count` policies, each for the machines and pipelines of one team.
pub(crate) fn text(count: usize) -> String {
    let mut text = String::from(
        "version: 1\nnever:\n  - error: [States.Permissions]\n  - cause: \"*AccessDenied*\"\npolicies:\n",
    );
    for i in 0..count {
        let _ = write!(
            text,
            r#"  - name: team-{i:04}
    match: {{ state_machine: "etl-{i:04}-*", pipeline: "web-{i:04}-*" }}
    retry:
      automatic:
        - mode: standard
        - exit_status: [-1, 137]
          limit: 3
          backoff: {{ interval_seconds: 60, max_delay_seconds: 900 }}
        - category: [Build, Test]
          signal_reason: [agent_stop, process_run_error]
"#
        );
    }
    text
}

/// An event of 1.2 KB whose machine belongs to the last policy.
pub(crate) fn event(count: usize) -> Vec<u8> {
    let machine = format!("etl-{:04}-orders", count.saturating_sub(1));
    let run = "9a1b2c3d-0000-4000-8000-000000000001";
    let arn = |kind: &str| format!("arn:aws:states:eu-west-1:111122223333:{kind}:{machine}");
    let execution = arn("execution");
    let mut event = format!(
        r#"{{"version":"0","id":"{run}","detail-type":"Step Functions Execution Status Change","source":"aws.states","account":"111122223333","time":"2026-11-20T02:14:05Z","region":"eu-west-1","resources":["{execution}:{run}"],"detail":{{"executionArn":"{execution}:{run}","stateMachineArn":"{}","name":"{run}","status":"FAILED","startDate":1795140720000,"stopDate":1795140845000,"input":"INPUT","output":null,"stateMachineVersionArn":null,"stateMachineAliasArn":null,"redriveCount":0,"redriveDate":null,"redriveStatus":"REDRIVABLE","redriveStatusReason":null,"inputDetails":{{"included":true}},"outputDetails":null,"error":"DynamoDB.ThrottlingException","cause":"Rate exceeded (Service: AmazonDynamoDBv2; Status Code: 400; Error Code: ThrottlingException; Request ID: {run}; Proxy: null)"}}}}"#,
        arn("stateMachine"),
    );
    let room = 1_200_usize.saturating_sub(event.len());
    event = event.replace("INPUT", &"x".repeat(room));
    event.into_bytes()
}

/// What is decided of an event, once nothing more has to be looked up.
pub(crate) fn verdict(document: &Document, event: &[u8]) -> Answer {
    let ParsedEvent::Failure(mut failure) = event::parse(event, &AllowedSources::default()) else {
        return Answer::Entry;
    };
    failure.learn(Fact::Ending {
        fail_state: false,
        state: Field::Unknown,
        resource: Field::Unknown,
    });
    decide(document, &failure, LedgerView::NotRead)
}
