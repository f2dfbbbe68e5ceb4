//! RedriveExecution: its effects, its idempotency and its refusals.

use super::*;
use crate::stepfunctions::{By, Effect, MapChildRefusal, REDRIVE_LAUNCH, Redrive, Seed, Status};

#[test]
fn a_redrive_restarts_the_same_execution_and_is_counted() {
    let mut aws = account();
    let arn = failed(&mut aws);
    let answer = ok(redrive(&mut aws, T + 2000, &arn, "a"));
    assert_eq!(
        answer,
        json!({ "redriveDate": 1_772_366_402.25 }),
        "the date and nothing else"
    );
    let view = aws.execution(&arn).unwrap();
    assert_eq!(
        (view.status, view.redrive_count, view.redrive_date),
        (Status::Running, 1, Some(T + 2000))
    );
    assert_eq!(
        (view.start, view.stop, view.error, view.cause),
        (T, None, None, None)
    );
    assert_eq!(
        view.redrives,
        [Redrive {
            at: T + 2000,
            token: Some("a".into()),
            count: 1,
            by: By::Api
        }]
    );
}

#[test]
fn a_used_token_restarts_nothing() {
    let script = json!([{ "fail": {} }, { "fail": {} }, { "succeed": {} }]);
    let mut aws = account();
    let arn = start(&mut aws, "orders", "one", &script);
    let first = ok(redrive(&mut aws, T + 2000, &arn, "a"));
    let replay = |aws: &mut StepFunctions, now, token, expected: &Value, when| {
        let (before, count) = (
            history(aws, now, &arn),
            aws.execution(&arn).unwrap().redrives.len(),
        );
        assert_eq!(ok(redrive(aws, now, &arn, token)), *expected, "{when}");
        assert_eq!(history(aws, now, &arn), before, "{when}");
        assert_eq!(aws.execution(&arn).unwrap().redrives.len(), count, "{when}");
        let call = aws
            .calls()
            .iter()
            .rfind(|call| &*call.operation == "RedriveExecution")
            .unwrap();
        assert_eq!(call.effect, Effect::Replayed, "{when}");
    };
    replay(&mut aws, T + 2500, "a", &first, "while it runs");
    replay(&mut aws, T + 4000, "a", &first, "after it failed again");
    let second = ok(redrive(&mut aws, T + 5000, &arn, "b"));
    replay(&mut aws, T + 7000, "b", &second, "after it succeeded");
    replay(&mut aws, T + 7000, "a", &first, "an older one");
    let error = refused(redrive(&mut aws, T + 7000, &arn, "c"));
    assert_eq!(error.code(), "ExecutionNotRedrivable");
}

#[test]
fn a_refused_token_is_not_used_up() {
    let mut aws = account();
    let arn = failed(&mut aws);
    ok(redrive(&mut aws, T + 2000, &arn, "a"));
    let error = refused(redrive(&mut aws, T + 2500, &arn, "b"));
    assert_eq!(
        error.kind,
        "com.amazonaws.swf.service.v2.model#ExecutionNotRedrivable"
    );
    assert_eq!(
        error.message,
        format!(
            "Execution {arn} invalid for redrive as: Execution is RUNNING and cannot be redriven"
        )
    );
    assert_eq!((error.status, error.members.len()), (400, 0));
    ok(redrive(&mut aws, T + 3000, &arn, "b"));
    assert_eq!(aws.execution(&arn).unwrap().redrive_count, 2);
}

#[test]
fn token_is_remembered_for_fifteen_minutes() {
    for (later, count) in [(15 * MINUTE - 1, 1), (15 * MINUTE, 1), (15 * MINUTE + 1, 2)] {
        let mut aws = account();
        let arn = failed(&mut aws);
        ok(redrive(&mut aws, T + 2000, &arn, "a"));
        ok(redrive(&mut aws, T + 2000 + 10 * MINUTE, &arn, "a"));
        ok(redrive(&mut aws, T + 2000 + later, &arn, "a"));
        assert_eq!(
            aws.execution(&arn).unwrap().redrive_count,
            count,
            "{later} ms later"
        );
    }
}

