//! The answers and the refusals of the other operations.

use super::*;
use crate::stepfunctions::{Seed, Status};

const ONE: &str = "arn:aws:states:eu-west-1:111122223333:execution:orders:one";

#[test]
fn description_omits_absent_members() {
    let mut aws = account();
    let arn = failed(&mut aws);
    ok(redrive(&mut aws, T + 2000, &arn, "a"));
    let details = json!({ "__type": "com.amazonaws.swf.base.model#CloudWatchEventsExecutionDataDetails", "included": true });
    let input = aws.executions[arn.as_str()].input.to_string();
    let mut expected = json!({
        "executionArn": ONE, "stateMachineArn": ORDERS, "name": "one", "status": "RUNNING",
        "startDate": 1_772_366_400.25, "input": input, "inputDetails": details,
        "redriveCount": 1, "redriveDate": 1_772_366_402.25, "redriveStatus": "NOT_REDRIVABLE",
        "redriveStatusReason": "Execution is RUNNING and cannot be redriven",
    });
    assert_eq!(describe(&mut aws, T + 2500, &arn), expected);

    let members = expected.as_object_mut().unwrap();
    members.remove("redriveStatusReason");
    members.extend([
        ("status".to_owned(), json!("FAILED")),
        ("redriveStatus".to_owned(), json!("REDRIVABLE")),
        ("stopDate".to_owned(), json!(1_772_366_403.25)),
        ("error".to_owned(), json!("S3.Slow")),
        ("cause".to_owned(), json!("wait")),
    ]);
    assert_eq!(describe(&mut aws, T + 3000, &arn), expected);

    let members = expected.as_object_mut().unwrap();
    members.retain(|key, _| !["input", "inputDetails", "error", "cause"].contains(&key.as_str()));
    let body = json!({ "executionArn": arn, "includedData": "METADATA_ONLY" });
    assert_eq!(ok(aws.call(T + 3000, "DescribeExecution", &body)), expected);
}

#[test]
fn time_out_has_no_error_and_stop_the_given_one() {
    let mut aws = account();
    let late = start(&mut aws, "orders", "late", &json!([{ "time_out": {} }]));
    let stopped = start(&mut aws, "orders", "stopped", &json!([{ "hang": {} }]));
    let stop = json!({ "executionArn": stopped, "error": "Why" });
    let answer = ok(aws.call(T + 1000, "StopExecution", &stop));
    assert_eq!(
        ok(aws.call(T + 9000, "StopExecution", &stop)),
        answer,
        "a second stop changes nothing"
    );
    let late = describe(&mut aws, T + 1000, &late);
    assert_eq!(
        (&late["status"], late.get("error"), late.get("cause")),
        (&json!("TIMED_OUT"), None, None)
    );
    let stopped = describe(&mut aws, T + 1000, &stopped);
    assert_eq!(
        (
            &stopped["status"],
            stopped.get("error"),
            stopped.get("cause")
        ),
        (&json!("ABORTED"), Some(&json!("Why")), None)
    );
    assert_eq!(
        (&late["redriveStatus"], &stopped["redriveStatus"]),
        (&json!("REDRIVABLE"), &json!("REDRIVABLE"))
    );
}

