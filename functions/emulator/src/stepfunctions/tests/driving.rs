//! Events, faults, scripts and seeds, which a driver relies on.

use super::*;
use crate::api::{Emitted, Fault};
use crate::dates::rfc3339;
use crate::stepfunctions::{By, Effect, EventDate, Seed, Status};

fn details(events: &[Emitted]) -> Vec<(u64, &str)> {
    events
        .iter()
        .map(|event| {
            (
                event.at - T,
                event.event["detail"]["status"].as_str().unwrap(),
            )
        })
        .collect()
}

#[test]
fn every_transition_is_an_event() {
    let mut aws = account();
    let arn = start(
        &mut aws,
        "orders",
        "one",
        &json!([{ "fail": {} }, { "time_out": {}, "after_ms": 5 }, { "hang": {} }, { "succeed": {} }]),
    );
    for (at, token) in [(2000, "a"), (3000, "b")] {
        ok(redrive(&mut aws, T + at, &arn, token));
    }
    aws.person_stops(T + 3500, &arn, None, None).unwrap();
    ok(redrive(&mut aws, T + 4000, &arn, "c"));
    aws.advance(T + 9000);
    let events = aws.take_events();
    let expected = [
        (0, "RUNNING"),
        (1000, "FAILED"),
        (2000, "RUNNING"),
        (2005, "TIMED_OUT"),
        (3000, "RUNNING"),
        (3500, "ABORTED"),
        (4000, "RUNNING"),
        (5000, "SUCCEEDED"),
    ];
    assert_eq!(details(&events), expected);
    let counts: Vec<_> = events
        .iter()
        .map(|event| event.event["detail"]["redriveCount"].as_u64().unwrap())
        .collect();
    assert_eq!(counts, [0, 0, 1, 1, 2, 2, 3, 3]);
    assert_eq!(aws.take_events(), [], "each is handed out once");
}

#[test]
fn an_event_has_every_key_and_says_null() {
    let mut aws = account();
    let arn = failed(&mut aws);
    ok(redrive(&mut aws, T + 2000, &arn, "a"));
    let events = aws.take_events();
    let input = aws.executions[arn.as_str()].input.to_string();
    let event = &events[1].event;
    assert_eq!(event["id"].as_str().unwrap().len(), 36);
    assert_eq!(
        *event,
        json!({
            "version": "0", "id": event["id"], "detail-type": "Step Functions Execution Status Change",
            "source": "aws.states", "account": "111122223333", "time": "2026-03-01T12:00:01Z",
            "region": "eu-west-1", "resources": [arn],
            "detail": {
                "executionArn": arn, "stateMachineArn": ORDERS, "name": "one", "status": "FAILED",
                "startDate": T, "stopDate": T + 1000, "input": input, "output": null,
                "stateMachineVersionArn": null, "stateMachineAliasArn": null,
                "redriveCount": 0, "redriveDate": null, "redriveStatus": "REDRIVABLE", "redriveStatusReason": null,
                "inputDetails": { "included": true }, "outputDetails": null, "error": "S3.Slow", "cause": "wait",
            },
        })
    );
    let detail = &events[2].event["detail"];
    assert_eq!(
        (
            &detail["redriveCount"],
            &detail["redriveDate"],
            &detail["startDate"]
        ),
        (&json!(1), &json!(T + 2000), &json!(T))
    );
    assert_eq!(
        (&detail["stopDate"], &detail["error"], &detail["cause"]),
        (&Value::Null, &Value::Null, &Value::Null)
    );
    assert_eq!(
        detail["redriveStatusReason"],
        "Execution is RUNNING and cannot be redriven"
    );
}

#[test]
fn the_form_of_a_redrive_date_is_an_option() {
    let forms = [
        (EventDate::Milliseconds, json!(T)),
        (EventDate::Seconds, json!(1_772_366_400.25)),
        (EventDate::Rfc3339, json!("2026-03-01T12:00:00Z")),
    ];
    for (form, expected) in forms {
        let mut aws = account();
        aws.options_mut().redrive_date_in_event = form;
        aws.seed(Seed::new(
            format!("{}:x", ORDERS.replace("stateMachine", "execution")),
            Status::Failed,
            T - 9,
            T - 5,
        ))
        .unwrap();
        aws.person_redrives(
            T,
            &format!("{}:x", ORDERS.replace("stateMachine", "execution")),
        )
        .unwrap();
        assert_eq!(
            aws.take_events()[0].event["detail"]["redriveDate"],
            expected
        );
    }
}

