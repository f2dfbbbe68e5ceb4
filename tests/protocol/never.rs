//! What is never retried, whatever the rules say.

use redrive_core::controller::Outcome;
use redrive_core::ledger::State;
use redrive_core::verdict::Reason;
use redrive_emulator::stepfunctions::{Outcome as Ends, Script, Seed, Status};
use serde_json::{Value, json};

use crate::scene::{ARN, NOW, Scene, rule, with};

fn seed() -> Seed {
    Seed {
        outcomes: Script::new([Ends::fail("Glue.Throttled", "busy")]),
        ..Seed::new(ARN, Status::Running, NOW.as_millis(), 0)
    }
}

/// The event that an execution which stands FAILED would have sent.
fn event_of(scene: &Scene) -> Value {
    let now = scene.now().as_millis();
    let (error, cause) = scene.region(|region| {
        let execution = region.stepfunctions.execution(ARN).unwrap();
        (
            execution.error.map(str::to_owned),
            execution.cause.map(str::to_owned),
        )
    });
    json!({
        "version": "0", "id": "one", "detail-type": "Step Functions Execution Status Change", "source": "aws.states",
        "account": "111122223333", "region": "eu-west-1", "time": scene.now().to_string(), "resources": [ARN],
        "detail": {
            "executionArn": ARN, "stateMachineArn": "arn:aws:states:eu-west-1:111122223333:stateMachine:etl",
            "name": "run-1", "status": "FAILED", "startDate": now - 1000, "stopDate": now, "input": "{}",
            "redriveCount": 0, "redriveStatus": "REDRIVABLE", "error": error, "cause": cause,
        },
    })
}

#[test]
fn an_execution_that_ended_in_a_fail_state_is_given_up() {
    for redriven in [0, 1] {
        let failed = Seed {
            error: Some("Own.Error".into()),
            ended_in_fail_state: true,
            failed_state: Some("Refuse".into()),
            ..Seed::new(ARN, Status::Failed, NOW.as_millis() - 1000, NOW.as_millis())
        };
        let scene = Scene::seeded(&rule(5, 0), failed);
        let event = if redriven == 1 {
            scene.person_retries();
            scene.failed()
        } else {
            event_of(&scene)
        };
        let record = scene.handle_event(&event);
        assert_eq!(
            (record.outcome, record.reason),
            (Outcome::GaveUp, Reason::FailState)
        );
        assert_eq!(
            (scene.effects(), scene.entry().state, scene.entry().retries),
            (0, State::GivenUp, 0)
        );
    }
}

#[test]
fn a_child_of_a_map_run_is_left_to_its_parent() {
    let arn = "arn:aws:states:eu-west-1:111122223333:execution:etl/Each:run-1";
    let scene = Scene::seeded(
        &rule(5, 0),
        Seed {
            arn: arn.into(),
            ..seed()
        },
    );
    let record = scene.handle_event(&scene.failed());
    assert_eq!(
        (record.outcome, record.reason),
        (Outcome::Ignored, Reason::MapRunChild)
    );
    assert_eq!((scene.found(), scene.effects()), (None, 0));
}

#[test]
fn a_nested_child_is_left_to_its_parent_unless_the_policy_owns_it() {
    let input = json!({ "AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID": "arn:aws:states:eu-west-1:111122223333:execution:parent:run-1" });
    let own = "{version: 1, retry: {nested: own, automatic: [{id: any, backoff: {interval_seconds: 0}}]}}";
    for (policy, outcome, reason, effects) in [
        (
            rule(2, 0).as_str(),
            Outcome::GaveUp,
            Reason::ParentRetries,
            0,
        ),
        (own, Outcome::Retried, Reason::Matched, 1),
    ] {
        let scene = Scene::seeded(
            policy,
            Seed {
                input: input.to_string(),
                ..seed()
            },
        );
        let record = scene.handle_event(&scene.failed());
        assert_eq!(
            (record.outcome, record.reason, scene.effects()),
            (outcome, reason, effects)
        );
    }
}

#[test]
fn an_express_execution_is_none_of_ours() {
    let [scene, _] = Scene::both(&rule(2, 0));
    let arn = "arn:aws:states:eu-west-1:111122223333:express:etl:run-1:5f0c2f0e-0000-4000-8000-000000000001";
    let record = scene.handle_event(&with(&scene.failed(), "executionArn", arn));
    assert_eq!(
        (record.outcome, record.reason),
        (Outcome::Ignored, Reason::Express)
    );
}

#[test]
fn an_abort_is_never_retried() {
    let scene = Scene::seeded(
        &rule(2, 0),
        Seed {
            outcomes: Script::new([Ends::hang()]),
            ..seed()
        },
    );
    scene.wind(1);
    scene.person_stops();
    let aborted = scene.ended("ABORTED");
    let record = scene.handle_event(&aborted);
    assert_eq!(
        (record.outcome, record.reason),
        (Outcome::Ignored, Reason::Aborted)
    );
    scene.calm(&[aborted]);
    assert_eq!((scene.effects(), scene.status()), (0, "ABORTED"));
}

#[test]
fn what_withholds_its_cause_is_given_up_where_the_answer_hangs_on_it() {
    let [scene, _] = Scene::both("{version: 1, retry: {automatic: [{error: 'Glue.*'}]}}");
    let bare = with(
        &with(&scene.failed(), "error", Value::Null),
        "cause",
        Value::Null,
    );
    let record = scene.handle_event(&bare);
    assert_eq!(
        (record.outcome, record.reason, scene.effects()),
        (Outcome::GaveUp, Reason::CauseWithheld, 0)
    );
}

#[test]
fn what_aws_no_longer_knows_is_gone() {
    let [scene, _] = Scene::both(&rule(2, 0));
    let arn = "arn:aws:states:eu-west-1:111122223333:execution:etl:unknown";
    let record = scene.handle_event(&with(
        &with(&scene.failed(), "executionArn", arn),
        "redriveCount",
        Value::Null,
    ));
    assert_eq!(
        (record.outcome, record.reason),
        (Outcome::Ignored, Reason::Gone)
    );
}

#[test]
fn a_history_that_lags_does_not_hide_a_fail_state() {
    let failed = Seed {
        error: Some("Own.Error".into()),
        ended_in_fail_state: true,
        failed_state: Some("Refuse".into()),
        ..Seed::new(ARN, Status::Failed, NOW.as_millis() - 1000, NOW.as_millis())
    };
    let scene = Scene::seeded(&rule(5, 0), failed);
    scene.region(|region| region.stepfunctions.options_mut().history_lag_ms = 2000);
    let event = event_of(&scene);
    scene.calm(&[event]);
    assert_eq!((scene.effects(), scene.entry().state), (0, State::GivenUp));
}