#[test]
fn answers_lag_as_configured() {
    let mut aws = account();
    let options = aws.options_mut();
    (
        options.describe_lag_ms,
        options.list_lag_ms,
        options.history_lag_ms,
    ) = (300, 500, 200);
    let arn = start(
        &mut aws,
        "orders",
        "one",
        &json!([{ "fail": { "state": "Load" } }]),
    );
    let body = json!({ "executionArn": arn });
    let seen =
        |aws: &mut StepFunctions, after: u64| match aws.call(T + after, "DescribeExecution", &body)
        {
            Ok(answer) => answer["status"].as_str().unwrap().to_owned(),
            Err(CallError::Api(error)) => error.code().to_owned(),
            Err(error) => panic!("it was to be answered: {error:?}"),
        };
    let listed = |aws: &mut StepFunctions, after: u64| {
        let list = ok(aws.call(
            T + after,
            "ListExecutions",
            &json!({ "stateMachineArn": ORDERS }),
        ));
        list["executions"]
            .get(0)
            .map(|item| item["status"].as_str().unwrap().to_owned())
    };
    assert_eq!(seen(&mut aws, 299), "ExecutionDoesNotExist");
    assert_eq!(seen(&mut aws, 300), "RUNNING");
    assert_eq!(listed(&mut aws, 499), None);
    assert_eq!(seen(&mut aws, 1299), "RUNNING");
    assert_eq!(history(&mut aws, T + 1199, &arn).len(), 6);
    assert_eq!(history(&mut aws, T + 1200, &arn).len(), 8);
    assert_eq!(seen(&mut aws, 1300), "FAILED");
    assert_eq!(listed(&mut aws, 1499).unwrap(), "RUNNING");
    assert_eq!(listed(&mut aws, 1500).unwrap(), "FAILED");
    ok(redrive(&mut aws, T + 2000, &arn, "a"));
    assert_eq!(seen(&mut aws, 2299), "FAILED", "just after a redrive");
    assert_eq!(seen(&mut aws, 2300), "RUNNING");
    assert_eq!(aws.execution(&arn).unwrap().status, Status::Running);
}

#[test]
fn list_is_newest_first_and_paged() {
    let mut aws = account();
    for number in 0..5 {
        let outcome = if number % 2 == 0 {
            json!({ "fail": {} })
        } else {
            json!({ "succeed": {} })
        };
        start(
            &mut aws,
            "orders",
            &format!("run-{number}"),
            &json!([outcome]),
        );
    }
    let old = ONE.replace(":one", ":old");
    aws.seed(Seed::new(old, Status::Failed, T - DAY, T - DAY))
        .unwrap();
    let mut names = |filter: Value| {
        let (mut names, mut token) = (Vec::new(), Value::Null);
        loop {
            let body = json!({ "stateMachineArn": ORDERS, "statusFilter": filter, "maxResults": 2, "nextToken": token });
            let page = ok(aws.call(T + 1000, "ListExecutions", &body));
            let items = page["executions"].as_array().unwrap();
            names.extend(
                items
                    .iter()
                    .map(|item| item["name"].as_str().unwrap().to_owned()),
            );
            let Some(next) = page.get("nextToken") else {
                return names;
            };
            token = next.clone();
        }
    };
    assert_eq!(
        names(Value::Null),
        ["run-4", "run-3", "run-2", "run-1", "run-0", "old"]
    );
    assert_eq!(names(json!("FAILED")), ["run-4", "run-2", "run-0", "old"]);
    assert_eq!(names(json!("ABORTED")), [""; 0]);
    let page = ok(aws.call(
        T + 1000,
        "ListExecutions",
        &json!({ "stateMachineArn": ORDERS, "maxResults": 1 }),
    ));
    assert_eq!(
        page["executions"][0],
        json!({
            "executionArn": ONE.replace(":one", ":run-4"), "stateMachineArn": ORDERS, "name": "run-4",
            "status": "FAILED", "startDate": 1_772_366_400.25, "stopDate": 1_772_366_401.25, "redriveCount": 0,
        })
    );
}

#[test]
fn default_page_has_a_hundred_items() {
    let mut aws = account();
    for number in 0..101 {
        start(
            &mut aws,
            "orders",
            &format!("run-{number}"),
            &json!([{ "hang": {} }]),
        );
    }
    for (size, expected) in [(Value::Null, 100), (json!(0), 100), (json!(101), 101)] {
        let body = json!({ "stateMachineArn": ORDERS, "maxResults": size });
        let page = ok(aws.call(T, "ListExecutions", &body));
        assert_eq!(page["executions"].as_array().unwrap().len(), expected);
        assert_eq!(
            page.get("nextToken").is_some(),
            expected == 100,
            "a full page may be the last"
        );
    }
}