#[test]
fn what_need_not_be_announced_can_be_left_out() {
    let mut aws = account();
    aws.options_mut().announce_running_after_redrive = false;
    aws.options_mut().announce_map_children = false;
    let arn = start(&mut aws, "orders", "one", &json!([{ "fail": {} }]));
    aws.start_map_run(T + 5, &arn, "Each", [("child".to_owned(), slow())])
        .unwrap();
    ok(redrive(&mut aws, T + 2000, &arn, "a"));
    aws.advance(T + 9000);
    assert_eq!(
        details(&aws.take_events()),
        [(0, "RUNNING"), (1000, "FAILED"), (3000, "FAILED")]
    );
}

#[test]
fn long_data_is_left_out_of_events() {
    let limit = 248 * 1024;
    let cases = [
        (limit, None, true, true),
        (limit + 1, None, false, true),
        (limit - 50, Some(60), false, true),
        (40, Some(limit + 1), false, false),
    ];
    for (input_size, output_size, input_included, output_included) in cases {
        let mut aws = account();
        // The two quotes of a JSON string take two characters each once they are escaped.
        let text = |size: usize| "x".repeat(size - 4);
        let input = json!(text(input_size)).to_string();
        let body = json!({ "stateMachineArn": ORDERS, "name": "one", "input": input });
        let arn = ok(aws.call(T - 1, "StartExecution", &body))["executionArn"]
            .as_str()
            .unwrap()
            .to_owned();
        aws.person_stops(T, &arn, None, None).unwrap();
        let output = output_size.map(|size| json!(text(size)));
        let outcome = json!({ "succeed": { "output": output } });
        aws.set_outcomes(
            &arn,
            Script::from_input(&json!({ "outcomes": [outcome] }))
                .unwrap()
                .unwrap(),
        );
        let running = aws.take_events().remove(0).event;
        assert_eq!(
            running["detail"]["inputDetails"]["included"],
            input_size <= limit
        );
        ok(redrive(&mut aws, T + 1, &arn, "a"));
        aws.advance(T + 2000);
        let ended = aws.take_events().pop().unwrap().event;
        let detail = &ended["detail"];
        if output_size.is_some() {
            assert_eq!(
                detail["inputDetails"]["included"], input_included,
                "{input_size} {output_size:?}"
            );
            assert_eq!(detail["input"].is_null(), !input_included);
            assert_eq!(
                detail["outputDetails"]["included"], output_included,
                "{input_size} {output_size:?}"
            );
            assert_eq!(detail["output"].is_null(), !output_included);
        }
    }
}

#[test]
fn dates_are_written_in_whole_seconds() {
    let cases = [
        (0, "1970-01-01T00:00:00Z"),
        (951_782_399_999, "2000-02-28T23:59:59Z"),
        (951_782_400_000, "2000-02-29T00:00:00Z"),
        (1_700_006_400_000, "2023-11-15T00:00:00Z"),
        (1_735_689_599_000, "2024-12-31T23:59:59Z"),
        (4_107_542_400_000, "2100-03-01T00:00:00Z"),
    ];
    for (ms, expected) in cases {
        assert_eq!(rfc3339(ms), expected);
    }
}

#[test]
fn faults_are_played_once_and_in_turn() {
    let mut aws = account();
    let arn = failed(&mut aws);
    let throttled = ApiError::new("ThrottlingException", "Rate exceeded");
    let faults = [
        Fault::Refuse(throttled.clone()),
        Fault::LoseRequest,
        Fault::LoseAnswer,
    ];
    faults
        .into_iter()
        .for_each(|fault| aws.inject("RedriveExecution", fault));
    assert_eq!(
        aws.call(T + 2000, "RedriveExecution", &json!({})),
        Err(CallError::Api(throttled)),
        "before the parameters are read"
    );
    assert_eq!(redrive(&mut aws, T + 2000, &arn, "a"), Err(CallError::Lost));
    assert_eq!(
        aws.execution(&arn).unwrap().redrives,
        [],
        "the request never came"
    );
    describe(&mut aws, T + 2000, &arn);
    assert_eq!(redrive(&mut aws, T + 2000, &arn, "a"), Err(CallError::Lost));
    assert_eq!(
        aws.execution(&arn).unwrap().redrives.len(),
        1,
        "only the answer was lost"
    );
    assert_eq!(
        ok(redrive(&mut aws, T + 2100, &arn, "a"))["redriveDate"],
        1_772_366_402.25
    );
    let calls = aws
        .calls()
        .iter()
        .filter(|call| &*call.operation == "RedriveExecution");
    let seen: Vec<_> = calls
        .map(|call| (call.effect.clone(), call.answered))
        .collect();
    let expected = [
        (Effect::Refused("ThrottlingException".into()), true),
        (Effect::NotReceived, false),
        (Effect::Done, false),
        (Effect::Replayed, true),
    ];
    assert_eq!(seen, expected);
    assert_eq!(
        aws.calls().last().unwrap().arn.as_deref(),
        Some(arn.as_str())
    );
}

