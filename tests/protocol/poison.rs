//! What nobody should send: messages that are no retry messages, and lists of what cannot be.

use redrive_core::controller::Outcome;
use redrive_core::discovery::Search;
use redrive_core::error::ErrorKind;
use redrive_core::ledger::RetryMessage;
use redrive_emulator::api::CallError;
use redrive_emulator::stepfunctions::Outcome as Ends;
use redrive_simulation::services::JsonApi;
use serde_json::{Value, json};

use crate::faulty_adapters::run;
use crate::scene::{ARN, NOW, Scene, rule, stage};

const HOSTILE: &str = "f0rged\u{1b}[2J\u{9b}2J\u{202e}\n{\"level\":\"INFO\"}\0";

#[test]
fn a_message_is_a_retry_message_of_what_can_be_retried_or_none() {
    let execution =
        |arn: &str| json!({ "subject": { "execution": { "arn": arn } }, "failure_number": 1 });
    let of_stage = |arn: &str, id: &str| json!({ "subject": { "stage": { "arn": arn, "execution_id": id } }, "failure_number": 1 });
    let web = "arn:aws:codepipeline:eu-west-1:111122223333:web";
    let long = "a".repeat(101);
    let subject = serde_json::to_value(stage()).unwrap();
    for good in [
        execution(ARN),
        json!({ "subject": subject, "failure_number": 4_294_967_295_u32 }),
    ] {
        let retry_message = RetryMessage::read(&good.to_string()).unwrap();
        assert_eq!(serde_json::to_value(&retry_message).unwrap(), good);
    }
    let table = [
        String::new(),
        HOSTILE.into(),
        "[".repeat(1_000_000),
        "null".into(),
        json!([execution(ARN)]).to_string(),
        json!({ "subject": { "execution": { "arn": ARN } } }).to_string(),
        execution(ARN)
            .to_string()
            .replace("\"failure_number\":1", "\"failure_number\":-1"),
        execution(ARN)
            .to_string()
            .replace("\"failure_number\":1", "\"failure_number\":4294967296"),
        execution(ARN)
            .to_string()
            .replace("\"failure_number\":1", "\"failure_number\":1e999"),
        execution("").to_string(),
        execution("checkpoint").to_string(),
        execution(&format!("{ARN}{HOSTILE}")).to_string(),
        execution(&format!("{ARN}\u{9b}2J")).to_string(),
        execution(&format!("{ARN}{}", "a".repeat(256))).to_string(),
        execution(web).to_string(),
        execution(&ARN.replace("execution:etl", "express:etl")).to_string(),
        execution(&ARN.replace("etl", "etl/Each")).to_string(),
        of_stage(web, "run").to_string(),
        of_stage(ARN, "run").to_string(),
        of_stage(&format!("{web}/Build/Build"), "run").to_string(),
        of_stage(&format!("{web}/{long}"), "run").to_string(),
        of_stage(&format!("{web}/Build{HOSTILE}"), "run").to_string(),
        of_stage(&format!("{web}/Build").replace("eu-west-1", &long), "run").to_string(),
        of_stage(&format!("{web}/Build"), "").to_string(),
        of_stage(&format!("{web}/Build"), HOSTILE).to_string(),
        of_stage(&format!("{web}/Build"), &long).to_string(),
    ];
    for message in table {
        let read = RetryMessage::read(&message);
        assert_eq!(read, None, "{:.200}", message.escape_debug().to_string());
    }
}

/// A sandbox whose lists begin with impossible names.
struct Forged<'d>(&'d Scene, Vec<Value>);

impl JsonApi for Forged<'_> {
    async fn call(&self, arn: &str, operation: &str, body: &Value) -> Result<Value, CallError> {
        let sandbox = &self.0.adapters.sandbox;
        let mut answer = sandbox.answer(arn, operation, body)?;
        if operation == "ListExecutions" && body["statusFilter"] == "FAILED" {
            answer["executions"]
                .as_array_mut()
                .unwrap()
                .splice(0..0, self.1.clone());
        }
        Ok(answer)
    }
}

#[test]
fn an_execution_that_is_listed_by_no_name_is_told_and_stops_no_other() {
    let scene = Scene::execution(&rule(1, 0), [Ends::fail("Glue.Throttled", "busy")]);
    scene.failed();
    let now = scene.now().as_millis() / 1_000;
    let machine = ARN
        .replace("execution", "stateMachine")
        .replace(":run-1", "");
    let names = [
        "",
        HOSTILE,
        "../etl",
        &format!("{ARN}{HOSTILE}"),
        &ARN.repeat(9),
        &machine,
    ];
    let forged = names.map(|name| {
        json!({
            "executionArn": name, "stateMachineArn": machine, "name": HOSTILE, "status": "FAILED",
            "startDate": now, "stopDate": now, "redriveCount": 0,
        })
    });
    let api = Forged(&scene, forged.to_vec());
    let search = Search {
        since: Some(NOW),
        ..Search::default()
    };
    let find = || run(scene.finding(&api, &search)).unwrap().unwrap();
    let found = find();
    assert_eq!(found.seen, names.len() + 1);
    let outcome: Vec<Outcome> = found.records.iter().map(|record| record.outcome).collect();
    assert_eq!((outcome, scene.effects()), (vec![Outcome::Retried], 1));
    assert_eq!(found.unread.len(), names.len());
    for (listing, error) in &found.unread {
        assert_eq!((listing, error.kind), (&machine, ErrorKind::Internal));
        assert_eq!(error.call, "what a list names cannot be read");
    }
    // The search goes on behind them, and they are news no longer than others.
    assert!(!found.more);
    let told = [(); 3].map(|()| {
        scene.wind(16 * 60);
        find().unread.len()
    });
    assert_eq!(told, [names.len(), 0, 0]);
}