#[test]
fn calls_that_make_no_sense_are_refused() {
    let run = "arn:aws:states:eu-west-1:111122223333:mapRun:orders/Each:lost";
    let lost = ORDERS.replace("orders", "lost");
    let cases = [
        ("ListExecutions", json!({}), "ValidationException"),
        (
            "ListExecutions",
            json!({ "stateMachineArn": ORDERS, "mapRunArn": run }),
            "ValidationException",
        ),
        (
            "ListExecutions",
            json!({ "stateMachineArn": ORDERS, "redriveFilter": "REDRIVEN" }),
            "ValidationException",
        ),
        (
            "ListExecutions",
            json!({ "stateMachineArn": ORDERS, "statusFilter": "PENDING_REDRIVE" }),
            "ValidationException",
        ),
        (
            "ListExecutions",
            json!({ "stateMachineArn": ORDERS, "statusFilter": "BROKEN" }),
            "ValidationException",
        ),
        (
            "ListExecutions",
            json!({ "stateMachineArn": ORDERS, "maxResults": 1001 }),
            "ValidationException",
        ),
        (
            "ListExecutions",
            json!({ "stateMachineArn": ORDERS, "nextToken": "x" }),
            "InvalidToken",
        ),
        (
            "ListExecutions",
            json!({ "stateMachineArn": lost }),
            "StateMachineDoesNotExist",
        ),
        (
            "ListExecutions",
            json!({ "mapRunArn": run }),
            "ResourceNotFound",
        ),
        (
            "DescribeMapRun",
            json!({ "mapRunArn": run }),
            "ResourceNotFound",
        ),
        (
            "DescribeMapRun",
            json!({ "mapRunArn": ORDERS }),
            "InvalidArn",
        ),
        (
            "DescribeExecution",
            json!({ "executionArn": ONE }),
            "ExecutionDoesNotExist",
        ),
        (
            "DescribeExecution",
            json!({ "executionArn": "arn:aws:states:eu-west-1:111122223333:express:orders:one:1" }),
            "InvalidArn",
        ),
        (
            "GetExecutionHistory",
            json!({ "executionArn": "arn:aws:states:eu-west-1:111122223333:express:orders:one:1" }),
            "InvalidArn",
        ),
        (
            "DescribeStateMachine",
            json!({ "stateMachineArn": format!("{ORDERS}:9") }),
            "StateMachineDoesNotExist",
        ),
        (
            "StopExecution",
            json!({ "executionArn": ONE, "error": "x".repeat(257) }),
            "ValidationException",
        ),
        (
            "StartExecution",
            json!({ "stateMachineArn": ORDERS, "name": "a b" }),
            "InvalidName",
        ),
        (
            "StartExecution",
            json!({ "stateMachineArn": ORDERS, "input": "not" }),
            "InvalidExecutionInput",
        ),
        (
            "StartExecution",
            json!({ "stateMachineArn": ONE }),
            "InvalidArn",
        ),
        (
            "UpdateStateMachine",
            json!({ "stateMachineArn": ORDERS }),
            "MissingRequiredParameter",
        ),
        (
            "CreateStateMachine",
            json!({ "name": "x", "definition": "{}", "roleArn": "r" }),
            "InvalidDefinition",
        ),
        (
            "CreateStateMachine",
            json!({ "name": "orders", "definition": orders().to_string(), "roleArn": "r" }),
            "StateMachineAlreadyExists",
        ),
        (
            "PublishStateMachineVersion",
            json!({ "stateMachineArn": ORDERS, "revisionId": "other" }),
            "ConflictException",
        ),
        ("SendTaskSuccess", json!({}), "UnknownOperationException"),
    ];
    for (operation, body, code) in cases {
        let mut aws = account();
        assert_eq!(
            refused(aws.call(T, operation, &body)).code(),
            code,
            "{operation} {body}"
        );
    }
}