#[test]
fn the_last_ten_tokens_are_remembered() {
    let mut aws = account();
    let arn = failed(&mut aws);
    let mut now = T + 2000;
    for token in 0..11 {
        ok(redrive(&mut aws, now, &arn, &format!("token-{token}")));
        now += 2000;
    }
    ok(redrive(&mut aws, now, &arn, "token-1"));
    assert_eq!(
        aws.execution(&arn).unwrap().redrive_count,
        11,
        "the tenth from the end is known"
    );
    ok(redrive(&mut aws, now, &arn, "token-0"));
    assert_eq!(
        aws.execution(&arn).unwrap().redrive_count,
        12,
        "the eleventh is forgotten"
    );
}

#[test]
fn what_cannot_be_redriven_says_why() {
    const ARN: &str = "arn:aws:states:eu-west-1:111122223333:execution:old:one";
    let year = 365 * DAY;
    #[rustfmt::skip]
    let cases = [
        (Status::Failed, T, T + 5, T + 14 * DAY, None),
        (Status::TimedOut, T, T + 5, T + 14 * DAY, None),
        (Status::Aborted, T, T + 5, T + 5 + 14 * DAY, None),
        (Status::Failed, T, T + 5, T + 6 + 14 * DAY, Some("Execution redrivable period exceeded")),
        (Status::Succeeded, T, T + 5, T + 5, Some("Execution is SUCCEEDED and cannot be redriven")),
        (Status::Running, T, T, T + 5, Some("Execution is RUNNING and cannot be redriven")),
        (Status::Failed, REDRIVE_LAUNCH, T, T, Some("Execution has exceeded the max execution time")),
        (Status::Failed, T - year, T, T, None),
        (Status::Failed, T - year - 1, T, T, Some("Execution has exceeded the max execution time")),
        (Status::Failed, REDRIVE_LAUNCH - 1, T, T, Some("Execution was started before the launch of RedriveExecution")),
    ];
    for (status, start, stop, now, reason) in cases {
        let mut aws = empty();
        let outcomes = Script::new([Outcome::hang()]);
        aws.seed(Seed {
            outcomes,
            ..Seed::new(ARN, status, start, stop)
        })
        .unwrap();
        let seen = describe(&mut aws, now, ARN);
        assert_eq!(
            seen["redriveStatusReason"].as_str(),
            reason,
            "{status:?} {start} {now}"
        );
        let expected = if reason.is_none() {
            "REDRIVABLE"
        } else {
            "NOT_REDRIVABLE"
        };
        assert_eq!(seen["redriveStatus"], expected, "{status:?} {start} {now}");
        let answer = redrive(&mut aws, now, ARN, "a");
        match reason {
            None => drop(ok(answer)),
            Some(reason) => assert!(refused(answer).message.ends_with(reason), "{reason}"),
        }
    }
}

#[test]
fn a_deleted_machine_redrives_nothing() {
    let mut aws = account();
    let arn = failed(&mut aws);
    ok(aws.call(
        T + 2000,
        "DeleteStateMachine",
        &json!({ "stateMachineArn": ORDERS }),
    ));
    let error = refused(redrive(&mut aws, T + 3000, &arn, "a"));
    assert!(
        error
            .message
            .ends_with("invalid for redrive as: State machine is in DELETING status")
    );
}

#[test]
fn a_history_that_is_too_long_is_not_redriven() {
    let mut aws = account();
    let arn = failed(&mut aws);
    let length = aws.execution(&arn).unwrap().events;
    for (limit, refused_here) in [(length, true), (length + 1, false)] {
        aws.options_mut().history_event_limit = limit;
        match redrive(&mut aws, T + 2000, &arn, "a") {
            Err(CallError::Api(error)) => assert!(
                refused_here
                    && error
                        .message
                        .ends_with("Execution history event limit exceeded")
            ),
            answer => assert!(!refused_here && answer.is_ok()),
        }
    }
}

