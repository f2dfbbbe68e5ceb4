//! Histories: types, links and details.

use super::*;

fn event(aws: &mut StepFunctions, now: u64, arn: &str, id: usize) -> Value {
    let events = ok(aws.call(now, "GetExecutionHistory", &json!({ "executionArn": arn })));
    events["events"][id - 1].clone()
}

#[test]
fn a_redriven_task_is_scheduled_from_its_first_entry() {
    let mut aws = account();
    let arn = start(
        &mut aws,
        "orders",
        "one",
        &json!([{ "fail": { "state": "Load", "error": "S3.Slow" } }, { "fail": { "state": "Check" } }, { "succeed": {} }]),
    );
    ok(redrive(&mut aws, T + 2000, &arn, "a"));
    ok(redrive(&mut aws, T + 4000, &arn, "b"));
    let expected = [
        ("ExecutionStarted", 0),
        ("PassStateEntered", 0),
        ("PassStateExited", 2),
        ("TaskStateEntered", 3),
        ("TaskScheduled", 4),
        ("TaskStarted", 5),
        ("TaskFailed", 6),
        ("ExecutionFailed", 7),
        ("ExecutionRedriven", 8),
        ("TaskScheduled", 4),
        ("TaskStarted", 10),
        ("TaskSucceeded", 11),
        ("TaskStateExited", 12),
        ("TaskStateEntered", 13),
        ("LambdaFunctionScheduled", 14),
        ("LambdaFunctionStarted", 15),
        ("LambdaFunctionFailed", 16),
        ("ExecutionFailed", 17),
        ("ExecutionRedriven", 18),
        ("LambdaFunctionScheduled", 14),
        ("LambdaFunctionStarted", 20),
        ("LambdaFunctionSucceeded", 21),
        ("TaskStateExited", 22),
        ("TaskStateEntered", 23),
        ("TaskScheduled", 24),
        ("TaskStarted", 25),
        ("TaskSubmitted", 26),
        ("TaskSucceeded", 27),
        ("TaskStateExited", 28),
        ("TaskStateEntered", 29),
        ("ActivityScheduled", 30),
        ("ActivityStarted", 31),
        ("ActivitySucceeded", 32),
        ("TaskStateExited", 33),
        ("ExecutionSucceeded", 34),
    ];
    assert_eq!(history(&mut aws, T + 5000, &arn), lines(&expected));
    let redriven = event(&mut aws, T + 5000, &arn, 19);
    assert_eq!(
        redriven["executionRedrivenEventDetails"],
        json!({ "redriveCount": 2 })
    );
    assert_eq!(redriven["timestamp"], 1_772_366_404.25);
}

#[test]
fn failed_task_has_the_events_of_its_resource() {
    let s3 = json!({ "resourceType": "aws-sdk:s3", "resource": "getObject", "error": "E", "cause": "c" });
    let glue = json!({ "resourceType": "glue", "resource": "startJobRun.sync", "error": "E", "cause": "c" });
    let plain = json!({ "error": "E", "cause": "c" });
    let late =
        json!({ "resourceType": "aws-sdk:s3", "resource": "getObject", "error": "States.Timeout" });
    #[rustfmt::skip]
    let cases = [
        (json!({ "state": "Load", "error": "E", "cause": "c" }), "TaskFailed", "taskFailedEventDetails", s3),
        (json!({ "state": "Book", "error": "E", "cause": "c" }), "TaskFailed", "taskFailedEventDetails", glue),
        (json!({ "state": "Check", "error": "E", "cause": "c" }), "LambdaFunctionFailed", "lambdaFunctionFailedEventDetails", plain.clone()),
        (json!({ "state": "Sign", "error": "E", "cause": "c" }), "ActivityFailed", "activityFailedEventDetails", plain),
        (json!({ "state": "Load", "error": "States.Timeout" }), "TaskTimedOut", "taskTimedOutEventDetails", late),
        (
            json!({ "state": "Check", "error": "States.Timeout" }),
            "LambdaFunctionTimedOut",
            "lambdaFunctionTimedOutEventDetails",
            json!({ "error": "States.Timeout" }),
        ),
        (
            json!({ "state": "Load", "error": "States.QueryEvaluationError" }),
            "EvaluationFailed",
            "evaluationFailedEventDetails",
            json!({ "state": "Load", "error": "States.QueryEvaluationError" }),
        ),
        (json!({ "state": "Load", "error": "States.Runtime" }), "TaskStateEntered", "stateEnteredEventDetails", Value::Null),
    ];
    for (failing, kind, key, details) in cases {
        let mut aws = account();
        let arn = start(
            &mut aws,
            "orders",
            "one",
            &json!([{ "fail": failing.clone() }]),
        );
        let body = json!({ "executionArn": arn, "reverseOrder": true, "maxResults": 2 });
        let last = ok(aws.call(T + 1000, "GetExecutionHistory", &body));
        let (end, before) = (&last["events"][0], &last["events"][1]);
        assert_eq!(end["type"], "ExecutionFailed");
        assert_eq!(end["previousEventId"], before["id"], "{failing}");
        assert_eq!(before["type"], kind, "{failing}");
        if !details.is_null() {
            assert_eq!(before[key], details, "{failing}");
        }
        let mut expected = failing.clone();
        expected.as_object_mut().unwrap().remove("state");
        assert_eq!(end["executionFailedEventDetails"], expected);
    }
}