#[test]
fn invalid_definition_is_refused_with_its_place() {
    let task = json!({ "Type": "Pass", "End": true });
    let cases = [
        (
            json!({ "StartAt": "A" }),
            "SCHEMA_VALIDATION_FAILED: These fields are required: [States] at /",
        ),
        (
            json!({ "StartAt": "B", "States": { "A": task } }),
            "MISSING_TRANSITION_TARGET: Missing 'Next' target: B at /StartAt",
        ),
        (
            json!({ "StartAt": "A", "States": { "A": { "Type": "Pass", "Next": "B" } } }),
            "MISSING_TRANSITION_TARGET: Missing 'Next' target: B at /States/A/Next",
        ),
        (
            json!({ "StartAt": "A", "States": { "A": { "Type": "Pas", "End": true } } }),
            "SCHEMA_VALIDATION_FAILED: Value is not a valid state Type at /States/A/Type",
        ),
        (
            json!({ "StartAt": "A", "States": { "A": { "Type": "Task", "End": true } } }),
            "SCHEMA_VALIDATION_FAILED: These fields are required: [Resource] at /States/A",
        ),
        (
            json!({ "StartAt": "A", "States": { "A": { "Type": "Parallel", "End": true, "Branches": [{ "StartAt": "A", "States": { "A": task } }] } } }),
            "DUPLICATE_STATE_NAME: Duplicate State name: A at /States/A/Branches[0]/States/A",
        ),
    ];
    for (definition, why) in cases {
        let body = json!({ "name": "x", "definition": definition.to_string(), "roleArn": "r" });
        let error = refused(empty().call(T, "CreateStateMachine", &body));
        assert_eq!(
            error.message,
            format!("Invalid State Machine Definition: '{why}'")
        );
    }
}

#[test]
fn invalid_script_is_refused_with_its_place() {
    let cases = [
        (
            json!({ "outcomes": [] }),
            "outcomes: must be a list of at least one outcome",
        ),
        (
            json!({ "outcomes": [{ "succeed": {} }, {}] }),
            "outcomes[1]: must have one of `fail`, `time_out`, `succeed`, `hang`; it has none",
        ),
        (
            json!({ "outcomes": [{ "succeed": {}, "hang": {} }] }),
            "outcomes[0]: must have one of `fail`, `time_out`, `succeed`, `hang`; it has several",
        ),
        (
            json!({ "outcomes": [{ "fial": {} }] }),
            "outcomes[0]: unknown field `fial`, expected one of `fail`, `time_out`, `succeed`, `hang`, `after_ms`",
        ),
        (
            json!({ "outcomes": [{ "fail": { "state": "Lod" } }] }),
            "outcomes[0].fail.state: the definition has no state named `Lod`",
        ),
        (
            json!({ "outcomes": [{ "fail": { "error": "x".repeat(257) } }] }),
            "outcomes[0]: `error` has 257 characters, at most 256 are allowed",
        ),
        (
            json!({ "outcomes": [{ "hang": {} }], "then": { "fail": { "state": "Lod" } } }),
            "then.fail.state: the definition has no state named `Lod`",
        ),
    ];
    for (input, why) in cases {
        let mut aws = account();
        let body = json!({ "stateMachineArn": ORDERS, "input": input.to_string() });
        let error = refused(aws.call(T, "StartExecution", &body));
        assert_eq!(error.code(), "ValidationException");
        assert_eq!(
            error.message,
            format!("the script in the input is invalid: {why}")
        );
        assert_eq!(aws.executions().count(), 0);
    }
}

#[test]
fn a_name_is_used_once() {
    let mut aws = account();
    let body = |input: &str| json!({ "stateMachineArn": ORDERS, "name": "one", "input": input });
    let first = ok(aws.call(T, "StartExecution", &body("{}")));
    assert_eq!(
        ok(aws.call(T + 500, "StartExecution", &body("{}"))),
        first,
        "the same again while it runs"
    );
    assert_eq!(
        refused(aws.call(T + 500, "StartExecution", &body("{ }"))).code(),
        "ExecutionAlreadyExists"
    );
    assert_eq!(
        refused(aws.call(T + 1000, "StartExecution", &body("{}"))).code(),
        "ExecutionAlreadyExists"
    );
}

