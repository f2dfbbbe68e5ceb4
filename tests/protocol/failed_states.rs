//! Which state failed and what it had called, read from histories as the emulator writes them.

use redrive_core::controller::Target;
use redrive_core::decide::{Answer, LedgerView, decide};
use redrive_core::event::{self, AllowedSources, ParsedEvent};
use redrive_core::failure::{Fact, FailedExecution, Failure, FailureDetail, Field, Need, Subject};
use redrive_core::reads::Executions;
use redrive_emulator::region::Region;
use redrive_emulator::stepfunctions::Outcome as Ends;
use redrive_simulation::services::JsonClient;
use serde_json::{Value, json};

use crate::faulty_adapters::run;
use crate::scene::{Scene, document, rule};

const MACHINE: &str = "arn:aws:states:eu-west-1:111122223333:stateMachine:parcels";
const CHECK: &str = "arn:aws:lambda:eu-west-1:111122223333:function:check";
const SIGN: &str = "arn:aws:states:eu-west-1:111122223333:activity:sign";
const GLUE: &str = "glue:startJobRun.sync";

/// A state of each kind, and a Parallel with a Map in its second branch.
fn parcels() -> Value {
    let item = json!({ "StartAt": "Ship", "States": {
        "Ship": { "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "End": true,
                  "Catch": [{ "ErrorEquals": ["Own.Lost"], "Next": "Lost" }] },
        "Lost": { "Type": "Fail", "Error": "Parcel.Lost" },
    }});
    json!({ "StartAt": "Load", "States": {
        "Load": { "Type": "Task", "Resource": "arn:aws:states:::aws-sdk:s3:getObject", "Next": "Book" },
        "Book": { "Type": "Task", "Resource": "arn:aws:states:::glue:startJobRun.sync", "Next": "Check" },
        "Check": { "Type": "Task", "Resource": CHECK, "Next": "Sign" },
        "Sign": { "Type": "Task", "Resource": SIGN, "Next": "Choose" },
        "Choose": { "Type": "Choice", "Default": "Shape", "Choices": [
            { "Variable": "$.bad", "IsPresent": true, "Next": "Refuse" }] },
        "Shape": { "Type": "Pass", "Next": "Both" },
        "Both": { "Type": "Parallel", "End": true, "Branches": [
            { "StartAt": "Mail", "States": {
                "Mail": { "Type": "Task", "Resource": "arn:aws:states:::sns:publish", "End": true } } },
            { "StartAt": "Each", "States": { "Each": { "Type": "Map", "ItemProcessor": item, "End": true } } },
        ]},
        "Refuse": { "Type": "Fail", "Error": "Own.Refused" },
    }})
}

/// An execution whose runs end so, one after the other.
fn parcel(definition: &Value, outcomes: &Value) -> Scene {
    let arn = MACHINE.replace(":stateMachine:", ":execution:") + ":run-1";
    let scene = Scene::new(&rule(9, 0), Subject::Execution { arn });
    let now = scene.now().as_millis();
    let call = |operation: &str, body: Value| {
        let which = redrive_emulator::region::ServiceKind::StepFunctions;
        let ask = |region: &mut Region| region.call(which, now, operation, &body);
        scene.region(ask).unwrap();
    };
    let role = "arn:aws:iam::111122223333:role/states";
    let definition = definition.to_string();
    call(
        "CreateStateMachine",
        json!({ "name": "parcels", "roleArn": role, "definition": definition }),
    );
    let input = json!({ "outcomes": outcomes, "token": "secret in the input" }).to_string();
    call(
        "StartExecution",
        json!({ "stateMachineArn": MACHINE, "name": "run-1", "input": input }),
    );
    scene
}

fn parsed(event: &Value) -> Failure {
    let bytes = serde_json::to_vec(event).unwrap();
    match event::parse(&bytes, &AllowedSources::default()) {
        ParsedEvent::Failure(failure) => failure,
        other => panic!("{other:?}"),
    }
}

fn lookup(scene: &Scene, failure: &Failure, need: Need) -> Fact {
    run(scene.invocation().lookup(failure, need))
        .unwrap()
        .unwrap()
}

fn histories(scene: &Scene) -> usize {
    let calls = scene.adapters.sandbox.calls();
    calls.get("GetExecutionHistory").copied().unwrap_or(0)
}