#[test]
fn a_scheduled_task_names_its_integration() {
    let mut aws = account();
    let arn = failed(&mut aws);
    let details = event(&mut aws, T + 1000, &arn, 5)["taskScheduledEventDetails"].clone();
    let expected = [
        ("resourceType", "aws-sdk:s3"),
        ("resource", "getObject"),
        ("region", "eu-west-1"),
    ];
    for (key, value) in expected {
        assert_eq!(details[key], value);
    }
    let started = event(&mut aws, T + 1000, &arn, 6)["taskStartedEventDetails"].clone();
    assert_eq!(
        started,
        json!({ "resourceType": "aws-sdk:s3", "resource": "getObject" })
    );
}

#[test]
fn interrupted_run_resumes_in_its_state() {
    let mut aws = account();
    let arn = start(
        &mut aws,
        "orders",
        "one",
        &json!([{ "time_out": {} }, { "hang": {} }, { "hang": {} }]),
    );
    aws.advance(T + 1000);
    ok(redrive(&mut aws, T + 2000, &arn, "a"));
    let body = json!({ "executionArn": arn, "error": "Why", "cause": "because" });
    ok(aws.call(T + 3000, "StopExecution", &body));
    ok(redrive(&mut aws, T + 4000, &arn, "b"));
    let tail = [
        ("TaskStarted", 5),
        ("ExecutionTimedOut", 0),
        ("ExecutionRedriven", 7),
        ("TaskScheduled", 4),
        ("TaskStarted", 9),
        ("ExecutionAborted", 0),
        ("ExecutionRedriven", 11),
        ("TaskScheduled", 4),
        ("TaskStarted", 13),
    ];
    assert_eq!(history(&mut aws, T + 4000, &arn)[5..], lines(&tail));
    assert_eq!(
        event(&mut aws, T + 4000, &arn, 7)["executionTimedOutEventDetails"],
        json!({ "error": "States.Timeout" })
    );
    assert_eq!(
        event(&mut aws, T + 4000, &arn, 11)["executionAbortedEventDetails"],
        json!({ "error": "Why", "cause": "because" })
    );

    let mut aws = account();
    aws.options_mut().interruption_follows_nothing = false;
    let arn = start(&mut aws, "orders", "one", &json!([{ "time_out": {} }]));
    assert_eq!(
        history(&mut aws, T + 1000, &arn)[6],
        ("ExecutionTimedOut".to_owned(), 6)
    );
}