#[test]
fn the_last_moment_of_a_period_is_an_option() {
    for (counts, expected) in [(true, "REDRIVABLE"), (false, "NOT_REDRIVABLE")] {
        let mut aws = account();
        aws.options_mut().last_moment_counts = counts;
        let arn = failed(&mut aws);
        assert_eq!(
            describe(&mut aws, T + 1000 + 14 * DAY, &arn)["redriveStatus"],
            expected
        );
    }
}

#[test]
fn a_redrive_needs_an_arn_it_can_use() {
    let states = "arn:aws:states:eu-west-1:111122223333";
    let cases = [
        (json!({}), "ValidationException", "1 validation error detected: Value null at 'executionArn' failed to satisfy constraint: Member must not be null".to_owned()),
        (json!({ "executionArn": "one" }), "InvalidArn", "Invalid Arn: 'Invalid ARN prefix: one'".to_owned()),
        (json!({ "executionArn": "arn:aws:states:eu-west-1:1:execution:a:b" }), "InvalidArn", "Invalid Arn: 'arn:aws:states:eu-west-1:1:execution:a:b'".to_owned()),
        (json!({ "executionArn": format!("{states}:express:orders:one:uuid") }), "InvalidArn", "Invalid Arn: 'Resource type not valid in this context: express'".to_owned()),
        (json!({ "executionArn": ORDERS }), "InvalidArn", "Invalid Arn: 'Resource type not valid in this context: stateMachine'".to_owned()),
        (json!({ "executionArn": format!("{states}:execution:orders:lost") }), "ExecutionDoesNotExist", format!("Execution Does Not Exist: '{states}:execution:orders:lost'")),
        (json!({ "executionArn": 5 }), "SerializationException", "'executionArn' must be a string".to_owned()),
    ];
    let mut aws = account();
    for (body, code, message) in cases {
        let error = refused(aws.call(T, "RedriveExecution", &body));
        assert_eq!((error.code(), &error.message), (code, &message), "{body}");
    }
    let arn = failed(&mut aws);
    for token in ["", "two words", "ä", &"x".repeat(65)] {
        assert_eq!(
            refused(redrive(&mut aws, T + 2000, &arn, token)).code(),
            "ValidationException",
            "{token:?}"
        );
    }
    assert_eq!(aws.execution(&arn).unwrap().redrives, []);
}

#[test]
fn redrives_count_as_open_executions() {
    let mut aws = account();
    aws.options_mut().open_execution_limit = 1;
    let one = failed(&mut aws);
    let two = start(&mut aws, "orders", "two", &json!([{ "hang": {} }]));
    assert_eq!(
        refused(redrive(&mut aws, T + 2000, &one, "a")).code(),
        "ExecutionLimitExceeded"
    );
    let body = json!({ "stateMachineArn": ORDERS });
    assert_eq!(
        refused(aws.call(T + 2000, "StartExecution", &body)).code(),
        "ExecutionLimitExceeded"
    );
    aws.person_stops(T + 2000, &two, None, None).unwrap();
    ok(redrive(&mut aws, T + 2000, &one, "a"));
}