fn failed_execution(failure: &Failure) -> &FailedExecution {
    match &failure.detail {
        FailureDetail::Execution(failed) => failed,
        FailureDetail::Stage(_) => panic!("an execution"),
    }
}

/// `fail_state`, `state`, `resource` of the failure after so many redrives by people, and the calls it took.
fn told(definition: &Value, outcomes: &Value, redrives: usize) -> (bool, String, String, usize) {
    let scene = parcel(definition, outcomes);
    let mut event = scene.failed();
    for _ in 0..redrives {
        scene.person_retries();
        event = scene.failed();
    }
    let mut failure = parsed(&event);
    let fact = lookup(&scene, &failure, Need::FailedState);
    failure.learn(fact);
    let failed = failed_execution(&failure);
    let word = |field: &Field<String>| match field {
        Field::Known(text) => text.clone(),
        Field::Absent => "-".into(),
        other => panic!("{other:?}"),
    };
    (
        *failed.fail_state.known().unwrap(),
        word(&failed.state),
        word(&failed.resource),
        histories(&scene),
    )
}

fn fails(state: &str, error: &str) -> Value {
    json!({ "fail": { "state": state, "error": error, "cause": "secret in the cause" } })
}

#[test]
fn the_state_that_failed_is_told_with_what_it_called_wherever_it_stands() {
    let busy = "Own.Busy";
    for (state, error, fail_state, resource) in [
        ("Load", busy, false, "aws-sdk:s3:getObject"),
        ("Load", "States.Timeout", false, "aws-sdk:s3:getObject"),
        ("Book", busy, false, GLUE),
        // Neither has a resourceType: what the definition has as its Resource stands for it.
        ("Check", busy, false, CHECK),
        ("Sign", busy, false, SIGN),
        ("Sign", "States.Timeout", false, SIGN),
        // Within a Parallel, and within a Map within it.
        ("Mail", busy, false, "sns:publish"),
        ("Ship", busy, false, "lambda:invoke"),
        // What fails by itself calls nothing.
        ("Choose", "States.Runtime", false, "-"),
        ("Choose", "States.NoChoiceMatched", false, "-"),
        ("Shape", "States.Runtime", false, "-"),
        ("Book", "States.Runtime", false, "-"),
        ("Book", "States.QueryEvaluationError", false, "-"),
        ("Shape", "States.QueryEvaluationError", false, "-"),
        ("Ship", "States.QueryEvaluationError", false, "-"),
        ("Each", "States.QueryEvaluationError", false, "-"),
        // A Fail state, and one within.
        ("Refuse", "Own.Refused", true, "-"),
        ("Lost", "Parcel.Lost", true, "-"),
    ] {
        // Redriven, a task is scheduled again without being entered again; a Fail state only fails.
        for redrives in [0, 1] {
            let (fails_again, at, called, _) =
                told(&parcels(), &json!([fails(state, error)]), redrives);
            assert_eq!(
                (fails_again, at.as_str(), called.as_str()),
                (fail_state, state, resource),
                "{state} {error} {redrives}"
            );
        }
    }
}

#[test]
fn a_distributed_map_is_the_state_that_failed_and_its_children_are_not_in_its_history() {
    let definition = json!({ "StartAt": "Bulk", "States": { "Bulk": {
        "Type": "Map", "Label": "Bulk", "End": true, "ItemProcessor": {
            "ProcessorConfig": { "Mode": "DISTRIBUTED" }, "StartAt": "Item", "States": {
                "Item": { "Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage", "End": true } } } } } });
    let outcomes = json!([fails("Bulk", "States.ExceedToleratedFailureThreshold")]);
    assert_eq!(
        told(&definition, &outcomes, 0),
        (false, "Bulk".into(), "-".into(), 1)
    );
}

#[test]
fn each_redrive_is_told_by_its_own_end() {
    let outcomes = json!([
        fails("Load", "Own.Busy"),
        fails("Book", "Own.Busy"),
        fails("Ship", "Own.Busy"),
        fails("Refuse", "Own.Refused"),
    ]);
    for (redrives, state, resource) in [
        (0, "Load", "aws-sdk:s3:getObject"),
        (1, "Book", GLUE),
        (2, "Ship", "lambda:invoke"),
    ] {
        let (_, at, called, _) = told(&parcels(), &outcomes, redrives);
        assert_eq!((at.as_str(), called.as_str()), (state, resource));
    }
}