/// Returns a Parallel whose second branch holds a Map with a Task and a Fail state.
fn nested() -> Value {
    let item = json!({ "StartAt": "Ship", "States": {
        "Ship": { "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "End": true,
                  "Catch": [{ "ErrorEquals": ["States.ALL"], "Next": "Lost" }] },
        "Lost": { "Type": "Fail", "Error": "Parcel.Lost" },
    }});
    json!({ "StartAt": "Both", "States": {
        "Both": { "Type": "Parallel", "Next": "After", "Branches": [
            { "StartAt": "Mail", "States": { "Mail": { "Type": "Succeed" } } },
            { "StartAt": "Each", "States": { "Each": { "Type": "Map", "ItemProcessor": item, "End": true } } },
        ]},
        "After": { "Type": "Wait", "Seconds": 1, "End": true },
    }})
}

#[test]
fn inner_failure_fails_the_enclosing_state() {
    let way_in = [
        ("ExecutionStarted", 0),
        ("ParallelStateEntered", 0),
        ("ParallelStateStarted", 2),
        ("SucceedStateEntered", 3),
        ("SucceedStateExited", 4),
        ("MapStateEntered", 3),
        ("MapStateStarted", 6),
        ("MapIterationStarted", 7),
        ("TaskStateEntered", 8),
        ("TaskScheduled", 9),
        ("TaskStarted", 10),
    ];
    let mut aws = empty();
    create(&mut aws, "parcels", &nested());
    let arn = start(
        &mut aws,
        "parcels",
        "task",
        &json!([{ "fail": { "state": "Ship", "error": "E" } }, { "succeed": {} }]),
    );
    ok(redrive(&mut aws, T + 2000, &arn, "a"));
    let way_out = [
        ("TaskFailed", 11),
        ("MapIterationFailed", 12),
        ("MapStateFailed", 12),
        ("ParallelStateFailed", 14),
        ("ExecutionFailed", 15),
        ("ExecutionRedriven", 16),
        ("TaskScheduled", 9),
        ("TaskStarted", 18),
        ("TaskSucceeded", 19),
        ("TaskStateExited", 20),
        ("MapIterationSucceeded", 21),
        ("MapStateSucceeded", 22),
        ("MapStateExited", 23),
        ("ParallelStateSucceeded", 24),
        ("ParallelStateExited", 25),
        ("WaitStateEntered", 26),
        ("WaitStateExited", 27),
        ("ExecutionSucceeded", 28),
    ];
    assert_eq!(
        history(&mut aws, T + 3000, &arn),
        lines(&[&way_in[..], &way_out[..]].concat())
    );
}

#[test]
fn every_branch_begins_with_its_parallel() {
    let expected = [
        ("ExecutionStarted", 0),
        ("ParallelStateEntered", 0),
        ("ParallelStateStarted", 2),
        ("SucceedStateEntered", 3),
        ("SucceedStateExited", 4),
        ("MapStateEntered", 3),
        ("MapStateStarted", 6),
        ("MapIterationStarted", 7),
    ];
    for outcome in [
        json!({ "succeed": {} }),
        json!({ "fail": { "state": "After" } }),
    ] {
        let mut aws = empty();
        create(&mut aws, "parcels", &nested());
        let arn = start(&mut aws, "parcels", "one", &json!([outcome]));
        assert_eq!(
            history(&mut aws, T + 1000, &arn)[..8],
            lines(&expected),
            "{outcome}"
        );
    }
}

#[test]
fn inner_fail_state_is_found_behind_the_enclosing_state() {
    let mut aws = empty();
    create(&mut aws, "parcels", &nested());
    let arn = start(
        &mut aws,
        "parcels",
        "fail",
        &json!([{ "fail": { "state": "Lost" } }]),
    );
    let seen = history(&mut aws, T + 1000, &arn);
    let end: Vec<&str> = seen
        .iter()
        .rev()
        .take(5)
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(
        end,
        [
            "ExecutionFailed",
            "ParallelStateFailed",
            "MapStateFailed",
            "MapIterationFailed",
            "FailStateEntered"
        ]
    );
    let length = seen.len() as u64;
    let chain: Vec<u64> = seen
        .iter()
        .rev()
        .take(4)
        .map(|(_, previous)| *previous)
        .collect();
    assert_eq!(chain, [length - 1, length - 2, length - 4, length - 4]);
    assert!(aws.execution(&arn).unwrap().ended_in_fail_state);
}