#[test]
fn an_execution_keeps_the_definition_it_started_with() {
    let mut aws = account();
    let arn = failed(&mut aws);
    let created = ok(aws.call(
        T + 2000,
        "DescribeStateMachine",
        &json!({ "stateMachineArn": ORDERS }),
    ));
    assert_eq!(
        (
            &created["status"],
            &created["type"],
            created.get("revisionId")
        ),
        (&json!("ACTIVE"), &json!("STANDARD"), None)
    );
    let fixed = json!({ "StartAt": "A", "States": { "A": { "Type": "Succeed" } } }).to_string();
    let update = json!({ "stateMachineArn": ORDERS, "definition": fixed });
    let update = ok(aws.call(T + 2000, "UpdateStateMachine", &update));
    assert_eq!(update["updateDate"], 1_772_366_402.25);
    let now = ok(aws.call(
        T + 2000,
        "DescribeStateMachine",
        &json!({ "stateMachineArn": ORDERS }),
    ));
    assert_eq!(
        (&now["definition"], &now["revisionId"]),
        (&json!(fixed), &update["revisionId"])
    );
    let pinned = ok(aws.call(
        T + 2000,
        "DescribeStateMachineForExecution",
        &json!({ "executionArn": arn }),
    ));
    assert_eq!(pinned["definition"], created["definition"]);
    assert_eq!(
        (pinned.get("revisionId"), &pinned["updateDate"]),
        (None, &created["creationDate"])
    );
    let later = ok(aws.call(
        T + 2000,
        "StartExecution",
        &json!({ "stateMachineArn": ORDERS }),
    ));
    let body = json!({ "executionArn": later["executionArn"] });
    let later = ok(aws.call(T + 2000, "DescribeStateMachineForExecution", &body));
    for key in ["revisionId", "updateDate"] {
        assert_eq!(
            later[key], update[key],
            "what starts later is pinned to the update"
        );
    }
    ok(redrive(&mut aws, T + 3000, &arn, "a"));
    assert_eq!(
        aws.execution(&arn).unwrap().state,
        Some("Load"),
        "a redrive does not pick up the fix"
    );
    assert_eq!(
        history(&mut aws, T + 3000, &arn)[9],
        ("TaskScheduled".to_owned(), 4)
    );
}

#[test]
fn executions_name_the_version_and_alias_that_started_them() {
    let mut aws = account();
    let publish = json!({ "stateMachineArn": ORDERS });
    let first = ok(aws.call(T, "PublishStateMachineVersion", &publish));
    assert_eq!(first["stateMachineVersionArn"], format!("{ORDERS}:1"));
    assert_eq!(
        ok(aws.call(T, "PublishStateMachineVersion", &publish)),
        first,
        "an unchanged machine has one version"
    );
    let fixed = json!({ "StartAt": "A", "States": { "A": { "Type": "Succeed" } } }).to_string();
    let update = json!({ "stateMachineArn": ORDERS, "definition": fixed, "publish": true });
    assert_eq!(
        ok(aws.call(T, "UpdateStateMachine", &update))["stateMachineVersionArn"],
        format!("{ORDERS}:2")
    );
    let alias = json!({ "name": "live", "routingConfiguration": [{ "stateMachineVersionArn": format!("{ORDERS}:1"), "weight": 100 }] });
    assert_eq!(
        ok(aws.call(T, "CreateStateMachineAlias", &alias))["stateMachineAliasArn"],
        format!("{ORDERS}:live")
    );

    for (qualifier, version, alias, states) in [
        ("", None, None, 1),
        (":1", Some(":1"), None, 6),
        (":2", Some(":2"), None, 1),
        (":live", Some(":1"), Some(":live"), 6),
    ] {
        let arn = format!("{ORDERS}{qualifier}");
        let body = json!({ "stateMachineArn": arn });
        let execution = ok(aws.call(T, "StartExecution", &body))["executionArn"]
            .as_str()
            .unwrap()
            .to_owned();
        let seen = describe(&mut aws, T, &execution);
        let named = |end: Option<&str>| end.map(|end| json!(format!("{ORDERS}{end}")));
        assert_eq!(seen["stateMachineArn"], ORDERS, "always unqualified");
        assert_eq!(seen.get("stateMachineVersionArn"), named(version).as_ref());
        assert_eq!(seen.get("stateMachineAliasArn"), named(alias).as_ref());
        let described = ok(aws.call(T, "DescribeStateMachine", &body));
        assert_eq!(described["stateMachineArn"], arn);
        let definition: Value =
            serde_json::from_str(described["definition"].as_str().unwrap()).unwrap();
        assert_eq!(definition["States"].as_object().unwrap().len(), states);
        let listed = ok(aws.call(T, "ListExecutions", &body))["executions"]
            .as_array()
            .unwrap()
            .len();
        assert!(
            listed == 1 || qualifier.is_empty(),
            "{qualifier} lists its own"
        );
    }
}