#[test]
fn a_state_that_was_entered_long_ago_is_read_for_page_after_page() {
    // Each redrive adds five events to the task's, and none of them enters it.
    for (redrives, pages) in [(0, 1), (1, 1), (2, 2), (22, 2), (199, 2), (200, 3)] {
        assert_eq!(
            told(&parcels(), &json!([fails("Load", "Own.Busy")]), redrives),
            (false, "Load".into(), "aws-sdk:s3:getObject".into(), pages),
            "{redrives}"
        );
    }
}

#[test]
fn a_history_that_does_not_show_the_end_yet_names_no_state() {
    let scene = parcel(&parcels(), &json!([fails("Load", "Own.Busy")]));
    scene.region(|region| region.stepfunctions.options_mut().history_lag_ms = 2000);
    let failure = parsed(&scene.failed());
    assert_eq!(lookup(&scene, &failure, Need::FailedState), Fact::NotYet);
    // The run before this one has a state, which is not the one that was asked for.
    scene.wind(2);
    scene.person_retries();
    let failure = parsed(&scene.failed());
    assert_eq!(lookup(&scene, &failure, Need::FailedState), Fact::NotYet);
    scene.wind(2);
    assert!(matches!(
        lookup(&scene, &failure, Need::FailedState),
        Fact::Ending {
            state: Field::Known(_),
            ..
        }
    ));
}

#[test]
fn a_machine_without_fail_states_answers_of_them_alone_and_the_history_of_both_at_once() {
    let definition = json!({ "StartAt": "Load", "States": { "Load": {
        "Type": "Task", "Resource": "arn:aws:states:::aws-sdk:s3:getObject", "End": true } } });
    let policy = document(&rule(2, 0));
    let retries = |failure: &Failure| {
        matches!(decide(&policy, failure, LedgerView::Empty), Answer::Verdict(verdict)
            if verdict.decision.as_str() == "retry")
    };
    let outcomes = json!([fails("Load", "Own.Busy")]);

    let scene = parcel(&definition, &outcomes);
    let mut failure = parsed(&scene.failed());
    let fact = lookup(&scene, &failure, Need::History);
    failure.learn(fact);
    assert_eq!((retries(&failure), histories(&scene)), (true, 0));
    assert!(failed_execution(&failure).state.is_unknown());
    let fact = lookup(&scene, &failure, Need::FailedState);
    failure.learn(fact);
    assert_eq!(
        failed_execution(&failure).state.known().map(String::as_str),
        Some("Load")
    );

    // Asked first, the history spares the definition too.
    let scene = parcel(&definition, &outcomes);
    let mut failure = parsed(&scene.failed());
    let fact = lookup(&scene, &failure, Need::FailedState);
    failure.learn(fact);
    assert!(retries(&failure));
    let calls = scene.adapters.sandbox.calls();
    assert_eq!(
        calls
            .keys()
            .filter(|name| name.contains("ForExecution"))
            .count(),
        0
    );
    assert_eq!(histories(&scene), 1);
    assert!(Need::Description < Need::FailedState && Need::FailedState < Need::History);
}

#[test]
fn an_execution_that_timed_out_has_no_failed_state_and_asks_for_none() {
    let scene = Scene::execution(&rule(2, 0), [Ends::time_out(), Ends::succeed()]);
    let failure = parsed(&scene.ended("TIMED_OUT"));
    let failed = failed_execution(&failure);
    assert_eq!(
        (&failed.fail_state, &failed.state, &failed.resource),
        (&Field::Known(false), &Field::Absent, &Field::Absent)
    );
    assert!(scene.adapters.sandbox.calls().is_empty());
}

#[test]
fn nothing_of_inputs_and_causes_is_kept_of_a_history() {
    let scene = parcel(&parcels(), &json!([fails("Ship", "Own.Busy")]));
    scene.failed();
    let arn = scene.subject.arn();
    let page = run(JsonClient(&scene.adapters.sandbox).history(arn, 1000, None)).unwrap();
    let kept = format!("{:?}", page.unwrap().unwrap().items);
    assert!(kept.contains("Ship") && kept.contains("lambda:invoke"));
    assert!(
        !kept.contains("secret") && !kept.contains("Own.Busy"),
        "{kept}"
    );
}