#[test]
fn a_fail_state_fails_again_at_once() {
    let mut aws = account();
    let arn = start(
        &mut aws,
        "orders",
        "one",
        &json!([{ "fail": { "state": "Reject", "error": "ignored" } }, { "succeed": {} }]),
    );
    aws.advance(T + 1000);
    let before = history(&mut aws, T + 1000, &arn);
    let length = before.len() as u64;
    assert_eq!(before[before.len() - 2].0, "FailStateEntered");
    assert_eq!(
        before[before.len() - 1],
        ("ExecutionFailed".to_owned(), length - 1)
    );
    for round in 1..=3 {
        let now = T + 2000 * round;
        ok(redrive(&mut aws, now, &arn, &format!("token-{round}")));
        assert_eq!(aws.execution(&arn).unwrap().status, Status::Running);
        aws.advance(now);
        let view = aws.execution(&arn).unwrap();
        assert_eq!(
            (view.status, view.redrive_count, view.stop),
            (Status::Failed, round, Some(now))
        );
        assert_eq!(
            (view.error, view.cause),
            (Some("Orders.Rejected"), Some("no such order"))
        );
        assert!(view.ended_in_fail_state);
        let now = history(&mut aws, now, &arn);
        let last = length + 2 * round;
        assert_eq!(
            now[before.len() + 2 * round as usize - 2..],
            lines(&[
                ("ExecutionRedriven", last - 2),
                ("ExecutionFailed", last - 1)
            ])
        );
    }
}