#[test]
fn deleted_machine_starts_nothing_and_ends_its_executions() {
    let mut aws = account();
    let arn = start(&mut aws, "orders", "one", &json!([{ "succeed": {} }]));
    ok(aws.call(
        T,
        "DeleteStateMachine",
        &json!({ "stateMachineArn": ORDERS }),
    ));
    ok(aws.call(
        T,
        "DeleteStateMachine",
        &json!({ "stateMachineArn": ORDERS.replace("orders", "never") }),
    ));
    let body = json!({ "stateMachineArn": ORDERS });
    assert_eq!(
        ok(aws.call(T, "DescribeStateMachine", &body))["status"],
        "DELETING"
    );
    assert_eq!(
        refused(aws.call(T, "StartExecution", &body)).code(),
        "StateMachineDeleting"
    );
    assert_eq!(
        ok(aws.call(T, "ListStateMachines", &json!({})))["stateMachines"],
        json!([])
    );
    aws.advance(T + 1000);
    let view = aws.execution(&arn).unwrap();
    assert_eq!(
        (view.error, view.cause),
        (
            Some("States.Runtime"),
            Some("State machine orders has been deleted")
        )
    );
}

#[test]
fn express_executions_leave_no_trace() {
    let mut aws = empty();
    let body = json!({ "name": "quick", "definition": orders().to_string(), "roleArn": "r", "type": "EXPRESS" });
    let machine = ok(aws.call(T, "CreateStateMachine", &body))["stateMachineArn"].clone();
    let started = ok(aws.call(
        T,
        "StartExecution",
        &json!({ "stateMachineArn": machine, "name": "one" }),
    ));
    assert!(
        started["executionArn"]
            .as_str()
            .unwrap()
            .contains(":express:quick:one:")
    );
    assert_eq!(aws.next_at(), None);
    assert_eq!(aws.take_events(), []);
    let listed = aws.call(T, "ListExecutions", &json!({ "stateMachineArn": machine }));
    assert_eq!(refused(listed).code(), "StateMachineTypeNotSupported");
}

#[test]
fn machines_are_listed_in_pages() {
    let mut aws = account();
    create(&mut aws, "parcels", &orders());
    let first = ok(aws.call(T, "ListStateMachines", &json!({ "maxResults": 1 })));
    assert_eq!(
        first["stateMachines"],
        json!([{ "stateMachineArn": ORDERS, "name": "orders", "type": "STANDARD", "creationDate": 1_772_280_000.25 }])
    );
    let second = ok(aws.call(
        T,
        "ListStateMachines",
        &json!({ "nextToken": first["nextToken"] }),
    ));
    assert_eq!(
        (&second["stateMachines"][0]["name"], second.get("nextToken")),
        (&json!("parcels"), None)
    );
}