#[test]
fn a_script_repeats_its_last_outcome_or_its_then() {
    let script = |then: Value| {
        let mut input =
            json!({ "outcomes": [{ "fail": { "error": "1" } }, { "fail": { "error": "2" } }] });
        if !then.is_null() {
            input["then"] = then;
        }
        Script::from_input(&input).unwrap().unwrap()
    };
    for (then, errors) in [
        (Value::Null, ["1", "2", "2", "2"]),
        (json!({ "fail": { "error": "3" } }), ["1", "2", "3", "3"]),
    ] {
        let mut aws = account();
        let body = json!({ "stateMachineArn": ORDERS, "name": "one", "input": "{}" });
        let arn = ok(aws.call(T, "StartExecution", &body))["executionArn"]
            .as_str()
            .unwrap()
            .to_owned();
        aws.person_stops(T + 1, &arn, None, None).unwrap();
        assert!(aws.set_outcomes(&arn, script(then)));
        for (round, error) in errors.iter().enumerate() {
            let now = T + 2000 * (round as u64 + 1);
            ok(redrive(&mut aws, now, &arn, &format!("token-{round}")));
            aws.advance(now + 1000);
            assert_eq!(aws.execution(&arn).unwrap().error, Some(*error));
        }
    }
    assert!(!account().set_outcomes("lost", slow()));
}

#[test]
fn outcomes_are_written_as_they_are_read() {
    for outcome in [
        Outcome::fail("E", "c").at("Load").after(5),
        Outcome::time_out(),
        Outcome::succeed(),
        Outcome::hang(),
    ] {
        let text = serde_json::to_string(&outcome).unwrap();
        assert_eq!(
            serde_json::from_str::<Outcome>(&text).unwrap(),
            outcome,
            "{text}"
        );
    }
}

#[test]
fn a_seeded_execution_can_have_been() {
    let arn = "arn:aws:states:eu-west-1:000000000000:execution:stock:one";
    for (count, fail_state, status) in [
        (0, false, Status::Failed),
        (3, false, Status::Failed),
        (0, true, Status::Failed),
        (2, true, Status::Failed),
        (1, false, Status::Aborted),
        (0, false, Status::TimedOut),
        (1, false, Status::Succeeded),
    ] {
        let mut aws = empty();
        let timed_out = status == Status::TimedOut || status == Status::Succeeded;
        let text = |text: &str| (!timed_out).then(|| text.to_owned());
        aws.seed(Seed {
            redrive_count: count,
            redrive_date: (count > 0).then_some(T + 500),
            error: text("E"),
            cause: text("c"),
            ended_in_fail_state: fail_state,
            failed_state: Some("Count".into()),
            outcomes: Script::new([Outcome::succeed()]),
            ..Seed::new(arn, status, T, T + 1000)
        })
        .unwrap();
        assert_eq!(
            (aws.take_events(), aws.next_at()),
            (vec![], None),
            "nothing is announced, nothing is due"
        );
        let view = aws.execution(arn).unwrap();
        assert_eq!(
            (view.status, view.redrive_count, view.start, view.stop),
            (status, count, T, Some(T + 1000))
        );
        let state = (status != Status::Succeeded).then_some("Count");
        assert_eq!(
            (view.redrive_date, view.state),
            ((count > 0).then_some(T + 500), state)
        );
        assert_eq!(
            (view.error, view.cause, view.redrives),
            (text("E").as_deref(), text("c").as_deref(), &[][..])
        );
        let seen = history(&mut aws, T + 1000, arn);
        let redriven = seen
            .iter()
            .filter(|(name, _)| name == "ExecutionRedriven")
            .count() as u64;
        assert_eq!(redriven, count);
        assert_eq!(
            seen.iter().any(|(name, _)| name == "FailStateEntered"),
            fail_state
        );
        let machine = json!({ "stateMachineArn": "arn:aws:states:eu-west-1:000000000000:stateMachine:stock" });
        assert_eq!(
            ok(aws.call(T, "DescribeStateMachine", &machine))["name"],
            "stock"
        );
        if status != Status::Succeeded {
            ok(redrive(&mut aws, T + 2000, arn, "a"));
            aws.advance(T + 9000);
            let expected = if fail_state {
                Status::Failed
            } else {
                Status::Succeeded
            };
            assert_eq!(aws.execution(arn).unwrap().status, expected);
        }
    }
}