#[test]
fn children_of_a_map_run_are_redriven_with_their_parent() {
    let mut aws = account();
    let parent = start(
        &mut aws,
        "orders",
        "parent",
        &json!([{ "fail": { "state": "Load" }, "after_ms": 5000 }, { "hang": {} }]),
    );
    let children = [
        (
            "bad".to_owned(),
            Script::new([Outcome::fail("E", "c"), Outcome::succeed()]),
        ),
        ("good".to_owned(), Script::new([Outcome::succeed()])),
    ];
    let run = aws
        .start_map_run(T + 10, &parent, "Each", children)
        .unwrap();
    assert!(run.starts_with("arn:aws:states:eu-west-1:111122223333:mapRun:orders/Each:"));
    let bad = "arn:aws:states:eu-west-1:111122223333:execution:orders/Each:bad";
    aws.advance(T + 5000);
    let seen = describe(&mut aws, T + 5000, bad);
    assert_eq!(
        (&seen["redriveStatus"], &seen["mapRunArn"]),
        (&json!("REDRIVABLE_BY_MAP_RUN"), &json!(run))
    );
    assert_eq!(seen["stateMachineArn"], format!("{ORDERS}/Each"));
    assert!(seen.get("redriveStatusReason").is_none());

    let error = refused(redrive(&mut aws, T + 6000, bad, "a"));
    assert_eq!(
        (error.code(), &error.members["reason"]),
        (
            "ValidationException",
            &json!("API_DOES_NOT_SUPPORT_LABELED_ARNS")
        )
    );
    aws.options_mut().map_child_refusal = MapChildRefusal::NotRedrivable;
    assert_eq!(
        refused(redrive(&mut aws, T + 6000, bad, "a")).code(),
        "ExecutionNotRedrivable"
    );

    ok(redrive(&mut aws, T + 6000, &parent, "a"));
    let pending = json!({ "mapRunArn": run, "statusFilter": "PENDING_REDRIVE" });
    let listed = ok(aws.call(T + 6000, "ListExecutions", &pending));
    assert_eq!(listed["executions"][0]["executionArn"], bad);
    let counts = ok(aws.call(T + 6000, "DescribeMapRun", &json!({ "mapRunArn": run })));
    assert_eq!(
        (&counts["status"], &counts["redriveCount"]),
        (&json!("RUNNING"), &json!(1))
    );
    assert_eq!(
        (
            &counts["executionCounts"]["pendingRedrive"],
            &counts["itemCounts"]["succeeded"]
        ),
        (&json!(1), &json!(1))
    );
    aws.advance(T + 8000);
    let view = aws.execution(bad).unwrap();
    assert_eq!(
        (view.status, view.redrive_count, view.redrives[0].by),
        (Status::Succeeded, 1, By::MapRun)
    );
    let good = "arn:aws:states:eu-west-1:111122223333:execution:orders/Each:good";
    assert_eq!(
        aws.execution(good).unwrap().redrive_count,
        0,
        "what succeeded is kept"
    );
    let runs = ok(aws.call(T + 8000, "ListMapRuns", &json!({ "executionArn": parent })));
    assert_eq!(runs["mapRuns"][0]["mapRunArn"], run);
    let redriven = json!({ "mapRunArn": run, "redriveFilter": "REDRIVEN" });
    assert_eq!(
        ok(aws.call(T + 8000, "ListExecutions", &redriven))["executions"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[test]
fn map_run_ends_with_its_last_child() {
    let mut aws = account();
    let parent = start(&mut aws, "orders", "parent", &json!([{ "hang": {} }]));
    let twice = Script::new([Outcome::fail("E", "c"), Outcome::succeed()]);
    let children = [
        ("slow".to_owned(), twice.clone()),
        ("bad".to_owned(), twice),
    ];
    let run = aws.start_map_run(T, &parent, "Each", children).unwrap();
    let seen = |aws: &mut StepFunctions, now| {
        let seen = ok(aws.call(now, "DescribeMapRun", &json!({ "mapRunArn": run })));
        (
            seen["status"].as_str().unwrap().to_owned(),
            seen.get("stopDate").is_some(),
        )
    };
    assert_eq!(seen(&mut aws, T + 999), ("RUNNING".to_owned(), false));
    assert_eq!(seen(&mut aws, T + 1000), ("FAILED".to_owned(), true));
    aws.person_stops(T + 2000, &parent, None, None).unwrap();
    ok(redrive(&mut aws, T + 3000, &parent, "a"));
    let slow = "arn:aws:states:eu-west-1:111122223333:execution:orders/Each:slow";
    aws.advance(T + 4000);
    aws.person_stops(T + 4500, slow, None, None).unwrap();
    assert_eq!(
        seen(&mut aws, T + 4500),
        ("RUNNING".to_owned(), false),
        "one child still runs"
    );
    assert_eq!(seen(&mut aws, T + 5000), ("ABORTED".to_owned(), true));
}

#[test]
fn children_of_a_deleted_machine_are_not_redriven() {
    let mut aws = account();
    let parent = start(&mut aws, "orders", "parent", &json!([{ "hang": {} }]));
    let late = Script::new([Outcome::succeed().after(3000)]);
    let children = [("bad".to_owned(), slow()), ("late".to_owned(), late)];
    aws.start_map_run(T, &parent, "Each", children).unwrap();
    aws.advance(T + 1000);
    ok(aws.call(
        T + 1000,
        "DeleteStateMachine",
        &json!({ "stateMachineArn": ORDERS }),
    ));
    let child = "arn:aws:states:eu-west-1:111122223333:execution:orders/Each:bad";
    let seen = describe(&mut aws, T + 1000, child);
    assert_eq!(seen["redriveStatus"], "NOT_REDRIVABLE");
    assert_eq!(
        seen["redriveStatusReason"],
        "State machine is in DELETING status"
    );
    aws.advance(T + 3000);
    let late = aws.execution(&child.replace("bad", "late")).unwrap();
    assert_eq!(
        (late.status, late.error),
        (Status::Failed, Some("States.Runtime"))
    );
}

#[test]
fn children_end_with_a_parent_that_is_stopped() {
    let mut aws = account();
    let parent = start(&mut aws, "orders", "parent", &json!([{ "hang": {} }]));
    aws.start_map_run(
        T + 10,
        &parent,
        "Each",
        [("child".to_owned(), Script::new([Outcome::hang()]))],
    )
    .unwrap();
    aws.person_stops(T + 20, &parent, None, None).unwrap();
    let child = "arn:aws:states:eu-west-1:111122223333:execution:orders/Each:child";
    assert_eq!(aws.execution(child).unwrap().status, Status::Aborted);
    assert_eq!(
        aws.start_map_run(T + 30, &parent, "Each", []),
        None,
        "a closed execution starts nothing"
    );
}