/// A state that fails by States.Runtime has no event of its own. A failed evaluation names its state. Except for a
/// Wait, its event follows from the predecessor of the state's entry.
#[test]
fn state_failing_by_itself_has_its_entry_or_name() {
    let each = json!({ "StartAt": "Item", "States": { "Item": { "Type": "Succeed" } } });
    let states = [
        ("Pass", json!({ "Type": "Pass" })),
        ("Wait", json!({ "Type": "Wait", "Seconds": 1 })),
        (
            "Task",
            json!({ "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke" }),
        ),
        ("Map", json!({ "Type": "Map", "ItemProcessor": each })),
        ("Choice", json!({ "Type": "Choice", "Default": "Done" })),
    ];
    let end = |kind: &str, mut state: Value, error: &str| {
        state["Next"] = "Done".into();
        let mut aws = empty();
        let definition = json!({ "StartAt": "First", "States": {
            "First": { "Type": "Pass", "Next": kind }, kind: state, "Done": { "Type": "Succeed" },
        }});
        create(&mut aws, "alone", &definition);
        let outcomes = json!([{ "fail": { "state": kind, "error": error } }]);
        let arn = start(&mut aws, "alone", "one", &outcomes);
        let seen = history(&mut aws, T + 1000, &arn);
        let evaluated = event(&mut aws, T + 1000, &arn, 5)["evaluationFailedEventDetails"].clone();
        (seen[3..].to_vec(), evaluated["state"].clone())
    };
    for (kind, state) in states {
        let entered = format!("{kind}StateEntered");
        let (seen, _) = end(kind, state.clone(), "States.Runtime");
        assert_eq!(seen, lines(&[(&entered, 3), ("ExecutionFailed", 4)]));

        let (seen, named) = end(kind, state, "States.QueryEvaluationError");
        let from = if kind == "Wait" { 4 } else { 3 };
        let mut expected = vec![(entered.as_str(), 3), ("EvaluationFailed", from)];
        if kind == "Map" {
            expected.push(("MapStateFailed", 5));
        }
        expected.push(("ExecutionFailed", 3 + expected.len() as u64));
        assert_eq!((seen, named), (lines(&expected), json!(kind)));
    }
}

#[test]
fn a_distributed_map_is_the_business_of_its_children() {
    let processor = json!({ "ProcessorConfig": { "Mode": "DISTRIBUTED" }, "StartAt": "Item", "States": {
        "Item": { "Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage", "End": true },
    }});
    let definition = json!({ "StartAt": "Each", "States": {
        "Each": { "Type": "Map", "Label": "Each", "ItemProcessor": processor, "End": true },
    }});
    let mut aws = empty();
    create(&mut aws, "bulk", &definition);
    let within = json!({ "outcomes": [{ "fail": { "state": "Item" } }] }).to_string();
    let body = json!({ "stateMachineArn": ORDERS.replace("orders", "bulk"), "input": within });
    assert_eq!(
        refused(aws.call(T, "StartExecution", &body)).code(),
        "ValidationException"
    );

    let error = "States.ExceedToleratedFailureThreshold";
    let outcomes = json!([{ "fail": { "error": error, "state": "Each" } }, { "succeed": {} }]);
    let arn = start(&mut aws, "bulk", "one", &outcomes);
    aws.start_map_run(T + 5, &arn, "Each", [("bad".to_owned(), slow())])
        .unwrap();
    ok(redrive(&mut aws, T + 2000, &arn, "a"));
    let expected = [
        ("ExecutionStarted", 0),
        ("MapStateEntered", 0),
        ("MapStateStarted", 2),
        ("MapRunStarted", 3),
        ("MapRunFailed", 4),
        ("MapStateFailed", 5),
        ("ExecutionFailed", 6),
        ("ExecutionRedriven", 7),
        ("MapRunRedriven", 2),
        ("MapStateSucceeded", 9),
        ("MapStateExited", 10),
        ("ExecutionSucceeded", 11),
    ];
    assert_eq!(history(&mut aws, T + 3000, &arn), lines(&expected));
    let child = "arn:aws:states:eu-west-1:111122223333:execution:bulk/Each:bad";
    assert_eq!(aws.execution(child).unwrap().state, Some("Item"));
}