#[test]
fn seeded_execution_has_the_given_status() {
    let arn = "arn:aws:states:eu-west-1:111122223333:execution:orders:old";
    for (state, status, entered) in [
        ("Book", Status::TimedOut, 14),
        ("Book", Status::Aborted, 14),
        ("Gone", Status::Failed, 2),
    ] {
        let mut aws = account();
        aws.seed(Seed {
            failed_state: Some(state.into()),
            ..Seed::new(arn, status, T, T + 1000)
        })
        .unwrap();
        assert_eq!(aws.execution(arn).unwrap().state, Some(state));
        ok(redrive(&mut aws, T + 2000, arn, "a"));
        let seen = history(&mut aws, T + 2000, arn);
        let scheduled = seen
            .iter()
            .rfind(|(name, _)| name == "TaskScheduled")
            .unwrap();
        assert_eq!(scheduled.1, entered, "{state} {status:?}");
        let pinned = ok(aws.call(
            T + 2000,
            "DescribeStateMachineForExecution",
            &json!({ "executionArn": arn }),
        ));
        let newest = ok(aws.call(
            T + 2000,
            "DescribeStateMachine",
            &json!({ "stateMachineArn": ORDERS }),
        ));
        assert_eq!(
            pinned["definition"] == newest["definition"],
            state == "Book",
            "what the machine has now cannot have failed at Gone"
        );
    }
}

#[test]
fn a_seeded_run_goes_on() {
    let arn = "arn:aws:states:eu-west-1:000000000000:execution:stock:one";
    let mut aws = empty();
    aws.seed(Seed {
        outcomes: slow(),
        ..Seed::new(arn, Status::Running, T, 0)
    })
    .unwrap();
    assert_eq!(aws.next_at(), Some(T + 1000));
    aws.advance(T + 1000);
    assert_eq!(aws.execution(arn).unwrap().error, Some("S3.Slow"));
    let again = aws.seed(Seed::new(arn, Status::Running, T, 0)).unwrap_err();
    assert_eq!(again.code(), "ExecutionAlreadyExists");
}

#[test]
fn people_redrive_and_stop_without_a_call() {
    let mut aws = account();
    let arn = failed(&mut aws);
    let calls = aws.calls().len();
    aws.person_redrives(T + 2000, &arn).unwrap();
    assert_eq!(
        aws.person_redrives(T + 2001, &arn).unwrap_err().code(),
        "ExecutionNotRedrivable"
    );
    aws.person_stops(T + 2500, &arn, Some("Enough"), None)
        .unwrap();
    assert_eq!(
        aws.person_stops(T, "lost", None, None).unwrap_err().code(),
        "ExecutionDoesNotExist"
    );
    let view = aws.execution(&arn).unwrap();
    assert_eq!(
        (view.status, view.error, view.redrives[0].by),
        (Status::Aborted, Some("Enough"), By::Person)
    );
    assert_eq!((aws.calls().len(), aws.next_at()), (calls, None));
}

#[test]
fn what_is_due_happens_in_the_order_of_its_time() {
    let mut aws = account();
    for (name, after) in [("late", 300), ("soon", 100), ("then", 200)] {
        start(
            &mut aws,
            "orders",
            name,
            &json!([{ "succeed": {}, "after_ms": after }]),
        );
    }
    aws.take_events();
    assert_eq!(aws.next_at(), Some(T + 100));
    aws.advance(T + 250);
    assert_eq!(aws.next_at(), Some(T + 300));
    aws.advance(T + 1000);
    let events = aws.take_events();
    let names: Vec<_> = events
        .iter()
        .map(|event| event.event["detail"]["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["soon", "then", "late"]);
    assert_eq!(
        details(&events),
        [(100, "SUCCEEDED"), (200, "SUCCEEDED"), (300, "SUCCEEDED")]
    );
}

#[test]
fn the_same_seed_gives_the_same_world() {
    let play = |seed| {
        let mut aws = StepFunctions::new(Place::default(), Options::default(), seed);
        create(&mut aws, "orders", &orders());
        let arn = ok(aws.call(T, "StartExecution", &json!({ "stateMachineArn": ORDERS })))["executionArn"].clone();
        aws.advance(T + 5000);
        (arn, aws.take_events())
    };
    assert_eq!(play(1), play(1));
    assert_ne!(play(1), play(2));
}