#[test]
fn a_plain_run_follows_its_definition() {
    let choice = |default: &str| {
        json!({ "StartAt": "Choose", "States": {
            "Choose": { "Type": "Choice", "Default": default, "Choices": [{ "Variable": "$.x", "IsPresent": true, "Next": "Bad" }] },
            "Good": { "Type": "Succeed" },
            "Bad": { "Type": "Fail", "ErrorPath": "$.Error", "CausePath": "$.Cause" },
        }})
    };
    for (default, end, before) in [
        ("Good", "ExecutionSucceeded", "SucceedStateExited"),
        ("Bad", "ExecutionFailed", "FailStateEntered"),
    ] {
        let mut aws = empty();
        create(&mut aws, "plain", &choice(default));
        let body = json!({ "stateMachineArn": ORDERS.replace("orders", "plain"), "name": "one" });
        let arn = ok(aws.call(T, "StartExecution", &body))["executionArn"]
            .as_str()
            .unwrap()
            .to_owned();
        let seen = history(&mut aws, T + 1000, &arn);
        assert_eq!(seen[seen.len() - 1].0, end);
        assert_eq!(seen[seen.len() - 2].0, before);
        assert_eq!(
            seen[1..3],
            lines(&[("ChoiceStateEntered", 0), ("ChoiceStateExited", 2)])
        );
    }
}

#[test]
fn history_is_paged_in_both_directions() {
    let mut aws = account();
    let arn = failed(&mut aws);
    for (reverse, expected) in [
        (false, [1, 2, 3, 4, 5, 6, 7, 8]),
        (true, [8, 7, 6, 5, 4, 3, 2, 1]),
    ] {
        let (mut ids, mut token) = (Vec::new(), Value::Null);
        loop {
            let body = json!({ "executionArn": arn, "reverseOrder": reverse, "maxResults": 3, "nextToken": token });
            let page = ok(aws.call(T + 1000, "GetExecutionHistory", &body));
            let events = page["events"].as_array().unwrap();
            assert!(events.len() <= 3);
            ids.extend(events.iter().map(|event| event["id"].as_u64().unwrap()));
            let Some(next) = page.get("nextToken") else {
                break;
            };
            token = next.clone();
        }
        assert_eq!(ids, expected);
    }
}

#[test]
fn the_last_page_of_a_history_says_so() {
    let mut aws = account();
    let arn = failed(&mut aws);
    for reverse in [false, true] {
        for (size, more) in [(7, true), (8, false), (9, false)] {
            let body = json!({ "executionArn": arn, "reverseOrder": reverse, "maxResults": size });
            let page = ok(aws.call(T + 1000, "GetExecutionHistory", &body));
            assert_eq!(page.get("nextToken").is_some(), more, "{reverse} {size}");
        }
    }
}

#[test]
fn a_page_token_lives_for_a_day() {
    let mut aws = account();
    let arn = failed(&mut aws);
    let first = ok(aws.call(
        T + 1000,
        "GetExecutionHistory",
        &json!({ "executionArn": arn, "maxResults": 1 }),
    ));
    let body = json!({ "executionArn": arn, "nextToken": first["nextToken"] });
    ok(aws.call(T + 1000 + DAY, "GetExecutionHistory", &body));
    assert_eq!(
        refused(aws.call(T + 1001 + DAY, "GetExecutionHistory", &body)).code(),
        "InvalidToken"
    );
    let body = json!({ "executionArn": arn, "nextToken": "nonsense" });
    assert_eq!(
        refused(aws.call(T + 1000, "GetExecutionHistory", &body)).code(),
        "InvalidToken"
    );
}

#[test]
fn without_data_a_history_keeps_error_and_cause() {
    let mut aws = account();
    let arn = failed(&mut aws);
    let body = json!({ "executionArn": arn, "includeExecutionData": false });
    let bare = ok(aws.call(T + 1000, "GetExecutionHistory", &body));
    assert!(!bare.to_string().contains("outcomes"), "no input is left");
    assert_eq!(
        bare["events"][7]["executionFailedEventDetails"],
        json!({ "error": "S3.Slow", "cause": "wait" })
    );
}
